//! What is kept, and how it is read again.

use proptest::prelude::*;

use super::*;
use crate::record::{AttributeValue, ErrorFacts, Event, Json, RunFacts, RunMetric};

pub(super) fn any_record() -> impl Strategy<Value = SpanRecord> {
    let attribute = prop_oneof![
        any::<bool>().prop_map(AttributeValue::Bool),
        any::<i64>().prop_map(AttributeValue::Int),
        any::<f64>().prop_map(AttributeValue::Float),
        any::<String>().prop_map(AttributeValue::Text),
        any::<Vec<(String, u64)>>().prop_map(|value| AttributeValue::Json(Json::of(&value))),
    ];
    let attributes = prop::collection::vec((any::<String>(), attribute), 0..4);
    (any::<(u64, u64, u64, Option<u64>, u64)>(), any::<(String, String, Option<String>)>(), attributes, any::<f64>())
        .prop_map(|((high, low, id, parent, start), (name, text, error), attributes, value)| SpanRecord {
            trace_id: TraceId::from_halves(high, low),
            span_id: SpanId::from_u64(id),
            parent_id: parent.map(SpanId::from_u64),
            // Times beyond the year 2262 do not fit SQLite; the record keeps them all the same.
            start_unix_ns: start,
            end_unix_ns: u64::MAX,
            ending: Ending::Cancelled,
            error: error.map(|message| ErrorFacts { kind: text.clone(), message }),
            inputs: Some(Json::of(&name)),
            outputs: parent.map(|_| Json::of(&())),
            events: vec![Event { name: text.clone(), time_unix_ns: start, attributes: attributes.clone() }],
            run: Some(Box::new(RunFacts {
                metrics: vec![RunMetric { key: text.clone(), value, time_unix_ns: start, step: -1 }],
                ..RunFacts::default()
            })),
            name,
            attributes,
            ..span(0, 0)
        })
}

proptest! {
    #[test]
    fn a_record_comes_back_as_it_went_in(record in any_record()) {
        let store = memory();
        store.append(&finished([record.clone()]), ME, None).expect("append");
        // Compared as text: NaN equals nothing, itself included.
        prop_assert_eq!(format!("{:?}", store.spans(record.trace_id).expect("spans")), format!("{:?}", [record]));
    }
}

