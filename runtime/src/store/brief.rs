//! Traces as reports read them: all of a period, one after the other, and of each span only what can be added up.
//!
//! Nothing is kept beside the spans for this: what a span says of itself is read from its block, past whatever was captured, which
//! takes less than keeping a second account of it in step with the first. A reader takes some traces at a time and holds no view of
//! the database in between, so that the log can be written back while a long report is made; nobody who writes waits for it.

use std::borrow::Cow;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::block::Spans;
use super::queue::facts_of;
use super::row::{stored_time, text};
use super::{Result, Store, TraceState};
use crate::error::{Error, Kind};
use crate::id::{SpanId, TraceId};
use crate::record::{ModelCallCost, SpanRecord, Usage};

/// Traces read in one statement: as long the database keeps what it had when that began.
const TRACES_AT_ONCE: i64 = 1024;
/// Stored bytes handed on at once, or those of one trace where that has more; as many parts are read ahead.
const PART_BYTES: usize = 512 * 1024;
const PARTS_AHEAD: usize = 4;
/// Spans for which there is room before the memory of a trace grows.
const SPANS: usize = 16;

/// What a report reads of a trace.
#[derive(Clone, Debug, PartialEq)]
pub struct TraceBrief<'a> {
    /// The trace.
    pub trace_id: TraceId,
    /// Name of its root; until that is known, of the first span stored.
    pub name: Cow<'a, str>,
    /// Tag `workflow`.
    pub workflow: Option<Cow<'a, str>>,
    /// Experiment the trace asks for; `None` for the configured one, and where the server has been asked for one.
    pub experiment: Option<Cow<'a, str>>,
    /// State.
    pub state: TraceState,
    /// Earliest start, nanoseconds since the Unix epoch.
    pub start_unix_ns: u64,
    /// Latest end, nanoseconds since the Unix epoch.
    pub end_unix_ns: u64,
    /// Its finished spans, in no particular order.
    pub spans: Vec<SpanBrief<'a>>,
    /// Spans of it that cannot be read.
    pub unreadable: u64,
    /// What the server says the trace cost and used, where a server was asked: input and output tokens, and US dollars.
    pub server: Option<ServerTotals>,
}

impl TraceBrief<'_> {
    /// What runs are counted under: the tag `workflow`, else the name of the root.
    pub fn workflow(&self) -> &str {
        self.workflow.as_deref().unwrap_or(&self.name)
    }

    /// The same, borrowed from nothing.
    pub fn to_static(&self) -> TraceBrief<'static> {
        TraceBrief {
            name: owned(&self.name),
            workflow: self.workflow.as_deref().map(owned),
            experiment: self.experiment.as_deref().map(owned),
            spans: self.spans.iter().map(SpanBrief::to_static).collect(),
            ..*self
        }
    }
}

fn owned(text: &str) -> Cow<'static, str> {
    Cow::Owned(text.to_owned())
}

/// What a server says of a whole trace.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ServerTotals {
    /// Input and output tokens; `None` if it says nothing of them.
    pub tokens: Option<u64>,
    /// US dollars; `None` if it knows no price.
    pub cost_usd: Option<f64>,
}

/// What a report reads of a span.
#[derive(Clone, Debug, PartialEq)]
pub struct SpanBrief<'a> {
    /// The span.
    pub span_id: SpanId,
    /// The span that encloses it; `None` for a root.
    pub parent_id: Option<SpanId>,
    /// Name.
    pub name: Cow<'a, str>,
    /// MLflow span type.
    pub span_type: Cow<'a, str>,
    /// The attribute that made the span, `node`, `llm`, …; empty where a server was asked.
    pub kind: Cow<'a, str>,
    /// Start, nanoseconds since the Unix epoch.
    pub start_unix_ns: u64,
    /// End, nanoseconds since the Unix epoch.
    pub end_unix_ns: u64,
    /// Whether its status is ERROR.
    pub is_error: bool,
    /// Of a model call.
    pub model: Option<ModelBrief<'a>>,
    /// All of it, where it has one of the attributes that were asked for.
    pub whole: Option<Box<SpanRecord>>,
}

/// What a report reads of a model call.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ModelBrief<'a> {
    /// Model.
    pub model: Option<Cow<'a, str>>,
    /// Provider.
    pub provider: Option<Cow<'a, str>>,
    /// Tokens.
    pub usage: Option<Usage>,
    /// What it cost, where that was known with the call.
    pub cost: Option<ModelCallCost>,
}

