//! The serde face of the writer. What it writes reads as what `serde_json` would write.

use std::fmt;

use serde::ser::{self, Serialize, Serializer};

use super::compound::Compound;
use super::raw::{self, DIGITS, RAW_JSON};
use super::secret;
use super::write::{Depth, Next, Rewrite, Stop, Writer};
use crate::tape::tag;

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

impl<'w> Writer<'w> {
    /// A struct that may be one of `serde_json`'s own, whose only value it stands for.
    #[cold]
    fn stand_in(&mut self, name: &'static str) -> Result<Compound<'_, 'w>, Stop> {
        let stands_for_its_value = name == RAW_JSON || name == DIGITS;
        match (stands_for_its_value, self.next) {
            (true, Next::Whole) if name == DIGITS => Ok(Compound::only_value(self, Next::Digits)),
            (true, Next::Whole) => Ok(Compound::only_value(self, Next::RawJson(Depth::Whole, Rewrite(raw::write)))),
            (true, Next::Shape) => Ok(Compound::only_value(self, Next::RawJson(Depth::Shape, Rewrite(raw::write)))),
            (true, Next::StateKeys) => {
                Ok(Compound::only_value(self, Next::RawJson(Depth::StateKeys, Rewrite(raw::write))))
            }
            _ => Compound::begin(self, tag::MAP),
        }
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
        // No name in Rust begins so.
        if name.as_bytes().first() == Some(&b'$') { self.stand_in(name) } else { Compound::begin(self, tag::MAP) }
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
