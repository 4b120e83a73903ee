//! What traced programs could not record: totals by cause, which survive them.
//!
//! A process says how much it has lost since it started. What of that the totals have already is kept beside them until the process is
//! gone, so that a process that is killed and one that takes over what it left add each loss once.

use std::collections::HashSet;

use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::row::stored_time;
use super::{ProcessId, Result, Store, block};
use crate::id::SpanId;
use crate::record::Losses;

/// By how much the end of a span may be read differently from what is stored.
const CLOCK_DRIFT_NS: u64 = 10_000_000_000;

fn total_name(cause: &str) -> String {
    format!("lost.{cause}")
}

fn own_name(cause: &str, process: ProcessId) -> String {
    format!("lost.{cause}@{:016x}", process.0)
}

/// There is nothing in the chunk files of this process that is not in the store.
fn settled_name(process: ProcessId) -> String {
    format!("settled@{:016x}", process.0)
}

/// Brings the totals up to what `process` has lost since it started.
pub(super) fn add(transaction: &Transaction<'_>, process: ProcessId, losses: &Losses) -> rusqlite::Result<()> {
    let known = of(transaction, process)?;
    for ((cause, _, now), (.., before)) in losses.by_cause().into_iter().zip(known.by_cause()) {
        if now <= before {
            continue;
        }
        transaction
            .prepare_cached(
                "INSERT INTO counters VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = value + excluded.value",
            )?
            .execute(params![total_name(cause), now - before])?;
        transaction
            .prepare_cached("INSERT OR REPLACE INTO counters VALUES (?1, ?2)")?
            .execute(params![own_name(cause, process), now])?;
    }
    Ok(())
}

/// Says that nothing in the chunk files of `process` is needed.
pub(super) fn settle(transaction: &Transaction<'_>, process: ProcessId) -> rusqlite::Result<()> {
    transaction
        .prepare_cached("INSERT OR REPLACE INTO counters VALUES (?1, 1)")?
        .execute([settled_name(process)])
        .map(drop)
}

/// Forgets what was kept of `process`; the totals stay.
pub(super) fn forget(transaction: &Transaction<'_>, process: ProcessId) -> rusqlite::Result<()> {
    let mut delete = transaction.prepare_cached("DELETE FROM counters WHERE name = ?")?;
    delete.execute([settled_name(process)])?;
    Losses::default().by_cause().iter().try_for_each(|(cause, ..)| delete.execute([own_name(cause, process)]).map(drop))
}

pub(super) fn total(connection: &Connection) -> rusqlite::Result<Losses> {
    read(connection, total_name)
}

fn of(connection: &Connection, process: ProcessId) -> rusqlite::Result<Losses> {
    read(connection, |cause| own_name(cause, process))
}

fn read(connection: &Connection, name: impl Fn(&str) -> String) -> rusqlite::Result<Losses> {
    let mut losses = Losses::default();
    let mut select = connection.prepare_cached("SELECT value FROM counters WHERE name = ?")?;
    for (cause, ..) in losses.by_cause() {
        let value = select.query_row([name(cause)], |row| row.get(0)).optional()?;
        if let (Some(count), Some(value)) = (losses.by_name(cause), value) {
            *count = value;
        }
    }
    Ok(losses)
}

impl Store {
    /// What of the losses of a process the totals of [`Statistics`](super::Statistics) have.
    ///
    /// # Errors
    ///
    /// [`Error::is_store`](crate::Error::is_store) if the store cannot be read.
    pub fn losses_of(&self, process: ProcessId) -> Result<Losses> {
        self.read("read the losses in the store", |connection| of(connection, process))
    }

    /// Whether the chunk files of a process hold nothing that is not in the store: it was taken over, or ended with nothing open.
    ///
    /// # Errors
    ///
    /// [`Error::is_store`](crate::Error::is_store) if the store cannot be read.
    pub fn is_settled(&self, process: ProcessId) -> Result<bool> {
        self.read("read the processes in the store", |connection| {
            connection
                .prepare_cached("SELECT EXISTS (SELECT 1 FROM counters WHERE name = ?)")?
                .query_row([settled_name(process)], |row| row.get(0))
        })
    }

    /// Forgets those processes of which [`Store::is_settled`] need not be known any longer.
    pub(crate) fn forget_settled(&self, is_gone: impl Fn(ProcessId) -> bool) -> Result<()> {
        let settled: Vec<String> = self.read("read the processes in the store", |connection| {
            // `A` is the character after `@`.
            let mut select =
                connection.prepare_cached("SELECT name FROM counters WHERE name > 'settled@' AND name < 'settledA'")?;
            select.query_map([], |row| row.get(0))?.collect()
        })?;
        let process = |name: &String| u64::from_str_radix(name.split_once('@')?.1, 16).ok().map(ProcessId);
        for gone in settled.iter().filter_map(process).filter(|process| is_gone(*process)) {
            self.forget_process(gone)?;
        }
        Ok(())
    }

    /// How many of these spans, each with its end, are stored, whatever their trace.
    pub(crate) fn count_known(&self, spans: &[(SpanId, u64)]) -> Result<u64> {
        let ends = || spans.iter().map(|(_, end_unix_ns)| *end_unix_ns);
        let (Some(first), Some(last)) = (ends().min(), ends().max()) else { return Ok(0) };
        // A clock is set right while it runs: the same end need not be read the same twice.
        let from = stored_time(first.saturating_sub(CLOCK_DRIFT_NS));
        let to = stored_time(last.saturating_add(CLOCK_DRIFT_NS));
        self.read("look for spans in the store", |connection| {
            // By what the spans say themselves: one that is not the first of its row need not stand in an index. A trace that has the span
            // lasted when that ended.
            let mut unknown: HashSet<_> = spans.iter().map(|(id, _)| *id).collect();
            let wanted = unknown.len();
            let mut traces = connection.prepare_cached(
                "SELECT number FROM traces WHERE start_unix_ns <= ?2 AND end_unix_ns >= ?1 ORDER BY start_unix_ns DESC",
            )?;
            let mut select = connection.prepare_cached("SELECT record FROM spans WHERE trace = ?")?;
            let mut found = traces.query([from, to])?;
            while !unknown.is_empty()
                && let Some(trace) = found.next()?
            {
                let mut rows = select.query([trace.get::<_, i64>(0)?])?;
                while let Some(row) = rows.next()? {
                    for id in block::ids(row.get_ref(0)?.as_bytes()?).unwrap_or_default() {
                        unknown.remove(&id);
                    }
                }
            }
            Ok((wanted - unknown.len()) as u64)
        })
    }
}