impl SpanBrief<'_> {
    /// The same, borrowed from nothing.
    pub fn to_static(&self) -> SpanBrief<'static> {
        SpanBrief {
            name: owned(&self.name),
            span_type: owned(&self.span_type),
            kind: owned(&self.kind),
            model: self.model.as_ref().map(|model| ModelBrief {
                model: model.model.as_deref().map(owned),
                provider: model.provider.as_deref().map(owned),
                ..*model
            }),
            whole: self.whole.clone(),
            ..*self
        }
    }
}

impl From<SpanRecord> for SpanBrief<'_> {
    fn from(record: SpanRecord) -> Self {
        let is_error = record.is_error();
        let SpanRecord { span_id, parent_id, name, span_type, kind, start_unix_ns, end_unix_ns, model, .. } = record;
        let model = model.map(|facts| ModelBrief {
            model: facts.model.map(Cow::Owned),
            provider: facts.provider.map(Cow::Owned),
            usage: facts.usage,
            cost: facts.cost,
        });
        let (name, span_type, kind) = (name.into(), span_type.into(), kind.into());
        Self { span_id, parent_id, name, span_type, kind, start_unix_ns, end_unix_ns, is_error, model, whole: None }
    }
}

/// Which traces [`Store::briefs`] reads; by default all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BriefFilter {
    /// Those that started then or later, nanoseconds since the Unix epoch.
    pub since_unix_ns: u64,
    /// Those that started before, nanoseconds since the Unix epoch.
    pub until_unix_ns: u64,
    /// Only runs of this workflow, see [`TraceBrief::workflow`].
    pub workflow: Option<String>,
    /// Only this trace.
    pub trace: Option<TraceId>,
    /// Spans that have one of these attributes are shown whole, beside what is read of all.
    pub whole_if: &'static [&'static str],
}

impl Default for BriefFilter {
    fn default() -> Self {
        Self { since_unix_ns: 0, until_unix_ns: u64::MAX, workflow: None, trace: None, whole_if: &[] }
    }
}

