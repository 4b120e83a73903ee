//! Spans under way: what has been read of each, until it can be closed.

use std::collections::VecDeque;
use std::time::Duration;

use crate::chunk::{Entry, NoteKind};
use crate::id::SpanId;
use crate::record::{Assessment, Batch, Ending, SpanRecord};

use super::notes::{self, Note};
use super::open::OpenSpans;
use super::running::Roots;
use super::site::Sites;
use super::span::{ABANDONED, Begin, End, OpenSpan, blank};
use super::stray::Strays;

const MAX_OPEN_BYTES: usize = 256 * 1024 * 1024;
/// Records kept to be used again.
const MOST_SPARE: usize = 4096;
/// Sweeps after which an end without a begin is given up.
const ORPHAN_SWEEPS: u64 = 100;

/// Everything read from chunks and not closed yet.
#[derive(Default)]
pub(crate) struct Assembly {
    sites: Sites,
    /// Announcements read since the last time open spans were written, by number.
    fresh_sites: Vec<u32>,
    open: OpenSpans,
    /// Spans whose end has been read by the sweeps under way, and whose start is being waited for.
    ended: Vec<Ended>,
    /// Those to be closed now.
    closing: VecDeque<Ended>,
    /// Spans of which something else than the start was read first, with the sweep that read it.
    strangers: Vec<(SpanId, u64)>,
    /// Roots to be written while they are open; `None` if none is.
    roots: Option<Roots>,
    sweep: u64,
    bytes: usize,
    orphaned: u64,
    crowded: u64,
    strays: Strays,
    /// What was said of traces and has not been handed on.
    assessments: Vec<Assessment>,
    /// Records that were handed on before: the next ones are made of them, texts and all.
    spare: Vec<SpanRecord>,
}

