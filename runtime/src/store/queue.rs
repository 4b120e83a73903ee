//! The drain face: what waits for which destination.

use std::fs::TryLockError;
use std::sync::Arc;

use rusqlite::{Connection, Row, Transaction, params};
use serde::Serialize;

use super::block::Spans;
use super::destination::{destination_number, known_destination, redirect};
use super::row::text;
use super::{Result, Store, folder, unusable};
use crate::fork::OwnFile;
use crate::id::TraceId;
use crate::record::{SpanRecord, SpanView, WorkflowFacts};

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

/// A span that waits, as it is read.
pub(crate) struct Next<'a> {
    pub(crate) seq: i64,
    pub(crate) span: &'a SpanView<'a>,
    /// Bytes of its stored form.
    pub(crate) bytes: usize,
    pub(crate) trace: &'a Arc<TraceContext>,
}

/// How much is read at once: at least one span, if any waits.
#[derive(Clone, Copy)]
struct Most {
    spans: usize,
    bytes: usize,
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
    /// Tokens of all stored model calls.
    pub tokens: u64,
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
        self.read_pending(destination, seq, max_spans, max_bytes, |next| Queued {
            seq: next.seq,
            record: next.span.to_record(),
            bytes: next.bytes,
            trace: Arc::clone(next.trace),
        })
    }

    /// As [`Store::pending_after`], of what `make` makes of each span. What it makes is thrown away where the store is read again.
    pub(crate) fn read_pending<T>(
        &self,
        destination: &str,
        after: i64,
        max_spans: usize,
        max_bytes: usize,
        mut make: impl FnMut(Next<'_>) -> T,
    ) -> Result<Vec<T>> {
        let most = Most { spans: max_spans, bytes: max_bytes };
        loop {
            let (made, unreadable) = self.attempt("read the queue of the store", false, |held| {
                let snapshot = held.unchecked_transaction()?;
                let mut fresh = |seq| self.place.fresh().find(held.file(), seq);
                waiting(&snapshot, destination, after, most, &mut fresh, &mut make)
            })?;
            for seq in &unreadable {
                self.reject(destination, *seq, "the stored record cannot be read")?;
            }
            if !made.is_empty() || unreadable.is_empty() {
                return Ok(made);
            }
        }
    }

    /// Says that `destination` has these spans. Those that have been evicted, or redirected elsewhere, are passed over.
    ///
    /// # Errors
    ///
    /// [`Error::is_store`](crate::Error::is_store) if the store cannot be written; the spans are then still pending.
    #[inline(never)]
    pub fn ack(&self, destination: &str, seqs: &[i64]) -> Result<()> {
        self.write("ack spans in the store", |transaction| {
            let mut count =
                transaction.prepare_cached("UPDATE traces SET undelivered = undelivered - ?2 WHERE number = ?1")?;
            for (trace, spans) in unqueue(transaction, destination, seqs)? {
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
            for (trace, _) in unqueue(transaction, destination, &[seq])? {
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

/// What was made of spans for a destination, and those whose record cannot be read.
type Waiting<T> = (Vec<T>, Vec<i64>);

/// Finds the block with a span, and the number of its first, without the database.
type Find<'a> = dyn FnMut(i64) -> Option<(i64, Arc<Vec<u8>>)> + 'a;

fn waiting<T>(
    connection: &Connection,
    destination: &str,
    after: i64,
    most: Most,
    fresh: &mut Find<'_>,
    make: &mut impl FnMut(Next<'_>) -> T,
) -> rusqlite::Result<Waiting<T>> {
    let mut pass = Pass { most, total: 0, made: Vec::new(), unreadable: Vec::new(), make };
    let Some(destination) = known_destination(connection, destination)? else { return Ok(pass.end()) };
    let mut select = connection.prepare_cached(
        "SELECT seq, last, name, start_unix_ns, end_unix_ns, root_known, ending IS NOT NULL, tokens, facts
         FROM queue LEFT JOIN traces ON number = trace
         WHERE queue.destination = ?1 AND last > ?2
             AND seq >= coalesce((SELECT max(seq) FROM queue WHERE destination = ?1 AND seq <= ?2), ?2)
         ORDER BY seq",
    )?;
    let mut read = connection.prepare_cached(
        "SELECT seq, record FROM spans WHERE seq >= (SELECT max(seq) FROM spans WHERE seq <= ?1) AND seq <= ?2 ORDER BY seq",
    )?;
    let mut rows = select.query(params![destination, after])?;
    while let Some(row) = rows.next()? {
        let (first, last): (i64, i64) = (row.get(0)?, row.get(1)?);
        let mut part = Part { trace: Arc::new(context(row, 2)?), next: first.max(after + 1), last };
        while part.next <= last {
            let next = part.next;
            let Some((first, block)) = fresh(next) else { break };
            if !pass.block(&mut part, first, &block) {
                return Ok(pass.end());
            }
            if part.next == next {
                break;
            }
        }
        if part.next > last {
            continue;
        }
        let mut blocks = read.query([part.next, last])?;
        while let Some(block) = blocks.next()? {
            if !pass.block(&mut part, block.get(0)?, block.get_ref(1)?.as_bytes()?) {
                return Ok(pass.end());
            }
        }
        pass.unreadable.extend(part.next..=last);
    }
    Ok(pass.end())
}

/// One pass over the queue.
struct Pass<'m, T, M> {
    most: Most,
    total: usize,
    made: Vec<T>,
    unreadable: Vec<i64>,
    make: &'m mut M,
}

/// Spans of one trace with numbers without a gap.
struct Part {
    trace: Arc<TraceContext>,
    /// The next one to be read.
    next: i64,
    last: i64,
}

impl<T, M: FnMut(Next<'_>) -> T> Pass<'_, T, M> {
    /// Makes something of the spans of a block that begins with number `first`, as far as they are wanted; false once that is enough.
    fn block(&mut self, part: &mut Part, first: i64, stored: &[u8]) -> bool {
        let Ok(mut spans) = Spans::of(stored) else { return true };
        for seq in first..=part.last {
            let goes_on = spans.next_with(|span, bytes| {
                let Some(span) = span.ok().filter(|_| seq >= part.next) else { return true };
                self.unreadable.extend(part.next..seq);
                part.next = seq + 1;
                self.total += bytes;
                let fits = self.total <= self.most.bytes || self.made.is_empty();
                if fits {
                    self.made.push((self.make)(Next { seq, span, bytes, trace: &part.trace }));
                }
                fits && self.made.len() < self.most.spans
            });
            match goes_on {
                Some(true) => {}
                Some(false) => return false,
                None => break,
            }
        }
        true
    }

    fn end(self) -> Waiting<T> {
        (self.made, self.unreadable)
    }
}

pub(super) fn context_of(connection: &Connection, trace: i64) -> rusqlite::Result<TraceContext> {
    connection
        .prepare_cached(
            "SELECT name, start_unix_ns, end_unix_ns, root_known, ending IS NOT NULL, tokens, facts FROM traces WHERE number = ?",
        )?
        .query_row([trace], |row| context(row, 0))
}

/// Seven columns of a trace's row, from the one at `at` on.
fn context(row: &Row<'_>, at: usize) -> rusqlite::Result<TraceContext> {
    Ok(TraceContext {
        name: text(row.get_ref(at)?).unwrap_or_default(),
        start_unix_ns: row.get(at + 1)?,
        end_unix_ns: row.get(at + 2)?,
        root_known: row.get(at + 3)?,
        root_ended: row.get(at + 4)?,
        tokens: row.get(at + 5)?,
        facts: facts_of(text(row.get_ref(at + 6)?).as_deref()),
    })
}

/// What the root says, from its stored form; a damaged one says nothing.
pub(super) fn facts_of(stored: Option<&str>) -> WorkflowFacts {
    stored.and_then(|stored| serde_json::from_str(stored).ok()).unwrap_or_default()
}

/// Takes spans off the queue of `destination`: of each trace, how many were in it.
fn unqueue(transaction: &Transaction<'_>, destination: &str, seqs: &[i64]) -> rusqlite::Result<Vec<(i64, i64)>> {
    let Some(destination) = known_destination(transaction, destination)? else { return Ok(Vec::new()) };
    let mut touched = transaction.prepare_cached(
        "SELECT seq, last, trace FROM queue
         WHERE destination = ?1 AND last >= ?2 AND seq <= ?3
             AND seq >= coalesce((SELECT max(seq) FROM queue WHERE destination = ?1 AND seq <= ?2), ?2)
         ORDER BY seq",
    )?;
    let mut delete =
        transaction.prepare_cached("DELETE FROM queue WHERE destination = ?1 AND seq BETWEEN ?2 AND ?3")?;
    let mut keep = transaction.prepare_cached("INSERT INTO queue VALUES (?1, ?2, ?3, ?4)")?;
    let mut removed: Vec<(i64, i64)> = Vec::new();
    for (from, to) in ranges(seqs) {
        let rows: Vec<(i64, i64, i64)> = touched
            .query_map([destination, from, to], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
            .collect::<rusqlite::Result<_>>()?;
        let (Some(first), Some(last)) = (rows.first(), rows.last()) else { continue };
        delete.execute([destination, first.0, last.0])?;
        // Of the rows at the edges some may stay.
        if first.0 < from {
            keep.execute([destination, first.0, from - 1, first.2])?;
        }
        if last.1 > to {
            keep.execute([destination, to + 1, last.1, last.2])?;
        }
        for (seq, end, trace) in rows {
            let spans = end.min(to) - seq.max(from) + 1;
            match removed.last_mut() {
                Some((same, count)) if *same == trace => *count += spans,
                _ => removed.push((trace, spans)),
            }
        }
    }
    Ok(removed)
}

/// The same numbers as ranges without gaps.
fn ranges(seqs: &[i64]) -> Vec<(i64, i64)> {
    let mut sorted = seqs.to_vec();
    sorted.sort_unstable();
    let mut ranges: Vec<(i64, i64)> = Vec::new();
    for seq in sorted {
        match ranges.last_mut() {
            Some((_, end)) if *end == seq || *end + 1 == seq => *end = seq,
            _ => ranges.push((seq, seq)),
        }
    }
    ranges
}

/// FNV-1a: the same file name in every process and version.
fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
