//! The plan of an annotated function: all that its expansion depends on, and what a reader of source files learns about it.

use proc_macro2::Span;
use syn::{Attribute, Expr, Ident, LitStr, Pat, Path, Type};

pub use crate::item::Item;
use crate::kind::Kind;
use crate::private::Private;

/// An annotated function, understood.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The attribute.
    pub kind: Kind,
    /// The function, with the parameters that the expansion renames already renamed.
    pub item: Item,
    /// What is known at compile time.
    pub callsite: Callsite,
    /// What is evaluated at each call, only while recording.
    pub facts: Vec<Fact>,
    /// How the arguments reach the body.
    pub arguments: Arguments,
    /// The name under which the body sees its span.
    pub handle: Option<Ident>,
    /// What the function returns and how.
    pub shape: Shape,
    /// Errors that are not failures.
    pub expected: Vec<Path>,
    /// Where a mistake about the returned value is shown.
    pub return_span: Span,
    pub(crate) private: Private,
}

/// The static facts of a function.
#[derive(Clone, Debug)]
pub struct Callsite {
    /// The function's name.
    pub function: String,
    /// Display name, where it is not the function's.
    pub name: Option<String>,
    /// Span type, where it is not the kind's.
    pub span_type: Option<String>,
    /// Value of the tag `workflow`.
    pub workflow: Option<String>,
    /// The captured parameters, in declaration order.
    pub values: Vec<Captured>,
    /// How much of the inputs is captured, where it is not the kind's choice.
    pub inputs: Option<Level>,
    /// How much of the output is captured, where it is not the kind's choice.
    pub output: Option<Level>,
}

/// A captured parameter.
#[derive(Clone, Debug)]
pub struct Captured {
    /// Its name in the source.
    pub ident: Ident,
    /// Its name in the span.
    pub name: String,
    /// How its value is read.
    pub view: View,
    /// Conditions under which it exists.
    pub cfg: Vec<Attribute>,
}

/// How a parameter's value is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// By `Serialize`, else by the name of its type.
    Value,
    /// By `Debug`.
    Debug,
    /// Not at all: a marker stands in its place.
    Redacted,
}

/// How much of a value is captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Nothing.
    None,
    /// Shape only.
    Keys,
    /// Up to 2 KiB.
    Preview,
    /// Up to 1 MiB.
    Full,
}

impl Level {
    pub(crate) const fn variant(self) -> &'static str {
        match self {
            Self::None => "None",
            Self::Keys => "Keys",
            Self::Preview => "Preview",
            Self::Full => "Full",
        }
    }
}

/// A fact written as an expression in the attribute.
#[derive(Clone, Debug)]
pub struct Fact {
    /// Which one.
    pub name: FactName,
    /// The expression; `run` alone has none.
    pub value: Option<FactValue>,
}

/// Which fact of the span or trace.
#[derive(Clone, Debug)]
pub enum FactName {
    /// A tag of the trace.
    Tag(LitStr),
    /// The trace's session.
    Session,
    /// The trace's user.
    User,
    /// The experiment the trace goes to.
    Experiment,
    /// A run around the trace.
    Run,
    /// A run of that name around the trace.
    RunNamed,
    /// A parameter of the run.
    Param(LitStr),
    /// What started a scheduled job.
    Trigger,
    /// The schedule's id.
    Schedule,
    /// Who delegates.
    From,
    /// To whom.
    To,
    /// What is handed over.
    Content,
    /// The sandbox's policy.
    Policy,
    /// The model asked for.
    Model,
    /// The model's provider.
    Provider,
    /// Tool definitions given to the model.
    Tools,
    /// An input beside the parameters.
    Input(LitStr),
    /// An attribute of the span.
    Attribute(LitStr),
}

/// Where a fact comes from.
#[derive(Clone, Debug)]
pub enum FactValue {
    /// An expression of the user's.
    Written(Expr),
    /// A captured parameter.
    Parameter(Captured),
}

/// How the owned arguments reach the body without changing when they are dropped.
#[derive(Clone, Debug, Default)]
pub struct Arguments {
    /// Moved whole into the body by being mentioned, in the order of the mention: the last parameter first.
    pub mentions: Vec<Mention>,
    /// Where a pattern takes one of them apart: all are bound again instead, in declaration order.
    pub rebinds: Vec<Rebind>,
}

/// A parameter moved whole.
#[derive(Clone, Debug)]
pub struct Mention {
    /// Its name, or `self`.
    pub ident: Ident,
    /// Conditions under which it exists.
    pub cfg: Vec<Attribute>,
}

/// A parameter bound again.
#[derive(Clone, Debug)]
pub struct Rebind {
    /// Its name in the rewritten signature.
    pub ident: Ident,
    /// Whether it was `mut`.
    pub mutable: bool,
    /// The pattern it is taken apart by.
    pub pattern: Option<Pat>,
    /// Conditions under which it exists.
    pub cfg: Vec<Attribute>,
}

/// The override of what the signature shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Returns {
    /// The call itself is the work.
    Value,
    /// The work goes on in the returned future.
    Future,
    /// The work goes on in the returned stream.
    Stream,
}

/// The shape of a function.
#[derive(Clone, Debug)]
pub struct Shape {
    /// Whether it is an `async fn`.
    pub is_async: bool,
    /// What it returns.
    pub returned: Box<Shaped>,
}

/// A type and what it is to tracing.
#[derive(Clone, Debug)]
pub struct Shaped {
    /// As written, with `_` for each `impl …`.
    pub ty: Type,
    /// What it is.
    pub what: Returned,
}

/// What a returned value is to tracing.
#[derive(Clone, Debug)]
pub enum Returned {
    /// The work is done. `checked`: that it is no future or stream in disguise.
    Value {
        /// Whether the compiler is asked.
        checked: bool,
    },
    /// The work is done; of the value only its type is known.
    Opaque,
    /// Never.
    Never,
    /// The work goes on in a future.
    Future {
        /// How it is held.
        hold: Hold,
        /// What it resolves to.
        output: Box<Shaped>,
    },
    /// The work goes on in a stream.
    Stream {
        /// How it is held.
        hold: Hold,
        /// What it yields.
        item: Box<Type>,
    },
    /// A `Result` of a future or stream.
    Fallible(Box<Shaped>),
}

/// How a future or stream is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// As itself.
    Bare,
    /// In a `Box`.
    Box,
    /// In a `Pin<Box<…>>`.
    Pin,
}
