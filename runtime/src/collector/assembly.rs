//! Spans under way: what has been read of each, until it can be closed.

use std::collections::HashMap;
use std::sync::Arc;

use crate::chunk::Entry;
use crate::id::SpanId;
use crate::record::{Batch, Ending, SpanRecord};

use super::site::Site;
use super::span::{ABANDONED, Begin, End, Note, OpenSpan};
use super::stray::Strays;

const MAX_OPEN_BYTES: usize = 256 * 1024 * 1024;
/// Sweeps after which an end without a begin is given up.
const ORPHAN_SWEEPS: u64 = 100;

/// Everything read from chunks and not closed yet.
#[derive(Default)]
pub(crate) struct Assembly {
    sites: HashMap<u32, Arc<Site>>,
    /// Announcements read since the last time open spans were written, by number.
    fresh_sites: Vec<u32>,
    open: HashMap<SpanId, OpenSpan>,
    /// Spans whose end has been read, with the sweep that read it.
    ended: Vec<(SpanId, u64)>,
    sweep: u64,
    bytes: usize,
    orphaned: u64,
    crowded: u64,
    strays: Strays,
}

impl Assembly {
    /// A sweep over all chunks begins.
    pub(super) fn start_sweep(&mut self) {
        self.sweep += 1;
    }

    /// Takes one entry.
    pub(crate) fn take(&mut self, entry: Entry<'_>) {
        match entry {
            Entry::Site { number, facts } => self.take_site(number, facts),
            Entry::Begin { site, span, parent, trace, start_unix_ns } => {
                self.open.entry(span).or_default().begin = Some(Begin { site, parent, trace, start_unix_ns });
            }
            Entry::End { span, end_unix_ns, ending, incomplete } => {
                self.open.entry(span).or_default().end = Some(End { end_unix_ns, ending, incomplete });
                self.ended.push((span, self.sweep));
            }
            Entry::Note { span, kind, time_unix_ns, key, body } => {
                let size = key.len() + body.len() + size_of::<Note>();
                if self.bytes + size > MAX_OPEN_BYTES {
                    self.crowded += 1;
                    return;
                }
                self.bytes += size;
                let key = String::from_utf8_lossy(key).into_owned();
                self.open
                    .entry(span)
                    .or_default()
                    .add(Note { kind, time_unix_ns, key, body: body.to_vec() }, self.sweep);
            }
        }
    }

    fn take_site(&mut self, number: u32, facts: &[u8]) {
        if let Ok(site) = serde_json::from_slice(facts) {
            self.sites.insert(number, Arc::new(site));
            self.fresh_sites.push(number);
        }
    }

    /// Takes what a dead process left in the store: its callsites, and its spans as they stood.
    #[cfg_attr(all(not(feature = "store"), not(test)), expect(dead_code, reason = "nothing outlives its process"))]
    pub(crate) fn resume(&mut self, sites: Vec<(u32, String)>, open: Vec<SpanRecord>) {
        sites.iter().for_each(|(number, facts)| self.take_site(*number, facts.as_bytes()));
        for mut record in open {
            // It was written as if it were abandoned then; whether it is shows now.
            record.error = record.error.filter(|error| error.kind != ABANDONED);
            let span = self.open.entry(record.span_id).or_default();
            span.base = Some(record);
        }
    }

    /// Closes every span whose end was read by an earlier sweep than the current one.
    pub(super) fn close(&mut self, into: &mut Batch) {
        let current = self.sweep;
        let ended = std::mem::take(&mut self.ended);
        for (id, sweep) in ended {
            if sweep == current {
                self.ended.push((id, sweep));
                continue;
            }
            let known = self.open.get(&id).is_some_and(OpenSpan::is_known);
            if !known && current - sweep < ORPHAN_SWEEPS {
                self.ended.push((id, sweep));
            } else if let Some(span) = self.open.remove(&id) {
                self.bytes = self.bytes.saturating_sub(span.bytes());
                match span.close(id, &self.sites) {
                    Some(record) => {
                        if let Some(site) = span.site(&self.sites) {
                            self.strays.look_at(&record, site);
                        }
                        into.finished.push(record);
                    }
                    None => self.orphaned += 1,
                }
            }
        }
        self.drop_late_notes();
        // Children end before their parents, and are offered before them.
        into.finished.sort_by_key(|record| record.end_unix_ns);
    }

    /// Notes that arrive after their span was closed belong to nobody.
    fn drop_late_notes(&mut self) {
        let current = self.sweep;
        let mut late = 0;
        let mut freed = 0;
        self.open.retain(|_, span| {
            let keep = span.is_known() || span.end.is_some() || current - span.first_sweep < ORPHAN_SWEEPS;
            if !keep {
                late += 1;
                freed += span.bytes();
            }
            keep
        });
        self.orphaned += late;
        self.bytes = self.bytes.saturating_sub(freed);
    }

    /// Writes callsites and open spans as they stand, where something has been read since they were last written.
    pub(super) fn write_open(&mut self, into: &mut Batch) {
        for number in self.fresh_sites.drain(..) {
            if let Some(facts) = self.sites.get(&number).and_then(|site| serde_json::to_string(&**site).ok()) {
                into.callsites.push((number, facts));
            }
        }
        for (id, span) in &mut self.open {
            if span.take_unwritten() {
                into.open.extend(span.as_abandoned(*id, &self.sites));
            }
        }
    }

    /// Closes everything: what has ended as it ended, the rest as abandoned when its process was last known to live.
    pub(crate) fn close_all(mut self) -> Batch {
        let mut batch = Batch::default();
        for (id, span) in std::mem::take(&mut self.open) {
            let ended = span.end.is_some();
            let record = if ended { span.close(id, &self.sites) } else { span.as_abandoned(id, &self.sites) };
            batch.finished.extend(record);
        }
        let last_known = batch.finished.iter().map(|record| record.end_unix_ns).max().unwrap_or(0);
        for record in &mut batch.finished {
            if record.ending == Ending::Abandoned {
                record.end_unix_ns = last_known;
            }
        }
        batch.finished.sort_by_key(|record| record.end_unix_ns);
        batch
    }

    /// Nothing is under way.
    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    pub(super) fn open(&self) -> u64 {
        self.open.len() as u64 - self.ended()
    }

    pub(super) fn ended(&self) -> u64 {
        self.ended.len() as u64
    }

    pub(super) fn orphaned(&self) -> u64 {
        self.orphaned
    }

    pub(super) fn crowded(&self) -> u64 {
        self.crowded
    }

    pub(super) fn stray(&self) -> u64 {
        self.strays.count()
    }

    pub(super) fn take_remarks(&mut self) -> Vec<String> {
        self.strays.take_remarks()
    }
}
