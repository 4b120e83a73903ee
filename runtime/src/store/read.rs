//! Everything kept, for people to read.

use std::path::PathBuf;

use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::Serialize;

use super::block::Spans;
use super::queue::facts_of;
use super::row::{ending_of, text, unreadable};
use super::{Backlog, Counts, Result, Salvaged, Store};
use crate::id::{TraceId, uuid_of};
use crate::record::{Ending, Losses, SpanRecord};

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
    /// How the root ended; `None` until it has.
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
    /// Where the trace goes; `None` if it stays here.
    pub destination: Option<String>,
    /// Spans not delivered yet.
    pub undelivered: u64,
    /// Spans refused by the server for good.
    pub rejected: u64,
}

/// What [`Store::traces`] lists; by default the newest 20.
#[derive(Clone, Debug)]
pub struct TraceFilter {
    /// At most this many, newest first.
    pub limit: usize,
    /// Only this session.
    pub session: Option<String>,
    /// Only this value of the tag `workflow`.
    pub workflow: Option<String>,
}

impl Default for TraceFilter {
    fn default() -> Self {
        Self { limit: 20, session: None, workflow: None }
    }
}

/// What `doctor` says of a store.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Statistics {
    /// The database; `None` in memory.
    pub path: Option<PathBuf>,
    /// Bytes in use: what the byte limit is compared with.
    pub bytes: u64,
    /// Bytes of the files, the write-ahead log included.
    pub bytes_on_disk: u64,
    /// Everything stored.
    pub stored: Counts,
    /// Spans that have been delivered.
    pub delivered_spans: u64,
    /// What is pending and what was rejected, by destination.
    pub backlog: Vec<Backlog>,
    /// Start of the oldest trace with an undelivered span, nanoseconds since the Unix epoch.
    pub oldest_undelivered_unix_ns: Option<u64>,
    /// Spans that were open when their process was last heard of.
    pub open_spans: u64,
    /// Undelivered spans given up for space since the store was made.
    pub evicted: Counts,
    /// What traced programs could not record since the store was made.
    pub lost: Losses,
    /// Damaged stores that were put aside here, and what became of their spans.
    pub salvaged: Salvaged,
}

pub(super) const SUMMARY: &str =
    "SELECT trace_id, name, ending, failed, start_unix_ns, end_unix_ns, spans, errors, tokens, bytes,
    workflow, session, facts, uri, undelivered, rejected
    FROM traces LEFT JOIN destinations ON destinations.number = traces.destination";

pub(super) fn summary(row: &Row<'_>) -> rusqlite::Result<TraceSummary> {
    let ending = text(row.get_ref(2)?);
    let facts = facts_of(text(row.get_ref(12)?).as_deref());
    Ok(TraceSummary {
        trace_id: TraceId::from_bytes(row.get(0)?),
        name: text(row.get_ref(1)?).unwrap_or_default(),
        state: match (&ending, row.get(3)?) {
            (None, _) => TraceState::Running,
            (Some(_), false) => TraceState::Ok,
            (Some(_), true) => TraceState::Error,
        },
        ending: ending.as_deref().and_then(ending_of),
        start_unix_ns: row.get(4)?,
        end_unix_ns: row.get(5)?,
        spans: row.get(6)?,
        errors: row.get(7)?,
        tokens: row.get(8)?,
        bytes: row.get(9)?,
        workflow: text(row.get_ref(10)?),
        session: text(row.get_ref(11)?),
        user: facts.user,
        experiment: facts.experiment,
        destination: row.get(13)?,
        undelivered: row.get(14)?,
        rejected: row.get(15)?,
    })
}

impl Store {
    /// Traces, newest first.
    ///
    /// # Errors
    ///
    /// [`Error::is_store`](crate::Error::is_store) if the store cannot be read.
    pub fn traces(&self, filter: &TraceFilter) -> Result<Vec<TraceSummary>> {
        self.read("list the traces in the store", |connection| {
            let sql = format!(
                "{SUMMARY} WHERE (?1 IS NULL OR session = ?1) AND (?2 IS NULL OR workflow = ?2)
                 ORDER BY start_unix_ns DESC, traces.number DESC LIMIT ?3"
            );
            let limit = i64::try_from(filter.limit).unwrap_or(i64::MAX);
            let mut select = connection.prepare_cached(&sql)?;
            select.query_map(params![filter.session, filter.workflow, limit], summary)?.collect()
        })
    }

    /// One trace.
    ///
    /// # Errors
    ///
    /// [`Error::is_store`](crate::Error::is_store) if the store cannot be read.
    pub fn trace(&self, trace: TraceId) -> Result<Option<TraceSummary>> {
        self.read("read a trace in the store", |connection| {
            connection
                .prepare_cached(&format!("{SUMMARY} WHERE trace_id = ?"))?
                .query_row([trace.to_bytes()], summary)
                .optional()
        })
    }

    /// The trace that started last.
    ///
    /// # Errors
    ///
    /// [`Error::is_store`](crate::Error::is_store) if the store cannot be read.
    pub fn last_trace(&self) -> Result<Option<TraceSummary>> {
        Ok(self.traces(&TraceFilter { limit: 1, ..TraceFilter::default() })?.pop())
    }

