//! A connection and the file it has open: whether that is still the store, and what follows if it is not.
//!
//! SQLite goes on in a file that has been deleted or put aside, and everything written there is lost with the process. So every
//! operation first looks whether its files still stand under their names, which is three questions to the system.
//!
//! | What has happened | What is done |
//! |---|---|
//! | deleted | a new one is started, once whoever deletes is done; never if the folder around it is gone too |
//! | replaced, or put aside by another process | the one that stands there is opened |
//! | its log or the index of that deleted alone | the log written back to the database, and opened again |
//! | damaged | put aside, a new one started; see [`super::salvage`] for what can still be read |
//! | could not be opened from the start | memory serves; tried again now and then, and what memory holds is moved |

use std::ops::{Deref, DerefMut};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rusqlite::types::Type;
use rusqlite::{Connection, ErrorCode};

use super::{During as _, Place, Result, Store, check_process, connect, folder, salvage, schema, unix_s, unusable};

/// Whoever deletes a folder is given so long to finish.
const DELETION: Duration = Duration::from_millis(100);
/// How often a store that could not be opened is tried again.
const RETRY: Duration = Duration::from_secs(2);
/// Files put aside by one process; beyond it the fault is not the file's.
const MOST_PUT_ASIDE: u32 = 3;

/// A connection with what identifies its files.
#[derive(Debug)]
pub(super) struct Held {
    connection: Connection,
    /// `None` in memory.
    files: Option<Files>,
    next_try: Instant,
}

/// Device and number of a file. As long as a connection has it open, no other gets them.
pub(super) type FileId = (u64, u64);

/// A database, its log and the index of that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Files {
    database: Option<FileId>,
    beside: [Option<FileId>; 2],
}

impl Files {
    fn at(database: &Path) -> Self {
        let identity = |path: &Path| std::fs::metadata(path).ok().map(|file| (file.dev(), file.ino()));
        Self { database: identity(database), beside: folder::beside(database).map(|path| identity(&path)) }
    }
}

impl Held {
    pub(super) fn in_memory(connection: Connection) -> Self {
        Self { connection, files: None, next_try: Instant::now() + RETRY }
    }

    pub(super) fn on_disk(connection: Connection, database: &Path) -> Self {
        Self { connection, files: Some(Files::at(database)), next_try: Instant::now() }
    }

    /// What identifies the database; `None` in memory.
    pub(super) fn file(&self) -> Option<FileId> {
        self.files.and_then(|files| files.database)
    }
}

impl Deref for Held {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.connection
    }
}

impl DerefMut for Held {
    fn deref_mut(&mut self) -> &mut Connection {
        &mut self.connection
    }
}

impl Store {
    /// Runs `body` on the store as it stands now; once more if that turns out to be damaged, or has been replaced meanwhile.
    pub(super) fn attempt<T>(
        &self,
        operation: &str,
        writes: bool,
        mut body: impl FnMut(&mut Held) -> rusqlite::Result<T>,
    ) -> Result<T> {
        check_process(operation)?;
        let mut held = self.connection();
        loop {
            self.keep_up(&mut held)?;
            let done = body(&mut held);
            match &done {
                // Written into a file that nobody will look into.
                Ok(_) if writes && !self.stands(&held) => continue,
                Err(cause) if held.files.is_some() && shows_damage(cause, &held) => {
                    let cause = cause.to_string();
                    if self.put_aside(&mut held, &cause)? {
                        continue;
                    }
                }
                _ => {}
            }
            return done.during(operation);
        }
    }

    /// Whether the files of this connection are those that stand under their names.
    fn stands(&self, held: &Held) -> bool {
        match (&held.files, &self.place.on_disk) {
            (Some(files), Some((_, database))) => *files == Files::at(database),
            _ => true,
        }
    }

