//! One call of an annotated function: its begin, notes and end go into the chunks, and nothing else.
//!
//! In: a callsite, the captured values, and what the call returns. Out: entries. No user type is kept beyond the call; nothing
//! here blocks, fails or panics. A user's `Serialize` or `Display` that panics is recorded as `<panicked>`.

mod declared;
mod facts;
mod handle;
mod inside;
mod items;
mod open;
mod opening;
mod site;
mod spending;
mod subject;

pub use declared::{Declared, MadeBy, declaration, declared, kind};
pub use facts::Facts;
pub use handle::{Handle, handle};
pub use inside::{Begun, Inside, call};
pub(crate) use items::Items;
pub use open::{OpenSpan, attribute};
pub use opening::Opening;
pub(crate) use spending::spend;

use std::any::Any;
use std::cell::Cell;
use std::fmt;
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use serde::Serialize;

use crate::callsite::{Callsite, Capture as Level, Kind};
use crate::capture::{self, Value};
use crate::chunk::{self, JointNote, MAX_BODY_BYTES, MAX_KEY_BYTES, NoteKind};
use crate::clock::{counted_unix_ns, now_unix_ns};
use crate::contain::{self, contained};
use crate::context::{self, Current};
use crate::execution;
use crate::id::{SpanId, TraceId, next_span_id, next_trace_id};
use crate::outcome::{Failure, Observed};
use crate::record::Ending;
use crate::recorder::{self, Recorder};
use crate::tape::{self, Tape};

/// A call being recorded, or nothing at all. Dropped before it is finished, it is recorded as cancelled.
#[must_use = "a span that is dropped at once is recorded as cancelled"]
#[derive(Debug)]
pub struct Span {
    recorder: Option<&'static Recorder>,
    site: &'static Callsite,
    trace: TraceId,
    /// Invalid in a trace that is not sampled.
    id: SpanId,
}

/// Starts a span for a call of the function at `site`.
#[inline]
pub fn start(site: &'static Callsite, values: &[&dyn Value]) -> Span {
    if recorder::any() { opening::open_silently(site, values).span(site) } else { not_recording(site) }
}

