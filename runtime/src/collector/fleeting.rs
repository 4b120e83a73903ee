//! Spans that would go with the process: those that stand in heap memory only, in a program whose other spans stand in files.

use std::collections::HashSet;

use crate::chunk::Entry;
use crate::id::{SpanId, SpanIdHash};
use crate::record::Batch;

/// Spans whose start has been read from heap memory and is not with the sink yet. Empty as long as chunks in files suffice.
#[derive(Default)]
pub(super) struct Fleeting(HashSet<SpanId, SpanIdHash>);

impl Fleeting {
    /// Takes note of an entry that stands in heap memory.
    pub(super) fn note(&mut self, entry: &Entry<'_>) {
        if let Entry::Begin { span, .. } = entry {
            self.0.insert(*span);
        }
    }

    /// These are with the sink.
    pub(super) fn forget(&mut self, batch: &Batch) {
        if !self.0.is_empty() {
            for span in batch.finished.iter().chain(&batch.open) {
                self.0.remove(&span.span_id);
            }
        }
    }

    pub(super) fn count(&self) -> u64 {
        self.0.len() as u64
    }
}
