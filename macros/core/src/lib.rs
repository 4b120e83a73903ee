//! The attribute macros of spanwright over `proc_macro2`: tokens in, tokens out.
//!
//! ```text
//! tokens ─► args, item ─► check ─► lower ─► Plan ─► expand ─► tokens
//!            parsed        rules            typed    cannot fail
//! ```
//!
//! `spans!` goes the same way: tokens ─► `declare` ─► [`model::Declaration`] ─► items. [`semconv`] is the table of standard attributes behind it.
//!
//! - A mistake anywhere before [`model::Plan`] becomes compile errors followed by the function as it was written (`fallback`).
//! - The body of the function is never parsed: it travels as tokens, so half-typed code still expands and keeps its positions.
//! - Everything is decided from the attribute and the signature, so a program that reads source files sees what the compiler sees: [`plan`].

mod args;
mod check;
mod declare;
mod diag;
mod expand;
pub mod facts;
mod fallback;
mod item;
mod kind;
mod lower;
pub mod model;
mod name;
mod private;
pub mod semconv;
mod shape;

pub use diag::{Errors, did_you_mean};
pub use kind::Kind;
pub use name::setter;

use proc_macro2::TokenStream;

/// Expands the attribute `kind` with the arguments `args` on `item`. Never fails: mistakes come out as `compile_error!` beside the untouched item.
pub fn attribute(kind: Kind, args: TokenStream, item: TokenStream) -> TokenStream {
    match plan(kind, args.clone(), item.clone()) {
        Ok(plan) => expand::function(&plan),
        Err(errors) => fallback::untouched(errors, args, item),
    }
}

/// As [`attribute`], for a build that leaves tracing out: the function as it was written.
pub fn compiled_out(kind: Kind, args: TokenStream, item: TokenStream) -> TokenStream {
    match plan(kind, args.clone(), item.clone()) {
        Ok(plan) => expand::untraced(&plan),
        Err(errors) => fallback::untouched(errors, args, item),
    }
}

/// What the attribute `kind` makes of `item`, without expanding it.
///
/// # Errors
///
/// All mistakes in the arguments and the signature at once.
pub fn plan(kind: Kind, args: TokenStream, item: TokenStream) -> Result<model::Plan, Errors> {
    let mut mistakes = diag::Mistakes::default();
    let args = mistakes.keep(args::parse(kind, args));
    let item = mistakes.keep(item::parse(kind, item));
    let (Some(args), Some(item)) = (args, item) else { return Err(mistakes.into_errors()) };
    let input = check::Input::new(kind, args, item);
    mistakes.add(check::all(&input));
    mistakes.finish().map(|()| lower::plan(input))
}

/// What a `spans!` declares, without expanding it.
///
/// # Errors
///
/// All mistakes in the declaration at once.
pub fn declaration(tokens: TokenStream) -> Result<model::Declaration, Errors> {
    declare::parse(tokens)
}

/// Expands a `spans!`. Never fails: mistakes come out as `compile_error!` beside what could be declared.
pub fn spans(tokens: TokenStream) -> TokenStream {
    declare::expand(tokens)
}
