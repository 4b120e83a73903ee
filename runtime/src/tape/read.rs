//! Reading a tape, token by token.

use super::tag;

/// One token. Bytes that are none end the tape.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Token<'b> {
    Null,
    Bool(bool),
    Unsigned(u64),
    Negative(i64),
    Number(&'b str),
    Double(f64),
    Single(f32),
    String { text: &'b str, cut: bool },
    Bytes { bytes: &'b [u8], cut: bool },
    List,
    Map,
    End,
    Key(&'b str),
    KeyOf,
    Cut,
    Opaque(&'b str),
    Panicked,
    Failed(&'b str),
    Redacted(&'b str),
    Limit(usize),
    Keys,
    Length(u64),
    Characters(u64),
    Shape(u64),
}

/// A place on a tape.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor<'b> {
    rest: &'b [u8],
}

impl<'b> Cursor<'b> {
    pub(super) fn new(bytes: &'b [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Bytes that are left.
    pub(super) fn len(&self) -> usize {
        self.rest.len()
    }

    /// The bytes that are left.
    pub(super) fn left(&self) -> &'b [u8] {
        self.rest
    }

    /// Passes over so many bytes.
    pub(super) fn pass(&mut self, bytes: usize) {
        self.rest = self.rest.get(bytes..).unwrap_or_default();
    }

    /// The next token; `None` at the end, and from the first byte on that is none.
    pub(super) fn next(&mut self) -> Option<Token<'b>> {
        let token = self.read();
        if token.is_none() {
            self.rest = &[];
        }
        token
    }

    /// Whether something is left of the innermost open list or map.
    pub(super) fn has_more(&self) -> bool {
        self.rest.first().is_some_and(|&tag| tag != tag::END)
    }

    /// Whether a key follows.
    pub(super) fn at_key(&self) -> bool {
        matches!(self.rest.first(), Some(&(tag::KEY | tag::KEY_OF)))
    }

    /// The token that follows.
    pub(super) fn peek(&self) -> Option<Token<'b>> {
        Self { rest: self.rest }.next()
    }

    /// Passes over one value, whatever it holds.
    pub(super) fn skip(&mut self) {
        self.skip_to(0);
    }

    /// Passes over what is left of a list or map that was opened.
    pub(super) fn skip_open(&mut self) {
        self.skip_to(1);
    }

    fn skip_to(&mut self, mut open: usize) {
        while let Some(token) = self.next() {
            match token {
                Token::List | Token::Map | Token::Keys => open += 1,
                Token::End => open = open.saturating_sub(1),
                Token::Key(_) | Token::KeyOf | Token::Limit(_) | Token::Shape(_) => continue,
                _ => {}
            }
            if open == 0 {
                return;
            }
        }
    }

    fn read(&mut self) -> Option<Token<'b>> {
        let (&tag, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(match tag {
            tag::NULL => Token::Null,
            tag::FALSE => Token::Bool(false),
            tag::TRUE => Token::Bool(true),
            tag::UNSIGNED => Token::Unsigned(self.number()?),
            tag::NEGATIVE => Token::Negative(-1 - i64::try_from(self.number()?).ok()?),
            tag::NUMBER => Token::Number(self.text()?),
            tag::DOUBLE => Token::Double(f64::from_le_bytes(self.array()?)),
            tag::SINGLE => Token::Single(f32::from_le_bytes(self.array()?)),
            tag::STRING => Token::String { text: self.text()?, cut: false },
            tag::STRING_CUT => Token::String { text: self.text()?, cut: true },
            tag::BYTES => Token::Bytes { bytes: self.bytes()?, cut: false },
            tag::BYTES_CUT => Token::Bytes { bytes: self.bytes()?, cut: true },
            tag::LIST => Token::List,
            tag::MAP => Token::Map,
            tag::END => Token::End,
            tag::KEY => Token::Key(self.text()?),
            tag::KEY_OF => Token::KeyOf,
            tag::CUT => Token::Cut,
            tag::OPAQUE => Token::Opaque(self.text()?),
            tag::PANICKED => Token::Panicked,
            tag::FAILED => Token::Failed(self.text()?),
            tag::REDACTED => Token::Redacted(self.text()?),
            tag::LIMIT => Token::Limit(usize::try_from(self.number()?).ok()?),
            tag::KEYS => Token::Keys,
            tag::LENGTH => Token::Length(self.number()?),
            tag::CHARACTERS => Token::Characters(self.number()?),
            tag::SHAPE => Token::Shape(self.number()?),
            tag::SMALL.. => Token::Unsigned(u64::from(tag - tag::SMALL)),
            _ => return None,
        })
    }

    fn number(&mut self) -> Option<u64> {
        let mut n = 0u64;
        for place in 0..10 {
            let (&byte, rest) = self.rest.split_first()?;
            self.rest = rest;
            n |= u64::from(byte & 0x7f).checked_shl(7 * place)?;
            if byte < 0x80 {
                return Some(n);
            }
        }
        None
    }

    fn bytes(&mut self) -> Option<&'b [u8]> {
        let len = usize::try_from(self.number()?).ok()?;
        let (bytes, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        Some(bytes)
    }

    fn text(&mut self) -> Option<&'b str> {
        std::str::from_utf8(self.bytes()?).ok()
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (bytes, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(*bytes)
    }
}
