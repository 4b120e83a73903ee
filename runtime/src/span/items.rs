//! What a stream yields, reduced to one output.

use crate::callsite::Capture as Level;
use crate::capture;
use crate::chunk::{MAX_BODY_BYTES, NoteKind};
use crate::clock::now_unix_ns;
use crate::outcome::Observed;
use crate::tape::Tape;

use super::Span;

/// Counts the items of a stream and keeps them within the limit of one captured value.
#[derive(Debug)]
pub(crate) struct Items {
    count: u64,
    started_unix_ns: u64,
    first_after_ns: Option<u64>,
    /// The tapes of the items kept, one after the other.
    kept: Tape,
    /// Later items are not kept; `…` stands for them.
    is_cut: bool,
    failed: bool,
}

impl Items {
    /// No item yet.
    pub(crate) fn of(span: &Span) -> Self {
        let started_unix_ns = if span.is_recorded() { now_unix_ns() } else { 0 };
        Self { count: 0, started_unix_ns, first_after_ns: None, kept: Tape::default(), is_cut: false, failed: false }
    }

    /// Takes one item. The first one that is a failure is the stream's.
    pub(crate) fn add<'r>(&mut self, span: &Span, observe: impl FnOnce() -> Observed<'r>) {
        let Some(recorder) = span.recorder() else { return };
        self.count += 1;
        if self.first_after_ns.is_none() {
            self.first_after_ns = Some(now_unix_ns().saturating_sub(self.started_unix_ns));
        }
        span.observed(observe, |observed| {
            if let Some(value) = observed.value {
                let (level, policy) = (span.site().output.min(recorder.policy().cap), recorder.policy());
                if level > Level::None && !self.is_cut {
                    let before = self.kept.len();
                    self.is_cut = before >= policy.limit(level);
                    if !self.is_cut {
                        capture::value(&mut self.kept, value, level, policy);
                        self.is_cut = self.kept.len() > MAX_BODY_BYTES;
                    }
                    if self.is_cut {
                        self.kept.truncate(before);
                        capture::text(&mut self.kept, "…", 1, policy);
                    }
                }
            }
            if let Some(failure) = observed.failure.as_ref().filter(|_| !observed.expected && !self.failed) {
                self.failed = true;
                span.note_failure(recorder, failure);
            }
        });
    }

    /// The stream is exhausted.
    pub(crate) fn finish(&mut self, span: &mut Span) {
        self.write(span);
        span.finish_stream(self.failed);
    }

    /// The stream is dropped; nothing happens if it was exhausted before.
    pub(crate) fn finish_dropped(&mut self, span: &mut Span) {
        if span.is_recorded() {
            self.write(span);
            span.finish_cancelled(self.count > 0);
        }
    }

    /// Writes what was counted and kept.
    pub(crate) fn write(&mut self, span: &Span) {
        if !span.is_recorded() {
            return;
        }
        if !self.kept.is_empty() {
            span.note(NoteKind::Items, "", &self.kept);
        }
        span.note_plain(NoteKind::Attribute, "stream.items", &self.count);
        if let Some(first) = self.first_after_ns {
            span.note_plain(NoteKind::Attribute, "stream.time_to_first_item_ns", &first);
        }
    }
}