/// As [`start`]; `say` is run only if there is a recorder, and says the values of the callsite's attributes.
#[inline]
pub(crate) fn start_saying(
    site: &'static Callsite,
    values: &[&dyn Value],
    say: impl FnOnce(Opening<'_>) -> Option<SpanId>,
) -> Span {
    if recorder::any() { opening::open(site, values, say).span(site) } else { not_recording(site) }
}

#[inline]
fn not_recording(site: &'static Callsite) -> Span {
    recorder::nothing_installed();
    Span { recorder: None, site, trace: Current::NONE.trace, id: Current::NONE.span }
}

#[inline(never)]
fn start_recording(site: &'static Callsite, values: &[&dyn Value]) -> Span {
    let current = context::current();
    match current.open() {
        Some((recorder, trace, parent)) if site.kind != Kind::Scheduled && recorder.is_ours() => {
            let recorder = recorder.of_site(site);
            let id = begin(site, recorder, trace, Some(parent), values);
            if site.kind == Kind::Workflow {
                execution::began(trace, id, false, recorder, site);
            }
            Span { recorder: Some(recorder), site, trace, id }
        }
        _ => start_outside(site, values),
    }
}

/// Starts a span that has no recorded span above it.
#[inline(never)]
fn start_outside(site: &'static Callsite, values: &[&dyn Value]) -> Span {
    let current = context::current();
    let mut span = Span { recorder: None, site, trace: current.trace, id: Current::NONE.span };
    let Some(recorder) = current.recorder.map_or_else(recorder::installed, Recorder::ours) else { return span };
    let recorder = recorder.of_site(site);
    if current.span.is_valid() && site.kind != Kind::Scheduled {
        return start_below_inherited(site, recorder, current, values);
    }
    let starts_trace = !current.trace.is_valid() || site.kind == Kind::Scheduled;
    if starts_trace {
        if !recorder.is_accepting() {
            return span;
        }
        span.trace = next_trace_id();
    }
    span.recorder = Some(recorder);
    let kept = recorder.keeps(span.trace);
    if starts_trace && kept {
        span.id = begin(site, recorder, span.trace, None, values);
        if span.is_recorded() {
            recorder.began_root(span.id);
            if site.kind.is_execution() {
                execution::began(span.trace, span.id, true, recorder, site);
            }
            context::saw_trace(span.trace);
            span.note_session(recorder);
        }
    } else if kept {
        // The span it would be a child of found no room.
        recorder.chunks().count_dropped_span();
    }
    span
}

/// Starts a child of a span that the process this one was forked from has open.
#[cold]
#[inline(never)]
fn start_below_inherited(
    site: &'static Callsite,
    recorder: &'static Recorder,
    Current { trace, span, .. }: Current,
    values: &[&dyn Value],
) -> Span {
    if !recorder.is_accepting() {
        return Span { recorder: None, site, trace, id: Current::NONE.span };
    }
    let id = begin(site, recorder, trace, Some(span), values);
    Span { recorder: Some(recorder), site, trace, id }
}

/// Writes the start of a span and what is captured of its inputs; an invalid id if there is no room.
#[inline(always)]
fn begin(
    site: &'static Callsite,
    recorder: &'static Recorder,
    trace: TraceId,
    parent: Option<SpanId>,
    values: &[&dyn Value],
) -> SpanId {
    let number = site.number();
    if !site.is_announced_to(recorder.number()) && !announce(site, number, recorder) {
        recorder.chunks().count_dropped_span();
        return Current::NONE.span;
    }
    let id = next_span_id();
    if !recorder.chunks().begin(number, id, parent, trace, now_unix_ns()) {
        return Current::NONE.span;
    }
    if !values.is_empty() {
        note_inputs(site, recorder, id, values);
    }
    id
}

fn note_inputs(site: &'static Callsite, recorder: &'static Recorder, id: SpanId, values: &[&dyn Value]) {
    let level = site.inputs.min(recorder.policy().cap);
    if level > Level::None {
        write_note_with(Some(recorder), id, NoteKind::Inputs, "", |out| {
            capture::inputs(out, site.values, values, level, recorder.policy());
            if out.len() > MAX_BODY_BYTES {
                out.truncate(0);
                capture::inputs(out, site.values, values, Level::Preview, recorder.policy());
            }
        });
    }
}

impl Span {
    #[cold]
    fn note_session(&self, recorder: &Recorder) {
        if let Some(session) = context::session() {
            self.note_with(NoteKind::Session, "", |out| {
                capture::text(out, &session, MAX_TEXT_CHARS, recorder.policy())
            });
        }
    }

    /// Adds what is only known when the call is made. `say` runs only if the span is recorded; a panic in it is the telemetry's
    /// loss, not the program's.
    #[inline]
    pub fn with(self, say: impl FnOnce(&Facts<'_>)) -> Self {
        if self.is_recorded() {
            let facts = Facts::of(&self);
            let _ = contained(|| say(&facts));
            facts.finish();
            drop(facts);
        }
        self
    }

    /// Whether entries are written for this span.
    #[inline]
    pub(crate) fn is_recorded(&self) -> bool {
        self.id.is_valid()
    }

    /// The callsite of the annotated function.
    pub(crate) fn site(&self) -> &'static Callsite {
        self.site
    }

    /// The recorder, while the span is recorded.
    pub(crate) fn recorder(&self) -> Option<&'static Recorder> {
        self.recorder.filter(|_| self.is_recorded())
    }

    /// The context the call runs in; `None` leaves it as it is.
    #[inline]
    pub(crate) fn context(&self) -> Option<Current> {
        self.recorder.map(|_| Current { recorder: self.recorder, trace: self.trace, span: self.id })
    }

    pub(crate) fn note(&self, kind: NoteKind, key: &str, body: &[u8]) {
        write_note(self.recorder, self.id, kind, key, body);
    }

    fn note_with(&self, kind: NoteKind, key: &str, fill: impl FnOnce(&mut Tape)) {
        write_note_with(self.recorder, self.id, kind, key, fill);
    }

    /// Ends the span with what its call returned. A panic in the user's view of the value is recorded, the span is OK.
    #[inline]
    pub(crate) fn finish<'r>(&mut self, observe: impl FnOnce() -> Observed<'r>) {
        let Some(recorder) = self.recorder() else { return };
        let end = stamp();
        let ending = contained(|| {
            let observed = observe();
            // Known where the type is, so that nothing is left of it for `()`.
            if observed.says_nothing() { Ending::Ok } else { self.note_observed(recorder, &observed) }
        });
        self.end(recorder, end, ending.unwrap_or_else(|| observing_panicked(recorder, self.site, self.id)), false);
    }

    /// As [`finish`](Self::finish), for the value itself.
    #[inline]
    pub(crate) fn finish_returned<'r, R>(&mut self, returned: &'r R, observe: impl FnOnce(&'r R) -> Observed<'r>) {
        let Some(recorder) = self.recorder() else { return };
        finish_call(recorder, self.site, self.id, false, || self.trace, returned, observe);
        self.forget();
    }

    /// Ends the span of a stream that is exhausted.
    pub(crate) fn finish_stream(&mut self, failed: bool) {
        if let Some(recorder) = self.recorder() {
            self.end(recorder, now_unix_ns(), if failed { Ending::Error } else { Ending::Ok }, false);
        }
    }

    /// Runs a view of a user's value, whose code may panic.
    pub(crate) fn observed<'r, R>(
        &self,
        observe: impl FnOnce() -> Observed<'r>,
        take: impl FnOnce(&Observed<'r>) -> R,
    ) -> Option<R> {
        let seen = contained(|| take(&observe()));
        if let (None, Some(recorder)) = (&seen, self.recorder) {
            observing_panicked(recorder, self.site, self.id);
        }
        seen
    }

    /// Writes what was observed and says how the call ended.
    fn note_observed(&self, recorder: &Recorder, observed: &Observed<'_>) -> Ending {
        self.note_facts(recorder, observed.facts);
        if let Some(value) = observed.value {
            self.note_output(recorder, value);
        }
        match &observed.failure {
            None => Ending::Ok,
            Some(failure) if observed.expected => {
                self.note_with(NoteKind::Attribute, "spanwright.expected_error", |out| {
                    self.tell_failure(out, failure, recorder);
                });
                Ending::Ok
            }
            Some(failure) => {
                self.note_failure(recorder, failure);
                Ending::Error
            }
        }
    }

    fn note_failure(&self, recorder: &Recorder, failure: &Failure<'_>) {
        self.note_with(NoteKind::Error, &tape::short_type_name(failure.kind()), |out| {
            self.tell_failure(out, failure, recorder);
        });
    }

    /// Writes the text of an error or panic. One that may be passed on from where content is kept out is kept out too.
    fn tell_failure(&self, out: &mut Tape, failure: &dyn fmt::Display, recorder: &Recorder) {
        if recorder.tells_failure(self.trace) {
            capture::display(out, failure, MAX_TEXT_CHARS, recorder.policy());
        } else {
            capture::kept_out(out);
        }
    }

    /// Writes a captured output, as far as the callsite and the policy let it be captured.
    fn note_output(&self, recorder: &Recorder, value: &dyn Value) {
        let level = self.site.output.min(recorder.policy().cap);
        if level > Level::None {
            self.note_with(NoteKind::Output, "", |out| capture::value(out, value, level, recorder.policy()));
        }
    }

    /// Runs the part of a body that makes a future or stream, in the span's context.
    pub(crate) fn enter_body<R>(&mut self, body: impl FnOnce() -> R) -> R {
        let Some(context) = self.context() else { return body() };
        let _entered = context::enter(context);
        match catch_unwind(AssertUnwindSafe(body)) {
            Ok(made) => made,
            Err(payload) => {
                self.finish_panicked(&*payload);
                resume_unwind(payload)
            }
        }
    }

    /// Enters the span's context until the span itself is dropped: for a struct that drops its other fields before the span. The
    /// former context takes the place of the span's own, so that it costs a future no room.
    pub(crate) fn enter_until_dropped(&mut self) {
        if self.recorder.is_some() && self.exchange_context() {
            self.site = &LEAVING;
        }
    }

    fn exchange_context(&mut self) -> bool {
        let mut held = Current { recorder: self.recorder, trace: self.trace, span: self.id };
        let exchanged = context::exchange(&mut held);
        (self.recorder, self.trace, self.id) = (held.recorder, held.trace, held.span);
        exchanged
    }

    /// Ends the span of a call that panicked.
    #[cold]
    pub(crate) fn finish_panicked(&mut self, payload: &(dyn Any + Send)) {
        let Some(recorder) = self.recorder() else { return };
        let end = now_unix_ns();
        let message = contain::message(payload);
        self.note_with(NoteKind::Error, "panic", |out| {
            if recorder.tells_failure(self.trace) {
                capture::text(out, message, MAX_TEXT_CHARS, recorder.policy());
            } else {
                capture::kept_out(out);
            }
        });
        self.end(recorder, end, Ending::Panic, false);
    }

    /// Ends the span of a call that was dropped before it was done; `incomplete` if it had yielded something already.
    #[cold]
    pub(crate) fn finish_cancelled(&mut self, incomplete: bool) {
        if let Some(recorder) = self.recorder() {
            self.end(recorder, now_unix_ns(), Ending::Cancelled, incomplete);
        }
    }

    #[inline]
    fn end(&mut self, recorder: &'static Recorder, end_unix_ns: u64, ending: Ending, incomplete: bool) {
        if self.site.kind.is_execution() {
            execution::ended(self.trace, self.id);
        }
        write_end(recorder, self.id, end_unix_ns, ending, incomplete);
        self.forget();
    }

    /// The span has ended.
    #[inline]
    fn forget(&mut self) {
        self.id = Current::NONE.span;
        self.recorder = None;
    }
}

