//! Roots that stay open: which of them are old enough to be written while they run.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::clock::now_unix_ns;
use crate::id::SpanId;

/// How often roots that have become old enough are looked for.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);

/// Roots by their age. Costs nothing for one that ends soon but a place in a list meanwhile.
#[derive(Debug)]
pub(super) struct Roots {
    after_ns: u64,
    next_look: Instant,
    /// Not old enough at the last look, with their start, in the order in which they were read.
    young: VecDeque<(SpanId, u64)>,
    /// Old enough, and open when they were last looked at.
    old: Vec<SpanId>,
}

impl Roots {
    /// Roots that are to be written when they have been open for `after`.
    pub(super) fn after(after: Duration) -> Self {
        Self {
            after_ns: u64::try_from(after.as_nanos()).unwrap_or(u64::MAX),
            next_look: Instant::now(),
            young: VecDeque::new(),
            old: Vec::new(),
        }
    }

    /// A root has begun.
    pub(super) fn begin(&mut self, root: SpanId, start_unix_ns: u64) {
        self.young.push_back((root, start_unix_ns));
    }

    /// Shows those that are old enough to `look`, if it is time, and forgets the ones of which it says that they have ended.
    pub(super) fn look(&mut self, look: impl FnMut(&SpanId) -> bool) {
        let now = Instant::now();
        if now < self.next_look {
            return;
        }
        self.next_look = now + LOOK_INTERVAL;
        let begun_before = now_unix_ns().saturating_sub(self.after_ns);
        while let Some((root, _)) = self.young.front().filter(|(_, start_unix_ns)| *start_unix_ns <= begun_before) {
            self.old.push(*root);
            self.young.pop_front();
        }
        self.old.retain(look);
    }
}
