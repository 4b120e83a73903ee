//! The notes of one span, one after the other in one buffer.

use crate::chunk::NoteKind;

/// Kind, bytes of key and of body, time.
const HEAD_BYTES: usize = 1 + 4 + 4 + 8;
/// A buffer beyond this is given back when its span is over.
const MOST_SPARE_BYTES: usize = 4096;

/// What one note says of its span.
#[derive(Clone, Copy, Debug)]
pub(super) struct Note<'b> {
    pub(super) kind: NoteKind,
    pub(super) time_unix_ns: u64,
    pub(super) key: &'b str,
    pub(super) body: &'b [u8],
}

#[derive(Debug, Default)]
pub(super) struct Notes {
    bytes: Vec<u8>,
    count: usize,
    last_unix_ns: u64,
    /// Whether one was added behind a later one.
    is_mixed: bool,
}

/// Bytes one note takes.
pub(super) const fn size(key: &[u8], body: &[u8]) -> usize {
    HEAD_BYTES + key.len() + body.len()
}

impl Notes {
    pub(super) fn push(&mut self, note: Note<'_>) {
        let Note { kind, time_unix_ns, key, body } = note;
        self.bytes.reserve(size(key.as_bytes(), body));
        self.bytes.push(kind as u8);
        self.bytes.extend_from_slice(&(key.len() as u32).to_le_bytes());
        self.bytes.extend_from_slice(&(body.len() as u32).to_le_bytes());
        self.bytes.extend_from_slice(&time_unix_ns.to_le_bytes());
        self.bytes.extend_from_slice(key.as_bytes());
        self.bytes.extend_from_slice(body);
        self.count += 1;
        self.is_mixed |= time_unix_ns < self.last_unix_ns;
        self.last_unix_ns = self.last_unix_ns.max(time_unix_ns);
    }

    pub(super) fn clear(&mut self) {
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.clear();
        bytes.shrink_to(MOST_SPARE_BYTES);
        *self = Self { bytes, ..Self::default() };
    }

    pub(super) fn len(&self) -> usize {
        self.count
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// The latest time among them.
    pub(super) fn last_unix_ns(&self) -> u64 {
        self.last_unix_ns
    }

    /// Hands out each, in the order of their times, and of one time in the order they were added.
    pub(super) fn by_time(&self, mut with: impl FnMut(Note<'_>)) {
        if !self.is_mixed {
            return self.iter().for_each(with);
        }
        let mut notes: Vec<_> = self.iter().collect();
        notes.sort_by_key(|note| note.time_unix_ns);
        notes.into_iter().for_each(&mut with);
    }

    fn iter(&self) -> impl Iterator<Item = Note<'_>> {
        let mut rest = self.bytes.as_slice();
        std::iter::from_fn(move || next(&mut rest))
    }
}

/// Cuts the first note off `rest`.
fn next<'b>(rest: &mut &'b [u8]) -> Option<Note<'b>> {
    let (&kind, behind) = rest.split_first()?;
    let (key, behind) = behind.split_first_chunk()?;
    let (body, behind) = behind.split_first_chunk()?;
    let (time, behind) = behind.split_first_chunk()?;
    let (key, behind) = behind.split_at_checked(u32::from_le_bytes(*key) as usize)?;
    let (body, behind) = behind.split_at_checked(u32::from_le_bytes(*body) as usize)?;
    *rest = behind;
    let kind = NoteKind::from_code(kind.into())?;
    Some(Note { kind, time_unix_ns: u64::from_le_bytes(*time), key: std::str::from_utf8(key).ok()?, body })
}
