//! Measurements as attributes of a span, written where the caller stands: no allocation, no serialiser.

use crate::chunk::NoteKind;
use crate::id::SpanId;
use crate::recorder::Recorder;
use crate::span::write_note;
use crate::tape::{self, tag};

/// Six keys of 104 bytes together, five of them with a number of up to 11.
const ROOM: usize = 192;

/// Attributes of one note.
pub(super) struct Attributes {
    bytes: [u8; ROOM],
    len: usize,
}

impl Attributes {
    pub(super) fn new() -> Self {
        Self { bytes: [0; ROOM], len: 0 }
    }

    pub(super) fn number(&mut self, key: &str, value: u64) {
        let (value, len) = tape::number(tag::UNSIGNED, value);
        self.put(key, &value[..len]);
    }

    pub(super) fn flag(&mut self, key: &str, value: bool) {
        self.put(key, &[if value { tag::TRUE } else { tag::FALSE }]);
    }

    /// A text of less than 64 bytes.
    pub(super) fn text(&mut self, key: &str, value: &str) {
        let mut bytes = [0; 66];
        (bytes[0], bytes[1]) = (tag::STRING, value.len() as u8);
        if let Some(place) = bytes.get_mut(2..2 + value.len()) {
            place.copy_from_slice(value.as_bytes());
            self.put(key, &bytes[..2 + value.len()]);
        }
    }

    /// What there is no room for is left out; the test below says that there is.
    fn put(&mut self, key: &str, value: &[u8]) {
        let parts = [&[tag::KEY, key.len() as u8], key.as_bytes(), value];
        let Some(mut room) = self.bytes.get_mut(self.len..self.len + 2 + key.len() + value.len()) else { return };
        for part in parts {
            let (place, rest) = room.split_at_mut(part.len());
            place.copy_from_slice(part);
            room = rest;
        }
        self.len += 2 + key.len() + value.len();
    }

    pub(super) fn write(&self, recorder: &'static Recorder, span: SpanId) {
        if self.len > 0 {
            write_note(Some(recorder), span, NoteKind::Attributes, "", &self.bytes[..self.len]);
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::record::AttributeValue;

    #[test]
    fn the_longest_measurements_have_room_and_read_back() {
        let mut said = Attributes::new();
        for key in ["run.tokens.total", "run.tokens.input", "run.tokens.output"] {
            said.number(key, i64::MAX as u64);
        }
        let read = tape::attributes(&said.bytes[..said.len]);
        let expected = ["run.tokens.total", "run.tokens.input", "run.tokens.output"];
        assert_eq!(read, expected.map(|key| (key, AttributeValue::Int(i64::MAX))));

        said.number("run.duration_ms", u64::MAX - 1);
        said.number("run.time_to_first_token_ms", u64::MAX - 1);
        said.flag("run.success", true);
        assert_eq!(tape::attributes(&said.bytes[..said.len]).len(), 6);

        let mut said = Attributes::new();
        said.number("run.time_to_first_token_ms", 7);
        said.flag("run.success", true);
        let expected =
            [("run.time_to_first_token_ms", AttributeValue::Int(7)), ("run.success", AttributeValue::Bool(true))];
        assert_eq!(tape::attributes(&said.bytes[..said.len]), expected);
    }
}
