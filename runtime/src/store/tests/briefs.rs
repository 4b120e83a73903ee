//! Traces as reports read them.

use proptest::prelude::*;

use super::keeping::any_record;
use super::*;
use crate::record::{AttributeValue, ModelCallCost};

fn all(store: &Store, filter: &BriefFilter) -> Vec<TraceBrief<'static>> {
    let mut found = Vec::new();
    store.briefs(filter, |brief| found.push(brief.to_static())).expect("readable");
    found
}

fn model(seed: u64) -> ModelFacts {
    ModelFacts {
        model: Some(format!("model \"{seed}\"")),
        provider: seed.is_multiple_of(2).then(|| "somebody".to_owned()),
        usage: (!seed.is_multiple_of(3)).then(|| Usage { input: seed, cache_read: Some(seed / 2), ..Usage::default() }),
        cost: seed.is_multiple_of(5).then_some(ModelCallCost { input: 0.25, output: 1.5 }),
        tools: Some(Json::of(&["a tool"])),
        ..ModelFacts::default()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn what_a_report_reads_is_what_the_spans_say(
        records in prop::collection::vec(any_record(), 1..80),
        wholes in prop::collection::vec(any::<bool>(), 1..7),
        first in 1..80usize,
    ) {
        let store = memory();
        let spans: Vec<SpanRecord> = records
            .into_iter()
            .enumerate()
            .map(|(n, record)| {
                let mut attributes = record.attributes;
                if wholes[n % wholes.len()] {
                    attributes.push(("asked for".to_owned(), AttributeValue::Int(n as i64)));
                }
                SpanRecord {
                    trace_id: trace_id(1),
                    span_id: span_id(n as u64),
                    parent_id: (n > 0).then(|| span_id(0)),
                    name: ["a", "b", "c"][n % 3].to_owned(),
                    model: (n % 4 > 0).then(|| model(n as u64)),
                    attributes,
                    ..record
                }
            })
            .collect();
        let (before, behind) = spans.split_at(first.min(spans.len()));
        store.append(&finished(before.to_vec()), ME, None).expect("append");
        store.append(&finished(behind.to_vec()), ME, None).expect("append");

        let found = all(&store, &BriefFilter { whole_if: &["asked for"], ..BriefFilter::default() });
        prop_assert_eq!(found.len(), 1);
        prop_assert_eq!(found[0].unreadable, 0);
        let key = |span: &SpanBrief<'_>| span.span_id;
        let mut read = found[0].spans.clone();
        read.sort_by_key(key);
        let mut expected: Vec<SpanBrief<'_>> = Vec::new();
        for record in store.spans(trace_id(1)).expect("spans") {
            let is_wanted = record.attribute("asked for").is_some();
            let whole = is_wanted.then(|| Box::new(record.clone()));
            expected.push(SpanBrief { whole, ..SpanBrief::from(record) });
        }
        expected.sort_by_key(key);
        // Compared as text: NaN equals nothing, itself included.
        prop_assert_eq!(format!("{read:?}"), format!("{expected:?}"));
    }
}

#[test]
fn traces_are_shown_once_each_and_as_they_were_chosen() {
    let store = memory();
    let mut root = span(2, 0);
    root.workflow = Some(Box::new(WorkflowFacts {
        tags: vec![("workflow".into(), "planning".into())],
        experiment: Some("tried".into()),
        ..WorkflowFacts::default()
    }));
    root.ending = Ending::Error;
    // The first has come in two batches; of the last only the open root is known.
    store.append(&finished([span(1, 1)]), ME, None).expect("append");
    store.append(&finished([span(1, 0), root, span(3, 0)]), ME, None).expect("append");
    store.append(&Batch { open: vec![span(4, 0)], ..Batch::default() }, ME, None).expect("append");

    let found = all(&store, &BriefFilter::default());
    let said: Vec<_> = found.iter().map(|one| (one.trace_id, one.spans.len(), one.state, one.workflow())).collect();
    let expected = [
        (trace_id(1), 2, TraceState::Ok, "span 0"),
        (trace_id(2), 1, TraceState::Error, "planning"),
        (trace_id(3), 1, TraceState::Ok, "span 0"),
        (trace_id(4), 0, TraceState::Running, "span 0"),
    ];
    assert_eq!(said, expected);
    assert_eq!(found[1].experiment.as_deref(), Some("tried"));

    let chosen = |filter: BriefFilter| all(&store, &filter).iter().map(|one| one.trace_id).collect::<Vec<_>>();
    let from_2_to_3 = BriefFilter { since_unix_ns: 2_000, until_unix_ns: 3_000, ..BriefFilter::default() };
    assert_eq!(chosen(from_2_to_3), [trace_id(2)]);
    let planning = BriefFilter { workflow: Some("planning".into()), ..BriefFilter::default() };
    assert_eq!(chosen(planning), [trace_id(2)]);
    let unnamed = BriefFilter { workflow: Some("span 0".into()), ..BriefFilter::default() };
    assert_eq!(chosen(unnamed), [trace_id(1), trace_id(3), trace_id(4)]);
    assert_eq!(chosen(BriefFilter { trace: Some(trace_id(3)), ..BriefFilter::default() }), [trace_id(3)]);
    assert_eq!(chosen(BriefFilter { trace: Some(trace_id(9)), ..BriefFilter::default() }), []);
    assert_eq!(all(&memory(), &BriefFilter::default()), []);
}

#[test]
fn who_writes_waits_for_no_report_and_a_report_that_stops_leaves_nothing_held() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(folder.path()).expect("a store");
    for trace in 1..=3_000 {
        store.append(&finished([span(trace, 0)]), ME, None).expect("append");
    }
    let writer = store.reopen().expect("a second handle");
    let mut seen = 0;
    store
        .briefs(&BriefFilter::default(), |_| {
            seen += 1;
            if seen % 500 == 1 {
                writer.append(&finished([span(10_000 + seen, 0)]), ME, None).expect("it is not held up");
            }
        })
        .expect("readable");
    // Those that came after the last number was asked for are of the next report.
    assert_eq!(seen, 3_000);
    let stopped = std::panic::catch_unwind(|| {
        store.briefs(&BriefFilter::default(), |_| std::panic::resume_unwind(Box::new("seen enough")))
    });
    assert!(stopped.is_err());
    assert_eq!(all(&store, &BriefFilter::default()).len(), 3_006);
}

