//! Closed spans: inert, owned data with units in the field names.
//!
//! Everything behind the collector speaks in these types and no other; no user type gets this far.

mod assessment;
mod time;
mod usage;
#[cfg(feature = "store")]
pub use usage::priced_tokens;
#[cfg(feature = "store")]
mod view;

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, ser::Error as _};
use serde_json::value::RawValue;

use crate::id::{SpanId, TraceId};

pub use assessment::{Assessment, AssessmentKind, AssessmentSource};
pub use time::rfc3339;
#[cfg(feature = "store")]
pub(crate) use view::{ErrorView, SiteView, SpanView, ValueView};

/// One finished span.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SpanRecord {
    /// The trace this span belongs to.
    pub trace_id: TraceId,
    /// This span, unique within its trace.
    pub span_id: SpanId,
    /// The span that encloses this one; `None` for the root of a trace.
    pub parent_id: Option<SpanId>,
    /// Display name.
    pub name: String,
    /// MLflow span type: `CHAIN`, `TOOL`, `LLM`, … or any other word.
    pub span_type: String,
    /// The attribute that made the span: `node`, `workflow`, …
    pub kind: String,
    /// Id of the declared span it is; `None` where the function is tied to none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub declared: Option<String>,
    /// Where the annotated function stands.
    pub source: Source,
    /// Start, nanoseconds since the Unix epoch.
    pub start_unix_ns: u64,
    /// End, nanoseconds since the Unix epoch; never before the start.
    pub end_unix_ns: u64,
    /// How the call ended.
    pub ending: Ending,
    /// True for a stream that was dropped after its first item.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub incomplete: bool,
    /// Error text, for every ending that is a failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorFacts>,
    /// Captured inputs.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub inputs: Option<Json>,
    /// Captured output.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub outputs: Option<Json>,
    /// Attributes in the order they were set; a later one replaces an earlier one of the same name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attributes: Vec<(String, AttributeValue)>,
    /// Events in the order of their time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<Event>,
    /// Facts of a model call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<ModelFacts>,
    /// What a workflow says about its whole trace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow: Option<Box<WorkflowFacts>>,
    /// What this span adds to the run of its trace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<Box<RunFacts>>,
}

/// The place of an annotated function in its source.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// Name of the function.
    pub function: String,
    /// File, as the compiler was given it.
    pub file: String,
    /// Line, from 1.
    pub line: u32,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// It returned, and what it returned is not a failure.
    Ok,
    /// It returned a failure.
    Error,
    /// It panicked.
    Panic,
    /// Its future or stream was dropped before it was done.
    Cancelled,
    /// Its process died before it ended.
    Abandoned,
    /// Whoever wrote it down does not say. Neither a failure nor a success; no call of a traced program ends so.
    Unknown,
}

impl Ending {
    /// Whether the call did not do what it was for; not, if nobody knows.
    pub const fn is_failure(self) -> bool {
        !matches!(self, Self::Ok | Self::Unknown)
    }

    /// The word recorded as `spanwright.outcome`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Error => "error",
            Self::Panic => "panic",
            Self::Cancelled => "cancelled",
            Self::Abandoned => "abandoned",
            Self::Unknown => "unknown",
        }
    }
}

impl SpanRecord {
    /// A span of no kind in particular that ended as it started, at 1970, with nothing to say.
    ///
    /// ```
    /// use spanwright::record::SpanRecord;
    /// use spanwright::{SpanId, TraceId};
    ///
    /// let name = "collect".to_owned();
    /// let span = SpanRecord { name, ..SpanRecord::new(TraceId::from_halves(1, 2), SpanId::from_u64(3)) };
    /// assert!(span.parent_id.is_none() && !span.is_error());
    /// ```
    pub fn new(trace_id: TraceId, span_id: SpanId) -> Self {
        Self {
            trace_id,
            span_id,
            parent_id: None,
            name: String::new(),
            span_type: "UNKNOWN".into(),
            kind: String::new(),
            declared: None,
            source: Source::default(),
            start_unix_ns: 0,
            end_unix_ns: 0,
            ending: Ending::Ok,
            incomplete: false,
            error: None,
            inputs: None,
            outputs: None,
            attributes: Vec::new(),
            events: Vec::new(),
            model: None,
            workflow: None,
            run: None,
        }
    }

    /// Whether the status of this span is ERROR: every ending that is known and not Ok, except a stream dropped after its first item.
    pub fn is_error(&self) -> bool {
        self.ending.is_failure() && !self.incomplete
    }

    /// End minus start, in nanoseconds.
    pub fn duration_ns(&self) -> u64 {
        self.end_unix_ns.saturating_sub(self.start_unix_ns)
    }

    /// The value set last for `name`.
    pub fn attribute(&self, name: &str) -> Option<&AttributeValue> {
        self.attributes.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value)
    }
}

