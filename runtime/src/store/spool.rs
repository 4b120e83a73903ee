//! What a forked process hands on: batches in files beside the database, until a process that can use it takes them in.
//!
//! SQLite cannot be used by a process that was forked from one that uses it, not even through a new connection: the tables in which it
//! notes who holds which lock are part of the memory that was copied, so that the child believes it holds what only its parent holds,
//! and waits for threads that are not there. So a forked process appends to files of its own, and its parent, the next program or the CLI
//! appends those to the store.
//!
//! ```text
//! spool/lock                     held by whoever takes in, and by a process while it adds to a file others may take in
//! spool/<process>-<n>.batches    frames: length and checksum, 8 bytes each, then the JSON of a batch; taken in in the order of n
//! spool/<…>.batches.new          one being written; nobody else's
//! spool/<…>.batches.damaged      one that could not be read to its end, put aside
//! ```
//!
//! A file gets its name when it is whole, and is removed when the store has it; in between it may be taken in twice, which changes nothing
//! in the store. Whoever dies while adding to a file still has those spans in its chunks.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::folder::{self, lock_patiently, open_private};
use super::{ProcessId, Result, Store, unusable};
use crate::error::{Error, Kind};
use crate::fork::OwnFile;
use crate::record::Batch;

const FOLDER: &str = "spool";
const LOCK: &str = "lock";
const EXTENSION: &str = "batches";
/// What nobody takes in goes into few files.
const FILE_BYTES: u64 = 4 << 20;
/// Files are taken in about once a second by whoever does.
const LONG: Duration = Duration::from_secs(30);
/// A file without a name is written in less.
const ABANDONED_AFTER: Duration = Duration::from_secs(60);

/// Where one forked process appends.
#[derive(Debug)]
pub(crate) struct Spool {
    folder: PathBuf,
    process: ProcessId,
    destination: Option<String>,
    max_bytes: u64,
    is_durable: bool,
    next: u64,
    last: Option<Last>,
}

/// The file appended to last, unless it has been taken in since.
#[derive(Debug)]
struct Last {
    path: PathBuf,
    bytes: u64,
    since: Instant,
}

/// A frame as it is written, and as it is read.
#[derive(Serialize)]
struct Written<'a> {
    destination: Option<&'a str>,
    batch: &'a Batch,
}

#[derive(Deserialize)]
struct Frame {
    destination: Option<String>,
    batch: Batch,
}

impl Spool {
    /// Appends beside the store in `store`, as long as all files there are not longer than `max_bytes`.
    pub(crate) fn beside(
        store: &Path,
        process: ProcessId,
        destination: Option<String>,
        max_bytes: u64,
    ) -> Result<Self> {
        folder::prepare(store).map_err(|cause| unusable(store, cause))?;
        let folder = store.join(FOLDER);
        Ok(Self { folder, process, destination, max_bytes, is_durable: false, next: 0, last: None })
    }

    /// From now on what is appended outlives a loss of power.
    pub(crate) fn outlive_power_loss(&mut self) {
        self.is_durable = true;
    }

    /// Keeps the whole batch, or nothing of it.
    pub(crate) fn append(&mut self, batch: &Batch) -> Result<()> {
        let frame = self.frame(batch).map_err(|cause| unusable(&self.folder, cause))?;
        if self.add_to_last(&frame) {
            return Ok(());
        }
        self.check_size()?;
        self.start_file(&frame).map_err(|cause| unusable(&self.folder, cause))
    }

    /// Whether what was appended has been waiting for long.
    pub(crate) fn is_left_alone(&self) -> bool {
        self.last.as_ref().is_some_and(|last| last.since.elapsed() > LONG && last.path.exists())
    }

    /// The folder the files are in.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    fn frame(&self, batch: &Batch) -> io::Result<Vec<u8>> {
        let mut frame = vec![0; HEAD];
        serde_json::to_writer(&mut frame, &Written { destination: self.destination.as_deref(), batch })?;
        let (length, sum) = ((frame.len() - HEAD) as u64, checksum(&frame[HEAD..]));
        frame[..8].copy_from_slice(&length.to_le_bytes());
        frame[8..HEAD].copy_from_slice(&sum.to_le_bytes());
        Ok(frame)
    }

    /// Appends to the last file, if nobody has taken it in, nobody is at it, and it is not long.
    fn add_to_last(&mut self, frame: &[u8]) -> bool {
        let Some(last) = self.last.as_mut().filter(|last| last.bytes + frame.len() as u64 <= FILE_BYTES) else {
            return false;
        };
        let lock = self.folder.join(LOCK);
        let Ok(lock) = OwnFile::open(|| open_private(&lock)) else { return false };
        if lock.try_lock().is_err() {
            return false;
        }
        let Ok(mut file) = OpenOptions::new().append(true).open(&last.path) else { return false };
        if file.write_all(frame).and_then(|()| synced(&file, self.is_durable)).is_err() {
            // What is not whole must not stand between others.
            drop(file.set_len(last.bytes));
            self.last = None;
            return false;
        }
        last.bytes += frame.len() as u64;
        true
    }

    fn start_file(&mut self, frame: &[u8]) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
        let path = self.folder.join(format!("{:016x}-{:08x}.{EXTENSION}", self.process.0, self.next));
        let unnamed = path.with_extension(format!("{EXTENSION}.new"));
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unnamed)?;
        let written = file.write_all(frame).and_then(|()| synced(&file, self.is_durable));
        let made = written.and_then(|()| fs::rename(&unnamed, &path));
        if made.is_err() {
            drop(fs::remove_file(&unnamed));
        }
        made?;
        if self.is_durable {
            folder::sync(&self.folder)?;
        }
        self.next += 1;
        self.last = Some(Last { path, bytes: frame.len() as u64, since: Instant::now() });
        Ok(())
    }

    /// Nobody takes in what a process has left behind if there is nobody.
    fn check_size(&self) -> Result<()> {
        if !self.last.as_ref().is_some_and(|last| last.path.exists()) {
            return Ok(());
        }
        let files = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let bytes: u64 = files.filter_map(|file| Some(file.metadata().ok()?.len())).sum();
        if bytes < self.max_bytes {
            return Ok(());
        }
        let (limit, folder) = (self.max_bytes, self.folder.display());
        Err(Error::new(
            Kind::Store,
            format!(
                "cannot append spans to {folder}: it is above the limit of {limit} bytes; take them in with `spanwright push`"
            ),
        ))
    }
}

