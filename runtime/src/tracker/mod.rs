//! Measuring an execution: each measurement carries its identity, is counted once, and can be added hours later by another process.
//!
//! In: what an agent measures of itself, and what others say of it afterwards. Out: attributes of the span of the execution, assessments
//! of its trace, and events for an [`EventSink`]. Not done here: which execution a thread is in (`execution`), and the way of an assessment
//! to the server, which is that of a span.
//!
//! | Measurement | How often | A second one |
//! |---|---|---|
//! | duration, time to first token, tokens, feedback | once each | is left out, with one warning |
//! | success or error | once together | is left out, with one warning |
//! | tool calls, scores of judges, other assessments | any number of times, in order | counts |
//!
//! Zero is a value. What counts as once is once for a tracker and its clones; [`Reporting::once_in`] makes it once for all processes that
//! share a store.

mod budget;
mod event;
mod feedback;
mod graph;
mod graph_metrics;
mod guard;
mod judge;
mod metrics;
mod note;
mod prompt;
#[cfg(feature = "mlflow")]
mod signed;
mod slots;
mod sync;
mod token;

use std::any::Any;
use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use serde::Serialize;

use crate::conformance::RUN_ID;
use crate::contain::contained;
use crate::context::{self, Context};
use crate::execution::{self, AgentConfig, Execution, Measure};
use crate::id::{TraceId, next_uuid, uuid_of};
use crate::record::Usage;

pub use budget::{Budget, BudgetExceeded};
pub use event::{Event, EventData, EventSink, JsonLines, Subject, TrackData};
pub use feedback::{Feedback, assess};
pub use graph::{AgentGraph, GraphData, GraphEdge, GraphSummary, GraphTracker};
pub use graph_metrics::GraphMetrics;
pub use guard::OnceGuard;
pub use judge::JudgeResult;
pub use metrics::{Extracted, Metrics};
pub use prompt::link_prompt;
#[cfg(feature = "mlflow")]
pub use signed::SigningKeys;
#[cfg(all(any(test, fuzzing), feature = "mlflow", not(loom)))]
pub(crate) use token::fuzzing;
pub use token::{ResumptionToken, TokenError};

use note::Attributes;
use slots::{Slot, Slots};

/// The tracker of the execution the calling thread or task is in: the same one wherever in it this is asked. `None` outside of any, and
/// in one whose trace is not kept.
///
/// An execution is what the topmost `#[workflow]` or `#[scheduled]` of a trace does; a workflow inside another one belongs to that one's. Its
/// run id is made of its trace id, so that it is the same in every process the trace goes on in. `config = …` in the attribute says
/// what it runs as; without it, that is version 1 of the id of the declared span, or of the function's name.
///
/// ```
/// use spanwright::workflow;
///
/// #[workflow]
/// fn reply_workflow(question: &str) -> usize {
///     if let Some(tracker) = spanwright::tracker() {
///         tracker.track_tool_call("search");
///         println!("feedback goes to {}", tracker.resumption_token());
///     }
///     question.len()
/// }
/// # reply_workflow("why?");
/// ```
pub fn tracker() -> Option<RunTracker> {
    let trace = context::current().trace;
    if !trace.is_valid() {
        return None;
    }
    let mut is_first = false;
    let found = execution::look(trace, |execution| match &execution.tracker {
        Some(tracker) => tracker.clone().into_any().downcast::<Inner>().ok(),
        None => {
            is_first = !execution.is_root;
            let inner = Arc::new(Inner::of(execution));
            execution.tracker = Some(inner.clone());
            Some(inner)
        }
    });
    let tracker = RunTracker { inner: found.flatten()? };
    if is_first {
        tracker.inner.note(|said| said.text(RUN_ID, tracker.run_id()));
    }
    Some(tracker)
}

/// Measures one execution. Clones are the same tracker; any thread may use one.
#[derive(Clone)]
pub struct RunTracker {
    inner: Arc<Inner>,
}

