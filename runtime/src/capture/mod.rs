//! A user's value becomes tape, on the caller's thread, while the call is being made.
//!
//! In: references to the user's values, the level of capture, the [`Policy`]. Out: values appended to the caller's tape.
//! Promises: nothing here panics or returns an error; a panic in a user's `Serialize`, `Display` or `Debug` is caught and what stood
//! before it stays readable; no value is written beyond its limit; nothing that a rule redacts stays on the tape; no
//! allocation in the steady state. Not done here: JSON text (`tape`), where the bytes go (`span`).

#![forbid(unsafe_code)]

mod arg;
mod compound;
mod format;
#[cfg(all(any(test, fuzzing), feature = "mlflow", not(loom)))]
pub(crate) mod fuzzing;
mod keys;
mod raw;
mod rules;
mod said;
mod scan;
mod secret;
mod serializer;
#[cfg(test)]
mod tests;
mod text;
mod write;

use std::fmt;
use std::panic::{self, AssertUnwindSafe};

use crate::callsite::Capture;
use crate::contain::discard;
use crate::tape::{self, Tape, tag};

pub(crate) use arg::Named;
pub use arg::{Arg, Redacted, Shown, arg, debug, redacted};
pub(crate) use rules::KEPT_OUT;
pub use rules::Rules;
pub(crate) use said::is_suspicious_in_words;
pub use said::{Said, simple};
pub use secret::Secret;
pub use text::{Text, Texts};
use write::Next;
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

/// Longest key of an attribute, in bytes; a longer one is cut.
pub(crate) const LONGEST_KEY: usize = 1 << 12;

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
    /// Content is kept out: values, items, error texts and events; of attributes and tags all but numbers.
    pub(crate) discreet: bool,
    /// Name of the run that each workflow opens, unless it says so itself.
    pub(crate) run_name: Option<String>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            cap: Capture::Full,
            preview_bytes: 2048,
            full_bytes: 1 << 20,
            rules: Rules::default(),
            discreet: false,
            run_name: None,
        }
    }
}

impl Policy {
    /// The same, keeping content out.
    pub(crate) fn discreet(self) -> Self {
        Self { cap: Capture::None, rules: self.rules.redact_everything(), discreet: true, ..self }
    }

    /// The level of attributes.
    fn attributes(&self) -> Capture {
        if self.discreet { Capture::Full } else { Capture::Full.min(self.cap) }
    }

    /// The limit of one value at `level`, in bytes of its JSON text.
    pub(crate) fn limit(&self, level: Capture) -> usize {
        let limit = if level == Capture::Full { self.full_bytes } else { self.preview_bytes };
        limit.min(tape::LONGEST)
    }
}

