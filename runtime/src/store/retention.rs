//! What leaves the store, and in which order.

use std::time::{Duration, Instant};

use rusqlite::{Connection, Transaction, params};

use super::destination::{DELETE_REJECTIONS, unqueue_trace};
use super::read::used_bytes;
use super::row::stored_time;
use super::{Counts, Result, Store, assessments};
use crate::clock::now_unix_ns;
use crate::id::TraceId;

/// Traces looked at, and about as many spans removed, in one transaction: other writers wait as long.
const TRACES_AT_ONCE: usize = 64;
const SPANS_AT_ONCE: u64 = 5_000;
/// Pages given back to the file system in one transaction.
const PAGES_AT_ONCE: u32 = 1_000;

/// How much is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Delivered traces go that ended longer ago and are in the store for longer: what is retold late is kept as long as what is new.
    /// Default 14 days.
    pub max_age: Duration,
    /// Above this many bytes the oldest traces go, delivered ones first. Default 1 GiB.
    pub max_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_age: Duration::from_secs(14 * 24 * 60 * 60), max_bytes: 1 << 30 }
    }
}

/// What a sweep removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Evicted {
    /// Traces of which nothing was undelivered, and their spans.
    pub delivered: Counts,
    /// Traces given up for space, and their undelivered spans: a loss that has to be said.
    pub undelivered: Counts,
}

/// Which traces may go.
#[derive(Clone, Copy, PartialEq)]
enum Candidates {
    DeliveredBefore { unix_ns: i64 },
    Delivered,
    Undelivered,
}

impl Store {
    /// Bytes in use: what the byte limit is compared with. Cheap.
    ///
    /// # Errors
    ///
    /// [`Error::is_store`](crate::Error::is_store) if the store cannot be read.
    pub fn used_bytes(&self) -> Result<u64> {
        self.read("read the size of the store", used_bytes)
    }

    /// Removes what is beyond the limits, whole traces, in small transactions.
    ///
    /// # Errors
    ///
    /// [`Error::is_store`](crate::Error::is_store) if the store cannot be written; what has been removed by then stays so,
    /// and the counters of [`Store::statistics`] have it.
    pub fn sweep(&self, limits: Limits) -> Result<Evicted> {
        Ok(self.sweep_for(limits, Duration::MAX)?.0)
    }

    /// As [`Store::sweep`], but begins no transaction after `patience`; false beside the counts if more could go.
    ///
    /// # Errors
    ///
    /// Those of [`Store::sweep`].
    pub fn sweep_for(&self, limits: Limits, patience: Duration) -> Result<(Evicted, bool)> {
        let operation = "remove old traces from the store";
        let started = Instant::now();
        let mut evicted = Evicted::default();
        let max_age = u64::try_from(limits.max_age.as_nanos()).unwrap_or(u64::MAX);
        let unix_ns = now_unix_ns().saturating_sub(max_age) as i64;
        for which in [Candidates::DeliveredBefore { unix_ns }, Candidates::Delivered, Candidates::Undelivered] {
            loop {
                let removed = self.write(operation, |transaction| {
                    let excess = match which {
                        Candidates::DeliveredBefore { .. } => u64::MAX,
                        _ => used_bytes(transaction)?.saturating_sub(limits.max_bytes),
                    };
                    remove_oldest(transaction, which, excess)
                })?;
                if removed == Evicted::default() {
                    break;
                }
                evicted.delivered += removed.delivered;
                evicted.undelivered += removed.undelivered;
                if started.elapsed() >= patience {
                    return Ok((evicted, false));
                }
            }
        }
        self.write(operation, |transaction| {
            assessments::remove_done(transaction, unix_ns)?;
            forget_claims(transaction, unix_ns)
        })?;
        while self.write("shrink the store", give_back)? {
            if started.elapsed() >= patience {
                return Ok((evicted, false));
            }
        }
        Ok((evicted, true))
    }
}

/// Removes the oldest of the candidates until about `excess` bytes are free or enough has been done for one transaction.
fn remove_oldest(transaction: &Transaction<'_>, which: Candidates, excess: u64) -> rusqlite::Result<Evicted> {
    if excess == 0 {
        return Ok(Evicted::default());
    }
    // A trace that is still running goes last: what it adds afterwards would have lost its beginning. Two questions, because each is
    // answered in the order of the table, without looking at more than it gives.
    let evicted = remove_some(transaction, which, excess, true)?;
    let evicted = if evicted == Evicted::default() { remove_some(transaction, which, excess, false)? } else { evicted };
    let mut count = transaction.prepare_cached("UPDATE counters SET value = value + ?2 WHERE name = ?1")?;
    count.execute(params!["evicted_traces", evicted.undelivered.traces])?;
    count.execute(params!["evicted_spans", evicted.undelivered.spans])?;
    Ok(evicted)
}

