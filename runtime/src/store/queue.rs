//! The drain face: what waits for which destination.

use std::collections::HashMap;
use std::fs::TryLockError;
use std::sync::Arc;

use rusqlite::{Connection, Transaction, params};
use serde::Serialize;

use super::destination::{destination_number, known_destination, redirect};
use super::row::decode;
use super::{Result, Store, folder, unusable};
use crate::fork::OwnFile;
use crate::id::TraceId;
use crate::record::{SpanRecord, WorkflowFacts};

/// Traces redirected in one transaction: other writers wait as long.
const REDIRECTED_AT_ONCE: usize = 100;

/// A span that waits for its delivery.
#[derive(Clone, Debug)]
pub struct Queued {
    /// Names the span in [`Store::ack`] and [`Store::reject`]; never used twice.
    pub seq: i64,
    /// The span.
    pub record: SpanRecord,
    /// Bytes of its stored form.
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
    /// Latest end among the spans stored, nanoseconds since the Unix epoch.
    pub end_unix_ns: u64,
    /// Whether the root has been seen, open or ended: until then `facts` is empty and need not stay so.
    pub root_known: bool,
    /// Whether the root has ended and is stored.
    pub root_ended: bool,
    /// Session, user, experiment, tags and run request, from the root.
    pub facts: WorkflowFacts,
}

/// Which traces [`Store::adopt`] redirects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Adopt {
    /// Those without a destination.
    Undirected,
    /// All that have another destination or none, and have not been delivered to the new one before.
    All,
    /// This one, unless the new destination is its own already.
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

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, more: Self) {
        self.traces += more.traces;
        self.spans += more.spans;
    }
}

/// What one destination still has to get.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Backlog {
    /// The destination; `None` for traces that stay here.
    pub destination: Option<String>,
    /// Not delivered yet.
    pub pending: Counts,
    /// Refused by the server for good, kept here.
    pub rejected: Counts,
}

impl Backlog {
    /// Spans of which nobody else has a copy.
    pub(super) fn kept_here(&self) -> u64 {
        self.pending.spans + self.rejected.spans
    }
}

