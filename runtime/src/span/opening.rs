//! How a call starts: the short way, by which most do, and the long one.
//!
//! The short way is for a child of the thread's current span that is no execution, whose callsite the recorder knows, whose attributes are scalars and short texts
//! under no rule, and for which the chunk at hand has room: one entry of its start, one of its attributes, published at once. Everything else
//! goes the long way. What comes of either is the same.

use std::cell::Cell;
use std::fmt;
use std::mem::ManuallyDrop;

use crate::callsite::{Callsite, Capture as Level};
use crate::capture::{self, Policy, Said, Value};
use crate::chunk::{self, Chunks, MOST_SAID, NoteKind};
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
    long: &'c Cell<Option<ManuallyDrop<Span>>>,
}

impl fmt::Debug for Opening<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opening").field("site", &self.site.name).finish_non_exhaustive()
    }
}

/// A span that was started.
pub(super) enum Opened {
    /// The short way: a child of the thread's current span.
    Child(SpanId),
    /// The long way.
    Span(Span),
}

/// Starts a span; `say` says the values of all attributes of its callsite.
#[inline(always)]
pub(super) fn open(
    site: &'static Callsite,
    values: &[&dyn Value],
    say: impl FnOnce(Opening<'_>) -> Option<SpanId>,
) -> Opened {
    let long = Cell::new(None);
    // A path that is read may lead through a `Deref` of the user's.
    if let Some(Some(id)) = contained(|| say(Opening { site, values, long: &long })) {
        return Opened::Child(id);
    }
    Opened::Span(apart(long.take().unwrap_or_else(|| ManuallyDrop::new(start_recording(site, values)))))
}

/// Starts a span that says nothing.
#[inline(always)]
pub(super) fn open_silently(site: &'static Callsite, values: &[&dyn Value]) -> Opened {
    let id = begin_child(site);
    if !id.is_valid() {
        return Opened::Span(apart(ManuallyDrop::new(start_recording(site, values))));
    }
    note_inputs_of_child(site, values, id);
    Opened::Child(id)
}

/// The same span in a place of its own: what it was returned in has an address, which it would have in all cases then.
#[inline(always)]
fn apart(span: ManuallyDrop<Span>) -> Span {
    Span { recorder: span.recorder, site: span.site, trace: span.trace, id: span.id }
}

#[inline(always)]
fn note_inputs_of_child(site: &'static Callsite, values: &[&dyn Value], id: SpanId) {
    if !values.is_empty()
        && let Some(recorder) = context::current().recorder
    {
        note_inputs(site, recorder, id, values);
    }
}

impl Opened {
    /// The span, in whose context the thread is not.
    #[inline(always)]
    pub(super) fn span(self, site: &'static Callsite) -> Span {
        match self {
            Self::Child(id) => {
                let Current { recorder, trace, .. } = context::current();
                Span { recorder, site, trace, id }
            }
            Self::Span(span) => span,
        }
    }
}

impl Opening<'_> {
    /// Starts the span. What is returned is the id, unless it was started the long way. Here, where they are known, values become words, so that
    /// nothing is left of it for a constant.
    #[inline(always)]
    pub fn say<const N: usize>(self, said: &[Said<'_>; N]) -> Option<SpanId> {
        let Self { site, values, long } = self;
        let mut words = [[0; 2]; N];
        if N <= MOST_SAID
            && put_in_words(&mut words, site, said)
            && let Some((id, room)) = begin_child_saying(site, N)
        {
            Chunks::say_at_hand(room, &words);
            note_inputs_of_child(site, values, id);
            return Some(id);
        }
        say_slowly(site, values, &said.clone(), long);
        None
    }
}

/// Whether all values have words that may be written.
#[inline(always)]
fn put_in_words(words: &mut [[u64; 2]], site: &Callsite, said: &[Said<'_>]) -> bool {
    for (words, said) in words.iter_mut().zip(said) {
        match in_words(site, *said) {
            Some(found) => *words = found,
            None => return false,
        }
    }
    true
}

/// The words of a value; `None` if it has none, or may be a credential.
#[inline(always)]
fn in_words(site: &Callsite, said: Said<'_>) -> Option<[u64; 2]> {
    match said {
        Said::Scalar(scalar, bits) => Some([bits, scalar.second_word()]),
        Said::Text(text) => {
            let words = tape::text_in_words(text.as_bytes())?;
            (site.knows_as_clean(words) || is_clean(words[0], words[1])).then_some(words)
        }
        Said::Value(_) => None,
    }
}

#[inline(never)]
fn is_clean(first: u64, last: u64) -> bool {
    !capture::is_suspicious_in_words([first, last])
}

/// Does the same in the cases that are left.
#[cold]
#[inline(never)]
fn say_slowly(
    site: &'static Callsite,
    values: &[&dyn Value],
    said: &[Said<'_>],
    long: &Cell<Option<ManuallyDrop<Span>>>,
) {
    let mut words = [[0; 2]; MOST_SAID];
    if let Some(words) = words.get_mut(..said.len())
        && put_in_words(words, site, said)
        && let Some((id, room)) = the_short_way_saying(site, said.len(), drawn)
    {
        Chunks::say_at_hand(room, words);
        note_inputs_of_child(site, values, id);
        return long.set(Some(ManuallyDrop::new(Opened::Child(id).span(site))));
    }
    let span = start_recording(site, values);
    span.note_said(said);
    long.set(Some(ManuallyDrop::new(span)));
}

/// Starts a child of the current span; an invalid id if that has to be done the long way.
#[inline(never)]
fn begin_child(site: &'static Callsite) -> SpanId {
    the_short_way(site).unwrap_or(Current::NONE.span)
}

/// As [`begin_child`], for one that says so many values of itself.
#[inline(never)]
fn begin_child_saying(site: &'static Callsite, values: usize) -> Option<(SpanId, chunk::Said)> {
    the_short_way_saying(site, values, drawn_at_hand)
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
    let head = site.plain_head(recorder.number())?;
    // Read when it is written, as there are few registers.
    let trace = || context::current().trace;
    recorder.chunks().begin_at_hand(head, parent, trace, drawn_at_hand)
}

#[inline(always)]
fn the_short_way_saying(
    site: &'static Callsite,
    values: usize,
    draw: impl FnOnce() -> Option<(SpanId, u64)>,
) -> Option<(SpanId, chunk::Said)> {
    let (recorder, _, parent) = context::current().open()?;
    let head = site.plain_head(recorder.number())?;
    let trace = || context::current().trace;
    recorder.chunks().begin_saying_at_hand(head, parent, trace, draw, values)
}

/// Whether the attributes of a callsite are written as they are under a policy.
pub(super) fn says_plainly(site: &Callsite, policy: &Policy) -> bool {
    let level = Level::Full.min(policy.cap);
    let is_kept = |key: &&str| key.len() <= capture::LONGEST_KEY && policy.rules.rule_for(key).is_none();
    level >= Level::Preview && policy.limit(level) >= tape::SHORT_TEXT && site.attributes.iter().all(is_kept)
}

/// Whether the spans of a callsite may start the short way under a policy.
pub(super) fn is_plain(site: &Callsite, policy: &Policy) -> bool {
    !site.kind.is_execution() && (site.attributes.is_empty() || says_plainly(site, policy))
}

impl Span {
    /// Writes what the call says of itself, whatever it is.
    fn note_said(&self, said: &[Said<'_>]) {
        let Some(recorder) = self.recorder() else { return };
        let mut words = [[0; 2]; MOST_SAID];
        if let Some(words) = words.get_mut(..said.len())
            && self.site.is_said_to(recorder.number())
            && put_in_words(words, self.site, said)
        {
            let texts = words.iter().zip(said).filter(|(_, said)| matches!(said, Said::Text(_)));
            texts.for_each(|(words, _)| self.site.keep_as_clean(*words));
            return recorder.chunks().say(self.site.number(), self.id, words);
        }
        let mut tape = scratch();
        for (key, said) in self.site.attributes.iter().zip(said) {
            said.with(|value| capture::attribute(&mut tape, key, value, recorder.policy()));
            if tape.len() > MANY_BYTES {
                put_note(recorder, self.id, NoteKind::Attributes, 0, tape);
                tape = scratch();
            }
        }
        put_note(recorder, self.id, NoteKind::Attributes, 0, tape);
    }
}
