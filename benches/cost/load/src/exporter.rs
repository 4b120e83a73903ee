//! An exporter that counts, and can stand still.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

static DELIVERED: AtomicU64 = AtomicU64::new(0);
static STANDS_STILL: AtomicBool = AtomicBool::new(false);

/// Takes so many spans; waits while exporting stands still.
pub fn deliver(spans: usize) {
    while STANDS_STILL.load(Ordering::Relaxed) {
        thread::sleep(Duration::from_millis(2));
    }
    DELIVERED.fetch_add(spans as u64, Ordering::Relaxed);
}

/// Spans taken so far.
pub fn delivered() -> u64 {
    DELIVERED.load(Ordering::Relaxed)
}

pub(crate) fn stand_still(yes: bool) {
    STANDS_STILL.store(yes, Ordering::Relaxed);
}
