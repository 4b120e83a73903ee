//! The write face: batches of the collector, what a dead process leaves, the ledger.

use std::collections::HashMap;

use rusqlite::{OptionalExtension, Transaction, params};

use super::destination::{destination_number, redirect};
use super::row::{decode, encode_into, span_key, stored_time};
use super::{ProcessId, Result, Store};
use crate::id::TraceId;
use crate::record::{Batch, SpanRecord};

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
    pub fn append(&self, batch: &Batch, process: ProcessId, destination: Option<&str>) -> Result<()> {
        if batch.is_empty() {
            return Ok(());
        }
        self.write("append spans to the store", |transaction| {
            let destination = destination.map(|uri| destination_number(transaction, uri)).transpose()?;
            transaction
                .prepare_cached(
                    "INSERT INTO processes VALUES (?1, ?2) ON CONFLICT DO UPDATE SET destination = excluded.destination
                     WHERE destination IS NOT excluded.destination",
                )?
                .execute(params![process.0 as i64, destination])?;
            let mut traces = Traces { transaction, destination, known: HashMap::new() };
            append_finished(&mut traces, &batch.finished)?;
            append_open(&mut traces, &batch.open, process)?;
            traces.update()?;
            let mut keep = transaction.prepare_cached("INSERT OR REPLACE INTO callsites VALUES (?1, ?2, ?3)")?;
            for (number, facts) in &batch.callsites {
                keep.execute(params![process.0 as i64, number, facts])?;
            }
            Ok(())
        })
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
        self.write("forget a process in the store", |transaction| {
            for sql in [
                "DELETE FROM open_spans WHERE process = ?",
                "DELETE FROM callsites WHERE process = ?",
                "DELETE FROM processes WHERE process = ?",
            ] {
                transaction.prepare_cached(sql)?.execute([process.0 as i64])?;
            }
            Ok(())
        })
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

fn append_finished(traces: &mut Traces<'_>, finished: &[SpanRecord]) -> rusqlite::Result<()> {
    if finished.is_empty() {
        return Ok(());
    }
    let transaction = traces.transaction;
    let mut seq: i64 = transaction
        .prepare_cached(
            "SELECT max(value, (SELECT coalesce(max(seq), 0) + 1 FROM spans)) FROM counters WHERE name = 'next_seq'",
        )?
        .query_row([], |row| row.get(0))?;
    let any_open: bool =
        transaction.prepare_cached("SELECT EXISTS (SELECT 1 FROM open_spans)")?.query_row([], |row| row.get(0))?;
    let mut insert = transaction
        .prepare_cached("INSERT INTO spans VALUES (?1, ?2, ?3, ?4) ON CONFLICT (trace, span_id) DO NOTHING")?;
    let mut enqueue = transaction.prepare_cached("INSERT INTO queue VALUES (?1, ?2, ?3)")?;
    let mut close = transaction.prepare_cached("DELETE FROM open_spans WHERE trace_id = ?1 AND span_id = ?2")?;
    let mut record = Vec::with_capacity(1024);
    // Roots after everything else of the batch: the queue sends in the order of these numbers.
    let roots = finished.iter().filter(|span| span.parent_id.is_none());
    for span in finished.iter().filter(|span| span.parent_id.is_some()).chain(roots) {
        record.clear();
        encode_into(&mut record, span)?;
        let trace = traces.row(span)?;
        if insert.execute(params![seq, trace.number, span_key(span.span_id), record])? == 1 {
            if let Some(destination) = trace.destination {
                enqueue.execute([destination, seq, trace.number])?;
            }
            trace.add(span, record.len());
            seq += 1;
        }
        if any_open {
            close.execute(params![span.trace_id.to_bytes(), span_key(span.span_id)])?;
        }
    }
    transaction.prepare_cached("UPDATE counters SET value = ? WHERE name = 'next_seq'")?.execute([seq])?;
    Ok(())
}

fn append_open(traces: &mut Traces<'_>, open: &[SpanRecord], process: ProcessId) -> rusqlite::Result<()> {
    let transaction = traces.transaction;
    let mut keep = transaction.prepare_cached(
        "INSERT OR REPLACE INTO open_spans
         SELECT ?1, ?2, ?3, ?4 WHERE NOT EXISTS (
             SELECT 1 FROM spans JOIN traces ON traces.number = spans.trace WHERE trace_id = ?1 AND span_id = ?2
         )",
    )?;
    let mut record = Vec::new();
    for span in open {
        record.clear();
        encode_into(&mut record, span)?;
        let id = span.trace_id.to_bytes();
        let kept = keep.execute(params![id, span_key(span.span_id), process.0 as i64, record])? == 1;
        if kept && span.parent_id.is_none() {
            traces.row(span)?.set_root(span, false);
        }
    }
    Ok(())
}

/// The rows of the traces a batch touches; what changes in them is gathered here and written once.
struct Traces<'a> {
    transaction: &'a Transaction<'a>,
    destination: Option<i64>,
    known: HashMap<TraceId, TraceRow>,
}

