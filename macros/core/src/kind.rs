//! The attributes, and how much each captures.

use std::fmt;

use proc_macro2::{Ident, Span};

/// Which attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `#[workflow]`
    Workflow,
    /// `#[scheduled]`
    Scheduled,
    /// `#[node]`
    Node,
    /// `#[sandbox]`
    Sandbox,
    /// `#[delegate]`
    Delegate,
    /// `#[llm]`
    Llm,
    /// `#[tool]`
    Tool,
    /// `#[retriever]`
    Retriever,
    /// `#[agent]`
    Agent,
    /// `#[evaluator]`
    Evaluator,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Workflow,
        Self::Scheduled,
        Self::Node,
        Self::Sandbox,
        Self::Delegate,
        Self::Llm,
        Self::Tool,
        Self::Retriever,
        Self::Agent,
        Self::Evaluator,
    ];

    /// The word of the attribute.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Workflow => "workflow",
            Self::Scheduled => "scheduled",
            Self::Node => "node",
            Self::Sandbox => "sandbox",
            Self::Delegate => "delegate",
            Self::Llm => "llm",
            Self::Tool => "tool",
            Self::Retriever => "retriever",
            Self::Agent => "agent",
            Self::Evaluator => "evaluator",
        }
    }

    /// The kind of the attribute that `path` names by its last segment.
    pub fn of_path(path: &syn::Path) -> Option<Self> {
        let last = path.segments.last()?;
        Self::ALL.into_iter().find(|kind| last.ident == kind.word())
    }

    /// The attribute of that word.
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }

    /// The MLflow span type, where nothing else is written.
    pub const fn span_type(self) -> &'static str {
        match self {
            Self::Workflow | Self::Scheduled => "WORKFLOW",
            Self::Node | Self::Delegate => "CHAIN",
            Self::Sandbox | Self::Tool => "TOOL",
            Self::Llm => "LLM",
            Self::Retriever => "RETRIEVER",
            Self::Agent => "AGENT",
            Self::Evaluator => "EVALUATOR",
        }
    }

    /// How much of a value is captured, where nothing else is written.
    pub const fn capture(self) -> Level {
        match self {
            Self::Node => Level::Keys,
            Self::Llm => Level::Full,
            _ => Level::Preview,
        }
    }

    /// The variant of the runtime's enum.
    pub(crate) const fn variant(self) -> &'static str {
        match self {
            Self::Workflow => "Workflow",
            Self::Scheduled => "Scheduled",
            Self::Node => "Node",
            Self::Sandbox => "Sandbox",
            Self::Delegate => "Delegate",
            Self::Llm => "Llm",
            Self::Tool => "Tool",
            Self::Retriever => "Retriever",
            Self::Agent => "Agent",
            Self::Evaluator => "Evaluator",
        }
    }

    /// The runtime's marker of spans that the attribute makes.
    pub(crate) fn marker(self) -> Ident {
        Ident::new(&format!("{}Span", self.variant()), Span::mixed_site())
    }

    /// The display name where it is not the function's.
    pub(crate) const fn display_name(self) -> Option<&'static str> {
        match self {
            Self::Sandbox => Some("sandbox.execute"),
            Self::Delegate => Some("delegation"),
            _ => None,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`#[{}]`", self.word())
    }
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
    /// The word of the argument `capture`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Keys => "keys",
            Self::Preview => "preview",
            Self::Full => "full",
        }
    }

    pub(crate) const fn variant(self) -> &'static str {
        match self {
            Self::None => "None",
            Self::Keys => "Keys",
            Self::Preview => "Preview",
            Self::Full => "Full",
        }
    }
}
