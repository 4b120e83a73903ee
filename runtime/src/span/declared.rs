//! Declared spans as generated code knows them: what an item of `spans!` implements, and what ties a function to one.

use crate::contract::DeclaredSpan;

use super::Facts;
use super::open::{OpenSpan, current};

/// An item of `spans!`: the typed handle of a declared span, and what is declared of it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no declared span",
    label = "not declared in a `spans!`",
    note = "name a span that `spans!` declares, by its path"
)]
pub trait Declared: Copy {
    /// The marker of the attribute that makes it.
    type Kind;
    /// Its id.
    const ID: &'static str;
    /// Whether no span may stand under it.
    const LEAF: bool;
    /// All that is declared of it.
    const SPAN: &'static DeclaredSpan;

    /// The handle of a span that is it.
    fn of(span: OpenSpan) -> Self;
}

/// A kind of declared spans whose span `S` the attribute `A` makes.
#[diagnostic::on_unimplemented(
    message = "`{S}` is declared as `{Self}`, and this attribute makes a `{A}`",
    label = "declared with another kind",
    note = "use the attribute of the declared kind, or declare the span in `spans!` with the word of this attribute"
)]
pub trait MadeBy<A, S> {}

impl<A: kind::Marker, S> MadeBy<A, S> for A {}

/// The kinds of declared spans, as compiler messages name them: one for each attribute.
pub mod kind {
    /// One of them.
    pub trait Marker {}

    macro_rules! markers {
        ($($word:ident: $marker:ident)*) => {$(
            #[doc = concat!("A span declared as `", stringify!($word), "`.")]
            #[derive(Debug)]
            pub enum $marker {}

            impl Marker for $marker {}
        )*};
    }

    // Names that stand in messages, and that nothing else has, so that the compiler shows them without their path.
    markers! {
        workflow: WorkflowSpan
        scheduled: ScheduledSpan
        node: NodeSpan
        sandbox: SandboxSpan
        delegate: DelegateSpan
        llm: LlmSpan
        tool: ToolSpan
        retriever: RetrieverSpan
        agent: AgentSpan
        evaluator: EvaluatorSpan
    }
}

/// What is declared of the span `S`, which the attribute `A` makes.
pub const fn declaration<S: Declared, A: kind::Marker>() -> &'static DeclaredSpan
where
    S::Kind: MadeBy<A, S>,
{
    S::SPAN
}

/// The handle of the current span, which is declared as `S`.
pub fn declared<S: Declared>() -> S {
    S::of(current())
}

impl Facts<'_> {
    /// The handle of this span, which is declared as `S`.
    pub fn declared<S: Declared>(&self) -> S {
        self.finish();
        S::of(self.span().opened())
    }
}
