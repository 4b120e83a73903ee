//! Roots that are open, known by the ids of their spans: a set that nobody waits for.

use std::sync::atomic::{AtomicU64, Ordering};

const PLACES: usize = 4096;
/// Places in which an id may stand.
const REACH: usize = 64;

/// A set of ids other than 0. Where it is too full for one, that one is left out.
#[derive(Debug)]
pub(super) struct Roots(Box<[AtomicU64]>);

impl Default for Roots {
    fn default() -> Self {
        Self((0..PLACES).map(|_| AtomicU64::new(0)).collect())
    }
}

impl Roots {
    fn places(&self, id: u64) -> impl Iterator<Item = &AtomicU64> {
        // Ids are random in their low bits.
        let first = id as usize % PLACES;
        self.0.iter().cycle().skip(first).take(REACH)
    }

    pub(super) fn add(&self, id: u64) {
        let is_free = |place: &&AtomicU64| place.compare_exchange(0, id, Ordering::AcqRel, Ordering::Relaxed).is_ok();
        let _ = self.places(id).find(is_free);
    }

    /// Whether it was there; it is no longer.
    pub(super) fn take(&self, id: u64) -> bool {
        let held = |place: &AtomicU64| {
            place.load(Ordering::Relaxed) == id
                && place.compare_exchange(id, 0, Ordering::AcqRel, Ordering::Relaxed).is_ok()
        };
        self.places(id).any(held)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_added_is_taken_once_and_nothing_else_is_there() {
        let roots = Roots::default();
        let ids: Vec<u64> = (1..2000u64).map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15)).collect();
        ids.iter().for_each(|id| roots.add(*id));
        assert!(!roots.take(12345));
        assert!(ids.iter().all(|id| roots.take(*id)));
        assert!(!ids.iter().any(|id| roots.take(*id)));
        let crowded = 7;
        (0..2 * REACH as u64).for_each(|n| roots.add(crowded + n * PLACES as u64));
        assert_eq!((0..2 * REACH as u64).filter(|n| roots.take(crowded + n * PLACES as u64)).count(), REACH);
    }
}