/// Ends a span with what its call returned. A value without bytes takes no time to look at: then the time is read where the end is written.
/// `is_short` says that it was started the short way, so that it is neither an execution nor a root.
#[inline(always)]
fn finish_call<'r, R>(
    recorder: &'static Recorder,
    site: &'static Callsite,
    id: SpanId,
    is_short: bool,
    trace: impl Fn() -> TraceId,
    returned: &'r R,
    observe: impl FnOnce(&'r R) -> Observed<'r>,
) {
    let is_execution = !is_short && site.kind.is_execution();
    let takes_time = size_of::<R>() > 0 || is_execution;
    let end = if takes_time { Some(stamp()) } else { None };
    let ending = contained(|| {
        let observed = observe(returned);
        // Known where the type is, so that nothing is left of it for `()`.
        (!observed.says_nothing()).then(|| note_observed(recorder, site, trace(), id, &observed))
    });
    let ending = ending.unwrap_or_else(|| Some(observing_panicked(recorder, site, id)));
    if is_execution {
        execution::ended(trace(), id);
    }
    match (end, ending) {
        (None, None) if is_short => end_child_well(recorder, id),
        (None, None) => end_well(recorder, id),
        (end, ending) => write_end(recorder, id, end.unwrap_or_else(stamp), ending.unwrap_or(Ending::Ok), false),
    }
}

