//! Whether SQLite has read the write-ahead log to its end.
//!
//! A frame whose checksum is wrong ends the log for SQLite, without a word: that is what the death of a writer leaves. But where whole
//! transactions follow behind it, the log has been damaged, and what they held is lost.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use rusqlite::Connection;

const HEADER: u64 = 32;
const FRAME_HEADER: u64 = 24;
/// Of a log whose checksums are made of words in the order of this bit.
const MAGIC: u32 = 0x377f_0682;

/// So many frames that are not of this generation are passed over.
const MOST_FOREIGN: u32 = 4;
/// Others may write meanwhile; so often it is tried to look while nobody does.
const TRIES: usize = 3;

/// How many transactions in the log at `path` stand behind a damaged part, so that SQLite does not read them. The log is emptied then,
/// so that nobody finds them again.
pub(super) fn unread_transactions(connection: &Connection, path: &Path) -> u64 {
    let read = || connection.query_row("PRAGMA wal_checkpoint(NOOP)", [], |row| row.get::<_, u64>(1)).ok();
    for _ in 0..TRIES {
        let (Some(before), Some(log)) = (read(), Log::open(path)) else { return 0 };
        let unread = log.transactions_from(before);
        if unread == 0 || read() == Some(before) {
            if unread > 0 {
                drop(connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())));
            }
            return unread;
        }
    }
    0
}

struct Log {
    file: File,
    frame_bytes: u64,
    has_big_words: bool,
    salts: [u8; 8],
}

/// A frame: its header, then a page.
struct Frame(Vec<u8>);

impl Frame {
    fn commits(&self) -> bool {
        self.0[4..8] != [0; 4]
    }

    fn checksum(&self) -> (u32, u32) {
        (word(&self.0[16..], true), word(&self.0[20..], true))
    }
}

impl Log {
    fn open(path: &Path) -> Option<Self> {
        let file = File::open(path).ok()?;
        let mut header = [0; HEADER as usize];
        file.read_exact_at(&mut header, 0).ok()?;
        let (magic, page) = (word(&header, true), u64::from(word(&header[8..], true)));
        if magic & !1 != MAGIC || !(512..=65_536).contains(&page) {
            return None;
        }
        let salts = header[16..24].try_into().ok()?;
        Some(Self { file, frame_bytes: FRAME_HEADER + page, has_big_words: magic & 1 == 1, salts })
    }

    /// Transactions in the frames from this one on, where several follow each other: a single one may be what a writer was at when it
    /// died.
    fn transactions_from(&self, first: u64) -> u64 {
        let (mut commits, mut follow, mut foreign) = (0, false, 0);
        let mut before: Option<Frame> = None;
        for number in first.. {
            let Some(frame) = self.frame(number) else {
                // Of an earlier generation, or with damage in the mark of this one; at the end of the file too.
                foreign += 1;
                before = None;
                if foreign > MOST_FOREIGN {
                    break;
                }
                continue;
            };
            follow |= before.is_some_and(|before| before.commits() && self.follows(&frame, &before));
            commits += u64::from(frame.commits());
            before = Some(frame);
        }
        if follow { commits } else { 0 }
    }

    /// A frame of this generation of the log.
    fn frame(&self, number: u64) -> Option<Frame> {
        let mut frame = vec![0; self.frame_bytes as usize];
        self.file.read_exact_at(&mut frame, HEADER + number * self.frame_bytes).ok()?;
        (frame[8..16] == self.salts).then_some(Frame(frame))
    }

    /// Whether the checksum of `frame` is the one that continues `before`.
    fn follows(&self, frame: &Frame, before: &Frame) -> bool {
        let (mut s0, mut s1) = before.checksum();
        let words = frame.0[..8].chunks_exact(8).chain(frame.0[FRAME_HEADER as usize..].chunks_exact(8));
        for pair in words {
            s0 = s0.wrapping_add(word(pair, self.has_big_words)).wrapping_add(s1);
            s1 = s1.wrapping_add(word(&pair[4..], self.has_big_words)).wrapping_add(s0);
        }
        (s0, s1) == frame.checksum()
    }
}

fn word(bytes: &[u8], is_big: bool) -> u32 {
    let word = [bytes[0], bytes[1], bytes[2], bytes[3]];
    if is_big { u32::from_be_bytes(word) } else { u32::from_le_bytes(word) }
}
