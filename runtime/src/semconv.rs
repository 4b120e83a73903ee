//! Typed keys of the standard attributes: what the OpenTelemetry GenAI conventions and MLflow call the things a program may say of its spans.
//!
//! For functions without a declared span; a declared one names the same attributes in [`spans!`](macro@crate::spans), where their types are known too. The
//! keys are made of one table, whose versions are [`VERSION`] and [`MLFLOW_VERSION`].
//!
//! ```
//! use spanwright::llm;
//! use spanwright::semconv::gen_ai;
//!
//! #[llm(handle = span)]
//! fn ask(prompt: &str) -> usize {
//!     span.set_standard(gen_ai::REQUEST_TEMPERATURE, 0.2);
//!     span.set_standard(gen_ai::RESPONSE_FINISH_REASONS, &["stop"]);
//!     prompt.len()
//! }
//! # ask("");
//! ```

use std::fmt;
use std::marker::PhantomData;

use serde::Serialize;

use crate::capture::{Texts, Value};

spanwright_macros::standard_attributes!();

/// The name of a standard attribute, and in `T` the type of its values: `bool`, `i64`, `f64`, `str`, `[&str]` or [`Json`].
pub struct Key<T: ?Sized> {
    name: &'static str,
    values: PhantomData<fn(&T)>,
}

impl<T: ?Sized> Key<T> {
    const fn new(name: &'static str) -> Self {
        Self { name, values: PhantomData }
    }

    /// Its name on the wire.
    pub const fn name(self) -> &'static str {
        self.name
    }
}

impl<T: ?Sized> Clone for Key<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: ?Sized> Copy for Key<T> {}

impl<T: ?Sized> fmt::Debug for Key<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.name)
    }
}

/// The values of an attribute that is a list or an object: whatever serialises.
#[derive(Debug)]
pub enum Json {}

/// A value of an attribute of the type `T`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no value of a standard attribute of type `{T}`",
    label = "not a `{T}`",
    note = "the type of the attribute stands in its key, `Key<{T}>`"
)]
pub trait ValueOf<T: ?Sized> {
    /// Hands itself over in the form in which it is recorded.
    #[doc(hidden)]
    fn give(&self, to: &mut dyn FnMut(&dyn Value));
}

macro_rules! plain {
    ($($key:ty: $($value:ty)+;)+) => {$($(
        impl ValueOf<$key> for $value {
            fn give(&self, to: &mut dyn FnMut(&dyn Value)) {
                to(self);
            }
        }
    )+)+};
}

plain! {
    bool: bool;
    i64: i8 i16 i32 i64 isize u8 u16 u32 u64 usize;
    f64: f32 f64;
}

impl<V: AsRef<str> + ?Sized> ValueOf<str> for V {
    fn give(&self, to: &mut dyn FnMut(&dyn Value)) {
        to(&self.as_ref());
    }
}

impl<V: AsRef<str>> ValueOf<[&'static str]> for &[V] {
    fn give(&self, to: &mut dyn FnMut(&dyn Value)) {
        to(&Texts(self));
    }
}

impl<V: AsRef<str>, const N: usize> ValueOf<[&'static str]> for &[V; N] {
    fn give(&self, to: &mut dyn FnMut(&dyn Value)) {
        to(&Texts(self.as_slice()));
    }
}

impl<V: AsRef<str>> ValueOf<[&'static str]> for &Vec<V> {
    fn give(&self, to: &mut dyn FnMut(&dyn Value)) {
        to(&Texts(self.as_slice()));
    }
}

impl<V: Serialize> ValueOf<Json> for V {
    fn give(&self, to: &mut dyn FnMut(&dyn Value)) {
        to(self);
    }
}
