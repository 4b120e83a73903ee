//! What is said of traces, in the queue and out of it.

use super::*;
use crate::record::Assessment;

fn said(id: u64, trace: u64) -> Assessment {
    let trace_id = TraceId::from_halves(0, trace);
    Assessment { trace_id, id: format!("a-{id:032x}"), time_unix_ns: 1, ..Assessment::feedback("check", true) }
}

fn append(store: &Store, assessments: Vec<Assessment>, destination: Option<&str>) {
    let batch = Batch { assessments, ..Batch::default() };
    store.append(&batch, ProcessId(1), destination).expect("append");
}

fn pending(store: &Store, destination: &str) -> Vec<String> {
    let pending = store.pending_assessments(destination, 10).expect("read");
    pending.into_iter().map(|queued| queued.assessment.id[32..].to_owned()).collect()
}

#[test]
fn an_assessment_waits_for_its_destination_until_it_is_settled_and_is_one_however_often_it_is_said() {
    let store = Store::in_memory().expect("a store");
    append(&store, vec![said(1, 7), said(2, 7)], Some(A));
    append(
        &store,
        vec![Assessment::feedback("check", false)]
            .into_iter()
            .map(|one| Assessment { id: said(1, 7).id, ..one })
            .collect(),
        Some(A),
    );
    append(&store, vec![said(3, 8)], None);
    assert_eq!((pending(&store, A), pending(&store, B)), (vec!["01".into(), "02".into()], vec![]));
    assert_eq!(store.assessments(TraceId::from_halves(0, 7)).expect("read"), [said(1, 7), said(2, 7)]);

    let queued = store.pending_assessments(A, 1).expect("read");
    store.put_off_assessment(queued[0].number, u64::MAX).expect("write");
    assert_eq!((pending(&store, A), store.waiting_assessments(Some(A)).expect("read")), (vec!["02".into()], 2));
    let queued = store.pending_assessments(A, 1).expect("read");
    store.ack_assessment(queued[0].number).expect("write");
    append(&store, vec![said(2, 7)], Some(A));
    assert_eq!((pending(&store, A), store.waiting_assessments(Some(A)).expect("read")), (vec![], 1));

    assert_eq!(store.waiting_assessments(None).expect("read"), 1);
    assert_eq!(store.adopt_assessments(B, Adopt::Undirected).expect("write"), 1);
    assert_eq!(pending(&store, B), ["03"]);
    assert_eq!(store.adopt_assessments(B, Adopt::Trace(TraceId::from_halves(0, 7))).expect("write"), 2);
    assert_eq!(pending(&store, B), ["01", "02", "03"]);

    let queued = store.pending_assessments(B, 1).expect("read");
    store.reject_assessment(queued[0].number, "no such trace").expect("write");
    assert_eq!(pending(&store, B), ["02", "03"]);
    // What waits stays however old it is; what is done with goes.
    store.sweep(Limits::default()).expect("sweep");
    assert_eq!(store.assessments(TraceId::from_halves(0, 7)).expect("read"), [said(2, 7)]);
}

#[test]
fn what_was_said_moves_with_a_store_that_is_put_aside() {
    let (from, to) = (Store::in_memory().expect("a store"), Store::in_memory().expect("a store"));
    append(&from, vec![said(1, 7), said(2, 7)], Some(A));
    append(&from, vec![said(3, 7)], None);
    let queued = from.pending_assessments(A, 1).expect("read");
    from.ack_assessment(queued[0].number).expect("write");
    crate::store::salvage::bring_over(&from, &to).expect("written");
    assert_eq!((pending(&to, A), to.waiting_assessments(None).expect("read")), (vec!["02".into()], 1));
}
