//! What is known of an annotated function at compile time: one static per function.

use std::panic::Location;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use crate::contract::DeclaredSpan;

/// Which attribute made the span.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
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
    /// Whether its spans begin executions, and end them.
    pub(crate) const fn is_execution(self) -> bool {
        matches!(self, Self::Workflow | Self::Scheduled)
    }

    /// The word of the attribute.
    pub const fn as_str(self) -> &'static str {
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

    /// The span type MLflow shows, unless the attribute names another.
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

    /// How much of a value is captured, unless the attribute says otherwise.
    pub const fn capture(self) -> Capture {
        match self {
            Self::Node => Capture::Keys,
            Self::Llm => Capture::Full,
            _ => Capture::Preview,
        }
    }
}

/// How much of a value is captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Capture {
    /// Nothing.
    None,
    /// Shape only: the keys of a map or struct, the length of a list or text.
    Keys,
    /// Up to 2 KiB a value.
    Preview,
    /// Up to 1 MiB a value, or what is configured.
    Full,
}

/// The static facts of one annotated function.
#[derive(Debug)]
pub struct Callsite {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    /// Names of the captured values, in the order in which they are handed to `start`.
    pub(crate) values: &'static [&'static str],
    pub(crate) function: &'static str,
    pub(crate) span_type: &'static str,
    /// Value of the tag `workflow`.
    pub(crate) workflow: &'static str,
    pub(crate) inputs: Capture,
    pub(crate) output: Capture,
    pub(crate) location: &'static Location<'static>,
    /// The declared span it is tied to.
    pub(crate) declared: Option<&'static DeclaredSpan>,
    /// Number of this callsite in its process, from 1; 0 until first used.
    number: AtomicU32,
    /// Keys of the attributes that are said when a span starts, in the order of their values.
    pub(crate) attributes: &'static [&'static str],
    /// The recorder that was last told the facts; [`NOBODY`] at first.
    announced_to: AtomicU64,
    /// The one that was told them and takes what is said when a span starts as it is; likewise.
    plain_for: AtomicU64,
    /// The first word of such a start.
    plain_head: AtomicU64,
    /// The one whose rules let all its attributes be written as they are; likewise.
    said_to: AtomicU64,
    /// The first text that was said of one of its spans and holds no credential.
    clean: CleanText,
}

/// A short text in two words, put down once; most texts that a callsite says are the same each time.
#[derive(Debug)]
struct CleanText {
    is_taken: AtomicBool,
    /// The second word is written last. No text has a 0 there.
    words: [AtomicU64; 2],
}

/// What a callsite says of its spans, whatever is above them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    /// Nothing.
    None,
    /// They let content in.
    LetsIn,
    /// They keep it out.
    KeepsOut,
}

impl Word {
    const ALL: [Self; 3] = [Self::None, Self::LetsIn, Self::KeepsOut];

    /// Beside the number of a recorder, which has none of these bits.
    const fn bit(self) -> u64 {
        match self {
            Self::None => 1 << 61,
            Self::LetsIn => 1 << 62,
            Self::KeepsOut => 1 << 63,
        }
    }
}

/// No recorder has this number.
const NOBODY: u64 = u64::MAX;

/// The static of an annotated function, in five words instead of two paths and a call: `site!("f", Node, ["a", "b"], .named("F"))`.
#[doc(hidden)]
#[macro_export]
macro_rules! __site {
    ($function:literal, $kind:ident, $values:tt $(, $($calls:tt)+)?) => {
        static __SITE: $crate::__private::Callsite =
            $crate::__private::Callsite::new($function, $crate::__private::Kind::$kind, &$values) $($($calls)+)?;
    };
}

static NEXT_NUMBER: AtomicU32 = AtomicU32::new(1);