fn remove_some(
    transaction: &Transaction<'_>,
    which: Candidates,
    excess: u64,
    has_ended: bool,
) -> rusqlite::Result<Evicted> {
    let mut evicted = Evicted::default();
    let filter = match which {
        Candidates::DeliveredBefore { .. } => "undelivered = 0 AND max(end_unix_ns, stored_unix_ns) < ?1",
        Candidates::Delivered => "undelivered = 0",
        Candidates::Undelivered => "undelivered > 0",
    };
    let before = if let Candidates::DeliveredBefore { unix_ns } = which { unix_ns } else { 0 };
    let sql = format!(
        "SELECT number, trace_id, spans, undelivered, bytes FROM traces
         WHERE {filter} AND ?1 >= 0 AND (ending IS NOT NULL) = ?3 ORDER BY number LIMIT ?2"
    );
    let mut select = transaction.prepare_cached(&sql)?;
    let mut rows = select.query(params![before, TRACES_AT_ONCE, has_ended])?;
    let (mut spans_removed, mut bytes_removed) = (0, 0);
    while let Some(row) = rows.next()? {
        let (number, spans, undelivered, bytes): (i64, u64, u64, u64) =
            (row.get(0)?, row.get(2)?, row.get(3)?, row.get(4)?);
        remove(transaction, number, TraceId::from_bytes(row.get(1)?))?;
        match undelivered {
            0 => evicted.delivered += Counts { traces: 1, spans },
            _ => evicted.undelivered += Counts { traces: 1, spans: undelivered },
        }
        spans_removed += spans;
        bytes_removed += bytes;
        if bytes_removed >= excess || spans_removed >= SPANS_AT_ONCE {
            break;
        }
    }
    Ok(evicted)
}

fn remove(transaction: &Transaction<'_>, number: i64, id: TraceId) -> rusqlite::Result<()> {
    unqueue_trace(transaction, number)?;
    for sql in [
        DELETE_REJECTIONS,
        "DELETE FROM delivered_before WHERE trace = ?1",
        "DELETE FROM span_ids WHERE trace = ?1",
        "DELETE FROM spans WHERE trace = ?1",
        "DELETE FROM traces WHERE number = ?1",
    ] {
        transaction.prepare_cached(sql)?.execute([number])?;
    }
    // `;` is the character after `:`.
    transaction
        .prepare_cached("DELETE FROM ledger WHERE key BETWEEN ?1 AND ?2")?
        .execute([format!("trace:{id}:"), format!("trace:{id};")])?;
    Ok(())
}

/// Forgets who counted what of runs, where that was before. A claim of which nobody said when is taken to be of now.
fn forget_claims(transaction: &Transaction<'_>, before_unix_ns: i64) -> rusqlite::Result<()> {
    transaction
        .prepare_cached("UPDATE ledger SET value = ?1 WHERE key BETWEEN 'run:' AND 'run;' AND value = ''")?
        .execute([stored_time(now_unix_ns()).to_string()])?;
    transaction
        .prepare_cached("DELETE FROM ledger WHERE key BETWEEN 'run:' AND 'run;' AND CAST(value AS INTEGER) < ?1")?
        .execute([before_unix_ns])
        .map(drop)
}

/// Gives free pages back to the file system while they are more than a quarter of the file; false when done.
fn give_back(connection: &Transaction<'_>) -> rusqlite::Result<bool> {
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, u64>(0));
    let (pages, free) = (pragma("page_count")?, pragma("freelist_count")?);
    if free * 4 < pages || free < u64::from(PAGES_AT_ONCE) || pragma("auto_vacuum")? != 2 {
        return Ok(false);
    }
    give_back_some(connection)?;
    Ok(pragma("freelist_count")? < free)
}

fn give_back_some(connection: &Connection) -> rusqlite::Result<()> {
    let mut vacuum = connection.prepare(&format!("PRAGMA incremental_vacuum({PAGES_AT_ONCE})"))?;
    let mut rows = vacuum.query([])?;
    while rows.next()?.is_some() {}
    Ok(())
}