/// What went wrong, as text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorFacts {
    /// Type of the error, `panic`, `cancelled` or `abandoned`.
    pub kind: String,
    /// Its `Display`, or its type name where it has none.
    pub message: String,
}

/// JSON text that is known to be valid.
#[derive(Clone)]
pub struct Json(Box<str>);

impl Json {
    /// Takes JSON text; `None` if it is not valid JSON.
    pub fn parse(text: String) -> Option<Self> {
        RawValue::from_string(text).ok().map(|value| Self(value.into()))
    }

    /// The JSON of a value that cannot fail to serialise; `null` if it does.
    pub fn of(value: &impl Serialize) -> Self {
        serde_json::to_string(value).map_or_else(|_| Self("null".into()), |text| Self(text.into()))
    }

    /// Takes text that we have written or checked before, unread.
    pub(crate) fn trusted(text: Box<str>) -> Self {
        Self(text)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The parsed value.
    pub fn to_value(&self) -> serde_json::Value {
        serde_json::from_str(self.as_str()).unwrap_or_default()
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        serde_json::from_str::<&RawValue>(&self.0).map_err(S::Error::custom)?.serialize(to)
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Box::<RawValue>::deserialize(from).map(|value| Self(value.into()))
    }
}

impl PartialEq for Json {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttributeValue {
    /// A boolean.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A floating-point number; in JSON, NaN and the infinities are text.
    Float(#[serde(with = "float")] f64),
    /// A string, never parsed as JSON again.
    Text(String),
    /// A list or an object.
    Json(Json),
}

/// Something that happened while a span was open.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Name.
    pub name: String,
    /// When, nanoseconds since the Unix epoch.
    pub time_unix_ns: u64,
    /// Attributes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attributes: Vec<(String, AttributeValue)>,
}

/// What a model call says about itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ModelFacts {
    /// Model, as the reply names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Provider: `openai`, `anthropic`, …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// Tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// What it cost, where that is known with the call and not left to a table of prices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<ModelCallCost>,
    /// From the start of the call to the first token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_to_first_token_ns: Option<u64>,
    /// Definitions of the tools the model was offered.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub tools: Option<Json>,
}

/// What one model call cost, in US dollars.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ModelCallCost {
    /// Everything that is not output: tokens read, and what a prompt cache had to do with.
    pub input: f64,
    /// Tokens written.
    pub output: f64,
}

/// Tokens of one model call. What was read from a prompt cache or written to one is part of the input, as OpenAI and MLflow count;
/// [`Usage::from_reply`] makes it so where the provider counts otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens read.
    pub input: u64,
    /// Tokens written.
    pub output: u64,
    /// Tokens read from a prompt cache.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_read: Option<u64>,
    /// Tokens written to a prompt cache.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write: Option<u64>,
    /// Of those, tokens that are kept for an hour, which cost more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write_1h: Option<u64>,
    /// Of the written output, tokens spent on reasoning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<u64>,
}

impl Usage {
    /// Input plus output tokens.
    pub const fn total(&self) -> u64 {
        self.input.saturating_add(self.output)
    }
}

/// What a workflow says about its whole trace. On a nested workflow it describes that span only.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct WorkflowFacts {
    /// Tags, `workflow` among them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<(String, String)>,
    /// What else is known of the trace, which unlike a tag is not meant to change.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub metadata: Vec<(String, String)>,
    /// Session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// User.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Experiment, by name or id; the configured one if `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub experiment: Option<String>,
    /// Whether a run is opened for the trace, and its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opens_run: Option<RunRequest>,
}

/// How the tags begin that say which prompts a trace was made with; name and version follow, parted by a slash.
pub(crate) const PROMPT_TAG: &str = "spanwright.prompt.";

impl WorkflowFacts {
    /// The prompts the trace was made with, by name and version.
    pub fn prompts(&self) -> impl Iterator<Item = (&str, &str)> {
        let named = self.tags.iter().filter_map(|(key, _)| key.strip_prefix(PROMPT_TAG));
        named.filter_map(|prompt| prompt.rsplit_once('/'))
    }
}

/// A run to be opened for a trace.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RunRequest {
    /// Name of the run; the workflow's if `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// What a span adds to the run of its trace.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RunFacts {
    /// Parameters.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub params: Vec<(String, String)>,
    /// Metrics, each with its time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub metrics: Vec<RunMetric>,
    /// Tags.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<(String, String)>,
}

/// One point of a run's metric.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunMetric {
    /// Name.
    pub key: String,
    /// Value; in JSON, NaN and the infinities are text.
    #[serde(with = "float")]
    pub value: f64,
    /// When, nanoseconds since the Unix epoch.
    pub time_unix_ns: u64,
    /// Step.
    pub step: i64,
}