impl Callsite {
    /// The facts of the function `name`; the location is that of the caller's tokens.
    #[track_caller]
    pub const fn new(name: &'static str, kind: Kind, values: &'static [&'static str]) -> Self {
        Self {
            name,
            kind,
            values,
            function: name,
            span_type: kind.span_type(),
            workflow: "",
            inputs: kind.capture(),
            output: kind.capture(),
            location: Location::caller(),
            declared: None,
            number: AtomicU32::new(0),
            attributes: &[],
            announced_to: AtomicU64::new(NOBODY),
            plain_for: AtomicU64::new(NOBODY),
            plain_head: AtomicU64::new(0),
            said_to: AtomicU64::new(NOBODY),
            clean: CleanText { is_taken: AtomicBool::new(false), words: [const { AtomicU64::new(0) }; 2] },
        }
    }

    /// The declared span that the function makes, which gives it name and type.
    #[must_use]
    pub const fn declared(mut self, span: &'static DeclaredSpan) -> Self {
        self.name = span.name;
        self.span_type = span.span_type;
        self.declared = Some(span);
        self
    }

    /// Display name, where it is not the function's.
    #[must_use]
    pub const fn named(mut self, name: &'static str) -> Self {
        self.name = name;
        self
    }

    /// Span type, where it is not the kind's.
    #[must_use]
    pub const fn span_type(mut self, span_type: &'static str) -> Self {
        self.span_type = span_type;
        self
    }

    /// Value of the tag `workflow`.
    #[must_use]
    pub const fn workflow(mut self, workflow: &'static str) -> Self {
        self.workflow = workflow;
        self
    }

    /// How much of the inputs is captured, where it is not the kind's choice.
    #[must_use]
    pub const fn inputs(mut self, capture: Capture) -> Self {
        self.inputs = capture;
        self
    }

    /// How much of the output is captured, where it is not the kind's choice.
    #[must_use]
    pub const fn output(mut self, capture: Capture) -> Self {
        self.output = capture;
        self
    }

    /// The keys of the attributes that [`say`](Self::say) is given.
    #[must_use]
    pub const fn attributes(mut self, keys: &'static [&'static str]) -> Self {
        self.attributes = keys;
        self
    }

    /// The number of this callsite in its process. One relaxed load once it has one; a race leaves a gap, never a duplicate.
    #[inline]
    pub(crate) fn number(&self) -> u32 {
        match self.number.load(Ordering::Relaxed) {
            0 => self.assign_number(),
            number => number,
        }
    }

    #[cold]
    #[inline(never)]
    fn assign_number(&self) -> u32 {
        let fresh = NEXT_NUMBER.fetch_add(1, Ordering::Relaxed);
        match self.number.compare_exchange(0, fresh, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => fresh,
            Err(earlier) => earlier,
        }
    }

    /// Whether `recorder` has been told the facts of this callsite.
    #[inline]
    pub(crate) fn is_announced_to(&self, recorder: u64) -> bool {
        self.announced_to.load(Ordering::Acquire) == recorder
    }

    /// Says that the facts stand in a published chunk of `recorder`.
    pub(crate) fn set_announced_to(&self, recorder: u64) {
        self.announced_to.store(recorder, Ordering::Release);
    }

    /// What [`set_plain_for`](Self::set_plain_for) was given, if `recorder` has been told the facts and the spans of this callsite start the short
    /// way: below another one, and with attributes that are written as they are.
    #[inline]
    pub(crate) fn plain_head(&self, recorder: u64) -> Option<u64> {
        (self.plain_for.load(Ordering::Acquire) == recorder).then(|| self.plain_head.load(Ordering::Relaxed))
    }

    /// Whether the attributes are written as they are to `recorder`, which has been told the facts.
    pub(crate) fn is_said_to(&self, recorder: u64) -> bool {
        self.said_to.load(Ordering::Acquire) == recorder
    }

    /// Says so, after [`Self::set_announced_to`].
    pub(crate) fn set_said_to(&self, recorder: u64) {
        self.said_to.store(recorder, Ordering::Release);
    }

    /// What this says to `recorder` of whether its spans keep content out, if that has been found out. It stands where a plain start is
    /// remembered, as a callsite that says something has none.
    pub(crate) fn word_to(&self, recorder: u64) -> Option<Word> {
        let known = self.plain_for.load(Ordering::Acquire);
        if known == recorder {
            return Some(Word::None);
        }
        Word::ALL.into_iter().find(|word| known == recorder | word.bit())
    }

    /// Keeps that, unless another thread has.
    pub(crate) fn set_word_to(&self, recorder: u64, word: Word) {
        let known = self.plain_for.load(Ordering::Relaxed);
        if known != recorder {
            let now = recorder | word.bit();
            let _ = self.plain_for.compare_exchange(known, now, Ordering::Release, Ordering::Relaxed);
        }
    }

    /// Whether a short text is the one that is known to hold no credential.
    #[inline(always)]
    pub(crate) fn knows_as_clean(&self, [first, last]: [u64; 2]) -> bool {
        let [known_first, known_last] = &self.clean.words;
        known_last.load(Ordering::Acquire) == last && known_first.load(Ordering::Relaxed) == first
    }

    /// Keeps a short text that holds no credential, unless there is one.
    pub(crate) fn keep_as_clean(&self, [first, last]: [u64; 2]) {
        if !self.clean.is_taken.swap(true, Ordering::Relaxed) {
            self.clean.words[0].store(first, Ordering::Relaxed);
            self.clean.words[1].store(last, Ordering::Release);
        }
    }

    /// Says so, after [`Self::set_announced_to`], and with which word they start. It is the same for all recorders.
    pub(crate) fn set_plain_for(&self, recorder: u64, head: u64) {
        self.plain_head.store(head, Ordering::Relaxed);
        self.plain_for.store(recorder, Ordering::Release);
    }
}
