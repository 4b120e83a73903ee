//! A tape being written.

use std::fmt;
use std::ops::Deref;

use super::LONGEST;

/// Bytes that are room at once where there was none, and that a short value never fills.
const STEP: usize = 4096;
const ENOUGH: usize = 256;

/// A tape being written: its bytes, and room for more.
///
/// What fits into the room may be written without a further look: that a limit is not reached and that there is a place is one question.
/// A tape that is *closed* has no room, so that this question also leads wherever something else than the plain value is to be written;
/// whoever has looked there writes by [`put`](Self::put), which makes room.
#[derive(Default)]
pub(crate) struct Tape {
    /// What is written, then room, which is initialised; empty while closed.
    bytes: Vec<u8>,
    /// How much is written. In 32 bits, so that a place computed from it is known not to overflow.
    len: u32,
    is_closed: bool,
    /// The bytes while closed.
    set_aside: Vec<u8>,
}

impl Tape {
    /// An empty tape whose room is `bytes`, whatever they hold.
    #[cfg(test)]
    pub(super) fn over(bytes: Vec<u8>) -> Self {
        Self { bytes, ..Self::default() }
    }

    /// Takes back all that is written; the room stays.
    #[inline]
    pub(crate) fn clear(&mut self) {
        self.reopen();
        self.len = 0;
    }

    /// Bytes it holds, written or not.
    #[inline]
    pub(crate) fn capacity(&self) -> usize {
        self.bytes.capacity().max(self.set_aside.capacity())
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.len as usize
    }

    /// Has room up to the byte `most`, or some that is made more when it is used up.
    #[inline]
    pub(crate) fn open(&mut self, most: usize) {
        self.reopen();
        // A little more than was asked for is as good, and need not be initialised again and again.
        if self.bytes.len() > most + ENOUGH {
            self.bytes.truncate(most.max(self.len()));
        }
        if self.bytes.len() < most.min(self.len() + ENOUGH) {
            self.make_room(most);
        }
    }

    #[inline]
    fn reopen(&mut self) {
        if self.is_closed {
            self.is_closed = false;
            std::mem::swap(&mut self.bytes, &mut self.set_aside);
        }
    }

    /// Has no room until it is opened.
    #[inline]
    pub(crate) fn close(&mut self) {
        if !self.is_closed {
            self.is_closed = true;
            std::mem::swap(&mut self.bytes, &mut self.set_aside);
        }
    }

    /// Makes an open tape as long again, but not beyond the byte `most`.
    #[cold]
    #[inline(never)]
    pub(crate) fn make_room(&mut self, most: usize) {
        let more = (self.len() + STEP).max(2 * self.len()).min(most.min(LONGEST));
        if self.bytes.len() < more {
            self.bytes.resize(more, 0);
        }
    }

    /// Writes `bytes` into the room, of which `len` count as written; false if there is no room for all of them.
    ///
    /// All that is asked of the tape is asked before anything is stored, so that no answer is read again.
    #[inline]
    pub(crate) fn write<const N: usize>(&mut self, bytes: &[u8; N], len: usize) -> bool {
        let at = self.len as usize;
        let Some(room) = self.bytes.get_mut(at..at + N) else { return false };
        self.len = at as u32 + len as u32;
        room.copy_from_slice(bytes);
        true
    }

    /// The next `len` bytes, to be written; `None` if there is no room for them.
    #[inline]
    pub(crate) fn advance(&mut self, len: usize) -> Option<&mut [u8]> {
        let at = self.len as usize;
        let room = self.bytes.get_mut(at..at + len)?;
        self.len = at as u32 + len as u32;
        Some(room)
    }

    /// Appends `bytes`, room or not.
    #[inline]
    pub(crate) fn put(&mut self, bytes: &[u8]) {
        match self.advance(bytes.len()) {
            Some(room) => room.copy_from_slice(bytes),
            None => self.put_without_room(bytes),
        }
    }

    #[inline(never)]
    fn put_without_room(&mut self, bytes: &[u8]) {
        let (at, end) = (self.len(), self.len() + bytes.len());
        let all = if self.is_closed { &mut self.set_aside } else { &mut self.bytes };
        if all.len() < end {
            all.resize(end, 0);
        }
        all[at..end].copy_from_slice(bytes);
        self.len = end as u32;
    }

    /// Appends `tag` and `n`.
    #[inline]
    pub(crate) fn put_number(&mut self, tag: u8, n: u64) {
        match n {
            0..0x80 => self.put(&[tag, n as u8]),
            0x80..0x4000 => self.put(&two_bytes(tag, n)),
            _ => {
                let (bytes, len) = number(tag, n);
                self.put(&bytes[..len]);
            }
        }
    }

