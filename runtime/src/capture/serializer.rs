//! The serde face of the writer. What it writes reads as what `serde_json` would write.

use std::fmt;

use serde::ser::{self, Serialize, Serializer};

use super::key::KeyWriter;
use super::secret;
use super::write::{Begun, Depth, Next, Stop, Writer};
use crate::tape::tag;

/// The struct `serde_json::value::RawValue` serialises as.
const RAW_JSON: &str = "$serde_json::private::RawValue";

/// The struct `serde_json::Number` serialises as under its feature `arbitrary_precision`.
pub(super) const DIGITS: &str = "$serde_json::private::Number";

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text.as_ref().map_or("the value is longer than is captured", |text| text))
    }
}

impl std::error::Error for Stop {}

impl ser::Error for Stop {
    #[cold]
    fn custom<T: fmt::Display>(text: T) -> Self {
        Self::saying(text)
    }
}

impl<'s, 'w> Serializer for &'s mut Writer<'w> {
    type Ok = ();
    type Error = Stop;
    type SerializeSeq = Compound<'s, 'w>;
    type SerializeTuple = Compound<'s, 'w>;
    type SerializeTupleStruct = Compound<'s, 'w>;
    type SerializeTupleVariant = Compound<'s, 'w>;
    type SerializeMap = Compound<'s, 'w>;
    type SerializeStruct = Compound<'s, 'w>;
    type SerializeStructVariant = Compound<'s, 'w>;

    fn serialize_bool(self, value: bool) -> Result<(), Stop> {
        self.plain(if value { tag::TRUE } else { tag::FALSE })
    }

    fn serialize_i8(self, value: i8) -> Result<(), Stop> {
        self.signed(value.into())
    }

    fn serialize_i16(self, value: i16) -> Result<(), Stop> {
        self.signed(value.into())
    }

    fn serialize_i32(self, value: i32) -> Result<(), Stop> {
        self.signed(value.into())
    }

    fn serialize_i64(self, value: i64) -> Result<(), Stop> {
        self.signed(value)
    }

    fn serialize_i128(self, value: i128) -> Result<(), Stop> {
        match (u64::try_from(value), i64::try_from(value)) {
            (Ok(value), _) => self.unsigned(value),
            (_, Ok(value)) => self.signed(value),
            _ => self.digits(&value),
        }
    }

    fn serialize_u8(self, value: u8) -> Result<(), Stop> {
        self.unsigned(value.into())
    }

    fn serialize_u16(self, value: u16) -> Result<(), Stop> {
        self.unsigned(value.into())
    }

    fn serialize_u32(self, value: u32) -> Result<(), Stop> {
        self.unsigned(value.into())
    }

    fn serialize_u64(self, value: u64) -> Result<(), Stop> {
        self.unsigned(value)
    }

    fn serialize_u128(self, value: u128) -> Result<(), Stop> {
        match u64::try_from(value) {
            Ok(value) => self.unsigned(value),
            Err(_) => self.digits(&value),
        }
    }

    fn serialize_f32(self, value: f32) -> Result<(), Stop> {
        self.single(value)
    }

    fn serialize_f64(self, value: f64) -> Result<(), Stop> {
        self.double(value)
    }

