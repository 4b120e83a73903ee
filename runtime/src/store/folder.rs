//! The folder a store lives in: where it is, who may read it, what it stands on.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::nearest::nearest;

const NAME: &str = ".spanwright";
pub(super) const DATABASE: &str = "store.db";
/// Held while the database is opened, made, upgraded or put aside.
const OPEN_LOCK: &str = "open.lock";
const OPEN_LOCK_PATIENCE: Duration = Duration::from_secs(5);

/// Where the store of a program started in `start` is: the nearest `.spanwright` upwards, else one in `start`.
///
/// The folder need not exist. One that belongs to another user is passed over.
pub fn locate(start: &Path) -> PathBuf {
    nearest(start, NAME, fs::Metadata::is_dir).unwrap_or_else(|| start.join(NAME))
}

/// Makes the folder, for us alone and out of version control, unless it is there.
pub(super) fn prepare(folder: &Path) -> io::Result<()> {
    let made = !folder.exists();
    if made {
        let mut builder = DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(folder)?;
    }
    // A folder the user had already may hold other things: those are not ours to ignore.
    if made || folder.file_name().is_some_and(|name| name == NAME) {
        let ignore = folder.join(".gitignore");
        if !ignore.exists() {
            open_private(&ignore)?.write_all(b"*\n")?;
        }
    }
    Ok(())
}

/// Opens a file for us alone, making it if it is not there.
pub(super) fn open_private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Keeps other processes from opening the store until dropped. `None` if one of them hangs in there, or if the file
/// system has no locks: SQLite's own locks still hold.
pub(super) fn lock_opening(folder: &Path) -> Option<File> {
    let file = open_private(&folder.join(OPEN_LOCK)).ok()?;
    let deadline = Instant::now() + OPEN_LOCK_PATIENCE;
    loop {
        match file.try_lock() {
            Ok(()) => return Some(file),
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => sleep(Duration::from_millis(5)),
            Err(_) => return None,
        }
    }
}

/// Moves a damaged database and its companions aside and says where to.
pub(super) fn put_aside(folder: &Path, unix_s: u64) -> io::Result<PathBuf> {
    let aside = (0..)
        .map(|n| if n == 0 { format!("{unix_s}") } else { format!("{unix_s}-{n}") })
        .map(|mark| folder.join(format!("{DATABASE}.corrupt-{mark}")))
        .find(|path| !path.exists())
        .ok_or(io::ErrorKind::AlreadyExists)?;
    fs::rename(folder.join(DATABASE), &aside)?;
    for companion in ["-wal", "-shm"] {
        let from = folder.join(format!("{DATABASE}{companion}"));
        if from.exists() {
            fs::rename(from, with_suffix(&aside, companion))?;
        }
    }
    Ok(aside)
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut text = path.as_os_str().to_owned();
    text.push(suffix);
    text.into()
}

/// The kind of network file system under `folder`, if it is one: locks and shared memory cannot be relied on there.
///
/// FUSE is not among them: it stands for local and remote file systems alike.
#[cfg(target_os = "linux")]
pub(super) fn network_file_system(folder: &Path) -> Option<&'static str> {
    const KINDS: [(u64, &str); 9] = [
        (0x6969, "NFS"),
        (0x517B, "SMB"),
        (0xFF53_4D42, "CIFS"),
        (0xFE53_4D42, "SMB2"),
        (0x0102_1997, "9P"),
        (0x00C3_6400, "Ceph"),
        (0x5346_414F, "AFS"),
        (0x0BD0_0BD0, "Lustre"),
        (0x0116_1970, "GFS2"),
    ];
    // The width and sign of the field differ between targets; the magic numbers have 32 bits.
    let magic = rustix::fs::statfs(folder).ok()?.f_type as u64 & 0xFFFF_FFFF;
    KINDS.iter().find(|(number, _)| *number == magic).map(|(_, name)| *name)
}

#[cfg(not(target_os = "linux"))]
pub(super) fn network_file_system(_: &Path) -> Option<&'static str> {
    None
}