#[cold]
#[inline(never)]
fn observing_panicked(recorder: &'static Recorder, site: &'static Callsite, id: SpanId) -> Ending {
    let span = ManuallyDrop::new(Span { recorder: Some(recorder), site, trace: Current::NONE.trace, id });
    span.note_plain(NoteKind::Attribute, "spanwright.outcome_panicked", &true);
    Ending::Ok
}

#[inline(never)]
fn note_observed(
    recorder: &'static Recorder,
    site: &'static Callsite,
    trace: TraceId,
    id: SpanId,
    observed: &Observed<'_>,
) -> Ending {
    ManuallyDrop::new(Span { recorder: Some(recorder), site, trace, id }).note_observed(recorder, observed)
}

#[inline(never)]
fn write_end(recorder: &'static Recorder, id: SpanId, end_unix_ns: u64, ending: Ending, incomplete: bool) {
    recorder.chunks().end(id, end_unix_ns, ending, incomplete);
    recorder.ended(id);
}

/// Writes the end of a child that went well and has nothing to say.
#[inline(never)]
fn end_child_well(recorder: &'static Recorder, span: SpanId) {
    if !recorder.chunks().end_at_hand(span, counted_unix_ns) {
        end_well_elsewhere(recorder, span);
    }
}

/// Writes the end of a span that went well and has nothing to say.
#[inline(never)]
fn end_well(recorder: &'static Recorder, span: SpanId) {
    if recorder.chunks().end_at_hand(span, counted_unix_ns) {
        recorder.ended(span);
    } else {
        end_well_elsewhere(recorder, span);
    }
}

