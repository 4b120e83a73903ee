//! Saying more about a span from inside its call.

use std::ops::Deref;

use serde::Serialize;

use crate::semconv::{Key, ValueOf};

use super::open::{OpenSpan, attribute, current};

/// The span of an annotated call, as `handle = name` binds it: copied freely, sent to threads, used after an await.
///
/// What is said after the span has ended is left out and counted, unless the span has not been collected yet. A function with
/// `span = path` gets the typed handle of its declared span instead.
///
/// ```
/// use spanwright::node;
///
/// #[node(handle = span)]
/// fn collect(rows: &[u32]) -> usize {
///     span.set("rows", rows.len());
///     span.event("collected");
///     rows.len()
/// }
/// # collect(&[1, 2]);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Handle(OpenSpan);

/// The handle of the current span; one that takes everything and keeps nothing outside of any.
pub fn handle() -> Handle {
    Handle(current())
}

impl Handle {
    /// Sets an attribute; a later value replaces an earlier one.
    pub fn set(self, key: &str, value: impl Serialize) {
        attribute(self.0, key, &value);
    }

    /// Sets a [standard attribute](crate::semconv), whose key knows the type of its values.
    ///
    /// ```
    /// use spanwright::semconv::gen_ai;
    ///
    /// spanwright::handle().set_standard(gen_ai::REQUEST_MAX_TOKENS, 4096);
    /// ```
    ///
    /// ```compile_fail,E0277
    /// # use spanwright::semconv::gen_ai;
    /// spanwright::handle().set_standard(gen_ai::REQUEST_MAX_TOKENS, "4096");
    /// ```
    pub fn set_standard<T: ?Sized>(self, key: Key<T>, value: impl ValueOf<T>) {
        value.give(&mut |value| attribute(self.0, key.name(), value));
    }
}

impl Deref for Handle {
    type Target = OpenSpan;

    fn deref(&self) -> &OpenSpan {
        &self.0
    }
}