#[test]
fn a_record_that_cannot_be_read_is_counted_and_the_others_are_shown() {
    let store = memory();
    store.append(&finished([span(1, 1), span(1, 0), span(2, 0)]), ME, None).expect("append");
    store
        .write("damage a record", |transaction| {
            let first: Vec<u8> =
                transaction.query_row("SELECT record FROM spans WHERE seq = 1", [], |row| row.get(0))?;
            transaction.execute("UPDATE spans SET record = ?1 WHERE seq = 1", [&first[..first.len() - 3]])
        })
        .expect("written");
    let found = all(&store, &BriefFilter::default());
    let read: Vec<_> = found.iter().map(|one| (one.spans.len(), one.unreadable)).collect();
    assert_eq!(read, [(1, 1), (1, 0)]);
}

#[test]
fn a_run_id_leads_to_its_trace() {
    let store = memory();
    let id = TraceId::from_halves(0x0123_4567_89ab_fdef, 0xfedc_ba98_7654_3210);
    store.append(&finished([SpanRecord { trace_id: id, ..span(1, 0) }, span(2, 0)]), ME, None).expect("append");
    let run_id = crate::id::uuid_of(id);
    for text in [run_id.clone(), run_id.to_uppercase()] {
        assert_eq!(store.trace_of_run(&text).expect("readable").map(|trace| trace.trace_id), Some(id), "{text}");
    }
    for text in [
        "",
        "01234567",
        "01234567-89ab-4def-9edc-ba9876543210",
        "zzzzzzzz-zzzz-4zzz-9zzz-zzzzzzzzzzzz",
        "ééééééééééééééé",
    ] {
        assert_eq!(store.trace_of_run(text).expect("readable"), None, "{text}");
    }
}
