//! Spans of a batch become rows.
//!
//! A batch is sorted by trace first, so that a trace costs the same few rows whatever number of its spans came together.

use std::collections::{HashMap, HashSet};

use rusqlite::{OptionalExtension, Transaction, params};

use super::ProcessId;
use super::block::{self, Block};
use super::destination::redirect;
use super::row::{span_key, stored_time, unreadable};
use crate::clock::now_unix_ns;
use crate::id::{SpanId, SpanIdHash, TraceId};
use crate::record::SpanRecord;

/// Returns the blocks that were written, each with the sequence number of its first span.
pub(super) fn append_finished(
    transaction: &Transaction<'_>,
    finished: &[SpanRecord],
    destination: Option<i64>,
) -> rusqlite::Result<Vec<(i64, Vec<u8>)>> {
    if finished.is_empty() {
        return Ok(Vec::new());
    }
    let first: i64 = transaction
        .prepare_cached(
            "SELECT max(value, (SELECT coalesce(max(seq), 0) + 1 FROM spans)) FROM counters WHERE name = 'next_seq'",
        )?
        .query_row([], |row| row.get(0))?;
    let any_open =
        transaction.prepare_cached("SELECT EXISTS (SELECT 1 FROM open_spans)")?.query_row([], |row| row.get(0))?;
    let mut to = Rows { transaction, destination, seq: first, any_open, blocks: Vec::new(), written: Vec::new() };
    by_trace(finished).iter().try_for_each(|spans| to.append(spans))?;
    let next = to.seq;
    transaction.prepare_cached("UPDATE counters SET value = ? WHERE name = 'next_seq'")?.execute([next])?;
    Ok(to.written)
}

/// The spans of each trace, roots after everything else: the queue sends in this order.
fn by_trace(finished: &[SpanRecord]) -> Vec<Vec<&SpanRecord>> {
    let mut traces: Vec<Vec<&SpanRecord>> = Vec::new();
    let mut places: HashMap<TraceId, usize> = HashMap::new();
    let mut place = 0;
    for span in finished {
        // Mostly the same as before.
        if traces.get(place).is_none_or(|spans| spans[0].trace_id != span.trace_id) {
            place = *places.entry(span.trace_id).or_insert_with(|| {
                traces.push(Vec::new());
                traces.len() - 1
            });
        }
        traces[place].push(span);
    }
    for spans in &mut traces {
        spans.sort_by_key(|span| span.parent_id.is_none());
    }
    traces
}

/// Where the spans of one batch are written.
struct Rows<'a, 't> {
    transaction: &'t Transaction<'t>,
    destination: Option<i64>,
    /// The next sequence number.
    seq: i64,
    any_open: bool,
    /// Of the trace that is written now.
    blocks: Vec<Block<'a>>,
    written: Vec<(i64, Vec<u8>)>,
}

