//! The store: one SQLite file that is the delivery queue, the offline archive and the ledger.
//!
//! In: batches of closed spans from the collector ([`Store::append`]). Out: spans that wait for a destination
//! ([`Store::pending`], answered by [`Store::ack`] or [`Store::reject`]), and everything kept, for people to read
//! ([`Store::traces`], [`Store::spans`]) and for reports to add up ([`Store::briefs`]). Any number of processes and threads use one file at
//! once. The store knows no server, and no thread of its own but one that reads ahead while a report is made; who exports and who recovers
//! a dead process decide others.
//!
//! # Invariants
//!
//! 1. A span is stored once: the first record under (trace id, span id) stays, whatever is offered later.
//! 2. `append` keeps a whole batch or nothing of it: one transaction.
//! 3. A trace has 0 or 1 destinations at a time. A span waits for that one and no other, within exactly 1 queue row, until it
//!    is acked or rejected; the spans of a trace without a destination are in no queue.
//! 4. Sequence numbers only grow and are never used twice, not even after an eviction: an ack that comes late hits nothing.
//! 5. Whatever of a trace was stored before its root, or in the same batch, has a smaller sequence number than the root.
//! 6. Undelivered spans leave only by an ack, or by [`Store::sweep`] above the byte limit, and then they are counted.
//! 7. At most 1 process exports to one destination: [`Store::exporter_lease`].
//!
//! # Layout
//!
//! A folder of mode 0700 with files of mode 0600:
//!
//! | File | Holds |
//! |---|---|
//! | `store.db`, `-wal`, `-shm` | the database; the tables below |
//! | `store.db.corrupt-<unix s>` | one that could not be read, put aside |
//! | `store.db.corrupt-<unix s>.read` | locked while that is read, and not empty once what it had undelivered is in the store |
//! | `open.lock` | locked for the moment of opening |
//! | `spool/` | what forked processes hand on: see `spool.rs` |
//! | `export-<hash>.lock` | locked as long as somebody exports to the destination with that hash |
//! | `.gitignore` | `*` |
//!
//! | Table | One row is | Key |
//! |---|---|---|
//! | `destinations` | a URI and its number | number |
//! | `traces` | a trace: destination, what its root says, counts | number |
//! | `spans` | finished spans of one trace that were stored together, in the form of `block.rs`, with the id of the first | sequence number of the first; (trace, span id) |
//! | `span_ids` | a span behind the first of its row, of a trace that came in more than one batch | (trace, span id) |
//! | `queue` | spans with sequence numbers from one to another that wait for a destination | (destination, first sequence number) |
//! | `rejections` | why a destination refused a span for good | sequence number |
//! | `delivered_before` | a destination a trace was delivered to before it got another | (trace, destination) |
//! | `processes`, `open_spans`, `callsites` | what is left behind if a process dies now | process |
//! | `ledger` | a claim or a value; keys `trace:<id>:…` leave with their trace, `run:<id>:…` with their age | key |
//! | `counters` | next sequence number, totals of evictions and of losses, what a process has added to those | name |
//!
//! Spans of one trace that are stored together have sequence numbers without a gap. While a trace has come in one batch only, its one or
//! few rows say which spans it has; from the second batch on `span_ids` does, so that a span costs the same however long its trace gets.
//!
//! Write-ahead log, `synchronous = NORMAL`: a commit survives the death of the process, and of the machine once the log
//! has been written back, or at once after [`Store::outlive_power_loss`]. A connection never writes the log back when it is closed, so that a shutdown is quick and a
//! process that still has a put-aside file open cannot remove the log of its successor.

mod append;
mod assessments;
mod block;
mod brief;
mod destination;
mod folder;
mod fresh;
#[cfg(all(any(test, fuzzing), feature = "mlflow", not(loom)))]
pub(crate) mod fuzzing;
mod held;
mod log;
mod losses;
mod queue;
mod read;
mod retention;
mod row;
mod running;
mod salvage;
mod schema;
pub(crate) mod spool;
#[cfg(test)]
mod tests;
mod turns;
mod write;

use std::error::Error as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, TransactionBehavior};
use serde::Serialize;

use crate::error::{Error, Kind};
use crate::fork;
use crate::record::{Batch, RecordSink};
use fresh::Fresh;
use held::{FileId, Held};

