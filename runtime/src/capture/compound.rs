//! Lists, maps and structs while they are written, and the keys of maps: text as it is, other scalars as their text, anything else as a
//! value whose JSON text is the key.

use std::fmt;

use serde::ser::{self, Serialize, Serializer};

use super::scan;
use super::write::{Begun, Next, Stop, Writer};
use crate::tape::tag;

/// A list, map or struct that is being written.
#[derive(Debug)]
pub struct Compound<'s, 'w> {
    writer: &'s mut Writer<'w>,
    /// Open lists and maps where its elements are written as they are; [`NOWHERE`] if they are not.
    inside: u32,
    /// Open lists and maps once it is closed.
    outside: u32,
    /// Elements counted.
    count: u64,
    mode: Mode,
}

/// More than are ever open.
const NOWHERE: u32 = u32::MAX;

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
    #[inline]
    pub(super) fn begin(writer: &'s mut Writer<'w>, tag: u8) -> Result<Self, Stop> {
        let outside = writer.open;
        let mode = match writer.begin(tag)? {
            Begun::Whole => return Ok(Self { inside: outside + 1, outside, mode: Mode::Whole, writer, count: 0 }),
            Begun::Skipped => Mode::Skip,
            Begun::Keys => Mode::Keys,
            Begun::Counted => Mode::Count,
        };
        Ok(Self::special(writer, outside, mode))
    }

    /// Opens `{"variant": …`, and the list or map in it.
    pub(super) fn begin_variant(writer: &'s mut Writer<'w>, variant: &'static str, tag: u8) -> Result<Self, Stop> {
        let outside = writer.open;
        let mode = match writer.begin(tag::MAP)? {
            Begun::Whole => {
                if !writer.plain_key(variant) {
                    writer.static_key(variant)?;
                }
                match writer.begin(tag)? {
                    Begun::Whole => {
                        return Ok(Self { inside: outside + 2, outside, mode: Mode::Whole, writer, count: 0 });
                    }
                    _ => Mode::Skip,
                }
            }
            Begun::Keys => {
                writer.shape_key(variant)?;
                Mode::Skip
            }
            Begun::Skipped | Begun::Counted => Mode::Skip,
        };
        Ok(Self::special(writer, outside, mode))
    }

    pub(super) fn only_value(writer: &'s mut Writer<'w>, next: Next<'w>) -> Self {
        writer.set_next(next);
        let outside = writer.open;
        Self::special(writer, outside, Mode::OnlyValue)
    }

    /// A structure that is passed over.
    pub(super) fn skipped(writer: &'s mut Writer<'w>) -> Self {
        let outside = writer.open;
        Self::special(writer, outside, Mode::Skip)
    }

    fn special(writer: &'s mut Writer<'w>, outside: u32, mode: Mode) -> Self {
        Self { writer, inside: NOWHERE, outside, mode, count: 0 }
    }

    /// Where the next element or value is written, if it is.
    #[inline]
    pub(super) fn slot(&mut self) -> Option<&mut Writer<'w>> {
        // Something deeper is still open where its failure was swallowed.
        if self.writer.open == self.inside { Some(self.writer) } else { self.special_slot() }
    }

    #[inline(never)]
    fn special_slot(&mut self) -> Option<&mut Writer<'w>> {
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

    #[inline]
    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Stop> {
        match self.slot() {
            Some(writer) => value.serialize(writer),
            None => Ok(()),
        }
    }

    #[inline]
    pub(super) fn field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), Stop> {
        if self.writer.open == self.inside && self.writer.plain_key(key) {
            return value.serialize(&mut *self.writer);
        }
        self.special_field(key, value)
    }

    /// Apart, so that the plain case needs no place on the stack.
    #[cold]
    #[inline(never)]
    fn special_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), Stop> {
        if self.special_key(key)? {
            value.serialize(&mut *self.writer)?;
            self.writer.leave_key();
        }
        Ok(())
    }

    /// Writes a key that is not simply written. Says whether its value is.
    #[inline(never)]
    fn special_key(&mut self, key: &'static str) -> Result<bool, Stop> {
        match self.mode {
            Mode::Whole => {
                self.writer.close_to(self.inside);
                self.writer.static_key(key)?;
                Ok(true)
            }
            Mode::Keys => {
                self.writer.shape_key(key)?;
                Ok(false)
            }
            Mode::Skip | Mode::Count => Ok(false),
            Mode::OnlyValue => Ok(true),
        }
    }

    #[inline]
    pub(super) fn finish(self) -> Result<(), Stop> {
        let is_innermost = self.writer.open == self.inside && self.inside == self.outside + 1;
        if !is_innermost || !self.writer.end() {
            self.finish_specially();
        }
        Ok(())
    }

    #[inline(never)]
    fn finish_specially(self) {
        if self.mode == Mode::Count {
            self.writer.tell_length(self.count);
        }
        self.writer.close_to(self.outside);
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
                self.writer.close_to(self.outside + 1);
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
            true => self.writer.key(key, self.writer.rules.rule_for(key)),
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
        } else {
            self.writer.key_of()?;
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
