//! What generated code asks of its callsite, as methods: a path less for each captured value in every expansion.

use crate::callsite::Callsite;
use crate::capture::{Arg, Redacted, Shown, Value, arg, debug, redacted};

use crate::id::SpanId;

use super::{Inside, Opening, Span, inside, start, start_saying};

impl Callsite {
    /// Starts a span for a call of this function.
    #[inline]
    pub fn start(&'static self, values: &[&dyn Value]) -> Span {
        start(self, values)
    }

    /// As [`start`](Self::start); `say` says the values of [its attributes](Self::attributes), if there is a recorder.
    #[inline]
    pub fn say(&'static self, values: &[&dyn Value], say: impl FnOnce(Opening<'_>) -> Option<SpanId>) -> Span {
        start_saying(self, values, say)
    }

    /// As [`start`](Self::start) for a sync call, which is in the context of its span from now on.
    #[inline]
    pub fn enter(&'static self, values: &[&dyn Value]) -> Inside {
        inside::enter(self, values)
    }

    /// As [`say`](Self::say), likewise.
    #[inline]
    pub fn tell(&'static self, values: &[&dyn Value], say: impl FnOnce(Opening<'_>) -> Option<SpanId>) -> Inside {
        inside::tell(self, values, say)
    }

    /// `value`, captured as well as its type allows: see [`arg`].
    #[inline]
    pub fn arg<'a, T: ?Sized>(&self, value: &'a T) -> Arg<'a, T> {
        arg(value)
    }

    /// `value`, captured by its `Debug`: see [`debug`].
    #[inline]
    pub fn debug<'a, T: ?Sized>(&self, value: &'a T) -> Shown<'a, T> {
        debug(value)
    }

    /// Stands for a parameter that is never read: see [`redacted`].
    #[inline]
    pub fn redacted(&self, parameter: &'static str) -> Redacted {
        redacted(parameter)
    }
}
