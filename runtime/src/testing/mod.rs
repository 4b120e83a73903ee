//! Recording spans in a test: scoped, in memory, without global state.
//!
//! ```
//! use spanwright::{assert_span_tree, node, testing::Recording, workflow};
//!
//! #[node]
//! fn collect() -> Vec<u32> {
//!     vec![1, 2]
//! }
//!
//! #[workflow]
//! fn sum_workflow() -> u32 {
//!     collect().into_iter().sum()
//! }
//!
//! let recording = Recording::new();
//! assert_eq!(recording.run(sum_workflow), 3);
//! assert_span_tree!(
//!     recording,
//!     "
//!     sum_workflow [WORKFLOW]
//!       collect [CHAIN]
//!     "
//! );
//! ```

mod contract;
mod difference;
mod matching;
mod pattern;
mod report;

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::capture::Policy;
use crate::chunk::Chunks;
use crate::collector::Collector;
use crate::context::{Context, Current};
use crate::contract::Contract;
use crate::error::Error;
use crate::future::InContext;
use crate::record::{Assessment, Batch, RecordSink, SpanRecord};
use crate::recorder::{Discretion, Recorder};
use crate::tree::{self, Style};

use matching::{Matcher, Outline};
use report::{Line, Mark};

pub use contract::{Rule, Violation, check_contract, contract_violations};

/// Takes the spans of the work that is run through it, and of what that work spawns with its context; nothing else.
///
/// Any number of recordings can be at work at once: tests need not take turns.
pub struct Recording {
    recorder: &'static Recorder,
    collector: Mutex<Collector>,
    kept: Kept,
}

#[derive(Clone, Default)]
struct Kept(Arc<Mutex<(Vec<SpanRecord>, Vec<Assessment>)>>);

impl Kept {
    fn lock(&self) -> MutexGuard<'_, (Vec<SpanRecord>, Vec<Assessment>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RecordSink for Kept {
    fn append(&mut self, batch: &Batch) -> Result<(), Error> {
        let mut kept = self.lock();
        kept.0.extend_from_slice(&batch.finished);
        kept.1.extend_from_slice(&batch.assessments);
        Ok(())
    }
}

impl Recording {
    /// A recording that keeps every trace and captures as the attributes say.
    pub fn new() -> Self {
        Self::with(Policy::default(), 1.0)
    }

    /// A recording that captures at most `level` of any value, whatever the attributes say.
    pub fn with_capture(level: crate::CaptureLevel) -> Self {
        Self::with(Policy { cap: level, ..Policy::default() }, 1.0)
    }

    /// A recording that keeps the content of spans or does not, as `log_prompts: false` has it: `usually`, and by their names.
    pub fn with_log_prompts<'n>(usually: bool, nodes: impl IntoIterator<Item = (&'n str, bool)>) -> Self {
        let named = nodes.into_iter().map(|(name, log_prompts)| (name.to_owned(), !log_prompts)).collect();
        let discretion = Discretion { usual: !usually, named };
        Self::of(Recorder::start_with(Chunks::with_slots(2048, 8), Policy::default(), 1.0, discretion))
    }

    /// A recording that keeps the share `ratio` of all traces.
    pub fn with_sampling(ratio: f64) -> Self {
        Self::with(Policy::default(), ratio)
    }

    /// A recording without room for a single span: what a program meets when tracing is overloaded.
    pub fn without_room() -> Self {
        Self::with_chunks(Chunks::with_slots(0, 0), Policy::default(), 1.0)
    }

    fn with(policy: Policy, ratio: f64) -> Self {
        Self::with_chunks(Chunks::with_slots(2048, 8), policy, ratio)
    }

    fn with_chunks(chunks: Chunks, policy: Policy, ratio: f64) -> Self {
        Self::of(Recorder::start(chunks, policy, ratio))
    }

    fn of(recorder: &'static Recorder) -> Self {
        let kept = Kept::default();
        let collector = Mutex::new(Collector::new(recorder, Box::new(kept.clone()), None));
        Self { recorder, collector, kept }
    }

    /// Runs `work`, recorded.
    pub fn run<R>(&self, work: impl FnOnce() -> R) -> R {
        self.context().run(work)
    }

    /// Runs a future, recorded, wherever it is polled.
    pub fn scope<F>(&self, future: F) -> InContext<F> {
        InContext::new(future, self.context())
    }

    /// The context of this recording, to be carried to threads and tasks.
    pub fn context(&self) -> Context {
        Context { current: Current::scope(self.recorder), session: crate::context::session() }
    }

    /// Every span that has ended so far, children before their parents.
    pub fn spans(&self) -> Vec<SpanRecord> {
        self.collect();
        self.kept.lock().0.clone()
    }

    /// What has been said of traces so far.
    pub fn assessments(&self) -> Vec<Assessment> {
        self.collect();
        self.kept.lock().1.clone()
    }

    fn collect(&self) {
        let mut collector = self.collector.lock().unwrap_or_else(PoisonError::into_inner);
        // One cycle closes what had ended before it; what ended while it ran is the caller's race.
        if let Err(error) = collector.cycle() {
            unreachable!("memory takes every batch: {error}");
        }
    }

    /// The span of this name that has ended; the first if there are several.
    ///
    /// # Panics
    ///
    /// If there is none: the message shows the tree.
    #[track_caller]
    pub fn span(&self, name: &str) -> SpanRecord {
        match self.spans().into_iter().find(|span| span.name == name) {
            Some(span) => span,
            None => panic!("no span named `{name}` was recorded:\n{}", self.tree()),
        }
    }

    /// Everything recorded as indented text, two spaces a level, without ids and times.
    pub fn tree(&self) -> String {
        tree::render(&self.spans(), Style::redacted())
    }

    /// Where the spans that have ended are not as `contracts` say: see [`contract_violations`].
    pub fn contract_violations(&self, contracts: &[Contract]) -> Vec<Violation> {
        contract_violations(self, contracts)
    }

    /// How many spans there was no room for.
    pub fn dropped_spans(&self) -> u64 {
        self.recorder.chunks().losses().spans
    }

    /// How many attributes of the spans that have ended are not as the declaration of their span has them: one for each span and
    /// key, whether it is undeclared or of another type.
    pub fn stray_attributes(&self) -> u64 {
        self.spans();
        self.collector.lock().unwrap_or_else(PoisonError::into_inner).tally().stray
    }

    /// How many spans have started and not ended.
    pub fn open_spans(&self) -> u64 {
        self.spans();
        self.collector.lock().unwrap_or_else(PoisonError::into_inner).tally().open
    }
}

