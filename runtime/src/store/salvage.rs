//! What can still be read of another database, brought into the store: one that was damaged and put aside, or one in memory.

use std::collections::HashSet;
use std::path::Path;

use rusqlite::OptionalExtension as _;
use serde::{Deserialize, Serialize};

use super::read::{SUMMARY, summary};
use super::{ProcessId, Result, Store, TraceSummary, folder, open_file, schema, unusable};
use crate::fork::OwnFile;
use crate::id::{SpanId, TraceId};
use crate::record::{Batch, SpanRecord};

/// Whose spans they are while they are brought over: nobody's, who never dies.
const NOBODY: ProcessId = ProcessId(0);
/// Spans in one transaction.
const AT_ONCE: usize = 512;

/// What became of the contents of other databases.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Salvaged {
    /// Files that were looked into.
    pub files: u64,
    /// Those of them that cannot be opened at all: what was in them is lost, and nobody knows how much.
    pub unopened: u64,
    /// Undelivered spans that are in the store now.
    pub spans: u64,
    /// Undelivered spans that cannot be read, as far as it is known how many there were.
    pub unreadable: u64,
}

impl Store {
    /// Takes over what had not been delivered from databases that were damaged and put aside, each once. They stay where they are.
    ///
    /// # Errors
    ///
    /// [`Error::is_store`](crate::Error::is_store) if the store cannot be written; the next call tries again.
    pub fn salvage(&self) -> Result<Salvaged> {
        let mut salvaged = Salvaged::default();
        let Some(folder) = self.folder() else { return Ok(salvaged) };
        for (aside, mark) in folder::put_aside_files(folder) {
            let lock = OwnFile::open(|| folder::open_private(&mark)).map_err(|cause| unusable(&mark, cause))?;
            // Empty until all of it has been read; locked by whoever reads it.
            if lock.try_lock().is_err() || lock.metadata().is_ok_and(|mark| mark.len() > 0) {
                continue;
            }
            let brought = match opened(&aside) {
                Some(damaged) => Salvaged { files: 1, ..bring_over(&damaged, self)? },
                None => Salvaged { files: 1, unopened: 1, ..Salvaged::default() },
            };
            let result = serde_json::to_string(&brought).unwrap_or_default();
            std::fs::write(&mark, result).map_err(|cause| unusable(&mark, cause))?;
            salvaged += brought;
        }
        Ok(salvaged)
    }

    /// What has become of all databases that were put aside and have been looked into.
    pub(super) fn salvaged(&self) -> Salvaged {
        let mut all = Salvaged::default();
        for (_, mark) in self.folder().map(folder::put_aside_files).into_iter().flatten() {
            let result = std::fs::read_to_string(mark).ok().and_then(|result| serde_json::from_str(&result).ok());
            all += result.unwrap_or_default();
        }
        all
    }
}

impl std::ops::AddAssign for Salvaged {
    fn add_assign(&mut self, more: Self) {
        self.files += more.files;
        self.unopened += more.unopened;
        self.spans += more.spans;
        self.unreadable += more.unreadable;
    }
}

/// A database that was put aside, if it can be opened at all.
fn opened(aside: &Path) -> Option<Store> {
    let mut connection = open_file(aside).ok()?;
    let is_ours = schema::bring_up_to_date(&mut connection, &aside.display().to_string()).is_ok();
    // Without a place of its own: what is found wrong in it is passed over.
    is_ours.then(|| Store::without_place(connection))
}

/// Brings over what `from` has not delivered, and what its processes have left open.
pub(super) fn bring_over(from: &Store, to: &Store) -> Result<Salvaged> {
    let mut salvaged = Salvaged::default();
    let mut batch = Batch::default();
    let mut destination = None;
    for trace in undelivered(from) {
        let Ok(spans) = waiting_of(from, &trace) else {
            salvaged.unreadable += trace.undelivered.max(1);
            continue;
        };
        if batch.finished.len() >= AT_ONCE || destination != trace.destination {
            to.append(&std::mem::take(&mut batch), NOBODY, destination.as_deref())?;
            destination = trace.destination;
        }
        salvaged.spans += spans.len() as u64;
        batch.finished.extend(spans);
    }
    to.append(&batch, NOBODY, destination.as_deref())?;
    for (destination, assessment) in from.undelivered_assessments().unwrap_or_default() {
        to.append(&Batch { assessments: vec![assessment], ..Batch::default() }, NOBODY, destination.as_deref())?;
    }
    to.forget_process(NOBODY)?;
    for process in from.processes().unwrap_or_default() {
        let open = from.open_spans_of(process).unwrap_or_default();
        let callsites = from.callsites_of(process).unwrap_or_default();
        let destination = from.destination_of(process).unwrap_or_default();
        to.append(&Batch { open, callsites, ..Batch::default() }, process, destination.as_deref())?;
    }
    Ok(salvaged)
}

/// The traces that have something to deliver or stay here, as far as they can be read, one by one.
fn undelivered(from: &Store) -> Vec<TraceSummary> {
    let connection = from.connection();
    let last = connection.query_row("SELECT max(number) FROM traces", [], |row| row.get::<_, Option<i64>>(0));
    let one = |number: i64| {
        let sql = format!("{SUMMARY} WHERE traces.number = ?");
        connection.prepare_cached(&sql)?.query_row([number], summary).optional()
    };
    let traces = (1..=last.ok().flatten().unwrap_or(0)).filter_map(|number| one(number).ok().flatten());
    traces.filter(|trace| trace.undelivered > 0 || trace.destination.is_none()).collect()
}

/// Spans of a trace that are not with its destination.
fn waiting_of(from: &Store, trace: &TraceSummary) -> Result<Vec<SpanRecord>> {
    let mut spans = from.spans(trace.trace_id)?;
    if let Some(destination) = trace.destination.as_deref().filter(|_| trace.undelivered < spans.len() as u64) {
        let waiting = waiting_for(from, destination)?;
        spans.retain(|span| waiting.contains(&(span.trace_id, span.span_id)));
    }
    Ok(spans)
}

fn waiting_for(from: &Store, destination: &str) -> Result<HashSet<(TraceId, SpanId)>> {
    let mut waiting = HashSet::new();
    let mut after = 0;
    loop {
        let queued = from.pending_after(destination, after, AT_ONCE, usize::MAX)?;
        let Some(last) = queued.last() else { return Ok(waiting) };
        after = last.seq;
        waiting.extend(queued.iter().map(|queued| (queued.record.trace_id, queued.record.span_id)));
    }
}
