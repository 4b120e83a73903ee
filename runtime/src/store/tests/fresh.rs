//! What has just been stored is read from memory, and is what the database says.

use std::fs;

use proptest::prelude::*;

use super::*;

/// A store whose exporter keeps up, and the exporter's handle.
fn with_reader(folder: &Path) -> (Store, Store) {
    let store = Store::open(folder).expect("a store");
    store.keep_fresh();
    let reader = store.reopen().expect("a reader");
    (store, reader)
}

fn long(trace: u64) -> SpanRecord {
    SpanRecord { inputs: Some(Json::of(&"x".repeat(1 << 20))), ..span(trace, 0) }
}

fn damage_records(store: &Store) {
    let damaged = store.connection().execute("UPDATE spans SET record = x'00'", []).expect("damaged");
    assert!(damaged > 0);
}

#[test]
fn a_reader_who_keeps_up_needs_no_record_of_the_database_and_one_who_does_not_gets_it_from_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let (store, reader) = with_reader(folder.path());
    store.append(&finished((0..100).map(|n| span(1, n))), ME, Some(A)).expect("append");
    let expected = reader.pending(A, 100, usize::MAX).expect("pending");
    store.append(&finished((0..100).map(|n| span(2, n))), ME, Some(A)).expect("append");
    damage_records(&store);
    let after = expected.last().expect("spans").seq;
    let next = reader.pending_after(A, after, 1_000, usize::MAX).expect("pending");
    assert_eq!(
        next.iter().map(|queued| queued.record.span_id).collect::<Vec<_>>(),
        (1..100).chain([0]).map(span_id).collect::<Vec<_>>()
    );
    assert!(
        reader.pending(A, 1, usize::MAX).expect("pending").is_empty(),
        "read before: from the database, where it is damaged"
    );
}

#[test]
fn what_nobody_reads_is_forgotten_in_time() {
    let folder = tempfile::tempdir().expect("a folder");
    let (store, reader) = with_reader(folder.path());
    for trace in 0..12 {
        store.append(&finished([long(trace)]), ME, Some(A)).expect("append");
    }
    damage_records(&store);
    let kept = reader.pending(A, 100, usize::MAX).expect("pending");
    assert_eq!(
        kept.iter().map(|queued| queued.record.trace_id).collect::<Vec<_>>(),
        (5..12).map(trace_id).collect::<Vec<_>>()
    );
}

#[test]
fn what_a_deleted_store_held_is_not_taken_for_what_the_next_one_has_under_the_same_number() {
    let folder = tempfile::tempdir().expect("a folder");
    let (store, reader) = with_reader(folder.path());
    store.append(&finished([span(1, 0)]), ME, Some(A)).expect("append");
    for file in ["store.db", "store.db-wal", "store.db-shm"] {
        fs::remove_file(folder.path().join(file)).expect("removed");
    }
    let other = Store::open(folder.path()).expect("a new store");
    other.append(&finished([span(2, 0)]), ME, Some(A)).expect("append");
    assert_eq!(waiting(&reader, A), [(trace_id(2), span_id(0))]);
    store.append(&finished([span(3, 0)]), ME, Some(A)).expect("append");
    assert_eq!(waiting(&reader, A), [(trace_id(2), span_id(0)), (trace_id(3), span_id(0))]);
}

#[test]
fn what_was_undone_is_not_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let (store, reader) = with_reader(folder.path());
    let limit = |pages: u32| store.connection().pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()));
    limit(1).expect("as few as there are");
    assert!(store.append(&finished([long(1)]), ME, Some(A)).is_err());
    limit(1 << 20).expect("many");
    store.append(&finished([span(2, 0)]), ME, Some(A)).expect("append");
    assert_eq!(waiting(&reader, A), [(trace_id(2), span_id(0))]);
}

#[derive(Clone, Debug)]
enum Step {
    /// Spans of traces, by one of two processes.
    Append {
        is_other: bool,
        spans: Vec<(u64, u64)>,
    },
    /// Reads so many behind what was read last, or from the start.
    Read {
        from_start: bool,
        spans: usize,
        bytes: usize,
    },
    /// Acks each other one of what was read last.
    Ack,
    Redirect,
}

fn step() -> impl Strategy<Value = Step> {
    let spans = prop::collection::vec((0u64..4, 0u64..150), 1..80);
    prop_oneof![
        3 => (any::<bool>(), spans).prop_map(|(is_other, spans)| Step::Append { is_other, spans }),
        4 => (any::<bool>(), 1usize..100, 1usize..20_000)
            .prop_map(|(from_start, spans, bytes)| Step::Read { from_start, spans, bytes }),
        1 => Just(Step::Ack),
        1 => Just(Step::Redirect),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_reader_reads_what_another_program_would(steps in prop::collection::vec(step(), 1..20)) {
        let folder = tempfile::tempdir().expect("a folder");
        let (store, reader) = with_reader(folder.path());
        let other = Store::open(folder.path()).expect("another program's");
        let mut last: Vec<i64> = Vec::new();
        for step in steps {
            match step {
                Step::Append { is_other, spans } => {
                    let to = if is_other { &other } else { &store };
                    let batch = finished(spans.iter().map(|(trace, n)| span(*trace, *n)));
                    to.append(&batch, ME, Some(A)).expect("append");
                }
                Step::Read { from_start, spans, bytes } => {
                    let after = if from_start { 0 } else { last.last().copied().unwrap_or(0) };
                    let read = |from: &Store| from.pending_after(A, after, spans, bytes).expect("pending");
                    let (ours, theirs) = (read(&reader), read(&other));
                    let told = |queued: &[Queued]| format!("{queued:?}");
                    prop_assert_eq!(told(&ours), told(&theirs));
                    last = ours.iter().map(|queued| queued.seq).collect();
                }
                Step::Ack => {
                    let some: Vec<_> = last.iter().copied().step_by(2).collect();
                    reader.ack(A, &some).expect("ack");
                }
                Step::Redirect => {
                    other.adopt(B, Adopt::Trace(trace_id(1))).expect("redirected");
                    other.adopt(A, Adopt::All).expect("redirected");
                }
            }
        }
    }
}
