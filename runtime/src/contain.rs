//! Keeping a panic of foreign code away from the program.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs `work`, which may be anybody's code; `None` if it panics.
pub(crate) fn contained<R>(work: impl FnOnce() -> R) -> Option<R> {
    catch_unwind(AssertUnwindSafe(work)).map_err(discard).ok()
}

/// Drops what was thrown, which may throw again when it is dropped.
#[cold]
pub(crate) fn discard(payload: Box<dyn std::any::Any + Send>) {
    if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        std::mem::forget(again);
    }
}

/// What a panic says: its message, if it is a text.
pub(crate) fn message(payload: &(dyn std::any::Any + Send)) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("panicked")
}