    fn serialize_char(self, value: char) -> Result<(), Stop> {
        self.string(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, value: &str) -> Result<(), Stop> {
        self.string(value)
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<(), Stop> {
        self.bytes(value)
    }

    fn serialize_none(self) -> Result<(), Stop> {
        self.plain(tag::NULL)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Stop> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Stop> {
        self.plain(tag::NULL)
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Stop> {
        self.plain(tag::NULL)
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<(), Stop> {
        match self.next {
            Next::Shape => self.shape_key(variant),
            _ => self.string(variant),
        }
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, name: &'static str, value: &T) -> Result<(), Stop> {
        if name == secret::NAME {
            self.redacted(&"secret");
            return Ok(());
        }
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Stop> {
        let mut map = Compound::begin(self, tag::MAP)?;
        map.field(variant, value)?;
        map.finish()
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Compound<'s, 'w>, Stop> {
        Compound::begin(self, tag::LIST)
    }

    fn serialize_tuple(self, _: usize) -> Result<Compound<'s, 'w>, Stop> {
        Compound::begin(self, tag::LIST)
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Compound<'s, 'w>, Stop> {
        Compound::begin(self, tag::LIST)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Compound<'s, 'w>, Stop> {
        Compound::begin_variant(self, variant, tag::LIST)
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Compound<'s, 'w>, Stop> {
        Compound::begin(self, tag::MAP)
    }

    fn serialize_struct(self, name: &'static str, _: usize) -> Result<Compound<'s, 'w>, Stop> {
        let stands_for_its_value = name == RAW_JSON || name == DIGITS;
        match (stands_for_its_value, self.next) {
            (true, Next::Whole) if name == DIGITS => Ok(Compound::only_value(self, Next::Digits)),
            (true, Next::Whole) => Ok(Compound::only_value(self, Next::RawJson(Depth::Whole))),
            (true, Next::Shape) => Ok(Compound::only_value(self, Next::RawJson(Depth::Shape))),
            (true, Next::StateKeys) => Ok(Compound::only_value(self, Next::RawJson(Depth::StateKeys))),
            _ => Compound::begin(self, tag::MAP),
        }
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Compound<'s, 'w>, Stop> {
        Compound::begin_variant(self, variant, tag::MAP)
    }

    fn collect_str<T: fmt::Display + ?Sized>(self, value: &T) -> Result<(), Stop> {
        self.display(&format_args!("{value}"), usize::MAX)
    }
}

/// A list, map or struct that is being written.
#[derive(Debug)]
pub struct Compound<'s, 'w> {
    writer: &'s mut Writer<'w>,
    mode: Mode,
    /// Open lists and maps while its elements are written.
    inside: usize,
    /// Open lists and maps once it is closed.
    outside: usize,
    /// Elements counted.
    count: u64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Mode {
    Whole,
    Skip,
    Keys,
    Count,
    /// The struct stands for its only value.
    OnlyValue,
}

impl<'s, 'w> Compound<'s, 'w> {
    pub(super) fn begin(writer: &'s mut Writer<'w>, tag: u8) -> Result<Self, Stop> {
        let outside = writer.open;
        let mode = match writer.begin(tag)? {
            Begun::Whole => Mode::Whole,
            Begun::Skipped => Mode::Skip,
            Begun::Keys => Mode::Keys,
            Begun::Counted => Mode::Count,
        };
        Ok(Self { inside: writer.open, outside, mode, writer, count: 0 })
    }

    /// Opens `{"variant": …`, and the list or map in it.
    fn begin_variant(writer: &'s mut Writer<'w>, variant: &'static str, tag: u8) -> Result<Self, Stop> {
        let outside = writer.open;
        let mode = match writer.begin(tag::MAP)? {
            Begun::Whole => {
                writer.static_key(variant)?;
                match writer.begin(tag)? {
                    Begun::Whole => Mode::Whole,
                    _ => Mode::Skip,
                }
            }
            Begun::Keys => {
                writer.shape_key(variant)?;
                Mode::Skip
            }
            Begun::Skipped | Begun::Counted => Mode::Skip,
        };
        Ok(Self { inside: writer.open, outside, mode, writer, count: 0 })
    }

    fn only_value(writer: &'s mut Writer<'w>, next: Next<'w>) -> Self {
        writer.set_next(next);
        Self { inside: writer.open, outside: writer.open, mode: Mode::OnlyValue, writer, count: 0 }
    }

    /// A structure that is passed over.
    pub(super) fn skipped(writer: &'s mut Writer<'w>) -> Self {
        Self { inside: writer.open, outside: writer.open, mode: Mode::Skip, writer, count: 0 }
    }

    /// Where the next element or value is written, if it is.
    #[inline]
    pub(super) fn slot(&mut self) -> Option<&mut Writer<'w>> {
        if self.mode == Mode::Whole {
            self.writer.close_to(self.inside);
            return Some(self.writer);
        }
        self.count += 1;
        (self.mode == Mode::OnlyValue).then_some(&mut *self.writer)
    }

    /// Takes back a slot that was not used.
    pub(super) fn uncount(&mut self) {
        self.count = self.count.saturating_sub(1);
    }

    pub(super) fn leave_key(&mut self) {
        self.writer.leave_key();
    }

    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Stop> {
        match self.slot() {
            Some(writer) => value.serialize(writer),
            None => Ok(()),
        }
    }

    fn field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), Stop> {
        if self.mode == Mode::Whole {
            self.writer.close_to(self.inside);
            self.writer.static_key(key)?;
        } else if !self.special_field(key)? {
            return Ok(());
        }
        value.serialize(&mut *self.writer)?;
        self.writer.leave_key();
        Ok(())
    }

    /// Whether the value of a field is written where its map is not.
    #[cold]
    #[inline(never)]
    fn special_field(&mut self, key: &'static str) -> Result<bool, Stop> {
        if self.mode == Mode::Keys {
            self.writer.shape_key(key)?;
        }
        Ok(self.mode == Mode::OnlyValue)
    }

    #[inline]
    pub(super) fn finish(mut self) -> Result<(), Stop> {
        if self.mode == Mode::Count {
            self.tell_length();
        }
        self.writer.close_to(self.outside);
        Ok(())
    }

    #[cold]
    #[inline(never)]
    fn tell_length(&mut self) {
        crate::tape::put_number(self.writer.out, tag::LENGTH, self.count);
    }
}

impl ser::SerializeSeq for Compound<'_, '_> {
    type Ok = ();
    type Error = Stop;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Stop> {
        self.element(value)
    }

    fn end(self) -> Result<(), Stop> {
        self.finish()
    }
}

impl ser::SerializeTuple for Compound<'_, '_> {
    type Ok = ();
    type Error = Stop;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Stop> {
        self.element(value)
    }

    fn end(self) -> Result<(), Stop> {
        self.finish()
    }
}

impl ser::SerializeTupleStruct for Compound<'_, '_> {
    type Ok = ();
    type Error = Stop;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Stop> {
        self.element(value)
    }

    fn end(self) -> Result<(), Stop> {
        self.finish()
    }
}

impl ser::SerializeTupleVariant for Compound<'_, '_> {
    type Ok = ();
    type Error = Stop;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Stop> {
        self.element(value)
    }

    fn end(self) -> Result<(), Stop> {
        self.finish()
    }
}

impl ser::SerializeMap for Compound<'_, '_> {
    type Ok = ();
    type Error = Stop;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Stop> {
        match self.mode {
            Mode::Whole => {
                self.writer.close_to(self.inside);
                key.serialize(KeyWriter { writer: self.writer, shown: true })
            }
            Mode::Keys => {
                key.serialize(KeyWriter { writer: self.writer, shown: false })?;
                self.writer.close_to(self.inside);
                Ok(())
            }
            Mode::Skip | Mode::Count | Mode::OnlyValue => Ok(()),
        }
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Stop> {
        self.element(value)?;
        self.writer.leave_key();
        Ok(())
    }

    fn end(self) -> Result<(), Stop> {
        self.finish()
    }
}

impl ser::SerializeStruct for Compound<'_, '_> {
    type Ok = ();
    type Error = Stop;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), Stop> {
        self.field(key, value)
    }

    fn end(self) -> Result<(), Stop> {
        self.finish()
    }
}

impl ser::SerializeStructVariant for Compound<'_, '_> {
    type Ok = ();
    type Error = Stop;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), Stop> {
        self.field(key, value)
    }

    fn end(self) -> Result<(), Stop> {
        self.finish()
    }
}
