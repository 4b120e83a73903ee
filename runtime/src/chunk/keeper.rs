//! The thread that makes chunks ahead of need.
//!
//! It does nothing else: a store that is busy or a recovery that takes long must not keep threads that trace from chunks that outlive
//! the process.

use std::sync::Arc;
use std::thread::{self, Thread};

use super::{Chunks, Source};

/// Keeps chunks from `source` ready until it is removed, and passes on to `collector` that one was taken.
pub(crate) fn keep(chunks: &'static Chunks, source: Arc<dyn Source>, collector: Thread) -> std::io::Result<()> {
    let keeper = thread::Builder::new().name("spanwright-chunks".into()).spawn(move || {
        while !source.is_removed() {
            chunks.stock(&*source);
            thread::park();
            collector.unpark();
        }
    })?;
    chunks.wake_when_taken(keeper.thread().clone());
    Ok(())
}
