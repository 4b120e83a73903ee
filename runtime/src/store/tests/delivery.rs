//! The queue: nothing lost, nothing twice, in order.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

#[test]
fn a_root_comes_after_what_was_stored_before_or_with_it() {
    let store = memory();
    store.append(&finished([span(1, 0), span(2, 1), span(1, 1)]), ME, Some(A)).expect("append");
    store.append(&finished([span(2, 0), span(2, 2)]), ME, Some(A)).expect("append");
    // Those of one trace that were stored together stand together.
    let spans = [(1, 1), (1, 0), (2, 1), (2, 2), (2, 0)].map(|(trace, n)| (trace_id(trace), span_id(n)));
    assert_eq!(waiting(&store, A), spans);
    // A child alone, if there is no room for all.
    assert_eq!(store.pending(A, 1, usize::MAX).expect("pending").len(), 1);
    let first = store.pending(A, 5, 1).expect("pending");
    assert_eq!(first.len(), 1, "one span goes, however large");
    let next = store.pending_after(A, first[0].seq, 5, first[0].bytes * 5 / 2).expect("pending");
    assert_eq!(next.iter().map(|queued| queued.record.span_id).collect::<Vec<_>>(), [span_id(0), span_id(1)]);
    assert_eq!(waiting(&store, B), []);
}

#[test]
fn a_span_offered_twice_keeps_its_first_record_and_its_delivery() {
    let store = memory();
    let again = SpanRecord { name: "again".to_owned(), ..span(1, 1) };
    store.append(&finished([span(1, 1), again.clone()]), ME, Some(A)).expect("append");
    assert_eq!(ack_all(&store, A), 1);
    store.append(&finished([again]), ME, Some(A)).expect("append");
    assert_eq!(waiting(&store, A), []);
    assert_eq!(store.spans(trace_id(1)).expect("spans"), [span(1, 1)]);
    assert_eq!((summary(&store, 1).spans, summary(&store, 1).undelivered), (1, 0));
}

#[test]
fn a_trace_without_destination_waits_for_push_and_a_delivered_one_is_not_sent_again() {
    let store = memory();
    store.append(&finished([span(1, 1), span(1, 0)]), ME, None).expect("append");
    store.append(&finished([span(2, 0)]), ME, Some(A)).expect("append");
    assert_eq!(store.pending_counts(None).expect("counts").pending, Counts { traces: 1, spans: 2 });
    assert_eq!(store.adopt(A, Adopt::Undirected).expect("adopt"), Counts { traces: 1, spans: 2 });
    assert_eq!(store.adopt(A, Adopt::Undirected).expect("adopt"), Counts::default());
    assert_eq!(store.pending_counts(Some(A)).expect("counts").pending, Counts { traces: 2, spans: 3 });

    // Two of three delivered to A; a rejected one is settled, and named.
    let queued = store.pending(A, 3, usize::MAX).expect("pending");
    store.ack(A, &[queued[0].seq, queued[1].seq]).expect("ack");
    store.reject(A, queued[2].seq, "422: cannot convert").expect("reject");
    assert_eq!(store.pending_counts(Some(A)).expect("counts").pending, Counts::default());
    let refused = queued[2].record.trace_id;
    assert_eq!(store.rejections(refused).expect("readable"), ["422: cannot convert"]);
    assert_eq!(store.statistics().expect("statistics").delivered_spans, 2);

    // Elsewhere all of it goes, the rejected one too; an answer of A that comes late changes nothing.
    assert_eq!(store.adopt(B, Adopt::All).expect("adopt"), Counts { traces: 2, spans: 3 });
    store.ack(A, &queued.iter().map(|queued| queued.seq).collect::<Vec<_>>()).expect("ack");
    store.reject(A, queued[0].seq, "late").expect("reject");
    assert_eq!(waiting(&store, B).len(), 3);
    assert_eq!(ack_all(&store, B), 3);
    assert_eq!(store.adopt(B, Adopt::All).expect("adopt"), Counts::default());

    // Back to A goes only what A has not got.
    let back = store.adopt(A, Adopt::All).expect("adopt");
    assert_eq!(back.traces, 1);
    assert!(waiting(&store, A).iter().all(|(trace, _)| *trace == refused));
    assert_eq!(store.adopt(B, Adopt::Trace(trace_id(9))).expect("adopt"), Counts::default());
}