/// A value that stands there, `null` included: a call that returned nothing is not one whose output is not known.
fn present<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Json>, D::Error> {
    Json::deserialize(from).map(Some)
}

/// JSON has no number for NaN and the infinities: they are written as the text that parses as them.
mod float {
    use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Form {
        Number(f64),
        Text(String),
    }

    pub(super) fn serialize<S: Serializer>(value: &f64, to: S) -> Result<S::Ok, S::Error> {
        if value.is_finite() { to.serialize_f64(*value) } else { to.collect_str(value) }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
        match Form::deserialize(from)? {
            Form::Number(value) => Ok(value),
            Form::Text(text) => text.parse().map_err(D::Error::custom),
        }
    }
}

/// What one sweep of the collector hands on, to be kept as a whole or not at all.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Batch {
    /// Spans that ended.
    pub finished: Vec<SpanRecord>,
    /// Spans still open, as they would be kept if the process died now: those whose records are about to leave the chunks, and roots
    /// that have been open for some seconds.
    pub open: Vec<SpanRecord>,
    /// Facts of callsites whose announcements are about to leave the chunks: number and JSON.
    pub callsites: Vec<(u32, String)>,
    /// What was said of traces.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub assessments: Vec<Assessment>,
    /// What the process could not record since it started, if that has changed.
    pub losses: Option<Losses>,
    /// What there is of the process beside this batch.
    pub remains: Remains,
}

/// What there is of a process beside a batch it hands on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Remains {
    /// It goes on: more comes.
    #[default]
    Process,
    /// Its chunk files, which hold nothing that is not kept.
    Chunks,
    /// Nothing.
    Nothing,
}

/// What could not be recorded, by cause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Losses {
    /// Spans that were not recorded at all, because the chunks were full.
    pub spans: u64,
    /// Attributes, inputs, outputs and events left out of a recorded span, because the chunks were full.
    pub values: u64,
    /// Ends, because the chunks were full: these spans stay open until their process is gone.
    pub ends: u64,
    /// Values left out because open spans held too much.
    pub crowded: u64,
    /// Values and ends of spans nobody knows: said after the span had been collected, or begun on the heap of a process that was killed.
    pub orphaned: u64,
    /// Chunks with words that are no entry.
    pub malformed: u64,
    /// Heap chunks a killed process had not yet brought into the store.
    pub heap_chunks_lost: u64,
    /// Chunks that were taken from the heap because no mapped one was ready. No loss, unless the process is killed right then.
    pub heap_chunks: u64,
}

impl Losses {
    /// Every count with its name and what it is in words; those that are losses first.
    pub fn by_cause(&self) -> [(&'static str, &'static str, u64); 8] {
        [
            ("spans", "spans dropped, the chunks were full", self.spans),
            ("values", "values dropped, the chunks were full", self.values),
            ("ends", "ends dropped, the chunks were full", self.ends),
            ("crowded", "values dropped, open spans hold too much", self.crowded),
            ("orphaned", "values or ends of unknown spans", self.orphaned),
            ("malformed", "chunks with unreadable entries", self.malformed),
            (
                "heap_chunks_lost",
                "heap chunks of killed processes, with what had not reached the store",
                self.heap_chunks_lost,
            ),
            ("heap_chunks", "chunks on the heap, no mapped one was ready", self.heap_chunks),
        ]
    }

    /// The causes of [`Losses::by_cause`] that are losses and happened.
    pub fn happened(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> {
        self.by_cause().into_iter().filter(|(name, _, count)| *count > 0 && *name != "heap_chunks")
    }

    /// A count, by the name [`Losses::by_cause`] gives it.
    #[cfg(feature = "store")]
    pub(crate) fn by_name(&mut self, name: &str) -> Option<&mut u64> {
        Some(match name {
            "spans" => &mut self.spans,
            "values" => &mut self.values,
            "ends" => &mut self.ends,
            "crowded" => &mut self.crowded,
            "orphaned" => &mut self.orphaned,
            "malformed" => &mut self.malformed,
            "heap_chunks_lost" => &mut self.heap_chunks_lost,
            "heap_chunks" => &mut self.heap_chunks,
            _ => return None,
        })
    }
}

impl Batch {
    /// Nothing to keep.
    pub fn is_empty(&self) -> bool {
        let holds_spans = !self.finished.is_empty() || !self.open.is_empty() || !self.callsites.is_empty();
        !holds_spans && self.assessments.is_empty() && self.losses.is_none() && self.remains == Remains::Process
    }
}

/// Takes what the collector closes. The collector calls it from its own thread only and keeps a refused batch for its next try.
pub trait RecordSink: Send {
    /// Keeps the whole batch durably, or nothing of it.
    fn append(&mut self, batch: &Batch) -> Result<(), crate::error::Error>;
}
