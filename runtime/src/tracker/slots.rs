//! What is measured once an execution: the first value holds, whoever is second learns it.
//!
//! One compare-and-exchange decides; nobody waits and nothing is allocated. A value of one word is there as soon as its slot is taken;
//! the three counts of tokens are there once all of them are, and until then a reader sees none.

use super::sync::{AtomicU32, AtomicU64, Ordering};

/// No value. What is recorded is less.
const UNSET: u64 = u64::MAX;

/// Tokens: not recorded, being recorded, recorded.
const NONE: u32 = 0;
const WRITING: u32 = 1;
const WRITTEN: u32 = 2;

/// Which slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slot {
    Duration,
    TimeToFirstToken,
    /// 1 for success, 0 for an error.
    Outcome,
    /// 1 for positive, 0 for negative.
    Feedback,
}

#[derive(Debug)]
pub(super) struct Slots {
    single: [AtomicU64; 4],
    tokens: [AtomicU64; 3],
    tokens_state: AtomicU32,
    /// What has been warned of, a bit each.
    warned: AtomicU32,
}

impl Slots {
    pub(super) fn new() -> Self {
        Self {
            single: [const { UNSET }; 4].map(AtomicU64::new),
            tokens: [0; 3].map(AtomicU64::new),
            tokens_state: AtomicU32::new(NONE),
            warned: AtomicU32::new(0),
        }
    }

    /// Whether this is the first value, which stays.
    #[inline]
    pub(super) fn record(&self, slot: Slot, value: u64) -> bool {
        let value = value.min(UNSET - 1);
        self.single[slot as usize].compare_exchange(UNSET, value, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    pub(super) fn get(&self, slot: Slot) -> Option<u64> {
        Some(self.single[slot as usize].load(Ordering::Acquire)).filter(|value| *value != UNSET)
    }

    /// Whether these are the first counts, which stay.
    #[inline]
    pub(super) fn record_tokens(&self, counts: [u64; 3]) -> bool {
        if self.tokens_state.compare_exchange(NONE, WRITING, Ordering::Relaxed, Ordering::Relaxed).is_err() {
            return false;
        }
        for (place, count) in self.tokens.iter().zip(counts) {
            place.store(count, Ordering::Relaxed);
        }
        self.tokens_state.store(WRITTEN, Ordering::Release);
        true
    }

    pub(super) fn tokens(&self) -> Option<[u64; 3]> {
        (self.tokens_state.load(Ordering::Acquire) == WRITTEN)
            .then(|| [0, 1, 2].map(|place: usize| self.tokens[place].load(Ordering::Relaxed)))
    }

    /// True for the first who is to warn of this.
    pub(super) fn may_warn(&self, bit: u32) -> bool {
        self.warned.fetch_or(1 << bit, Ordering::Relaxed) & (1 << bit) == 0
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use loom::sync::Arc;
    use loom::thread;

    use super::*;

    #[test]
    fn loom_of_two_values_the_first_holds_and_exactly_one_is_told_so() {
        loom::model(|| {
            let slots = Arc::new(Slots::new());
            let other = slots.clone();
            let success = thread::spawn(move || other.record(Slot::Outcome, 1));
            let is_error = slots.record(Slot::Outcome, 0);
            let is_success = success.join().expect("no panic");
            assert!(is_error ^ is_success);
            assert_eq!(slots.get(Slot::Outcome), Some(u64::from(is_success)));
            assert!(!slots.record(Slot::Outcome, 0));
        });
    }

    #[test]
    fn loom_tokens_are_seen_whole_or_not_at_all() {
        loom::model(|| {
            let slots = Arc::new(Slots::new());
            let (one, two) = (slots.clone(), slots.clone());
            let writers = [
                thread::spawn(move || one.record_tokens([3, 1, 2])),
                thread::spawn(move || two.record_tokens([0, 0, 0])),
            ];
            assert!(matches!(slots.tokens(), None | Some([3, 1, 2] | [0, 0, 0])));
            let recorded = writers.map(|writer| writer.join().expect("no panic"));
            assert!(recorded[0] ^ recorded[1]);
            assert_eq!(slots.tokens(), Some(if recorded[0] { [3, 1, 2] } else { [0, 0, 0] }));
        });
    }

    #[test]
    fn loom_one_of_two_warns() {
        loom::model(|| {
            let slots = Arc::new(Slots::new());
            let other = slots.clone();
            let warned = thread::spawn(move || other.may_warn(3));
            let here = slots.may_warn(3);
            assert!(here ^ warned.join().expect("no panic"));
            assert!(slots.may_warn(4));
        });
    }
}
