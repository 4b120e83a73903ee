//! The write face: batches of the collector, what a dead process leaves, the ledger.

use rusqlite::{OptionalExtension, Transaction, params};

use super::append::{append_finished, append_open};
use super::assessments::append_assessments;
use super::destination::destination_number;
use super::row::{decode, stored_time};
use super::{ProcessId, Result, Store, losses};
use crate::clock::now_unix_ns;
use crate::record::{Batch, Remains, SpanRecord};

impl Store {
    /// Keeps the whole batch, or nothing of it.
    ///
    /// A span that is stored already stays as it is, its delivery state too. A trace the store does not know yet goes to
    /// `destination`; one that has a destination keeps it; one that has none gets it, with all its spans.
    ///
    /// # Errors
    ///
    /// [`Error::is_store`](crate::Error::is_store) if the disk is full, the file cannot be written, or another process holds
    /// the database for more than 5 s. Offering the batch again is safe.
    #[inline(never)]
    pub fn append(&self, batch: &Batch, process: ProcessId, destination: Option<&str>) -> Result<()> {
        if batch.is_empty() {
            return Ok(());
        }
        let append = |transaction: &Transaction<'_>| {
            let destination = destination.map(|uri| destination_number(transaction, uri)).transpose()?;
            transaction
                .prepare_cached(
                    "INSERT INTO processes VALUES (?1, ?2) ON CONFLICT DO UPDATE SET destination = excluded.destination
                     WHERE destination IS NOT excluded.destination",
                )?
                .execute(params![process.0 as i64, destination])?;
            let blocks = append_finished(transaction, &batch.finished, destination)?;
            append_open(transaction, &batch.open, process, destination)?;
            append_assessments(transaction, &batch.assessments, destination)?;
            let mut keep = transaction.prepare_cached("INSERT OR REPLACE INTO callsites VALUES (?1, ?2, ?3)")?;
            for (number, facts) in &batch.callsites {
                keep.execute(params![process.0 as i64, number, facts])?;
            }
            if let Some(losses) = &batch.losses {
                losses::add(transaction, process, losses)?;
            }
            match batch.remains {
                Remains::Process => {}
                Remains::Chunks => {
                    forget(transaction, process)?;
                    losses::settle(transaction, process)?;
                }
                Remains::Nothing => forget(transaction, process)?,
            }
            Ok(blocks)
        };
        self.write_then("append spans to the store", append, |file, blocks| self.place.fresh().keep(file, blocks))
    }

    /// Processes that have appended and have not been forgotten.
    ///
    /// # Errors
    ///
    /// [`Error::is_store`](crate::Error::is_store) if the store cannot be read.
    pub fn processes(&self) -> Result<Vec<ProcessId>> {
        self.read("read the processes in the store", |connection| {
            let mut select = connection.prepare_cached("SELECT process FROM processes")?;
            select.query_map([], |row| Ok(ProcessId(row.get::<_, i64>(0)? as u64)))?.collect()
        })
    }

    /// Where the traces of a process go; `None` if they stay here or the process is not known.
    ///
    /// # Errors
    ///
    /// [`Error::is_store`](crate::Error::is_store) if the store cannot be read.
    pub fn destination_of(&self, process: ProcessId) -> Result<Option<String>> {
        self.read("read the processes in the store", |connection| {
            connection
                .prepare_cached(
                    "SELECT uri FROM processes JOIN destinations ON number = destination WHERE process = ?",
                )?
                .query_row([process.0 as i64], |row| row.get(0))
                .optional()
        })
    }

    /// The spans a process has not ended, as they would be kept if it died now.
    ///
    /// # Errors
    ///
    /// [`Error::is_store`](crate::Error::is_store) if the store cannot be read or a record in it is damaged.
    pub fn open_spans_of(&self, process: ProcessId) -> Result<Vec<SpanRecord>> {
        self.read("read the open spans in the store", |connection| {
            let mut select = connection.prepare_cached("SELECT record FROM open_spans WHERE process = ?")?;
            select.query_map([process.0 as i64], |row| decode(row.get_ref(0)?.as_blob()?))?.collect()
        })
    }

    /// The callsites of a process: number and JSON.
    ///
    /// # Errors
    ///
    /// [`Error::is_store`](crate::Error::is_store) if the store cannot be read.
    pub fn callsites_of(&self, process: ProcessId) -> Result<Vec<(u32, String)>> {
        self.read("read the callsites in the store", |connection| {
            let mut select = connection.prepare_cached("SELECT number, facts FROM callsites WHERE process = ?")?;
            select.query_map([process.0 as i64], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
        })
    }

    /// Removes what a process left for the case of its death: open spans, callsites, its destination. Its finished spans stay.
    ///
    /// # Errors
    ///
    /// [`Error::is_store`](crate::Error::is_store) if the store cannot be written.
    pub fn forget_process(&self, process: ProcessId) -> Result<()> {
        self.write("forget a process in the store", |transaction| forget(transaction, process))
    }

    /// True for the first caller with this key, in whatever process; false for every other, until it is released.
    ///
    /// # Errors
    ///
    /// [`Error::is_store`](crate::Error::is_store) if the store cannot be written.
    pub fn claim(&self, key: &str) -> Result<bool> {
        self.write("claim a key in the store", |transaction| {
            transaction
                .prepare_cached("INSERT OR IGNORE INTO ledger VALUES (?, '')")?
                .execute([key])
                .map(|rows| rows == 1)
        })
    }

    /// True for the first who counts this measurement of a run, in whatever process. A sweep forgets it when it is as old as a delivered trace
    /// may be.
    ///
    /// # Errors
    ///
    /// Those of [`Store::claim`].
    pub fn claim_metric(&self, run_id: &str, metric: &str) -> Result<bool> {
        self.write("claim a key in the store", |transaction| {
            transaction
                .prepare_cached("INSERT OR IGNORE INTO ledger VALUES (?1, ?2)")?
                .execute([format!("run:{run_id}:{metric}"), stored_time(now_unix_ns()).to_string()])
                .map(|rows| rows == 1)
        })
    }

    /// Takes back a claim or a value.
    ///
    /// # Errors
    ///
    /// [`Error::is_store`](crate::Error::is_store) if the store cannot be written.
    pub fn release(&self, key: &str) -> Result<()> {
        self.write("release a key in the store", |transaction| {
            transaction.prepare_cached("DELETE FROM ledger WHERE key = ?")?.execute([key]).map(drop)
        })
    }

    /// The value kept under `key`; a key that is only claimed has the empty one.
    ///
    /// # Errors
    ///
    /// [`Error::is_store`](crate::Error::is_store) if the store cannot be read.
    pub fn meta_get(&self, key: &str) -> Result<Option<String>> {
        self.read("read a key in the store", |connection| {
            connection
                .prepare_cached("SELECT value FROM ledger WHERE key = ?")?
                .query_row([key], |row| row.get(0))
                .optional()
        })
    }

    /// Keeps a value under `key`, in place of an earlier one or a claim. Keys `trace:<32 hexadecimal digits>:…` go when their
    /// trace goes.
    ///
    /// # Errors
    ///
    /// [`Error::is_store`](crate::Error::is_store) if the store cannot be written.
    pub fn meta_set(&self, key: &str, value: &str) -> Result<()> {
        self.write("write a key in the store", |transaction| {
            transaction.prepare_cached("INSERT OR REPLACE INTO ledger VALUES (?1, ?2)")?.execute([key, value]).map(drop)
        })
    }
}

fn forget(transaction: &Transaction<'_>, process: ProcessId) -> rusqlite::Result<()> {
    for sql in [
        "DELETE FROM open_spans WHERE process = ?",
        "DELETE FROM callsites WHERE process = ?",
        "DELETE FROM processes WHERE process = ?",
    ] {
        transaction.prepare_cached(sql)?.execute([process.0 as i64])?;
    }
    losses::forget(transaction, process)
}
