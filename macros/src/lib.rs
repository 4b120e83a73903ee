//! The attribute macros of spanwright, which re-exports them: depend on `spanwright`, not on this crate.
//!
//! Each attribute turns a function into a span of its type. The function keeps its signature, its result, its errors and panics, and the order in which it
//! drops its arguments. The examples show a function (before) and what it becomes (after, with `p` for `::spanwright::__private`).
//!
//! # Arguments of every attribute
//!
//! | Argument | Meaning | Default |
//! |---|---|---|
//! | `name = "…"` | display name, at most 250 characters | the function's name |
//! | `span_type = "…"` | MLflow span type | the attribute's |
//! | `skip(a, b)` | parameters that are not captured | parameters whose name begins with `_` |
//! | `redact(a)` | parameters whose value is never read; a marker stands in its place | – |
//! | `debug(a)` | parameters captured by `Debug` | `Serialize`, else the name of the type |
//! | `inputs(key = expr, …)` | more inputs | – |
//! | `attributes(key = expr, …)` | attributes of the span; a key may be `dotted.name` or `"any text"` | – |
//! | `handle = ident` | binds the span's handle under that name in the body | – |
//! | `capture = "none"`, `"keys"`, `"preview"` or `"full"` | how much of inputs and output is captured | node: keys, llm: full, others: preview |
//! | `output = "…"` | the same for the output alone | as `capture` |
//! | `returns = "value"`, `"future"` or `"stream"` | what the signature does not show, such as a type alias of a boxed future | from the signature |
//! | `expected(Path, …)` | variants or structs of the error that are no failure | – |
//! | `crate = ::path` | where spanwright is, if it is renamed or re-exported | `::spanwright` |
//!
//! Expressions are evaluated when the call starts, only while it is recorded, and by reference: they may name the parameters and move nothing. Plain
//! parameters are captured by name; what a pattern such as `(a, b): (A, B)` binds is not, and neither is `self`.

use proc_macro::TokenStream;
use spanwright_macros_core::{Kind, attribute};

macro_rules! attributes {
    ($($(#[$doc:meta])* $name:ident: $kind:ident;)*) => {$(
        $(#[$doc])*
        #[proc_macro_attribute]
        pub fn $name(args: TokenStream, item: TokenStream) -> TokenStream {
            attribute(Kind::$kind, args.into(), item.into()).into()
        }
    )*};
}

attributes! {
    workflow: Workflow;
    scheduled: Scheduled;
    node: Node;
    sandbox: Sandbox;
    delegate: Delegate;
    llm: Llm;
    tool: Tool;
    retriever: Retriever;
    agent: Agent;
    evaluator: Evaluator;
}