impl<'a> Rows<'a, '_> {
    /// Writes the spans of one trace, those apart that are stored already.
    fn append(&mut self, spans: &[&'a SpanRecord]) -> rusqlite::Result<()> {
        let Some(trace_id) = spans.first().map(|span| span.trace_id) else { return Ok(()) };
        if self.any_open {
            self.close(trace_id, spans)?;
        }
        // A trace that comes with its root is mostly new: it is made without looking for it.
        let is_new = spans.last().is_some_and(|span| span.parent_id.is_none());
        let mut known = if is_new { None } else { Trace::find(self.transaction, trace_id, self.destination)? };
        let mut fresh = self.fresh(spans, known.as_mut())?;
        if known.is_none() {
            let made = self.encode(&fresh).make(self.transaction, trace_id, self.destination)?;
            if let Some(trace) = made {
                return self.write(&trace, &fresh);
            }
            known = Trace::find(self.transaction, trace_id, self.destination)?;
            fresh = self.fresh(spans, known.as_mut())?;
        }
        match known {
            Some(trace) if !fresh.is_empty() => {
                self.encode(&fresh).add_to(self.transaction, &trace)?;
                self.write(&trace, &fresh)
            }
            _ => Ok(()),
        }
    }

    /// Those that are not stored yet, each once.
    fn fresh(&self, spans: &[&'a SpanRecord], mut trace: Option<&mut Trace>) -> rusqlite::Result<Vec<&'a SpanRecord>> {
        let mut fresh: Vec<&'a SpanRecord> = Vec::with_capacity(spans.len());
        let mut seen: HashSet<SpanId, SpanIdHash> =
            HashSet::with_capacity_and_hasher(spans.len(), SpanIdHash::default());
        if let Some(trace) = &mut trace {
            trace.note_ids(self.transaction)?;
        }
        for span in spans {
            let is_stored = match &trace {
                Some(trace) => trace.has(self.transaction, span.span_id)?,
                None => false,
            };
            if !is_stored && (spans.len() == 1 || seen.insert(span.span_id)) {
                fresh.push(span);
            }
        }
        Ok(fresh)
    }

    /// Makes the blocks of these spans, and what they add to the row of their trace.
    fn encode(&mut self, spans: &[&'a SpanRecord]) -> Sum<'a> {
        self.blocks.clear();
        for span in spans {
            if self.blocks.last().is_none_or(Block::is_full) {
                self.blocks.push(Block::of(span.trace_id));
            }
            if let Some(block) = self.blocks.last_mut() {
                block.push(span);
            }
        }
        Sum { bytes: self.blocks.iter().map(|block| block.bytes().len() as i64).sum(), ..Sum::of(spans) }
    }

    /// Writes the blocks, and queues what is in them.
    fn write(&mut self, trace: &Trace, spans: &[&SpanRecord]) -> rusqlite::Result<()> {
        let mut insert = self.transaction.prepare_cached("INSERT INTO spans VALUES (?1, ?2, ?3, ?4)")?;
        let mut note = self.transaction.prepare_cached("INSERT INTO span_ids VALUES (?1, ?2)")?;
        let first = self.seq;
        let mut rest = spans;
        for block in self.blocks.drain(..) {
            let (spans, behind) = rest.split_at(block.spans());
            insert.execute(params![self.seq, trace.number, span_key(spans[0].span_id), block.bytes()])?;
            if trace.has_ids {
                for span in &spans[1..] {
                    note.execute([trace.number, span_key(span.span_id)])?;
                }
            }
            self.written.push((self.seq, block.into_bytes()));
            self.seq += spans.len() as i64;
            rest = behind;
        }
        if let Some(destination) = trace.destination {
            let row = [destination, first, self.seq - 1, trace.number];
            self.transaction.prepare_cached("INSERT INTO queue VALUES (?1, ?2, ?3, ?4)")?.execute(row)?;
        }
        Ok(())
    }

    /// They are open no longer.
    fn close(&self, trace: TraceId, spans: &[&SpanRecord]) -> rusqlite::Result<()> {
        let id = trace.to_bytes();
        let any: bool = self
            .transaction
            .prepare_cached("SELECT EXISTS (SELECT 1 FROM open_spans WHERE trace_id = ?)")?
            .query_row([id], |row| row.get(0))?;
        if any {
            let mut close =
                self.transaction.prepare_cached("DELETE FROM open_spans WHERE trace_id = ?1 AND span_id = ?2")?;
            for span in spans {
                close.execute(params![id, span_key(span.span_id)])?;
            }
        }
        Ok(())
    }
}

pub(super) fn append_open(
    transaction: &Transaction<'_>,
    open: &[SpanRecord],
    process: ProcessId,
    destination: Option<i64>,
) -> rusqlite::Result<()> {
    let mut keep = transaction.prepare_cached("INSERT OR REPLACE INTO open_spans VALUES (?1, ?2, ?3, ?4)")?;
    for span in open {
        let mut found = Trace::find(transaction, span.trace_id, destination)?;
        if let Some(trace) = &mut found {
            trace.note_ids(transaction)?;
            // It has ended meanwhile.
            if trace.has(transaction, span.span_id)? {
                continue;
            }
        }
        let id = span.trace_id.to_bytes();
        keep.execute(params![id, span_key(span.span_id), process.0 as i64, block::encode_one(span)])?;
        if span.parent_id.is_none() {
            let sum = Sum { root: Some(Root::of(span, false)), ..Sum::nothing(span) };
            match found {
                Some(trace) => sum.add_to(transaction, &trace)?,
                None => {
                    sum.make(transaction, span.trace_id, destination)?;
                }
            }
        }
    }
    Ok(())
}

/// The row of a trace.
struct Trace {
    number: i64,
    destination: Option<i64>,
    /// Whether it says which spans it has by `span_ids`, beside the first of each of its rows.
    has_ids: bool,
    start_unix_ns: i64,
}

impl Trace {
    fn find(transaction: &Transaction<'_>, id: TraceId, destination: Option<i64>) -> rusqlite::Result<Option<Self>> {
        let found = transaction
            .prepare_cached("SELECT number, destination, has_ids, start_unix_ns FROM traces WHERE trace_id = ?")?
            .query_row([id.to_bytes()], |row| {
                let (number, destination) = (row.get(0)?, row.get(1)?);
                Ok(Self { number, destination, has_ids: row.get(2)?, start_unix_ns: row.get(3)? })
            })
            .optional()?;
        match (found, destination) {
            (Some(trace @ Self { destination: None, .. }), Some(destination)) => {
                redirect(transaction, trace.number, destination)?;
                Ok(Some(Self { destination: Some(destination), ..trace }))
            }
            (found, _) => Ok(found),
        }
    }

    /// Before a second batch: the ids in the rows of the first one, each where it is found without reading them all.
    fn note_ids(&mut self, transaction: &Transaction<'_>) -> rusqlite::Result<()> {
        if std::mem::replace(&mut self.has_ids, true) {
            return Ok(());
        }
        let mut note = transaction.prepare_cached("INSERT INTO span_ids VALUES (?1, ?2)")?;
        let mut select = transaction.prepare_cached("SELECT record FROM spans WHERE trace = ?")?;
        let mut rows = select.query([self.number])?;
        while let Some(row) = rows.next()? {
            for id in block::ids(row.get_ref(0)?.as_bytes()?).map_err(unreadable)?.into_iter().skip(1) {
                note.execute([self.number, span_key(id)])?;
            }
        }
        transaction.prepare_cached("UPDATE traces SET has_ids = 1 WHERE number = ?")?.execute([self.number]).map(drop)
    }

    /// Whether the span is stored; after [`Self::note_ids`].
    fn has(&self, transaction: &Transaction<'_>, span: SpanId) -> rusqlite::Result<bool> {
        transaction
            .prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM spans WHERE trace = ?1 AND span_id = ?2)
                     OR EXISTS (SELECT 1 FROM span_ids WHERE trace = ?1 AND span_id = ?2)",
            )?
            .query_row([self.number, span_key(span)], |row| row.get(0))
    }
}

/// What some spans of one trace add to its row.
struct Sum<'a> {
    /// Of the trace, until its root is known.
    name: &'a str,
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

impl Root {
    fn of(span: &SpanRecord, ended: bool) -> Self {
        let facts = span.workflow.as_deref();
        Self {
            name: span.name.clone(),
            facts: facts.and_then(|facts| serde_json::to_string(facts).ok()),
            workflow: facts.and_then(|facts| tag(&facts.tags, "workflow")),
            session: facts.and_then(|facts| facts.session.clone()),
            ending: ended.then(|| span.ending.as_str()),
            failed: ended && span.is_error(),
        }
    }
}

fn tag(tags: &[(String, String)], name: &str) -> Option<String> {
    tags.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.clone())
}

impl<'a> Sum<'a> {
    /// Of no span, in a trace that `span` is the first to be heard of.
    fn nothing(span: &'a SpanRecord) -> Self {
        let start_unix_ns = stored_time(span.start_unix_ns);
        let end_unix_ns = start_unix_ns;
        Self { name: &span.name, start_unix_ns, end_unix_ns, spans: 0, errors: 0, tokens: 0, bytes: 0, root: None }
    }

    fn of(spans: &[&'a SpanRecord]) -> Self {
        let mut sum = Self::nothing(spans[0]);
        for span in spans {
            sum.start_unix_ns = sum.start_unix_ns.min(stored_time(span.start_unix_ns));
            sum.end_unix_ns = sum.end_unix_ns.max(stored_time(span.end_unix_ns));
            sum.spans += 1;
            sum.errors += i64::from(span.is_error());
            let tokens = span.model.as_ref().and_then(|model| model.usage).map_or(0, |usage| usage.total());
            sum.tokens = sum.tokens.saturating_add_unsigned(tokens);
            // The first root to end decides.
            if span.parent_id.is_none() && sum.root.is_none() {
                sum.root = Some(Root::of(span, true));
            }
        }
        sum
    }

    /// Makes the row of a trace; `None` if it has one.
    fn make(
        self,
        transaction: &Transaction<'_>,
        id: TraceId,
        destination: Option<i64>,
    ) -> rusqlite::Result<Option<Trace>> {
        let Self { start_unix_ns, end_unix_ns, spans, errors, tokens, bytes, .. } = self;
        let mut insert = transaction.prepare_cached(
            "INSERT INTO traces (trace_id, destination, start_unix_ns, end_unix_ns, spans, undelivered, errors, tokens, has_ids,
                 root_known, name, facts, workflow, session, ending, failed, bytes, stored_unix_ns)
             VALUES (?1, ?2, ?3, ?4, ?5, ?5, ?6, ?7, 0, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)
             ON CONFLICT (trace_id) DO NOTHING",
        )?;
        let (is_known, root) = (self.root.is_some(), self.root.unwrap_or_else(|| Root::unknown(self.name)));
        let Root { name, facts, workflow, session, ending, failed } = root;
        let made = insert.execute(params![
            id.to_bytes(),
            destination,
            start_unix_ns,
            end_unix_ns,
            spans,
            errors,
            tokens,
            is_known,
            name,
            facts,
            workflow,
            session,
            ending,
            failed,
            bytes,
            stored_time(now_unix_ns())
        ])?;
        let number = transaction.last_insert_rowid();
        Ok((made == 1).then_some(Trace { number, destination, has_ids: false, start_unix_ns }))
    }

    fn add_to(self, transaction: &Transaction<'_>, trace: &Trace) -> rusqlite::Result<()> {
        let Self { start_unix_ns, end_unix_ns, spans, errors, tokens, bytes, root, .. } = self;
        transaction
            .prepare_cached(
                "UPDATE traces SET end_unix_ns = max(end_unix_ns, ?2), spans = spans + ?3, errors = errors + ?4,
                     tokens = CASE WHEN tokens < 9223372036854775807 - ?5 THEN tokens + ?5 ELSE 9223372036854775807 END,
                     bytes = bytes + ?6, undelivered = undelivered + ?3
                 WHERE number = ?1",
            )?
            .execute(params![trace.number, end_unix_ns, spans, errors, tokens, bytes])?;
        // Apart: it would move the row in an index each time.
        if start_unix_ns < trace.start_unix_ns {
            transaction
                .prepare_cached("UPDATE traces SET start_unix_ns = ?2 WHERE number = ?1")?
                .execute([trace.number, start_unix_ns])?;
        }
        // Until a root has ended, the latest open one.
        if let Some(Root { name, facts, workflow, session, ending, failed }) = root {
            transaction
                .prepare_cached(
                    "UPDATE traces SET name = ?2, root_known = 1, facts = ?3, workflow = ?4, session = ?5, ending = ?6,
                         failed = ?7
                     WHERE number = ?1 AND ending IS NULL",
                )?
                .execute(params![trace.number, name, facts, workflow, session, ending, failed])?;
        }
        Ok(())
    }
}

impl Root {
    /// Of a trace of which only other spans are known.
    fn unknown(name: &str) -> Self {
        Self { name: name.to_owned(), facts: None, workflow: None, session: None, ending: None, failed: false }
    }
}
