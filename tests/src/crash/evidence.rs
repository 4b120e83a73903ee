//! What a victim was at when it was killed, from what can be seen of it from outside.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use serde::Serialize;

/// A stage a kill was found to have hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Spans were open: they are closed as abandoned.
    SpanOpen,
    /// Spans had ended and stood in chunk files only.
    Ended,
    /// The collector was at work outside of any system call.
    BeingPaired,
    /// The victim held the write lock of the store, waited for it, or left a transaction without its end in the log.
    MidTransaction,
    /// A request with spans was at the server and not answered.
    MidRequest,
    /// The server had spans that the store still had to deliver, and every request was answered.
    BeforeAck,
    /// The victim was taking over what another one had left.
    Recovery,
    /// Before it traced anything.
    Starting,
}

impl Stage {
    /// All of them, in the order of a span's life.
    pub const ALL: [Self; 8] = [
        Self::Starting,
        Self::SpanOpen,
        Self::Ended,
        Self::BeingPaired,
        Self::MidTransaction,
        Self::MidRequest,
        Self::BeforeAck,
        Self::Recovery,
    ];
}

/// How often each stage was hit.
pub type Histogram = BTreeMap<Stage, u64>;

/// The chunk folders in a store.
pub fn folders(store: &Path) -> Vec<PathBuf> {
    fs::read_dir(store.join("chunks")).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}

/// Whose chunk folder this is, by what its lease says.
fn owner(folder: &Path) -> Option<u32> {
    let lease = fs::read_to_string(folder.join("lease")).ok()?;
    lease.lines().find_map(|line| line.strip_prefix("pid "))?.parse().ok()
}

/// What a stopped victim is at.
pub fn of_stopped(pid: u32, store: &Path) -> HashSet<Stage> {
    let mut stages = HashSet::new();
    let locks = locks_of(pid);
    // Byte 120 of the index of the log is the write lock of an SQLite database.
    if let Some(index) = inode(store.join("store.db-shm"))
        && locks.iter().any(|lock| lock.inode == index && lock.is_exclusive && lock.first <= 120 && lock.last >= 120)
    {
        stages.insert(Stage::MidTransaction);
    } else if collector_computes(pid) {
        stages.insert(Stage::BeingPaired);
    }
    if recovers(pid, store) {
        stages.insert(Stage::Recovery);
    }
    stages
}

fn inode(path: PathBuf) -> Option<u64> {
    fs::metadata(path).ok().map(|file| file.ino())
}

/// Whether a process holds the lease of another one.
pub fn recovers(pid: u32, store: &Path) -> bool {
    let others = leases(store).into_iter().filter(|folder| owner(folder).is_some_and(|owner| owner != pid));
    let leases: HashSet<u64> = others.filter_map(|folder| inode(folder.join("lease"))).collect();
    locks_of(pid).iter().any(|lock| lock.is_whole_file && leases.contains(&lock.inode))
}

/// The folders that have their name: their processes live or lived.
pub fn leases(store: &Path) -> Vec<PathBuf> {
    folders(store).into_iter().filter(|folder| folder.extension().is_none()).collect()
}

/// Whether a folder has its lease and nothing else, or nothing at all.
pub fn is_half_removed(folder: &Path) -> bool {
    fs::read_dir(folder).is_ok_and(|mut files| files.all(|file| file.is_ok_and(|file| file.file_name() == "lease")))
}

struct Lock {
    inode: u64,
    is_exclusive: bool,
    is_whole_file: bool,
    first: u64,
    last: u64,
}

/// `1: POSIX  ADVISORY  WRITE 3731 fe:00:1835 120 120`
fn locks_of(pid: u32) -> Vec<Lock> {
    let text = fs::read_to_string("/proc/locks").unwrap_or_default();
    let lock = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let &[_, kind, _, access, holder, file, first, last] = &*words else { return None };
        (holder.parse() == Ok(pid)).then_some(())?;
        Some(Lock {
            inode: file.rsplit(':').next()?.parse().ok()?,
            is_exclusive: access == "WRITE",
            is_whole_file: kind == "FLOCK",
            first: first.parse().ok()?,
            last: last.parse().unwrap_or(u64::MAX),
        })
    };
    text.lines().filter_map(lock).collect()
}

/// Whether the collector's thread is in no system call.
fn collector_computes(pid: u32) -> bool {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten().map(|entry| entry.path());
    let is_collector = |thread: &PathBuf| {
        fs::read_to_string(thread.join("comm")).is_ok_and(|name| name.starts_with("spanwright-coll"))
    };
    let call = |thread: PathBuf| fs::read_to_string(thread.join("syscall")).unwrap_or_default();
    threads.filter(is_collector).map(call).any(|call| call.starts_with("-1 "))
}

/// Whether the log of a store ends in pages that no commit follows.
pub fn log_has_no_end(store: &Path) -> bool {
    const HEADER: usize = 32;
    const FRAME_HEADER: usize = 24;
    let Ok(log) = fs::read(store.join("store.db-wal")) else { return false };
    if log.len() < HEADER {
        return false;
    }
    let word =
        |at: usize| log.get(at..at + 4).map(|bytes| u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]));
    let (page, salts) = (word(8).unwrap_or(0) as usize, &log[16..24]);
    let mut open = false;
    let mut at = HEADER;
    while page > 0 && log.get(at + 8..at + 16) == Some(salts) {
        open = word(at + 4) == Some(0);
        at += FRAME_HEADER + page;
    }
    open
}