/// What became of a measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TrackOutcome {
    /// It counts.
    Recorded,
    /// There was one before, which counts.
    Duplicate,
    /// There was nothing to record: a judge that was not asked or failed.
    Ignored,
}

impl TrackOutcome {
    /// Whether it counts.
    pub const fn is_recorded(self) -> bool {
        matches!(self, Self::Recorded)
    }
}

/// Tokens of an execution.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
pub struct Tokens {
    /// All of them, as the provider counts.
    pub total: u64,
    /// Tokens read.
    pub input: u64,
    /// Tokens written.
    pub output: u64,
}

impl From<Usage> for Tokens {
    fn from(usage: Usage) -> Self {
        Self { total: usage.total(), input: usage.input, output: usage.output }
    }
}

/// What has been measured so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Summary {
    /// How long it took, in milliseconds.
    pub duration_ms: Option<u64>,
    /// From its start to the first token, in milliseconds.
    pub time_to_first_token_ms: Option<u64>,
    /// Tokens.
    pub tokens: Option<Tokens>,
    /// Whether it succeeded.
    pub success: Option<bool>,
    /// Whether its user was content.
    pub feedback: Option<bool>,
    /// The tools it called, in order.
    pub tool_calls: Vec<String>,
    /// Lets another process go on measuring.
    pub resumption_token: String,
}

/// Where measurements go beside the trace, and who else knows what has been counted.
#[derive(Clone, Default)]
pub struct Reporting {
    events: Option<Arc<dyn EventSink>>,
    guard: Option<Arc<dyn OnceGuard>>,
}

impl Reporting {
    /// Events go to `sink`. Without it they go to the program's ([`Builder::events`](crate::Builder::events)), if it has one.
    pub fn to(sink: Arc<dyn EventSink>) -> Self {
        Self { events: Some(sink), guard: None }
    }

    /// What is counted once is counted once among all trackers of the execution that ask this guard, in whatever process.
    ///
    /// Asking a store waits for other processes that write to it, up to some seconds.
    #[must_use]
    pub fn once_in(self, guard: Arc<dyn OnceGuard>) -> Self {
        Self { guard: Some(guard), ..self }
    }
}

impl fmt::Debug for Reporting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reporting")
            .field("events", &self.events.is_some())
            .field("guard", &self.guard.is_some())
            .finish()
    }
}

/// Where events of all trackers go that have no sink of their own.
static EVENTS: OnceLock<Arc<dyn EventSink>> = OnceLock::new();

pub(crate) fn send_events_to(sink: Arc<dyn EventSink>) {
    let _ = EVENTS.set(sink);
}

/// Names of events.
mod name {
    pub(super) const DURATION: &str = "$ld:ai:duration:total";
    pub(super) const FIRST_TOKEN: &str = "$ld:ai:tokens:ttf";
    pub(super) const TOKENS: [&str; 3] = ["$ld:ai:tokens:total", "$ld:ai:tokens:input", "$ld:ai:tokens:output"];
    pub(super) const SUCCESS: &str = "$ld:ai:generation:success";
    pub(super) const ERROR: &str = "$ld:ai:generation:error";
    pub(super) const POSITIVE: &str = "$ld:ai:feedback:user:positive";
    pub(super) const NEGATIVE: &str = "$ld:ai:feedback:user:negative";
    pub(super) const TOOL_CALL: &str = "$ld:ai:tool_call";
}

/// A measurement that counts once: the bit of its warning, the method, what it measures, and the words of a guard.
#[derive(Clone, Copy)]
struct Once {
    bit: u32,
    method: &'static str,
    what: &'static str,
}

const DURATION: Once = Once { bit: 0, method: "track_duration", what: "duration" };
const FIRST_TOKEN: Once = Once { bit: 1, method: "track_time_to_first_token", what: "time to first token" };
const TOKENS: Once = Once { bit: 2, method: "track_tokens", what: "tokens" };
const SUCCESS: Once = Once { bit: 3, method: "track_success", what: "success or error" };
const ERROR: Once = Once { bit: 4, method: "track_error", what: "success or error" };
const FEEDBACK: Once = Once { bit: 5, method: "track_feedback", what: "feedback" };

