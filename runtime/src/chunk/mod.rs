//! The buffer between the threads that trace and the collector.
//!
//! In: begin, end, note and site entries, written by the thread that traces into a chunk it holds alone. Out: the same entries,
//! read by the collector. A writer never locks, waits, makes a file or grows one: if no chunk is ready it takes heap memory,
//! and beyond the budget the newest entries are dropped and counted.
//!
//! | Number | Value |
//! |---|---|
//! | chunk | 32 KiB |
//! | chunks, one for each thread that traces and those not read yet | at most 2048, the last eighth for entries that close a span |
//! | chunk for one long note | 256 KiB, at most 64, and 8 MiB, at most 8 |
//!
//! What is published in a mapped chunk survives the death of the process: see [`folder`].

mod entry;
#[cfg(feature = "store")]
pub(crate) mod folder;
mod local;
#[cfg(all(test, loom))]
mod loom_tests;
mod memory;
mod sync;
mod table;

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::Thread;

use crate::id::{SpanId, TraceId};
use crate::record::Ending;

pub(crate) use entry::{Entry, JointNote, MAX_KEY_BYTES, Malformed, NoteKind};
pub(crate) use table::Urgency;

use memory::{HEADER_WORDS, Memory};
use table::{Phase, Slot, Table};

const SMALL_WORDS: usize = 32 * 1024 / 8;
const MEDIUM_WORDS: usize = 256 * 1024 / 8;
const LARGE_WORDS: usize = 8 * 1024 * 1024 / 8;

/// Longest body of a note, in bytes.
pub(crate) const MAX_BODY_BYTES: usize = (LARGE_WORDS - HEADER_WORDS) * 8 - MAX_KEY_BYTES - 64;

/// Longest captured value, in bytes: leaves room for the lengths that stand around it.
pub(crate) const MAX_VALUE_BYTES: usize = MAX_BODY_BYTES - 4096;

/// All chunks of one recorder.
#[derive(Debug)]
pub(crate) struct Chunks {
    small: Table,
    /// For one long note each, the smaller ones first.
    long: [Table; 2],
    counts: Counts,
    /// The collector's thread, woken when chunks run short.
    collector: OnceLock<Thread>,
}

#[derive(Debug, Default)]
struct Counts {
    dropped_spans: AtomicU64,
    dropped_notes: AtomicU64,
    dropped_ends: AtomicU64,
    heap_chunks: AtomicU64,
}

/// What the chunks could not take, since the start of the process, by cause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Losses {
    /// Spans that were not recorded at all.
    pub spans: u64,
    /// Attributes, inputs, outputs and events that were left out of a recorded span.
    pub notes: u64,
    /// Ends that were lost: these spans stay open until their process is gone.
    pub ends: u64,
}

impl Chunks {
    /// Chunks within the default budget, none of them filled yet.
    pub(crate) fn new() -> Self {
        Self::with_slots(2048, 8)
    }

    /// Chunks within a budget of so many small and large ones; of the size between, eight for each large one.
    pub(crate) fn with_slots(small: usize, large: usize) -> Self {
        Self {
            small: Table::new(small, SMALL_WORDS),
            long: [Table::new(8 * large, MEDIUM_WORDS), Table::new(large, LARGE_WORDS)],
            counts: Counts::default(),
            collector: OnceLock::new(),
        }
    }

    /// Writes the start of a span; false if it had to be dropped.
    #[inline]
    pub(crate) fn begin(
        &'static self,
        site: u32,
        span: SpanId,
        parent: Option<SpanId>,
        trace: TraceId,
        start_unix_ns: u64,
    ) -> bool {
        let written =
            local::write(self, Urgency::Droppable, move || entry::begin(site, span, parent, trace, start_unix_ns));
        if !written {
            self.count_dropped_span();
        }
        written
    }

    /// Counts a span that is not recorded for want of room.
    #[cold]
    pub(crate) fn count_dropped_span(&self) {
        self.counts.dropped_spans.fetch_add(1, Ordering::Relaxed);
    }

    /// Writes the end of a span.
    #[inline]
    pub(crate) fn end(&'static self, span: SpanId, end_unix_ns: u64, ending: Ending, incomplete: bool) {
        let written = local::write(self, Urgency::Closing, move || entry::end(span, end_unix_ns, ending, incomplete));
        if !written {
            self.count_dropped_end();
        }
    }

    #[cold]
    fn count_dropped_end(&self) {
        self.counts.dropped_ends.fetch_add(1, Ordering::Relaxed);
    }

    /// Writes a note; a key beyond [`MAX_KEY_BYTES`] is cut, a body beyond [`MAX_BODY_BYTES`] drops the note.
    pub(crate) fn note(&'static self, span: SpanId, kind: NoteKind, time_unix_ns: u64, key: &[u8], body: &[u8]) {
        let key = &key[..key.len().min(MAX_KEY_BYTES)];
        let length = entry::note_words(key.len(), body.len());
        let written = local::write_with(self, length, Urgency::Droppable, |words| {
            entry::note(words, span, kind, time_unix_ns, key, body);
        });
        if !written {
            self.count_dropped_note();
        }
    }

    /// Writes a note that stands in whole words already; likewise.
    #[inline(always)]
    pub(crate) fn joint_note(&'static self, note: JointNote<'_>) {
        let length = entry::note_words(note.key, note.body);
        let written = local::write_with(self, length, Urgency::Droppable, move |words| entry::joint_note(words, note));
        if !written {
            self.count_dropped_note();
        }
    }

