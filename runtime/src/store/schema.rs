//! The tables and their version.

use rusqlite::{Connection, ErrorCode, OptionalExtension, TransactionBehavior, ffi};

use super::{During, Result};
use crate::error::{Error, Kind};

/// Version of the tables this code reads and writes, kept in `user_version`.
pub(super) const VERSION: i64 = 4;

/// `STEPS[n]` leads from version n to n + 1.
pub(super) const STEPS: [&str; VERSION as usize] = [
    "
CREATE TABLE destinations (
    number INTEGER PRIMARY KEY,
    uri TEXT NOT NULL UNIQUE
);
CREATE TABLE traces (
    number INTEGER PRIMARY KEY,
    trace_id BLOB NOT NULL UNIQUE,
    destination INTEGER,
    name TEXT NOT NULL,
    start_unix_ns INTEGER NOT NULL,
    end_unix_ns INTEGER NOT NULL,
    root_known INTEGER NOT NULL DEFAULT 0,
    ending TEXT,
    failed INTEGER NOT NULL DEFAULT 0,
    facts TEXT,
    workflow TEXT,
    session TEXT,
    spans INTEGER NOT NULL DEFAULT 0,
    errors INTEGER NOT NULL DEFAULT 0,
    tokens INTEGER NOT NULL DEFAULT 0,
    bytes INTEGER NOT NULL DEFAULT 0,
    undelivered INTEGER NOT NULL DEFAULT 0,
    rejected INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX traces_by_start ON traces (start_unix_ns);
CREATE TABLE spans (
    seq INTEGER PRIMARY KEY,
    trace INTEGER NOT NULL,
    span_id INTEGER NOT NULL,
    record BLOB NOT NULL
);
CREATE UNIQUE INDEX spans_by_trace ON spans (trace, span_id);
CREATE TABLE queue (
    destination INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    trace INTEGER NOT NULL,
    PRIMARY KEY (destination, seq)
) WITHOUT ROWID;
CREATE TABLE rejections (
    seq INTEGER PRIMARY KEY,
    trace INTEGER NOT NULL,
    cause TEXT NOT NULL
);
CREATE INDEX rejections_by_trace ON rejections (trace);
CREATE TABLE delivered_before (
    trace INTEGER NOT NULL,
    destination INTEGER NOT NULL,
    spans INTEGER NOT NULL,
    PRIMARY KEY (trace, destination)
) WITHOUT ROWID;
CREATE TABLE processes (
    process INTEGER PRIMARY KEY,
    destination INTEGER
);
CREATE TABLE open_spans (
    trace_id BLOB NOT NULL,
    span_id INTEGER NOT NULL,
    process INTEGER NOT NULL,
    record BLOB NOT NULL,
    PRIMARY KEY (trace_id, span_id)
);
CREATE INDEX open_spans_by_process ON open_spans (process);
CREATE TABLE callsites (
    process INTEGER NOT NULL,
    number INTEGER NOT NULL,
    facts TEXT NOT NULL,
    PRIMARY KEY (process, number)
) WITHOUT ROWID;
CREATE TABLE ledger (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE counters (
    name TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO counters VALUES ('next_seq', 1), ('evicted_traces', 0), ('evicted_spans', 0);
",
    "
CREATE TABLE span_ids (
    trace INTEGER NOT NULL,
    span_id INTEGER NOT NULL,
    PRIMARY KEY (trace, span_id)
) WITHOUT ROWID;
ALTER TABLE traces ADD COLUMN has_ids INTEGER NOT NULL DEFAULT 1;
ALTER TABLE queue RENAME TO single_queue;
CREATE TABLE queue (
    destination INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    last INTEGER NOT NULL,
    trace INTEGER NOT NULL,
    PRIMARY KEY (destination, seq)
) WITHOUT ROWID;
INSERT INTO queue SELECT destination, seq, seq, trace FROM single_queue;
DROP TABLE single_queue;
",
    "
CREATE TABLE assessments (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    trace_id BLOB NOT NULL,
    destination INTEGER,
    made_unix_ns INTEGER NOT NULL,
    body TEXT NOT NULL,
    state INTEGER NOT NULL DEFAULT 0,
    tries INTEGER NOT NULL DEFAULT 0,
    not_before_unix_ns INTEGER NOT NULL DEFAULT 0,
    cause TEXT
);
CREATE INDEX assessments_by_state ON assessments (state, destination);
",
    "
ALTER TABLE traces ADD COLUMN stored_unix_ns INTEGER NOT NULL DEFAULT 0;
",
];

const TABLES: [&str; 12] = [
    "destinations",
    "traces",
    "spans",
    "span_ids",
    "queue",
    "rejections",
    "delivered_before",
    "processes",
    "open_spans",
    "callsites",
    "ledger",
    "assessments",
];

/// Makes the tables, or brings older ones up to date.
pub(super) fn prepare(connection: &mut Connection, place: &str) -> Result<()> {
    bring_up_to_date(connection, place)?;
    probe(connection).during("read the tables of the store")
}

/// Brings older tables up to date; one that is empty gets them.
pub(super) fn bring_up_to_date(connection: &mut Connection, place: &str) -> Result<()> {
    if version(connection)? != VERSION {
        upgrade(connection, place)?;
    }
    Ok(())
}

/// Reads into each table: damage is found now, when the file can still be put aside, rather than by an append.
fn probe(connection: &Connection) -> rusqlite::Result<()> {
    TABLES.iter().try_for_each(|table| {
        let read = connection.query_row(&format!("SELECT * FROM {table} LIMIT 1"), [], |_| Ok(()));
        match read.optional() {
            // SQLite has no code of its own for a table that is not there.
            Err(rusqlite::Error::SqliteFailure(error, text)) if error.code == ErrorCode::Unknown => {
                Err(rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_CORRUPT), text))
            }
            read => read.map(drop),
        }
    })
}

fn upgrade(connection: &mut Connection, place: &str) -> Result<()> {
    let step = connection.transaction_with_behavior(TransactionBehavior::Immediate).during("prepare the store")?;
    let found = version(&step)?;
    let Some(steps) = usize::try_from(found).ok().and_then(|found| STEPS.get(found..)) else {
        return Err(newer(found, place));
    };
    for sql in steps {
        step.execute_batch(sql).during("prepare the store")?;
    }
    step.pragma_update(None, "user_version", VERSION).during("prepare the store")?;
    step.commit().during("prepare the store")
}

/// Whether the tables are described as this code describes them.
pub(super) fn is_whole(connection: &Connection) -> bool {
    let described = |connection: &Connection| -> rusqlite::Result<Vec<(String, Option<String>)>> {
        let mut select = connection.prepare("SELECT name, sql FROM sqlite_schema ORDER BY name")?;
        select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
    };
    let expected = Connection::open_in_memory().and_then(|memory| {
        STEPS.iter().try_for_each(|sql| memory.execute_batch(sql))?;
        described(&memory)
    });
    matches!((described(connection), expected), (Ok(found), Ok(expected)) if found == expected)
}

#[cold]
fn newer(found: i64, place: &str) -> Error {
    Error::new(
        Kind::Store,
        format!(
            "the store in {place} was made by a newer spanwright (its version is {found}, this one knows {VERSION}): \
             upgrade this program, or give it a store of its own with SPANWRIGHT_STORE"
        ),
    )
}

/// Whether the tables are still those this code knows: a newer program may have brought them up to date meanwhile.
pub(super) fn still_ours(connection: &Connection, place: &str) -> Result<()> {
    match version(connection) {
        Ok(found) if found > VERSION => Err(newer(found, place)),
        _ => Ok(()),
    }
}

pub(super) fn version(connection: &Connection) -> Result<i64> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0)).during("read the version of the store")
}
