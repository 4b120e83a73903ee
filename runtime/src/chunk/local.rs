//! The chunk a thread is writing to.

use std::cell::Cell;
use std::ptr;

use super::entry;
use super::memory::{HEADER_WORDS, Memory};
use super::sync::AtomicU64;
use super::table::{Slot, Table, Urgency};
use super::{Chunks, SMALL_WORDS};
use crate::id::{SpanId, TraceId};
use crate::record::Ending;

/// A thread's place in the chunk it holds. Nothing in it needs to be dropped, so that reaching it is an addition and no question.
struct Place {
    /// Whose chunk it is, and its words.
    held: Cell<Option<(&'static Chunks, &'static Words)>>,
    slot: Cell<Option<&'static Slot>>,
    /// In 32 bits, so that an end computed from it is known not to overflow.
    at: Cell<u32>,
}

/// All words of a chunk that a thread holds; in an array, so that their number need not be asked.
type Words = [AtomicU64; SMALL_WORDS];

#[cfg(not(loom))]
thread_local! {
    static PLACE: Place = const { Place::NOWHERE };
    /// Touched by a thread that takes a chunk, so that it is sealed when the thread ends.
    static SEALER: Sealer = const { Sealer };
}
#[cfg(loom)]
loom::thread_local! {
    static PLACE: Place = Place::NOWHERE;
    static SEALER: Sealer = Sealer;
}

struct Sealer;

#[cfg(not(loom))]
impl Drop for Sealer {
    fn drop(&mut self) {
        PLACE.with(Place::seal);
    }
}

/// In the model no local outlives another, so that a place has to seal its chunk itself.
#[cfg(loom)]
impl Drop for Place {
    fn drop(&mut self) {
        self.seal();
    }
}

impl Place {
    #[allow(clippy::declare_interior_mutable_const, reason = "it is what each thread begins with")]
    const NOWHERE: Self = Self { held: Cell::new(None), slot: Cell::new(None), at: Cell::new(0) };

    /// The next `length` words of the chunk at hand; `None` if it is another recorder's, full, or not there.
    #[inline]
    fn room(&self, chunks: &'static Chunks, length: usize) -> Option<Room> {
        let (_, all) = self.held.get().filter(|(held, _)| ptr::eq(*held, chunks))?;
        let at = self.at.get() as usize;
        let fits = length <= SMALL_WORDS && at + length <= SMALL_WORDS;
        fits.then_some(Room { all, at, length })
    }

    #[inline]
    fn publish(&self, room: Room) {
        let end = room.at + room.length;
        Memory::publish(room.all, end);
        self.at.set(end as u32);
    }

    /// Publishes so many words of a room that was given out.
    #[inline(always)]
    fn publish_more(&self, length: usize) {
        if let Some((_, all)) = self.held.get() {
            let end = self.at.get() + length as u32;
            Memory::publish(all, end as usize);
            self.at.set(end);
        }
    }

    fn seal(&self) {
        self.held.set(None);
        if let Some(slot) = self.slot.take() {
            slot.seal();
        }
    }

    /// Lets go of a chunk that another process writes to.
    fn forget(&self) {
        self.held.set(None);
        self.slot.set(None);
    }

    /// Exchanges the chunk at hand for one of `chunks`.
    fn renew(&self, chunks: &'static Chunks, urgency: Urgency) -> bool {
        self.seal();
        let Some(slot) = chunks.take(&chunks.small, urgency) else { return false };
        self.slot.set(Some(slot));
        self.held.set(slot.memory().and_then(|memory| Some((chunks, memory.words().first_chunk()?))));
        self.at.set(HEADER_WORDS as u32);
        true
    }
}

/// Words of a chunk that may be written and are not published.
#[derive(Clone, Copy)]
struct Room {
    all: &'static Words,
    at: usize,
    length: usize,
}

impl Room {
    #[inline]
    fn words(self) -> &'static [AtomicU64] {
        &self.all[self.at..self.at + self.length]
    }
}

/// Writes the words `entry` makes as one entry; false if there was no room within the budget.
#[inline]
pub(super) fn write<const N: usize>(
    chunks: &'static Chunks,
    urgency: Urgency,
    entry: impl Fn() -> [u64; N] + Copy,
) -> bool {
    PLACE.with(|place| match place.room(chunks, N) {
        Some(room) => {
            entry::put(room.words(), &entry());
            place.publish(room);
            true
        }
        None => {
            // A copy, so that the original needs no address and stays in registers.
            let again = entry;
            write_elsewhere(chunks, N, urgency, &move |words| entry::put(words, &again()))
        }
    })
}