/// Spans to be compared with a contract or a pattern: those of a [`Recording`], or records from elsewhere.
pub trait Recorded {
    /// The spans, in any order.
    fn records(&self) -> Cow<'_, [SpanRecord]>;
}

impl Recorded for Recording {
    fn records(&self) -> Cow<'_, [SpanRecord]> {
        Cow::Owned(self.spans())
    }
}

impl Recorded for [SpanRecord] {
    fn records(&self) -> Cow<'_, [SpanRecord]> {
        Cow::Borrowed(self)
    }
}

impl Recorded for Vec<SpanRecord> {
    fn records(&self) -> Cow<'_, [SpanRecord]> {
        Cow::Borrowed(self)
    }
}

impl<T: Recorded + ?Sized> Recorded for &T {
    fn records(&self) -> Cow<'_, [SpanRecord]> {
        (**self).records()
    }
}

impl Default for Recording {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        self.recorder.stop();
    }
}

impl fmt::Debug for Recording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recording").field("spans", &self.spans().len()).finish_non_exhaustive()
    }
}

/// Compares recorded spans with the contracts they are declared in: the `CONTRACT` of each `spans!` the traced code uses.
///
/// The first argument is a [`Recording`](crate::testing::Recording), or any [`Recorded`](crate::testing::Recorded) such as a slice of
/// [`SpanRecord`](crate::record::SpanRecord)s. Each span must be declared, be of the declared kind, stand under a parent it may have and not
/// under a leaf, and have declared attributes of the declared types only. A declared span or attribute that was not recorded is no
/// violation. [`contract_violations`](crate::testing::contract_violations) gives the same as values.
///
/// ```
/// use spanwright::{assert_contract, node, testing::Recording};
///
/// mod spans {
///     spanwright::spans! {
///         pub node Collect(id = "home.node.collect") {
///             entity_count: u64,
///         }
///     }
/// }
///
/// #[node(span = spans::Collect, handle = span)]
/// fn collect(rows: &[u32]) {
///     span.entity_count(rows.len() as u64);
/// }
///
/// let recording = Recording::new();
/// recording.run(|| collect(&[1, 2]));
/// assert_contract!(recording, spans::CONTRACT);
/// ```
///
/// # Panics
///
/// If something else was recorded: the message shows the tree, and at each span what was expected, what was recorded, the function and
/// its place, and what to do.
#[macro_export]
macro_rules! assert_contract {
    ($recorded:expr, $($contract:expr),+ $(,)?) => {
        $crate::testing::check_contract(&$recorded, &[$($contract),+])
    };
}

