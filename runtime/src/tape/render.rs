//! One value as JSON text of a limited length.
//!
//! What does not fit is cut so that the text stays JSON: a string ends with `…`, a list gets `"…"` as its last element, an object
//! `"…":"…"` as its last entry, and everything open is closed. Of the lists and objects open there, the
//! innermost that had more to come shows the mark.

mod quick;

use std::fmt::Write as _;

use super::read::{Cursor, Token};
use crate::record::Json;

/// No limit is below this: the room a mark and its brackets take.
const SMALLEST: usize = 16;

/// A mark in an object, comma included; a mark in a list is shorter.
const MARK: usize = ",\"…\":\"…\"".len();

/// A key that is a structure is cut at this many bytes of JSON text.
const LONGEST_KEY: usize = 256;

/// Deepest nesting of lists and objects that is rendered. Bytes and markers may stand one level deeper, payloads add two, and `serde_json`
/// reads no deeper than 127.
const DEEPEST: usize = 122;

/// The first value of `bytes` as JSON text of at most `limit` bytes; limits below 16 count as 16. Bytes that are no value are `null`.
#[cfg(test)]
pub(crate) fn render(bytes: &[u8], limit: usize) -> Json {
    let mut text = String::new();
    render_into(&mut text, &mut Cursor::new(bytes), limit);
    json(text)
}

/// Text that this module wrote, which is JSON whatever the bytes were.
pub(super) fn json(text: String) -> Json {
    debug_assert!(serde_json::from_str::<&serde_json::value::RawValue>(&text).is_ok(), "not JSON: {text}");
    Json::trusted(text.into())
}

/// Appends the value at `cursor` to `out`, in at most `limit` bytes, and leaves the cursor behind it.
pub(super) fn render_into(out: &mut String, cursor: &mut Cursor<'_>, limit: usize) {
    let limit = limit.max(SMALLEST);
    let start = out.len();
    // A damaged tape may set any limit.
    let end = start.saturating_add(limit);
    // A tape and its text are about as long.
    out.reserve(limit.min(cursor.len() + cursor.len() / 4));
    if quick::value(out, cursor, end) {
        return;
    }
    let mut whole = Renderer { out, cursor: *cursor, end, open: 0, mark: 0 };
    if whole.value().is_ok() {
        *cursor = whole.cursor;
        return;
    }
    out.truncate(start);
    let mut cut = Renderer { out, cursor: *cursor, end, open: 0, mark: MARK };
    if matches!(cut.value(), Err(Full::Before)) {
        out.truncate(start);
        out.push_str("\"…\"");
    }
    cursor.skip();
}

/// Appends `text` as a JSON string of at most `limit` bytes.
pub(super) fn render_text(out: &mut String, text: &str, limit: usize) {
    let end = out.len().saturating_add(limit.max(SMALLEST));
    // Whether it was cut is seen in the text.
    let _ = Renderer { out, cursor: Cursor::new(&[]), end, open: 0, mark: MARK }.string(text, false);
}

struct Renderer<'o, 'b> {
    out: &'o mut String,
    cursor: Cursor<'b>,
    /// Length `out` must not exceed.
    end: usize,
    /// Open lists and objects; each needs one byte to be closed.
    open: usize,
    /// Room kept for a mark while something is open. 0 on the first try, which is given up where the value does not fit.
    mark: usize,
}

/// The limit is reached.
enum Full {
    /// Nothing was written of the value.
    Before,
    /// The value was cut; its container shows the mark if it has more.
    Inside,
    /// The value was cut and shows the mark.
    Marked,
}

