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

use std::sync::OnceLock;

use super::memory::{HEADER_WORDS, Memory};
use super::sync::{AtomicU32, Ordering};

const EMPTY: u32 = 0;
const FILLING: u32 = 1;
const READY: u32 = 2;
const TAKEN: u32 = 3;
const SEALED: u32 = 4;

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

    /// Moves on from one state to another; looking first keeps a search over many slots from writing to each.
    fn claim(&self, from: u32, to: u32) -> bool {
        self.state.load(Ordering::Relaxed) == from
            && self.state.compare_exchange(from, to, Ordering::Acquire, Ordering::Relaxed).is_ok()
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
    words: usize,
}

impl Table {
    pub(super) fn new(slots: usize, words: usize) -> Self {
        let slots = (0..slots).map(|_| Slot { state: AtomicU32::new(EMPTY), memory: OnceLock::new() }).collect();
        Self { slots, words }
    }

    /// Words for entries in one chunk.
    pub(super) fn capacity(&self) -> usize {
        self.words - HEADER_WORDS
    }

    pub(super) fn words(&self) -> usize {
        self.words
    }

    pub(super) fn slots(&self) -> &[Slot] {
        &self.slots
    }

    /// Takes a ready slot, else an empty one with fresh heap memory. `None` if the budget is used up: an eighth of the slots
    /// is kept for `Closing`.
    pub(super) fn take(&self, urgency: Urgency) -> Option<Taken<'_>> {
        let reach = match urgency {
            Urgency::Droppable => self.slots.len() - self.slots.len() / 8,
            Urgency::Closing => self.slots.len(),
        };
        let slots = &self.slots[..reach];
        if let Some(slot) = slots.iter().find(|slot| slot.claim(READY, TAKEN)) {
            return Some(Taken { slot, from_heap: false });
        }
        let slot = slots.iter().find(|slot| slot.claim(EMPTY, FILLING))?;
        slot.memory.get_or_init(|| Memory::heap(self.words));
        slot.state.store(TAKEN, Ordering::Release);
        Some(Taken { slot, from_heap: true })
    }

    /// Slots ready to be taken.
    pub(super) fn ready(&self) -> usize {
        self.slots.iter().filter(|slot| slot.state.load(Ordering::Relaxed) == READY).count()
    }

    /// Puts memory made ahead of need into an empty slot; false if there is none.
    pub(super) fn stock(&self, make: impl FnOnce() -> Option<Memory>) -> bool {
        let Some(slot) = self.slots.iter().find(|slot| slot.claim(EMPTY, FILLING)) else { return false };
        match make() {
            Some(memory) => {
                slot.memory.get_or_init(|| memory);
                slot.state.store(READY, Ordering::Release);
                true
            }
            None => {
                slot.state.store(EMPTY, Ordering::Release);
                false
            }
        }
    }
}

pub(super) struct Taken<'t> {
    pub(super) slot: &'t Slot,
    /// No slot was ready: the caller made heap memory.
    pub(super) from_heap: bool,
}
