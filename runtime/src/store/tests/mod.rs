mod assessments;
mod delivery;
mod durability;
#[cfg(feature = "mlflow")]
mod fresh;
mod keeping;
mod spool;

use super::*;
use crate::id::{SpanId, TraceId};
use crate::record::{Ending, Json, Losses, ModelFacts, Remains, SpanRecord, Usage, WorkflowFacts};

const A: &str = "http://a.test";
const B: &str = "http://b.test";
const ME: ProcessId = ProcessId(u64::MAX);

fn trace_id(n: u64) -> TraceId {
    TraceId::from_halves(n << 60 | 7, n)
}

fn span_id(n: u64) -> SpanId {
    // The uppermost bit too has to survive SQLite's signed integers.
    SpanId::from_u64(n | 1 << 63)
}

/// Span `n` of a trace; number 0 is its root and the parent of all others.
fn span(trace: u64, n: u64) -> SpanRecord {
    SpanRecord {
        parent_id: (n > 0).then(|| span_id(0)),
        name: format!("span {n}"),
        span_type: "CHAIN".to_owned(),
        kind: "node".to_owned(),
        start_unix_ns: 1_000 * trace + n,
        end_unix_ns: 1_000 * trace + 100 + n,
        ..SpanRecord::new(trace_id(trace), span_id(n))
    }
}

fn finished(spans: impl IntoIterator<Item = SpanRecord>) -> Batch {
    Batch { finished: spans.into_iter().collect(), ..Batch::default() }
}

fn memory() -> Store {
    Store::in_memory().expect("a store")
}

fn waiting(store: &Store, destination: &str) -> Vec<(TraceId, SpanId)> {
    let queued = store.pending(destination, usize::MAX >> 1, usize::MAX).expect("pending");
    queued.iter().map(|queued| (queued.record.trace_id, queued.record.span_id)).collect()
}

fn ack_all(store: &Store, destination: &str) -> usize {
    let queued = store.pending(destination, usize::MAX >> 1, usize::MAX).expect("pending");
    store.ack(destination, &queued.iter().map(|queued| queued.seq).collect::<Vec<_>>()).expect("ack");
    queued.len()
}

fn summary(store: &Store, trace: u64) -> TraceSummary {
    store.trace(trace_id(trace)).expect("readable").expect("a trace")
}

/// Makes what is stored look as if it had been stored when it happened.
fn stored_as_it_happened(store: &Store) {
    let sql = "UPDATE traces SET stored_unix_ns = end_unix_ns";
    store.write("age the store", |transaction| transaction.execute(sql, [])).expect("written");
}