struct Inner {
    config: Arc<AgentConfig>,
    run_id: Box<str>,
    subject: Subject,
    trace: Option<TraceId>,
    /// The execution, where this is its own tracker and so may speak on its span.
    execution: Option<Execution>,
    slots: Slots,
    tool_calls: Mutex<Vec<Box<str>>>,
    nodes: Mutex<Vec<RunTracker>>,
    reporting: Reporting,
}

impl Inner {
    fn of(execution: &Execution) -> Self {
        let config = execution.config.clone().unwrap_or_else(|| Arc::new(execution.default_config()));
        let run_id = uuid_of(execution.trace).into();
        let execution = execution.untracked();
        let trace = Some(execution.trace);
        Self {
            trace,
            execution: Some(execution),
            ..Self::new(config, run_id, Subject::anonymous(), Reporting::default())
        }
    }

    fn new(config: Arc<AgentConfig>, run_id: Box<str>, subject: Subject, reporting: Reporting) -> Self {
        Self {
            config,
            run_id,
            subject,
            trace: None,
            execution: None,
            slots: Slots::new(),
            tool_calls: Mutex::default(),
            nodes: Mutex::default(),
            reporting,
        }
    }
}

impl Inner {
    /// Says something on the span of the execution, while that is open.
    fn note(&self, say: impl FnOnce(&mut Attributes)) {
        let Some(execution) = &self.execution else { return };
        if execution.is_open() && execution.recorder.is_ours() {
            let mut said = Attributes::new();
            say(&mut said);
            said.write(execution.recorder, execution.span);
        }
    }
}

impl Measure for Inner {
    /// What has been measured stands on the span, in one note: a measurement itself costs its slot alone.
    fn ending(&self) {
        self.note(|said| {
            let single = [("run.duration_ms", Slot::Duration), ("run.time_to_first_token_ms", Slot::TimeToFirstToken)];
            for (key, slot) in single {
                if let Some(millis) = self.slots.get(slot) {
                    said.number(key, millis);
                }
            }
            if let Some(success) = self.slots.get(Slot::Outcome) {
                said.flag("run.success", success == 1);
            }
            let keys = ["run.tokens.total", "run.tokens.input", "run.tokens.output"];
            for (key, count) in keys.into_iter().zip(self.slots.tokens().unwrap_or_default()) {
                if count > 0 {
                    said.number(key, count);
                }
            }
        });
    }

    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }
}

impl AgentConfig {
    /// A tracker of its own for one execution, with a run id that nobody else has. Feedback goes to the trace that is current.
    ///
    /// It is made whether the agent is enabled or not, and whether anything is traced or not.
    pub fn create_tracker(&self, context: impl Into<Subject>) -> RunTracker {
        self.create_tracker_reporting(context, Reporting::default())
    }

    /// As [`AgentConfig::create_tracker`], reporting as said.
    pub fn create_tracker_reporting(&self, context: impl Into<Subject>, reporting: Reporting) -> RunTracker {
        let trace = Context::current().trace_id();
        let inner = Inner::new(Arc::new(self.clone()), next_uuid().into(), context.into(), reporting);
        RunTracker { inner: Arc::new(Inner { trace, ..inner }) }
    }
}

impl ResumptionToken {
    /// A tracker of the same execution, in the given context. It knows nothing of the model, and has counted nothing yet: what two
    /// processes measure of one execution counts in both, unless they [share a guard](Reporting::once_in). Feedback is the exception:
    /// the server keeps one for an execution.
    pub fn resume(&self, context: impl Into<Subject>) -> RunTracker {
        self.resume_reporting(context, Reporting::default())
    }

