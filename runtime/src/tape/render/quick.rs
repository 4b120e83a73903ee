//! Values of common tokens that fit their limit, which is what nearly all are: written as bytes, without asking before each piece whether
//! there is room, and looked at as text once, when all of it is there.
//!
//! Gives up at whatever asks for care, and leaves that to the renderer beside, whose text is the same where both write one.

use super::super::read::Cursor;
use super::super::tag;
use super::{EACH, MOST_DIGITS, digits_of, escape, finite_digits, has_escapes, word_has_escapes};

/// Deeper nesting is left to the other renderer.
const DEEPEST: u32 = 32;
/// Bytes of a short text.
const SHORT: usize = 16;

/// Appends the value at `cursor`, and leaves the cursor behind it; false, with nothing changed, if it is not for us or would outgrow `end`.
pub(super) fn value(out: &mut String, cursor: &mut Cursor<'_>, end: usize) -> bool {
    let tape = cursor.left();
    let room = end.saturating_sub(out.len());
    let mut writer = Writer { text: Vec::with_capacity(room.min(tape.len() + tape.len() / 2 + 16)), rest: tape, room };
    let written = writer.value().and_then(|()| std::str::from_utf8(&writer.text).ok());
    let Some(text) = written.filter(|text| text.len() <= room) else { return false };
    out.push_str(text);
    cursor.pass(tape.len() - writer.rest.len());
    true
}

struct Writer<'b> {
    text: Vec<u8>,
    rest: &'b [u8],
    room: usize,
}

impl<'b> Writer<'b> {
    fn value(&mut self) -> Option<()> {
        // What is open, from the outermost to the innermost, a bit each: whether it is a map.
        let (mut open, mut maps, mut is_first) = (0u32, 0u32, true);
        loop {
            let mut next = self.byte()?;
            if open > 0 {
                let in_map = maps & 1 == 1;
                if next == tag::END {
                    self.text.push(if in_map { b'}' } else { b']' });
                    (open, maps, is_first) = (open - 1, maps >> 1, false);
                    if open == 0 {
                        return Some(());
                    }
                    continue;
                }
                // No more than one piece too much is ever written.
                if self.text.len() > self.room {
                    return None;
                }
                if !std::mem::replace(&mut is_first, false) {
                    self.text.push(b',');
                }
                if in_map {
                    if next != tag::KEY {
                        return None;
                    }
                    self.quoted(true)?;
                    next = self.byte()?;
                }
            }
            match next {
                tag::STRING => self.quoted(false)?,
                tag::SMALL.. => self.small(next - tag::SMALL),
                tag::UNSIGNED => {
                    let value = self.number()?;
                    self.unsigned(value);
                }
                tag::NEGATIVE => {
                    let value = i64::try_from(self.number()?).ok()?;
                    self.text.push(b'-');
                    self.unsigned(value as u64 + 1);
                }
                tag::DOUBLE => self.double()?,
                tag::TRUE => self.text.extend_from_slice(b"true"),
                tag::FALSE => self.text.extend_from_slice(b"false"),
                tag::NULL => self.text.extend_from_slice(b"null"),
                tag::LIST | tag::MAP if open < DEEPEST => {
                    let is_map = next == tag::MAP;
                    self.text.push(if is_map { b'{' } else { b'[' });
                    (open, maps, is_first) = (open + 1, maps << 1 | u32::from(is_map), true);
                }
                _ => return None,
            }
            if open == 0 {
                return Some(());
            }
        }
    }