/// Writes the captured inputs of a call: one payload, read by [`tape::inputs`]. `names` and `values` go together. Nothing is written at
/// [`Capture::None`]; at [`Capture::Keys`] the keys of the first value that is a map or struct, the receiver aside.
pub(crate) fn inputs(out: &mut Tape, names: &[&'static str], values: &[&dyn Value], level: Capture, policy: &Policy) {
    let level = level.min(policy.cap);
    let limit = policy.limit(level);
    match level {
        Capture::None => {}
        Capture::Keys => {
            put_limit(out, limit);
            state_keys(out, names, values, limit, policy);
        }
        Capture::Preview | Capture::Full => {
            put_limit(out, limit);
            for (name, value) in names.iter().zip(values) {
                match policy.rules.of_static(name) {
                    None => write_whole(out, *value, limit, policy),
                    Some(rule) => write(out, *value, limit, Next::Secret(rule), policy),
                }
            }
        }
    }
}

/// Says how long the values that follow may become, unless that is what holds anyway.
#[inline]
fn put_limit(out: &mut Tape, limit: usize) {
    match limit {
        0x80..0x4000 => out.put(&tape::two_bytes(tag::LIMIT, limit as u64)),
        tape::UNNAMED_LIMIT => {}
        _ => out.put_number(tag::LIMIT, limit as u64),
    }
}

fn state_keys(out: &mut Tape, names: &[&'static str], values: &[&dyn Value], limit: usize, policy: &Policy) {
    let start = out.len();
    for (place, (name, value)) in names.iter().zip(values).enumerate() {
        if *name == "self" {
            continue;
        }
        out.put_number(tag::SHAPE, place as u64 + 1);
        let keys = out.len();
        write(out, *value, limit, Next::StateKeys, policy);
        if out.get(keys) == Some(&tag::LIST) {
            return;
        }
        out.truncate(start);
    }
    out.put_number(tag::SHAPE, 0);
}

/// Writes one captured value, read by [`tape::output`] or [`tape::attribute`]. Nothing is written at [`Capture::None`].
pub(crate) fn value(out: &mut Tape, value: &dyn Value, level: Capture, policy: &Policy) {
    payload(out, value, level.min(policy.cap), policy, None, "");
}

/// Writes the value of an attribute, in full; it is redacted if its name falls under a rule.
pub(crate) fn named(out: &mut Tape, name: &str, value: &dyn Value, policy: &Policy) {
    payload(out, value, policy.attributes(), policy, policy.rules.rule_for(name), name);
}

/// Writes a value in full, redacted if its name, which lives forever, falls under a rule.
pub(crate) fn named_static(out: &mut Tape, name: &'static str, value: &dyn Value, policy: &Policy) {
    payload(out, value, policy.attributes(), policy, policy.rules.of_static(name), name);
}

/// Writes an attribute among others: its key and its value, likewise.
#[inline]
pub(crate) fn attribute(out: &mut Tape, key: &'static str, value: &dyn Value, policy: &Policy) {
    let level = Capture::Full.min(policy.cap);
    if level == Capture::None {
        return attribute_of_none(out, key, value, policy);
    }
    if policy.rules.keys().plain(key).is_some_and(|bytes| out.write(&bytes, 2 + key.len())) {
        return payload(out, value, level, policy, None, "");
    }
    special_attribute(out, key, value, policy);
}

/// Where no value is captured.
#[cold]
#[inline(never)]
fn attribute_of_none(out: &mut Tape, key: &'static str, value: &dyn Value, policy: &Policy) {
    if policy.discreet {
        special_attribute(out, key, value, policy);
    }
}

#[cold]
#[inline(never)]
fn special_attribute(out: &mut Tape, key: &'static str, value: &dyn Value, policy: &Policy) {
    let (head, _) = format::start_of(key, LONGEST_KEY);
    out.put_text(tag::KEY, head);
    payload(out, value, policy.attributes(), policy, policy.rules.of_static(key), key);
}

/// Writes a value that is a measure and no content, such as an exit code: the cap of the policy does not hold for it.
pub(crate) fn fact(out: &mut Tape, value: &dyn Value, policy: &Policy) {
    payload(out, value, Capture::Full, policy, None, "");
}

#[inline]
fn payload(out: &mut Tape, value: &dyn Value, level: Capture, policy: &Policy, rule: Option<&str>, name: &str) {
    if level == Capture::None {
        return;
    }
    let limit = policy.limit(level);
    put_limit(out, limit);
    match (level, rule) {
        (_, Some(KEPT_OUT)) if rules::speaks_of_counts(name) => {
            write(out, value, limit, Next::Counts(KEPT_OUT), policy);
        }
        (_, Some(rule)) => write(out, value, limit, Next::Secret(rule), policy),
        (Capture::None | Capture::Keys, None) => write(out, value, limit, Next::Shape, policy),
        (Capture::Preview | Capture::Full, None) => write_whole(out, value, limit, policy),
    }
}

/// Writes a text as [`text`] does; a marker in its place if its name falls under a rule.
pub(crate) fn named_text(out: &mut Tape, name: &str, text: &str, max_chars: usize, policy: &Policy) {
    match policy.rules.rule_for(name) {
        Some(rule) => out.put_text(tag::REDACTED, rule),
        None => self::text(out, text, max_chars, policy),
    }
}

/// Writes what `value` displays as [`display`] does; a marker in its place if its name falls under a rule.
pub(crate) fn named_display(out: &mut Tape, name: &str, value: &dyn fmt::Display, max_bytes: usize, policy: &Policy) {
    match policy.rules.rule_for(name) {
        Some(rule) => out.put_text(tag::REDACTED, rule),
        None => display(out, value, max_bytes, policy),
    }
}

/// Writes a text that names or routes and is no content: as [`named_text`] does, whether content is kept out or not.
pub(crate) fn label(out: &mut Tape, name: &str, text: &str, max_chars: usize, policy: &Policy) {
    match policy.rules.rule_for_label(name) {
        Some(rule) => out.put_text(tag::REDACTED, rule),
        None => self::text(out, text, max_chars, policy),
    }
}

/// Stands for the text of a failure where content is kept out.
#[cold]
pub(crate) fn kept_out(out: &mut Tape) {
    out.put_text(tag::STRING, "kept out, as `log_prompts` says");
}

/// Writes the first `max_chars` characters of a text; a cut one ends with `…` in place of the last of them.
pub(crate) fn text(out: &mut Tape, text: &str, max_chars: usize, policy: &Policy) {
    let _ = policy;
    let (head, cut) = first_chars(text, max_chars);
    let cleaned = if cut || scan::is_suspicious(head) { scan::clean(head, cut) } else { None };
    let (head, cut) = match &cleaned {
        Some(cleaned) if cut => (first_chars(cleaned, max_chars.saturating_sub(1)).0, true),
        Some(cleaned) => first_chars(cleaned, max_chars),
        None => (head, cut),
    };
    out.put_text(if cut { tag::STRING_CUT } else { tag::STRING }, head);
}

/// Up to `most` characters; one less where there are more, for the `…`.
fn first_chars(text: &str, most: usize) -> (&str, bool) {
    if text.len() <= most || text.char_indices().nth(most).is_none() {
        return (text, false);
    }
    let end = text.char_indices().nth(most.saturating_sub(1)).map_or(0, |(end, _)| end);
    (&text[..end], true)
}

/// Writes what `value` displays, in at most `max_bytes` bytes, the `…` of a cut text included.
pub(crate) fn display(out: &mut Tape, value: &dyn fmt::Display, max_bytes: usize, policy: &Policy) {
    struct Displayed<'v>(&'v dyn fmt::Display, usize);
    impl Value for Displayed<'_> {
        fn write(&self, writer: &mut Writer<'_>) -> Result<(), Stop> {
            writer.display(self.0, self.1)
        }
    }
    let most = max_bytes.min(tape::LONGEST).saturating_sub("…".len());
    write(out, &Displayed(value, most), most, Next::Whole, policy);
}

/// Writes exactly one value, whatever `value` does.
#[inline(never)]
fn write<'w>(out: &'w mut Tape, value: &dyn Value, limit: usize, next: Next<'w>, policy: &'w Policy) {
    write_by(Writer::new(out, &policy.rules, limit, next), value);
}

/// The same in the plain case, known as such.
#[inline(always)]
fn write_whole(out: &mut Tape, value: &dyn Value, limit: usize, policy: &Policy) {
    write_by(Writer::new(out, &policy.rules, limit, Next::Whole), value);
}

#[inline(always)]
fn write_by(mut writer: Writer<'_>, value: &dyn Value) {
    match panic::catch_unwind(AssertUnwindSafe(|| value.write(&mut writer))) {
        Ok(Ok(())) if writer.holds_one_value() => {}
        Ok(ended) => writer.give_up(ended.err()),
        Err(payload) => {
            writer.end_early(tag::PANICKED, "");
            discard(payload);
        }
    }
}
