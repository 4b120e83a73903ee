//! The stored forms of the parts of a span.

use rusqlite::types::{Type, ValueRef};

use super::block::{Spans, Unreadable};
use crate::id::SpanId;
use crate::record::{Ending, SpanRecord};

/// The one span of a stored record.
pub(super) fn decode(stored: &[u8]) -> rusqlite::Result<SpanRecord> {
    let first = Spans::of(stored).and_then(|mut spans| spans.next().ok_or(Unreadable)?);
    first.map_err(unreadable)
}

/// As SQLite reports a value it cannot read.
pub(super) fn unreadable(_: Unreadable) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(0, Type::Blob, "the stored record cannot be read".into())
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
    [Ending::Ok, Ending::Error, Ending::Panic, Ending::Cancelled, Ending::Abandoned, Ending::Unknown]
        .into_iter()
        .find(|ending| ending.as_str() == word)
}

/// SQLite has 63 bits for a time; one beyond them would make its trace unreadable.
pub(super) fn stored_time(unix_ns: u64) -> i64 {
    i64::try_from(unix_ns).unwrap_or(i64::MAX)
}
