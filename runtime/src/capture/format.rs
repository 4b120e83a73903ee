//! Texts that are formatted, and texts that are cut.

use std::fmt;

use super::scan;
use crate::tape::Tape;

/// As much of `text` as `len` bytes hold, and whether that is less than all of it.
pub(super) fn start_of(text: &str, len: usize) -> (&str, bool) {
    if text.len() <= len {
        return (text, false);
    }
    let mut end = len;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    (&text[..end], true)
}

/// A text that is being formatted onto the tape. Unless it is closed, nothing of it stays: what formats it may panic half way.
pub(super) struct OpenText<'o> {
    tape: &'o mut Tape,
    /// Where its bytes begin.
    start: usize,
    /// Where they must end.
    end: usize,
    /// More followed that is left out.
    pub(super) cut: bool,
    closed: bool,
}

impl<'o> OpenText<'o> {
    const HEAD: usize = 5;

    pub(super) fn new(tape: &'o mut Tape, tag: u8, most: usize) -> Self {
        let start = tape.open_text(tag);
        Self { end: start.saturating_add(most), tape, start, cut: false, closed: false }
    }

    pub(super) fn set_tag(&mut self, tag: u8) {
        self.tape.written()[self.start - Self::HEAD] = tag;
    }

    /// What was written, if it may hold a credential.
    pub(super) fn suspicious(&self) -> Option<&str> {
        std::str::from_utf8(&self.tape[self.start..]).ok().filter(|text| self.cut || scan::is_suspicious(text))
    }

    pub(super) fn replace(&mut self, text: &str) {
        self.tape.truncate(self.start);
        self.tape.put(text.as_bytes());
    }

    pub(super) fn close(mut self) {
        self.tape.close_text(self.start);
        self.closed = true;
    }
}

impl fmt::Write for OpenText<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let (head, cut) = start_of(text, self.end.saturating_sub(self.tape.len()));
        self.tape.put(head.as_bytes());
        self.cut |= cut;
        if cut { Err(fmt::Error) } else { Ok(()) }
    }
}

impl Drop for OpenText<'_> {
    fn drop(&mut self) {
        if !self.closed {
            self.tape.truncate(self.start - Self::HEAD);
        }
    }
}

/// Characters of what is written to it.
pub(super) struct Count(pub(super) u64);

impl fmt::Write for Count {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0 += text.chars().count() as u64;
        Ok(())
    }
}
