//! Chunk files and whose they are.
//!
//! ```text
//! chunks/<process>/lease            held under an exclusive lock for as long as the process lives; says who it is, for people
//! chunks/<process>/counts           what could not be recorded
//! chunks/<process>/<n>.<words>.chunk  chunks of so many words, one after the other, every block written before it is mapped
//! ```
//!
//! A process is dead when its lease can be locked. Whoever locks it owns the folder: it reads the chunks, keeps what they hold,
//! and removes the folder. The lock goes with the process that holds it, so that this happens exactly once. A process that was forked
//! from it does not hold it: it has a folder of its own, once it traces.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::Source;
use super::counts;
use super::entry::Entry;
use super::memory::{HEADER_WORDS, MAGIC, Memory};
use super::sync::AtomicU64;
use crate::fork::OwnFile;
use crate::record::Losses;

const LEASE: &str = "lease";
const COUNTS: &str = "counts";
const DESTINATION: &str = "destination ";
/// Extension of a folder whose process is still making it.
const UNNAMED: &str = "new";

/// The chunk folder of this process.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    makes_chunks: bool,
    files: Mutex<Files>,
    /// Locked for as long as the folder is ours.
    _lease: OwnFile,
}

/// What has been made in the folder.
#[derive(Debug, Default)]
struct Files {
    made: u32,
    is_removed: bool,
}

impl Folder {
    /// Makes the folder `<root>/chunks/<process>` and takes its lease. Fails where the file system is not known to keep a mapped
    /// file's blocks, does not lock, or refuses.
    pub(crate) fn create(root: &Path, process: u64, destination: Option<&str>) -> io::Result<Self> {
        Self::made(root, process, destination, true)
    }

    /// Makes the folder for its lease alone, which says that the process lives: chunks are on the heap.
    pub(crate) fn without_chunks(root: &Path, process: u64, destination: Option<&str>) -> io::Result<Self> {
        Self::made(root, process, destination, false)
    }

    fn made(root: &Path, process: u64, destination: Option<&str>, makes_chunks: bool) -> io::Result<Self> {
        let path = folder_of(root, process);
        // The folder gets the name others look for only when its lease is held: until then nobody takes it for abandoned.
        let unnamed = path.with_extension(UNNAMED);
        DirBuilder::new().recursive(true).mode(0o700).create(&unnamed)?;
        let can_serve = if makes_chunks { keeps_blocks(&unnamed) } else { Ok(()) };
        let lease = can_serve.and_then(|()| Self::named(&unnamed, &path, destination));
        if lease.is_err() {
            empty_folder(&unnamed);
            remove_folder(&unnamed);
        }
        Ok(Self { path, makes_chunks, files: Mutex::default(), _lease: lease? })
    }

    /// Takes the lease in `unnamed` and gives the folder its name.
    fn named(unnamed: &Path, path: &Path, destination: Option<&str>) -> io::Result<OwnFile> {
        let file = unnamed.join(LEASE);
        let lease =
            OwnFile::open(|| OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&file))?;
        lease.try_lock().map_err(io::Error::from)?;
        let mut says: &File = &lease;
        writeln!(says, "pid {}", std::process::id())?;
        if let Some(destination) = destination {
            writeln!(says, "{DESTINATION}{destination}")?;
        }
        fs::rename(unnamed, path)?;
        Ok(lease)
    }

    fn files(&self) -> MutexGuard<'_, Files> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a file for so many chunks of so many words and maps each.
    fn map(&self, name: &str, words: usize, count: usize) -> io::Result<Vec<Memory>> {
        let path = self.path.join(name);
        let mut file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
        let bytes = words * size_of::<u64>();
        let made = rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, (bytes * count) as u64)
            .map_err(io::Error::from)
            .and_then(|()| write_zeros(&mut file, bytes * count))
            .and_then(|()| (0..count).map(|n| Memory::mapped(&file, (n * bytes) as u64, words)).collect());
        if made.is_err() {
            drop(fs::remove_file(&path));
        }
        made
    }
}

impl Source for Folder {
    fn makes_chunks(&self) -> bool {
        self.makes_chunks
    }

    fn make(&self, words: usize, count: usize) -> Vec<Memory> {
        let mut files = self.files();
        if files.is_removed {
            return Vec::new();
        }
        files.made += 1;
        let name = |words| format!("{}.{words}.chunk", files.made);
        // Where there is no room for many there may be some for one.
        self.map(&name(words), words, count).or_else(|_| self.map(&name(words), words, 1)).unwrap_or_default()
    }

