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
//! | mapped chunks ready at least | 96, of 256 KiB 4, of 8 MiB none until one was needed; and as many as are taken in 250 ms |
//! | heap chunks beside mapped ones | at most a quarter as many |
//!
//! What is published in a mapped chunk survives the death of the process: see [`folder`]. They are made ahead of need by a thread of
//! their own, [`keeper`], which waits for no store: what is ready must not run out because a disk or a database is slow.

mod counts;
mod entry;
#[cfg(feature = "store")]
pub(crate) mod folder;
#[cfg(all(any(test, fuzzing), feature = "mlflow", not(loom)))]
pub(crate) mod fuzzing;
mod keeper;
mod local;
#[cfg(all(test, loom))]
mod loom_tests;
mod memory;
mod sync;
mod table;

use std::sync::OnceLock;
use std::sync::atomic::AtomicBool;
use std::thread::Thread;

use crate::id::{SpanId, TraceId};
use crate::record::{Ending, Losses};

use counts::{Count, Counts};

pub(crate) use entry::{Entry, JointNote, MAX_KEY_BYTES, Malformed, NoteKind, begin_head};
pub(crate) use keeper::keep;
pub(crate) use local::{MOST_SAID, Said};
pub(crate) use table::Urgency;

use memory::{HEADER_WORDS, Memory};
use table::{Phase, Slot, Table};

/// The model of the hand-over tries every order of accesses: there, a chunk has room for three short entries.
const SMALL_WORDS: usize = if cfg!(loom) { HEADER_WORDS + 14 } else { 32 * 1024 / 8 };
const MEDIUM_WORDS: usize = if cfg!(loom) { HEADER_WORDS + 24 } else { 256 * 1024 / 8 };
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
    /// The thread to be woken when a chunk is taken.
    watch: OnceLock<Thread>,
    /// Another process writes to them, which this one was forked from.
    disowned: AtomicBool,
}

impl Chunks {
    /// Chunks within the default budget, none of them filled yet.
    pub(crate) fn new() -> Self {
        Self::with_slots(2048, 8)
    }

    /// Chunks within a budget of so many small and large ones; of the size between, eight for each large one.
    pub(crate) fn with_slots(small: usize, large: usize) -> Self {
        Self::with_each(small, 8 * large, large)
    }

