//! What a returned value says of the call that returned it.
//!
//! In: a reference to the value, in the user's function, where its type is known. Out: an [`Observed`]: a failure or none, the value to
//! capture or none, and the facts of a model call or a sandboxed run. Nothing is read before the span is known to be recorded,
//! except by an [`Outcome`] of the user's own. Not done here: writing any of it down (`span`), catching what a user's method throws while
//! it is read (`span`), turning a value into tape (`capture`).

mod dispatch;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::capture::Value;
use crate::record::Usage;

pub use dispatch::{error, model, opaque, plain, ret, sandbox, unreached};

/// Says whether a returned value is a success or a failure, where the type alone does not.
///
/// `Result` needs no implementation: `Ok` is a success, `Err` a failure. Inside a `Result`, the `Ok` value is asked. Implement it for a
/// type of your own that can stand for a failure. It is called once per call, after the body has returned.
///
/// ```
/// use spanwright::{Observed, Outcome};
///
/// struct Reply {
///     status: u16,
///     body: String,
/// }
///
/// impl Outcome for Reply {
///     fn outcome(&self) -> Observed<'_> {
///         match self.status {
///             200..=299 => Observed::value(&self.body),
///             _ => Observed::error(&self.body),
///         }
///     }
/// }
///
/// assert!(!Reply { status: 200, body: "fine".into() }.outcome().is_error());
/// assert!(Reply { status: 500, body: "out of memory".into() }.outcome().is_error());
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say whether it stands for a failure",
    note = "implement `spanwright::Outcome` for `{Self}`"
)]
pub trait Outcome {
    /// What this value says of the call that returned it.
    fn outcome(&self) -> Observed<'_>;
}

/// How a sandboxed run ended: what a function under `#[sandbox]` must return, by itself, by reference or in a `Result`.
///
/// A run failed if it timed out or its exit code is not 0.
///
/// ```
/// use std::borrow::Cow;
/// use std::time::Duration;
/// use spanwright::SandboxOutcome;
///
/// struct Finished {
///     code: i32,
///     took: Duration,
///     out: String,
/// }
///
/// impl SandboxOutcome for Finished {
///     fn exit_code(&self) -> i32 {
///         self.code
///     }
///     fn duration(&self) -> Option<Duration> {
///         Some(self.took)
///     }
///     fn stdout(&self) -> Cow<'_, str> {
///         Cow::Borrowed(&self.out)
///     }
/// }
///
/// let run = Finished { code: 0, took: Duration::from_millis(20), out: "42\n".into() };
/// assert_eq!(run.exit_code(), 0);
/// assert!(!run.timed_out());
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say how a sandboxed run ended",
    label = "`#[sandbox]` needs `SandboxOutcome` here",
    note = "implement `spanwright::SandboxOutcome` for it (only `exit_code` is required), return a type that has it, or use `#[tool]`"
)]
pub trait SandboxOutcome {
    /// Exit code; by convention -1 where no process ran or a signal ended it.
    fn exit_code(&self) -> i32;

    /// Whether the run was stopped at its time limit. Default: no.
    fn timed_out(&self) -> bool {
        false
    }

    /// Name of the policy it ran under; `policy = …` in the attribute wins. Default: unknown.
    fn policy(&self) -> Option<Cow<'_, str>> {
        None
    }

    /// How long the run took. Default: unknown; the span's own duration is recorded.
    fn duration(&self) -> Option<Duration> {
        None
    }

    /// The time limit it ran under. Default: unknown.
    fn time_limit(&self) -> Option<Duration> {
        None
    }

    /// Files the run produced that were taken over. Default: 0.
    fn artifact_count(&self) -> u64 {
        0
    }

    /// Files the run produced that were refused. Default: 0.
    fn artifacts_rejected(&self) -> u64 {
        0
    }

    /// What it wrote to standard output, as far as it was read. Default: nothing.
    fn stdout(&self) -> Cow<'_, str> {
        Cow::Borrowed("")
    }

    /// What it wrote to standard error, as far as it was read. Default: nothing.
    fn stderr(&self) -> Cow<'_, str> {
        Cow::Borrowed("")
    }

    /// Why it failed, if it did. Default: the exit code or the time limit, in words.
    fn reason(&self) -> Option<Cow<'_, str>> {
        None
    }
}