    /// As [`ResumptionToken::resume`], reporting as said.
    pub fn resume_reporting(&self, context: impl Into<Subject>, reporting: Reporting) -> RunTracker {
        let config = AgentConfig {
            variation: self.variation_key.clone(),
            version: self.version,
            graph_key: self.graph_key.clone(),
            ..AgentConfig::new(self.config_key.clone())
        };
        let inner = Inner::new(Arc::new(config), self.run_id.as_str().into(), context.into(), reporting);
        RunTracker { inner: Arc::new(Inner { trace: self.trace_id, ..inner }) }
    }
}

impl RunTracker {
    /// Names the execution: a version 4 UUID, unless a token said otherwise.
    pub fn run_id(&self) -> &str {
        &self.inner.run_id
    }

    /// Whether the agent is to be used.
    pub fn enabled(&self) -> bool {
        self.inner.config.enabled
    }

    /// The trace feedback goes to; `None` if there is none.
    pub fn trace_id(&self) -> Option<TraceId> {
        self.inner.trace
    }

    /// Whom the execution is for.
    pub fn context(&self) -> &Subject {
        &self.inner.subject
    }

    /// What every event says of the execution.
    pub fn track_data(&self) -> TrackData<'_> {
        let Inner { config, run_id, .. } = &*self.inner;
        TrackData {
            run_id,
            config_key: &config.key,
            version: config.version,
            model_name: &config.model,
            provider_name: &config.provider,
            variation_key: &config.variation,
            model_key: &config.model_key,
            model_version: config.model_version,
            graph_key: config.graph_key.as_deref().filter(|key| !key.is_empty()),
            tool_key: None,
            judge_config_key: None,
        }
    }

    /// Lets another process go on measuring this execution.
    pub fn resumption_token(&self) -> ResumptionToken {
        let data = self.track_data();
        ResumptionToken {
            run_id: data.run_id.to_owned(),
            config_key: data.config_key.to_owned(),
            variation_key: data.variation_key.to_owned(),
            version: data.version,
            graph_key: data.graph_key.map(str::to_owned),
            trace_id: self.inner.trace,
        }
    }

    /// The tracker of one node of this execution: with the same run id, the node's configuration, and slots of its own. There is one for
    /// each key, whoever asks for it and however often; a node that runs twice is measured as one.
    pub fn node(&self, config: &AgentConfig) -> RunTracker {
        let mut nodes = self.inner.nodes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(node) = nodes.iter().find(|node| node.inner.config.key == config.key) {
            return node.clone();
        }
        let Inner { run_id, subject, reporting, trace, .. } = &*self.inner;
        let inner = Inner::new(Arc::new(config.clone()), run_id.clone(), subject.clone(), reporting.clone());
        let node = Self { inner: Arc::new(Inner { trace: *trace, ..inner }) };
        nodes.push(node.clone());
        node
    }

    /// How long the execution took.
    pub fn track_duration(&self, duration: Duration) -> TrackOutcome {
        let millis = millis(duration);
        self.once(DURATION, self.inner.slots.record(Slot::Duration, millis), || {
            self.emit(name::DURATION, millis as f64);
        })
    }

    /// How long it took to the first token of the reply.
    pub fn track_time_to_first_token(&self, duration: Duration) -> TrackOutcome {
        let millis = millis(duration);
        self.once(FIRST_TOKEN, self.inner.slots.record(Slot::TimeToFirstToken, millis), || {
            self.emit(name::FIRST_TOKEN, millis as f64);
        })
    }

    /// Tokens of the execution. They are its own measure: those of a trace are added up from its model calls.
    pub fn track_tokens(&self, tokens: impl Into<Tokens>) -> TrackOutcome {
        let Tokens { total, input, output } = tokens.into();
        let counts = [total, input, output];
        self.once(TOKENS, self.inner.slots.record_tokens(counts), || {
            for (name, count) in name::TOKENS.into_iter().zip(counts).filter(|(_, count)| *count > 0) {
                self.emit(name, count as f64);
            }
        })
    }

    /// It succeeded.
    pub fn track_success(&self) -> TrackOutcome {
        self.outcome(SUCCESS, true)
    }

    /// It failed.
    pub fn track_error(&self) -> TrackOutcome {
        self.outcome(ERROR, false)
    }

    fn outcome(&self, once: Once, success: bool) -> TrackOutcome {
        self.once(once, self.inner.slots.record(Slot::Outcome, success.into()), || {
            self.emit(if success { name::SUCCESS } else { name::ERROR }, 1.0);
        })
    }

    /// The execution called a tool.
    pub fn track_tool_call(&self, tool: &str) -> TrackOutcome {
        self.tool_calls().push(tool.into());
        self.emit_with(name::TOOL_CALL.into(), TrackData { tool_key: Some(tool), ..self.track_data() }, 1.0);
        TrackOutcome::Recorded
    }

    /// The execution called tools, in this order.
    pub fn track_tool_calls<T: AsRef<str>>(&self, tools: impl IntoIterator<Item = T>) -> TrackOutcome {
        tools.into_iter().for_each(|tool| {
            self.track_tool_call(tool.as_ref());
        });
        TrackOutcome::Recorded
    }

    /// What has been measured so far.
    pub fn summary(&self) -> Summary {
        let slots = &self.inner.slots;
        Summary {
            duration_ms: slots.get(Slot::Duration),
            time_to_first_token_ms: slots.get(Slot::TimeToFirstToken),
            tokens: slots.tokens().map(|[total, input, output]| Tokens { total, input, output }),
            success: slots.get(Slot::Outcome).map(|success| success == 1),
            feedback: slots.get(Slot::Feedback).map(|positive| positive == 1),
            tool_calls: self.tool_calls().iter().map(|tool| tool.to_string()).collect(),
            resumption_token: self.resumption_token().to_string(),
        }
    }

    fn tool_calls(&self) -> MutexGuard<'_, Vec<Box<str>>> {
        self.inner.tool_calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does what follows from a measurement that counts, or says that it does not.
    fn once(&self, once: Once, is_first: bool, record: impl FnOnce()) -> TrackOutcome {
        if is_first && self.is_claimed(once.what) {
            record();
            return TrackOutcome::Recorded;
        }
        if self.inner.slots.may_warn(once.bit) {
            self.warn(once);
        }
        TrackOutcome::Duplicate
    }

    /// Whether the measurement is this tracker's to make, as far as the guard knows.
    fn is_claimed(&self, what: &str) -> bool {
        let Some(guard) = &self.inner.reporting.guard else { return true };
        contained(|| guard.claim(self.run_id(), &self.inner.config.key, what)).unwrap_or(true)
    }

    fn warn(&self, once: Once) {
        self.warn_with(once, &self.track_data());
    }

    #[cold]
    fn warn_with(&self, once: Once, data: &impl Serialize) {
        let data = serde_json::to_string(data).unwrap_or_default();
        self.warn_of(&format!(
            "Skipping {}: {} already recorded on this tracker. Call create_tracker on the AI Config for a new run. {data}",
            once.method, once.what
        ));
    }

    fn warn_of(&self, line: &str) {
        match self.sink() {
            Some(sink) => drop(contained(|| sink.warning(line))),
            None => crate::diagnostics::of_program().say(line),
        }
    }

    fn sink(&self) -> Option<&Arc<dyn EventSink>> {
        self.inner.reporting.events.as_ref().or_else(|| EVENTS.get())
    }

    #[inline]
    fn emit(&self, name: &'static str, value: f64) {
        if self.sink().is_some() {
            self.emit_with(name.into(), self.track_data(), value);
        }
    }

    fn emit_with<'t>(&'t self, name: Cow<'t, str>, data: impl Into<EventData<'t>>, value: f64) {
        if let Some(sink) = self.sink() {
            let event = Event { name, context: &self.inner.subject, data: data.into(), value };
            let _ = contained(|| sink.event(&event));
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl fmt::Debug for RunTracker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunTracker").field("data", &self.track_data()).finish_non_exhaustive()
    }
}

const _: () = {
    const fn shared<T: Send + Sync + Clone + 'static>() {}
    shared::<RunTracker>();
};
