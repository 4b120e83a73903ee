//! How a call starts: the short way, by which most do, and the long one.
//!
//! The short way is for a child of the thread's current span that is no execution, whose callsite the recorder knows, whose attributes are scalars and short texts
//! under no rule, and for which the chunk at hand has room: one entry of its start, one of its attributes, published at once. Everything else
//! goes the long way. What comes of either is the same.

use std::cell::Cell;
use std::fmt;

use crate::callsite::{Callsite, Capture as Level};
use crate::capture::{self, Policy, Said, Value};
use crate::chunk::NoteKind;
use crate::clock::{counted_unix_ns, now_unix_ns};
use crate::contain::contained;
use crate::context::{self, Current};
use crate::id::{SpanId, next_span_id, next_span_id_at_hand};
use crate::tape;

use super::facts::MANY_BYTES;
use super::{Span, note_inputs, put_note, scratch, start_recording};

/// A call that is about to start.
#[derive(Clone, Copy)]
pub struct Opening<'c> {
    site: &'static Callsite,
    values: &'c [&'c dyn Value],
    /// The span, if it was started the long way.
    long: &'c Cell<Option<Span>>,
}

impl fmt::Debug for Opening<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opening").field("site", &self.site.name).finish_non_exhaustive()
    }
}

/// Starts a span; `say` says the values of all attributes of its callsite.
#[inline]
pub(super) fn open(site: &'static Callsite, values: &[&dyn Value], say: impl FnOnce(Opening<'_>) -> SpanId) -> Span {
    let long = Cell::new(None);
    // A path that is read may lead through a `Deref` of the user's.
    let id = contained(|| say(Opening { site, values, long: &long })).unwrap_or(Current::NONE.span);
    if !id.is_valid() {
        return long.take().unwrap_or_else(|| start_recording(site, values));
    }
    opened(site, values, id)
}

/// Starts a span that says nothing.
#[inline]
pub(super) fn open_silently(site: &'static Callsite, values: &[&dyn Value]) -> Span {
    let id = begin_child(site);
    if id.is_valid() { opened(site, values, id) } else { start_recording(site, values) }
}

#[inline]
fn opened(site: &'static Callsite, values: &[&dyn Value], id: SpanId) -> Span {
    let Current { recorder, trace, .. } = context::current();
    if let (Some(recorder), false) = (recorder, values.is_empty()) {
        note_inputs(site, recorder, id, values);
    }
    Span { recorder, site, trace, id }
}

impl Opening<'_> {
    /// Starts the span. What is returned is the id, unless it was started the long way.
    #[inline]
    pub fn say(self, said: &[Said<'_>]) -> SpanId {
        let id = begin_child_saying(self.site, said);
        if !id.is_valid() {
            return say_slowly(self.site, self.values, said, self.long);
        }
        id
    }
}

/// Does the same in the cases that are left, and says so likewise. Not a method, so that an [`Opening`] needs no place on the stack.
#[inline(never)]
fn say_slowly(site: &'static Callsite, values: &[&dyn Value], said: &[Said<'_>], long: &Cell<Option<Span>>) -> SpanId {
    if let Some(id) = the_short_way_saying(site, said, drawn) {
        return id;
    }
    let span = start_recording(site, values);
    span.note_said(said);
    long.set(Some(span));
    Current::NONE.span
}

/// Starts a child of the current span; an invalid id if that has to be done the long way.
#[inline(never)]
fn begin_child(site: &'static Callsite) -> SpanId {
    the_short_way(site).unwrap_or(Current::NONE.span)
}

/// As [`begin_child`], with the values of all attributes of the callsite.
#[inline(never)]
fn begin_child_saying(site: &'static Callsite, said: &[Said<'_>]) -> SpanId {
    the_short_way_saying(site, said, drawn_at_hand).unwrap_or(Current::NONE.span)
}

#[inline(always)]
fn drawn_at_hand() -> Option<(SpanId, u64)> {
    let unix_ns = counted_unix_ns()?;
    Some((next_span_id_at_hand()?, unix_ns))
}

/// Also where time is not told by the counter, or the thread has made no span before.
#[inline(always)]
fn drawn() -> Option<(SpanId, u64)> {
    Some((next_span_id(), now_unix_ns()))
}

#[inline(always)]
fn the_short_way(site: &'static Callsite) -> Option<SpanId> {
    let (recorder, _, parent) = context::current().open()?;
    let number = site.plain_number(recorder.number())?;
    // Read when it is written, as there are few registers.
    let trace = || context::current().trace;
    recorder.chunks().begin_at_hand(number, parent, trace, drawn_at_hand)
}

#[inline(always)]
fn the_short_way_saying(
    site: &'static Callsite,
    said: &[Said<'_>],
    draw: impl FnOnce() -> Option<(SpanId, u64)>,
) -> Option<SpanId> {
    let (recorder, _, parent) = context::current().open()?;
    let number = site.plain_number(recorder.number())?;
    let trace = || context::current().trace;
    recorder.chunks().begin_saying_at_hand(number, parent, trace, draw, said, |said| match *said {
        Said::Scalar(scalar, bits) => Some([bits, scalar.second_word()]),
        Said::Text(text) => {
            let words = tape::text_in_words(text.as_bytes())?;
            (site.knows_as_clean(words) || !capture::is_suspicious_in_words(words)).then_some(words)
        }
        Said::Value(_) => None,
    })
}

/// Whether the spans of a callsite may start the short way under a policy.
pub(super) fn is_plain(site: &Callsite, policy: &Policy) -> bool {
    let level = Level::Full.min(policy.cap);
    let is_kept = |key: &&str| key.len() <= capture::LONGEST_KEY && policy.rules.rule_for(key).is_none();
    let says_plainly =
        level >= Level::Preview && policy.limit(level) >= tape::SHORT_TEXT && site.attributes.iter().all(is_kept);
    !site.kind.is_execution() && (site.attributes.is_empty() || says_plainly)
}

impl Span {
    /// Writes what the call says of itself, whatever it is.
    fn note_said(&self, said: &[Said<'_>]) {
        let Some(recorder) = self.recorder() else { return };
        let mut tape = scratch();
        for (key, said) in self.site.attributes.iter().zip(said) {
            if let Said::Text(text) = said
                && let Some(words) = tape::text_in_words(text.as_bytes())
                && !capture::is_suspicious_in_words(words)
            {
                self.site.keep_as_clean(words);
            }
            said.with(|value| capture::attribute(&mut tape, key, value, recorder.policy()));
            if tape.len() > MANY_BYTES {
                put_note(recorder, self.id, NoteKind::Attributes, 0, tape);
                tape = scratch();
            }
        }
        put_note(recorder, self.id, NoteKind::Attributes, 0, tape);
    }
}
