//! The chunk a thread is writing to.

use std::cell::Cell;
use std::ptr;

use super::Chunks;
use super::memory::{HEADER_WORDS, Memory};
use super::sync::AtomicU64;
use super::table::{Slot, Table, Urgency};

/// A thread's place in the chunk it holds. Nothing in it needs to be dropped, so that reaching it is an addition and no question.
struct Place {
    chunks: Cell<Option<&'static Chunks>>,
    slot: Cell<Option<&'static Slot>>,
    /// All words of the chunk; none where there is no chunk.
    words: Cell<&'static [AtomicU64]>,
    at: Cell<usize>,
}

thread_local! {
    static PLACE: Place = const {
        Place { chunks: Cell::new(None), slot: Cell::new(None), words: Cell::new(&[]), at: Cell::new(0) }
    };
    /// Touched by a thread that takes a chunk, so that it is sealed when the thread ends.
    static SEALER: Sealer = const { Sealer };
}

struct Sealer;

impl Drop for Sealer {
    fn drop(&mut self) {
        PLACE.with(Place::seal);
    }
}

impl Place {
    /// Writes into the chunk at hand; false if it is another recorder's, full, or not there.
    #[inline]
    fn write(&self, chunks: &'static Chunks, length: usize, fill: &impl Fn(&[AtomicU64])) -> bool {
        let (all, at) = (self.words.get(), self.at.get());
        let Some(end) = at.checked_add(length) else { return false };
        let Some(words) = all.get(at..end) else { return false };
        if !self.chunks.get().is_some_and(|held| ptr::eq(held, chunks)) {
            return false;
        }
        fill(words);
        Memory::publish(all, end);
        self.at.set(end);
        true
    }

    fn seal(&self) {
        self.words.set(&[]);
        self.chunks.set(None);
        if let Some(slot) = self.slot.take() {
            slot.seal();
        }
    }

    /// Exchanges the chunk at hand for one of `chunks`.
    fn renew(&self, chunks: &'static Chunks, urgency: Urgency) -> bool {
        self.seal();
        let Some(slot) = chunks.take(&chunks.small, urgency) else { return false };
        self.chunks.set(Some(chunks));
        self.slot.set(Some(slot));
        self.words.set(slot.memory().map_or(&[], Memory::words));
        self.at.set(HEADER_WORDS);
        true
    }
}

/// Writes one entry of `length` words with `fill`; false if there was no room within the budget.
#[inline]
pub(super) fn write(chunks: &'static Chunks, length: usize, urgency: Urgency, fill: impl Fn(&[AtomicU64])) -> bool {
    PLACE.with(|place| place.write(chunks, length, &fill)) || write_slowly(chunks, length, urgency, &fill)
}

#[cold]
#[inline(never)]
fn write_slowly(chunks: &'static Chunks, length: usize, urgency: Urgency, fill: &dyn Fn(&[AtomicU64])) -> bool {
    if length > chunks.small.capacity() {
        return chunks.long.iter().any(|table| write_alone(chunks, table, length, urgency, fill));
    }
    // A thread whose locals are gone can still end its spans.
    if SEALER.try_with(|_| ()).is_err() {
        return write_alone(chunks, &chunks.small, length, urgency, fill);
    }
    PLACE.with(|place| place.renew(chunks, urgency) && place.write(chunks, length, &fill))
}

/// Writes one entry into a chunk of its own.
fn write_alone(
    chunks: &'static Chunks,
    table: &'static Table,
    length: usize,
    urgency: Urgency,
    fill: &dyn Fn(&[AtomicU64]),
) -> bool {
    if length > table.capacity() {
        return false;
    }
    let Some(slot) = chunks.take(table, urgency) else { return false };
    if let Some(memory) = slot.memory() {
        fill(&memory.words()[HEADER_WORDS..HEADER_WORDS + length]);
        Memory::publish(memory.words(), HEADER_WORDS + length);
    }
    slot.seal();
    true
}

/// Seals the calling thread's chunk.
pub(super) fn release() {
    PLACE.with(Place::seal);
}