impl<'b> Renderer<'_, 'b> {
    fn room(&self) -> usize {
        let kept = if self.open == 0 { 0 } else { self.open + self.mark };
        self.end.saturating_sub(kept)
    }

    fn value(&mut self) -> Result<(), Full> {
        match self.cursor.next() {
            Some(token) => self.token(token),
            None => self.plain("null"),
        }
    }

    fn token(&mut self, mut token: Token<'b>) -> Result<(), Full> {
        // Out of place: what they announce is read as the value.
        while let Token::Key(_) | Token::KeyOf | Token::Limit(_) | Token::Shape(_) = token {
            token = self.cursor.next().unwrap_or(Token::Null);
        }
        match token {
            Token::List | Token::Map | Token::Keys if self.open + 2 > DEEPEST => {
                self.cursor.skip_open();
                self.plain("\"…\"")
            }
            Token::Key(_) | Token::KeyOf | Token::Limit(_) | Token::Shape(_) => self.plain("null"),
            Token::Null | Token::End => self.plain("null"),
            Token::Bool(value) => self.plain(if value { "true" } else { "false" }),
            Token::Unsigned(value) => self.unsigned(value),
            Token::Negative(value) => self.formatted(format_args!("{value}")),
            Token::Number(text) if is_number(text) => self.plain(text),
            Token::Number(text) => self.string(text, false),
            Token::Double(value) => match value.is_finite() {
                true => self.finite(&value),
                false => self.plain(not_finite(value)),
            },
            Token::Single(value) => match value.is_finite() {
                true => self.finite(&value),
                false => self.plain(not_finite(f64::from(value))),
            },
            Token::String { text, cut } => self.string(text, cut),
            Token::Bytes { bytes, cut } => self.bytes(bytes, cut),
            Token::List => self.list(),
            Token::Map => self.map(),
            Token::Keys => {
                self.open_with("{\"$keys\":[", 2)?;
                let elements = self.elements();
                self.close("]}", 2);
                elements
            }
            Token::Cut => self.plain("\"…\""),
            Token::Panicked => self.plain("\"<panicked>\""),
            Token::Opaque(name) => self.string(&format!("<{}>", short_type_name(name)), false),
            Token::Failed(text) => self.string(&format!("<failed: {text}>"), false),
            Token::Redacted(rule) => {
                self.open_with("{\"$redacted\":", 1)?;
                let text = self.string(rule, false);
                self.close("}", 1);
                text
            }
            Token::Length(n) => self.formatted(format_args!("{{\"$length\":{n}}}")),
            Token::Characters(n) => self.formatted(format_args!("{{\"$chars\":{n}}}")),
        }
    }

    /// Text that is written whole or not at all.
    fn plain(&mut self, text: &str) -> Result<(), Full> {
        if self.out.len() + text.len() > self.room() {
            return Err(Full::Before);
        }
        self.out.push_str(text);
        Ok(())
    }

    fn formatted(&mut self, text: std::fmt::Arguments<'_>) -> Result<(), Full> {
        let start = self.out.len();
        // A `String` takes whatever is formatted.
        let _ = self.out.write_fmt(text);
        self.unless_too_long(start)
    }

    fn unsigned(&mut self, n: u64) -> Result<(), Full> {
        let mut digits = [0; MOST_DIGITS];
        self.plain(std::str::from_utf8(digits_of(n, &mut digits)).unwrap_or_default())
    }

    fn finite<F: serde::Serialize>(&mut self, value: &F) -> Result<(), Full> {
        finite_digits(value, |digits| self.plain(digits))
    }

    fn unless_too_long(&mut self, start: usize) -> Result<(), Full> {
        if self.out.len() > self.room() {
            self.out.truncate(start);
            return Err(Full::Before);
        }
        Ok(())
    }

    fn string(&mut self, text: &str, cut: bool) -> Result<(), Full> {
        let start = self.out.len();
        let room = self.room();
        let tail = if cut { "…\"" } else { "\"" };
        self.out.push('"');
        if escape(self.out, text, room.saturating_sub(tail.len())) {
            self.out.push_str(tail);
            return self.unless_too_long(start);
        }
        if start + "\"…\"".len() > room {
            self.out.truncate(start);
            return Err(Full::Before);
        }
        self.out.truncate(start + 1);
        escape(self.out, text, room - "…\"".len());
        self.out.push_str("…\"");
        Err(Full::Inside)
    }

    fn bytes(&mut self, bytes: &[u8], cut: bool) -> Result<(), Full> {
        self.open_with("[", 1)?;
        let mut written = Ok(());
        for (place, &byte) in bytes.iter().enumerate() {
            written = self.element(place == 0, |this| this.unsigned(u64::from(byte)), |_| false);
            if written.is_err() {
                break;
            }
        }
        if cut && written.is_ok() {
            written = self.element(bytes.is_empty(), |this| this.plain("\"…\""), |_| false);
        }
        self.close("]", 1);
        written
    }

    fn list(&mut self) -> Result<(), Full> {
        self.open_with("[", 1)?;
        let elements = self.elements();
        self.close("]", 1);
        elements
    }

    fn elements(&mut self) -> Result<(), Full> {
        let mut first = true;
        while let Some(token) = self.cursor.next() {
            if token == Token::End {
                break;
            }
            let written = self.element(first, |this| this.token(token), |this| this.cursor.has_more());
            if matches!(written, Err(Full::Inside)) {
                // It was the last element: what follows is the container's end.
                self.cursor.next();
            }
            written?;
            first = false;
        }
        Ok(())
    }

    /// Writes one element of a list, or the mark in its place.
    fn element(
        &mut self,
        first: bool,
        write: impl FnOnce(&mut Self) -> Result<(), Full>,
        has_more: impl FnOnce(&Self) -> bool,
    ) -> Result<(), Full> {
        let start = self.out.len();
        if !first {
            self.out.push(',');
        }
        match write(self) {
            Err(Full::Before) => {
                self.out.truncate(start);
                self.out.push_str(if first { "\"…\"" } else { ",\"…\"" });
                Err(Full::Marked)
            }
            Err(Full::Inside) if has_more(self) => {
                self.out.push_str(",\"…\"");
                Err(Full::Marked)
            }
            written => written,
        }
    }

    fn map(&mut self) -> Result<(), Full> {
        self.open_with("{", 1)?;
        let entries = self.entries();
        self.close("}", 1);
        entries
    }

    fn entries(&mut self) -> Result<(), Full> {
        let mut first = true;
        while let Some(token) = self.cursor.next() {
            if token == Token::End {
                break;
            }
            let start = self.out.len();
            match self.entry(first, token) {
                Err(Full::Before) => {
                    self.out.truncate(start);
                    self.out.push_str(if first { "\"…\":\"…\"" } else { ",\"…\":\"…\"" });
                    return Err(Full::Marked);
                }
                Err(Full::Inside) if self.cursor.has_more() => {
                    self.out.push_str(",\"…\":\"…\"");
                    return Err(Full::Marked);
                }
                Err(Full::Inside) => {
                    self.cursor.next();
                    return Err(Full::Inside);
                }
                written => written?,
            }
            first = false;
        }
        Ok(())
    }

    fn entry(&mut self, first: bool, token: Token<'b>) -> Result<(), Full> {
        if !first {
            self.out.push(',');
        }
        match token {
            Token::Key(key) => self.key(key)?,
            Token::KeyOf => {
                let key = self.key_of();
                self.key(&key)?;
            }
            out_of_place => {
                self.key("…")?;
                return self.token(out_of_place);
            }
        }
        match self.cursor.has_more() && !self.cursor.at_key() {
            true => self.value(),
            false => self.plain("null"),
        }
    }

    fn key(&mut self, key: &str) -> Result<(), Full> {
        self.out.push('"');
        let room = self.room();
        if !escape(self.out, key, room) {
            return Err(Full::Before);
        }
        self.out.push_str("\":");
        if self.out.len() > room { Err(Full::Before) } else { Ok(()) }
    }

    /// The JSON text of a key that is a value; a string is its own text.
    fn key_of(&mut self) -> String {
        if let Some(Token::String { text, cut: false }) = self.cursor.peek() {
            self.cursor.skip();
            return text.to_owned();
        }
        let mut text = String::new();
        let mut after = self.cursor;
        after.skip();
        // One try only: a second one at each level would double with every level.
        let depth = self.open;
        let mut key =
            Renderer { out: &mut text, cursor: self.cursor, end: LONGEST_KEY + depth, open: depth, mark: MARK };
        if matches!(key.value(), Err(Full::Before)) {
            text.push('…');
        }
        self.cursor = after;
        text
    }

    /// Opens `levels` lists or objects at once.
    fn open_with(&mut self, text: &str, levels: usize) -> Result<(), Full> {
        self.open += levels;
        let written = self.plain(text);
        if written.is_err() {
            self.open -= levels;
        }
        written
    }

    fn close(&mut self, text: &str, levels: usize) {
        self.out.push_str(text);
        self.open -= levels;
    }
}

