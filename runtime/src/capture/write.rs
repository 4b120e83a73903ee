//! The one writer of tape: limits, redaction and the shape level, below the serde face in `serializer`.
//!
//! Every write asks one question, whether the tape has room. Outside of the plain case (a secret key, the shape level, the limit reached) it
//! is closed and has none, so that the question also leads there and costs nothing more where it does not.

use std::fmt::{self, Write as _};

use super::format::{Count, OpenText, start_of};
use super::keys::Keys;
use super::rules::Rules;
use super::scan;
use crate::tape::{self, DEEPEST, Tape, tag};

/// Room beyond the limit, so that no value that fits as JSON is cut as tape: the longest number and the lengths of long texts.
const SLACK: usize = 128;

/// Longest name of a type that is written, in bytes.
const LONGEST_NAME: usize = 512;

/// Says that writing is over: the limit is reached, or a `Serialize` impl has failed.
#[derive(Debug)]
pub struct Stop {
    /// What the impl said. A pointer to a pointer, so that a `Result` of it is returned in registers.
    #[expect(clippy::box_collection)]
    pub(super) text: Option<Box<String>>,
}

impl Stop {
    #[cold]
    pub(super) fn saying(text: impl fmt::Display) -> Self {
        Self { text: Some(Box::new(text.to_string())) }
    }
}

/// How much of JSON text is written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Depth {
    Whole,
    Shape,
    StateKeys,
}

/// How JSON text is written as what it means; whoever announces such text knows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rewrite(pub(super) fn(&mut Writer<'_>, &str) -> Result<(), Stop>);

/// What the next value is written as.
#[derive(Clone, Copy, Debug)]
pub(super) enum Next<'w> {
    /// Itself.
    Whole,
    /// A marker naming the rule, unless it is a number, a boolean or nothing.
    Secret(&'w str),
    /// The same, but for the numbers in a map.
    Counts(&'w str),
    /// Its shape.
    Shape,
    /// Its keys if it is a map or struct, else nothing.
    StateKeys,
    /// What the JSON text it consists of means.
    RawJson(Depth, Rewrite),
    /// The number whose digits it consists of.
    Digits,
    /// Nothing, and nothing after it: the limit is reached.
    Over,
}

/// Writes one value onto a tape.
#[derive(Debug)]
pub struct Writer<'w> {
    /// Open while `next` is [`Next::Whole`].
    pub(super) tape: &'w mut Tape,
    /// Open lists and maps of this value.
    pub(super) open: u32,
    keys: &'w Keys,
    pub(super) rules: &'w Rules,
    /// Length of the tape before this value.
    start: usize,
    /// Length of the tape that is not passed, but for ends and markers.
    end: usize,
    pub(super) next: Next<'w>,
}

/// Room beyond `end`, so that what is written at once into more room than it takes still fits where it ends just before.
const OVER_END: usize = 32;

impl<'w> Writer<'w> {
    #[inline]
    pub(super) fn new(tape: &'w mut Tape, rules: &'w Rules, limit: usize, next: Next<'w>) -> Self {
        let start = tape.len();
        let mut writer = Self { tape, open: 0, keys: rules.keys(), rules, start, end: start + limit + SLACK, next };
        writer.set_next(next);
        writer
    }

    /// Whether what was written is a whole value.
    #[inline]
    pub(super) fn holds_one_value(&self) -> bool {
        self.open == 0 && self.tape.len() > self.start
    }

    /// The value ended without being one, or with an error.
    #[cold]
    #[inline(never)]
    pub(super) fn give_up(&mut self, error: Option<Stop>) {
        match error {
            Some(stop) if !matches!(self.next, Next::Over) => self.end_early(tag::FAILED, &stop.to_string()),
            _ => self.end_early(tag::CUT, ""),
        }
    }

    /// Says by a marker why no more is written, and closes all that is open. What was written stays; a whole value stays only if all that is
    /// wrong with it is its length.
    #[cold]
    #[inline(never)]
    pub(super) fn end_early(&mut self, marker: u8, text: &str) {
        if self.holds_one_value() {
            if marker == tag::CUT {
                return;
            }
            self.tape.truncate(self.start);
        }
        if marker == tag::FAILED {
            let (head, cut) = start_of(text, LONGEST_NAME);
            let cleaned = scan::clean(head, cut);
            self.tape.put_text(marker, cleaned.as_deref().unwrap_or(head));
        } else {
            self.tape.put(&[marker]);
        }
        self.close_to(0);
    }

