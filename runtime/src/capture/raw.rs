//! JSON text inside a value, written as what it means, so that limits and redaction reach into it.

use std::borrow::Cow;
use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::ser::SerializeMap;

use super::compound::Compound;
use super::write::{Next, Stop, Writer};
use crate::tape::tag;

/// The struct `serde_json::value::RawValue` serialises as.
pub(super) const RAW_JSON: &str = "$serde_json::private::RawValue";

/// The struct `serde_json::Number` serialises as under its feature `arbitrary_precision`.
pub(super) const DIGITS: &str = "$serde_json::private::Number";

/// Writes JSON text as what it means.
pub(super) fn write(writer: &mut Writer<'_>, text: &str) -> Result<(), Stop> {
    let mut json = serde_json::Deserializer::from_str(text);
    match (Meaning { writer: &mut *writer }).deserialize(&mut json) {
        Ok(()) => Ok(()),
        Err(_) if matches!(writer.next, Next::Over) => Err(Stop { text: None }),
        Err(error) => Err(Stop::saying(error)),
    }
}

struct Meaning<'s, 'w> {
    writer: &'s mut Writer<'w>,
}

impl<'de> DeserializeSeed<'de> for Meaning<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Meaning<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        self.writer.plain(tag::NULL).map_err(E::custom)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<(), E> {
        self.writer.plain(if value { tag::TRUE } else { tag::FALSE }).map_err(E::custom)
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<(), E> {
        self.writer.unsigned(value).map_err(E::custom)
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<(), E> {
        self.writer.signed(value).map_err(E::custom)
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<(), E> {
        self.writer.double(value).map_err(E::custom)
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<(), E> {
        self.writer.string(value).map_err(E::custom)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        let mut list = Compound::begin(self.writer, tag::LIST).map_err(de::Error::custom)?;
        loop {
            let more = match list.slot() {
                Some(writer) => elements.next_element_seed(Meaning { writer })?.is_some(),
                None => elements.next_element::<IgnoredAny>()?.is_some(),
            };
            if !more {
                list.uncount();
                return list.finish().map_err(de::Error::custom);
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let mut key = entries.next_key::<KeyText<'de>>()?;
        if key.as_ref().is_some_and(|key| key.0 == DIGITS) {
            let digits = entries.next_value::<KeyText<'de>>()?;
            return self.writer.digits(&digits.0).map_err(de::Error::custom);
        }
        let mut map = Compound::begin(self.writer, tag::MAP).map_err(de::Error::custom)?;
        while let Some(text) = key {
            map.serialize_key(&text.0).map_err(de::Error::custom)?;
            match map.slot() {
                Some(writer) => entries.next_value_seed(Meaning { writer })?,
                None => drop(entries.next_value::<IgnoredAny>()?),
            }
            map.leave_key();
            key = entries.next_key()?;
        }
        map.finish().map_err(de::Error::custom)
    }
}

/// A text, borrowed where it stands without escapes.
struct KeyText<'de>(Cow<'de, str>);

impl<'de> de::Deserialize<'de> for KeyText<'de> {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = KeyText<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(KeyText(Cow::Owned(text.to_owned())))
            }

            fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(KeyText(Cow::Borrowed(text)))
            }
        }
        json.deserialize_str(Text)
    }
}
