//! Rows of a store that somebody else has written, or damaged.

use rusqlite::params;
use rusqlite::types::Value;

use super::block::encode_one;
use super::row::decode;
use super::{BriefFilter, ProcessId, Store, TraceFilter};
use crate::id::{SpanId, TraceId};
use crate::record::{Batch, SpanRecord};

const SERVER: &str = "http://server";

/// A record that is read is written as it was read.
pub(crate) fn record(bytes: &[u8]) -> Option<SpanRecord> {
    let record = decode(bytes).ok()?;
    let stored = encode_one(&record);
    let again = decode(&stored).expect("what was written is read");
    assert_eq!(encode_one(&again), stored);
    Some(record)
}

/// Rows that hold anything keep nobody from the healthy span beside them.
pub(crate) fn rows(bytes: &[u8]) {
    let mut parts = bytes.splitn(4, |&byte| byte == 0);
    let mut part = || parts.next().unwrap_or_default();
    let (record, facts, site, ending) = (part(), part(), part(), part());
    let store = store_with_a_healthy_span();
    {
        let connection = store.connection();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        // A blob where a text is expected, if it is none: SQLite takes both.
        let ending = String::from_utf8(ending.to_vec()).map_or_else(|_| Value::from(ending.to_vec()), Value::from);
        let rows = [
            connection.execute("UPDATE spans SET record = ?1 WHERE seq = 1", params![record]),
            connection.execute("UPDATE open_spans SET record = ?1", params![record]),
            connection.execute("UPDATE callsites SET facts = ?1", params![text(site)]),
            connection
                .execute("UPDATE traces SET facts = ?1, ending = ?2 WHERE number = 1", params![text(facts), ending]),
        ];
        assert!(rows.iter().all(|changed| matches!(changed, Ok(1))), "{rows:?}");
    }
    let waiting = store.pending(SERVER, 10, 1 << 20).expect("the queue is read");
    assert!(waiting.iter().any(|queued| queued.record.name == "healthy"));
    // People are told of what cannot be read; nobody panics over it.
    let _ = store.spans(trace(1));
    assert_eq!(store.spans(trace(2)).expect("the healthy trace is read").len(), 1);
    let mut healthy = 0;
    let briefs = store.briefs(&BriefFilter { whole_if: &["x"], ..BriefFilter::default() }, |brief| {
        healthy += u64::from(brief.trace_id == trace(2) && brief.spans.len() == 1);
    });
    assert!(briefs.is_ok() && healthy == 1, "{briefs:?}");
    let _ = (store.traces(&TraceFilter::default()), store.rejections(trace(1)), store.statistics());
    let _ = (store.open_spans_of(ProcessId(1)), store.callsites_of(ProcessId(1)));
}

fn trace(number: u64) -> TraceId {
    TraceId::from_halves(number, number)
}

fn store_with_a_healthy_span() -> Store {
    let store = Store::in_memory().expect("a store");
    let span = |number, name: &str| SpanRecord {
        name: name.into(),
        ..SpanRecord::new(trace(number), SpanId::from_u64(number))
    };
    let batch = Batch {
        finished: vec![span(1, "damaged"), span(2, "healthy")],
        open: vec![span(3, "open")],
        callsites: vec![(1, "{}".into())],
        ..Batch::default()
    };
    store.append(&batch, ProcessId(1), Some(SERVER)).expect("stored");
    store
}
