//! The plan of an annotated function: all that its expansion depends on, and what a reader of source files learns about it.

use proc_macro2::Span;
use syn::{Attribute, Expr, Ident, LitStr, Pat, Path, Type, Visibility};

pub use crate::item::Item;
use crate::kind::Kind;
pub use crate::kind::Level;
use crate::private::Private;

/// An annotated function, understood.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The attribute.
    pub kind: Kind,
    /// The declared span that `span = path` names.
    pub span: Option<Path>,
    /// The function, with the parameters that the expansion renames already renamed.
    pub item: Item,
    /// What is known at compile time.
    pub callsite: Callsite,
    /// The parameters that `skip` leaves out.
    pub skipped: Vec<Ident>,
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

impl Plan {
    /// The attributes that are said when the span starts: key and expression.
    pub(crate) fn said(&self) -> impl Iterator<Item = (&LitStr, &Expr)> {
        self.facts.iter().filter_map(|fact| self.said_of(fact))
    }

    /// The key and the expression of an attribute that may be evaluated before the span starts: reading it does nothing, so that nobody
    /// can tell. Not those of declared spans, whose types are asked by a setter, nor those that other facts may say, which come later then.
    pub(crate) fn said_of<'f>(&self, fact: &'f Fact) -> Option<(&'f LitStr, &'f Expr)> {
        const OF_OTHER_FACTS: [&str; 4] = ["from", "to", "sandbox.policy", "content_preview"];
        match (&fact.name, &fact.value) {
            (FactName::Attribute(key), Some(FactValue::Written(value))) => {
                let is_said = self.span.is_none() && is_plain(value) && !OF_OTHER_FACTS.contains(&&*key.value());
                is_said.then_some((key, value))
            }
            _ => None,
        }
    }
}

/// Whether an expression only names what is there: a literal, a path, a field.
fn is_plain(value: &Expr) -> bool {
    match value {
        Expr::Lit(_) => true,
        // Names that begin so are the expansion's own.
        Expr::Path(path) => path.path.get_ident().is_none_or(|name| !name.to_string().starts_with("__")),
        Expr::Field(field) => is_plain(&field.base),
        Expr::Reference(reference) => reference.mutability.is_none() && is_plain(&reference.expr),
        Expr::Paren(paren) => is_plain(&paren.expr),
        Expr::Group(group) => is_plain(&group.expr),
        _ => false,
    }
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
    /// What the execution runs as.
    Config,
    /// What the execution may cost, in US dollars.
    BudgetUsd,
    /// How many tokens the execution may use.
    BudgetTokens,
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

/// One `spans!`, understood.
#[derive(Clone, Debug)]
pub struct Declaration {
    /// Its spans in the order of the source: a span before those nested in it.
    pub spans: Vec<DeclaredSpan>,
    /// Where the facade is, when it is not `::spanwright`.
    pub facade: Option<Path>,
}

impl Declaration {
    /// The conditions under which the span of that index exists: its own, and those of the spans around it, the outermost first.
    pub fn conditions(&self, index: usize) -> Vec<&Attribute> {
        let span = &self.spans[index];
        let mut conditions = span.nested_in.map_or_else(Vec::new, |outer| self.conditions(outer));
        conditions.extend(span.attrs.iter().filter(|attr| attr.path().is_ident("cfg")));
        conditions
    }
}

/// A declared span.
#[derive(Clone, Debug)]
pub struct DeclaredSpan {
    /// Doc comments, `cfg` and other attributes, as written.
    pub attrs: Vec<Attribute>,
    /// Visibility of the item.
    pub vis: Visibility,
    /// The attribute that makes the span.
    pub kind: Kind,
    /// Name of the item.
    pub ident: Ident,
    /// Immutable identity, in the grammar of OTLP span types.
    pub id: LitStr,
    /// Display name: `name`, else the kind's, else the item's in snake case.
    pub name: String,
    /// Span type, where it is not the kind's.
    pub span_type: Option<String>,
    /// The span it is nested in, by index.
    pub nested_in: Option<usize>,
    /// The spans it may stand under, the enclosing one first; `None`: anywhere.
    pub parents: Option<Vec<Parent>>,
    /// Whether no span may stand under it.
    pub leaf: bool,
    /// Its attributes.
    pub attributes: Vec<DeclaredAttribute>,
}

/// A span that another may stand under.
#[derive(Clone, Debug)]
pub enum Parent {
    /// None: it is the root of its trace.
    Root,
    /// One of the same declaration, by index.
    Here(usize),
    /// One declared elsewhere.
    Elsewhere(Path),
}

/// An attribute of a declared span.
#[derive(Clone, Debug)]
pub struct DeclaredAttribute {
    /// Doc comments, `cfg` and other attributes, as written.
    pub attrs: Vec<Attribute>,
    /// Its name on the wire.
    pub key: LitStr,
    /// The method that sets it: the key in snake case, with `_` for `.`.
    pub setter: Ident,
    /// Its type.
    pub ty: AttributeType,
    /// Where its type stands.
    pub ty_span: Span,
}

/// The type of an attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AttributeType {
    /// `bool`
    Bool,
    /// An integer, by the name of its Rust type.
    Int(String),
    /// `f32` or `f64`
    Float(String),
    /// `str`
    Text,
    /// `[T]` of one of the above
    List(Box<AttributeType>),
    /// `json`: whatever serialises
    Json,
}

impl AttributeType {
    /// Its name in catalogs and on the wire: `bool`, `int`, `double`, `string`, `any`, `int[]`, …
    pub fn wire_name(&self) -> String {
        match self {
            Self::Bool => "bool".into(),
            Self::Int(_) => "int".into(),
            Self::Float(_) => "double".into(),
            Self::Text => "string".into(),
            Self::List(item) => format!("{}[]", item.wire_name()),
            Self::Json => "any".into(),
        }
    }
}
