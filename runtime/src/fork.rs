//! A fork without exec: the child is a copy of this process's memory with one thread, and goes on in the middle of the program.
//!
//! What is copied and must not be used by both: a place in a chunk that both have mapped, the state ids are drawn from, recorders,
//! locks on files. Handlers that the system calls around each fork see to it, so that a record asks no question of its own: the
//! child starts over with everything that [`in_child`] names, and has no part in the locks of its parent ([`OwnFile`]).
//!
//! A program that is started by `posix_spawn` or `vfork`, as `std::process::Command` does, runs no handler and pays nothing. A process
//! made by a bare `clone` or `_Fork` runs none either, and must not trace.

use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, Ordering};

/// How many forks lie between this process and the first that called [`watch`].
static GENERATION: AtomicU32 = AtomicU32::new(0);
/// Forks this process has begun, and those it is done with: a fork may be under way while the two differ.
static BEGUN: AtomicU32 = AtomicU32::new(0);
static DONE: AtomicU32 = AtomicU32::new(0);
/// What the child does first.
static START_OVER: Once<fn()> = Once::empty();

/// 0 in a process that was not forked; another number in each of its descendants that were.
pub(crate) fn generation() -> u32 {
    GENERATION.load(Ordering::Relaxed)
}

/// Whether this process is a child that goes on in the program of its parent.
pub(crate) fn is_child() -> bool {
    generation() != 0
}

/// Whether this process has ever forked without exec.
#[cfg(feature = "store")]
pub(crate) fn has_children() -> bool {
    DONE.load(Ordering::Relaxed) != 0
}

/// Names what the only thread of a child does before anything else. It may neither allocate nor lock: the other threads of the parent
/// may have been in the middle of that.
pub(crate) fn in_child(start_over: &'static fn()) {
    START_OVER.put(start_over);
    watch();
}

/// Notices forks from now on.
pub(crate) fn watch() {
    static WATCHED: AtomicBool = AtomicBool::new(false);
    if !WATCHED.load(Ordering::Relaxed) && !WATCHED.swap(true, Ordering::SeqCst) {
        register();
    }
}

#[cfg(unix)]
#[expect(unsafe_code)]
fn register() {
    if cfg!(miri) {
        return;
    }
    type Call = Option<extern "C" fn()>;
    unsafe extern "C" {
        fn pthread_atfork(before: Call, parent: Call, child: Call) -> std::ffi::c_int;
    }
    // SAFETY: the declaration is that of POSIX. The functions live as long as the program, do not unwind, and take no lock and no memory:
    // the one for the child stores to atomics and plain thread-locals, looks at files and closes them.
    let refused = unsafe { pthread_atfork(Some(before), Some(in_parent), Some(child)) };
    debug_assert_eq!(refused, 0, "the system is out of memory");
}

#[cfg(not(unix))]
fn register() {}

#[cfg(unix)]
extern "C" fn before() {
    BEGUN.fetch_add(1, Ordering::SeqCst);
}

#[cfg(unix)]
extern "C" fn in_parent() {
    DONE.fetch_add(1, Ordering::SeqCst);
}

#[cfg(unix)]
extern "C" fn child() {
    GENERATION.fetch_add(1, Ordering::SeqCst);
    BEGUN.store(0, Ordering::SeqCst);
    DONE.store(0, Ordering::SeqCst);
    #[cfg(feature = "store")]
    own::close_all();
    if let Some(start_over) = START_OVER.get() {
        start_over();
    }
}

/// At most one value that lives as long as the program; reading it is one load, and a fork in the middle of writing it leaves it whole.
#[derive(Debug)]
pub(crate) struct Once<T: 'static>(AtomicPtr<T>);

impl<T: Sync> Once<T> {
    pub(crate) const fn empty() -> Self {
        Self(AtomicPtr::new(std::ptr::null_mut()))
    }

    #[inline]
    #[expect(unsafe_code)]
    pub(crate) fn get(&self) -> Option<&'static T> {
        // SAFETY: every pointer in it was made of a `&'static T`, in `put`, or is null.
        unsafe { self.0.load(Ordering::Acquire).as_ref() }
    }

    /// False if there is a value already.
    pub(crate) fn put(&self, value: &'static T) -> bool {
        let value = std::ptr::from_ref(value).cast_mut();
        self.0.compare_exchange(std::ptr::null_mut(), value, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    #[expect(unsafe_code)]
    pub(crate) fn take(&self) -> Option<&'static T> {
        // SAFETY: as in `get`.
        unsafe { self.0.swap(std::ptr::null_mut(), Ordering::AcqRel).as_ref() }
    }
}

#[cfg(feature = "store")]
pub(crate) use own::OwnFile;