    fn byte(&mut self) -> Option<u8> {
        let (&byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(byte)
    }

    fn number(&mut self) -> Option<u64> {
        let mut n = 0u64;
        for place in 0..10 {
            let byte = self.byte()?;
            n |= u64::from(byte & 0x7f) << (7 * place);
            if byte < 0x80 {
                return Some(n);
            }
        }
        None
    }

    /// A text in quotes, and a colon behind it if it is a key.
    #[inline]
    fn quoted(&mut self, is_key: bool) -> Option<()> {
        if self.short(is_key) { Some(()) } else { self.long(is_key) }
    }

    /// A text of at most sixteen bytes with nothing to escape, if the tape goes on for so long: sixteen are written, of which those behind the
    /// text are taken back: a copy of as many as there are is a call.
    #[inline]
    fn short(&mut self, is_key: bool) -> bool {
        let Some((&len, rest)) = self.rest.split_first() else { return false };
        let Some(bytes) = rest.first_chunk::<SHORT>().filter(|_| usize::from(len) <= SHORT) else { return false };
        let len = usize::from(len);
        let (low, high) = bytes.split_at(SHORT / 2);
        let word = |half: &[u8]| u64::from_le_bytes(half.try_into().unwrap_or_default());
        if word_has_escapes(first_of(word(low), len)) || word_has_escapes(first_of(word(high), len.saturating_sub(8))) {
            return false;
        }
        let at = self.text.len();
        let mut piece = [b'"'; SHORT + 3];
        piece[1..=SHORT].copy_from_slice(bytes);
        self.text.extend_from_slice(&piece);
        if let Some([quote, colon]) = self.text.get_mut(at + 1 + len..).and_then(<[u8]>::first_chunk_mut) {
            (*quote, *colon) = (b'"', b':');
        }
        self.text.truncate(at + len + 2 + usize::from(is_key));
        self.rest = &rest[len..];
        true
    }

    #[inline(never)]
    fn long(&mut self, is_key: bool) -> Option<()> {
        let len = usize::try_from(self.number()?).ok()?;
        let (text, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        self.text.reserve(len + 3);
        self.text.push(b'"');
        if has_escapes(text) {
            let mut escaped = String::new();
            escape(&mut escaped, std::str::from_utf8(text).ok()?, usize::MAX);
            self.text.extend_from_slice(escaped.as_bytes());
        } else {
            self.text.extend_from_slice(text);
        }
        self.text.extend_from_slice(if is_key { b"\":" } else { b"\"" });
        Some(())
    }

    fn small(&mut self, value: u8) {
        if value >= 100 {
            self.text.push(b'1');
        }
        if value >= 10 {
            self.text.push(b'0' + value / 10 % 10);
        }
        self.text.push(b'0' + value % 10);
    }

    fn unsigned(&mut self, value: u64) {
        self.text.extend_from_slice(digits_of(value, &mut [0; MOST_DIGITS]));
    }

    fn double(&mut self) -> Option<()> {
        let (bytes, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        let value = f64::from_le_bytes(*bytes);
        value.is_finite().then(|| finite_digits(&value, |digits| self.text.extend_from_slice(digits.as_bytes())))
    }
}

/// The first bytes of a word, and letters in place of the others.
fn first_of(word: u64, bytes: usize) -> u64 {
    let kept = if bytes < 8 { (1 << (8 * bytes)) - 1 } else { u64::MAX };
    word & kept | (EACH * u64::from(b'a')) & !kept
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Full, Renderer};
    use super::*;

    fn with_care(bytes: &[u8], end: usize) -> Option<(String, usize)> {
        let mut out = String::new();
        let mut whole = Renderer { out: &mut out, cursor: Cursor::new(bytes), end, open: 0, mark: 0 };
        let written: Result<(), Full> = whole.value();
        let left = whole.cursor.len();
        written.ok().map(|()| (out, left))
    }

    /// Bytes that are mostly tokens in their places, and some that are not.
    fn tape() -> impl Strategy<Value = Vec<u8>> {
        let text = |tag: u8| {
            "[a-z\u{e9}\"\\\\\n]{0,12}|[a-z\u{e9}]{0,24}"
                .prop_map(move |text| [&[tag, text.len() as u8], text.as_bytes()].concat())
        };
        let leaf = prop_oneof![
            text(0x08),
            text(0x0f),
            (0u8..0x80, prop::collection::vec(0x80u8.., 0..4))
                .prop_map(|(last, more)| [&[0x03], &more[..], &[last]].concat()),
            any::<f64>().prop_map(|n| [&[0x06], &n.to_le_bytes()[..]].concat()),
            prop::sample::select(vec![0x00u8, 0x01, 0x02, 0x0c, 0x0d, 0x0e, 0x10, 0x11, 0x13, 0x85])
                .prop_map(|tag| vec![tag]),
        ];
        let value = leaf.prop_recursive(4, 40, 6, move |inner| {
            let list = prop::collection::vec(inner.clone(), 0..6)
                .prop_map(|items| [&[0x0c], &items.concat()[..], &[0x0e]].concat());
            let entry = (text(0x0f), inner).prop_map(|(key, value)| [key, value].concat());
            let map =
                prop::collection::vec(entry, 0..6).prop_map(|items| [&[0x0d], &items.concat()[..], &[0x0e]].concat());
            prop_oneof![list, map]
        });
        prop::collection::vec(value, 1..3).prop_map(|values| values.concat())
    }

    proptest! {
        #[test]
        fn what_is_written_quickly_is_what_care_would_write(bytes in tape(), end in 0usize..200) {
            let (mut out, mut cursor) = (String::new(), Cursor::new(&bytes));
            if value(&mut out, &mut cursor, end) {
                prop_assert_eq!(with_care(&bytes, end), Some((out, cursor.len())));
            } else {
                prop_assert_eq!((out.as_str(), cursor.len()), ("", bytes.len()));
            }
        }
    }
}
