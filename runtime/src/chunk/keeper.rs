//! The thread that makes chunks ahead of need.
//!
//! It does nothing else: a store that is busy or a recovery that takes long must not keep threads that trace from chunks that outlive
//! the process.

use std::sync::Arc;
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use super::table::Table;
use super::{Chunks, Source};

/// What is ready lasts so long at the pace at which it is taken: this thread may get no processor for a while, or wait for the journal of
/// the file system.
const AHEAD: Duration = Duration::from_millis(250);
/// A pace is seen over so many chunks.
const SEEN_OVER: usize = 8;

/// Keeps chunks from `source` ready until it is removed, and passes on to `collector` that one was taken.
pub(crate) fn keep(chunks: &'static Chunks, source: Arc<dyn Source>, collector: Thread) -> std::io::Result<()> {
    let keeper = thread::Builder::new().name("spanwright-chunks".into()).spawn(move || {
        let [medium, _] = &chunks.long;
        let mut paces = [&chunks.small, medium].map(Pace::of);
        while !source.is_removed() {
            chunks.stock(&*source);
            thread::park();
            collector.unpark();
            paces.iter_mut().for_each(Pace::keep_up);
        }
    })?;
    chunks.wake_when_taken(keeper.thread().clone());
    Ok(())
}

/// How fast chunks of one size are taken.
struct Pace {
    table: &'static Table,
    since: Instant,
    taken: usize,
}

impl Pace {
    fn of(table: &'static Table) -> Self {
        Self { table, since: Instant::now(), taken: table.taken() }
    }

    /// Wants more if what is wanted does not last long enough.
    fn keep_up(&mut self) {
        let (elapsed, taken) = (self.since.elapsed(), self.table.taken().wrapping_sub(self.taken));
        let lasts = elapsed * u32::try_from(self.table.wanted()).unwrap_or(u32::MAX);
        if taken >= SEEN_OVER && lasts < AHEAD * u32::try_from(taken).unwrap_or(u32::MAX) {
            self.table.want_more();
        }
        if taken >= SEEN_OVER || elapsed > AHEAD {
            *self = Self::of(self.table);
        }
    }
}
