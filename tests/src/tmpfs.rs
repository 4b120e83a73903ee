//! A small disk of a test's own, which can be full or read-only.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;

use rustix::mount::{MountFlags, UnmountFlags, mount, mount_remount, unmount};
use tempfile::TempDir;

/// A file system in memory, mounted on a folder of its own. Gone when dropped.
#[derive(Debug)]
pub struct Tmpfs {
    folder: TempDir,
}

impl Tmpfs {
    /// Mounts one of so many KiB.
    ///
    /// # Panics
    ///
    /// If it cannot be mounted: a full disk cannot be had otherwise.
    pub fn of_kib(kib: u64) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let options = std::ffi::CString::new(format!("size={kib}k,mode=0755")).expect("no zero in it");
        mount("spanwright-test", folder.path(), "tmpfs", MountFlags::empty(), options.as_c_str()).unwrap_or_else(
            |error| {
                panic!("these tests fill a disk of their own, and no tmpfs can be mounted: {error}; run them as root, or by `unshare --map-root-user --mount`")
            },
        );
        Self { folder }
    }

    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Bytes that can still be written.
    pub fn free(&self) -> u64 {
        let told = rustix::fs::statvfs(self.path()).expect("it is mounted");
        told.f_bavail * told.f_frsize
    }

    /// Fills it but for so many KiB, with one file.
    ///
    /// # Panics
    ///
    /// If it cannot be written.
    pub fn fill_but(&self, kib: u64) {
        let mut filler = File::options().append(true).create(true).open(self.path().join("filler")).expect("a file");
        let page = [1; 4096];
        while self.free() > kib * 1024 {
            if filler.write_all(&page).is_err() {
                return;
            }
        }
    }

    /// Gives the space of the filling back.
    pub fn clear(&self) {
        let _ = std::fs::remove_file(self.path().join("filler"));
    }

    /// Lets nothing be written any more, or again.
    ///
    /// # Panics
    ///
    /// If a file on it is open for writing.
    pub fn set_read_only(&self, is_read_only: bool) {
        let flags = if is_read_only { MountFlags::RDONLY } else { MountFlags::empty() };
        mount_remount(self.path(), flags, c"").expect("nothing is open for writing");
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        let _ = unmount(self.folder.path(), UnmountFlags::DETACH);
    }
}
