//! The words of one entry in a chunk.
//!
//! Every entry starts with a head word, `kind | aux << 8 | length << 32`, where `length` counts all words of the entry.
//!
//! | Kind | aux (24 bits) | words after the head |
//! |---|---|---|
//! | 1 begin | number of the callsite | span, parent (0: none), trace high, trace low, start in ns since 1970; then what the span says, as in 5 |
//! | 2 end | ending, bit 8: incomplete | span, end in ns since 1970 |
//! | 3 note | note kind, key length in bytes << 8 | span, time in ns since 1970, body length in bytes, key and body padded to words |
//! | 4 site | number of the callsite | length in bytes, JSON of the callsite's facts padded to words |
//! | 5 said | number of the callsite | span, two words a value: see `tape/said.rs` |
//!
//! Entries hold no pointer: a chunk file left behind by a dead process reads like a live one.

use crate::id::{SpanId, TraceId};
use crate::record::Ending;

use super::memory::Memory;
use super::sync::{AtomicU64, Ordering};

const BEGIN: u64 = 1;
const END: u64 = 2;
const NOTE: u64 = 3;
const SITE: u64 = 4;
const SAID: u64 = 5;

/// Words of a begin entry.
pub(crate) const BEGIN_WORDS: usize = 6;
/// Words of an end entry.
pub(crate) const END_WORDS: usize = 3;
const NOTE_HEAD_WORDS: usize = 4;
const SITE_HEAD_WORDS: usize = 2;
pub(super) const SAID_HEAD_WORDS: usize = 2;
pub(super) const SAID_VALUE_WORDS: usize = 2;

/// Longest key of a note, in bytes; a longer one is cut.
pub(crate) const MAX_KEY_BYTES: usize = 1 << 12;

/// Words of a note with so many bytes of key and body.
pub(crate) const fn note_words(key: usize, body: usize) -> usize {
    NOTE_HEAD_WORDS + (key + body).div_ceil(8)
}

/// Words of a site entry with so many bytes of facts.
pub(crate) const fn site_words(facts: usize) -> usize {
    SITE_HEAD_WORDS + facts.div_ceil(8)
}

/// Words of a said entry with so many values.
#[inline]
pub(super) const fn said_words(values: usize) -> usize {
    SAID_HEAD_WORDS + SAID_VALUE_WORDS * values
}

/// What a note says of its span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum NoteKind {
    /// All captured parameters.
    Inputs = 1,
    /// One named input.
    Input,
    /// The returned value.
    Output,
    /// The items of a stream.
    Items,
    /// An attribute.
    Attribute,
    /// An attribute, unless it is set already.
    DefaultAttribute,
    /// An attribute that previews what is delegated.
    Content,
    /// Error text; the key is its kind.
    Error,
    /// An event; the key is its name, the body an object of attributes.
    Event,
    /// Model, provider, usage, tool definitions or time to first token, by key.
    Model,
    /// A tag of the trace.
    Tag,
    /// The session.
    Session,
    /// The user.
    User,
    /// The experiment.
    Experiment,
    /// A run is wanted; the body is its name or empty.
    OpenRun,
    /// A parameter of the run.
    RunParam,
    /// A metric of the run.
    RunMetric,
    /// A tag of the run.
    RunTag,
    /// Several attributes: keys and values, one after the other.
    Attributes,
    /// An assessment of a trace, as JSON. It stands for itself: its span is 0.
    Assessment,
    /// Attributes of which the callsite has the keys: its number in eight bytes, then values in words. Read of a said entry.
    Said,
}

impl NoteKind {
    const ALL: [Self; 21] = [
        Self::Inputs,
        Self::Input,
        Self::Output,
        Self::Items,
        Self::Attribute,
        Self::DefaultAttribute,
        Self::Content,
        Self::Error,
        Self::Event,
        Self::Model,
        Self::Tag,
        Self::Session,
        Self::User,
        Self::Experiment,
        Self::OpenRun,
        Self::RunParam,
        Self::RunMetric,
        Self::RunTag,
        Self::Attributes,
        Self::Assessment,
        Self::Said,
    ];

    /// Whether the time of the note matters: for its own sake, or because of two that differ the later one holds.
    pub(crate) fn has_time(self) -> bool {
        use NoteKind::{Attribute, Attributes, Error, Event, RunMetric, RunParam, RunTag, Tag};
        matches!(self, Event | RunMetric | Attribute | Attributes | Tag | RunParam | RunTag | Error)
    }

    /// The kind a head word names.
    pub(crate) fn from_code(code: u64) -> Option<Self> {
        Self::ALL.get((code as usize).checked_sub(1)?).copied()
    }
}