proptest! {
    // Each of them makes some hundred records, and reads them twice.
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_trace_comes_back_as_it_went_in_however_it_was_split(
        records in prop::collection::vec(any_record(), 1..150),
        splits in prop::collection::vec(1..80usize, 1..5),
    ) {
        let store = memory();
        // One trace of few sites, some of its spans offered again.
        let names = ["a", "b", "c"];
        let records: Vec<_> = records
            .into_iter()
            .enumerate()
            .map(|(n, record)| SpanRecord {
                trace_id: trace_id(1),
                span_id: span_id(n as u64),
                parent_id: (n > 0).then(|| span_id(0)),
                name: names[n % 3].to_owned(),
                start_unix_ns: n as u64,
                ..record
            })
            .collect();
        let mut rest = records.as_slice();
        for split in splits.iter().cycle() {
            let (some, behind) = rest.split_at((*split).min(rest.len()));
            let again = some.iter().chain(&records[..split / 2 % records.len()]).cloned();
            store.append(&finished(again), ME, Some(A)).expect("append");
            rest = behind;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(format!("{:?}", store.spans(trace_id(1)).expect("spans")), format!("{records:?}"));
        prop_assert_eq!(waiting(&store, A).len(), records.len());
    }
}

#[test]
fn tokens_beyond_all_measure_leave_the_list_of_traces_readable() {
    let store = memory();
    for n in 0..2 {
        let usage = Some(Usage { input: u64::MAX, output: 5, ..Usage::default() });
        let call = SpanRecord { model: Some(ModelFacts { usage, ..ModelFacts::default() }), ..span(1, n) };
        store.append(&finished([call]), ME, None).expect("append");
    }
    // Where SQLite's own sum would overflow, it becomes a floating-point number.
    assert_eq!(store.last_trace().expect("the list is read").expect("a trace").tokens, i64::MAX as u64);
}

#[test]
fn a_trace_is_summed_up_as_its_spans_come_in() {
    let store = memory();
    let failed = SpanRecord {
        ending: Ending::Error,
        model: Some(ModelFacts {
            usage: Some(Usage { input: 10, output: 5, ..Usage::default() }),
            ..ModelFacts::default()
        }),
        ..span(1, 2)
    };
    store.append(&finished([span(1, 1), failed]), ME, None).expect("append");
    let running = summary(&store, 1);
    assert_eq!(
        (running.state, running.ending, running.spans, running.errors, running.tokens),
        (TraceState::Running, None, 2, 1, 15)
    );
    assert_eq!(running.name, "span 1");

    let facts = WorkflowFacts {
        tags: vec![("workflow".to_owned(), "optimization".to_owned())],
        session: Some("s".to_owned()),
        user: Some("u".to_owned()),
        experiment: Some("e".to_owned()),
        opens_run: None,
        metadata: Vec::new(),
    };
    let root = SpanRecord { workflow: Some(Box::new(facts)), ending: Ending::Panic, ..span(1, 0) };
    store.append(&finished([root]), ME, Some(A)).expect("append");
    store.append(&finished([span(2, 0)]), ME, None).expect("append");
    let ended = summary(&store, 1);
    assert_eq!((ended.state, ended.ending, ended.name.as_str()), (TraceState::Error, Some(Ending::Panic), "span 0"));
    assert_eq!((ended.start_unix_ns, ended.end_unix_ns, ended.spans), (1_000, 1_102, 3));
    assert_eq!(ended.workflow.as_deref(), Some("optimization"));
    assert_eq!(
        (ended.session.as_deref(), ended.user.as_deref(), ended.experiment.as_deref()),
        (Some("s"), Some("u"), Some("e"))
    );
    assert_eq!((ended.destination.as_deref(), ended.undelivered), (Some(A), 3));

    assert_eq!(store.last_trace().expect("readable").map(|last| last.trace_id), Some(trace_id(2)));
    let listed =
        |filter| store.traces(&filter).expect("readable").iter().map(|trace| trace.trace_id).collect::<Vec<_>>();
    assert_eq!(listed(TraceFilter::default()), [trace_id(2), trace_id(1)]);
    assert_eq!(listed(TraceFilter { session: Some("s".to_owned()), ..TraceFilter::default() }), [trace_id(1)]);
    assert_eq!(listed(TraceFilter { workflow: Some("other".to_owned()), ..TraceFilter::default() }), []);
}

#[test]
fn a_trace_is_found_by_the_beginning_of_its_id() {
    let store = memory();
    store.append(&finished([span(1, 0), span(2, 0), span(15, 0)]), ME, None).expect("append");
    let found = |prefix: &str| store.traces_by_prefix(prefix).expect("readable").len();
    assert_eq!((found(""), found("f"), found("1"), found("tr-2"), found("100")), (3, 1, 1, 1, 1));
    assert_eq!(found(&trace_id(15).to_string().to_uppercase()), 1);
    assert_eq!((found("3"), found("xyz"), found("é"), found(&"0".repeat(33))), (0, 0, 0, 0));
}

#[test]
fn an_open_span_is_kept_until_it_ends_or_its_process_is_forgotten() {
    let store = memory();
    let (one, other) = (ProcessId(1), ProcessId(2));
    let open = |record: SpanRecord| Batch { open: vec![record], ..Batch::default() };
    let root = SpanRecord {
        workflow: Some(Box::new(WorkflowFacts { session: Some("s".to_owned()), ..WorkflowFacts::default() })),
        ..span(1, 0)
    };
    let callsites = vec![(7, "{\"name\":\"old\"}".to_owned()), (7, "{}".to_owned())];
    store.append(&Batch { callsites, ..open(root.clone()) }, one, Some(A)).expect("append");
    store.append(&open(SpanRecord { name: "later".to_owned(), ..root.clone() }), one, Some(A)).expect("append");
    store.append(&open(span(2, 5)), other, None).expect("append");
    assert_eq!(
        store.open_spans_of(one).expect("readable").iter().map(|span| span.name.as_str()).collect::<Vec<_>>(),
        ["later"]
    );
    assert_eq!(store.callsites_of(one).expect("readable"), [(7, "{}".to_owned())]);
    assert_eq!(store.processes().expect("readable"), [one, other]);
    assert_eq!(store.destination_of(one).expect("readable").as_deref(), Some(A));
    assert_eq!(store.destination_of(other).expect("readable"), None);

    // What the open root says reaches the children that are sent before it ends.
    store.append(&finished([span(1, 1)]), one, Some(A)).expect("append");
    let queued = store.pending(A, 10, usize::MAX).expect("pending");
    assert_eq!(queued[0].trace.facts.session.as_deref(), Some("s"));
    assert!(queued[0].trace.root_known && !queued[0].trace.root_ended);

    // The trace is running, for its destination; a trace whose open root is somebody else's to send is not.
    let running = store.running(A, 10).expect("readable");
    assert_eq!(running.iter().map(|(trace, _)| *trace).collect::<Vec<_>>(), [trace_id(1)]);
    assert_eq!((running[0].1.name.as_str(), running[0].1.facts.session.as_deref()), ("later", Some("s")));
    assert_eq!(store.open_root(trace_id(1)).expect("readable").map(|root| root.name).as_deref(), Some("later"));
    assert_eq!(
        (store.running(A, 0).expect("readable"), store.open_root(trace_id(3)).expect("readable")),
        (vec![], None)
    );

    // Ended: no longer open, and not opened again by a report that comes late.
    store.append(&finished([root.clone()]), one, Some(A)).expect("append");
    store.append(&open(root), one, Some(A)).expect("append");
    assert_eq!(store.open_spans_of(one).expect("readable"), []);
    assert_eq!(summary(&store, 1).state, TraceState::Ok);

    assert_eq!(store.running(A, 10).expect("readable"), []);

    store.forget_process(other).expect("forget");
    assert_eq!(store.open_spans_of(other).expect("readable"), []);
    assert_eq!(store.processes().expect("readable"), [one]);
}

#[test]
fn losses_are_added_once_whoever_says_them_and_outlive_who_had_them() {
    let store = memory();
    let (one, other) = (ProcessId(1), ProcessId(2));
    let say = |process, spans, orphaned, remains| {
        let losses = Some(Losses { spans, orphaned, ..Losses::default() });
        store.append(&Batch { losses, remains, ..Batch::default() }, process, None).expect("append");
        let lost = store.statistics().expect("statistics").lost;
        (lost.spans, lost.orphaned)
    };
    assert_eq!(say(one, 5, 0, Remains::Process), (5, 0));
    assert_eq!(say(one, 7, 1, Remains::Process), (7, 1));
    assert_eq!(say(other, 2, 0, Remains::Process), (9, 1));
    assert_eq!(store.losses_of(one).expect("readable").spans, 7);
    // Whoever takes over has the file of the dead, which knows more of some causes and nothing of others.
    assert!(!store.is_settled(one).expect("readable"));
    assert_eq!(say(one, 8, 0, Remains::Chunks), (10, 1));
    assert!(store.is_settled(one).expect("readable") && store.processes().expect("readable") == [other]);
    store.forget_settled(|process| process == other).expect("forget");
    assert!(store.is_settled(one).expect("readable"));
    store.forget_settled(|process| process == one).expect("forget");
    assert!(!store.is_settled(one).expect("readable"));
    assert_eq!(say(other, 2, 0, Remains::Nothing), (10, 1));
    assert_eq!(store.losses_of(other).expect("readable"), Losses::default());
}

#[test]
fn a_key_is_claimed_once_and_leaves_with_its_trace() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(folder.path()).expect("a store");
    let winners = std::thread::scope(|scope| {
        let claims: Vec<_> =
            (0..8).map(|_| scope.spawn(|| store.reopen().expect("a store").claim("turn 1").expect("claim"))).collect();
        claims.into_iter().map(|claim| claim.join().expect("no panic")).filter(|won| *won).count()
    });
    assert_eq!(winners, 1);
    store.release("turn 1").expect("release");
    assert!(store.claim("turn 1").expect("claim"));
    assert_eq!(store.meta_get("turn 1").expect("readable").as_deref(), Some(""));

    let of_trace = format!("trace:{}:run", trace_id(1));
    store.append(&finished([span(1, 0)]), ME, None).expect("append");
    store.meta_set(&of_trace, "r").expect("set");
    store.meta_set(&format!("trace:{}:run", trace_id(2)), "kept").expect("set");
    store.sweep(Limits { max_bytes: 0, ..Limits::default() }).expect("sweep");
    assert_eq!(store.meta_get(&of_trace).expect("readable"), None);
    assert_eq!(store.meta_get(&format!("trace:{}:run", trace_id(2))).expect("readable").as_deref(), Some("kept"));
    assert!(!store.claim("turn 1").expect("claim"));
}