pub use assessments::QueuedAssessment;
pub use brief::{BriefFilter, ModelBrief, ServerTotals, SpanBrief, TraceBrief};
pub use folder::locate;
#[cfg(feature = "mlflow")]
pub(crate) use queue::Next;
pub use queue::{Adopt, Backlog, Counts, Lease, Queued, TraceContext};
pub use read::{Statistics, TraceFilter, TraceState, TraceSummary};
pub use retention::{Evicted, Limits};
pub use salvage::Salvaged;
use turns::Turns;

type Result<T> = std::result::Result<T, Error>;

/// How long a statement waits for another process's transaction.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Statements kept prepared per connection; more than there are.
const STATEMENTS: usize = 64;
/// Pages a connection keeps in memory, as SQLite counts kibibytes: below zero. Trace ids are random, so are the pages they touch;
/// with SQLite's own 2 MiB a batch of one-span traces takes twice as long.
const CACHE_KIB: i64 = -16 * 1024;
/// Pages in the write-ahead log at which a commit writes it back: a page that changes often is written back less often.
const LOG_PAGES: i64 = 4_000;
/// The write-ahead log is cut back to this after a transaction that made it longer.
const LOG_LIMIT_BYTES: i64 = 64 << 20;

/// A handle of the store.
///
/// Clones share one connection and take turns on it; [`Store::reopen`] gives a thread its own.
///
/// A process that was forked, without exec, from one that has opened a store can open and use none: SQLite does not work there, and every
/// operation is an error. What such a process traces is kept all the same, and gets into the store by way of another process.
///
/// ```
/// use spanwright::store::{Store, TraceFilter};
///
/// # fn main() -> Result<(), spanwright::Error> {
/// let store = Store::in_memory()?;
/// assert!(store.traces(&TraceFilter::default())?.is_empty());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Store {
    connection: Arc<Mutex<Held>>,
    place: Arc<Place>,
    generation: u32,
}

impl Drop for Store {
    fn drop(&mut self) {
        if self.generation != fork::generation() {
            // SQLite's connections are not even to be closed by a process that was forked.
            std::mem::forget(self.connection.clone());
        }
    }
}

#[derive(Debug, Default)]
struct Place {
    /// Folder and database; `None` in memory.
    on_disk: Option<(PathBuf, PathBuf)>,
    notices: Vec<String>,
    /// Memory serves until the store on disk can be opened.
    is_waiting: AtomicBool,
    /// What has happened since, to be said.
    news: Mutex<Vec<String>>,
    /// Damaged files this process has put aside.
    put_aside: AtomicU32,
    turns: Turns,
    fresh: Mutex<Fresh>,
}

impl Place {
    fn tell(&self, line: String) {
        self.news.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }

    fn fresh(&self) -> MutexGuard<'_, Fresh> {
        // What a panic left half done are numbers of bytes: something is forgotten earlier, or later.
        self.fresh.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Names one run of one process among those that share a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct ProcessId(pub u64);

impl Store {
    /// Opens the store in `folder`, making both if they are not there.
    ///
    /// A database that cannot be read is put aside and a new one started; [`Store::notices`] says so.
    ///
    /// # Errors
    ///
    /// [`Error::is_store`] if the folder cannot be made or written, the disk is full, another process holds the database for
    /// more than 5 s, or a newer version of this library made it.
    pub fn open(folder: &Path) -> Result<Self> {
        check_process("open the store")?;
        let shown = folder.display();
        folder::prepare(folder).map_err(|cause| unusable(folder, cause))?;
        let mut notices = Vec::new();
        if let Some(kind) = folder::network_file_system(folder) {
            notices.push(format!(
                "the store in {shown} is on a network file system ({kind}), where locks cannot be relied on: \
                 move it to a local disk with SPANWRIGHT_STORE"
            ));
        }
        let database = folder.join(folder::DATABASE);
        let opening = folder::lock_opening(folder);
        let connection = match connect(&database) {
            Err(error) if is_damaged(&error) => {
                let aside = folder::put_aside(folder, unix_s()).map_err(|cause| unusable(folder, cause))?;
                let cause = error.source().map_or_else(|| error.to_string(), ToString::to_string);
                notices.push(held::damaged(folder, &cause, &aside));
                connect(&database)?
            }
            opened => opened?,
        };
        let unread = log::unread_transactions(&connection, &folder::beside(&database)[0]);
        if unread > 0 {
            notices.push(format!(
                "the log of the store in {shown} was damaged: the last {unread} batches of spans stored there are lost; the disk may be failing"
            ));
        }
        drop(opening);
        let held = Held::on_disk(connection, &database);
        Ok(Self::new(held, Place { on_disk: Some((folder.to_owned(), database)), notices, ..Place::default() }))
    }