/// One entry, as the collector reads it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Entry<'a> {
    /// A span started.
    Begin { site: u32, span: SpanId, parent: Option<SpanId>, trace: TraceId, start_unix_ns: u64 },
    /// A span ended.
    End { span: SpanId, end_unix_ns: u64, ending: Ending, incomplete: bool },
    /// Something is said of a span.
    Note { span: SpanId, kind: NoteKind, time_unix_ns: u64, key: &'a [u8], body: &'a [u8] },
    /// The facts of a callsite.
    Site { number: u32, facts: &'a [u8] },
}

fn head(kind: u64, aux: u64, words: usize) -> u64 {
    kind | (aux & 0xff_ffff) << 8 | (words as u64) << 32
}

/// Stores one value in each word.
#[inline]
pub(super) fn put(words: &[AtomicU64], values: &[u64]) {
    for (word, value) in words.iter().zip(values) {
        word.store(*value, Ordering::Relaxed);
    }
}

/// The first word of the start of a span that says nothing.
#[inline]
pub(crate) fn begin_head(site: u32) -> u64 {
    head(BEGIN, u64::from(site), BEGIN_WORDS)
}

/// The same of one that says so many values of itself, which follow at once.
#[inline(always)]
pub(super) fn head_saying(begin_head: u64, values: usize) -> u64 {
    begin_head + (((SAID_VALUE_WORDS * values) as u64) << 32)
}

#[inline(always)]
pub(super) fn begin(
    head: u64,
    span: SpanId,
    parent: Option<SpanId>,
    trace: TraceId,
    start_unix_ns: u64,
) -> [u64; BEGIN_WORDS] {
    let (high, low) = trace.halves();
    [head, span.to_u64(), parent.map_or(0, SpanId::to_u64), high, low, start_unix_ns]
}

#[inline]
pub(super) fn end(span: SpanId, end_unix_ns: u64, ending: Ending, incomplete: bool) -> [u64; END_WORDS] {
    let aux = ending as u64 | u64::from(incomplete) << 8;
    [head(END, aux, END_WORDS), span.to_u64(), end_unix_ns]
}

/// The first words of what a span says when it starts: so many values.
#[inline]
pub(super) fn said(site: u32, span: SpanId, values: usize) -> [u64; SAID_HEAD_WORDS] {
    [head(SAID, u64::from(site), said_words(values)), span.to_u64()]
}

pub(super) fn put_said(words: &[AtomicU64], site: u32, span: SpanId, values: &[[u64; SAID_VALUE_WORDS]]) {
    put(words, &said(site, span, values.len()));
    put(words.get(SAID_HEAD_WORDS..).unwrap_or_default(), values.as_flattened());
}

pub(super) fn note(words: &[AtomicU64], span: SpanId, kind: NoteKind, time_unix_ns: u64, key: &[u8], body: &[u8]) {
    let aux = kind as u64 | (key.len() as u64) << 8;
    put(words, &[head(NOTE, aux, words.len()), span.to_u64(), time_unix_ns, body.len() as u64]);
    put_bytes(&words[NOTE_HEAD_WORDS..], key, body);
}

/// A note whose key and body stand one right after the other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct JointNote<'a> {
    pub(crate) span: SpanId,
    pub(crate) kind: NoteKind,
    pub(crate) time_unix_ns: u64,
    /// Bytes of the key; at most [`MAX_KEY_BYTES`].
    pub(crate) key: usize,
    /// Bytes of the body.
    pub(crate) body: usize,
    /// The key, the body, and zeros up to the end of the last word.
    pub(crate) words: &'a [[u8; 8]],
}

#[inline]
pub(super) fn joint_note(words: &[AtomicU64], note: JointNote<'_>) {
    let aux = note.kind as u64 | (note.key as u64) << 8;
    let head = [head(NOTE, aux, words.len()), note.span.to_u64(), note.time_unix_ns, note.body as u64];
    if let Some((first, rest)) = words.split_first_chunk::<NOTE_HEAD_WORDS>() {
        put(first, &head);
        Memory::fill(rest, note.words);
    }
}

pub(super) fn site(words: &[AtomicU64], number: u32, facts: &[u8]) {
    put(words, &[head(SITE, u64::from(number), words.len()), facts.len() as u64]);
    put_bytes(&words[SITE_HEAD_WORDS..], facts, &[]);
}

/// Packs `first` and `second`, one right after the other, into words.
fn put_bytes(words: &[AtomicU64], first: &[u8], second: &[u8]) {
    let (whole, rest) = first.as_chunks::<8>();
    let words = put_whole(words, whole);
    if rest.is_empty() {
        return put_rest(words, second);
    }
    let mut joint = [0u8; 8];
    let (fits, later) = second.split_at(second.len().min(8 - rest.len()));
    joint[..rest.len()].copy_from_slice(rest);
    joint[rest.len()..rest.len() + fits.len()].copy_from_slice(fits);
    put_rest(put_whole(words, &[joint]), later);
}

