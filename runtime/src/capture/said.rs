//! What an attribute says when a span starts: a scalar or a text as it stands, anything else as a value.
//!
//! `p::simple(&x).said()` finds the inherent `said` of [`Plain`] if the type is a scalar or a text, and otherwise reaches those of
//! [`Arg`], which choose as for every captured value.

use std::fmt;
use std::ops::Deref;

use super::arg::Arg;
use super::{Value, arg, scan};
use crate::tape::{SHORT_TEXT, Scalar};

/// One value.
#[derive(Clone, Copy)]
pub enum Said<'v> {
    /// A scalar.
    Scalar(Scalar, u64),
    /// A text.
    Text(&'v str),
    /// Anything else.
    Value(&'v dyn Value),
}

/// A type whose values are scalars or texts.
pub trait Simple {
    /// The value.
    fn said(&self) -> Said<'_>;
}

macro_rules! scalars {
    ($($type:ty => $scalar:ident as $bits:ty),* $(,)?) => {$(
        impl Simple for $type {
            #[inline]
            fn said(&self) -> Said<'_> {
                Said::Scalar(Scalar::$scalar, <$bits>::from(*self) as u64)
            }
        }
    )*};
}

scalars! {
    bool => Bool as u64,
    u8 => Unsigned as u64, u16 => Unsigned as u64, u32 => Unsigned as u64, u64 => Unsigned as u64,
    i8 => Signed as i64, i16 => Signed as i64, i32 => Signed as i64, i64 => Signed as i64,
}

impl Simple for usize {
    #[inline]
    fn said(&self) -> Said<'_> {
        Said::Scalar(Scalar::Unsigned, *self as u64)
    }
}

impl Simple for isize {
    #[inline]
    fn said(&self) -> Said<'_> {
        Said::Scalar(Scalar::Signed, *self as u64)
    }
}

impl Simple for f64 {
    #[inline]
    fn said(&self) -> Said<'_> {
        Said::Scalar(Scalar::Double, self.to_bits())
    }
}

impl Simple for f32 {
    #[inline]
    fn said(&self) -> Said<'_> {
        Said::Scalar(Scalar::Single, self.to_bits().into())
    }
}

impl Simple for &str {
    #[inline]
    fn said(&self) -> Said<'_> {
        Said::Text(self)
    }
}

impl Simple for String {
    #[inline]
    fn said(&self) -> Said<'_> {
        Said::Text(self)
    }
}

/// The value, if its type is a scalar or a text; else what [`Arg`] makes of it.
#[derive(Debug)]
pub struct Plain<'a, T: ?Sized> {
    value: &'a T,
    other: Arg<'a, T>,
}

/// `value`, said as simply as its type allows.
#[inline]
pub fn simple<T: ?Sized>(value: &T) -> Plain<'_, T> {
    Plain { value, other: arg(value) }
}

impl<'a, T: Simple> Plain<'a, T> {
    /// Says the value itself.
    #[inline]
    pub fn said(&self) -> Said<'a> {
        self.value.said()
    }
}

impl<'a, T: ?Sized> Deref for Plain<'a, T> {
    type Target = Arg<'a, T>;

    fn deref(&self) -> &Arg<'a, T> {
        &self.other
    }
}

impl fmt::Debug for Said<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scalar(scalar, bits) => write!(f, "{scalar:?}({bits:#x})"),
            Self::Text(text) => write!(f, "Text({text:?})"),
            Self::Value(_) => f.write_str("Value"),
        }
    }
}

impl Said<'_> {
    /// The value as [`Value`]s are written.
    pub(crate) fn with<R>(&self, with: impl FnOnce(&dyn Value) -> R) -> R {
        match *self {
            Self::Scalar(Scalar::Unsigned, bits) => with(&bits),
            Self::Scalar(Scalar::Signed, bits) => with(&(bits as i64)),
            Self::Scalar(Scalar::Double, bits) => with(&f64::from_bits(bits)),
            Self::Scalar(Scalar::Single, bits) => with(&f32::from_bits(bits as u32)),
            Self::Scalar(Scalar::Bool, bits) => with(&(bits != 0)),
            Self::Text(text) => with(&text),
            Self::Value(value) => with(value),
        }
    }
}

const _: () = assert!(SHORT_TEXT <= scan::SHORT);

/// Whether a text [in words](crate::tape::text_in_words) may hold a credential.
#[inline(always)]
pub(crate) fn is_suspicious_in_words([first, last]: [u64; 2]) -> bool {
    scan::is_suspicious_in_words(first, last)
}
