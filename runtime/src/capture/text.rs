//! Values of tags, sessions, users and other facts that are text.

use std::borrow::Cow;
use std::rc::Rc;
use std::sync::Arc;

use serde::{Serialize, Serializer};

/// A value that can stand where a text is wanted: strings, characters, numbers, booleans, and `Option`s and references of them.
///
/// `None` says nothing: the tag, session or parameter is then not set.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot stand where a text is wanted",
    label = "not a text",
    note = "give a string, a character, a number, a boolean, or an `Option` or reference of one; `x.to_string()` makes a text of anything with `Display`"
)]
pub trait Text {
    /// The text, or `None` to say nothing.
    fn text(&self) -> Option<Cow<'_, str>>;
}

impl Text for str {
    fn text(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed(self))
    }
}

impl Text for String {
    fn text(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed(self))
    }
}

impl Text for Cow<'_, str> {
    fn text(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed(self))
    }
}

impl<T: Text> Text for Option<T> {
    fn text(&self) -> Option<Cow<'_, str>> {
        self.as_ref().and_then(T::text)
    }
}

macro_rules! through {
    ($($pointer:ty),*) => {$(
        impl<T: Text + ?Sized> Text for $pointer {
            fn text(&self) -> Option<Cow<'_, str>> {
                (**self).text()
            }
        }
    )*};
}

through!(&T, &mut T, Box<T>, Rc<T>, Arc<T>);

macro_rules! displayed {
    ($($scalar:ty),*) => {$(
        impl Text for $scalar {
            fn text(&self) -> Option<Cow<'_, str>> {
                Some(Cow::Owned(self.to_string()))
            }
        }
    )*};
}

displayed!(char, bool, u8, u16, u32, u64, u128, usize, i8, i16, i32, i64, i128, isize, f32, f64);

/// A list of texts, each as it is borrowed.
#[derive(Debug)]
pub struct Texts<'a, T>(pub &'a [T]);

impl<T: AsRef<str>> Serialize for Texts<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(AsRef::as_ref))
    }
}