    #[inline]
    pub(super) fn set_next(&mut self, next: Next<'w>) {
        self.next = next;
        if matches!(next, Next::Whole) { self.tape.open(self.end + OVER_END) } else { self.tape.close() }
    }

    /// Forgets that the value just passed stood under a secret key, if it did.
    #[inline]
    pub(super) fn leave_key(&mut self) {
        if matches!(self.next, Next::Secret(_) | Next::Counts(_)) {
            self.set_next(Next::Whole);
        }
    }

    /// The limit is reached.
    #[cold]
    pub(super) fn over(&mut self) -> Stop {
        self.set_next(Next::Over);
        Stop { text: None }
    }

    /// Bytes that may still be written.
    fn left(&self) -> usize {
        self.end.saturating_sub(self.tape.len())
    }

    /// Makes room for a value of `len` bytes, if that is not too long.
    #[cold]
    #[inline(never)]
    fn grow(&mut self, len: usize) -> Result<(), Stop> {
        if len > self.left() {
            return Err(self.over());
        }
        self.tape.make_room(self.end + OVER_END);
        Ok(())
    }

    /// Lets a number, boolean or null pass for which there was no room.
    #[cold]
    #[inline(never)]
    fn scalar(&mut self, scalar: &[u8]) -> Result<(), Stop> {
        match self.next {
            Next::Secret(_) | Next::Counts(_) | Next::RawJson(..) | Next::Digits => self.set_next(Next::Whole),
            Next::Whole | Next::Shape => {}
            Next::StateKeys | Next::Over => return Err(self.over()),
        }
        if matches!(self.next, Next::Whole) {
            self.grow(scalar.len())?;
        } else if scalar.len() > self.left() {
            return Err(self.over());
        }
        self.tape.put(scalar);
        Ok(())
    }

    #[inline(never)]
    fn number(&mut self, tag: u8, n: u64) -> Result<(), Stop> {
        if n < 0x4000 {
            return self.fixed(&tape::two_bytes(tag, n));
        }
        if n >= tape::BEYOND_SEVEN_BYTES {
            let (bytes, len) = tape::number(tag, n);
            return if self.tape.write(&bytes, len) { Ok(()) } else { self.scalar(&bytes[..len]) };
        }
        let (bytes, len) = tape::seven_bytes(tag, n);
        if self.tape.write(&bytes, len) { Ok(()) } else { self.scalar(&bytes[..len]) }
    }

    #[inline]
    pub(super) fn unsigned(&mut self, n: u64) -> Result<(), Stop> {
        match n {
            0..0x80 => self.plain(tag::SMALL | n as u8),
            _ => self.number(tag::UNSIGNED, n),
        }
    }

    #[inline]
    pub(super) fn signed(&mut self, n: i64) -> Result<(), Stop> {
        match u64::try_from(n) {
            Ok(n) => self.unsigned(n),
            Err(_) => self.number(tag::NEGATIVE, !n as u64),
        }
    }

    /// A tag that is a whole value.
    #[inline]
    pub(super) fn plain(&mut self, tag: u8) -> Result<(), Stop> {
        self.fixed(&[tag])
    }

    #[inline]
    pub(super) fn double(&mut self, value: f64) -> Result<(), Stop> {
        let mut bytes = [tag::DOUBLE; 9];
        bytes[1..].copy_from_slice(&value.to_le_bytes());
        // Charged as `0.5,`, the shortest it can be as JSON.
        self.end += 5;
        self.fixed(&bytes)
    }

    #[inline]
    pub(super) fn single(&mut self, value: f32) -> Result<(), Stop> {
        let mut bytes = [tag::SINGLE; 5];
        bytes[1..].copy_from_slice(&value.to_le_bytes());
        self.end += 1;
        self.fixed(&bytes)
    }

    #[inline]
    fn fixed<const N: usize>(&mut self, scalar: &[u8; N]) -> Result<(), Stop> {
        if self.tape.write(scalar, N) { Ok(()) } else { self.scalar(scalar) }
    }

