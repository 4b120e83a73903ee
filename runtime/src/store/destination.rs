//! Where traces are to go: each has one destination or none.

use rusqlite::{Connection, OptionalExtension as _, Transaction};

use super::block;

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
    unqueue_trace(transaction, trace)?;
    transaction.prepare_cached(DELETE_REJECTIONS)?.execute([trace])?;
    let mut enqueue = transaction.prepare_cached("INSERT INTO queue VALUES (?1, ?2, ?3, ?4)")?;
    let mut select = transaction.prepare_cached("SELECT seq, record FROM spans WHERE trace = ?")?;
    let mut rows = select.query([trace])?;
    while let Some(row) = rows.next()? {
        let (seq, spans): (i64, _) = (row.get(0)?, block::count(row.get_ref(1)?.as_bytes()?));
        enqueue.execute([destination, seq, seq + spans as i64 - 1, trace])?;
    }
    transaction
        .prepare_cached("UPDATE traces SET destination = ?2, undelivered = spans, rejected = 0 WHERE number = ?1")?
        .execute([trace, destination])?;
    Ok(())
}

/// Takes what waits of a trace off the queue of its destination.
pub(super) fn unqueue_trace(transaction: &Transaction<'_>, trace: i64) -> rusqlite::Result<()> {
    // What was settled in part waits in rows of its own, all of them within the numbers of the row of spans.
    let mut delete = transaction.prepare_cached(
        "DELETE FROM queue WHERE destination = (SELECT destination FROM traces WHERE number = ?1)
             AND seq >= ?2 AND seq < coalesce((SELECT min(seq) FROM spans WHERE seq > ?2), ?2 + ?3)",
    )?;
    let mut select = transaction.prepare_cached("SELECT seq FROM spans WHERE trace = ?")?;
    let mut rows = select.query([trace])?;
    while let Some(row) = rows.next()? {
        delete.execute([trace, row.get(0)?, block::MOST_SPANS as i64])?;
    }
    Ok(())
}

pub(super) const DELETE_REJECTIONS: &str = "DELETE FROM rejections WHERE trace = ?1";
