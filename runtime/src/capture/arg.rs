//! Choosing how a value is captured, by what its type is known to be where it stands.
//!
//! `p::arg(&x).get()` finds the inherent `get` of [`Arg`] if the type is `Serialize` there, and otherwise reaches that of [`Opaque`] through
//! `Deref`. No trait has to be in scope, no bound is put on the user, and a generic parameter without the bound gives the name of its type.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

use serde::Serialize;

use super::write::{Stop, Writer};
use super::{Said, Value};

/// The value, if it is `Serialize`; else what [`Unsized`] makes of it.
#[derive(Debug)]
pub struct Arg<'a, T: ?Sized>(Unsized<'a, T>);

/// The value, if it is `Serialize` and its size is not known, as a string slice; else what [`Opaque`] makes of its type.
#[derive(Debug)]
pub struct Unsized<'a, T: ?Sized> {
    value: &'a T,
    named: Opaque<T>,
}

/// The type of a value that cannot be serialised.
#[derive(Debug)]
pub struct Opaque<T: ?Sized>(PhantomData<T>);

/// Captured as the name of `T`.
#[derive(Debug)]
pub struct Named<T: ?Sized>(PhantomData<T>);

/// Captured as its `Debug` text.
#[derive(Debug)]
pub struct Shown<'a, T: ?Sized>(&'a T);

/// Captured as a marker that it was left out.
#[derive(Debug)]
pub struct Redacted(&'static str);

/// `value`, captured as well as its type allows.
pub fn arg<T: ?Sized>(value: &T) -> Arg<'_, T> {
    Arg(Unsized { value, named: Opaque(PhantomData) })
}

/// `value`, captured by its `Debug`.
pub fn debug<T: ?Sized>(value: &T) -> Shown<'_, T> {
    Shown(value)
}

/// Stands for a parameter that is named in the trace and never read.
pub fn redacted(parameter: &'static str) -> Redacted {
    Redacted(parameter)
}

impl<'a, T: Serialize> Arg<'a, T> {
    /// Captures the value itself.
    pub fn get(&self) -> &'a dyn Value {
        self.0.value
    }

    /// Says the value itself.
    pub fn said(&self) -> Said<'a> {
        Said::Value(self.get())
    }
}

impl<'a, T: ?Sized> Deref for Arg<'a, T> {
    type Target = Unsized<'a, T>;

    fn deref(&self) -> &Unsized<'a, T> {
        &self.0
    }
}

impl<T: Serialize + ?Sized> Unsized<'_, T> {
    /// Captures the value by way of the reference to it.
    pub fn get(&self) -> &dyn Value {
        &self.value
    }

    /// Says the value by way of the reference to it.
    pub fn said(&self) -> Said<'_> {
        Said::Value(self.get())
    }
}

impl<T: ?Sized> Deref for Unsized<'_, T> {
    type Target = Opaque<T>;

    fn deref(&self) -> &Opaque<T> {
        &self.named
    }
}

impl<T: ?Sized> Opaque<T> {
    /// Captures the name of the type.
    pub fn get<'s>(&self) -> &'s dyn Value
    where
        T: 's,
    {
        Named::<T>::value()
    }

    /// Says the name of the type.
    pub fn said<'s>(&self) -> Said<'s>
    where
        T: 's,
    {
        Said::Value(self.get())
    }
}

impl<T: ?Sized> Named<T> {
    /// The name of `T`.
    pub(crate) fn value<'s>() -> &'s dyn Value
    where
        T: 's,
    {
        const { &Self(PhantomData) }
    }
}

impl<T: ?Sized> Shown<'_, T> {
    /// Captures the `Debug` text.
    pub fn get(&self) -> &dyn Value
    where
        T: fmt::Debug,
    {
        self
    }
}

impl Redacted {
    /// Captures the marker.
    pub fn get(&self) -> &dyn Value {
        self
    }
}

impl<T: ?Sized> Value for Named<T> {
    fn write(&self, writer: &mut Writer<'_>) -> Result<(), Stop> {
        writer.opaque(std::any::type_name::<T>())
    }
}

impl<T: fmt::Debug + ?Sized> Value for Shown<'_, T> {
    fn write(&self, writer: &mut Writer<'_>) -> Result<(), Stop> {
        writer.display(&format_args!("{:?}", self.0), usize::MAX)
    }
}

impl Value for Redacted {
    fn write(&self, writer: &mut Writer<'_>) -> Result<(), Stop> {
        writer.redacted(&format_args!("redact({})", self.0));
        Ok(())
    }
}