    fn keep_up(&self, held: &mut Held) -> Result<()> {
        let Some((folder, database)) = &self.place.on_disk else { return Ok(()) };
        let Some(files) = held.files else {
            if Instant::now() >= held.next_try {
                held.next_try = Instant::now() + RETRY;
                // It has been said that memory serves, and why.
                drop(self.move_to_disk(held, folder));
            }
            return Ok(());
        };
        let there = Files::at(database);
        if there == files {
            return Ok(());
        }
        if there.database == files.database {
            // The log or its index is gone: only those who have them open can still read them.
            drop(held.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())));
        } else if there.database.is_none() {
            self.start_anew(folder, database)?;
        }
        self.replace(held, Held::on_disk(connect(database)?, database));
        Ok(())
    }

    /// Goes on with another connection. What was stored through the one before is not in its file.
    fn replace(&self, held: &mut Held, next: Held) {
        self.place.fresh().forget();
        *held = next;
    }

    /// Makes a store where one was deleted.
    fn start_anew(&self, folder: &Path, database: &Path) -> Result<()> {
        sleep(DELETION);
        let gone = || std::io::Error::new(std::io::ErrorKind::NotFound, "the folder around it is gone");
        if !folder.parent().is_some_and(Path::is_dir) {
            return Err(unusable(folder, gone()));
        }
        folder::prepare(folder).map_err(|cause| unusable(folder, cause))?;
        let _opening = folder::lock_opening(folder);
        if !database.exists() {
            connect(database)?;
            self.place.tell(format!(
                "the store in {} was deleted while this program ran: what was in it is gone, a new one was started",
                folder.display()
            ));
        }
        Ok(())
    }

    /// Puts the damaged file of this connection aside, unless somebody else has; false if it is not to be done.
    fn put_aside(&self, held: &mut Held, cause: &str) -> Result<bool> {
        let Some((folder, database)) = &self.place.on_disk else { return Ok(false) };
        schema::still_ours(held, &database.display().to_string())?;
        if self.place.put_aside.fetch_add(1, Ordering::Relaxed) >= MOST_PUT_ASIDE {
            return Ok(false);
        }
        let _opening = folder::lock_opening(folder);
        if self.stands(held) {
            let aside = folder::put_aside(folder, unix_s()).map_err(|cause| unusable(folder, cause))?;
            self.place.tell(damaged(folder, cause, &aside));
        }
        self.replace(held, Held::on_disk(connect(database)?, database));
        Ok(true)
    }

    /// Opens the store that could not be opened before, and moves what memory holds there.
    fn move_to_disk(&self, held: &mut Held, folder: &Path) -> Result<()> {
        let disk = Self::open(folder)?;
        let spare = Connection::open_in_memory().during("open a store in memory")?;
        let memory = Self::new(Held::in_memory(std::mem::replace(&mut held.connection, spare)), Place::default());
        let moved = salvage::bring_over(&memory, &disk);
        let place = disk.place.clone();
        match (moved, Arc::into_inner(memory.into_connection()), Arc::into_inner(disk.into_connection())) {
            (Ok(_), _, Some(disk)) => self.replace(held, into_inner(disk)),
            (moved, Some(memory), _) => {
                held.connection = into_inner(memory).connection;
                return moved.map(drop);
            }
            (moved, ..) => return moved.map(drop),
        }
        self.place.is_waiting.store(false, Ordering::Release);
        place.notices.iter().for_each(|notice| self.place.tell(notice.clone()));
        self.place.tell(format!("the store in {} can be used now; what was kept in memory is there", folder.display()));
        Ok(())
    }

    /// A store in memory that takes the place of the one in `folder` until that can be opened. What it holds is moved there then.
    ///
    /// # Errors
    ///
    /// [`Error::is_store`](crate::Error::is_store) if SQLite cannot be set up.
    pub fn in_memory_until(folder: &Path) -> Result<Self> {
        let memory = Self::in_memory()?;
        let on_disk = Some((folder.to_owned(), folder.join(folder::DATABASE)));
        let place = Place { on_disk, ..Place::default() };
        place.is_waiting.store(true, Ordering::Release);
        Ok(Self { connection: memory.connection.clone(), place: Arc::new(place), generation: memory.generation })
    }

    /// Tries once more to move what is in memory to its folder. Returns how many undelivered spans stay in memory and go with it; 0
    /// for a store on disk.
    ///
    /// # Errors
    ///
    /// [`Error::is_store`](crate::Error::is_store) if the spans cannot be counted.
    pub fn settle(&self) -> Result<u64> {
        if self.folder().is_some() {
            return Ok(0);
        }
        if let Some((folder, _)) = &self.place.on_disk
            && self.move_to_disk(&mut self.connection(), folder).is_ok()
        {
            return Ok(0);
        }
        Ok(self.backlog()?.iter().map(|backlog| backlog.kept_here()).sum())
    }

    /// What has happened to the store since this was last asked, for people.
    pub fn take_news(&self) -> Vec<String> {
        std::mem::take(&mut *self.place.news.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn into_inner(held: Mutex<Held>) -> Held {
    held.into_inner().unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn damaged(folder: &Path, cause: &str, aside: &Path) -> String {
    format!(
        "the store in {} was damaged ({cause}): its file is now {}, a new one was started; the next start or `spanwright push` \
         takes over what can be read of it",
        folder.display(),
        aside.display()
    )
}

/// Whether an error can only mean that the tables are not what we wrote.
fn shows_damage(cause: &rusqlite::Error, connection: &Connection) -> bool {
    use rusqlite::Error as E;
    match cause {
        E::SqliteFailure(error, _) | E::SqlInputError { error, .. } => match error.code {
            ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::ConstraintViolation => true,
            // What SQLite says of a table or column that is not there, and of much else.
            ErrorCode::Unknown => !schema::is_whole(connection),
            _ => false,
        },
        // Of a record alone: the record is at fault, and the rest as good as before.
        E::FromSqlConversionFailure(_, found, _) => *found != Type::Blob,
        E::QueryReturnedNoRows | E::InvalidColumnType(..) | E::IntegralValueOutOfRange(..) | E::Utf8Error(..) => true,
        _ => false,
    }
}
