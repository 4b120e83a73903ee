//! Slots of equal size and the life of the memory in them.
//!
//! ```text
//!            stock (collector)             take (writer)            seal (writer)
//!  EMPTY ───────────────────────► READY ───────────────► TAKEN ───────────────────► SEALED
//!    └── take, none is ready: heap memory, FILLING ────────┘                          │
//!                                  ▲                        recycle (collector)       │
//!                                  └──────────────────────────────────────────────────┘
//! ```
//!
//! A slot keeps its memory for good, so that a reader never meets memory that is gone.
//!
//! Where memory is made ahead of need, heap memory is only for the case that a writer is faster than who makes it. It has slots of
//! its own then, so that a thread never takes it while there is better.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize};

use super::memory::{HEADER_WORDS, Memory};
use super::sync::{AtomicU32, Ordering};

const EMPTY: u32 = 0;
const FILLING: u32 = 1;
const READY: u32 = 2;
const TAKEN: u32 = 3;
const SEALED: u32 = 4;

/// Who makes or reads chunks is woken by so many that were taken, and by fewer where there are few.
const WOKEN_EACH: usize = 8;

#[derive(Debug)]
pub(super) struct Slot {
    state: AtomicU32,
    memory: OnceLock<Memory>,
}

impl Slot {
    /// The memory of a slot that is not empty.
    #[inline]
    pub(super) fn memory(&self) -> Option<&Memory> {
        self.memory.get()
    }

    /// The writer is done: everything it wrote is published.
    pub(super) fn seal(&self) {
        self.state.store(SEALED, Ordering::Release);
    }

    /// Whether there may be entries to read, and whether the writer is done.
    pub(super) fn phase(&self) -> Phase {
        match self.state.load(Ordering::Acquire) {
            TAKEN => Phase::Written,
            SEALED => Phase::Sealed,
            _ => Phase::Idle,
        }
    }

    /// Makes a sealed slot ready again; everything in it has been read and kept.
    pub(super) fn recycle(&self) {
        if let Some(memory) = self.memory() {
            memory.reset();
            self.state.store(READY, Ordering::Release);
        }
    }

    fn is_in(&self, state: u32) -> bool {
        self.state.load(Ordering::Relaxed) == state
    }

    /// Moves on from one state to another; looking first keeps a search over many slots from writing to each.
    fn claim(&self, from: u32, to: u32) -> bool {
        self.is_in(from) && self.state.compare_exchange(from, to, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Idle,
    Written,
    Sealed,
}

/// Whether a slot held back for closing what is open may be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Urgency {
    /// A new span or a note, which may be dropped.
    Droppable,
    /// The end of a span, which must not be.
    Closing,
}

#[derive(Debug)]
pub(super) struct Table {
    slots: Box<[Slot]>,
    /// Of heap memory, once the others are made ahead of need: for when none of those is ready.
    spare: Box<[Slot]>,
    /// So many slots of either kind have memory, or are before one that has: what is behind them need not be looked at.
    reached: [AtomicUsize; 2],
    is_stocked: AtomicBool,
    /// How many chunks are to be ready.
    wanted: AtomicUsize,
    taken: AtomicUsize,
    words: usize,
}

impl Table {
    /// Slots for so many chunks of so many words, and `spare` ones for when none of them is ready.
    pub(super) fn new(slots: usize, spare: usize, words: usize) -> Self {
        let empty =
            |count| (0..count).map(|_| Slot { state: AtomicU32::new(EMPTY), memory: OnceLock::new() }).collect();
        let (slots, spare) = (empty(slots), empty(spare));
        Self {
            slots,
            spare,
            reached: [const { AtomicUsize::new(0) }; 2],
            is_stocked: AtomicBool::new(false),
            wanted: AtomicUsize::new(0),
            taken: AtomicUsize::new(0),
            words,
        }
    }

    /// Words for entries in one chunk.
    pub(super) fn capacity(&self) -> usize {
        self.words - HEADER_WORDS
    }

    pub(super) fn words(&self) -> usize {
        self.words
    }

    /// All slots, in an order that never changes.
    pub(super) fn slots(&self) -> impl Iterator<Item = &Slot> {
        self.slots.iter().chain(&self.spare)
    }

    /// Those of them that have memory, and others, with their places in that order.
    pub(super) fn reached(&self) -> impl Iterator<Item = (usize, &Slot)> {
        let [slots, spare] = self.reached.each_ref().map(|reached| reached.load(Ordering::Acquire));
        let spare = self.spare.iter().take(spare).enumerate();
        self.slots.iter().take(slots).enumerate().chain(spare.map(|(place, slot)| (self.slots.len() + place, slot)))
    }