    /// Opens the store in `folder` if there is one; makes nothing.
    ///
    /// # Errors
    ///
    /// Those of [`Store::open`].
    pub fn open_existing(folder: &Path) -> Result<Option<Self>> {
        if folder.join(folder::DATABASE).exists() { Self::open(folder).map(Some) } else { Ok(None) }
    }

    /// A store that ends with its last handle.
    ///
    /// # Errors
    ///
    /// [`Error::is_store`] if SQLite cannot be set up.
    pub fn in_memory() -> Result<Self> {
        check_process("open a store in memory")?;
        let mut connection = Connection::open_in_memory().during("open a store in memory")?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        schema::prepare(&mut connection, "memory")?;
        Ok(Self::without_place(connection))
    }

    /// A store on a connection that is not kept up with any file.
    fn without_place(connection: Connection) -> Self {
        Self::new(Held::in_memory(connection), Place::default())
    }

    fn new(held: Held, place: Place) -> Self {
        Self { connection: Arc::new(Mutex::new(held)), place: Arc::new(place), generation: fork::generation() }
    }

    fn into_connection(self) -> Arc<Mutex<Held>> {
        self.connection.clone()
    }

    /// A handle with a connection of its own on the same file. In memory: another handle on this connection.
    ///
    /// # Errors
    ///
    /// [`Error::is_store`] if the file is gone or cannot be opened.
    pub fn reopen(&self) -> Result<Self> {
        match self.path() {
            None => Ok(self.clone()),
            Some(database) => {
                check_process("open the store")?;
                let held = Held::on_disk(connect(database)?, database);
                let connection = Arc::new(Mutex::new(held));
                Ok(Self { connection, place: self.place.clone(), generation: self.generation })
            }
        }
    }

    /// From now on what this handle and its clones write outlives a loss of power as soon as it is written. False in memory.
    ///
    /// # Errors
    ///
    /// [`Error::is_store`] if the folder cannot be brought to the disk.
    pub fn outlive_power_loss(&self) -> Result<bool> {
        let Some(folder) = self.folder() else { return Ok(false) };
        folder::sync(folder).map_err(|cause| unusable(folder, cause))?;
        self.read("make the store outlive a loss of power", |connection| {
            connection.pragma_update(None, "synchronous", "FULL")
        })?;
        Ok(true)
    }

    /// The folder; `None` in memory.
    pub fn folder(&self) -> Option<&Path> {
        self.on_disk().map(|(folder, _)| folder.as_path())
    }

    /// The database; `None` in memory.
    pub fn path(&self) -> Option<&Path> {
        self.on_disk().map(|(_, database)| database.as_path())
    }

    /// What has to be said about the opening, a line each: a damaged file put aside, a network file system.
    pub fn notices(&self) -> &[String] {
        &self.place.notices
    }

    fn on_disk(&self) -> Option<&(PathBuf, PathBuf)> {
        self.place.on_disk.as_ref().filter(|_| !self.place.is_waiting.load(Ordering::Acquire))
    }

    fn connection(&self) -> MutexGuard<'_, Held> {
        // A panic while the lock was held has rolled its transaction back: the connection is as good as before.
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps in memory what is stored from now on until it is read from the queue, as far as that soon happens.
    #[cfg(feature = "mlflow")]
    pub(crate) fn keep_fresh(&self) {
        self.place.fresh().want();
    }

    fn read<T>(&self, operation: &str, mut body: impl FnMut(&Connection) -> rusqlite::Result<T>) -> Result<T> {
        self.attempt(operation, false, |held| body(held))
    }

