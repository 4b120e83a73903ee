//! The store: one SQLite file that is the delivery queue, the offline archive and the ledger.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;

use crate::error::Error;
use crate::id::TraceId;
use crate::record::{Batch, Ending, RecordSink, SpanRecord, WorkflowFacts};

type Result<T> = std::result::Result<T, Error>;

/// A handle of the store. Clones share one connection; [`Store::reopen`] gives a thread its own.
#[derive(Clone, Debug)]
pub struct Store {}

/// Names one run of one process among those that share a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ProcessId(pub u64);

/// A span that waits for its delivery.
#[derive(Clone, Debug)]
pub struct Queued {
    /// Names the span in [`Store::ack`] and [`Store::reject`]; never used twice.
    pub seq: i64,
    /// The span.
    pub record: SpanRecord,
    /// Size of the stored form, bytes.
    pub bytes: usize,
    /// What is known of its trace so far; shared by all spans of one trace in one answer.
    pub trace: Arc<TraceContext>,
}

/// What is known of a trace so far.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TraceContext {
    /// Name of the root span; until that is known, of the first span stored.
    pub name: String,
    /// Earliest start among the spans seen, nanoseconds since the Unix epoch.
    pub start_unix_ns: u64,
    /// Whether the root has been seen, open or ended: until then `facts` is empty and may not stay so.
    pub root_known: bool,
    /// Whether the root has ended and is stored.
    pub root_ended: bool,
    /// Session, user, experiment, tags and run request, from the root.
    pub facts: WorkflowFacts,
}

/// Which traces [`Store::adopt`] redirects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Adopt {
    /// Those stored without a destination.
    Undirected,
    /// All that have not been delivered to the new destination yet.
    All,
    /// This one.
    Trace(TraceId),
}

/// How many spans, in how many traces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Traces.
    pub traces: u64,
    /// Spans.
    pub spans: u64,
}

/// What one destination still has to get.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Backlog {
    /// The destination; `None` for traces that stay here.
    pub destination: Option<String>,
    /// Waiting for delivery.
    pub pending: Counts,
    /// Refused by the server for good, kept here.
    pub rejected: Counts,
}

/// The exclusive right to export to one destination, until dropped or the process ends.
#[derive(Debug)]
#[must_use = "the right ends when the lease is dropped"]
pub struct Lease {}

/// State of a trace, as MLflow knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TraceState {
    /// Its root has not ended.
    Running,
    /// Its root is OK.
    Ok,
    /// Its root is ERROR.
    Error,
}

/// One line of the list of traces.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TraceSummary {
    /// The trace.
    pub trace_id: TraceId,
    /// Name of its root; until that is known, of the first span stored.
    pub name: String,
    /// State.
    pub state: TraceState,
    /// How the root ended.
    pub ending: Option<Ending>,
    /// Earliest start, nanoseconds since the Unix epoch.
    pub start_unix_ns: u64,
    /// Latest end, nanoseconds since the Unix epoch.
    pub end_unix_ns: u64,
    /// Stored spans.
    pub spans: u64,
    /// Stored spans whose status is ERROR.
    pub errors: u64,
    /// Tokens of all model calls.
    pub tokens: u64,
    /// Bytes of the stored spans.
    pub bytes: u64,
    /// Tag `workflow`.
    pub workflow: Option<String>,
    /// Session.
    pub session: Option<String>,
    /// User.
    pub user: Option<String>,
    /// Experiment the trace asks for; `None` for the configured one.
    pub experiment: Option<String>,
    /// Where the trace goes.
    pub destination: Option<String>,
    /// Spans not delivered yet.
    pub undelivered: u64,
    /// Spans refused by the server for good.
    pub rejected: u64,
}

/// What [`Store::traces`] lists.
#[derive(Clone, Debug)]
pub struct TraceFilter {
    /// At most this many, newest first.
    pub limit: usize,
    /// Only this session.
    pub session: Option<String>,
    /// Only this value of the tag `workflow`.
    pub workflow: Option<String>,
}

/// What `doctor` says of a store.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Statistics {
    /// The database; `None` in memory.
    pub path: Option<PathBuf>,
    /// Bytes in use.
    pub bytes: u64,
    /// Everything stored.
    pub stored: Counts,
    /// Spans delivered or refused for good.
    pub delivered_spans: u64,
    /// By destination.
    pub backlog: Vec<Backlog>,
    /// Start of the oldest trace not fully delivered, nanoseconds since the Unix epoch.
    pub oldest_undelivered_unix_ns: Option<u64>,
    /// Spans open in some process, living or dead.
    pub open_spans: u64,
    /// Undelivered spans given up for space since the store was made.
    pub evicted: Counts,
}

/// How much is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Delivered traces older than this go.
    pub max_age: std::time::Duration,
    /// Above this many bytes the oldest traces go, delivered ones first.
    pub max_bytes: u64,
}

/// What a sweep removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Evicted {
    /// Traces that had been delivered.
    pub delivered: Counts,
    /// Traces, and their undelivered spans, given up for space: a loss that has to be said.
    pub undelivered: Counts,
}

/// Where a folder named `.spanwright` is found, or would be made: the nearest upwards from `start`, else in `start`.
pub fn locate(_start: &Path) -> PathBuf {
    todo!()
}

