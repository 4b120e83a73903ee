//! The one writer of tape: limits, redaction and the shape level, below the serde face in `serializer`.
//!
//! Every write asks one question, whether it stays below the *gate*. Outside of the plain case (a secret key, the shape level, the limit
//! reached) the gate stands at 0, so that the question also leads there and costs nothing more where it does not.

use std::fmt::{self, Write as _};

use super::rules::Rules;
use super::scan;
use crate::tape::{self, DEEPEST, tag};

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

impl PartialEq for Rewrite {
    /// There is one way.
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// What the next value is written as.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Next<'w> {
    /// Itself.
    Whole,
    /// A marker naming the rule, unless it is a number, a boolean or nothing.
    Secret(&'w str),
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
    pub(super) out: &'w mut Vec<u8>,
    pub(super) rules: &'w Rules,
    pub(super) next: Next<'w>,
    /// Open lists and maps of this value.
    pub(super) open: usize,
    /// Length of `out` before this value.
    start: usize,
    /// Length of `out` below which a value is written without a further look; `end`, or 0 unless `next` is `Whole`.
    gate: usize,
    /// Length of `out` that is not passed, but for ends and markers.
    end: usize,
}

impl<'w> Writer<'w> {
    pub(super) fn new(out: &'w mut Vec<u8>, rules: &'w Rules, limit: usize, next: Next<'w>) -> Self {
        let start = out.len();
        let end = start + limit + SLACK;
        Self { out, rules, next, open: 0, start, gate: if next == Next::Whole { end } else { 0 }, end }
    }

    /// Whether what was written is a whole value.
    pub(super) fn holds_one_value(&self) -> bool {
        self.open == 0 && self.out.len() > self.start
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
            self.out.truncate(self.start);
        }
        if marker == tag::FAILED {
            let (head, cut) = start_of(text, LONGEST_NAME);
            let cleaned = scan::clean(head, cut);
            tape::put_text(self.out, marker, cleaned.as_deref().unwrap_or(head));
        } else {
            self.out.push(marker);
        }
        self.close_to(0);
    }

    pub(super) fn set_next(&mut self, next: Next<'w>) {
        self.next = next;
        self.gate = if next == Next::Whole { self.end } else { 0 };
    }

    /// Forgets that the value just passed stood under a secret key, if it did.
    #[inline]
    pub(super) fn leave_key(&mut self) {
        if self.gate == 0 && matches!(self.next, Next::Secret(_)) {
            self.set_next(Next::Whole);
        }
    }

    #[inline]
    pub(super) fn fits(&self, len: usize) -> bool {
        self.out.len() + len <= self.gate
    }

    /// The limit is reached.
    #[cold]
    pub(super) fn over(&mut self) -> Stop {
        self.set_next(Next::Over);
        Stop { text: None }
    }

    /// Lets a number, boolean or null pass that did not fit below the gate.
    #[cold]
    #[inline(never)]
    pub(super) fn scalar(&mut self, len: usize) -> Result<(), Stop> {
        match self.next {
            Next::Secret(_) | Next::RawJson(..) | Next::Digits => self.set_next(Next::Whole),
            Next::Whole | Next::Shape => {}
            Next::StateKeys | Next::Over => return Err(self.over()),
        }
        if self.out.len() + len > self.end { Err(self.over()) } else { Ok(()) }
    }

    #[inline]
    pub(super) fn unsigned(&mut self, n: u64) -> Result<(), Stop> {
        if !self.fits(11) {
            self.scalar(11)?;
        }
        match n {
            0..0x80 => self.out.push(tag::SMALL | n as u8),
            _ => tape::put_number(self.out, tag::UNSIGNED, n),
        }
        Ok(())
    }

    #[inline]
    pub(super) fn signed(&mut self, n: i64) -> Result<(), Stop> {
        match u64::try_from(n) {
            Ok(n) => self.unsigned(n),
            Err(_) => {
                if !self.fits(11) {
                    self.scalar(11)?;
                }
                tape::put_number(self.out, tag::NEGATIVE, !n as u64);
                Ok(())
            }
        }
    }

    /// A tag that is a whole value.
    #[inline]
    pub(super) fn plain(&mut self, tag: u8) -> Result<(), Stop> {
        if !self.fits(1) {
            self.scalar(1)?;
        }
        self.out.push(tag);
        Ok(())
    }

    #[inline]
    pub(super) fn double(&mut self, value: f64) -> Result<(), Stop> {
        if !self.fits(9) {
            self.scalar(9)?;
        }
        let mut bytes = [tag::DOUBLE; 9];
        bytes[1..].copy_from_slice(&value.to_le_bytes());
        self.out.extend_from_slice(&bytes);
        // Charged as `0.5,`, the shortest it can be as JSON.
        self.grant(5);
        Ok(())
    }

