//! The keys of maps: text as it is, other scalars as their text, anything else as a value whose JSON text is the key.

use std::fmt;

use serde::ser::{Serialize, Serializer};

use super::scan;
use super::serializer::Compound;
use super::write::{Stop, Writer};
use crate::tape::tag;

/// Writes one key.
pub(super) struct KeyWriter<'s, 'w> {
    pub(super) writer: &'s mut Writer<'w>,
    /// Whether a value follows; else the key stands in a list of keys.
    pub(super) shown: bool,
}

impl<'s, 'w> KeyWriter<'s, 'w> {
    fn text(self, key: &str) -> Result<(), Stop> {
        if scan::is_suspicious(key)
            && let Some(cleaned) = scan::clean(key, false)
        {
            return self.clean(&cleaned);
        }
        self.clean(key)
    }

    fn clean(self, key: &str) -> Result<(), Stop> {
        match self.shown {
            true => self.writer.key(key, self.writer.rules.of(key)),
            false => self.writer.shape_key(key),
        }
    }

    fn display(self, key: &dyn fmt::Display) -> Result<(), Stop> {
        self.text(&key.to_string())
    }

    /// Says that the key is the value that follows, or that it is one that is not shown.
    fn structure(self) -> Result<&'s mut Writer<'w>, Stop> {
        if !self.shown {
            self.writer.shape_key("…")?;
        } else if self.writer.fits(2) {
            self.writer.out.push(tag::KEY_OF);
        } else {
            return Err(self.writer.over());
        }
        Ok(self.writer)
    }

    fn compound(self, tag: u8) -> Result<Compound<'s, 'w>, Stop> {
        let shown = self.shown;
        let writer = self.structure()?;
        if shown { Compound::begin(writer, tag) } else { Ok(Compound::skipped(writer)) }
    }
}

macro_rules! as_text {
    ($($method:ident: $scalar:ty),*) => {$(
        fn $method(self, value: $scalar) -> Result<(), Stop> {
            self.display(&value)
        }
    )*};
}

impl<'s, 'w> Serializer for KeyWriter<'s, 'w> {
    type Ok = ();
    type Error = Stop;
    type SerializeSeq = Compound<'s, 'w>;
    type SerializeTuple = Compound<'s, 'w>;
    type SerializeTupleStruct = Compound<'s, 'w>;
    type SerializeTupleVariant = Compound<'s, 'w>;
    type SerializeMap = Compound<'s, 'w>;
    type SerializeStruct = Compound<'s, 'w>;
    type SerializeStructVariant = Compound<'s, 'w>;

    as_text!(
        serialize_bool: bool, serialize_char: char, serialize_f32: f32, serialize_f64: f64,
        serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64, serialize_i128: i128,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64, serialize_u128: u128
    );

    fn serialize_str(self, value: &str) -> Result<(), Stop> {
        self.text(value)
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<(), Stop> {
        let shown = self.shown;
        let writer = self.structure()?;
        if shown { writer.bytes(value) } else { Ok(()) }
    }

    fn serialize_none(self) -> Result<(), Stop> {
        self.text("null")
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Stop> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Stop> {
        self.text("null")
    }

    fn serialize_unit_struct(self, name: &'static str) -> Result<(), Stop> {
        self.text(name)
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<(), Stop> {
        self.text(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<(), Stop> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: &T,
    ) -> Result<(), Stop> {
        self.text(variant)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Compound<'s, 'w>, Stop> {
        self.compound(tag::LIST)
    }

    fn serialize_tuple(self, _: usize) -> Result<Compound<'s, 'w>, Stop> {
        self.compound(tag::LIST)
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Compound<'s, 'w>, Stop> {
        self.compound(tag::LIST)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Compound<'s, 'w>, Stop> {
        self.compound(tag::LIST)
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Compound<'s, 'w>, Stop> {
        self.compound(tag::MAP)
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Compound<'s, 'w>, Stop> {
        self.compound(tag::MAP)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Compound<'s, 'w>, Stop> {
        self.compound(tag::MAP)
    }

    fn collect_str<T: fmt::Display + ?Sized>(self, value: &T) -> Result<(), Stop> {
        self.display(&format_args!("{value}"))
    }
}
