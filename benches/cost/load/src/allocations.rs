//! Counting what the producing threads allocate.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

static IS_ON: AtomicBool = AtomicBool::new(false);
static CALLS: AtomicU64 = AtomicU64::new(0);
static BYTES: AtomicU64 = AtomicU64::new(0);

thread_local! {
    static IS_PRODUCER: Cell<bool> = const { Cell::new(false) };
}

/// The system's allocator. While nothing is counted it costs one relaxed load more than that.
#[derive(Debug)]
pub struct Counting;

#[inline]
fn count(bytes: usize) {
    if IS_ON.load(Ordering::Relaxed) && IS_PRODUCER.try_with(Cell::get).unwrap_or(false) {
        CALLS.fetch_add(1, Ordering::Relaxed);
        BYTES.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

// SAFETY: every call is the system allocator's own; counting touches atomics and a thread local without a destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size);
        unsafe { System.realloc(place, layout, size) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        unsafe { System.dealloc(place, layout) }
    }
}

/// What this thread allocates is the spans' cost.
pub(crate) fn this_thread_produces() {
    IS_PRODUCER.with(|producer| producer.set(true));
}

/// Counts from now on.
pub(crate) fn start() {
    CALLS.store(0, Ordering::Relaxed);
    BYTES.store(0, Ordering::Relaxed);
    IS_ON.store(true, Ordering::Relaxed);
}

/// Counts no more. Returns calls and bytes.
pub(crate) fn stop() -> (u64, u64) {
    IS_ON.store(false, Ordering::Relaxed);
    (CALLS.load(Ordering::Relaxed), BYTES.load(Ordering::Relaxed))
}

/// Does `work` on this thread. Returns calls and bytes it took of the allocator.
pub fn counted(work: impl FnOnce()) -> (u64, u64) {
    this_thread_produces();
    start();
    work();
    stop()
}