/// The exclusive right to export to one destination, until dropped or until the process ends, however it ends.
#[derive(Debug)]
#[must_use = "the right to export ends when the lease is dropped"]
pub struct Lease(#[expect(dead_code, reason = "held for its lock")] Option<OwnFile>);

impl Store {
    /// The oldest spans that wait for `destination`: at most `max_spans`, of at most `max_bytes` stored bytes, but at least
    /// one if any waits.
    ///
    /// In the order of storing: what was stored of a trace before its root comes before or with the root. A record that
    /// cannot be read is rejected on the way.
    ///
    /// # Errors
    ///
    /// [`Error::is_store`](crate::Error::is_store) if the store cannot be read.
    pub fn pending(&self, destination: &str, max_spans: usize, max_bytes: usize) -> Result<Vec<Queued>> {
        self.pending_after(destination, 0, max_spans, max_bytes)
    }

    /// As [`Store::pending`], of the spans with a sequence number above `seq`: the next ones while the first are on their way.
    ///
    /// # Errors
    ///
    /// Those of [`Store::pending`].
    pub fn pending_after(
        &self,
        destination: &str,
        seq: i64,
        max_spans: usize,
        max_bytes: usize,
    ) -> Result<Vec<Queued>> {
        loop {
            let (queued, unreadable) = self.read("read the queue of the store", |connection| {
                let snapshot = connection.unchecked_transaction()?;
                waiting(&snapshot, destination, seq, max_spans, max_bytes)
            })?;
            for (seq, cause) in &unreadable {
                self.reject(destination, *seq, cause)?;
            }
            if !queued.is_empty() || unreadable.is_empty() {
                return Ok(queued);
            }
        }
    }

    /// Says that `destination` has these spans. Those that have been evicted, or redirected elsewhere, are passed over.
    ///
    /// # Errors
    ///
    /// [`Error::is_store`](crate::Error::is_store) if the store cannot be written; the spans are then still pending.
    pub fn ack(&self, destination: &str, seqs: &[i64]) -> Result<()> {
        self.write("ack spans in the store", |transaction| {
            let mut delivered: HashMap<i64, i64> = HashMap::new();
            for trace in unqueue(transaction, destination, seqs)? {
                *delivered.entry(trace).or_default() += 1;
            }
            let mut count =
                transaction.prepare_cached("UPDATE traces SET undelivered = undelivered - ?2 WHERE number = ?1")?;
            for (trace, spans) in delivered {
                count.execute([trace, spans])?;
            }
            Ok(())
        })
    }

    /// Says that `destination` refuses this span for good. It stays in the store, with the cause.
    ///
    /// # Errors
    ///
    /// [`Error::is_store`](crate::Error::is_store) if the store cannot be written; the span is then still pending.
    pub fn reject(&self, destination: &str, seq: i64, cause: &str) -> Result<()> {
        self.write("reject a span in the store", |transaction| {
            for trace in unqueue(transaction, destination, &[seq])? {
                transaction
                    .prepare_cached("INSERT INTO rejections VALUES (?1, ?2, ?3)")?
                    .execute(params![seq, trace, cause])?;
                transaction
                    .prepare_cached(
                        "UPDATE traces SET undelivered = undelivered - 1, rejected = rejected + 1 WHERE number = ?",
                    )?
                    .execute([trace])?;
            }
            Ok(())
        })
    }

    /// What waits for `destination`, or, for `None`, what has no destination.
    ///
    /// # Errors
    ///
    /// [`Error::is_store`](crate::Error::is_store) if the store cannot be read.
    pub fn pending_counts(&self, destination: Option<&str>) -> Result<Backlog> {
        let all = self.backlog()?;
        let found = all.into_iter().find(|backlog| backlog.destination.as_deref() == destination);
        Ok(found.unwrap_or_else(|| Backlog { destination: destination.map(str::to_owned), ..Backlog::default() }))
    }

    /// Whether anything waits for `destination`; cheaper than counting it.
    ///
    /// # Errors
    ///
    /// [`Error::is_store`](crate::Error::is_store) if the store cannot be read.
    pub fn has_pending(&self, destination: &str) -> Result<bool> {
        self.read("look into the queue of the store", |connection| {
            connection
                .prepare_cached(
                    "SELECT EXISTS (
                         SELECT 1 FROM queue WHERE destination = (SELECT number FROM destinations WHERE uri = ?)
                     )",
                )?
                .query_row([destination], |row| row.get(0))
        })
    }

    pub(super) fn backlog(&self) -> Result<Vec<Backlog>> {
        self.read("count what is pending in the store", |connection| {
            connection
                .prepare_cached(
                    "SELECT uri, sum(undelivered > 0), sum(undelivered), sum(rejected > 0), sum(rejected)
                     FROM traces LEFT JOIN destinations ON destinations.number = destination
                     GROUP BY destination ORDER BY destination",
                )?
                .query_map([], |row| {
                    Ok(Backlog {
                        destination: row.get(0)?,
                        pending: Counts { traces: row.get(1)?, spans: row.get(2)? },
                        rejected: Counts { traces: row.get(3)?, spans: row.get(4)? },
                    })
                })?
                .collect()
        })
    }

    /// Redirects traces to `destination`: all their spans wait for it, and for no other. Counts them.
    ///
    /// Done again it finds nothing to do. If it fails half way, whole traces have been redirected and the rest have not.
    ///
    /// # Errors
    ///
    /// [`Error::is_store`](crate::Error::is_store) if the store cannot be written.
    pub fn adopt(&self, destination: &str, which: Adopt) -> Result<Counts> {
        let operation = "redirect traces in the store";
        let mut adopted = Counts::default();
        let chosen: Vec<(i64, u64)> = self.write(operation, |transaction| {
            let number = destination_number(transaction, destination)?;
            let (filter, id) = match which {
                Adopt::Undirected => ("destination IS NULL AND ?2 IS NULL", None),
                Adopt::All => (
                    "destination IS NOT ?1 AND ?2 IS NULL AND NOT EXISTS (
                         SELECT 1 FROM delivered_before AS before
                         WHERE before.trace = number AND before.destination = ?1 AND before.spans = traces.spans)",
                    None,
                ),
                Adopt::Trace(id) => ("destination IS NOT ?1 AND trace_id = ?2", Some(id.to_bytes())),
            };
            // The number of the destination stands in every filter, so that the parameters are the same for all.
            let sql = format!("SELECT number, spans FROM traces WHERE ?1 > 0 AND {filter} ORDER BY number");
            let mut select = transaction.prepare_cached(&sql)?;
            select.query_map(params![number, id], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
        })?;
        for some in chosen.chunks(REDIRECTED_AT_ONCE) {
            self.write(operation, |transaction| {
                let number = destination_number(transaction, destination)?;
                some.iter().try_for_each(|(trace, _)| redirect(transaction, *trace, number))
            })?;
            adopted += Counts { traces: some.len() as u64, spans: some.iter().map(|(_, spans)| spans).sum() };
        }
        Ok(adopted)
    }

    /// The right to export to `destination`; `None` while another process, or another lease of this one, holds it.
    /// In memory it is always granted.
    ///
    /// # Errors
    ///
    /// [`Error::is_store`](crate::Error::is_store) if the lock file cannot be made, or the file system has no locks.
    pub fn exporter_lease(&self, destination: &str) -> Result<Option<Lease>> {
        let Some(folder) = self.folder() else { return Ok(Some(Lease(None))) };
        let path = folder.join(format!("export-{:016x}.lock", hash(destination)));
        let open = || OwnFile::open(|| folder::open_private(&path));
        let file = open().or_else(|cause| {
            // Where the store was deleted, looking into it starts a new one.
            self.has_pending(destination)?;
            open().map_err(|_| unusable(&path, cause))
        })?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Lease(Some(file)))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(cause)) => Err(unusable(&path, cause)),
        }
    }
}