    /// Digits of an integer beyond 64 bits.
    pub(super) fn digits(&mut self, digits: &dyn fmt::Display) -> Result<(), Stop> {
        match self.next {
            Next::Secret(_) | Next::Counts(_) | Next::RawJson(..) | Next::Digits => self.set_next(Next::Whole),
            Next::Whole | Next::Shape => {}
            Next::StateKeys | Next::Over => return Err(self.over()),
        }
        if self.left() < 48 {
            return Err(self.over());
        }
        let mut text = OpenText::new(self.tape, tag::NUMBER, LONGEST_NAME);
        write!(text, "{digits}").map_err(|_| display_failed())?;
        text.close();
        self.end += 4;
        Ok(())
    }

    /// A text too short to hold a credential is written at once.
    #[inline(never)]
    pub(super) fn string(&mut self, text: &str) -> Result<(), Stop> {
        if text.len() >= scan::SHORTEST {
            return self.long_string(text);
        }
        let word = tape::short(text.as_bytes());
        let mut bytes = [0; 10];
        bytes[..8].copy_from_slice(&(word << 16 | text_head(text.len())).to_le_bytes());
        bytes[8] = (word >> 48) as u8;
        if self.tape.write(&bytes, 2 + text.len()) { Ok(()) } else { self.string_slowly(text) }
    }

    #[inline(never)]
    fn long_string(&mut self, text: &str) -> Result<(), Stop> {
        let (bytes, len) = (text.as_bytes(), text.len());
        if len < scan::WIDTH {
            let filled = scan::filled_up(bytes);
            let mut written = [0; 2 + scan::WIDTH];
            written[..2].copy_from_slice(&(text_head(len) as u16).to_le_bytes());
            written[2..].copy_from_slice(&filled);
            let is_written = !scan::is_short_suspicious(&filled) && self.tape.write(&written, 2 + len);
            return if is_written { Ok(()) } else { self.string_slowly(text) };
        }
        let head = if len < 0x80 { 2 } else { 3 };
        if len >= 0x4000 || scan::is_long_suspicious(bytes) {
            return self.string_slowly(text);
        }
        let Some(room) = self.tape.advance(head + len) else { return self.string_slowly(text) };
        match room.split_at_mut(head) {
            ([tag, length], room) => {
                (*tag, *length) = (tag::STRING, len as u8);
                copy(room, bytes);
            }
            (head, room) => {
                head.copy_from_slice(&[tag::STRING, len as u8 | 0x80, (len >> 7) as u8]);
                room.copy_from_slice(bytes);
            }
        }
        Ok(())
    }

    #[cold]
    #[inline(never)]
    fn string_slowly(&mut self, text: &str) -> Result<(), Stop> {
        match self.next {
            Next::Whole if text.len() + tape::NUMBER <= self.left() && !scan::is_suspicious(text) => {
                self.tape.put_text(tag::STRING, text);
                Ok(())
            }
            Next::Whole => self.clean_string(text),
            Next::Secret(rule) | Next::Counts(rule) => {
                self.redacted(&rule);
                Ok(())
            }
            Next::Shape => {
                self.tape.put_number(tag::CHARACTERS, text.chars().count() as u64);
                Ok(())
            }
            Next::RawJson(depth, rewrite) => {
                self.set_next(match depth {
                    Depth::Whole => Next::Whole,
                    Depth::Shape => Next::Shape,
                    Depth::StateKeys => Next::StateKeys,
                });
                rewrite.0(self, text)
            }
            Next::Digits => {
                self.set_next(Next::Whole);
                self.digits(&text)
            }
            Next::StateKeys | Next::Over => Err(self.over()),
        }
    }

    /// Writes as much of `text` as fits; what follows a cut text does not.
    fn clean_string(&mut self, text: &str) -> Result<(), Stop> {
        // What a replaced secret takes less than before is not made up for: a string this near to its limit is cut anyway.
        let room = self.left();
        let (head, cut) = start_of(text, room);
        let cleaned = scan::clean(head, cut);
        let (head, cut_again) = start_of(cleaned.as_deref().unwrap_or(head), room);
        if cut && room < 4 {
            return Err(self.over());
        }
        let cut = cut || cut_again;
        self.tape.put_text(if cut { tag::STRING_CUT } else { tag::STRING }, head);
        if cut {
            self.set_next(Next::Over);
        }
        Ok(())
    }