/// Files a child closes before it does anything else.
#[cfg(feature = "store")]
mod own {
    use std::fs::File;
    use std::io;
    use std::mem::ManuallyDrop;
    use std::ops::Deref;
    use std::os::fd::{AsRawFd as _, FromRawFd as _};
    use std::os::unix::fs::MetadataExt as _;
    use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};
    use std::thread;
    use std::time::Duration;

    use super::{BEGUN, DONE, Once, generation};

    const NONE: i32 = -1;
    /// Somebody is about to enter a file.
    const TAKEN: i32 = -2;

    /// An open file: its descriptor, or [`NONE`], and which file that is. Never freed, used again.
    ///
    /// A fork copies the descriptors first and the memory after that, while other threads go on: what an entry says may be younger than the
    /// descriptors of the child, in which the number is nothing, or a file of the program. So the child looks at the file before it closes it.
    /// Within one page, as the alignment has it, it is copied as of one moment.
    #[derive(Debug)]
    #[repr(align(64))]
    struct Entry {
        file: AtomicI32,
        device: AtomicU64,
        inode: AtomicU64,
        next: Once<Entry>,
    }

    static FIRST: Entry = Entry::empty();

    impl Entry {
        const fn empty() -> Self {
            let (device, inode) = (AtomicU64::new(0), AtomicU64::new(0));
            Self { file: AtomicI32::new(NONE), device, inode, next: Once::empty() }
        }

        /// Notes an open file, if no other is noted.
        fn take(&self, file: &File) -> bool {
            if self.file.compare_exchange(NONE, TAKEN, Ordering::SeqCst, Ordering::Relaxed).is_err() {
                return false;
            }
            // Which no file has: it is not closed by a child then, which is as if it had been made a moment earlier.
            let (device, inode) = identity(file).unwrap_or((u64::MAX, u64::MAX));
            self.device.store(device, Ordering::SeqCst);
            self.inode.store(inode, Ordering::SeqCst);
            self.file.store(file.as_raw_fd(), Ordering::SeqCst);
            true
        }

        /// Closes this process's copy of the file, if it has one.
        #[expect(unsafe_code)]
        fn close(&self) {
            let file = self.file.swap(NONE, Ordering::SeqCst);
            if file < 0 {
                return;
            }
            // SAFETY: nothing but a look is taken at what may be nothing, or another's.
            let file = ManuallyDrop::new(unsafe { File::from_raw_fd(file) });
            let noted = (self.device.load(Ordering::SeqCst), self.inode.load(Ordering::SeqCst));
            if identity(&file) == Some(noted) {
                // Open, and of a file that none but an `OwnFile` opens. This is the child's copy of it, which nobody else closes: an
                // `OwnFile` of another generation does nothing.
                drop(ManuallyDrop::into_inner(file));
            }
        }
    }

    fn identity(file: &File) -> Option<(u64, u64)> {
        file.metadata().ok().map(|file| (file.dev(), file.ino()))
    }

    fn entries() -> impl Iterator<Item = &'static Entry> {
        std::iter::successors(Some(&FIRST), |entry| entry.next.get())
    }

    /// Notes an open file, and where.
    fn enter(file: &File) -> &'static Entry {
        let mut last = &FIRST;
        for entry in entries() {
            if entry.take(file) {
                return entry;
            }
            last = entry;
        }
        let entry: &'static Entry = Box::leak(Box::new(Entry::empty()));
        entry.take(file);
        while !last.next.put(entry) {
            last = entries().last().unwrap_or(last);
        }
        entry
    }

    /// Closes what belongs to the parent.
    pub(super) fn close_all() {
        entries().for_each(Entry::close);
    }

    /// An open file that no child inherits. A lock on it is this process's alone and ends with it, whoever else is alive.
    #[derive(Debug)]
    pub(crate) struct OwnFile {
        file: ManuallyDrop<File>,
        entry: &'static Entry,
        generation: u32,
    }

    impl OwnFile {
        /// The file that `open` opens, to be locked by the caller: a file that is locked already might have been inherited so.
        pub(crate) fn open(open: impl Fn() -> io::Result<File>) -> io::Result<Self> {
            const TRIES: u32 = 1000;
            for _ in 1..TRIES {
                // In this order: what is done was begun before.
                let (done, begun) = (DONE.load(Ordering::SeqCst), BEGUN.load(Ordering::SeqCst));
                let own = Self::entered(open()?);
                // A child made between the opening and the entry has the file without knowing. It gets another one than we.
                if done == begun && BEGUN.load(Ordering::SeqCst) == begun {
                    return Ok(own);
                }
                drop(own);
                thread::sleep(Duration::from_micros(50));
            }
            open().map(Self::entered)
        }

        fn entered(file: File) -> Self {
            let entry = enter(&file);
            Self { file: ManuallyDrop::new(file), entry, generation: generation() }
        }
    }

    impl Deref for OwnFile {
        type Target = File;

        fn deref(&self) -> &File {
            &self.file
        }
    }

    impl Drop for OwnFile {
        #[expect(unsafe_code)]
        fn drop(&mut self) {
            // The copy a child has of its parent's is closed already, and its number may be another file's by now.
            if self.generation != generation() {
                return;
            }
            // A child made from here on has the file without knowing, and no lock with it.
            drop(self.file.unlock());
            self.entry.file.store(NONE, Ordering::SeqCst);
            // SAFETY: this is the end of `self`, and the only place that drops it.
            unsafe { ManuallyDrop::drop(&mut self.file) };
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn a_number_that_has_become_another_file_is_left_alone() {
            let folder = tempfile::tempdir().expect("a folder");
            let file = |name| File::create(folder.path().join(name)).expect("a file");
            let (own, other) = (file("own"), file("other"));
            let entry = Entry::empty();
            assert!(entry.take(&own) && !entry.take(&other));
            // As in a child whose descriptors are older than its memory.
            entry.file.store(other.as_raw_fd(), Ordering::SeqCst);
            entry.close();
            assert!(other.metadata().is_ok(), "it is still open");
            assert!(entry.take(&other), "and the place is free");
            entry.file.store(i32::MAX, Ordering::SeqCst);
            entry.close();
        }
    }
}