#[cold]
#[inline(never)]
fn end_well_elsewhere(recorder: &'static Recorder, span: SpanId) {
    recorder.chunks().end(span, now_unix_ns(), Ending::Ok, false);
    recorder.ended(span);
}

/// Stands for the site of a span whose own context is the thread's, while the span keeps the former one.
static LEAVING: Callsite = Callsite::new("", Kind::Node, &[]);

impl Drop for Span {
    fn drop(&mut self) {
        if std::ptr::eq(self.site, &LEAVING) {
            self.exchange_context();
            // What its site said of it is not known any more.
            execution::ended(self.trace, self.id);
        }
        if self.is_recorded() {
            self.finish_cancelled(false);
        }
    }
}

/// The time, read out of line: `finish` stands in every annotated function.
#[inline(never)]
fn stamp() -> u64 {
    now_unix_ns()
}

/// Longest text kept for names, sessions, users and messages, in characters.
pub(crate) const MAX_TEXT_CHARS: usize = 16 * 1024;

thread_local! {
    /// The tape of this thread's next note; away while one is being written.
    static SCRATCH: Cell<Option<Box<Tape>>> = const { Cell::new(None) };
}

/// Beyond this, the scratch tape of a thread is given back after use.
const KEPT_SCRATCH_BYTES: usize = 64 * 1024;

/// Writes a note whose body is made by `fill`, which may run the user's code, annotated functions included.
pub(crate) fn write_note_with(
    recorder: Option<&'static Recorder>,
    span: SpanId,
    kind: NoteKind,
    key: &str,
    fill: impl FnOnce(&mut Tape),
) {
    let Some(recorder) = recorder else { return };
    let mut tape = scratch();
    let key = key.as_bytes();
    let key = key.get(..MAX_KEY_BYTES).unwrap_or(key);
    tape.put(key);
    fill(&mut tape);
    put_note(recorder, span, kind, key.len(), tape);
}

#[inline]
fn scratch() -> Box<Tape> {
    SCRATCH.try_with(Cell::take).ok().flatten().unwrap_or_default()
}

/// Hands over what stands on the tape: a key of so many bytes and a body.
#[inline(never)]
fn put_note(recorder: &'static Recorder, span: SpanId, kind: NoteKind, key: usize, mut tape: Box<Tape>) {
    let body = tape.len() - key;
    let time_unix_ns = time_of(kind);
    recorder.chunks().joint_note(JointNote { span, kind, time_unix_ns, key, body, words: tape.words() });
    if tape.capacity() <= KEPT_SCRATCH_BYTES {
        tape.clear();
        let _ = SCRATCH.try_with(|scratch| scratch.set(Some(tape)));
    }
}

