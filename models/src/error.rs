//! Why a model did not answer, and what can be done about it.

use std::fmt;
use std::time::Duration;

use spanwright::BudgetExceeded;

/// Characters of a text from outside that are shown.
const SHOWN_CHARS: usize = 300;

/// Why a model did not answer. Its text names what was tried and what to do, and no key.
///
/// ```
/// use spanwright_models::{ErrorKind, ModelError};
///
/// let error = ModelError::new(ErrorKind::Overloaded, "ask the model: try again later").with_status(503);
/// assert!(error.is_temporary());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelError {
    kind: ErrorKind,
    message: String,
    status: Option<u16>,
    retry_after: Option<Duration>,
}

/// What sort of failure it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The model or its endpoint is not described in a way that can be used.
    Config,
    /// No connection, or it broke.
    Unreachable,
    /// No answer in time.
    TimedOut,
    /// The endpoint does not accept the key.
    Unauthorized,
    /// Too many requests or tokens for now.
    RateLimited,
    /// The endpoint has troubles of its own.
    Overloaded,
    /// The endpoint does not accept the request.
    Rejected,
    /// What was answered cannot be read as an answer, or is longer than is taken.
    Unreadable,
    /// The model went on calling tools, or agents handing on, beyond the limit.
    Endless,
    /// The budget of the workflow is used up: the model was not asked.
    OverBudget,
    /// Anything else: a client of the user's says what.
    Other,
}

impl ModelError {
    /// A failure; `message` says what was tried and what to do.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), status: None, retry_after: None }
    }

    /// The failure of a client of the user's.
    pub fn other(error: impl fmt::Display) -> Self {
        Self::new(ErrorKind::Other, error.to_string())
    }

    /// With the status that the endpoint answered.
    #[must_use]
    pub fn with_status(self, status: u16) -> Self {
        Self { status: Some(status), ..self }
    }

    /// With how long the endpoint asks to be left alone.
    #[must_use]
    pub fn with_retry_after(self, retry_after: Option<Duration>) -> Self {
        Self { retry_after, ..self }
    }

    /// What sort of failure it is.
    pub const fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The status that was answered; `None` without an answer.
    pub const fn status(&self) -> Option<u16> {
        self.status
    }

    /// How long the endpoint asks to be left alone, where it says.
    pub const fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// Whether the same request may succeed later.
    pub const fn is_temporary(&self) -> bool {
        use ErrorKind::{Overloaded, RateLimited, TimedOut, Unreachable};
        matches!(self.kind, Unreachable | TimedOut | RateLimited | Overloaded)
    }
}

impl fmt::Display for ModelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ModelError {}

impl From<BudgetExceeded> for ModelError {
    fn from(exceeded: BudgetExceeded) -> Self {
        Self::new(ErrorKind::OverBudget, format!("the model is not asked: {exceeded}"))
    }
}

/// Makes a text from outside fit to be shown: one line, short, without `secret`, should it be echoed.
pub(crate) fn shown(text: &str, secret: Option<&str>) -> String {
    let text = match secret.filter(|secret| !secret.is_empty()) {
        Some(secret) => text.replace(secret, "***"),
        None => text.to_owned(),
    };
    // A terminal obeys control characters.
    let words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    let one_line = words.collect::<Vec<_>>().join(" ");
    match one_line.char_indices().nth(SHOWN_CHARS) {
        Some((cut, _)) => format!("{}…", &one_line[..cut]),
        None => one_line,
    }
}