    fn counts(&self) -> Option<Memory> {
        self.map(COUNTS, counts::WORDS, 1).ok()?.pop()
    }

    fn remains(&self) -> bool {
        self.path.join(LEASE).exists()
    }

    fn remove(&self) {
        self.files().is_removed = true;
        empty_folder(&self.path);
        remove_folder(&self.path);
    }

    fn is_removed(&self) -> bool {
        self.files().is_removed
    }
}

/// Reserved blocks alone may still fail on their first write; written ones cannot.
///
/// In pieces of 32 KiB: the kernel keeps what is written at once as one unit, and looks at the whole of it when a page is first
/// mapped. Of 2 MiB at once, that is eight times as much for each chunk (ext4, Linux 6.18).
fn write_zeros(file: &mut File, bytes: usize) -> io::Result<()> {
    const PIECE: usize = 32 * 1024;
    static ZEROS: [u8; PIECE] = [0; PIECE];
    (0..bytes).step_by(PIECE).try_for_each(|at| file.write_all(&ZEROS[..PIECE.min(bytes - at)]))
}

/// Removes everything in a folder but its lease.
fn empty_folder(path: &Path) {
    for file in fs::read_dir(path).into_iter().flatten().flatten() {
        if file.file_name() != LEASE {
            drop(fs::remove_file(file.path()));
        }
    }
}

/// Removes an empty folder and its lease, in an order in which whoever dies meanwhile leaves what the next one can finish.
fn remove_folder(path: &Path) {
    drop(fs::remove_file(path.join(LEASE)));
    drop(fs::remove_dir(path));
}

/// Whether a folder that has no name yet has been left alone for so long that nobody is making it any more.
fn is_old(path: &Path) -> bool {
    let changed = fs::metadata(path).and_then(|folder| folder.modified());
    changed.is_ok_and(|changed| changed.elapsed().is_ok_and(|age| age > Duration::from_secs(60)))
}

/// File systems whose written blocks stay writable through a mapping. Btrfs copies on write and may run out of space doing so.
fn keeps_blocks(path: &Path) -> io::Result<()> {
    const KNOWN: [u64; 3] = [0xef53, 0x5846_5342, 0x0102_1994];
    let kind = rustix::fs::statfs(path)?.f_type as u64;
    if KNOWN.contains(&kind) {
        return Ok(());
    }
    Err(io::Error::new(
        io::ErrorKind::Unsupported,
        format!("file system {kind:#x} is not known to keep mapped blocks (ext4, xfs and tmpfs are)"),
    ))
}

/// Whether there is a folder of this process below `root`.
pub(crate) fn has_folder(root: &Path, process: u64) -> bool {
    folder_of(root, process).exists()
}

fn folder_of(root: &Path, process: u64) -> PathBuf {
    root.join("chunks").join(format!("{process:016x}"))
}

/// The chunk folder of a process that is gone, locked for this one.
#[derive(Debug)]
pub(crate) struct Abandoned {
    path: PathBuf,
    process: u64,
    _lease: OwnFile,
}

impl Abandoned {
    /// All folders under `<root>/chunks` whose process is gone.
    pub(crate) fn all(root: &Path) -> Vec<Self> {
        let Ok(folders) = fs::read_dir(root.join("chunks")) else { return Vec::new() };
        folders.flatten().filter_map(|folder| Self::take(folder.path())).collect()
    }

    fn take(path: PathBuf) -> Option<Self> {
        let process = u64::from_str_radix(path.file_stem()?.to_str()?, 16).ok()?;
        if path.extension().is_some_and(|extension| extension == UNNAMED) && !is_old(&path) {
            return None;
        }
        let Ok(lease) = OwnFile::open(|| File::open(path.join(LEASE))) else {
            // Whoever removed it died before the last step. A folder that is not empty is none of ours.
            drop(fs::remove_dir(path));
            return None;
        };
        lease.try_lock().ok()?;
        // Another process may have recovered and removed the folder between the opening and the locking.
        path.join(LEASE).exists().then_some(Self { path, process, _lease: lease })
    }

    /// The process that is gone.
    pub(crate) fn process(&self) -> u64 {
        self.process
    }

