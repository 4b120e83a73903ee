//! Values in two words each: scalars and short texts that a span says of itself when it starts.
//!
//! The upper byte of the second word tells what the value is: a [`Scalar`], whose bits are the first word, or 0x10 and the length of a text,
//! whose bytes stand in the order of their places, the first one lowest, and zeros after them.

use super::payload;
use super::write::short;
use crate::record::AttributeValue;

/// What the bits of a scalar are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Scalar {
    /// `u64`
    Unsigned = 1,
    /// `i64`
    Signed,
    /// `f64`
    Double,
    /// `f32`
    Single,
    /// `bool`
    Bool,
}

const TEXT: u8 = 0x10;
const CODE: u32 = 56;

/// Most bytes of a text that stands in two words.
pub(crate) const SHORT_TEXT: usize = 15;

impl Scalar {
    /// The second word of such a scalar.
    #[inline]
    pub(crate) const fn second_word(self) -> u64 {
        (self as u64) << CODE
    }
}

/// The words of a text; `None` if it is too long.
#[inline(always)]
pub(crate) fn text_in_words(text: &[u8]) -> Option<[u64; 2]> {
    let code = (u64::from(TEXT) | text.len() as u64) << CODE;
    match (text.first_chunk::<8>(), text.last_chunk::<8>()) {
        (Some(first), Some(last)) if text.len() <= SHORT_TEXT => {
            // What of the last bytes is among the first ones is shifted out.
            let rest = u64::from_le_bytes(*last) >> 8 >> ((8 * (SHORT_TEXT - text.len())) & 63);
            Some([u64::from_le_bytes(*first), rest | code])
        }
        (Some(_), _) => None,
        (None, _) => Some([short(text), code]),
    }
}

/// The values that stand in `words`, up to the first that is none.
pub(crate) fn said(words: &[u8]) -> impl Iterator<Item = AttributeValue> + '_ {
    words.as_chunks().0.iter().map_while(one)
}

fn one(words: &[u8; 16]) -> Option<AttributeValue> {
    let (bits, (code, text)) = (u64::from_le_bytes(*words.first_chunk()?), words.split_last()?);
    let is = |scalar: Scalar| *code == scalar as u8;
    Some(match *code {
        TEXT.. => {
            let text = text.get(..usize::from(code - TEXT))?;
            AttributeValue::Text(std::str::from_utf8(text).ok()?.to_owned())
        }
        _ if is(Scalar::Unsigned) => payload::unsigned(bits),
        _ if is(Scalar::Signed) => AttributeValue::Int(bits as i64),
        _ if is(Scalar::Double) => AttributeValue::Float(f64::from_bits(bits)),
        _ if is(Scalar::Single) => payload::single(f32::from_bits(bits as u32)),
        _ if is(Scalar::Bool) => AttributeValue::Bool(bits != 0),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_in_words_reads_back_and_what_is_none_ends_it() {
        let text = "twelve bytes and more";
        let texts = (0..=SHORT_TEXT).map(|length| {
            let words = text_in_words(&text.as_bytes()[..length]).expect("short enough");
            (words, AttributeValue::Text(text[..length].to_owned()))
        });
        let scalar = |scalar: Scalar, bits: u64| [bits, scalar.second_word()];
        let scalars = [
            (scalar(Scalar::Unsigned, 7), AttributeValue::Int(7)),
            (scalar(Scalar::Unsigned, u64::MAX), AttributeValue::Text(u64::MAX.to_string())),
            (scalar(Scalar::Signed, -7i64 as u64), AttributeValue::Int(-7)),
            (scalar(Scalar::Double, 1.5f64.to_bits()), AttributeValue::Float(1.5)),
            (scalar(Scalar::Single, 0.1f32.to_bits().into()), AttributeValue::Float(0.1)),
            (scalar(Scalar::Bool, 1), AttributeValue::Bool(true)),
        ];
        let (words, values): (Vec<_>, Vec<_>) = texts.chain(scalars).unzip();
        let bytes: Vec<u8> =
            words.iter().chain(&[[1, 0], [7, 1 << CODE]]).flatten().flat_map(|word| word.to_le_bytes()).collect();
        assert_eq!(said(&bytes).collect::<Vec<_>>(), values);
        assert_eq!(text_in_words(&text.as_bytes()[..=SHORT_TEXT]), None);
    }
}