/// Shortest digits that read back as the same number, as `serde_json` writes them.
/// Digits of the largest `u64`.
const MOST_DIGITS: usize = 20;

/// The decimal digits of a number, written into the end of `digits`.
fn digits_of(mut n: u64, digits: &mut [u8; MOST_DIGITS]) -> &[u8] {
    let mut first = digits.len();
    loop {
        first -= 1;
        digits[first] = b'0' + (n % 10) as u8;
        n /= 10;
        if n == 0 {
            return &digits[first..];
        }
    }
}

fn finite_digits<F: serde::Serialize, T>(value: &F, with: impl FnOnce(&str) -> T) -> T {
    let mut digits = [0u8; 40];
    let mut writer = std::io::Cursor::new(&mut digits[..]);
    // A finite number takes at most 24 bytes.
    let _ = serde_json::to_writer(&mut writer, value);
    let len = writer.position() as usize;
    with(std::str::from_utf8(&digits[..len]).unwrap_or_default())
}

fn not_finite(value: f64) -> &'static str {
    if value.is_nan() {
        "\"NaN\""
    } else if value > 0.0 {
        "\"Infinity\""
    } else {
        "\"-Infinity\""
    }
}

/// Appends `text`, escaped for a JSON string, as long as `out` does not outgrow `end`; says whether all of it was written.
fn escape(out: &mut String, text: &str, end: usize) -> bool {
    if has_escapes(text.as_bytes()) { escape_each(out, text, end) } else { push_start(out, text, end) }
}