    /// Where its spans were to be delivered.
    pub(crate) fn destination(&self) -> Option<String> {
        let lease = fs::read_to_string(self.path.join(LEASE)).ok()?;
        lease.lines().find_map(|line| line.strip_prefix(DESTINATION)).map(str::to_owned)
    }

    /// Hands every entry it published to `take`, in no order across chunks. Returns how many chunks could not be read to their end.
    pub(crate) fn read(&self, mut take: impl FnMut(Entry<'_>)) -> usize {
        let Ok(files) = fs::read_dir(&self.path) else { return 0 };
        let chunks =
            files.flatten().map(|file| file.path()).filter(|path| path.extension().is_some_and(|e| e == "chunk"));
        chunks.map(|path| read_file(&path, &mut take)).sum()
    }

    /// What it had counted.
    pub(crate) fn losses(&self) -> Losses {
        let words = fs::read(self.path.join(COUNTS)).map(|bytes| words_of(&bytes)).unwrap_or_default();
        counts::left_behind(&words)
    }

    /// Removes what is in the folder; everything in it is kept elsewhere. It stays ours.
    pub(crate) fn empty(&self) {
        empty_folder(&self.path);
    }

    /// Removes the emptied folder.
    pub(crate) fn remove(self) {
        remove_folder(&self.path);
    }
}

fn words_of(bytes: &[u8]) -> Vec<AtomicU64> {
    bytes.as_chunks::<8>().0.iter().map(|word| AtomicU64::new(u64::from_ne_bytes(*word))).collect()
}

/// How many words each chunk of a file has, by its name.
fn words_by_name(path: &Path) -> Option<usize> {
    let words = path.file_stem()?.to_str()?.split_once('.')?.1;
    words.parse().ok().filter(|words| *words > HEADER_WORDS)
}

/// Hands the entries of all chunks in a file to `take`; how many of them could not be read to their end.
fn read_file(path: &Path, take: &mut impl FnMut(Entry<'_>)) -> usize {
    let Ok(bytes) = fs::read(path) else { return 1 };
    let words = words_of(&bytes);
    let chunks = words.chunks(words_by_name(path).unwrap_or(usize::MAX));
    chunks.filter(|chunk| read_chunk(chunk, take).is_none()).count()
}

/// Hands every entry that the bytes of one chunk publish to `take`; `None` if they could not be read to their end.
#[cfg(all(any(test, fuzzing), feature = "mlflow", not(loom)))]
pub(super) fn read_bytes(bytes: &[u8], take: &mut impl FnMut(Entry<'_>)) -> Option<()> {
    read_chunk(&words_of(bytes), take)
}

fn read_chunk(words: &[AtomicU64], take: &mut impl FnMut(Entry<'_>)) -> Option<()> {
    let word = |at: usize| words.get(at).map(|word| word.load(super::sync::Ordering::Relaxed));
    // A chunk whose process died while making it is all zeros: nothing was published in it.
    if word(0) == Some(0) || words.is_empty() {
        return Some(());
    }
    let published = usize::try_from(word(1)?).ok()?;
    if word(0) != Some(MAGIC) || published < HEADER_WORDS {
        return None;
    }
    super::each_entry(words.get(HEADER_WORDS..published)?, &mut Vec::new(), take).ok()
}

#[cfg(test)]
mod tests {
    use super::super::{Chunks, Drain, NoteKind};
    use super::*;
    use crate::id::{SpanId, TraceId};
    use crate::record::Ending;

    fn chunks() -> &'static Chunks {
        Box::leak(Box::new(Chunks::with_slots(8, 2)))
    }

    fn write_span(chunks: &'static Chunks, id: u64, body: &[u8]) {
        let span = SpanId::from_u64(id);
        assert!(chunks.begin(1, span, None, TraceId::from_halves(1, 2), 10));
        chunks.note(span, NoteKind::Attribute, 11, b"key", body);
        chunks.end(span, 12, Ending::Ok, false);
        Chunks::release_thread();
    }

    #[test]
    fn a_dead_process_leaves_what_it_published_to_exactly_one_heir() {
        let root = tempfile::tempdir().expect("a folder");
        let folder =
            Folder::create(root.path(), 7, Some("http://server")).expect("a folder on a file system that keeps blocks");
        let chunks = chunks();
        chunks.take_from(&folder);
        write_span(chunks, 5, b"body");
        assert!(Abandoned::all(root.path()).is_empty(), "its process is alive");

        drop(folder);
        let heirs = Abandoned::all(root.path());
        assert_eq!(heirs.len(), 1);
        assert!(Abandoned::all(root.path()).is_empty(), "somebody is at it");
        let mut entries = Vec::new();
        let unread = heirs[0].read(|entry| entries.push(format!("{entry:?}")));
        assert_eq!((heirs[0].process(), unread, entries.len()), (7, 0, 3), "{entries:?}");
        assert!(entries[1].contains("Attribute"));
        assert_eq!(heirs[0].destination().as_deref(), Some("http://server"));
        heirs.into_iter().for_each(|heir| {
            heir.empty();
            heir.remove();
        });
        assert_eq!(fs::read_dir(root.path().join("chunks")).expect("the root stays").count(), 0);
    }

    #[test]
    fn a_folder_being_made_is_nobodys_to_inherit() {
        let root = tempfile::tempdir().expect("a folder");
        let stop = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|threads| {
            threads.spawn(|| {
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    for heir in Abandoned::all(root.path()) {
                        heir.empty();
                        heir.remove();
                    }
                }
            });
            let made: Vec<_> = (1..=500)
                .map(|process| {
                    Folder::create(root.path(), process, None).and_then(|folder| folder.map("1.16.chunk", 16, 1)).err()
                })
                .collect();
            stop.store(true, std::sync::atomic::Ordering::Relaxed);
            assert_eq!(made.iter().flatten().map(ToString::to_string).next(), None);
        });
    }

    #[test]
    fn cut_and_scribbled_chunks_lose_only_what_is_gone() {
        let root = tempfile::tempdir().expect("a folder");
        let folder = Folder::create(root.path(), 9, None).expect("a folder");
        let chunks = chunks();
        chunks.take_from(&folder);
        write_span(chunks, 5, &[1; 100]);
        drop(folder);
        let path = root.path().join("chunks/0000000000000009/1.4096.chunk");
        let whole = fs::read(&path).expect("the chunk");
        for cut in [0, 7, 8, 60, 64, 70, 120, 300] {
            fs::write(&path, &whole[..cut]).expect("a cut copy");
            let mut entries = 0;
            Abandoned::all(root.path())[0].read(|_| entries += 1);
            assert!(entries <= 3);
        }
        let mut scribbled = whole.clone();
        scribbled[64 + 48 + 5] ^= 0xff;
        fs::write(&path, &scribbled).expect("a scribbled copy");
        let mut entries = 0;
        assert_eq!(Abandoned::all(root.path())[0].read(|_| entries += 1), 1);
        assert_eq!(entries, 1, "the begin before the scribble is read");
    }

    #[test]
    fn a_full_budget_drops_new_spans_and_keeps_room_for_ends() {
        let chunks = chunks();
        let mut begun = Vec::new();
        for id in 1.. {
            if !chunks.begin(1, SpanId::from_u64(id), None, TraceId::from_halves(1, 1), 0) {
                break;
            }
            begun.push(id);
        }
        begun.iter().for_each(|id| chunks.end(SpanId::from_u64(*id), 1, Ending::Ok, false));
        Chunks::release_thread();
        let (mut begins, mut ends) = (0, 0);
        Drain::new(chunks).sweep(|entry| match entry {
            Entry::Begin { .. } => begins += 1,
            Entry::End { .. } => ends += 1,
            _ => {}
        });
        let losses = chunks.losses();
        assert_eq!(losses.spans, 1);
        assert_eq!(begins, begun.len());
        assert_eq!(ends as u64 + losses.ends, begun.len() as u64);
    }

    #[test]
    fn a_long_value_goes_into_a_chunk_of_its_own_and_comes_back_whole() {
        let chunks = chunks();
        let long: Vec<u8> = (0..1_500_000u32).map(|n| n as u8).collect();
        write_span(chunks, 5, &long);
        let mut drain = Drain::new(chunks);
        let mut bodies = Vec::new();
        drain.sweep(|entry| {
            if let Entry::Note { body, .. } = entry {
                bodies.push(body.to_vec());
            }
        });
        assert_eq!(bodies, [long]);
        drain.sweep(|_| panic!("nothing is read twice"));
        assert!(drain.has_settled());
        drain.recycle();
        assert_eq!(drain.sweep(|_| panic!("nothing is read twice")), 0);
    }
}
