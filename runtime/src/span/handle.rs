//! Saying more about a span from inside its call.

use serde::Serialize;

use crate::capture;
use crate::chunk::NoteKind;
use crate::context;
use crate::id::{SpanId, TraceId};
use crate::recorder::Recorder;

use super::{MAX_TEXT_CHARS, write_note_with};

/// The span of an annotated call, as `handle = name` binds it: copied freely, sent to threads, used after an await.
///
/// What is said after the span has ended is counted and left out.
///
/// ```
/// use spanwright::node;
///
/// #[node(handle = span)]
/// fn collect(rows: &[u32]) -> usize {
///     span.set("rows", rows.len());
///     span.event("collected");
///     rows.len()
/// }
/// # collect(&[1, 2]);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Handle {
    recorder: Option<&'static Recorder>,
    trace: TraceId,
    span: SpanId,
}

/// The handle of the current span; one that takes everything and keeps nothing outside of any.
pub fn handle() -> Handle {
    let current = context::current();
    let recorder = current.open().map(|(recorder, ..)| recorder);
    Handle { recorder, trace: current.trace, span: current.span }
}

impl Handle {
    /// Sets an attribute; a later value replaces an earlier one.
    pub fn set(self, key: &str, value: impl Serialize) {
        self.write(NoteKind::Attribute, key, |out, policy| capture::named(out, key, &value, policy));
    }

    /// Adds an event.
    pub fn event(self, name: &str) {
        self.write(NoteKind::Event, name, |out, policy| capture::named(out, "", &(), policy));
    }

    /// Adds an event with attributes: anything that serialises as a map or struct.
    pub fn event_with(self, name: &str, attributes: impl Serialize) {
        self.write(NoteKind::Event, name, |out, policy| capture::named(out, "", &attributes, policy));
    }

    /// Sets a tag of the trace. On a span that is not the root of its trace it stays with the span.
    pub fn tag(self, key: &str, value: impl std::fmt::Display) {
        self.write_text(NoteKind::Tag, key, &value);
    }

    /// Logs a parameter of the trace's run; nothing comes of it where no run is opened.
    pub fn param(self, key: &str, value: impl std::fmt::Display) {
        self.write_text(NoteKind::RunParam, key, &value);
    }

    /// Logs a metric of the trace's run; nothing comes of it where no run is opened.
    pub fn metric(self, key: &str, value: f64) {
        self.metric_at(key, value, 0);
    }

    /// Logs a metric of the trace's run at a step.
    pub fn metric_at(self, key: &str, value: f64, step: i64) {
        self.write(NoteKind::RunMetric, key, |out, policy| capture::fact(out, &(value, step), policy));
    }

    /// Sets a tag of the trace's run.
    pub fn run_tag(self, key: &str, value: impl std::fmt::Display) {
        self.write_text(NoteKind::RunTag, key, &value);
    }

    /// The trace this span belongs to; `None` if it is not recorded.
    pub fn trace_id(self) -> Option<TraceId> {
        self.recorder.map(|_| self.trace)
    }

    /// This span; `None` if it is not recorded.
    pub fn span_id(self) -> Option<SpanId> {
        self.recorder.map(|_| self.span)
    }

    fn write_text(self, kind: NoteKind, key: &str, value: &dyn std::fmt::Display) {
        self.write(kind, key, |out, policy| capture::display(out, value, MAX_TEXT_CHARS, policy));
    }

    fn write(self, kind: NoteKind, key: &str, fill: impl FnOnce(&mut Vec<u8>, &capture::Policy)) {
        if let Some(recorder) = self.recorder {
            write_note_with(self.recorder, self.span, kind, key, |out| fill(out, recorder.policy()));
        }
    }
}