/// Stores whole words and returns the words after them.
#[inline]
fn put_whole<'w>(words: &'w [AtomicU64], whole: &[[u8; 8]]) -> &'w [AtomicU64] {
    let (filled, after) = words.split_at(whole.len().min(words.len()));
    Memory::fill(filled, whole);
    after
}

fn put_rest(words: &[AtomicU64], bytes: &[u8]) {
    let (whole, rest) = bytes.as_chunks::<8>();
    let words = put_whole(words, whole);
    if let (Some(word), false) = (words.first(), rest.is_empty()) {
        let last = rest.iter().rev().fold(0, |last, byte| last << 8 | u64::from(*byte));
        word.store(last, Ordering::Relaxed);
    }
}

/// The words from here on are no entry this version wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// Reads the entry at the start of `words`, and how many words it has. `bytes` is scratch space the entry borrows from.
pub(super) fn read<'b>(words: &[AtomicU64], bytes: &'b mut Vec<u8>) -> Result<(Entry<'b>, usize), Malformed> {
    let word = |at: usize| words.get(at).map(|word| word.load(Ordering::Relaxed)).ok_or(Malformed);
    let head = word(0)?;
    let (kind, aux, length) = (head & 0xff, (head >> 8) & 0xff_ffff, (head >> 32) as usize);
    if length == 0 || length > words.len() {
        return Err(Malformed);
    }
    let entry = match kind {
        BEGIN if length >= BEGIN_WORDS => Entry::Begin {
            site: aux as u32,
            span: SpanId::from_u64(word(1)?),
            parent: Some(SpanId::from_u64(word(2)?)).filter(|parent| parent.is_valid()),
            trace: TraceId::from_halves(word(3)?, word(4)?),
            start_unix_ns: word(5)?,
        },
        END if length == END_WORDS => Entry::End {
            span: SpanId::from_u64(word(1)?),
            end_unix_ns: word(2)?,
            ending: ending(aux & 0xff).ok_or(Malformed)?,
            incomplete: aux & 0x100 != 0,
        },
        NOTE => {
            let (key, body) = ((aux >> 8) as usize, word(3)? as usize);
            if body > words.len() * 8 || note_words(key, body) != length {
                return Err(Malformed);
            }
            get_bytes(&words[NOTE_HEAD_WORDS..length], key + body, bytes);
            let (key, body) = bytes.split_at(key);
            let kind = NoteKind::from_code(aux & 0xff).ok_or(Malformed)?;
            Entry::Note { span: SpanId::from_u64(word(1)?), kind, time_unix_ns: word(2)?, key, body }
        }
        SITE => {
            let facts = word(1)? as usize;
            if facts > words.len() * 8 || site_words(facts) != length {
                return Err(Malformed);
            }
            get_bytes(&words[SITE_HEAD_WORDS..length], facts, bytes);
            Entry::Site { number: aux as u32, facts: bytes }
        }
        SAID if length > SAID_HEAD_WORDS => {
            said_by(SpanId::from_u64(word(1)?), aux, &words[SAID_HEAD_WORDS..length], bytes)
        }
        _ => return Err(Malformed),
    };
    Ok((entry, length))
}

/// What the span says whose begin entry stands at the start of `words`; `None` if it says nothing there.
pub(super) fn said_at_begin<'b>(words: &[AtomicU64], bytes: &'b mut Vec<u8>) -> Option<Entry<'b>> {
    let [head, span] = words.first_chunk()?.each_ref().map(|word| word.load(Ordering::Relaxed));
    let said = words.get(BEGIN_WORDS..(head >> 32) as usize)?;
    let is_said = head & 0xff == BEGIN && !said.is_empty();
    is_said.then(|| said_by(SpanId::from_u64(span), (head >> 8) & 0xff_ffff, said, bytes))
}

fn said_by<'b>(span: SpanId, site: u64, values: &[AtomicU64], bytes: &'b mut Vec<u8>) -> Entry<'b> {
    get_bytes(values, values.len() * 8, bytes);
    bytes.splice(0..0, site.to_le_bytes());
    Entry::Note { span, kind: NoteKind::Said, time_unix_ns: 0, key: &[], body: bytes }
}

fn get_bytes(words: &[AtomicU64], length: usize, bytes: &mut Vec<u8>) {
    bytes.clear();
    for word in words {
        bytes.extend_from_slice(&word.load(Ordering::Relaxed).to_le_bytes());
    }
    bytes.truncate(length);
}