/// What a model's reply says about its call; read by `#[llm]` from the returned value, by itself, by reference or in a `Result`.
///
/// Every method has a default that says nothing.
///
/// ```
/// use std::borrow::Cow;
/// use spanwright::ModelOutcome;
/// use spanwright::record::Usage;
///
/// struct Reply {
///     model: String,
///     prompt_tokens: u64,
///     completion_tokens: u64,
/// }
///
/// impl ModelOutcome for Reply {
///     fn model(&self) -> Option<Cow<'_, str>> {
///         Some(Cow::Borrowed(&self.model))
///     }
///     fn usage(&self) -> Option<Usage> {
///         Some(Usage { input: self.prompt_tokens, output: self.completion_tokens, ..Usage::default() })
///     }
/// }
///
/// let reply = Reply { model: "gpt-4o-mini".into(), prompt_tokens: 11, completion_tokens: 5 };
/// assert_eq!(reply.usage().map(|usage| usage.total()), Some(16));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` says nothing about a model call",
    note = "implement `spanwright::ModelOutcome` for `{Self}`; every method has a default"
)]
pub trait ModelOutcome {
    /// The model that replied.
    fn model(&self) -> Option<Cow<'_, str>> {
        None
    }

    /// Its provider: `openai`, `anthropic`, …
    fn provider(&self) -> Option<Cow<'_, str>> {
        None
    }

    /// Tokens read and written.
    fn usage(&self) -> Option<Usage> {
        None
    }

    /// From the start of the call to the first token of the reply.
    fn time_to_first_token(&self) -> Option<Duration> {
        None
    }

    /// Definitions of the tools the model was offered, as they were sent.
    fn tools(&self) -> Option<serde_json::Value> {
        None
    }
}

macro_rules! through_pointers {
    ($($pointer:ty),*) => {$(
        impl<T: Outcome + ?Sized> Outcome for $pointer {
            fn outcome(&self) -> Observed<'_> {
                (**self).outcome()
            }
        }

        impl<T: SandboxOutcome + ?Sized> SandboxOutcome for $pointer {
            fn exit_code(&self) -> i32 {
                (**self).exit_code()
            }
            fn timed_out(&self) -> bool {
                (**self).timed_out()
            }
            fn policy(&self) -> Option<Cow<'_, str>> {
                (**self).policy()
            }
            fn duration(&self) -> Option<Duration> {
                (**self).duration()
            }
            fn time_limit(&self) -> Option<Duration> {
                (**self).time_limit()
            }
            fn artifact_count(&self) -> u64 {
                (**self).artifact_count()
            }
            fn artifacts_rejected(&self) -> u64 {
                (**self).artifacts_rejected()
            }
            fn stdout(&self) -> Cow<'_, str> {
                (**self).stdout()
            }
            fn stderr(&self) -> Cow<'_, str> {
                (**self).stderr()
            }
            fn reason(&self) -> Option<Cow<'_, str>> {
                (**self).reason()
            }
        }

        impl<T: ModelOutcome + ?Sized> ModelOutcome for $pointer {
            fn model(&self) -> Option<Cow<'_, str>> {
                (**self).model()
            }
            fn provider(&self) -> Option<Cow<'_, str>> {
                (**self).provider()
            }
            fn usage(&self) -> Option<Usage> {
                (**self).usage()
            }
            fn time_to_first_token(&self) -> Option<Duration> {
                (**self).time_to_first_token()
            }
            fn tools(&self) -> Option<serde_json::Value> {
                (**self).tools()
            }
        }
    )*};
}

through_pointers!(&T, &mut T, Box<T>, std::rc::Rc<T>, std::sync::Arc<T>);

/// What was seen of a returned value: whether it is a failure, and what to record of it.
///
/// Made by an [`Outcome`] of your own; everything in it is borrowed from the returned value.
#[must_use = "an observation says nothing until it is returned"]
pub struct Observed<'r> {
    pub(crate) failure: Option<Failure<'r>>,
    pub(crate) value: Option<&'r dyn Value>,
    pub(crate) facts: FactsOf<'r>,
    pub(crate) expected: bool,
}

