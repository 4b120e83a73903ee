//! The words of a chunk: heap memory, or a mapped file that outlives its process.
//!
//! With `clock/counter.rs`, this is all of the crate's unsafe code.

use super::sync::{AtomicU64, Ordering};

/// "spanwrt" and the version of the layout.
pub(super) const MAGIC: u64 = u64::from_le_bytes(*b"spanwrt\x01");
/// Words before the first entry: the magic, the count of published words, and six kept for later.
pub(super) const HEADER_WORDS: usize = 8;
const MAGIC_WORD: usize = 0;
const PUBLISHED_WORD: usize = 1;

/// A chunk's words: its header, then its entries.
///
/// One thread writes entries and publishes them with a release store; the collector reads what an acquire load says is published.
pub(crate) struct Memory {
    backing: Backing,
}

enum Backing {
    Heap(Box<[AtomicU64]>),
    #[cfg(feature = "store")]
    Mapped(Map),
}

/// Part of a file, mapped shared.
#[cfg(feature = "store")]
struct Map {
    start: *mut std::ffi::c_void,
    words: usize,
}

#[cfg(feature = "store")]
impl Map {
    #[expect(unsafe_code)]
    fn of(file: &std::fs::File, offset: u64, words: usize) -> std::io::Result<Self> {
        use rustix::mm::{MapFlags, ProtFlags, mmap};
        let (bytes, access) = (words * size_of::<AtomicU64>(), ProtFlags::READ | ProtFlags::WRITE);
        // SAFETY: the system chooses the place, so that nothing that is in use is mapped over.
        let start = unsafe { mmap(std::ptr::null_mut(), bytes, access, MapFlags::SHARED, file, offset)? };
        let map = Self { start, words };
        // Whoever writes first would otherwise pay for each page of it. Where the kernel cannot, that is so.
        #[cfg(target_os = "linux")]
        // SAFETY: these bytes are all of a mapping of ours, and no value of them changes.
        let _ = unsafe { rustix::mm::madvise(start, bytes, rustix::mm::Advice::LinuxPopulateWrite) };
        Ok(map)
    }
}

#[cfg(feature = "store")]
impl Drop for Map {
    #[expect(unsafe_code)]
    fn drop(&mut self) {
        // SAFETY: these bytes are all of a mapping that only `self` knows, and whoever borrowed from `self` has let go.
        let _ = unsafe { rustix::mm::munmap(self.start, self.words * size_of::<AtomicU64>()) };
    }
}

// SAFETY: a mapping belongs to the process and to no thread of it, and what is done with its words through a shared reference is atomic, or
// says where it is done why it is no race.
#[cfg(feature = "store")]
#[expect(unsafe_code)]
unsafe impl Send for Map {}
// SAFETY: the same.
#[cfg(feature = "store")]
#[expect(unsafe_code)]
unsafe impl Sync for Map {}

impl Memory {
    /// Zeroed heap memory of so many words, header included.
    pub(super) fn heap(words: usize) -> Self {
        let memory = Self { backing: Backing::Heap((0..words).map(|_| AtomicU64::new(0)).collect()) };
        memory.reset();
        memory
    }

    /// Part of a file whose blocks are all written, mapped shared.
    #[cfg(feature = "store")]
    pub(super) fn mapped(file: &std::fs::File, offset: u64, words: usize) -> std::io::Result<Self> {
        let memory = Self { backing: Backing::Mapped(Map::of(file, offset, words)?) };
        memory.reset();
        Ok(memory)
    }

    #[cfg(feature = "store")]
    pub(super) fn is_mapped(&self) -> bool {
        matches!(self.backing, Backing::Mapped(_))
    }

    #[cfg(not(feature = "store"))]
    pub(super) fn is_mapped(&self) -> bool {
        let Backing::Heap(_) = self.backing;
        false
    }

    #[inline]
    #[cfg_attr(feature = "store", expect(unsafe_code))]
    pub(super) fn words(&self) -> &[AtomicU64] {
        match &self.backing {
            Backing::Heap(words) => words,
            #[cfg(feature = "store")]
            Backing::Mapped(map) => {
                // SAFETY: the mapping is page-aligned, so many words long and lives as long as `map`, which `self` owns and
                // never unmaps or remaps before it is dropped. `AtomicU64` has the size, alignment and validity of `u64`,
                // for which every bit pattern is a value, and all access to the words is atomic. Every block of the file
                // is written before it is mapped, in a folder and a file only this user may open, so that no access
                // faults unless somebody truncates the file from outside.
                unsafe { std::slice::from_raw_parts(map.start.cast::<AtomicU64>(), map.words) }
            }
        }
    }

    /// Makes the chunk empty.
    pub(super) fn reset(&self) {
        let words = self.words();
        words[PUBLISHED_WORD].store(HEADER_WORDS as u64, Ordering::Release);
        words[MAGIC_WORD].store(MAGIC, Ordering::Release);
    }

    /// Makes the words of a chunk before `end` visible to the collector, and safe from the death of the process if mapped.
    #[inline]
    pub(super) fn publish(words: &[AtomicU64], end: usize) {
        words[PUBLISHED_WORD].store(end as u64, Ordering::Release);
    }

    /// Copies `values` into the first of `words`, which are not published.
    #[cfg(all(not(loom), target_endian = "little"))]
    #[inline]
    #[expect(unsafe_code)]
    pub(super) fn fill(words: &[AtomicU64], values: &[[u8; 8]]) {
        let count = words.len().min(values.len());
        // SAFETY: so many words lie within both slices. They do not overlap, as a reference to plain bytes never leads into a chunk. An
        // `AtomicU64` has the size, alignment and validity of `u64` and may be changed through a shared reference. It is no race either:
        // a chunk has one writer at a time, as the table hands it out, and nobody reads a word of it before a release store has published
        // it. Word by word it would be the same, for a third of what writing a value costs.
        unsafe {
            let (from, to) = (values.as_ptr().cast::<u8>(), words.as_ptr().cast_mut().cast::<u8>());
            std::ptr::copy_nonoverlapping(from, to, count * size_of::<u64>());
        }
    }

    #[cfg(not(all(not(loom), target_endian = "little")))]
    pub(super) fn fill(words: &[AtomicU64], values: &[[u8; 8]]) {
        for (word, bytes) in words.iter().zip(values) {
            word.store(u64::from_le_bytes(*bytes), Ordering::Relaxed);
        }
    }

    /// The published words from `from` on.
    pub(super) fn published(&self, from: usize) -> &[AtomicU64] {
        let words = self.words();
        let end = (words[PUBLISHED_WORD].load(Ordering::Acquire) as usize).min(words.len());
        &words[from.min(end)..end]
    }
}

impl std::fmt::Debug for Memory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Memory({} words, {})", self.words().len(), if self.is_mapped() { "mapped" } else { "heap" })
    }
}
