//! The chunk a thread is writing to.

use std::cell::Cell;
use std::ptr;

use super::Chunks;
use super::memory::{HEADER_WORDS, Memory};
use super::sync::AtomicU64;
use super::table::{Slot, Table, Urgency};

/// A thread's place in the chunk it holds. `memory` is set exactly while `slot` is.
struct Local {
    chunks: Cell<Option<&'static Chunks>>,
    slot: Cell<Option<&'static Slot>>,
    memory: Cell<Option<&'static Memory>>,
    at: Cell<usize>,
}

thread_local! {
    static LOCAL: Local = const {
        Local { chunks: Cell::new(None), slot: Cell::new(None), memory: Cell::new(None), at: Cell::new(0) }
    };
}

impl Local {
    /// Writes into the chunk at hand; false if it is another recorder's, full, or not there.
    #[inline]
    fn write(&self, chunks: &'static Chunks, length: usize, fill: &impl Fn(&[AtomicU64])) -> bool {
        let Some(memory) = self.memory.get() else { return false };
        let at = self.at.get();
        let Some(words) = memory.words().get(at..at + length) else { return false };
        if !self.chunks.get().is_some_and(|held| ptr::eq(held, chunks)) {
            return false;
        }
        fill(words);
        memory.publish(at + length);
        self.at.set(at + length);
        true
    }

    fn seal(&self) {
        self.memory.set(None);
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
        self.memory.set(slot.memory());
        self.at.set(HEADER_WORDS);
        true
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        self.seal();
    }
}

/// Writes one entry of `length` words with `fill`; false if there was no room within the budget.
#[inline]
pub(super) fn write(chunks: &'static Chunks, length: usize, urgency: Urgency, fill: impl Fn(&[AtomicU64])) -> bool {
    LOCAL.try_with(|local| local.write(chunks, length, &fill)).unwrap_or(false)
        || write_slowly(chunks, length, urgency, &fill)
}

#[cold]
#[inline(never)]
fn write_slowly(chunks: &'static Chunks, length: usize, urgency: Urgency, fill: &dyn Fn(&[AtomicU64])) -> bool {
    if length > chunks.small.capacity() {
        return chunks.long.iter().any(|table| write_alone(chunks, table, length, urgency, fill));
    }
    LOCAL
        .try_with(|local| local.renew(chunks, urgency) && local.write(chunks, length, &fill))
        // A thread whose locals are gone can still end its spans.
        .unwrap_or_else(|_| write_alone(chunks, &chunks.small, length, urgency, fill))
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
        memory.publish(HEADER_WORDS + length);
    }
    slot.seal();
    true
}

/// Seals the calling thread's chunk.
pub(super) fn release() {
    let _ = LOCAL.try_with(Local::seal);
}
