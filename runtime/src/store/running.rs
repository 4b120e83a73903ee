//! Traces that are running: their root is known and has not ended.

use rusqlite::params;

use super::queue::{TraceContext, context_of};
use super::row::decode;
use super::{Result, Store};
use crate::id::TraceId;
use crate::record::SpanRecord;

impl Store {
    /// The traces for `destination` whose root is known and open, the oldest first, at most `limit`.
    ///
    /// A trace whose process died is among them until the next process takes over what it left.
    ///
    /// # Errors
    ///
    /// [`Error::is_store`](crate::Error::is_store) if the store cannot be read.
    pub fn running(&self, destination: &str, limit: usize) -> Result<Vec<(TraceId, TraceContext)>> {
        self.read("look for running traces in the store", |connection| {
            // Few spans are written while they are open; the traces they belong to are found by their id.
            let mut select = connection.prepare_cached(
                "SELECT trace_id, number FROM traces
                 WHERE trace_id IN (SELECT trace_id FROM open_spans) AND root_known AND ending IS NULL
                     AND destination = (SELECT number FROM destinations WHERE uri = ?1)
                 ORDER BY start_unix_ns LIMIT ?2",
            )?;
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let mut rows = select.query(params![destination, limit])?;
            let mut running = Vec::new();
            while let Some(row) = rows.next()? {
                running.push((TraceId::from_bytes(row.get(0)?), context_of(connection, row.get(1)?)?));
            }
            Ok(running)
        })
    }

    /// The root of a trace as it stood when it was last written, if it is open.
    ///
    /// # Errors
    ///
    /// [`Error::is_store`](crate::Error::is_store) if the store cannot be read or a record in it is damaged.
    pub fn open_root(&self, trace: TraceId) -> Result<Option<SpanRecord>> {
        self.read("read the open spans in the store", |connection| {
            let mut select = connection.prepare_cached("SELECT record FROM open_spans WHERE trace_id = ?")?;
            let mut rows = select.query([trace.to_bytes()])?;
            while let Some(row) = rows.next()? {
                let span = decode(row.get_ref(0)?.as_blob()?)?;
                if span.parent_id.is_none() {
                    return Ok(Some(span));
                }
            }
            Ok(None)
        })
    }
}
