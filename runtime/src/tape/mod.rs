//! Captured values as compact bytes: written on the caller's thread, turned into JSON text on the collector's.
//!
//! In: bytes appended by `capture`, by way of [`Tape`]. Out: [`Json`](crate::record::Json), attribute values, text. Any bytes at all give valid JSON and no panic.
//! Not done here: reading a user's value, redaction (`capture`).
//!
//! A tape is a row of values; a *payload* is what one note of a span holds. Numbers are little-endian; `n` is a LEB128 number of at most ten
//! bytes, not necessarily the shortest; `text` is `n` and that many bytes of UTF-8. A value takes about the room of its JSON text.
//!
//! | tag | name | then | JSON |
//! |---|---|---|---|
//! | 00 | null | | `null` |
//! | 01 02 | false, true | | `false` `true` |
//! | 03 | unsigned | n | its digits |
//! | 04 | negative | n, being `-1 - value` | its digits |
//! | 05 | number | text of a JSON number | the same (128-bit integers, numbers of raw JSON) |
//! | 06 | double | 8 bytes | shortest digits; `"NaN"`, `"Infinity"`, `"-Infinity"` |
//! | 07 | single | 4 bytes | the same |
//! | 08 | string | text | the string |
//! | 09 | cut string | text | the string and `…` |
//! | 0a | bytes | n, n bytes | list of numbers |
//! | 0b | cut bytes | n, n bytes | list of numbers and `"…"` |
//! | 0c | list | values, end | list |
//! | 0d | map | keys, each with its value, end | object |
//! | 0e | end | | |
//! | 0f | key | text | a key |
//! | 10 | key of | a value | a key: the JSON text of the value, cut at 256 bytes |
//! | 11 | cut | | `"…"`; in place of a key `"…":"…"` |
//! | 12 | opaque | text, name of a type | `"<Name>"`, without module paths |
//! | 13 | panicked | | `"<panicked>"` |
//! | 14 | failed | text, of a serialiser's error | `"<failed: text>"` |
//! | 15 | redacted | text, name of a rule | `{"$redacted":"rule"}` |
//! | 16 | limit | n | nothing; before the values of a payload: most bytes of JSON text of each |
//! | 17 | keys | strings, end | `{"$keys":[…]}` |
//! | 18 | length | n | `{"$length":n}` |
//! | 19 | characters | n | `{"$chars":n}` |
//! | 1a | shape of inputs | n | nothing; before one value: it is that of parameter n - 1, or of none if 0 |
//! | 80–ff | small | | 0–127 |
//!
//! A value in place of a key gets the key `…`; a key without a value gets `null`; an end that is missing is taken as read.

#![forbid(unsafe_code)]

#[cfg(all(any(test, fuzzing), feature = "mlflow", not(loom)))]
pub(crate) mod fuzzing;
mod payload;
mod read;
mod render;
mod said;
#[cfg(test)]
mod tests;
mod write;

pub(crate) use payload::{attribute, attributes, inputs, output, text};
#[cfg(test)]
pub(crate) use render::render;
pub(crate) use render::short_type_name;
pub use said::Scalar;
pub(crate) use said::{SHORT_TEXT, said, text_in_words};
pub(crate) use write::{BEYOND_SEVEN_BYTES, NUMBER, Tape, number, seven_bytes, short, two_bytes};

/// The longest text or limit a tape can hold, in bytes: 256 MiB.
pub(crate) const LONGEST: usize = (1 << 28) - 1;

/// Limit of a value on a tape that names none, in bytes of JSON text.
pub(crate) const UNNAMED_LIMIT: usize = 1 << 20;

/// Deepest nesting that is written. `serde_json` reads 127 levels, and a payload puts a value into one or two of its own.
pub(crate) const DEEPEST: usize = 120;

/// The tags of the table above.
pub(crate) mod tag {
    pub(crate) const NULL: u8 = 0x00;
    pub(crate) const FALSE: u8 = 0x01;
    pub(crate) const TRUE: u8 = 0x02;
    pub(crate) const UNSIGNED: u8 = 0x03;
    pub(crate) const NEGATIVE: u8 = 0x04;
    pub(crate) const NUMBER: u8 = 0x05;
    pub(crate) const DOUBLE: u8 = 0x06;
    pub(crate) const SINGLE: u8 = 0x07;
    pub(crate) const STRING: u8 = 0x08;
    pub(crate) const STRING_CUT: u8 = 0x09;
    pub(crate) const BYTES: u8 = 0x0a;
    pub(crate) const BYTES_CUT: u8 = 0x0b;
    pub(crate) const LIST: u8 = 0x0c;
    pub(crate) const MAP: u8 = 0x0d;
    pub(crate) const END: u8 = 0x0e;
    pub(crate) const KEY: u8 = 0x0f;
    pub(crate) const KEY_OF: u8 = 0x10;
    pub(crate) const CUT: u8 = 0x11;
    pub(crate) const OPAQUE: u8 = 0x12;
    pub(crate) const PANICKED: u8 = 0x13;
    pub(crate) const FAILED: u8 = 0x14;
    pub(crate) const REDACTED: u8 = 0x15;
    pub(crate) const LIMIT: u8 = 0x16;
    pub(crate) const KEYS: u8 = 0x17;
    pub(crate) const LENGTH: u8 = 0x18;
    pub(crate) const CHARACTERS: u8 = 0x19;
    pub(crate) const SHAPE: u8 = 0x1a;
    pub(crate) const SMALL: u8 = 0x80;
}