fn ending(code: u64) -> Option<Ending> {
    [Ending::Ok, Ending::Error, Ending::Panic, Ending::Cancelled, Ending::Abandoned].get(code as usize).copied()
}

#[cfg(all(test, not(loom)))]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn memory(words: usize) -> Vec<AtomicU64> {
        (0..words).map(|_| AtomicU64::new(0)).collect()
    }

    proptest! {
        #[test]
        fn a_note_reads_back_as_written(key in prop::collection::vec(any::<u8>(), 0..40), body in prop::collection::vec(any::<u8>(), 0..300), time: u64) {
            let words = memory(note_words(key.len(), body.len()));
            let span = SpanId::from_u64(7);
            note(&words, span, NoteKind::Attribute, time, &key, &body);
            let mut scratch = Vec::new();
            let read = read(&words, &mut scratch).expect("what was written reads");
            prop_assert_eq!(read, (Entry::Note { span, kind: NoteKind::Attribute, time_unix_ns: time, key: &key, body: &body }, words.len()));
        }

        #[test]
        fn what_is_said_reads_back_as_the_number_of_the_callsite_and_the_values(values in prop::collection::vec(any::<[u64; 2]>(), 1..9), site in 0u32..1 << 24) {
            let words = memory(said_words(values.len()));
            let span = SpanId::from_u64(7);
            let (first, rest) = words.split_at(SAID_HEAD_WORDS);
            put(first, &said(site, span, values.len()));
            put(rest, values.as_flattened());
            let body: Vec<u8> = [u64::from(site)].iter().chain(values.as_flattened()).flat_map(|word| word.to_le_bytes()).collect();
            let mut scratch = Vec::new();
            let read = read(&words, &mut scratch).expect("what was written reads");
            prop_assert_eq!(read, (Entry::Note { span, kind: NoteKind::Said, time_unix_ns: 0, key: &[], body: &body }, words.len()));
        }

        #[test]
        fn what_is_said_at_the_start_reads_back_likewise(values in prop::collection::vec(any::<[u64; 2]>(), 0..9), site in 0u32..1 << 24) {
            let words = memory(BEGIN_WORDS + SAID_VALUE_WORDS * values.len());
            let (span, parent, trace) = (SpanId::from_u64(7), SpanId::from_u64(8), TraceId::from_halves(1, 2));
            put(&words, &begin(head_saying(begin_head(site), values.len()), span, Some(parent), trace, 11));
            put(&words[BEGIN_WORDS..], values.as_flattened());
            let body: Vec<u8> = [u64::from(site)].iter().chain(values.as_flattened()).flat_map(|word| word.to_le_bytes()).collect();
            let said = Entry::Note { span, kind: NoteKind::Said, time_unix_ns: 0, key: &[], body: &body };
            let begun = Entry::Begin { site, span, parent: Some(parent), trace, start_unix_ns: 11 };
            let mut scratch = Vec::new();
            prop_assert_eq!(read(&words, &mut scratch), Ok((begun, words.len())));
            prop_assert_eq!(said_at_begin(&words, &mut scratch), (!values.is_empty()).then_some(said));
        }

        #[test]
        fn any_words_are_read_or_refused(raw in prop::collection::vec(any::<u64>(), 0..64), kind in 0u64..6, aux: u16, length in 0u64..70) {
            let words: Vec<_> = raw.into_iter().map(AtomicU64::new).collect();
            if let Some(first) = words.first() {
                first.store(kind | u64::from(aux) << 8 | length << 32, Ordering::Relaxed);
            }
            if let Ok((_, length)) = read(&words, &mut Vec::new()) {
                prop_assert!(length > 0 && length <= words.len());
                let _ = said_at_begin(&words, &mut Vec::new());
            }
        }
    }

    #[test]
    fn begin_and_end_read_back_as_written() {
        let (span, parent, trace) = (SpanId::from_u64(3), SpanId::from_u64(4), TraceId::from_halves(5, 6));
        let words = memory(BEGIN_WORDS + END_WORDS);
        put(&words[..BEGIN_WORDS], &begin(begin_head(9), span, Some(parent), trace, 11));
        put(&words[BEGIN_WORDS..], &end(span, 12, Ending::Cancelled, true));
        let mut scratch = Vec::new();
        let begun = Entry::Begin { site: 9, span, parent: Some(parent), trace, start_unix_ns: 11 };
        assert_eq!(read(&words, &mut scratch), Ok((begun, BEGIN_WORDS)));
        let ended = Entry::End { span, end_unix_ns: 12, ending: Ending::Cancelled, incomplete: true };
        assert_eq!(read(&words[BEGIN_WORDS..], &mut scratch), Ok((ended, END_WORDS)));
    }
}