#[test]
fn a_damaged_record_is_rejected_and_holds_nothing_up() {
    let store = memory();
    store.append(&finished([span(1, 1), span(1, 2), span(1, 0)]), ME, Some(A)).expect("append");
    store.append(&finished([span(2, 1), span(2, 2), span(2, 0)]), ME, Some(A)).expect("append");
    store.append(&finished([span(3, 0)]), ME, Some(A)).expect("append");
    // One span of the first trace: the ending of the second one is none. The whole of the second.
    let mut stored: Vec<u8> =
        store.connection().query_row("SELECT record FROM spans WHERE seq = 1", [], |row| row.get(0)).expect("a block");
    let id = span_id(2).to_u64().to_le_bytes();
    let at = stored.windows(8).position(|bytes| bytes == id).expect("the id of the second");
    stored[at + 26] = 0xff;
    store.connection().execute("UPDATE spans SET record = ? WHERE seq = 1", [stored]).expect("damage");
    store.connection().execute("UPDATE spans SET record = x'7b00' WHERE seq = 4", []).expect("damage");

    assert_eq!(store.pending(A, 1, usize::MAX).expect("pending").len(), 1);
    assert_eq!(waiting(&store, A), [(1, 1), (1, 0), (3, 0)].map(|(trace, n)| (trace_id(trace), span_id(n))));
    assert_eq!((summary(&store, 1).rejected, summary(&store, 1).undelivered), (1, 2));
    assert_eq!((summary(&store, 2).rejected, summary(&store, 2).undelivered), (3, 0));
    assert_eq!(store.rejections(trace_id(2)).expect("readable"), ["the stored record cannot be read"; 3]);
    assert_eq!(ack_all(&store, A), 3);
    assert!(store.spans(trace_id(1)).expect_err("damaged").is_store());
}

#[test]
fn one_exporter_at_a_time_for_one_destination() {
    let folder = tempfile::tempdir().expect("a folder");
    let (one, other) = (Store::open(folder.path()).expect("a store"), Store::open(folder.path()).expect("a store"));
    let lease = one.exporter_lease(A).expect("lease").expect("free");
    assert!(other.exporter_lease(A).expect("lease").is_none());
    assert!(one.exporter_lease(A).expect("lease").is_none());
    assert!(other.exporter_lease(B).expect("lease").is_some());
    drop(lease);
    assert!(other.exporter_lease(A).expect("lease").is_some());
    assert!(memory().exporter_lease(A).expect("lease").is_some());
}

