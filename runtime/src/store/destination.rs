//! Where traces are to go: each has one destination or none.

use rusqlite::{Connection, OptionalExtension as _, Transaction};

/// The number of a destination, given one if it has none.
pub(super) fn destination_number(connection: &Connection, uri: &str) -> rusqlite::Result<i64> {
    if let Some(number) = known_destination(connection, uri)? {
        return Ok(number);
    }
    connection.prepare_cached("INSERT INTO destinations (uri) VALUES (?)")?.execute([uri])?;
    Ok(connection.last_insert_rowid())
}

pub(super) fn known_destination(connection: &Connection, uri: &str) -> rusqlite::Result<Option<i64>> {
    connection
        .prepare_cached("SELECT number FROM destinations WHERE uri = ?")?
        .query_row([uri], |row| row.get(0))
        .optional()
}

/// Gives a trace another destination and queues all its spans for it.
pub(super) fn redirect(transaction: &Transaction<'_>, trace: i64, destination: i64) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(
            "INSERT OR REPLACE INTO delivered_before
             SELECT number, destination, spans FROM traces
             WHERE number = ? AND destination IS NOT NULL AND undelivered = 0 AND rejected = 0",
        )?
        .execute([trace])?;
    for sql in [DELETE_QUEUED, DELETE_REJECTIONS] {
        transaction.prepare_cached(sql)?.execute([trace])?;
    }
    transaction
        .prepare_cached("INSERT INTO queue SELECT ?2, seq, trace FROM spans WHERE trace = ?1")?
        .execute([trace, destination])?;
    transaction
        .prepare_cached("UPDATE traces SET destination = ?2, undelivered = spans, rejected = 0 WHERE number = ?1")?
        .execute([trace, destination])?;
    Ok(())
}

pub(super) const DELETE_QUEUED: &str = "DELETE FROM queue
    WHERE destination = (SELECT destination FROM traces WHERE number = ?1)
    AND seq IN (SELECT seq FROM spans WHERE trace = ?1)";
pub(super) const DELETE_REJECTIONS: &str = "DELETE FROM rejections WHERE trace = ?1";