fn time_of(kind: NoteKind) -> u64 {
    if kind.has_time() { now_unix_ns() } else { 0 }
}

pub(crate) fn write_note(recorder: Option<&'static Recorder>, span: SpanId, kind: NoteKind, key: &str, body: &[u8]) {
    if let Some(recorder) = recorder {
        recorder.chunks().note(span, kind, time_of(kind), key.as_bytes(), body);
    }
}

/// Writes the facts of a callsite into the chunks of a recorder, before the first span that refers to them.
#[cold]
#[inline(never)]
fn announce(site: &'static Callsite, number: u32, recorder: &'static Recorder) -> bool {
    // Those that do and do not keep content out are told once, together.
    let (recorder, speaker) = (recorder.first(), recorder.first().of_site(site));
    if site.is_announced_to(recorder.number()) {
        return true;
    }
    #[derive(Serialize)]
    struct Facts<'a> {
        name: &'a str,
        kind: &'a str,
        span_type: &'a str,
        function: &'a str,
        values: &'a [&'a str],
        #[serde(skip_serializing_if = "<[_]>::is_empty")]
        attributes: &'a [&'a str],
        #[serde(skip_serializing_if = "Option::is_none")]
        declared: Option<Declared<'a>>,
        file: &'a str,
        line: u32,
        notes: Vec<(u8, &'a str, Vec<u8>)>,
    }
    #[derive(Serialize)]
    struct Declared<'a> {
        id: &'a str,
        attributes: Vec<(&'a str, &'a str)>,
    }
    let facts = Facts {
        name: site.name,
        kind: site.kind.as_str(),
        span_type: site.span_type,
        function: site.function,
        values: site.values,
        attributes: site.attributes,
        declared: site.declared.map(|span| Declared {
            id: span.id,
            attributes: span.attributes.iter().map(|attribute| (attribute.key, attribute.ty)).collect(),
        }),
        file: site.location.file(),
        line: site.location.line(),
        notes: standing_notes(site, speaker),
    };
    let Ok(facts) = serde_json::to_vec(&facts) else { return false };
    let written = recorder.chunks().site(number, &facts);
    if written {
        site.set_announced_to(recorder.number());
        if opening::says_plainly(site, recorder.policy()) {
            site.set_said_to(recorder.number());
        }
        if !recorder.has_word_of(site) && opening::is_plain(site, recorder.policy()) {
            site.set_plain_for(recorder.number(), chunk::begin_head(number));
        }
    }
    written
}

/// What is to be said of every span of a callsite: kind, key and body of notes.
fn standing_notes(site: &'static Callsite, recorder: &Recorder) -> Vec<(u8, &'static str, Vec<u8>)> {
    let (policy, mut notes) = (recorder.policy(), Vec::new());
    let level = site.inputs.min(policy.cap);
    if site.values.is_empty() && site.kind == Kind::Node && level > Level::None {
        let mut body = Tape::default();
        capture::inputs(&mut body, &[], &[], level, policy);
        notes.push((NoteKind::Inputs as u8, "", body.to_vec()));
    }
    if site.kind.is_execution() && !site.workflow.is_empty() {
        let mut body = Tape::default();
        capture::text(&mut body, site.workflow, MAX_TEXT_CHARS, policy);
        notes.push((NoteKind::Tag as u8, "workflow", body.to_vec()));
    }
    if let Some(name) = policy.run_name.as_deref().filter(|_| site.kind.is_execution()) {
        let mut body = Tape::default();
        capture::text(&mut body, name, MAX_TEXT_CHARS, policy);
        notes.push((NoteKind::OpenRun as u8, "", body.to_vec()));
    }
    notes
}

/// Does nothing: in a build that leaves tracing out, how a returned value would be observed is only checked.
#[inline]
pub fn checked<R>(_: impl for<'r> FnOnce(&'r R) -> Observed<'r>) {}