    #[inline]
    pub(super) fn single(&mut self, value: f32) -> Result<(), Stop> {
        if !self.fits(5) {
            self.scalar(5)?;
        }
        let mut bytes = [tag::SINGLE; 5];
        bytes[1..].copy_from_slice(&value.to_le_bytes());
        self.out.extend_from_slice(&bytes);
        self.grant(1);
        Ok(())
    }

    #[inline]
    fn grant(&mut self, bytes: usize) {
        self.end += bytes;
        if self.gate != 0 {
            self.gate = self.end;
        }
    }

    /// Digits of an integer beyond 64 bits.
    pub(super) fn digits(&mut self, digits: &dyn fmt::Display) -> Result<(), Stop> {
        if !self.fits(48) {
            self.scalar(48)?;
        }
        let mut text = OpenText::new(self.out, tag::NUMBER, LONGEST_NAME);
        write!(text, "{digits}").map_err(|_| display_failed())?;
        text.close();
        self.grant(4);
        Ok(())
    }

    #[inline]
    pub(super) fn string(&mut self, text: &str) -> Result<(), Stop> {
        if !self.fits(text.len()) || scan::is_suspicious(text) {
            return self.string_slowly(text);
        }
        tape::put_text(self.out, tag::STRING, text);
        Ok(())
    }

