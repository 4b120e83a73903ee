//! Trouble that lasts, and processes beside one another: what each may cost, and what it may not.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use spanwright::export::push;
use spanwright::store::{Adopt, Store};
use spanwright_tests::faults::{Act, Faulty};
use spanwright_tests::mlflow;

use crate::delivery::{Line, Trace, config};
use crate::mlflow_faults::{holds, scripted};

/// A line on a store in `folder`, as another process would have it.
fn beside(folder: &std::path::Path, uri: &str) -> Line {
    let mut line = Line::idle(config(uri, "any", |_| {}));
    line.store = Store::open(folder).expect("a store");
    line.start();
    line
}

#[test]
fn beside_a_process_with_nothing_to_deliver_another_delivers_at_once() {
    let faulty = scripted("3.17.2", |_, _| Act::status(200));
    let folder = tempfile::tempdir().expect("a folder");
    let lasting = beside(folder.path(), &faulty.uri());
    lasting.deliver(&[Trace::new().root("first")]);
    std::thread::sleep(Duration::from_millis(500));

    let short = beside(folder.path(), &faulty.uri());
    short.put(&[Trace::new().root("second")]);
    let asked = Instant::now();
    let delivery = short.exporter().flush(asked + Duration::from_secs(2));
    assert_eq!((delivery.delivered, delivery.pending), (1, 0), "after {:?}", asked.elapsed());

    // What nobody wakes the lasting one for.
    short
        .store
        .append(
            &spanwright::record::Batch { finished: vec![Trace::new().root("third")], ..Default::default() },
            spanwright::store::ProcessId(2),
            None,
        )
        .expect("stored");
    let pushed = push(&short.store, &short.config, Adopt::Undirected, |_| {}).expect("nobody stands in the way");
    assert_eq!((pushed.delivered, pushed.pending), (1, 0));
    assert_eq!(faulty.seen_at("/v1/traces").len(), 3);
}

#[test]
fn a_gateway_that_turns_sour_costs_no_span() {
    for status in [400, 413, 422] {
        let sour = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let now = sour.clone();
        let faulty =
            scripted("3.17.2", move |_, _| Act::status(if now.load(Ordering::Acquire) { status } else { 200 }));
        let line = Line::to(&faulty.uri(), "any");
        line.deliver(&[Trace::new().root("while it was well")]);
        sour.store(true, Ordering::Release);
        let trace = Trace::new();
        line.put(&[trace.child("a"), trace.child("b"), trace.root("root")]);
        let delivery = line.flush();
        assert_eq!((delivery.rejected, delivery.pending), (0, 3), "{status}: {:?}", line.said());
        sour.store(false, Ordering::Release);
        assert_eq!(line.flush().pending, 0);
    }
}

#[test]
fn a_flush_keeps_its_deadline_while_another_process_holds_the_store() {
    let faulty = scripted("3.17.2", |_, _| Act::status(200));
    let folder = tempfile::tempdir().expect("a folder");
    let line = beside(folder.path(), &faulty.uri());
    line.deliver(&[Trace::new().root("before")]);
    let held = mlflow::lock_database(&folder.path().join("store.db"));
    let (store, destination) = (line.store.clone(), line.destination());
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let batch = spanwright::record::Batch { finished: vec![Trace::new().root("late")], ..Default::default() };
            let _ = store.append(&batch, spanwright::store::ProcessId(1), Some(&destination));
        });
        std::thread::sleep(Duration::from_millis(200));
        let asked = Instant::now();
        line.exporter().shutdown(asked + Duration::from_millis(300));
        assert!(asked.elapsed() < Duration::from_millis(900), "{:?}", asked.elapsed());
        drop(held);
    });
}

#[test]
fn spans_from_the_future_do_not_wait_for_it() {
    let faulty = scripted("3.17.2", |_, _| Act::status(200));
    let line = Line::to(&faulty.uri(), "any");
    let mut child = Trace::new().child("its root died, and the clock has been set back");
    child.start_unix_ns += 86_400_000_000_000;
    child.end_unix_ns += 86_400_000_000_000;
    line.put(&[child]);
    assert_eq!(line.flush().pending, 0);
}

#[test]
fn an_experiment_that_takes_nothing_is_asked_for_now_and_then_only() {
    let faulty = Faulty::start(|seen, _| match seen.path.as_str() {
        "/version" => Act::Answer(200, vec![], "3.17.2".into()),
        path if path.contains("gone") => {
            Act::json(200, r#"{"experiment":{"experiment_id":"9","name":"gone","lifecycle_stage":"deleted"}}"#)
        }
        path if path.contains("experiments/") => {
            Act::json(200, r#"{"experiment":{"experiment_id":"7","name":"any","lifecycle_stage":"active"}}"#)
        }
        _ => Act::status(200),
    });
    let line = Line::to(&faulty.uri(), "any");
    for _ in 0..10 {
        let mut lost = Trace::new().root("meant for another");
        lost.workflow.as_mut().expect("a workflow").experiment = Some("gone".into());
        line.put(&[lost, Trace::new().root("alive")]);
        assert_eq!(line.flush().delivered, faulty.seen_at("/v1/traces").len() as u64);
    }
    assert_eq!(line.flush().pending, 10);
    let asked = faulty.seen().iter().filter(|seen| seen.path.contains("gone")).count();
    assert!(asked <= 2, "asked {asked} times");
    assert_eq!(line.said().len(), 1, "{:?}", line.said());
}

#[test]
fn spans_refused_for_one_cause_are_said_once() {
    let faulty = scripted("3.17.2", |seen, _| Act::status(if holds(&seen.body, "poison") { 422 } else { 200 }));
    let line = Line::to(&faulty.uri(), "any");
    for rejected in 1..4 {
        let trace = Trace::new();
        line.put(&[trace.child("poison"), trace.root("root")]);
        assert_eq!(line.flush().rejected, rejected);
    }
    assert_eq!(line.said().len(), 1, "{:?}", line.said());
}

#[test]
fn a_reply_without_end_is_not_read_to_its_end() {
    let endless = Faulty::start(|seen, _| match seen.path.as_str() {
        "/version" => Act::Answer(200, vec![], "3.17.2".into()),
        path if path.contains("experiments/") => Act::json(200, &" ".repeat(65 << 20)),
        _ => Act::status(200),
    });
    let line = Line::to(&endless.uri(), "any");
    line.put(&[Trace::new().root("flow")]);
    assert_eq!(line.flush().pending, 1);
    assert!(matches!(line.said().as_slice(), [one] if one.contains("longer than 64 MiB")), "{:?}", line.said());
}