    /// Runs `body` in one write transaction, undone if it fails.
    fn write<T>(&self, operation: &str, body: impl FnMut(&Transaction<'_>) -> rusqlite::Result<T>) -> Result<T> {
        self.write_then(operation, body, |_, done| done)
    }

    /// As [`Self::write`]; `committed` gets what `body` gave, and the file that has it now, before anybody else writes.
    fn write_then<T, U>(
        &self,
        operation: &str,
        mut body: impl FnMut(&Transaction<'_>) -> rusqlite::Result<T>,
        mut committed: impl FnMut(Option<FileId>, T) -> U,
    ) -> Result<U> {
        self.attempt(operation, true, |held| {
            let _turn = self.place.turns.wait();
            // Immediate: a transaction that starts by reading cannot wait for another writer, it can only fail.
            let transaction = held.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let done = body(&transaction)?;
            transaction.commit()?;
            Ok(committed(held.file(), done))
        })
    }
}

fn unix_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Refuses in a process that was forked: even a new connection there would meet the locks and tables of the parent's. Elsewhere, notices
/// forks from now on.
fn check_process(operation: &str) -> Result<()> {
    fork::watch();
    if fork::is_child() {
        return Err(forked(operation));
    }
    Ok(())
}

#[cold]
fn forked(operation: &str) -> Error {
    let why = "this process was forked from one that uses a store, and SQLite does not work in it; use the store in the parent";
    Error::new(Kind::State, format!("cannot {operation}: {why}"))
}

fn connect(database: &Path) -> Result<Connection> {
    let mut connection = open_file(database)?;
    schema::prepare(&mut connection, &database.display().to_string())?;
    Ok(connection)
}

/// A connection to a file, whatever is in it.
fn open_file(database: &Path) -> Result<Connection> {
    folder::make_private(database).map_err(|cause| unusable(database, cause))?;
    let opening = || {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(database, flags)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        // Takes effect only before the first table is made.
        connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        connection.pragma_update(None, "journal_size_limit", LOG_LIMIT_BYTES)?;
        connection.pragma_update(None, "cache_size", CACHE_KIB)?;
        connection.pragma_update(None, "wal_autocheckpoint", LOG_PAGES)?;
        Ok(connection)
    };
    let result: rusqlite::Result<Connection> = opening();
    result.during("open the store")
}

/// Turns what SQLite says into what the reader can do about it.
trait During<T> {
    fn during(self, operation: &str) -> Result<T>;
}

impl<T> During<T> for rusqlite::Result<T> {
    fn during(self, operation: &str) -> Result<T> {
        self.map_err(|cause| {
            let advice = match cause.sqlite_error_code() {
                Some(_) if cause.sqlite_error().is_some_and(is_for_want_of_room) => DISK_FULL,
                Some(ErrorCode::DiskFull) => DISK_FULL,
                Some(ErrorCode::SystemIoFailure) => {
                    ": the disk does not work or the file is gone; see to it, or move the store with SPANWRIGHT_STORE"
                }
                Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => {
                    ": its file cannot be written; change its permissions, or move it with SPANWRIGHT_STORE"
                }
                Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                    ": another process has held it for too long; try again"
                }
                Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                    ": its file is damaged; the next start puts it aside and begins a new one"
                }
                _ => "",
            };
            Error::because(Kind::Store, format!("cannot {operation}{advice}"), cause)
        })
    }
}

const DISK_FULL: &str = ": the disk is full; make room, or move the store to another disk with SPANWRIGHT_STORE";

/// The index of the log is a file of its own, with an error of its own.
fn is_for_want_of_room(error: &rusqlite::ffi::Error) -> bool {
    error.extended_code == rusqlite::ffi::SQLITE_IOERR_SHMSIZE
}

#[cold]
fn unusable(path: &Path, cause: std::io::Error) -> Error {
    let advice = "check that it can be written and the disk is not full, or move the store with SPANWRIGHT_STORE";
    Error::because(Kind::Store, format!("cannot use {}: {advice}", path.display()), cause)
}

/// Whether the file itself is at fault: not a database, or its pages do not hold together.
fn is_damaged(error: &Error) -> bool {
    let cause = error.source().and_then(|cause| cause.downcast_ref::<rusqlite::Error>());
    let code = cause.and_then(rusqlite::Error::sqlite_error_code);
    matches!(code, Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
        // SQLite has no code of its own for a header that says what no version of it has written.
        || cause.is_some_and(|cause| cause.to_string().contains("unsupported file format"))
}

const _: () = {
    const fn shared<T: Send + Sync + 'static>() {}
    shared::<Store>();
};

/// The store as the collector sees it.
#[derive(Debug)]
pub struct StoreSink {
    /// The store.
    pub store: Store,
    /// Whose spans come in.
    pub process: ProcessId,
    /// Where new traces go; `None` to stay here.
    pub destination: Option<String>,
}

impl RecordSink for StoreSink {
    fn append(&mut self, batch: &Batch) -> Result<()> {
        self.store.append(batch, self.process, self.destination.as_deref())
    }
}