impl Store {
    /// Shows each trace the filter lets through to `each`, once, in the order in which the store first heard of them.
    ///
    /// A thread of its own reads ahead. What this handle and its clones are asked meanwhile waits in between, and `each` must not ask
    /// them; nobody else waits. A trace that is stored while this reads may or may not be among them. A record that cannot be read is
    /// counted with its trace.
    ///
    /// # Errors
    ///
    /// [`Error::is_store`](crate::Error::is_store) if the store cannot be read; [`Error::is_state`](crate::Error::is_state) if the
    /// system has no thread.
    pub fn briefs(&self, filter: &BriefFilter, mut each: impl FnMut(&TraceBrief<'_>)) -> Result<()> {
        let (to, parts) = sync_channel(PARTS_AHEAD);
        // Their memory goes back and is filled again.
        let (give_back, emptied) = sync_channel(PARTS_AHEAD);
        std::thread::scope(|scope| {
            let reading = std::thread::Builder::new()
                .name("spanwright-report".to_owned())
                .spawn_scoped(scope, move || self.read_ahead(filter, &Ahead { to, emptied }))
                .map_err(|cause| Error::because(Kind::State, "start a thread that reads the store", cause))?;
            for mut part in parts {
                part.show(filter.whole_if, &mut each);
                let _ = give_back.try_send(part);
            }
            reading.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    fn read_ahead(&self, filter: &BriefFilter, ahead: &Ahead) -> Result<()> {
        const OPERATION: &str = "read the traces in the store";
        let (first, last) = self.read(OPERATION, |connection| numbers(connection, filter.trace))?;
        for from in (first..=last).step_by(TRACES_AT_ONCE as usize) {
            let until = last.min(from + TRACES_AT_ONCE - 1);
            self.read(OPERATION, |connection| read_between(connection, filter, from, until, ahead))?;
        }
        Ok(())
    }
}

/// The numbers of the traces in question, from the first to the last.
fn numbers(connection: &Connection, trace: Option<TraceId>) -> rusqlite::Result<(i64, i64)> {
    if let Some(trace) = trace {
        let mut select = connection.prepare_cached("SELECT number FROM traces WHERE trace_id = ?")?;
        let found: Option<i64> = select.query_row([trace.to_bytes()], |row| row.get(0)).optional()?;
        return Ok(found.map_or((1, 0), |number| (number, number)));
    }
    connection
        .prepare_cached("SELECT coalesce(min(number), 1), coalesce(max(number), 0) FROM traces")?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))
}

fn read_between(
    connection: &Connection,
    filter: &BriefFilter,
    from: i64,
    until: i64,
    ahead: &Ahead,
) -> rusqlite::Result<()> {
    // `+`: in the order of the traces' numbers, by no other index.
    let mut select = connection.prepare_cached(
        "SELECT number, record, trace_id, name, workflow, facts, ending IS NOT NULL, failed, start_unix_ns, end_unix_ns
         FROM traces LEFT JOIN spans ON spans.trace = traces.number
         WHERE number BETWEEN ?1 AND ?2 AND +start_unix_ns >= ?3 AND (+start_unix_ns < ?4 OR ?4 = 9223372036854775807)
             AND (?5 IS NULL OR coalesce(workflow, name) = ?5)
         ORDER BY number",
    )?;
    let (since, before) = (stored_time(filter.since_unix_ns), stored_time(filter.until_unix_ns));
    let mut rows = select.query(params![from, until, since, before, filter.workflow])?;
    let mut part = ahead.part();
    let mut current = None;
    while let Some(row) = rows.next()? {
        let number: i64 = row.get(0)?;
        if current.replace(number) != Some(number) {
            if part.bytes.len() >= PART_BYTES && ahead.to.send(std::mem::replace(&mut part, ahead.part())).is_err() {
                // Nobody wants the rest.
                return Ok(());
            }
            part.traces.push((facts_of_trace(row)?, 0));
        }
        if let (Some(block), Some((_, blocks))) = (row.get_ref(1)?.as_blob_or_null()?, part.traces.last_mut()) {
            *blocks += 1;
            part.bytes.extend_from_slice(block);
            part.ends.push(part.bytes.len());
        }
    }
    // Nobody reads it where `each` has panicked.
    let _ = ahead.to.send(part);
    Ok(())
}

/// What the row of a trace says, without its spans.
fn facts_of_trace(row: &Row<'_>) -> rusqlite::Result<TraceBrief<'static>> {
    let has_ended: bool = row.get(6)?;
    let facts = text(row.get_ref(5)?).filter(|facts| facts.contains("\"experiment\""));
    Ok(TraceBrief {
        trace_id: TraceId::from_bytes(row.get(2)?),
        name: text(row.get_ref(3)?).unwrap_or_default().into(),
        workflow: text(row.get_ref(4)?).map(Cow::Owned),
        experiment: facts_of(facts.as_deref()).experiment.map(Cow::Owned),
        state: match (has_ended, row.get(7)?) {
            (false, _) => TraceState::Running,
            (true, false) => TraceState::Ok,
            (true, true) => TraceState::Error,
        },
        start_unix_ns: row.get(8)?,
        end_unix_ns: row.get(9)?,
        spans: Vec::new(),
        unreadable: 0,
        server: None,
    })
}

/// Where parts go, and where their memory comes back.
struct Ahead {
    to: SyncSender<Part>,
    emptied: Receiver<Part>,
}

impl Ahead {
    fn part(&self) -> Part {
        self.emptied.try_recv().unwrap_or_default()
    }
}

/// Some traces as they stand in the database.
#[derive(Default)]
struct Part {
    /// Each trace, and how many blocks it has.
    traces: Vec<(TraceBrief<'static>, usize)>,
    /// The blocks of all of them, one behind the other, and where each ends.
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Part {
    /// Shows the traces to `each` and forgets them.
    fn show(&mut self, whole_if: &[&str], each: &mut impl FnMut(&TraceBrief<'_>)) {
        let (mut ends, mut from) = (self.ends.iter(), 0);
        for (trace, blocks) in self.traces.drain(..) {
            let mut brief: TraceBrief<'_> = trace;
            brief.spans.reserve(SPANS);
            for to in ends.by_ref().take(blocks) {
                brief.unreadable += match Spans::of(&self.bytes[from..*to]) {
                    Ok(spans) => spans.briefs(whole_if, &mut brief.spans),
                    Err(_) => 1,
                };
                from = *to;
            }
            each(&brief);
        }
        self.bytes.clear();
        self.ends.clear();
    }
}