#[expect(unused_variables, clippy::missing_errors_doc, clippy::todo)]
impl Store {
    /// Opens the store in `folder`, making both if they are not there.
    pub fn open(folder: &Path) -> Result<Self> {
        todo!()
    }
    /// Opens the store in `folder` if there is one.
    pub fn open_existing(folder: &Path) -> Result<Option<Self>> {
        todo!()
    }
    /// A store that ends with its last handle.
    pub fn in_memory() -> Result<Self> {
        todo!()
    }
    /// A handle with its own connection on the same file; in memory, this one.
    pub fn reopen(&self) -> Result<Self> {
        todo!()
    }
    /// The folder; `None` in memory.
    pub fn folder(&self) -> Option<&Path> {
        todo!()
    }
    /// The database; `None` in memory.
    pub fn path(&self) -> Option<&Path> {
        todo!()
    }
    /// What has to be said about the opening, a line each: a damaged file put aside, a network file system.
    pub fn notices(&self) -> &[String] {
        todo!()
    }
    /// Keeps the whole batch, or nothing of it.
    pub fn append(&self, batch: &Batch, process: ProcessId, destination: Option<&str>) -> Result<()> {
        todo!()
    }
    /// Processes that have left open spans or callsites.
    pub fn processes(&self) -> Result<Vec<ProcessId>> {
        todo!()
    }
    /// Where the traces of a process go.
    pub fn destination_of(&self, process: ProcessId) -> Result<Option<String>> {
        todo!()
    }
    /// Spans a process has not ended, as they would be kept if it died now.
    pub fn open_spans_of(&self, process: ProcessId) -> Result<Vec<SpanRecord>> {
        todo!()
    }
    /// Callsites of a process: number and JSON.
    pub fn callsites_of(&self, process: ProcessId) -> Result<Vec<(u32, String)>> {
        todo!()
    }
    /// Removes open spans and callsites of a process.
    pub fn forget_process(&self, process: ProcessId) -> Result<()> {
        todo!()
    }
    /// The oldest spans waiting for `destination`, at least one if any waits.
    pub fn pending(&self, destination: &str, max_spans: usize, max_bytes: usize) -> Result<Vec<Queued>> {
        todo!()
    }
    /// Says that `destination` has these spans. A span meanwhile redirected elsewhere stays pending there.
    pub fn ack(&self, destination: &str, seqs: &[i64]) -> Result<()> {
        todo!()
    }
    /// Says that `destination` refuses this span for good; it is kept, with the cause.
    pub fn reject(&self, destination: &str, seq: i64, cause: &str) -> Result<()> {
        todo!()
    }
    /// What waits for `destination`; `None` for what has none.
    pub fn pending_counts(&self, destination: Option<&str>) -> Result<Backlog> {
        todo!()
    }
    /// Redirects traces to `destination`, all their spans pending again, and counts them.
    pub fn adopt(&self, destination: &str, which: Adopt) -> Result<Counts> {
        todo!()
    }
    /// The right to export to `destination`; `None` while another holds it.
    pub fn exporter_lease(&self, destination: &str) -> Result<Option<Lease>> {
        todo!()
    }
    /// True for the first caller with this key, in any process. Keys `trace:<id>:…` go when the trace goes.
    pub fn claim(&self, key: &str) -> Result<bool> {
        todo!()
    }
    /// Takes a claim or a value back.
    pub fn release(&self, key: &str) -> Result<()> {
        todo!()
    }
    /// The value kept under `key`.
    pub fn meta_get(&self, key: &str) -> Result<Option<String>> {
        todo!()
    }
    /// Keeps a value under `key`.
    pub fn meta_set(&self, key: &str, value: &str) -> Result<()> {
        todo!()
    }
    /// Traces, newest first.
    pub fn traces(&self, filter: &TraceFilter) -> Result<Vec<TraceSummary>> {
        todo!()
    }
    /// One trace.
    pub fn trace(&self, trace: TraceId) -> Result<Option<TraceSummary>> {
        todo!()
    }
    /// The newest trace.
    pub fn last_trace(&self) -> Result<Option<TraceSummary>> {
        todo!()
    }
    /// Traces whose id begins with these hexadecimal digits (`tr-` before them is ignored), at most ten.
    pub fn traces_by_prefix(&self, prefix: &str) -> Result<Vec<TraceSummary>> {
        todo!()
    }
    /// The spans of a trace, in the order of their start.
    pub fn spans(&self, trace: TraceId) -> Result<Vec<SpanRecord>> {
        todo!()
    }
    /// Causes of the refused spans of a trace.
    pub fn rejections(&self, trace: TraceId) -> Result<Vec<String>> {
        todo!()
    }
    /// Sizes and counts.
    pub fn statistics(&self) -> Result<Statistics> {
        todo!()
    }
    /// Removes what is beyond the limits.
    pub fn sweep(&self, limits: Limits) -> Result<Evicted> {
        todo!()
    }
}

/// The store as the collector sees it.
#[derive(Debug)]
pub struct StoreSink {
    /// The store.
    pub store: Store,
    /// Whose spans come in.
    pub process: ProcessId,
    /// Where new traces go; `None` to stay here.
    pub destination: Option<String>,
}

impl RecordSink for StoreSink {
    fn append(&mut self, batch: &Batch) -> Result<()> {
        self.store.append(batch, self.process, self.destination.as_deref())
    }
}
