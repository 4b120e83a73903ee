//! A user's value becomes tape, on the caller's thread, while the call is being made.
//!
//! In: references to the user's values, the level of capture, the [`Policy`]. Out: bytes of `tape` appended to the caller's scratch buffer.
//! Promises: nothing here panics or returns an error; a panic in a user's `Serialize`, `Display` or `Debug` is caught and what stood
//! before it stays readable; no value is written beyond its limit; nothing that a rule redacts reaches the buffer's final bytes; no
//! allocation in the steady state. Not done here: JSON text (`tape`), where the bytes go (`span`).

#![forbid(unsafe_code)]

mod arg;
mod rules;
mod scan;
mod secret;
mod serializer;
#[cfg(test)]
mod tests;
mod text;
mod write;

use std::fmt;

use crate::callsite::Capture;
use crate::tape;

pub use arg::{Arg, Named, Opaque, Redacted, Shown, arg, debug, redacted};
pub use rules::Rules;
pub use secret::Secret;
pub use text::Text;
pub use write::{Stop, Writer};

/// A value that can be captured: everything `Serialize`, and what `p::arg`, `p::debug` and `p::redacted` make.
pub trait Value {
    /// Writes itself. An error says that writing is over; the writer knows why.
    fn write(&self, writer: &mut Writer<'_>) -> Result<(), Stop>;
}

impl<T: serde::Serialize + ?Sized> Value for T {
    fn write(&self, writer: &mut Writer<'_>) -> Result<(), Stop> {
        self.serialize(writer)
    }
}

/// How much may be captured, and what never is.
#[derive(Clone, Debug)]
pub struct Policy {
    /// No capture goes beyond this level.
    pub cap: Capture,
    /// Limit of one value at [`Capture::Preview`], in bytes of its JSON text.
    pub preview_bytes: usize,
    /// Limit of one value at [`Capture::Full`], in bytes of its JSON text.
    pub full_bytes: usize,
    /// What is redacted.
    pub rules: Rules,
}

impl Default for Policy {
    fn default() -> Self {
        Self { cap: Capture::Full, preview_bytes: 2048, full_bytes: 1 << 20, rules: Rules::default() }
    }
}

impl Policy {
    /// The limit of one value at `level`, in bytes of its JSON text.
    pub(crate) fn limit(&self, level: Capture) -> usize {
        let limit = if level == Capture::Full { self.full_bytes } else { self.preview_bytes };
        limit.min(tape::LONGEST)
    }
}

/// Writes the captured inputs of a call: one payload, read by [`tape::inputs`]. `names` and `values` go together. Nothing is written at
/// [`Capture::None`].
pub(crate) fn inputs(
    out: &mut Vec<u8>,
    names: &[&'static str],
    values: &[&dyn Value],
    level: Capture,
    policy: &Policy,
) {
    let _ = (out, names, values, level, policy);
}

/// Writes one captured value, read by [`tape::output`] or [`tape::attribute`]. Nothing is written at [`Capture::None`].
pub(crate) fn value(out: &mut Vec<u8>, value: &dyn Value, level: Capture, policy: &Policy) {
    let _ = (out, value, policy.limit(level));
}

/// Writes the first `max_chars` characters of a text; a cut one ends with `…` in place of its last character.
pub(crate) fn text(out: &mut Vec<u8>, text: &str, max_chars: usize, policy: &Policy) {
    let _ = (out, text, max_chars, policy);
}

/// Writes the first `max_bytes` bytes of what `value` displays.
pub(crate) fn display(out: &mut Vec<u8>, value: &dyn fmt::Display, max_bytes: usize, policy: &Policy) {
    let _ = (out, value, max_bytes, policy);
}

/// Writes one value of a name: redacted as a whole where the name says so.
pub(crate) fn named(out: &mut Vec<u8>, name: &str, named: &dyn Value, policy: &Policy) {
    let _ = name;
    value(out, named, Capture::Full.min(policy.cap), policy);
}
