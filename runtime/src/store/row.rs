//! The stored forms of a span and of its parts.

use rusqlite::types::{Type, ValueRef};

use crate::id::SpanId;
use crate::record::{Ending, SpanRecord};

/// The stored form of a span: JSON of the record.
pub(super) fn encode_into(to: &mut Vec<u8>, span: &SpanRecord) -> rusqlite::Result<()> {
    serde_json::to_writer(to, span).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
}

pub(super) fn decode(record: &[u8]) -> rusqlite::Result<SpanRecord> {
    serde_json::from_slice(record)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(0, Type::Blob, error.into()))
}

/// A text as far as it is one: a damaged character makes nothing else unreadable.
pub(super) fn text(value: ValueRef<'_>) -> Option<String> {
    match value {
        ValueRef::Text(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
        _ => None,
    }
}

/// SQLite's integers are signed; the bits are the same.
pub(super) fn span_key(id: SpanId) -> i64 {
    id.to_u64() as i64
}

pub(super) fn ending_of(word: &str) -> Option<Ending> {
    [Ending::Ok, Ending::Error, Ending::Panic, Ending::Cancelled, Ending::Abandoned]
        .into_iter()
        .find(|ending| ending.as_str() == word)
}

/// SQLite has 63 bits for a time; one beyond them would make its trace unreadable.
pub(super) fn stored_time(unix_ns: u64) -> i64 {
    i64::try_from(unix_ns).unwrap_or(i64::MAX)
}