#[derive(Clone, Debug)]
enum Step {
    Append { trace: u64, spans: Vec<u64>, destination: Option<&'static str> },
    Deliver { destination: &'static str, at_most: usize, rejecting: bool },
    Adopt { destination: &'static str, which: Adopt },
    Reopen,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let destination = || prop_oneof![Just(A), Just(B)];
    let append = (0..4u64, prop::collection::vec(0..6u64, 1..6), prop::option::of(destination()))
        .prop_map(|(trace, spans, destination)| Step::Append { trace, spans, destination });
    let deliver = (destination(), 1..6usize, any::<bool>())
        .prop_map(|(destination, at_most, rejecting)| Step::Deliver { destination, at_most, rejecting });
    let which =
        prop_oneof![Just(Adopt::Undirected), Just(Adopt::All), (0..4u64).prop_map(|n| Adopt::Trace(trace_id(n)))];
    let adopt = (destination(), which).prop_map(|(destination, which)| Step::Adopt { destination, which });
    prop::collection::vec(prop_oneof![5 => append, 4 => deliver, 1 => adopt, 1 => Just(Step::Reopen)], 1..25)
}

/// The queue as a reader of the module header would write it.
#[derive(Default)]
struct Model {
    traces: BTreeMap<TraceId, ModelTrace>,
    delivered: Vec<(&'static str, TraceId, SpanId)>,
}

#[derive(Default)]
struct ModelTrace {
    destination: Option<&'static str>,
    spans: BTreeSet<SpanId>,
    waiting: BTreeSet<SpanId>,
    rejected: BTreeSet<SpanId>,
    before: BTreeSet<(&'static str, usize)>,
}

impl ModelTrace {
    fn redirect(&mut self, destination: &'static str) {
        if let Some(old) = self.destination.replace(destination)
            && self.waiting.is_empty()
            && self.rejected.is_empty()
        {
            self.before.retain(|(known, _)| *known != old);
            self.before.insert((old, self.spans.len()));
        }
        self.rejected.clear();
        self.waiting = self.spans.clone();
    }
}

impl Model {
    fn append(&mut self, trace: u64, spans: &[u64], destination: Option<&'static str>) {
        let row = self.traces.entry(trace_id(trace)).or_insert(ModelTrace { destination, ..ModelTrace::default() });
        if let (None, Some(destination)) = (row.destination, destination) {
            row.redirect(destination);
        }
        for span in spans.iter().map(|n| span_id(*n)) {
            if row.spans.insert(span) {
                row.waiting.insert(span);
            }
        }
    }

    fn adopt(&mut self, destination: &'static str, which: Adopt) -> u64 {
        let mut count = 0;
        for (id, row) in &mut self.traces {
            let chosen = match which {
                Adopt::Undirected => row.destination.is_none(),
                Adopt::All => {
                    row.destination != Some(destination) && !row.before.contains(&(destination, row.spans.len()))
                }
                Adopt::Trace(wanted) => row.destination != Some(destination) && wanted == *id,
            };
            if chosen {
                row.redirect(destination);
                count += row.spans.len() as u64;
            }
        }
        count
    }

    fn waiting(&self, destination: &str) -> BTreeSet<(TraceId, SpanId)> {
        let rows = self.traces.iter().filter(|(_, row)| row.destination == Some(destination));
        rows.flat_map(|(id, row)| row.waiting.iter().map(|span| (*id, *span))).collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn whatever_happens_every_span_waits_for_its_destination_until_it_is_settled(steps in steps()) {
        let folder = tempfile::tempdir().expect("a folder");
        let mut store = Store::open(folder.path()).expect("a store");
        let mut model = Model::default();
        for step in steps {
            match step {
                Step::Append { trace, spans, destination } => {
                    let batch = finished(spans.iter().map(|n| span(trace, *n)));
                    store.append(&batch, ME, destination).expect("append");
                    model.append(trace, &spans, destination);
                }
                Step::Deliver { destination, at_most, rejecting } => {
                    let queued = store.pending(destination, at_most, usize::MAX).expect("pending");
                    prop_assert!(queued.is_sorted_by_key(|queued| queued.seq));
                    prop_assert_eq!(queued.len(), model.waiting(destination).len().min(at_most));
                    for queued in &queued {
                        let row = model.traces.get_mut(&queued.record.trace_id).expect("a known trace");
                        prop_assert!(row.waiting.remove(&queued.record.span_id), "sent twice");
                        if rejecting {
                            row.rejected.insert(queued.record.span_id);
                            store.reject(destination, queued.seq, "refused").expect("reject");
                        } else {
                            model.delivered.push((destination, queued.record.trace_id, queued.record.span_id));
                        }
                    }
                    if !rejecting {
                        store.ack(destination, &queued.iter().map(|queued| queued.seq).collect::<Vec<_>>()).expect("ack");
                    }
                }
                Step::Adopt { destination, which } => {
                    let adopted = store.adopt(destination, which).expect("adopt");
                    prop_assert_eq!(adopted.spans, model.adopt(destination, which));
                }
                Step::Reopen => store = Store::open(folder.path()).expect("a store"),
            }
            for destination in [A, B] {
                let stored = waiting(&store, destination);
                prop_assert_eq!(stored.iter().copied().collect::<BTreeSet<_>>().len(), stored.len());
                prop_assert_eq!(stored.into_iter().collect::<BTreeSet<_>>(), model.waiting(destination));
            }
            for (id, row) in &model.traces {
                let stored = store.trace(*id).expect("readable").expect("a trace");
                prop_assert_eq!(stored.destination.as_deref(), row.destination);
                prop_assert_eq!(
                    (stored.spans, stored.undelivered, stored.rejected),
                    (row.spans.len() as u64, row.waiting.len() as u64, row.rejected.len() as u64)
                );
            }
        }
    }
}

#[test]
fn a_sweep_stops_when_patience_ends_and_goes_on_where_it_stopped() {
    let store = memory();
    store.append(&finished((0..300).flat_map(|n| [span(n, 1), span(n, 0)])), ME, Some(A)).expect("append");
    store.append(&finished([span(300, 1)]), ME, Some(A)).expect("append");
    ack_all(&store, A);
    let limits = Limits { max_age: Duration::from_secs(60), max_bytes: u64::MAX };
    assert_eq!(store.sweep_for(limits, Duration::MAX).expect("sweep").0.delivered.traces, 0, "it came just now");
    stored_as_it_happened(&store);
    let (mut removed, mut rounds) = (0, 0);
    loop {
        let (evicted, is_done) = store.sweep_for(limits, Duration::ZERO).expect("sweep");
        assert!(evicted.delivered.traces <= 64, "{evicted:?}");
        removed += evicted.delivered.traces;
        rounds += 1;
        if is_done {
            break;
        }
        if removed < 300 {
            assert!(store.trace(trace_id(300)).expect("readable").is_some(), "what has not ended goes last");
        }
    }
    assert_eq!((removed, rounds), (301, 7));
}

#[test]
fn who_counted_what_of_a_run_is_forgotten_with_its_age() {
    let store = memory();
    assert!(store.claim_metric("r", "agent:feedback").expect("write"));
    assert!(!store.claim_metric("r", "agent:feedback").expect("write"));
    assert!(store.claim("run:old:feedback").expect("write") && store.claim("other").expect("write"));
    store.sweep(Limits::default()).expect("sweep");
    assert!(!store.claim_metric("r", "agent:feedback").expect("write"), "it is young");
    assert!(!store.claim("run:old:feedback").expect("write"), "nobody knows how old it is");
    store.sweep(Limits { max_age: Duration::ZERO, ..Limits::default() }).expect("sweep");
    assert!(
        store.claim_metric("r", "agent:feedback").expect("write") && store.claim("run:old:feedback").expect("write")
    );
    assert!(!store.claim("other").expect("write"), "that is no claim of a run");
}
