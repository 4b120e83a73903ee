//! Spans that wait, read for their delivery: encoded at once, so that nothing else of them need be kept.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use crate::error::Error;
use crate::export::mlflow::{Encoder, TraceFacts};
use crate::id::{SpanId, TraceId};
use crate::record::RunFacts;
use crate::store::{Next, Store, TraceContext};

/// One span on its way.
pub(super) struct Waiting {
    pub(super) seq: i64,
    /// Bytes of its stored form.
    pub(super) bytes: usize,
    pub(super) trace_id: TraceId,
    pub(super) span_id: SpanId,
    pub(super) is_root: bool,
    pub(super) is_error: bool,
    pub(super) end_unix_ns: u64,
    /// What it adds to the run of its trace.
    pub(super) run: Option<Box<RunFacts>>,
    pub(super) trace: Arc<TraceContext>,
    /// Where it stands among what was read with it.
    place: Range<usize>,
    encoded: Arc<OnceLock<Vec<u8>>>,
}

impl Waiting {
    /// The span as it stands in a request.
    pub(super) fn encoded(&self) -> &[u8] {
        self.encoded.get().map_or(&[], |all| &all[self.place.clone()])
    }
}

/// Reads what comes behind `after`: so many spans, of so many stored bytes, at most.
#[inline(never)]
pub(super) fn read(
    store: &Store,
    destination: &str,
    service: &str,
    after: i64,
    spans: usize,
    bytes: usize,
) -> Result<Vec<Waiting>, Error> {
    let shared = Arc::default();
    let mut encoder = Encoder::new(service);
    let waiting = store.read_pending(destination, after, spans, bytes, |next| {
        let Next { seq, span, bytes, trace } = next;
        let start = encoder.encoded.len();
        let facts = TraceFacts { session: trace.facts.session.as_deref(), user: trace.facts.user.as_deref() };
        encoder.add(span, facts);
        Waiting {
            seq,
            bytes,
            trace_id: span.trace_id,
            span_id: span.span_id,
            is_root: span.parent_id.is_none(),
            is_error: span.is_error(),
            end_unix_ns: span.end_unix_ns,
            run: span.run.as_deref().cloned().map(Box::new),
            trace: Arc::clone(trace),
            place: start..encoder.encoded.len(),
            encoded: Arc::clone(&shared),
        }
    })?;
    drop(shared.set(encoder.encoded));
    Ok(waiting)
}
