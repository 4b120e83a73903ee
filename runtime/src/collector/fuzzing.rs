//! The entries of a process that is gone, paired.

use std::collections::HashSet;

use super::Assembly;
use crate::chunk::{Entry, fuzzing::entries};
use crate::record::SpanRecord;

/// Each span that has begun is closed once, ends no earlier than it starts, and can be stored and read again.
pub(crate) fn assembly(bytes: &[u8]) {
    let (mut assembly, mut begun) = (Assembly::default(), HashSet::new());
    entries(bytes, |entry| {
        if let Entry::Begin { span, .. } = entry {
            begun.insert(span);
        }
        assembly.take(entry);
    });
    let closed = assembly.close_all().finished;
    assert_eq!(closed.len(), begun.len());
    for record in &closed {
        assert!(begun.remove(&record.span_id), "{record:?}");
        assert!(record.end_unix_ns >= record.start_unix_ns, "{record:?}");
        let stored = serde_json::to_vec(record).expect("a closed span is stored");
        let read: SpanRecord = serde_json::from_slice(&stored).expect("a stored span is read");
        assert_eq!(serde_json::to_vec(&read).expect("it is stored again"), stored);
    }
}