    /// Traces whose id begins with these hexadecimal digits (`tr-` before them is ignored), newest first, at most ten. None
    /// for a text that is not the beginning of an id.
    ///
    /// # Errors
    ///
    /// [`Error::is_store`](crate::Error::is_store) if the store cannot be read.
    pub fn traces_by_prefix(&self, prefix: &str) -> Result<Vec<TraceSummary>> {
        let digits = prefix.strip_prefix("tr-").unwrap_or(prefix);
        let bound =
            |fill: &str| format!("{digits}{}", fill.repeat(32usize.saturating_sub(digits.len()))).parse::<TraceId>();
        let (Ok(low), Ok(high)) = (bound("0"), bound("f")) else { return Ok(Vec::new()) };
        self.read("look for a trace in the store", |connection| {
            let sql = format!("{SUMMARY} WHERE trace_id BETWEEN ?1 AND ?2 ORDER BY start_unix_ns DESC LIMIT 10");
            connection.prepare_cached(&sql)?.query_map([low.to_bytes(), high.to_bytes()], summary)?.collect()
        })
    }

    /// The trace of a run id, as `spanwright::tracker()` has it; `None` if it is that of no trace in the store.
    ///
    /// # Errors
    ///
    /// [`Error::is_store`](crate::Error::is_store) if the store cannot be read.
    pub fn trace_of_run(&self, run_id: &str) -> Result<Option<TraceSummary>> {
        // The digits before those that say what kind of UUID it is are the trace's own.
        let digits = run_id.replace('-', "");
        let Some(digits) = digits.get(..12).filter(|_| digits.len() == 32) else { return Ok(None) };
        let found = self.traces_by_prefix(digits)?;
        Ok(found.into_iter().find(|trace| uuid_of(trace.trace_id).eq_ignore_ascii_case(run_id)))
    }

    /// The spans of a trace, in the order of their start.
    ///
    /// # Errors
    ///
    /// [`Error::is_store`](crate::Error::is_store) if the store cannot be read or a record in it is damaged.
    pub fn spans(&self, trace: TraceId) -> Result<Vec<SpanRecord>> {
        let mut spans = self.read("read the spans of a trace in the store", |connection| {
            let mut select = connection.prepare_cached(
                "SELECT record FROM spans WHERE trace = (SELECT number FROM traces WHERE trace_id = ?)",
            )?;
            let mut rows = select.query([trace.to_bytes()])?;
            let mut spans: Vec<SpanRecord> = Vec::new();
            while let Some(row) = rows.next()? {
                let stored = Spans::of(row.get_ref(0)?.as_bytes()?).map_err(unreadable)?;
                for span in stored {
                    spans.push(span.map_err(unreadable)?);
                }
            }
            Ok(spans)
        })?;
        spans.sort_by_key(|span| (span.start_unix_ns, span.span_id));
        Ok(spans)
    }

    /// Why spans of a trace were refused by its destination, one text per span.
    ///
    /// # Errors
    ///
    /// [`Error::is_store`](crate::Error::is_store) if the store cannot be read.
    pub fn rejections(&self, trace: TraceId) -> Result<Vec<String>> {
        self.read("read the rejections of a trace in the store", |connection| {
            connection
                .prepare_cached(
                    "SELECT cause FROM rejections WHERE trace = (SELECT number FROM traces WHERE trace_id = ?) ORDER BY seq",
                )?
                .query_map([trace.to_bytes()], |row| row.get(0))?
                .collect()
        })
    }

    /// Sizes and counts.
    ///
    /// # Errors
    ///
    /// [`Error::is_store`](crate::Error::is_store) if the store cannot be read.
    pub fn statistics(&self) -> Result<Statistics> {
        let backlog = self.backlog()?;
        let path = self.path().map(PathBuf::from);
        let salvaged = self.salvaged();
        let bytes_on_disk = path.iter().flat_map(|path| ["", "-wal"].map(|end| format!("{}{end}", path.display())));
        let bytes_on_disk = bytes_on_disk.filter_map(|path| std::fs::metadata(path).ok()).map(|file| file.len()).sum();
        self.read("read the statistics of the store", |connection| {
            let one = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, u64>(0));
            let stored = Counts {
                traces: one("SELECT count(*) FROM traces")?,
                spans: one("SELECT coalesce(sum(spans), 0) FROM traces")?,
            };
            Ok(Statistics {
                path: path.clone(),
                bytes: used_bytes(connection)?,
                bytes_on_disk,
                stored,
                delivered_spans: one("SELECT coalesce(sum(spans - undelivered - rejected), 0) FROM traces")?,
                backlog: backlog.clone(),
                oldest_undelivered_unix_ns: connection.query_row(
                    "SELECT min(start_unix_ns) FROM traces WHERE undelivered > 0",
                    [],
                    |row| row.get(0),
                )?,
                open_spans: one("SELECT count(*) FROM open_spans")?,
                salvaged,
                evicted: Counts {
                    traces: one("SELECT value FROM counters WHERE name = 'evicted_traces'")?,
                    spans: one("SELECT value FROM counters WHERE name = 'evicted_spans'")?,
                },
                lost: super::losses::total(connection)?,
            })
        })
    }
}

/// Bytes of the pages in use.
pub(super) fn used_bytes(connection: &Connection) -> rusqlite::Result<u64> {
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, u64>(0));
    Ok(pragma("page_count")?.saturating_sub(pragma("freelist_count")?) * pragma("page_size")?)
}