    #[cold]
    fn count_dropped_note(&self) {
        self.counts.dropped_notes.fetch_add(1, Ordering::Relaxed);
    }

    /// Writes the facts of a callsite; false if they could not be written and must be offered again.
    pub(crate) fn site(&'static self, number: u32, facts: &[u8]) -> bool {
        let length = entry::site_words(facts.len());
        local::write_with(self, length, Urgency::Closing, |words| entry::site(words, number, facts))
    }

    /// Seals the calling thread's chunk, so that the collector can recycle it.
    pub(crate) fn release_thread() {
        local::release();
    }

    /// What could not be taken so far.
    pub(crate) fn losses(&self) -> Losses {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Losses {
            spans: read(&self.counts.dropped_spans),
            notes: read(&self.counts.dropped_notes),
            ends: read(&self.counts.dropped_ends),
        }
    }

    /// Chunks that were taken from the heap because none was ready.
    pub(crate) fn heap_chunks(&self) -> u64 {
        self.counts.heap_chunks.load(Ordering::Relaxed)
    }

    /// Names the thread to be woken when chunks run short.
    pub(crate) fn wake_when_short(&self, collector: Thread) {
        drop(self.collector.set(collector));
    }

    /// All slots, in an order that never changes.
    fn slots(&self) -> impl Iterator<Item = &Slot> {
        self.small.slots().iter().chain(self.long.iter().flat_map(Table::slots))
    }

    fn take(&self, table: &'static Table, urgency: Urgency) -> Option<&'static Slot> {
        let taken = table.take(urgency);
        if taken.as_ref().is_none_or(|taken| taken.from_heap) {
            self.counts.heap_chunks.fetch_add(u64::from(taken.is_some()), Ordering::Relaxed);
        }
        if let Some(collector) = self.collector.get() {
            collector.unpark();
        }
        taken.map(|taken| taken.slot)
    }

    /// Keeps `small` chunks from `source` ready, and of each longer size one, once one was needed. Called by the collector only.
    pub(crate) fn stock(&self, small: usize, source: &dyn Source) {
        while self.small.ready() < small && self.small.stock(|| source.make(self.small.words())) {}
        for table in &self.long {
            let wanted = table.slots().iter().any(|slot| slot.memory().is_some());
            if wanted && table.ready() == 0 {
                table.stock(|| source.make(table.words()));
            }
        }
    }
}

/// Where chunks come from ahead of need.
pub(crate) trait Source: Send {
    /// Memory of so many words; `None` if there is none to be had.
    fn make(&self, words: usize) -> Option<Memory>;

    /// Gives up all memory made: everything in it is kept elsewhere.
    fn remove(&self);
}

/// The collector's way through the chunks: what it has read of each.
#[derive(Debug)]
pub(crate) struct Drain {
    chunks: &'static Chunks,
    read: Vec<usize>,
    /// Chunks the last sweep read to their end.
    done: Vec<usize>,
    /// Chunks the sweep before the last one read to their end.
    settled: Vec<usize>,
    scratch: Vec<u8>,
}

impl Drain {
    /// A drain that has read nothing yet. There must be only one for the same chunks.
    pub(crate) fn new(chunks: &'static Chunks) -> Self {
        let slots = chunks.slots().count();
        Self { chunks, read: vec![HEADER_WORDS; slots], done: Vec::new(), settled: Vec::new(), scratch: Vec::new() }
    }

    /// Hands every entry published since the last sweep to `take`. Returns how many chunks held words that are no entry.
    pub(crate) fn sweep(&mut self, mut take: impl FnMut(Entry<'_>)) -> usize {
        let slots = self.chunks.slots();
        let mut malformed = 0;
        std::mem::swap(&mut self.done, &mut self.settled);
        self.done.clear();
        for (index, (slot, read)) in slots.zip(&mut self.read).enumerate() {
            // The phase is read before the words: a chunk seen sealed gets no more of them.
            let phase = slot.phase();
            let (Phase::Written | Phase::Sealed, Some(memory)) = (phase, slot.memory()) else { continue };
            let words = memory.published(*read);
            malformed += usize::from(each_entry(words, &mut self.scratch, &mut take).is_err());
            *read += words.len();
            if phase == Phase::Sealed {
                self.done.push(index);
            }
        }
        malformed
    }

    /// Whether there is a chunk for [`Self::recycle`] to free.
    pub(crate) fn has_settled(&self) -> bool {
        !self.settled.is_empty()
    }

    /// Frees the chunks the sweep before the last one read to their end; what was read from them must be kept elsewhere by now.
    ///
    /// Those the last sweep alone read to their end stay: they may hold ends of spans that are closed after the next sweep only.
    pub(crate) fn recycle(&mut self) {
        for index in self.settled.drain(..) {
            let Some(slot) = self.chunks.slots().nth(index) else { continue };
            self.read[index] = HEADER_WORDS;
            slot.recycle();
        }
    }
}

/// Hands each entry in `words` to `take`, up to the first words that are none.
fn each_entry(
    mut words: &[sync::AtomicU64],
    scratch: &mut Vec<u8>,
    mut take: impl FnMut(Entry<'_>),
) -> Result<(), Malformed> {
    while !words.is_empty() {
        let (entry, length) = entry::read(words, scratch)?;
        take(entry);
        words = &words[length..];
    }
    Ok(())
}
