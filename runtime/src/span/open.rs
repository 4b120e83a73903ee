//! What every handle can say, whatever its span is declared as.

use serde::Serialize;

use crate::capture::{self, Value};
use crate::chunk::NoteKind;
use crate::context;
use crate::id::{SpanId, TraceId};
use crate::recorder::Recorder;
use crate::tape::Tape;

use super::{MAX_TEXT_CHARS, Span, write_note_with};

/// A span of which more can be said: events, tags of its trace, figures of its run. Reached through [`Handle`](crate::Handle) and
/// through the items of [`spans!`](macro@crate::spans), which add attributes.
///
/// What is said after the span has ended is left out and counted, unless the span has not been collected yet.
#[derive(Clone, Copy, Debug)]
pub struct OpenSpan {
    pub(super) recorder: Option<&'static Recorder>,
    pub(super) trace: TraceId,
    pub(super) span: SpanId,
}

/// The current span; one that takes everything and keeps nothing outside of any.
pub(super) fn current() -> OpenSpan {
    let current = context::current();
    let recorder = current.open().map(|(recorder, ..)| recorder);
    OpenSpan { recorder, trace: current.trace, span: current.span }
}

impl Span {
    /// The handle of this span, whether it is the current one or not.
    pub(crate) fn opened(&self) -> OpenSpan {
        OpenSpan { recorder: self.recorder(), trace: self.trace, span: self.id }
    }
}

/// Sets an attribute of a declared span.
pub fn attribute(span: OpenSpan, key: &str, value: &dyn Value) {
    span.write(NoteKind::Attribute, key, |out, policy| capture::named(out, key, value, policy));
}

impl OpenSpan {
    /// Adds an event. Where content is kept out there is none: what it is named may be content too.
    pub fn event(self, name: &str) {
        self.write_event(name, |out, policy| capture::named(out, "", &(), policy));
    }

    /// Adds an event with attributes: anything that serialises as a map or struct.
    pub fn event_with(self, name: &str, attributes: impl Serialize) {
        self.write_event(name, |out, policy| capture::named(out, "", &attributes, policy));
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

    fn write_event(self, name: &str, fill: impl FnOnce(&mut Tape, &capture::Policy)) {
        if self.recorder.is_some_and(|recorder| !recorder.policy().discreet) {
            self.write(NoteKind::Event, name, fill);
        }
    }

    fn write_text(self, kind: NoteKind, key: &str, value: &dyn std::fmt::Display) {
        self.write(kind, key, |out, policy| capture::named_display(out, key, value, MAX_TEXT_CHARS, policy));
    }

    pub(super) fn write(self, kind: NoteKind, key: &str, fill: impl FnOnce(&mut Tape, &capture::Policy)) {
        if let Some(recorder) = self.recorder {
            write_note_with(self.recorder, self.span, kind, key, |out| fill(out, recorder.policy()));
        }
    }
}