/// A span whose end has been read.
#[derive(Clone, Copy, Debug)]
struct Ended {
    span: SpanId,
    /// The sweep that read the end.
    sweep: u64,
    end_unix_ns: u64,
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
                self.open.entry(span, self.sweep).begin = Some(Begin { site, parent, trace, start_unix_ns });
                if let (Some(roots), None) = (&mut self.roots, parent) {
                    roots.begin(span, start_unix_ns);
                }
            }
            Entry::End { span, end_unix_ns, ending, incomplete } => {
                self.open.entry(span, self.sweep).end = Some(End { end_unix_ns, ending, incomplete });
                self.ended.push(Ended { span, sweep: self.sweep, end_unix_ns });
            }
            Entry::Note { kind: NoteKind::Assessment, body, .. } => match serde_json::from_slice(body) {
                Ok(assessment) => self.assessments.push(assessment),
                Err(_) => self.orphaned += 1,
            },
            Entry::Note { span, kind, time_unix_ns, key, body } => {
                let size = notes::size(key, body);
                if self.bytes + size > MAX_OPEN_BYTES {
                    self.crowded += 1;
                    return;
                }
                self.bytes += size;
                let key = String::from_utf8_lossy(key);
                let open = self.open.entry(span, self.sweep);
                if !open.is_known() && open.is_empty() {
                    self.strangers.push((span, self.sweep));
                }
                open.add(Note { kind, time_unix_ns, key: &key, body });
            }
        }
    }

    fn take_site(&mut self, number: u32, facts: &[u8]) {
        if let Ok(site) = serde_json::from_slice(facts) {
            self.sites.insert(number, site);
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
            let span = self.open.entry(record.span_id, self.sweep);
            span.base = Some(Box::new(record));
        }
    }

    /// Chooses what [`Self::close`] closes: every span whose end was read by an earlier sweep than the current one.
    #[inline(never)]
    pub(super) fn settle(&mut self) {
        let current = self.sweep;
        let (open, closing) = (&self.open, &mut self.closing);
        self.ended.retain(|ended| {
            let age = current - ended.sweep;
            let is_known = || open.get(ended.span).is_some_and(OpenSpan::is_known);
            let stays = age == 0 || age < ORPHAN_SWEEPS && !is_known();
            if !stays {
                closing.push_back(*ended);
            }
            stays
        });
        // Children end before their parents, and are offered before them.
        closing.make_contiguous().sort_by_key(|ended| ended.end_unix_ns);
        self.drop_late_notes();
    }

    /// Closes spans that have been settled, about `most_bytes` of them and at most `most_spans`. True if there are more.
    #[inline(never)]
    pub(super) fn close(&mut self, into: &mut Batch, most_spans: usize, most_bytes: usize) -> bool {
        let mut bytes = 0;
        while into.finished.len() < most_spans && bytes < most_bytes {
            let Some(Ended { span: id, .. }) = self.closing.pop_front() else { return false };
            let Self { open, sites, strays, spare, .. } = self;
            let freed = open.remove(id, |span| {
                // Written where it stays: a record is large.
                into.finished.push(spare.pop().unwrap_or_else(blank));
                let site = span.site(sites);
                let is_known = into.finished.last_mut().is_some_and(|record| span.close(id, sites, record));
                match (is_known, site, into.finished.last()) {
                    (true, Some(site), Some(record)) => strays.look_at(record, site),
                    (true, ..) => {}
                    (false, ..) => spare.extend(into.finished.pop()),
                }
                (is_known, span.bytes())
            });
            let Some((is_known, freed)) = freed else { continue };
            bytes += freed;
            self.bytes = self.bytes.saturating_sub(freed);
            self.orphaned += u64::from(!is_known);
        }
        !self.closing.is_empty()
    }

    /// Hands on what was said of traces.
    pub(super) fn give_assessments(&mut self, into: &mut Batch) {
        into.assessments.append(&mut self.assessments);
    }

    /// Takes back records that are kept elsewhere now.
    pub(super) fn reuse(&mut self, records: &mut Vec<SpanRecord>) {
        records.truncate(MOST_SPARE.saturating_sub(self.spare.len()));
        self.spare.append(records);
    }

    /// Notes that arrive after their span was closed belong to nobody.
    fn drop_late_notes(&mut self) {
        let current = self.sweep;
        let strangers = std::mem::take(&mut self.strangers);
        for (id, sweep) in strangers {
            match self.open.get(id) {
                Some(span) if span.is_known() || span.end.is_some() => {}
                Some(_) if current - sweep < ORPHAN_SWEEPS => self.strangers.push((id, sweep)),
                _ => {
                    let freed = self.open.remove(id, |span| span.bytes());
                    self.orphaned += u64::from(freed.is_some());
                    self.bytes = self.bytes.saturating_sub(freed.unwrap_or_default());
                }
            }
        }
    }

    /// Writes callsites and open spans as they stand, where something has been read since they were last written.
    pub(super) fn write_open(&mut self, into: &mut Batch) {
        self.write_open_since(self.sweep, into);
    }

    /// Likewise, of the spans of which a sweep before the last one has read something: where threads record more than is kept, what the last
    /// sweep has read is most of all, and its chunks are not freed yet.
    pub(super) fn write_open_of_earlier_sweeps(&mut self, into: &mut Batch) {
        self.write_open_since(self.sweep.saturating_sub(1), into);
    }

    fn write_open_since(&mut self, last_sweep: u64, into: &mut Batch) {
        for number in self.fresh_sites.drain(..) {
            if let Some(facts) = self.sites.get(&number).and_then(|site| serde_json::to_string(site).ok()) {
                into.callsites.push((number, facts));
            }
        }
        for (id, span) in self.open.iter_mut() {
            if span.first_sweep <= last_sweep && span.take_unwritten() {
                into.open.extend(span.as_abandoned(id, &self.sites));
            }
        }
    }

    /// From now on, [`Self::write_running`] writes roots that have been open for so long; `None`: never.
    pub(super) fn show_after(&mut self, after: Option<Duration>) {
        self.roots = after.map(Roots::after);
    }

    /// Writes roots that have been open for long, as they stand, where something that holds for their trace is news.
    pub(super) fn write_running(&mut self, into: &mut Batch) {
        let (Some(roots), open, sites) = (&mut self.roots, &mut self.open, &self.sites) else { return };
        roots.look(|id| match open.get_mut(id) {
            Some(span) if span.end.is_none() => {
                if span.take_news() {
                    into.open.extend(span.as_abandoned(id, sites));
                }
                true
            }
            _ => false,
        });
    }

    /// Closes everything: what has ended as it ended, the rest as abandoned when its process was last known to live.
    pub(crate) fn close_all(mut self) -> Batch {
        let mut batch = Batch::default();
        self.give_assessments(&mut batch);
        for (id, span) in self.open.iter_mut() {
            let record = match span.end {
                Some(_) => {
                    let mut record = blank();
                    span.close(id, &self.sites, &mut record).then_some(record)
                }
                None => span.as_abandoned(id, &self.sites),
            };
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

    /// Spans whose end has been read and whose start has not, each with its end.
    #[cfg(feature = "store")]
    pub(crate) fn strangers(&self) -> Vec<(SpanId, u64)> {
        let unknown = self.open.iter().filter(|(_, span)| !span.is_known());
        unknown.filter_map(|(id, span)| Some((id, span.end?.end_unix_ns))).collect()
    }

    /// Nothing is under way.
    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    pub(super) fn open(&self) -> u64 {
        (self.open.len() as u64).saturating_sub(self.ended())
    }

    pub(super) fn ended(&self) -> u64 {
        (self.ended.len() + self.closing.len()) as u64
    }

    pub(super) fn orphaned(&self) -> u64 {
        self.orphaned
    }

    /// Notes left out because open spans hold too much.
    pub(crate) fn crowded(&self) -> u64 {
        self.crowded
    }

    pub(super) fn stray(&self) -> u64 {
        self.strays.count()
    }

    pub(super) fn take_remarks(&mut self) -> Vec<String> {
        self.strays.take_remarks()
    }
}