fn synced(file: &File, is_durable: bool) -> io::Result<()> {
    if is_durable { file.sync_data() } else { Ok(()) }
}

/// What was taken in.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct TakenIn {
    pub(crate) spans: u64,
    /// Files that could not be read to their end, and were put aside.
    pub(crate) damaged: u64,
    /// The time was over before all files were taken in.
    pub(crate) is_cut_short: bool,
}

impl Store {
    /// Takes in what forked processes have left beside this store: all of them, or one; as much as takes so long. Others who do so at the
    /// same time wait.
    pub(crate) fn take_in(&self, process: Option<ProcessId>, at_most: Duration) -> Result<TakenIn> {
        let started = Instant::now();
        let mut taken = TakenIn::default();
        let Some(folder) = self.folder().map(|folder| folder.join(FOLDER)) else { return Ok(taken) };
        if waiting(&folder, process).is_empty() {
            return Ok(taken);
        }
        let lock = folder.join(LOCK);
        let _lock = lock_patiently(&lock).map_err(|cause| unusable(&lock, cause))?;
        // Looked for again: somebody else may have been at it.
        for (path, process) in waiting(&folder, process) {
            if started.elapsed() > at_most {
                taken.is_cut_short = true;
                break;
            }
            let bytes = fs::read(&path).map_err(|cause| unusable(&path, cause))?;
            let is_whole = self.take_frames(&bytes, process, &mut taken)?;
            let done = if is_whole {
                fs::remove_file(&path)
            } else {
                taken.damaged += 1;
                fs::rename(&path, path.with_extension(format!("{EXTENSION}.damaged")))
            };
            done.map_err(|cause| unusable(&path, cause))?;
        }
        Ok(taken)
    }

    /// False if the bytes hold what is no frame.
    fn take_frames(&self, mut bytes: &[u8], process: ProcessId, taken: &mut TakenIn) -> Result<bool> {
        while !bytes.is_empty() {
            let Some((json, rest)) = next_frame(bytes) else { return Ok(false) };
            let Ok(frame) = serde_json::from_slice::<Frame>(json) else { return Ok(false) };
            self.append(&frame.batch, process, frame.destination.as_deref())?;
            taken.spans += frame.batch.finished.len() as u64;
            bytes = rest;
        }
        Ok(true)
    }
}

/// The JSON of the first frame and what is behind it.
fn next_frame(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    let (sum, rest) = rest.split_first_chunk()?;
    let (json, rest) = rest.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
    (u64::from_le_bytes(*sum) == checksum(json)).then_some((json, rest))
}

/// Files that can be taken in, those of one process in their order.
fn waiting(folder: &Path, only: Option<ProcessId>) -> Vec<(PathBuf, ProcessId)> {
    let Ok(files) = fs::read_dir(folder) else { return Vec::new() };
    let mut found: Vec<_> = files.flatten().filter_map(|file| named(file.path())).collect();
    found.retain(|(_, process)| only.is_none_or(|only| only == *process));
    found.sort();
    found
}

fn named(path: PathBuf) -> Option<(PathBuf, ProcessId)> {
    let is_new = path.extension().is_some_and(|extension| extension == "new");
    if is_new && is_old(&path) {
        drop(fs::remove_file(&path));
    }
    let name = path.file_name()?.to_str()?.strip_suffix(EXTENSION)?.strip_suffix('.')?;
    let process = u64::from_str_radix(name.split_once('-')?.0, 16).ok()?;
    Some((path, ProcessId(process)))
}

fn is_old(path: &Path) -> bool {
    let changed = File::open(path).and_then(|file| file.metadata()).and_then(|facts| facts.modified());
    changed.is_ok_and(|changed| changed.elapsed().is_ok_and(|age| age > ABANDONED_AFTER))
}

/// Before the JSON of a frame: its length and checksum.
const HEAD: usize = 16;

/// FNV-1a: tells what a disk did to a file, not what somebody meant to do to it.
fn checksum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}