    /// What `value` displays, as a string of at most `most` bytes.
    pub(super) fn display(&mut self, value: &dyn fmt::Display, most: usize) -> Result<(), Stop> {
        match self.next {
            Next::Whole => self.display_whole(value, most),
            Next::Shape => {
                let mut count = Count(0);
                write!(count, "{value}").map_err(|_| display_failed())?;
                self.tape.put_number(tag::CHARACTERS, count.0);
                Ok(())
            }
            Next::Secret(rule) | Next::Counts(rule) => {
                self.redacted(&rule);
                Ok(())
            }
            Next::RawJson(..) | Next::Digits => self.string_slowly(&value.to_string()),
            Next::StateKeys | Next::Over => Err(self.over()),
        }
    }

    fn display_whole(&mut self, value: &dyn fmt::Display, most: usize) -> Result<(), Stop> {
        let room = self.left();
        if room < 4 {
            return Err(self.over());
        }
        let mut text = OpenText::new(self.tape, tag::STRING, most.min(room));
        if write!(text, "{value}").is_err() && !text.cut {
            return Err(display_failed());
        }
        if text.cut {
            text.set_tag(tag::STRING_CUT);
        }
        if let Some(cleaned) = text.suspicious().and_then(|suspicious| scan::clean(suspicious, text.cut)) {
            text.replace(&cleaned);
        }
        let cut = text.cut;
        text.close();
        // Its length takes more room than that of a string written at once.
        self.end += 3;
        if cut {
            self.set_next(Next::Over);
        }
        Ok(())
    }

    /// Raw bytes, charged as the two characters a byte takes at least.
    pub(super) fn bytes(&mut self, bytes: &[u8]) -> Result<(), Stop> {
        match self.next {
            Next::Whole => {}
            Next::Secret(rule) | Next::Counts(rule) => {
                self.redacted(&rule);
                return Ok(());
            }
            Next::Shape => {
                self.tape.put_number(tag::LENGTH, bytes.len() as u64);
                return Ok(());
            }
            Next::RawJson(..) | Next::Digits | Next::StateKeys | Next::Over => return Err(self.over()),
        }
        let room = self.left() / 2;
        let cut = bytes.len() > room;
        if cut && room < 4 {
            return Err(self.over());
        }
        let head = &bytes[..bytes.len().min(room)];
        self.tape.put_number(if cut { tag::BYTES_CUT } else { tag::BYTES }, head.len() as u64);
        self.tape.put(head);
        self.end = self.end.saturating_sub(head.len());
        self.set_next(if cut { Next::Over } else { Next::Whole });
        Ok(())
    }

    /// The name of a type, in place of a value of it.
    pub(super) fn opaque(&mut self, name: &str) -> Result<(), Stop> {
        if matches!(self.next, Next::StateKeys | Next::Over) {
            return Err(self.over());
        }
        self.tape.put_text(tag::OPAQUE, start_of(name, LONGEST_NAME).0);
        Ok(())
    }

    /// The marker of a value that is not shown.
    #[cold]
    pub(super) fn redacted(&mut self, rule: &dyn fmt::Display) {
        let mut text = OpenText::new(self.tape, tag::REDACTED, LONGEST_NAME);
        // The name of a rule displays, and what is too long of it is left out.
        let _ = write!(text, "{rule}");
        text.close();
        self.set_next(Next::Whole);
    }

    /// A key of the innermost open map, and with it whether its value is a secret.
    pub(super) fn key(&mut self, key: &str, rule: Option<&'w str>) -> Result<(), Stop> {
        // The value of the key before may have failed, and the failure have been swallowed.
        self.leave_key();
        if !matches!(self.next, Next::Whole) || key.len() + 2 > self.left() {
            return Err(self.over());
        }
        self.tape.put_text(tag::KEY, key);
        if let Some(rule) = rule {
            self.set_next(Next::Secret(rule));
        }
        Ok(())
    }

    /// The name of a field under no rule; false if it has to be written the other way.
    #[inline]
    pub(super) fn plain_key(&mut self, key: &'static str) -> bool {
        self.keys.plain(key).is_some_and(|bytes| self.tape.write(&bytes, 2 + key.len()))
    }