#[derive(Default)]
struct TraceRow {
    number: i64,
    destination: Option<i64>,
    start_unix_ns: i64,
    end_unix_ns: i64,
    spans: i64,
    errors: i64,
    tokens: i64,
    bytes: i64,
    root: Option<Root>,
}

struct Root {
    name: String,
    facts: Option<String>,
    workflow: Option<String>,
    session: Option<String>,
    ending: Option<&'static str>,
    failed: bool,
}

impl TraceRow {
    fn add(&mut self, span: &SpanRecord, bytes: usize) {
        self.start_unix_ns = self.start_unix_ns.min(stored_time(span.start_unix_ns));
        self.end_unix_ns = self.end_unix_ns.max(stored_time(span.end_unix_ns));
        self.spans += 1;
        self.errors += i64::from(span.is_error());
        self.bytes += bytes as i64;
        let tokens = span.model.as_ref().and_then(|model| model.usage).map_or(0, |usage| usage.total());
        self.tokens = self.tokens.saturating_add_unsigned(tokens);
        if span.parent_id.is_none() {
            self.set_root(span, true);
        }
    }

    /// The first root to end decides; until one has, the latest open one.
    fn set_root(&mut self, span: &SpanRecord, ended: bool) {
        if self.root.as_ref().is_some_and(|root| root.ending.is_some()) {
            return;
        }
        let facts = span.workflow.as_deref();
        self.root = Some(Root {
            name: span.name.clone(),
            facts: facts.and_then(|facts| serde_json::to_string(facts).ok()),
            workflow: facts.and_then(|facts| tag(&facts.tags, "workflow")),
            session: facts.and_then(|facts| facts.session.clone()),
            ending: ended.then(|| span.ending.as_str()),
            failed: ended && span.is_error(),
        });
    }
}

fn tag(tags: &[(String, String)], name: &str) -> Option<String> {
    tags.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.clone())
}

impl Traces<'_> {
    /// The row of the span's trace, made if it is not there.
    fn row(&mut self, span: &SpanRecord) -> rusqlite::Result<&mut TraceRow> {
        use std::collections::hash_map::Entry;
        match self.known.entry(span.trace_id) {
            Entry::Occupied(known) => Ok(known.into_mut()),
            Entry::Vacant(unknown) => {
                let (number, destination) = find_or_make(self.transaction, span, self.destination)?;
                let start_unix_ns = stored_time(span.start_unix_ns);
                let end_unix_ns = start_unix_ns;
                Ok(unknown.insert(TraceRow { number, destination, start_unix_ns, end_unix_ns, ..TraceRow::default() }))
            }
        }
    }

    fn update(self) -> rusqlite::Result<()> {
        let mut count = self.transaction.prepare_cached(
            "UPDATE traces SET start_unix_ns = min(start_unix_ns, ?2), end_unix_ns = max(end_unix_ns, ?3),
                 spans = spans + ?4, errors = errors + ?5, bytes = bytes + ?7,
                 tokens = CASE WHEN tokens < 9223372036854775807 - ?6 THEN tokens + ?6 ELSE 9223372036854775807 END,
                 undelivered = undelivered + ?4
             WHERE number = ?1",
        )?;
        let mut set_root = self.transaction.prepare_cached(
            "UPDATE traces SET name = ?2, root_known = 1, facts = ?3, workflow = ?4, session = ?5, ending = ?6, failed = ?7
             WHERE number = ?1 AND ending IS NULL",
        )?;
        for trace in self.known.values() {
            let TraceRow { number, start_unix_ns, end_unix_ns, spans, errors, tokens, bytes, .. } = trace;
            count.execute(params![number, start_unix_ns, end_unix_ns, spans, errors, tokens, bytes])?;
            if let Some(root) = &trace.root {
                let Root { name, facts, workflow, session, ending, failed } = root;
                set_root.execute(params![number, name, facts, workflow, session, ending, failed])?;
            }
        }
        Ok(())
    }
}

fn find_or_make(
    transaction: &Transaction<'_>,
    span: &SpanRecord,
    destination: Option<i64>,
) -> rusqlite::Result<(i64, Option<i64>)> {
    let id = span.trace_id.to_bytes();
    let found = transaction
        .prepare_cached("SELECT number, destination FROM traces WHERE trace_id = ?")?
        .query_row([id], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    match (found, destination) {
        (Some((number, None)), Some(destination)) => {
            redirect(transaction, number, destination)?;
            Ok((number, Some(destination)))
        }
        (Some(found), _) => Ok(found),
        (None, destination) => {
            transaction
                .prepare_cached(
                    "INSERT INTO traces (trace_id, destination, name, start_unix_ns, end_unix_ns) VALUES (?1, ?2, ?3, ?4, ?4)",
                )?
                .execute(params![id, destination, span.name, stored_time(span.start_unix_ns)])?;
            Ok((transaction.last_insert_rowid(), destination))
        }
    }
}