/// Compares a recorded tree with the expected one, given as text; the text's own indentation is taken off first.
///
/// The first argument is a [`Recording`](crate::testing::Recording), or any [`Recorded`](crate::testing::Recorded) such as a slice of
/// [`SpanRecord`](crate::record::SpanRecord)s. The tree as [`Recording::tree`](crate::testing::Recording::tree) shows it is what is expected exactly:
/// a line a span, two spaces a level, siblings in the order of their start.
///
/// ```
/// # use spanwright::{assert_span_tree, node, testing::Recording, tool, workflow};
/// # #[tool]
/// # fn look() {}
/// # #[tool]
/// # fn ask(question: u32) -> Result<u32, String> {
/// #     if question < 3 { Ok(question) } else { Err(format!("no answer to {question}")) }
/// # }
/// # #[node]
/// # fn collect() {
/// #     (1..=3).for_each(|_| look());
/// # }
/// # #[workflow]
/// # fn research() -> Vec<Result<u32, String>> {
/// #     collect();
/// #     [1, 3, 2].map(ask).to_vec()
/// # }
/// # let recording = Recording::new();
/// # recording.run(research);
/// assert_span_tree!(
///     recording,
///     "
///     research [WORKFLOW]
///       collect [CHAIN]
///         look [TOOL]
///         look [TOOL]
///         look [TOOL]
///       ask [TOOL]
///       ask [TOOL] ERROR: no answer to 3
///       ask [TOOL]
///     "
/// );
/// ```
///
/// What is not to be said exactly is left open by a few words:
///
/// | Line | Expects |
/// |---|---|
/// | `name [TYPE]` | a span, with exactly what stands below it |
/// | `name` | the same, of any type |
/// | `name [TYPE] ERROR: no * to *` | a failed span; in its message, `*` is any text |
/// | `3x name` | the span, and what stands below it, three times in a row |
/// | `2..4x name`, `2..x name` | two to four times, both included; at least twice |
/// | `+ name`, `* name`, `? name` | at least once; any number of times; once or not at all |
/// | `...` | any further siblings, with whatever is below them |
/// | `in any order:` | the lines indented below it, in any order, with no other span between; `...` among them lets others in |
/// | `"3x name"` | a span whose name would be taken for one of these words |
///
/// ```
/// # use spanwright::{assert_span_tree, node, testing::Recording, tool, workflow};
/// # #[tool]
/// # fn look() {}
/// # #[tool]
/// # fn ask(question: u32) -> Result<u32, String> {
/// #     if question < 3 { Ok(question) } else { Err(format!("no answer to {question}")) }
/// # }
/// # #[node]
/// # fn collect() {
/// #     (1..=3).for_each(|_| look());
/// # }
/// # #[workflow]
/// # fn research() -> Vec<Result<u32, String>> {
/// #     collect();
/// #     [1, 3, 2].map(ask).to_vec()
/// # }
/// # let recording = Recording::new();
/// # recording.run(research);
/// assert_span_tree!(
///     recording,
///     "
///     research [WORKFLOW]
///       collect
///         + look [TOOL]
///       in any order:
///         ask ERROR: no answer to *
///         2x ask
///     "
/// );
/// assert_span_tree!(
///     recording,
///     "
///     research
///       ...
///       ask [TOOL] ERROR: *
///       ...
///     "
/// );
/// ```
///
/// # Panics
///
/// If they differ: the message shows the recorded tree, with `-` before what was expected in its nearest match and `+` before what was
/// recorded instead. If the text cannot be read as a tree: the message names the line.
#[macro_export]
macro_rules! assert_span_tree {
    ($recorded:expr, $expected:expr $(,)?) => {
        $crate::testing::check_tree(&$recorded, $expected)
    };
}

/// The comparison behind [`assert_span_tree!`].
#[doc(hidden)]
#[track_caller]
pub fn check_tree(recorded: &(impl Recorded + ?Sized), expected: &str) {
    let spans = recorded.records();
    let (text, expected) = (tree::render(&spans, Style::redacted()), dedent(expected));
    if text.trim_end() == expected {
        return;
    }
    let pattern = match pattern::parse(&expected) {
        Ok(pattern) => pattern,
        Err(mistake) => panic!("{mistake}\nwhat was recorded (- expected, + recorded):\n{}", by_line(&text, &expected)),
    };
    let outline = Outline::of(&spans);
    if !Matcher::new(&pattern, &outline).holds() {
        let lines = difference::lines(&pattern, &outline);
        panic!("the span tree differs from the expected one (- expected, + recorded):\n{}", report::text(&lines));
    }
}

/// Two texts, line against line.
fn by_line(recorded: &str, expected: &str) -> String {
    let (mut left, mut right) = (recorded.lines(), expected.lines());
    let mut lines = Vec::new();
    loop {
        match (left.next(), right.next()) {
            (None, None) => return report::text(&lines),
            (Some(same), Some(other)) if same == other => lines.push(Line::new(Mark::Same, 0, same)),
            (recorded, expected) => {
                lines.extend(expected.map(|line| Line::new(Mark::Expected, 0, line)));
                lines.extend(recorded.map(|line| Line::new(Mark::Recorded, 0, line)));
            }
        }
    }
}

fn dedent(text: &str) -> String {
    let lines: Vec<_> = text.lines().map(str::trim_end).skip_while(|line| line.is_empty()).collect();
    let indent = |line: &&&str| line.len() - line.trim_start().len();
    let common = lines.iter().filter(|line| !line.is_empty()).map(|line| indent(&line)).min().unwrap_or(0);
    let lines: Vec<_> = lines.iter().map(|line| line.get(common..).unwrap_or_default()).collect();
    lines.join("\n").trim_end().to_owned()
}