    /// The name of a field.
    pub(super) fn static_key(&mut self, key: &'static str) -> Result<(), Stop> {
        self.key(key, self.rules.of_static(key))
    }

    /// Says that a key follows that is a value.
    pub(super) fn key_of(&mut self) -> Result<(), Stop> {
        self.leave_key();
        if !matches!(self.next, Next::Whole) || self.left() < 2 {
            return Err(self.over());
        }
        self.tape.put(&[tag::KEY_OF]);
        Ok(())
    }

    /// A key at the shape level.
    pub(super) fn shape_key(&mut self, key: &str) -> Result<(), Stop> {
        if matches!(self.next, Next::Over) || key.len() > self.left() {
            return Err(self.over());
        }
        self.tape.put_text(tag::STRING, key);
        Ok(())
    }

    /// How many elements a list has.
    #[cold]
    #[inline(never)]
    pub(super) fn tell_length(&mut self, count: u64) {
        self.tape.put_number(tag::LENGTH, count);
    }

    /// Opens a list or map, or does what is done in its place.
    #[inline]
    pub(super) fn begin(&mut self, tag: u8) -> Result<Begun, Stop> {
        if self.open >= DEEPEST as u32 || !self.tape.write(&[tag], 1) {
            return self.begin_slowly(tag);
        }
        self.open += 1;
        Ok(Begun::Whole)
    }

    #[cold]
    #[inline(never)]
    fn begin_slowly(&mut self, tag: u8) -> Result<Begun, Stop> {
        match (self.next, tag) {
            (Next::Counts(_), tag::MAP) if self.left() >= 2 => {
                self.set_next(Next::Whole);
                self.tape.put(&[tag]);
                self.open += 1;
                Ok(Begun::Whole)
            }
            (Next::Secret(rule) | Next::Counts(rule), _) => {
                self.redacted(&rule);
                Ok(Begun::Skipped)
            }
            (Next::Shape, tag::MAP) => Ok(self.begin_keys(tag::KEYS)),
            (Next::StateKeys, tag::MAP) => Ok(self.begin_keys(tag::LIST)),
            (Next::Shape, _) => Ok(Begun::Counted),
            (Next::Whole, _) if self.left() < 2 => Err(self.over()),
            (Next::Whole, _) if self.open >= DEEPEST as u32 => {
                self.tape.put(&[tag::CUT]);
                Ok(Begun::Skipped)
            }
            (Next::Whole, _) => {
                self.grow(2)?;
                self.tape.put(&[tag]);
                self.open += 1;
                Ok(Begun::Whole)
            }
            _ => Err(self.over()),
        }
    }

    fn begin_keys(&mut self, tag: u8) -> Begun {
        self.tape.put(&[tag]);
        self.open += 1;
        Begun::Keys
    }

    /// Closes the innermost list or map; false if there is no room to say so.
    #[inline]
    pub(super) fn end(&mut self) -> bool {
        let is_closed = self.tape.write(&[tag::END], 1);
        self.open -= u32::from(is_closed);
        is_closed
    }

    /// Closes all that was opened above `open`.
    #[inline]
    pub(super) fn close_to(&mut self, open: u32) {
        while self.open > open {
            self.tape.put(&[tag::END]);
            self.open -= 1;
        }
    }
}

/// What became of a list or map that was to be opened.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Begun {
    /// It is open.
    Whole,
    /// A marker stands in its place; what it holds is passed over.
    Skipped,
    /// A list of its keys is open.
    Keys,
    /// Its elements are counted.
    Counted,
}

/// Copies a text of at least 16 bytes, the shorter ones without a call.
#[inline]
fn copy(room: &mut [u8], bytes: &[u8]) {
    if let (0..=32, Some(first), Some(last)) = (bytes.len(), bytes.first_chunk::<16>(), bytes.last_chunk::<16>()) {
        if let Some(room) = room.first_chunk_mut() {
            *room = *first;
        }
        if let Some(room) = room.last_chunk_mut() {
            *room = *last;
        }
        return;
    }
    room.copy_from_slice(bytes);
}

/// The first bytes of a string of less than 0x80 bytes.
#[inline]
fn text_head(len: usize) -> u64 {
    (len as u64) << 8 | u64::from(tag::STRING)
}

fn display_failed() -> Stop {
    Stop::saying("a Display implementation returned an error")
}