    fn with_each(small: usize, medium: usize, large: usize) -> Self {
        Self {
            small: Table::new(small, small.div_ceil(4), SMALL_WORDS),
            // Few of these are ready, and a model call of many may be made at once.
            long: [Table::new(medium, medium, MEDIUM_WORDS), Table::new(large, large.div_ceil(4), LARGE_WORDS)],
            counts: Counts::default(),
            watch: OnceLock::new(),
            disowned: AtomicBool::new(false),
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
        let written = local::write(self, Urgency::Droppable, move || {
            entry::begin(entry::begin_head(site), span, parent, trace, start_unix_ns)
        });
        if !written {
            self.count_dropped_span();
        }
        written
    }

    /// Counts a span that is not recorded for want of room.
    #[cold]
    pub(crate) fn count_dropped_span(&self) {
        self.counts.add(Count::Spans);
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
        self.counts.add(Count::Ends);
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

    /// Writes values of a span whose keys the facts of its callsite have.
    pub(crate) fn say(&'static self, site: u32, span: SpanId, values: &[[u64; 2]]) {
        let written = local::write_with(self, entry::said_words(values.len()), Urgency::Droppable, |words| {
            entry::put_said(words, site, span, values);
        });
        if !written {
            self.count_dropped_note();
        }
    }

    #[cold]
    fn count_dropped_note(&self) {
        self.counts.add(Count::Notes);
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

    /// In the only thread of a process that was just forked: lets go of the parent's chunk.
    pub(crate) fn start_over() {
        local::start_over();
    }

    /// Leaves the chunks to the process this one was forked from: what is written to them from now on goes nowhere.
    pub(crate) fn disown(&self) {
        self.disowned.store(true, std::sync::atomic::Ordering::Relaxed);
    }

    fn are_disowned(&self) -> bool {
        self.disowned.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// What could not be taken so far, and chunks taken from the heap.
    pub(crate) fn losses(&self) -> Losses {
        self.counts.losses()
    }

    /// Chunks that were taken from the heap because none was ready.
    pub(crate) fn heap_chunks(&self) -> u64 {
        self.counts.losses().heap_chunks
    }

    /// Names the thread to be woken now and then as chunks are taken; the first name holds.
    pub(crate) fn wake_when_taken(&self, thread: Thread) {
        drop(self.watch.set(thread));
    }

    /// Spans whose start stands in heap memory that has not been recycled: no more than these can go with the process.
    pub(crate) fn begun_on_heap(&self) -> u64 {
        let mut begun = 0;
        let taken = self.slots().filter(|slot| slot.phase() != Phase::Idle);
        for memory in taken.filter_map(Slot::memory).filter(|memory| !memory.is_mapped()) {
            let count = |entry: Entry<'_>| begun += u64::from(matches!(entry, Entry::Begin { .. }));
            // What is no entry is no span.
            let _ = each_entry(memory.published(HEADER_WORDS), &mut Vec::new(), count);
        }
        begun
    }

    /// Wakes it.
    pub(crate) fn wake(&self) {
        if let Some(thread) = self.watch.get() {
            thread.unpark();
        }
    }

    /// All slots, in an order that never changes.
    fn slots(&self) -> impl Iterator<Item = &Slot> {
        self.small.slots().chain(self.long.iter().flat_map(Table::slots))
    }

    /// Those that have memory, and others, with their places in that order.
    fn reached(&self) -> impl Iterator<Item = (usize, &Slot)> {
        let [medium, large] = &self.long;
        let tables = [(0, &self.small), (self.small.len(), medium), (self.small.len() + medium.len(), large)];
        tables.into_iter().flat_map(|(before, table)| table.reached().map(move |(place, slot)| (before + place, slot)))
    }

    fn take(&self, table: &'static Table, urgency: Urgency) -> Option<&'static Slot> {
        let taken = table.take(urgency);
        let is_short = taken.as_ref().is_none_or(|taken| taken.from_heap);
        if is_short {
            self.count_heap_chunk(table, taken.is_some());
        }
        if is_short || table.is_due() {
            self.wake();
        }
        taken.map(|taken| taken.slot)
    }

    #[cold]
    fn count_heap_chunk(&self, table: &Table, taken: bool) {
        if taken {
            self.counts.add(Count::HeapChunks);
            self.counts.add(Count::HeapChunksNow);
        }
        if table.is_stocked() {
            table.want_more();
        }
    }

    /// From now on chunks come from `source`, ahead of need; the first are ready when this returns.
    pub(crate) fn take_from(&self, source: &dyn Source) {
        if !source.makes_chunks() {
            return;
        }
        if let Some(memory) = source.counts() {
            self.counts.keep_in(memory);
        }
        let [medium, large] = &self.long;
        for (table, wanted) in [(&self.small, READY), (medium, READY_MEDIUM_AT_FIRST), (large, 0)] {
            table.set_stocked(wanted);
            stock(table, source);
        }
        medium.set_stocked(READY_MEDIUM);
    }

    /// Makes the chunks that are to be ready and are not.
    fn stock(&self, source: &dyn Source) {
        std::iter::once(&self.small).chain(&self.long).for_each(|table| stock(table, source));
    }
}

/// Chunks kept ready, the first by the thread that starts tracing: more than all threads of a program take until [`keeper`] first gets
/// a processor, which on two of them with six threads flat out on each is 30 ms.
const READY: usize = 96;
const READY_MEDIUM_AT_FIRST: usize = 2;
const READY_MEDIUM: usize = 4;
/// Made at once: few enough for the first of them to be there soon.
const MADE_AT_ONCE: usize = 16;

/// Makes what `table` lacks, as far as there is any to be had.
fn stock(table: &Table, source: &dyn Source) {
    loop {
        let lacking = table.lacking().min(MADE_AT_ONCE);
        if lacking == 0 {
            return;
        }
        let made = source.make(table.words(), lacking);
        if made.is_empty() {
            return;
        }
        made.into_iter().for_each(|memory| drop(table.stock(memory)));
    }
}

/// Where chunks come from ahead of need.
pub(crate) trait Source: Send + Sync {
    /// Whether there is anything to be had: if not, chunks come from the heap.
    fn makes_chunks(&self) -> bool;

    /// So many pieces of memory of so many words; none if there is none to be had.
    fn make(&self, words: usize, count: usize) -> Vec<Memory>;

    /// Memory for what is counted.
    fn counts(&self) -> Option<Memory>;

    /// Whether the memory made is still where the next process looks for it.
    fn remains(&self) -> bool;

    /// Gives up all memory made: everything in it is kept elsewhere.
    fn remove(&self);

    /// Whether it has been given up.
    fn is_removed(&self) -> bool;
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

    /// As [`Self::sweep_marked`].
    #[cfg(test)]
    pub(crate) fn sweep(&mut self, mut take: impl FnMut(Entry<'_>)) -> usize {
        self.sweep_marked(|entry, _| take(entry))
    }

    /// Hands every entry published since the last sweep to `take`, beside it whether it stands in a file, and so outlives the process.
    /// Returns how many chunks held words that are no entry.
    pub(crate) fn sweep_marked(&mut self, mut take: impl FnMut(Entry<'_>, bool)) -> usize {
        let mut malformed = 0;
        std::mem::swap(&mut self.done, &mut self.settled);
        self.done.clear();
        for (index, slot) in self.chunks.reached() {
            let Some(read) = self.read.get_mut(index) else { continue };
            // The phase is read before the words: a chunk seen sealed gets no more of them.
            let phase = slot.phase();
            let (Phase::Written | Phase::Sealed, Some(memory)) = (phase, slot.memory()) else { continue };
            let words = memory.published(*read);
            let lasts = memory.is_mapped();
            malformed += usize::from(each_entry(words, &mut self.scratch, |entry| take(entry, lasts)).is_err());
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
            if slot.memory().is_some_and(|memory| !memory.is_mapped()) {
                self.chunks.counts.take_away(Count::HeapChunksNow);
            }
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
        let begins = matches!(entry, Entry::Begin { .. });
        take(entry);
        if begins && let Some(said) = entry::said_at_begin(words, scratch) {
            take(said);
        }
        words = &words[length..];
    }
    Ok(())
}
