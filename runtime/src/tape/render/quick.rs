//! Values of common tokens that fit their limit, which is what nearly all are: written without asking before each piece whether there is room.
//!
//! Gives up at whatever asks for care, and leaves that to the renderer beside, whose text is the same where both write one.

use super::super::read::{Cursor, Token};
use super::{escape, finite_digits};

/// Deeper nesting is left to the other renderer.
const DEEPEST: usize = 32;

/// Appends the value at `cursor`, and leaves the cursor behind it; false, with nothing changed, if it is not for us or would outgrow `end`.
pub(super) fn value(out: &mut String, cursor: &mut Cursor<'_>, end: usize) -> bool {
    let (start, mut ahead) = (out.len(), *cursor);
    let is_written = ahead.next().and_then(|token| write(out, &mut ahead, token, end, 0)).is_some();
    if is_written && out.len() <= end {
        *cursor = ahead;
        return true;
    }
    out.truncate(start);
    false
}

fn write<'b>(out: &mut String, cursor: &mut Cursor<'b>, token: Token<'b>, end: usize, depth: usize) -> Option<()> {
    match token {
        Token::String { text, cut: false } => quoted(out, text),
        Token::Unsigned(value) => unsigned(out, value),
        Token::Negative(value) => {
            out.push('-');
            unsigned(out, value.unsigned_abs());
        }
        Token::Double(value) if value.is_finite() => finite_digits(&value, |digits| out.push_str(digits)),
        Token::Bool(true) => out.push_str("true"),
        Token::Bool(false) => out.push_str("false"),
        Token::Null => out.push_str("null"),
        Token::List if depth < DEEPEST => list(out, cursor, end, depth)?,
        Token::Map if depth < DEEPEST => map(out, cursor, end, depth)?,
        _ => return None,
    }
    Some(())
}

fn list(out: &mut String, cursor: &mut Cursor<'_>, end: usize, depth: usize) -> Option<()> {
    out.push('[');
    let mut is_first = true;
    loop {
        match cursor.next()? {
            Token::End => break,
            token => {
                if !std::mem::take(&mut is_first) {
                    out.push(',');
                }
                write(out, cursor, token, end, depth + 1)?;
            }
        }
        // No more than one piece too much is ever written.
        if out.len() > end {
            return None;
        }
    }
    out.push(']');
    Some(())
}

fn map(out: &mut String, cursor: &mut Cursor<'_>, end: usize, depth: usize) -> Option<()> {
    out.push('{');
    let mut is_first = true;
    loop {
        match cursor.next()? {
            Token::End => break,
            Token::Key(key) => {
                if !std::mem::take(&mut is_first) {
                    out.push(',');
                }
                quoted(out, key);
                out.push(':');
                let token = cursor.next()?;
                write(out, cursor, token, end, depth + 1)?;
            }
            _ => return None,
        }
        if out.len() > end {
            return None;
        }
    }
    out.push('}');
    Some(())
}

fn quoted(out: &mut String, text: &str) {
    out.reserve(text.len() + 2);
    out.push('"');
    escape(out, text, usize::MAX);
    out.push('"');
}

fn unsigned(out: &mut String, mut value: u64) {
    let mut digits = [b'0'; 20];
    let mut first = digits.len();
    loop {
        first -= 1;
        digits[first] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.push_str(std::str::from_utf8(&digits[first..]).unwrap_or_default());
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
            "[a-z\u{e9}\"\\\\\n]{0,12}".prop_map(move |text| [&[tag, text.len() as u8], text.as_bytes()].concat())
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
