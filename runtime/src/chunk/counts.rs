//! What the chunks could not take, counted where the count outlives the process.

use std::sync::OnceLock;

use super::memory::{HEADER_WORDS, Memory};
use super::sync::{AtomicU64, Ordering};
use crate::record::Losses;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Count {
    Spans,
    Notes,
    Ends,
    HeapChunks,
    /// Heap chunks that hold something the store does not have.
    HeapChunksNow,
}

const COUNTS: usize = 5;
/// Words of memory that holds them.
#[cfg(feature = "store")]
pub(super) const WORDS: usize = 512;

/// Counts, in mapped memory where there is some.
#[derive(Debug)]
pub(super) struct Counts {
    own: [AtomicU64; COUNTS],
    kept: OnceLock<Memory>,
}

impl Default for Counts {
    fn default() -> Self {
        Self { own: std::array::from_fn(|_| AtomicU64::new(0)), kept: OnceLock::new() }
    }
}

impl Counts {
    /// Counts on in `memory`.
    pub(super) fn keep_in(&self, memory: Memory) {
        let kept = self.kept.get_or_init(|| memory);
        for (own, kept) in self.own.iter().zip(&kept.words()[HEADER_WORDS..]) {
            kept.fetch_add(own.swap(0, Ordering::Relaxed), Ordering::Relaxed);
        }
    }

    fn place(&self, count: Count) -> &AtomicU64 {
        let at = count as usize;
        self.kept.get().map_or(&self.own[at], |memory| &memory.words()[HEADER_WORDS + at])
    }

    pub(super) fn add(&self, count: Count) {
        self.place(count).fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn take_away(&self, count: Count) {
        self.place(count).fetch_sub(1, Ordering::Relaxed);
    }

    pub(super) fn losses(&self) -> Losses {
        let read = |count| self.place(count).load(Ordering::Relaxed);
        Losses {
            spans: read(Count::Spans),
            values: read(Count::Notes),
            ends: read(Count::Ends),
            heap_chunks: read(Count::HeapChunks),
            ..Losses::default()
        }
    }
}

/// What a process that is gone had counted, from the words of its memory.
#[cfg(feature = "store")]
pub(super) fn left_behind(words: &[AtomicU64]) -> Losses {
    let read = |count: Count| words.get(HEADER_WORDS + count as usize).map_or(0, |word| word.load(Ordering::Relaxed));
    Losses {
        spans: read(Count::Spans),
        values: read(Count::Notes),
        ends: read(Count::Ends),
        heap_chunks: read(Count::HeapChunks),
        heap_chunks_lost: read(Count::HeapChunksNow),
        ..Losses::default()
    }
}