    /// How many slots there are.
    pub(super) fn len(&self) -> usize {
        self.slots.len() + self.spare.len()
    }

    /// From now on chunks are made ahead of need, and so many are to be ready.
    pub(super) fn set_stocked(&self, wanted: usize) {
        self.wanted.store(wanted, Ordering::Relaxed);
        self.is_stocked.store(true, Ordering::Relaxed);
    }

    /// Whether chunks are made ahead of need.
    pub(super) fn is_stocked(&self) -> bool {
        self.is_stocked.load(Ordering::Relaxed)
    }

    /// How many chunks are to be made until as many are ready as are wanted; none for less than a quarter of those, as a file of few
    /// chunks costs hardly less than one of many.
    pub(super) fn lacking(&self) -> usize {
        let wanted = self.wanted();
        let lacking = wanted.saturating_sub(self.count(READY));
        if lacking >= wanted / 4 { lacking.min(self.count(EMPTY)) } else { 0 }
    }

    /// How many chunks are to be ready.
    pub(super) fn wanted(&self) -> usize {
        self.wanted.load(Ordering::Relaxed)
    }

    /// How many have been taken so far.
    pub(super) fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }

    /// Whether it is time to wake who makes or reads chunks. Not for each that is taken: where all processors are busy, a thread that wakes
    /// takes the processor of the one that wakes it, which then stands still for some milliseconds.
    pub(super) fn is_due(&self) -> bool {
        let few = if self.is_stocked() { self.wanted() / 12 } else { self.slots.len() / 64 };
        self.taken().is_multiple_of(few.clamp(1, WOKEN_EACH))
    }

    /// From now on twice as many chunks are to be ready.
    pub(super) fn want_more(&self) {
        self.wanted.store((2 * self.wanted()).clamp(1, self.slots.len().max(1)), Ordering::Relaxed);
    }

    fn count(&self, state: u32) -> usize {
        self.slots.iter().filter(|slot| slot.is_in(state)).count()
    }

    /// Takes a ready slot, else an empty one with fresh heap memory. `None` if the budget is used up: an eighth of the slots
    /// is kept for `Closing`.
    pub(super) fn take(&self, urgency: Urgency) -> Option<Taken<'_>> {
        self.taken.fetch_add(1, Ordering::Relaxed);
        if !self.is_stocked() {
            let slots = within(&self.slots, urgency);
            return take_ready(slots, false).or_else(|| self.fill(slots, &self.reached[0]));
        }
        let (slots, spare) = (within(&self.slots, urgency), within(&self.spare, urgency));
        if let Some(taken) = take_ready(slots, false) {
            return Some(taken);
        }
        // With the whole budget in use there is no hope of better memory, and more of the worse would only hide the loss.
        let may_be_made = slots.iter().any(|slot| slot.is_in(EMPTY));
        may_be_made.then(|| take_ready(spare, true).or_else(|| self.fill(spare, &self.reached[1]))).flatten()
    }

    fn fill<'t>(&self, slots: &'t [Slot], reached: &AtomicUsize) -> Option<Taken<'t>> {
        let slot = claim_empty(slots, reached)?;
        slot.memory.get_or_init(|| Memory::heap(self.words));
        slot.state.store(TAKEN, Ordering::Release);
        Some(Taken { slot, from_heap: true })
    }

    /// Puts memory made ahead of need into an empty slot; gives it back if there is none.
    pub(super) fn stock(&self, memory: Memory) -> Result<(), Memory> {
        let Some(slot) = claim_empty(&self.slots, &self.reached[0]) else { return Err(memory) };
        slot.memory.get_or_init(|| memory);
        slot.state.store(READY, Ordering::Release);
        Ok(())
    }
}

/// Claims an empty slot. That it is reached is said before anything stands in it, so that whoever has read what was written after something in it
/// looks there too.
fn claim_empty<'t>(slots: &'t [Slot], reached: &AtomicUsize) -> Option<&'t Slot> {
    let (place, slot) = slots.iter().enumerate().find(|(_, slot)| slot.claim(EMPTY, FILLING))?;
    reached.fetch_max(place + 1, Ordering::AcqRel);
    Some(slot)
}

fn within(slots: &[Slot], urgency: Urgency) -> &[Slot] {
    match urgency {
        Urgency::Droppable => &slots[..slots.len() - slots.len() / 8],
        Urgency::Closing => slots,
    }
}

fn take_ready(slots: &[Slot], from_heap: bool) -> Option<Taken<'_>> {
    slots.iter().find(|slot| slot.claim(READY, TAKEN)).map(|slot| Taken { slot, from_heap })
}

pub(super) struct Taken<'t> {
    pub(super) slot: &'t Slot,
    /// No slot made ahead of need was ready.
    pub(super) from_heap: bool,
}