    #[cold]
    #[inline(never)]
    fn string_slowly(&mut self, text: &str) -> Result<(), Stop> {
        match self.next {
            Next::Whole => self.clean_string(text),
            Next::Secret(rule) => {
                self.redacted(&rule);
                Ok(())
            }
            Next::Shape => {
                tape::put_number(self.out, tag::CHARACTERS, text.chars().count() as u64);
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
        let room = self.room();
        let (head, cut) = start_of(text, room);
        let cleaned = scan::clean(head, cut);
        let (head, cut_again) = start_of(cleaned.as_deref().unwrap_or(head), room);
        if cut && room < 4 {
            return Err(self.over());
        }
        let cut = cut || cut_again;
        tape::put_text(self.out, if cut { tag::STRING_CUT } else { tag::STRING }, head);
        if cut {
            self.set_next(Next::Over);
        }
        Ok(())
    }

    fn room(&self) -> usize {
        self.end.saturating_sub(self.out.len())
    }

    /// What `value` displays, as a string of at most `most` bytes.
    pub(super) fn display(&mut self, value: &dyn fmt::Display, most: usize) -> Result<(), Stop> {
        match self.next {
            Next::Whole => self.display_whole(value, most),
            Next::Shape => {
                let mut count = Count(0);
                write!(count, "{value}").map_err(|_| display_failed())?;
                tape::put_number(self.out, tag::CHARACTERS, count.0);
                Ok(())
            }
            Next::Secret(rule) => {
                self.redacted(&rule);
                Ok(())
            }
            Next::RawJson(..) | Next::Digits => self.string_slowly(&value.to_string()),
            Next::StateKeys | Next::Over => Err(self.over()),
        }
    }

    fn display_whole(&mut self, value: &dyn fmt::Display, most: usize) -> Result<(), Stop> {
        let room = self.room();
        if room < 4 {
            return Err(self.over());
        }
        let mut text = OpenText::new(self.out, tag::STRING, most.min(room));
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
        self.grant(3);
        if cut {
            self.set_next(Next::Over);
        }
        Ok(())
    }

    /// Raw bytes, charged as the two characters a byte takes at least.
    pub(super) fn bytes(&mut self, bytes: &[u8]) -> Result<(), Stop> {
        match self.next {
            Next::Whole => {}
            Next::Secret(rule) => {
                self.redacted(&rule);
                return Ok(());
            }
            Next::Shape => {
                tape::put_number(self.out, tag::LENGTH, bytes.len() as u64);
                return Ok(());
            }
            Next::RawJson(..) | Next::Digits | Next::StateKeys | Next::Over => return Err(self.over()),
        }
        let room = self.room() / 2;
        let cut = bytes.len() > room;
        if cut && room < 4 {
            return Err(self.over());
        }
        let head = &bytes[..bytes.len().min(room)];
        tape::put_number(self.out, if cut { tag::BYTES_CUT } else { tag::BYTES }, head.len() as u64);
        self.out.extend_from_slice(head);
        self.end = self.end.saturating_sub(head.len());
        self.set_next(if cut { Next::Over } else { Next::Whole });
        Ok(())
    }

    /// The name of a type, in place of a value of it.
    pub(super) fn opaque(&mut self, name: &str) -> Result<(), Stop> {
        if matches!(self.next, Next::StateKeys | Next::Over) {
            return Err(self.over());
        }
        tape::put_text(self.out, tag::OPAQUE, start_of(name, LONGEST_NAME).0);
        Ok(())
    }

    /// The marker of a value that is not shown.
    #[cold]
    pub(super) fn redacted(&mut self, rule: &dyn fmt::Display) {
        let mut text = OpenText::new(self.out, tag::REDACTED, LONGEST_NAME);
        // The name of a rule displays, and what is too long of it is left out.
        let _ = write!(text, "{rule}");
        text.close();
        self.set_next(Next::Whole);
    }

    /// A key of the innermost open map, and with it whether its value is a secret.
    #[inline]
    pub(super) fn key(&mut self, key: &str, rule: Option<&'w str>) -> Result<(), Stop> {
        if !self.fits(key.len() + 2) {
            self.key_at_gate(key.len() + 2)?;
        }
        tape::put_text(self.out, tag::KEY, key);
        if let Some(rule) = rule {
            self.set_next(Next::Secret(rule));
        }
        Ok(())
    }

    /// The name of a field. Inlined, its bytes are written as constants.
    #[inline]
    pub(super) fn static_key(&mut self, key: &'static str) -> Result<(), Stop> {
        let rules = self.rules;
        let rule = rules.of_static(key);
        self.key(key, rule)
    }

    #[cold]
    #[inline(never)]
    fn key_at_gate(&mut self, len: usize) -> Result<(), Stop> {
        // The value of the key before failed, and the failure was swallowed.
        self.leave_key();
        if self.fits(len) { Ok(()) } else { Err(self.over()) }
    }

    /// A key at the shape level.
    pub(super) fn shape_key(&mut self, key: &str) -> Result<(), Stop> {
        if self.next == Next::Over || self.out.len() + key.len() > self.end {
            return Err(self.over());
        }
        tape::put_text(self.out, tag::STRING, key);
        Ok(())
    }

    /// Opens a list or map, or does what is done in its place.
    #[inline]
    pub(super) fn begin(&mut self, tag: u8) -> Result<Begun, Stop> {
        if !self.fits(2) || self.open >= DEEPEST {
            return self.begin_slowly(tag);
        }
        self.out.push(tag);
        self.open += 1;
        Ok(Begun::Whole)
    }

    #[cold]
    #[inline(never)]
    fn begin_slowly(&mut self, tag: u8) -> Result<Begun, Stop> {
        match (self.next, tag) {
            (Next::Secret(rule), _) => {
                self.redacted(&rule);
                Ok(Begun::Skipped)
            }
            (Next::Shape, tag::MAP) => Ok(self.begin_keys(tag::KEYS)),
            (Next::StateKeys, tag::MAP) => Ok(self.begin_keys(tag::LIST)),
            (Next::Shape, _) => Ok(Begun::Counted),
            (Next::Whole, _) if self.open >= DEEPEST && self.room() > 0 => {
                self.out.push(tag::CUT);
                Ok(Begun::Skipped)
            }
            _ => Err(self.over()),
        }
    }

    fn begin_keys(&mut self, tag: u8) -> Begun {
        self.out.push(tag);
        self.open += 1;
        Begun::Keys
    }

    /// Closes all that was opened above `open`.
    #[inline]
    pub(super) fn close_to(&mut self, open: usize) {
        while self.open > open {
            self.out.push(tag::END);
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

/// As much of `text` as `len` bytes hold, and whether that is less than all of it.
fn start_of(text: &str, len: usize) -> (&str, bool) {
    if text.len() <= len {
        return (text, false);
    }
    let mut end = len;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    (&text[..end], true)
}

fn display_failed() -> Stop {
    Stop::saying("a Display implementation returned an error")
}

/// A text that is being formatted onto the tape. Unless it is closed, nothing of it stays: what formats it may panic half way.
struct OpenText<'o> {
    out: &'o mut Vec<u8>,
    /// Where its bytes begin.
    start: usize,
    /// Where they must end.
    end: usize,
    cut: bool,
    closed: bool,
}

impl<'o> OpenText<'o> {
    const HEAD: usize = 5;

    fn new(out: &'o mut Vec<u8>, tag: u8, most: usize) -> Self {
        let start = tape::open_text(out, tag);
        Self { end: start.saturating_add(most), out, start, cut: false, closed: false }
    }

    fn set_tag(&mut self, tag: u8) {
        self.out[self.start - Self::HEAD] = tag;
    }

    fn suspicious(&self) -> Option<&str> {
        std::str::from_utf8(&self.out[self.start..]).ok().filter(|text| scan::is_suspicious(text))
    }

    fn replace(&mut self, text: &str) {
        self.out.truncate(self.start);
        self.out.extend_from_slice(text.as_bytes());
    }

    fn close(mut self) {
        tape::close_text(self.out, self.start);
        self.closed = true;
    }
}

impl fmt::Write for OpenText<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let (head, cut) = start_of(text, self.end.saturating_sub(self.out.len()));
        self.out.extend_from_slice(head.as_bytes());
        self.cut |= cut;
        if cut { Err(fmt::Error) } else { Ok(()) }
    }
}

impl Drop for OpenText<'_> {
    fn drop(&mut self) {
        if !self.closed {
            self.out.truncate(self.start - Self::HEAD);
        }
    }
}

struct Count(u64);

impl fmt::Write for Count {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0 += text.chars().count() as u64;
        Ok(())
    }
}