/// Writes one entry of `length` words with `fill`; false if there was no room within the budget.
#[inline(always)]
pub(super) fn write_with(
    chunks: &'static Chunks,
    length: usize,
    urgency: Urgency,
    fill: impl Fn(&[AtomicU64]) + Copy,
) -> bool {
    PLACE.with(|place| match place.room(chunks, length) {
        Some(room) => {
            fill(room.words());
            place.publish(room);
            true
        }
        None => {
            let again = fill;
            write_elsewhere(chunks, length, urgency, &again)
        }
    })
}

/// Most values that a span says of itself in words.
pub(crate) const MOST_SAID: usize = 16;

/// Where the values of a span stand that is being started.
pub(crate) type Said = &'static [[AtomicU64; entry::SAID_VALUE_WORDS]; MOST_SAID];

/// What the chunk at hand takes, if it has room: the short way, which leaves everything else to the long one. Nothing here makes a call, so
/// that whoever is built of it keeps nothing on the stack.
impl Chunks {
    /// Writes the start of a span; `None` if there is no room at hand, or nothing was drawn.
    #[inline(always)]
    pub(crate) fn begin_at_hand(
        &'static self,
        head: u64,
        parent: SpanId,
        trace: impl FnOnce() -> TraceId,
        draw: impl FnOnce() -> Option<(SpanId, u64)>,
    ) -> Option<SpanId> {
        let room = PLACE.with(|place| place.room(self, entry::BEGIN_WORDS))?;
        let (span, start_unix_ns) = draw()?;
        entry::put(room.words(), &entry::begin(head, span, Some(parent), trace(), start_unix_ns));
        PLACE.with(|place| place.publish(room));
        Some(span)
    }

    /// As [`begin_at_hand`](Self::begin_at_hand), for a span that says so many values of itself. Nothing is published before
    /// [`say_at_hand`](Self::say_at_hand) is given them, which is to be next.
    #[inline(always)]
    pub(crate) fn begin_saying_at_hand(
        &'static self,
        head: u64,
        parent: SpanId,
        trace: impl FnOnce() -> TraceId,
        draw: impl FnOnce() -> Option<(SpanId, u64)>,
        values: usize,
    ) -> Option<(SpanId, Said)> {
        let room = PLACE.with(|place| place.room(self, entry::BEGIN_WORDS + entry::SAID_VALUE_WORDS * MOST_SAID))?;
        let (begin, words) = room.words().split_first_chunk::<{ entry::BEGIN_WORDS }>()?;
        let words = words.as_chunks().0.first_chunk()?;
        let (span, start_unix_ns) = draw()?;
        entry::put(begin, &entry::begin(entry::head_saying(head, values), span, Some(parent), trace(), start_unix_ns));
        Some((span, words))
    }

    /// Writes the values, and publishes the start of the span with them.
    #[inline(always)]
    pub(crate) fn say_at_hand(said: Said, values: &[[u64; entry::SAID_VALUE_WORDS]]) {
        for (words, value) in said.iter().zip(values) {
            entry::put(words, value);
        }
        PLACE.with(|place| place.publish_more(entry::BEGIN_WORDS + entry::SAID_VALUE_WORDS * values.len()));
    }

    /// Writes the end of a span that went well; false if there is no room at hand, or no time.
    #[inline(always)]
    pub(crate) fn end_at_hand(&'static self, span: SpanId, end_unix_ns: impl FnOnce() -> Option<u64>) -> bool {
        let Some(room) = PLACE.with(|place| place.room(self, entry::END_WORDS)) else { return false };
        let Some(end_unix_ns) = end_unix_ns() else { return false };
        entry::put(room.words(), &entry::end(span, end_unix_ns, Ending::Ok, false));
        PLACE.with(|place| place.publish(room));
        true
    }
}

#[cold]
#[inline(never)]
fn write_elsewhere(chunks: &'static Chunks, length: usize, urgency: Urgency, fill: &dyn Fn(&[AtomicU64])) -> bool {
    // The span was started before a fork, and is ended by the process that started it.
    if chunks.are_disowned() {
        return true;
    }
    if length > chunks.small.capacity() {
        return chunks.long.iter().any(|table| write_alone(chunks, table, length, urgency, fill));
    }
    // A thread whose locals are gone can still end its spans.
    if SEALER.try_with(|_| ()).is_err() {
        return write_alone(chunks, &chunks.small, length, urgency, fill);
    }
    PLACE.with(|place| {
        let room = if place.renew(chunks, urgency) { place.room(chunks, length) } else { None };
        room.inspect(|room| {
            fill(room.words());
            place.publish(*room);
        })
        .is_some()
    })
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

/// In the only thread of a process that was just forked: its parent goes on writing to the chunk at hand.
pub(super) fn start_over() {
    let _ = PLACE.try_with(Place::forget);
}