/// Whether a byte of `bytes` may need an escape, eight at a time; never wrong where it says no.
fn has_escapes(bytes: &[u8]) -> bool {
    let Some(&last) = bytes.last_chunk() else {
        let mut padded = [b' '; 8];
        padded[..bytes.len()].copy_from_slice(bytes);
        return word_has_escapes(u64::from_le_bytes(padded));
    };
    let mut rest = bytes;
    while let Some((&word, after)) = rest.split_first_chunk() {
        if word_has_escapes(u64::from_le_bytes(word)) {
            return true;
        }
        rest = after;
    }
    word_has_escapes(u64::from_le_bytes(last))
}

/// Likewise of eight bytes.
fn word_has_escapes(word: u64) -> bool {
    let control = word.wrapping_sub(EACH * 0x20);
    let quote = (word ^ (EACH * b'"' as u64)).wrapping_sub(EACH);
    let backslash = (word ^ (EACH * b'\\' as u64)).wrapping_sub(EACH);
    (control | quote | backslash) & !word & (EACH * 0x80) != 0
}

/// 1 in each byte of a word.
const EACH: u64 = u64::MAX / 0xff;

fn needs_escape(byte: u8) -> bool {
    (byte < 0x20) | (byte == b'"') | (byte == b'\\')
}

fn escape_each(out: &mut String, text: &str, end: usize) -> bool {
    let mut done = 0;
    for (place, &byte) in text.as_bytes().iter().enumerate() {
        if !needs_escape(byte) {
            continue;
        }
        if !push_start(out, &text[done..place], end) {
            return false;
        }
        let unicode;
        let escaped = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            0x08 => "\\b",
            0x0c => "\\f",
            _ => {
                unicode = format!("\\u{byte:04x}");
                &unicode
            }
        };
        if out.len() + escaped.len() > end {
            return false;
        }
        out.push_str(escaped);
        done = place + 1;
    }
    push_start(out, &text[done..], end)
}

/// Appends as many characters of `text` as `out` may still take; says whether that was all of them.
fn push_start(out: &mut String, text: &str, end: usize) -> bool {
    let room = end.saturating_sub(out.len());
    if text.len() <= room {
        out.push_str(text);
        return true;
    }
    let mut cut = room;
    while !text.is_char_boundary(cut) {
        cut -= 1;
    }
    out.push_str(&text[..cut]);
    false
}

fn is_number(text: &str) -> bool {
    fn digits(text: &[u8]) -> Option<&[u8]> {
        let len = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
        (len > 0).then(|| &text[len..])
    }
    fn read(text: &[u8]) -> Option<&[u8]> {
        let text = text.strip_prefix(b"-").unwrap_or(text);
        let text = match text {
            [b'0', rest @ ..] => rest,
            _ => digits(text)?,
        };
        let text = match text {
            [b'.', rest @ ..] => digits(rest)?,
            _ => text,
        };
        match text {
            [b'e' | b'E', b'+' | b'-', rest @ ..] | [b'e' | b'E', rest @ ..] => digits(rest),
            _ => Some(text),
        }
    }
    read(text.as_bytes()).is_some_and(<[u8]>::is_empty)
}

/// A type's name without its module paths: `Mutex<Vec<u8>>` for `std::sync::Mutex<alloc::vec::Vec<u8>>`.
pub(crate) fn short_type_name(name: &str) -> String {
    let mut short = String::with_capacity(name.len());
    let mut segment = 0;
    let mut rest = name;
    while let Some(c) = rest.chars().next() {
        if let Some(after) = rest.strip_prefix("::") {
            if segment == short.len() {
                short.push_str("::");
                segment = short.len();
            } else {
                short.truncate(segment);
            }
            rest = after;
            continue;
        }
        short.push(c);
        if !c.is_alphanumeric() && c != '_' {
            segment = short.len();
        }
        rest = &rest[c.len_utf8()..];
    }
    short
}
