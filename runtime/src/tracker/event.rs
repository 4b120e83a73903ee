//! Measurements as events, for those who have a back end that takes them.

use std::borrow::Cow;
use std::fmt;
use std::io::Write;
use std::sync::{Mutex, PoisonError};

use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use super::GraphData;
use crate::diagnostics;

/// Whom an execution is for.
///
/// ```
/// use spanwright::tracker::Subject;
///
/// let ann = Subject::new("user", "ann").with("plan", "family");
/// assert_eq!(serde_json::to_string(&ann).unwrap(), r#"{"kind":"user","key":"ann","plan":"family"}"#);
/// assert_eq!(Subject::from("ann"), Subject::new("user", "ann"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Subject {
    /// What it is: `user`, `organization`, …
    pub kind: String,
    /// Names it among its kind; empty for somebody unknown.
    pub key: String,
    /// What else is known of it.
    #[serde(flatten)]
    pub attributes: Map<String, Value>,
}

impl Subject {
    /// A subject of which only the name is known.
    pub fn new(kind: impl Into<String>, key: impl Into<String>) -> Self {
        Self { kind: kind.into(), key: key.into(), attributes: Map::new() }
    }

    /// Somebody unknown.
    pub fn anonymous() -> Self {
        Self::from("")
    }

    /// Says more of it; what cannot be serialised is `null`.
    #[must_use]
    pub fn with(mut self, key: impl Into<String>, value: impl Serialize) -> Self {
        self.attributes.insert(key.into(), serde_json::to_value(value).unwrap_or_default());
        self
    }
}

impl From<&str> for Subject {
    fn from(key: &str) -> Self {
        Self::new("user", key)
    }
}

impl From<String> for Subject {
    fn from(key: String) -> Self {
        Self::new("user", key)
    }
}

/// What every event of one execution says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TrackData<'t> {
    /// The execution.
    pub run_id: &'t str,
    /// The agent's configuration.
    pub config_key: &'t str,
    /// Its version.
    pub version: i64,
    /// The model; empty in a resumed tracker.
    pub model_name: &'t str,
    /// The model's provider; empty in a resumed tracker.
    pub provider_name: &'t str,
    /// The variation; left out if empty.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub variation_key: &'t str,
    /// The model's configuration; left out if empty.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub model_key: &'t str,
    /// Its version; 0 is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_version: Option<i64>,
    /// The graph the agent is a node of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub graph_key: Option<&'t str>,
    /// Of a tool call, the tool.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_key: Option<&'t str>,
    /// Of a judge's score, the judge.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub judge_config_key: Option<&'t str>,
}

/// What an event says of what was measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum EventData<'t> {
    /// An execution of an agent.
    Run(TrackData<'t>),
    /// A run of a graph of agents.
    Graph(GraphData<'t>),
}

impl<'t> From<TrackData<'t>> for EventData<'t> {
    fn from(data: TrackData<'t>) -> Self {
        Self::Run(data)
    }
}

impl<'t> From<GraphData<'t>> for EventData<'t> {
    fn from(data: GraphData<'t>) -> Self {
        Self::Graph(data)
    }
}

/// One measurement.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Event<'t> {
    /// `$ld:ai:duration:total`, `$ld:ai:tokens:input`, …; of a judge's score, the metric.
    pub name: Cow<'t, str>,
    /// Whom the execution is for.
    pub context: &'t Subject,
    /// What it was.
    pub data: EventData<'t>,
    /// Milliseconds, a count, a score, or 1 for what happened.
    #[serde(serialize_with = "whole")]
    pub value: f64,
}

/// A number without `.0` where it is whole.
fn whole<S: Serializer>(value: &f64, to: S) -> Result<S::Ok, S::Error> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if value.fract() == 0.0 && value.abs() <= EXACT {
        to.serialize_i64(*value as i64)
    } else {
        to.serialize_f64(*value)
    }
}

/// Takes each measurement as it is made, on the thread that makes it. What panics in it is the telemetry's loss, not the program's.
///
/// ```
/// use std::sync::{Arc, Mutex};
/// use spanwright::AgentConfig;
/// use spanwright::tracker::{Event, EventSink, Reporting};
///
/// #[derive(Default)]
/// struct Names(Mutex<Vec<String>>);
///
/// impl EventSink for Names {
///     fn event(&self, event: &Event<'_>) {
///         self.0.lock().unwrap().push(event.name.to_string());
///     }
/// }
///
/// let names = Arc::new(Names::default());
/// let tracker = AgentConfig::new("agent").create_tracker_reporting("ann", Reporting::to(names.clone()));
/// tracker.track_success();
/// assert_eq!(*names.0.lock().unwrap(), ["$ld:ai:generation:success"]);
/// ```
pub trait EventSink: Send + Sync {
    /// Takes one measurement.
    fn event(&self, event: &Event<'_>);

    /// Takes what is to be said of a measurement that was left out. By default it goes where the program's diagnostics go.
    fn warning(&self, line: &str) {
        diagnostics::of_program().say(line);
    }
}

/// Writes each event as one line of JSON: `{"name":…,"context":…,"data":…,"value":…}`.
///
/// ```
/// use std::sync::Arc;
/// use spanwright::AgentConfig;
/// use spanwright::tracker::{JsonLines, Reporting};
///
/// let lines = Arc::new(JsonLines::new(Vec::new()));
/// let tracker = AgentConfig::new("agent").create_tracker_reporting("ann", Reporting::to(lines.clone()));
/// tracker.track_tool_call("search");
/// drop(tracker);
/// let written = String::from_utf8(Arc::into_inner(lines).unwrap().into_inner()).unwrap();
/// assert!(written.starts_with(r#"{"name":"$ld:ai:tool_call","context":{"kind":"user","key":"ann"},"data":{"runId":""#));
/// assert!(written.ends_with("\"toolKey\":\"search\"},\"value\":1}\n"));
/// ```
pub struct JsonLines<W> {
    to: Mutex<W>,
}

impl<W: Write + Send> JsonLines<W> {
    /// Writes to `to`: a file, a socket, a buffer.
    pub const fn new(to: W) -> Self {
        Self { to: Mutex::new(to) }
    }

    /// What it wrote to.
    pub fn into_inner(self) -> W {
        self.to.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<W: Write + Send> EventSink for JsonLines<W> {
    fn event(&self, event: &Event<'_>) {
        let Ok(mut line) = serde_json::to_vec(event) else { return };
        line.push(b'\n');
        let mut to = self.to.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = to.write_all(&line).and_then(|()| to.flush()) {
            drop(to);
            self.warning(&format!("cannot write an event of a run: {error}"));
        }
    }
}

impl<W> fmt::Debug for JsonLines<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JsonLines")
    }
}