    /// Appends `tag` and a text.
    pub(crate) fn put_text(&mut self, tag: u8, text: &str) {
        self.put_number(tag, text.len() as u64);
        self.put(text.as_bytes());
    }

    /// Appends `tag` and room for the length of a text whose bytes follow; gives the place to hand to [`Self::close_text`].
    pub(crate) fn open_text(&mut self, tag: u8) -> usize {
        self.put(&[tag, 0x80, 0x80, 0x80, 0]);
        self.len()
    }

    /// Makes everything from `start` on the text opened there; at most [`LONGEST`] bytes.
    pub(crate) fn close_text(&mut self, start: usize) {
        let len = self.len() - start;
        for (place, byte) in self.written()[start - 4..start].iter_mut().enumerate() {
            *byte = (len >> (7 * place)) as u8 & 0x7f | if place < 3 { 0x80 } else { 0 };
        }
    }

    /// What is written.
    pub(crate) fn written(&mut self) -> &mut [u8] {
        let all = if self.is_closed { &mut self.set_aside } else { &mut self.bytes };
        &mut all[..self.len as usize]
    }

    /// Takes back what is written from `len` on.
    pub(crate) fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len as u32);
    }

    /// What is written as whole words, the last one filled up with zeros.
    #[inline]
    pub(crate) fn words(&mut self) -> &[[u8; 8]] {
        self.reopen();
        let len = self.len as usize;
        match self.bytes.get_mut(len..len + 8) {
            Some(after) => after.copy_from_slice(&[0; 8]),
            None => self.make_whole(),
        }
        self.bytes.as_chunks().0.get(..len.div_ceil(8)).unwrap_or_default()
    }

    #[cold]
    #[inline(never)]
    fn make_whole(&mut self) {
        self.bytes.truncate(self.len());
        self.bytes.resize(self.len() + 8, 0);
    }
}

impl Deref for Tape {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        let all = if self.is_closed { &self.set_aside } else { &self.bytes };
        &all[..self.len as usize]
    }
}

/// Without the bytes: the room holds what stood there before.
impl fmt::Debug for Tape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tape({} bytes)", self.len())
    }
}

/// The bytes of `tag` and `n`, which is less than 0x4000.
#[inline]
pub(crate) fn two_bytes(tag: u8, n: u64) -> [u8; 3] {
    [tag, n as u8 | 0x80, (n >> 7) as u8]
}

/// No number takes more than seven bytes below this.
pub(crate) const BEYOND_SEVEN_BYTES: u64 = 1 << 49;

/// The bytes of `tag` and `n`, which is at least 0x80 and less than [`BEYOND_SEVEN_BYTES`], and how many they are.
#[inline]
pub(crate) fn seven_bytes(tag: u8, n: u64) -> ([u8; 8], usize) {
    let len = (70 - n.leading_zeros() as usize) / 7;
    // Seven bits to a byte: halves, quarters, eighths.
    let n = (n & 0x0fff_ffff) | (n >> 28) << 32;
    let n = (n & 0x0000_3fff_0000_3fff) | (n & 0x0fff_c000_0fff_c000) << 2;
    let n = (n & 0x007f_007f_007f_007f) | (n & 0x3f80_3f80_3f80_3f80) << 1;
    let followed = 0x8080_8080_8080 >> (8 * (7 - len as u32).min(7));
    ((((n | followed) << 8) | u64::from(tag)).to_le_bytes(), 1 + len)
}

/// Most bytes of a tag and a number.
pub(crate) const NUMBER: usize = 11;

/// The bytes of `tag` and any `n`, and how many they are.
#[cold]
#[inline(never)]
pub(crate) fn number(tag: u8, mut n: u64) -> ([u8; NUMBER], usize) {
    let (mut bytes, mut len) = ([tag; NUMBER], 1);
    while n >= 0x80 {
        bytes[len] = n as u8 | 0x80;
        n >>= 7;
        len += 1;
    }
    bytes[len] = n as u8;
    (bytes, len + 1)
}

/// The bytes of a text of at most eight as one word, the first one lowest.
#[inline]
pub(crate) fn short(bytes: &[u8]) -> u64 {
    let len = bytes.len();
    if let (Some(first), Some(last)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        let (first, last) = (u32::from_le_bytes(*first), u32::from_le_bytes(*last));
        return u64::from(first) | u64::from(last) << ((8 * (len - 4) as u32) & 63);
    }
    bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte))
}