/// Spans for a destination, and those whose record cannot be read, with the cause.
type Waiting = (Vec<Queued>, Vec<(i64, String)>);

fn waiting(
    connection: &Connection,
    destination: &str,
    after: i64,
    max_spans: usize,
    max_bytes: usize,
) -> rusqlite::Result<Waiting> {
    let (mut queued, mut unreadable) = (Vec::new(), Vec::new());
    let Some(destination) = known_destination(connection, destination)? else { return Ok((queued, unreadable)) };
    let mut select = connection.prepare_cached(
        "SELECT queue.seq, queue.trace, record FROM queue JOIN spans ON spans.seq = queue.seq
         WHERE destination = ?1 AND queue.seq > ?2 ORDER BY queue.seq LIMIT ?3",
    )?;
    let mut rows = select.query(params![destination, after, max_spans.max(1)])?;
    let mut contexts: HashMap<i64, Arc<TraceContext>> = HashMap::new();
    let mut total = 0;
    while let Some(row) = rows.next()? {
        let (seq, trace, stored) = (row.get(0)?, row.get(1)?, row.get_ref(2)?.as_bytes()?);
        total += stored.len();
        if total > max_bytes && !queued.is_empty() {
            break;
        }
        match decode(stored) {
            Ok(record) => {
                let context = match contexts.get(&trace) {
                    Some(known) => known.clone(),
                    None => contexts.entry(trace).or_insert(Arc::new(context_of(connection, trace)?)).clone(),
                };
                queued.push(Queued { seq, record, bytes: stored.len(), trace: context });
            }
            Err(error) => unreadable.push((seq, format!("the stored record cannot be read: {error}"))),
        }
    }
    Ok((queued, unreadable))
}

pub(super) fn context_of(connection: &Connection, trace: i64) -> rusqlite::Result<TraceContext> {
    connection
        .prepare_cached(
            "SELECT name, start_unix_ns, end_unix_ns, root_known, ending IS NOT NULL, facts FROM traces WHERE number = ?",
        )?
        .query_row([trace], |row| {
            Ok(TraceContext {
                name: row.get(0)?,
                start_unix_ns: row.get(1)?,
                end_unix_ns: row.get(2)?,
                root_known: row.get(3)?,
                root_ended: row.get(4)?,
                facts: facts_of(row.get_ref(5)?.as_str_or_null()?),
            })
        })
}

/// What the root says, from its stored form; a damaged one says nothing.
pub(super) fn facts_of(stored: Option<&str>) -> WorkflowFacts {
    stored.and_then(|stored| serde_json::from_str(stored).ok()).unwrap_or_default()
}

/// Takes spans out of the queue of `destination`; the traces of those that were in it.
fn unqueue(transaction: &Transaction<'_>, destination: &str, seqs: &[i64]) -> rusqlite::Result<Vec<i64>> {
    let Some(destination) = known_destination(transaction, destination)? else { return Ok(Vec::new()) };
    let mut delete =
        transaction.prepare_cached("DELETE FROM queue WHERE destination = ?1 AND seq = ?2 RETURNING trace")?;
    let mut traces = Vec::with_capacity(seqs.len());
    for seq in seqs {
        for trace in delete.query_map([destination, *seq], |row| row.get(0))? {
            traces.push(trace?);
        }
    }
    Ok(traces)
}

/// FNV-1a: the same file name in every process and version.
fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