impl<'r> Observed<'r> {
    const NOTHING: Self = Self { failure: None, value: None, facts: FactsOf::None, expected: false };

    /// A success with nothing to record.
    pub fn ok() -> Self {
        Self::NOTHING
    }

    /// A success; `value` is recorded as the output, unless it is `()` or another type without content.
    pub fn value<T: Serialize>(value: &'r T) -> Self {
        // Nothing is said by `()`: most nodes return it, and a note costs more than the rest of their span.
        if size_of::<T>() == 0 { Self::NOTHING } else { Self::captured(value) }
    }

    /// A failure; `error` is recorded as its text.
    pub fn error<E: fmt::Display>(error: &'r E) -> Self {
        Self { failure: Some(Failure::shown(error)), ..Self::NOTHING }
    }

    /// Whether this is a failure.
    pub fn is_error(&self) -> bool {
        self.failure.is_some()
    }

    /// Says that a failure, if this is one, is an expected answer: the span stays OK, its text is kept.
    pub fn expected(mut self, expected: bool) -> Self {
        self.expected = expected;
        self
    }

    /// Whether this is a success with nothing to record.
    #[inline]
    pub(crate) fn says_nothing(&self) -> bool {
        self.failure.is_none() && self.value.is_none() && matches!(self.facts, FactsOf::None)
    }

    fn captured(value: &'r dyn Value) -> Self {
        Self { value: Some(value), ..Self::NOTHING }
    }

    fn failed(failure: Failure<'r>) -> Self {
        Self { failure: Some(failure), ..Self::NOTHING }
    }

    fn with(mut self, facts: FactsOf<'r>) -> Self {
        self.facts = facts;
        self
    }
}

impl fmt::Debug for Observed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observed")
            .field("failure", &self.failure.as_ref().map(Failure::kind))
            .field("value", &self.value.is_some())
            .field("expected", &self.expected)
            .finish_non_exhaustive()
    }
}

/// Facts a returned value gives beyond itself.
#[derive(Clone, Copy)]
pub(crate) enum FactsOf<'r> {
    None,
    Model(&'r dyn ModelOutcome),
    Sandbox(&'r dyn SandboxOutcome),
}

/// Why a call failed. Its `Display` is the text to record: the error's own, else the name of its type; it runs user code and can panic.
#[derive(Clone, Copy)]
pub(crate) struct Failure<'r> {
    kind: &'static str,
    text: FailureText<'r>,
}

#[derive(Clone, Copy)]
enum FailureText<'r> {
    Shown(&'r dyn fmt::Display),
    Run(&'r dyn SandboxOutcome),
    TypeName,
}

impl<'r> Failure<'r> {
    fn shown<E: fmt::Display>(error: &'r E) -> Self {
        Self { kind: std::any::type_name::<E>(), text: FailureText::Shown(error) }
    }

    fn named<E>() -> Self {
        Self { kind: std::any::type_name::<E>(), text: FailureText::TypeName }
    }

    /// The failure of a sandboxed run, if it failed.
    fn of_run<T: SandboxOutcome>(run: &'r T) -> Option<Self> {
        (run.timed_out() || run.exit_code() != 0)
            .then(|| Self { kind: std::any::type_name::<T>(), text: FailureText::Run(run) })
    }

    /// Full name of the error's type; `tape::short_type_name` makes it readable.
    pub(crate) fn kind(&self) -> &'static str {
        self.kind
    }
}

impl fmt::Debug for Failure<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Failure").field("kind", &self.kind).finish_non_exhaustive()
    }
}

impl fmt::Display for Failure<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.text {
            FailureText::Shown(error) => error.fmt(f),
            FailureText::TypeName => f.write_str(&crate::tape::short_type_name(self.kind)),
            FailureText::Run(run) => match run.reason() {
                Some(reason) => f.write_str(&reason),
                None if run.timed_out() => match run.time_limit() {
                    Some(limit) => write!(f, "timed out after {limit:?}"),
                    None => f.write_str("timed out"),
                },
                None => write!(f, "exit code {}", run.exit_code()),
            },
        }
    }
}
