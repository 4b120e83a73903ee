//! Assessments of traces, on their way to a server as spans are: kept from when they are made until it has them.

use rusqlite::{Transaction, params};

use super::destination::{destination_number, known_destination};
use super::row::{stored_time, text};
use super::{Adopt, Result, Store};
use crate::clock::now_unix_ns;
use crate::record::Assessment;

const WAITING: i64 = 0;
const DELIVERED: i64 = 1;
const REJECTED: i64 = 2;

/// An assessment that waits for its delivery.
#[derive(Clone, Debug)]
pub struct QueuedAssessment {
    /// Names it in the methods of the store.
    pub number: i64,
    /// What is said.
    pub assessment: Assessment,
    /// How often the server has put it off.
    pub tries: u32,
}

pub(super) fn append_assessments(
    transaction: &Transaction<'_>,
    assessments: &[Assessment],
    destination: Option<i64>,
) -> rusqlite::Result<()> {
    if assessments.is_empty() {
        return Ok(());
    }
    // Of two with the same id the first is it, delivered or not.
    let mut insert = transaction.prepare_cached(
        "INSERT OR IGNORE INTO assessments (id, trace_id, destination, made_unix_ns, body) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?;
    for assessment in assessments {
        let body = serde_json::to_string(assessment).unwrap_or_default();
        let (trace, made) = (assessment.trace_id.to_bytes(), stored_time(assessment.time_unix_ns));
        insert.execute(params![assessment.id, trace, destination, made, body])?;
    }
    Ok(())
}

/// Removes those that are done with and were made before.
pub(super) fn remove_done(transaction: &Transaction<'_>, before_unix_ns: i64) -> rusqlite::Result<()> {
    transaction
        .prepare_cached("DELETE FROM assessments WHERE state != ?1 AND made_unix_ns < ?2")?
        .execute([WAITING, before_unix_ns])
        .map(drop)
}

impl Store {
    /// Keeps assessments on their way to `destination`. Of two with the same id the first is it.
    ///
    /// # Errors
    ///
    /// [`Error::is_store`](crate::Error::is_store) if the store cannot be written.
    pub fn keep_assessments(&self, assessments: &[Assessment], destination: &str) -> Result<()> {
        self.write("keep assessments in the store", |transaction| {
            let destination = destination_number(transaction, destination)?;
            append_assessments(transaction, assessments, Some(destination))
        })
    }

    /// The oldest assessments that wait for `destination` and have not been put off beyond now, at most `limit`.
    ///
    /// # Errors
    ///
    /// [`Error::is_store`](crate::Error::is_store) if the store cannot be read.
    pub fn pending_assessments(&self, destination: &str, limit: usize) -> Result<Vec<QueuedAssessment>> {
        self.read("read the assessments in the store", |connection| {
            let Some(destination) = known_destination(connection, destination)? else { return Ok(Vec::new()) };
            let mut select = connection.prepare_cached(
                "SELECT number, body, tries FROM assessments
                 WHERE state = ?1 AND destination = ?2 AND not_before_unix_ns <= ?3 ORDER BY number LIMIT ?4",
            )?;
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let mut rows = select.query([WAITING, destination, stored_time(now_unix_ns()), limit])?;
            let mut pending = Vec::new();
            while let Some(row) = rows.next()? {
                // What cannot be read waits for a version that can.
                let body = text(row.get_ref(1)?).unwrap_or_default();
                if let Ok(assessment) = serde_json::from_str(&body) {
                    pending.push(QueuedAssessment { number: row.get(0)?, assessment, tries: row.get(2)? });
                }
            }
            Ok(pending)
        })
    }

    /// All assessments of a trace, delivered or not, in the order of storing.
    ///
    /// # Errors
    ///
    /// [`Error::is_store`](crate::Error::is_store) if the store cannot be read.
    pub fn assessments(&self, trace: crate::TraceId) -> Result<Vec<Assessment>> {
        self.read("read the assessments in the store", |connection| {
            let mut select =
                connection.prepare_cached("SELECT body FROM assessments WHERE trace_id = ? ORDER BY number")?;
            let bodies = select.query_map([trace.to_bytes()], |row| Ok(text(row.get_ref(0)?).unwrap_or_default()))?;
            let bodies: Vec<_> = bodies.collect::<rusqlite::Result<_>>()?;
            Ok(bodies.iter().filter_map(|body| serde_json::from_str(body).ok()).collect())
        })
    }

    /// How many assessments wait for `destination`, or, for `None`, have none.
    ///
    /// # Errors
    ///
    /// [`Error::is_store`](crate::Error::is_store) if the store cannot be read.
    pub fn waiting_assessments(&self, destination: Option<&str>) -> Result<u64> {
        self.read("count the assessments in the store", |connection| {
            connection
                .prepare_cached(
                    "SELECT count(*) FROM assessments
                     WHERE state = ?1 AND destination IS (SELECT number FROM destinations WHERE uri = ?2)",
                )?
                .query_row(params![WAITING, destination], |row| row.get(0))
        })
    }

    /// Says that the server has it.
    ///
    /// # Errors
    ///
    /// [`Error::is_store`](crate::Error::is_store) if the store cannot be written; it then still waits.
    pub fn ack_assessment(&self, number: i64) -> Result<()> {
        self.settle_assessment(number, DELIVERED, None)
    }

    /// Says that the server refuses it for good. It stays in the store, with the cause.
    ///
    /// # Errors
    ///
    /// [`Error::is_store`](crate::Error::is_store) if the store cannot be written; it then still waits.
    pub fn reject_assessment(&self, number: i64, cause: &str) -> Result<()> {
        self.settle_assessment(number, REJECTED, Some(cause))
    }

    fn settle_assessment(&self, number: i64, state: i64, cause: Option<&str>) -> Result<()> {
        self.write("settle an assessment in the store", |transaction| {
            transaction
                .prepare_cached("UPDATE assessments SET state = ?2, cause = ?3 WHERE number = ?1")?
                .execute(params![number, state, cause])
                .map(drop)
        })
    }

    /// Says that the server does not take it yet; it waits at least until then.
    ///
    /// # Errors
    ///
    /// [`Error::is_store`](crate::Error::is_store) if the store cannot be written.
    pub fn put_off_assessment(&self, number: i64, not_before_unix_ns: u64) -> Result<()> {
        self.write("put off an assessment in the store", |transaction| {
            transaction
                .prepare_cached("UPDATE assessments SET tries = tries + 1, not_before_unix_ns = ?2 WHERE number = ?1")?
                .execute([number, stored_time(not_before_unix_ns)])
                .map(drop)
        })
    }

    /// Redirects assessments to `destination` as [`Store::adopt`] does traces. Counts them.
    ///
    /// # Errors
    ///
    /// [`Error::is_store`](crate::Error::is_store) if the store cannot be written.
    pub fn adopt_assessments(&self, destination: &str, which: Adopt) -> Result<u64> {
        self.write("redirect assessments in the store", |transaction| {
            let number = destination_number(transaction, destination)?;
            let (filter, trace) = match which {
                Adopt::Undirected => ("destination IS NULL AND state = 0 AND ?2 IS NULL", None),
                Adopt::All => ("destination IS NOT ?1 AND ?2 IS NULL", None),
                Adopt::Trace(trace) => ("destination IS NOT ?1 AND trace_id = ?2", Some(trace.to_bytes())),
            };
            let sql = format!(
                "UPDATE assessments SET destination = ?1, state = 0, tries = 0, not_before_unix_ns = 0, cause = NULL WHERE {filter}"
            );
            transaction.prepare_cached(&sql)?.execute(params![number, trace]).map(|rows| rows as u64)
        })
    }

    /// What waits, with where it is to go: for another store to take over.
    pub(super) fn undelivered_assessments(&self) -> Result<Vec<(Option<String>, Assessment)>> {
        self.read("read the assessments in the store", |connection| {
            let mut select = connection.prepare_cached(
                "SELECT uri, body FROM assessments LEFT JOIN destinations ON destinations.number = destination
                 WHERE state = ?1 OR destination IS NULL ORDER BY assessments.number",
            )?;
            let rows =
                select.query_map([WAITING], |row| Ok((row.get(0)?, text(row.get_ref(1)?).unwrap_or_default())))?;
            let rows: Vec<(Option<String>, String)> = rows.collect::<rusqlite::Result<_>>()?;
            Ok(rows.into_iter().filter_map(|(uri, body)| Some((uri, serde_json::from_str(&body).ok()?))).collect())
        })
    }
}
