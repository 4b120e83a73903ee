//! What an attribute's arguments say of a call, written when the call starts.

use std::borrow::Borrow;
use std::cell::Cell;
use std::fmt;

use crate::callsite::Capture as Level;
use crate::capture::{self, Text, Value};
use crate::chunk::NoteKind;
use crate::execution::budget::{self, Word};
use crate::execution::{self, AgentConfig};
use crate::tape::Tape;

use super::{MAX_TEXT_CHARS, Span, put_note, scratch};

/// Takes the dynamic facts of one call. Every method borrows the user's expression, so that nothing is moved.
pub struct Facts<'s> {
    span: &'s Span,
    /// Attributes that have not been handed over: all of a call are one note.
    attributes: Cell<Option<Box<Tape>>>,
}

/// Bytes of attributes from which on they are handed over: with the longest value after them, they still fit into one note.
pub(super) const MANY_BYTES: usize = 2048;

impl Span {
    /// Writes a text that names or routes, and is no content.
    pub(crate) fn label(&self, kind: NoteKind, key: &str, text: &str) {
        if let Some(recorder) = self.recorder() {
            self.note_with(kind, key, |out| capture::label(out, key, text, MAX_TEXT_CHARS, recorder.policy()));
        }
    }
}

impl<'s> Facts<'s> {
    #[inline]
    pub(super) fn of(span: &'s Span) -> Self {
        Self { span, attributes: Cell::new(None) }
    }

    pub(super) fn span(&self) -> &'s Span {
        self.span
    }

    /// Hands over the attributes that have been kept until now.
    #[inline(never)]
    pub(super) fn finish(&self) {
        if let (Some(tape), Some(recorder)) = (self.attributes.take(), self.span.recorder()) {
            put_note(recorder, self.span.id, NoteKind::Attributes, 0, tape);
        }
    }

    fn text(&self, kind: NoteKind, key: &str, value: &(impl Text + ?Sized)) {
        if let (Some(recorder), Some(text)) = (self.span.recorder(), value.text()) {
            let policy = recorder.policy();
            self.span.note_with(kind, key, |out| capture::named_text(out, key, &text, MAX_TEXT_CHARS, policy));
        }
    }

    /// A text that names or routes, and is no content.
    fn label(&self, kind: NoteKind, key: &str, value: &(impl Text + ?Sized)) {
        if let (true, Some(text)) = (self.span.is_recorded(), value.text()) {
            // Of two attributes of one name the later one holds.
            if kind == NoteKind::Attribute {
                self.finish();
            }
            self.span.label(kind, key, &text);
        }
    }

    fn value(&self, kind: NoteKind, key: &'static str, value: &dyn Value) {
        if let Some(recorder) = self.span.recorder() {
            self.span.note_with(kind, key, |out| capture::named_static(out, key, value, recorder.policy()));
        }
    }

    /// A tag of the trace.
    pub fn tag(&self, key: &str, value: &(impl Text + ?Sized)) {
        self.text(NoteKind::Tag, key, value);
    }

    /// The session of the trace.
    pub fn session(&self, value: &(impl Text + ?Sized)) {
        self.label(NoteKind::Session, "", value);
    }

    /// The user of the trace.
    pub fn user(&self, value: &(impl Text + ?Sized)) {
        self.label(NoteKind::User, "", value);
    }

    /// The experiment of the trace, by name or id.
    pub fn experiment(&self, value: &(impl Text + ?Sized)) {
        self.label(NoteKind::Experiment, "", value);
    }

    /// Opens a run for the trace, named as its root.
    pub fn run(&self) {
        self.label(NoteKind::OpenRun, "", "");
    }

    /// Opens a run of this name for the trace.
    pub fn run_named(&self, name: &(impl Text + ?Sized)) {
        self.label(NoteKind::OpenRun, "", name);
    }

    /// A parameter of the run.
    pub fn param(&self, key: &str, value: &(impl Text + ?Sized)) {
        self.text(NoteKind::RunParam, key, value);
    }

    /// What the execution runs as.
    pub fn config(&self, config: &impl Borrow<AgentConfig>) {
        execution::configure(self.span.trace, self.span.id, config.borrow());
    }

    /// What the execution may cost, in US dollars.
    pub fn budget_usd(&self, value: &(impl Into<f64> + Copy)) {
        execution::limit(self.span.trace, self.span.id, |budget| budget.limit_usd((*value).into()));
    }

    /// How many tokens the execution may use.
    pub fn budget_tokens(&self, value: &(impl TryInto<u64> + Copy)) {
        // Less than none is no limit.
        let tokens = (*value).try_into().unwrap_or(0);
        execution::limit(self.span.trace, self.span.id, |budget| budget.limit_tokens(tokens));
    }

    /// What set a scheduled job off.
    pub fn trigger(&self, value: &(impl Text + ?Sized)) {
        self.label(NoteKind::Tag, "trigger", value);
    }

    /// The schedule of a scheduled job.
    pub fn schedule(&self, value: &(impl Text + ?Sized)) {
        self.label(NoteKind::Tag, "schedule_id", value);
    }

    /// Who delegates.
    pub fn from(&self, value: &(impl Text + ?Sized)) {
        self.label(NoteKind::Attribute, "from", value);
    }

    /// To whom is delegated.
    pub fn to(&self, value: &(impl Text + ?Sized)) {
        self.label(NoteKind::Attribute, "to", value);
    }

    /// The policy a sandbox runs under.
    pub fn policy(&self, value: &(impl Text + ?Sized)) {
        self.label(NoteKind::Attribute, "sandbox.policy", value);
    }

    /// The model that is called.
    pub fn model(&self, value: &(impl Text + ?Sized)) {
        self.label(NoteKind::Model, "model", value);
        self.ask_budget(value, |text| Word::Model(text));
    }

    /// The provider that is called.
    pub fn provider(&self, value: &(impl Text + ?Sized)) {
        self.label(NoteKind::Model, "provider", value);
        self.ask_budget(value, |text| Word::Provider(text));
    }

    fn ask_budget(&self, value: &(impl Text + ?Sized), word: fn(&str) -> Word<'_>) {
        if budget::in_use()
            && let Some(text) = value.text()
        {
            self.span.ask_budget(word(&text));
        }
    }

    /// Definitions of the tools the model is offered.
    pub fn tools(&self, value: &dyn Value) {
        self.content_value(NoteKind::Model, "tools", value);
    }

    /// An input beside the captured parameters.
    pub fn input(&self, key: &'static str, value: &dyn Value) {
        self.content_value(NoteKind::Input, key, value);
    }

    /// An attribute.
    pub fn attribute(&self, key: &'static str, value: &dyn Value) {
        let Some(recorder) = self.span.recorder() else { return };
        let mut tape = self.attributes.take().unwrap_or_else(scratch);
        capture::attribute(&mut tape, key, value, recorder.policy());
        let is_full = tape.len() > MANY_BYTES;
        self.attributes.set(Some(tape));
        if is_full {
            self.finish();
        }
    }

    /// What is delegated; a preview of 500 characters is kept.
    pub fn content(&self, value: &dyn Value) {
        self.content_value(NoteKind::Content, "content_preview", value);
    }

    /// Writes a value that is content: not where a policy keeps content out.
    fn content_value(&self, kind: NoteKind, key: &'static str, value: &dyn Value) {
        if self.span.recorder().is_some_and(|recorder| recorder.policy().cap >= Level::Preview) {
            self.value(kind, key, value);
        }
    }
}

impl fmt::Debug for Facts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Facts").field("span", self.span).finish_non_exhaustive()
    }
}
