//! Runs: opened for a trace, filled from its spans, linked, ended; and the user's own, which stay open.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json as value};
use spanwright::record::{RunFacts, RunMetric, RunRequest, SpanRecord};
use spanwright_tests::faults::{Act, Faulty};
use spanwright_tests::mlflow;

use crate::delivery::{Line, Trace, config, failed, fresh};

fn opening(mut root: SpanRecord, name: Option<&str>) -> SpanRecord {
    root.workflow.as_mut().expect("a workflow").opens_run = Some(RunRequest { name: name.map(str::to_owned) });
    root
}

fn metric(key: &str, value: f64, step: i64) -> RunMetric {
    RunMetric { key: key.into(), value, time_unix_ns: 1_795_207_387_441_000_000, step }
}

fn facts(params: &[(&str, &str)], metrics: Vec<RunMetric>, tags: &[(&str, &str)]) -> Option<Box<RunFacts>> {
    let own = |pairs: &[(&str, &str)]| pairs.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
    Some(Box::new(RunFacts { params: own(params), metrics, tags: own(tags) }))
}

#[test]
fn a_run_is_opened_filled_linked_and_finished() {
    let server = mlflow::shared();
    let experiment = fresh("run");
    let trace = Trace::new();
    let mut step = trace.child("step");
    step.run =
        facts(&[("model", "a"), ("odd (key)", "kept")], vec![metric("loss", 0.5, 0), metric("loss", 0.25, 1)], &[]);
    let mut root = opening(trace.root("training"), Some("evening run"));
    root.run =
        facts(&[("seed", "7")], vec![metric("broken", f64::NAN, 0)], &[("stage", "test"), ("mlflow.user", "no")]);
    Line::to(server.uri(), &experiment).deliver(&[step, root]);

    let runs = server.runs(&experiment);
    assert_eq!(runs.len(), 1);
    let run = &runs[0];
    assert_eq!((&run["name"], &run["status"]), (&value!("evening run"), &value!("FINISHED")));
    assert_eq!(run["params"], value!({"model": "a", "odd _key_": "kept", "seed": "7"}));
    assert_eq!(run["metrics"], value!({"loss": 0.25, "broken": "nan"}));
    assert_eq!((&run["tags"]["stage"], &run["tags"]["mlflow.user"]), (&value!("test"), &Value::Null));
    assert_eq!(run["traces"], value!([trace.mlflow_id()]));
    assert!(run["start_time"].as_u64() > Some(0) && run["end_time"].as_u64() >= run["start_time"].as_u64(), "{run:#}");
}

#[test]
fn a_failed_workflow_fails_its_run_and_spans_sent_before_count_too() {
    let server = mlflow::shared();
    let experiment = fresh("failed run");
    let trace = Trace::new();
    let line = Line::to(server.uri(), &experiment);
    let mut early = trace.child("early");
    early.run = facts(&[("early", "yes")], vec![], &[]);
    let open = opening(trace.root("training"), None);
    line.put_batch(&spanwright::record::Batch { finished: vec![early], open: vec![open], ..Default::default() });
    assert_eq!(line.flush().pending, 0);
    assert_eq!(server.runs(&experiment).len(), 0, "the run is opened with the root");

    line.deliver(&[failed(opening(trace.root("training"), None), "E", "diverged")]);
    let mut late = trace.child("late");
    late.run = facts(&[("late", "yes")], vec![], &[]);
    line.deliver(&[late]);
    let runs = server.runs(&experiment);
    assert_eq!(runs.len(), 1);
    assert_eq!((&runs[0]["name"], &runs[0]["status"]), (&value!("training"), &value!("FAILED")));
    assert_eq!(runs[0]["params"], value!({"early": "yes", "late": "yes"}));
    assert_eq!(runs[0]["traces"], value!([trace.mlflow_id()]));
}

#[test]
fn a_run_given_by_the_user_is_linked_and_left_open() {
    let server = mlflow::shared();
    let experiment = fresh("given run");
    let first = Trace::new();
    Line::to(server.uri(), &experiment).deliver(&[opening(first.root("makes a run"), None)]);
    let given = server.runs(&experiment)[0]["run_id"].as_str().expect("a run").to_owned();
    let status_before = server.runs(&experiment)[0]["end_time"].clone();

    let linked = Trace::new();
    let mut root = linked.root("joins it");
    root.run = facts(&[("joined", "yes")], vec![], &[]);
    let nested = Trace::new();
    let settings = config(server.uri(), &experiment, |overrides| overrides.run_id = Some(given.clone()));
    Line::with(settings).deliver(&[root, opening(nested.root("below it"), None)]);

    let runs = server.runs(&experiment);
    let run = runs.iter().find(|run| run["run_id"] == given.as_str()).expect("the run");
    assert!(run["traces"].as_array().expect("traces").contains(&value!(linked.mlflow_id())));
    assert_eq!(run["params"]["joined"], "yes");
    assert_eq!(run["end_time"], status_before, "nobody ended it again");
    let below = runs.iter().find(|run| run["tags"]["mlflow.parentRunId"] == given.as_str()).expect("a run below it");
    assert_eq!(below["traces"], value!([nested.mlflow_id()]));
}

#[test]
fn a_run_whose_creation_went_unanswered_is_found_again_not_made_twice() {
    let server = mlflow::shared();
    let experiment = fresh("unanswered run");
    let port = server.uri().rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
    let first = Arc::new(AtomicBool::new(true));
    let proxy = Faulty::start(move |seen, _| {
        let is_first = seen.path.ends_with("/runs/create") && first.swap(false, Ordering::AcqRel);
        let seen = Box::new(seen.clone());
        if is_first { Act::ForwardThenHang(port, seen) } else { Act::Forward(port, seen) }
    });
    let trace = Trace::new();
    let line = Line::to(&proxy.uri(), &experiment);
    line.put(&[opening(trace.root("flow"), None)]);
    line.wait_until_delivered();
    let runs = server.runs(&experiment);
    assert_eq!(runs.len(), 1, "{runs:#?}");
    assert_eq!((&runs[0]["status"], &runs[0]["traces"]), (&value!("FINISHED"), &value!([trace.mlflow_id()])));
}

#[test]
fn more_than_one_request_of_params_and_one_the_server_refuses() {
    let server = mlflow::shared();
    let experiment = fresh("big run");
    let trace = Trace::new();
    let many: Vec<_> = (0..230).map(|n| (format!("p{n}"), n.to_string())).collect();
    let many: Vec<_> = many.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    let mut root = opening(trace.root("flow"), None);
    root.run = facts(&many, (0..1500).map(|step| metric("m", step as f64, step)).collect(), &[]);
    let line = Line::to(server.uri(), &experiment);
    line.deliver(&[root]);
    // A param cannot change: the new value of one is refused, the others beside it arrive.
    let mut late = trace.child("late");
    late.run = facts(&[("a", "1"), ("p7", "other"), ("z", "2")], vec![], &[]);
    line.put(&[late]);
    assert_eq!(line.flush().pending, 0);
    let run = &server.runs(&experiment)[0];
    let params = run["params"].as_object().expect("params");
    assert_eq!(
        (params.len(), &params["p7"], &params["a"], &params["z"]),
        (232, &value!("7"), &value!("1"), &value!("2"))
    );
    assert_eq!(run["metrics"]["m"], 1499.0);
    assert!(matches!(line.said().as_slice(), [one] if one.contains("param `p7`")), "{:?}", line.said());
}

#[test]
fn a_given_run_that_is_not_there_is_said_once_and_costs_no_span() {
    let server = mlflow::shared();
    for run in ["00000000000000000000000000000000", "no run's id"] {
        let line = Line::with(config(server.uri(), &fresh("no run"), |overrides| overrides.run_id = Some(run.into())));
        for _ in 0..2 {
            let trace = Trace::new();
            line.put(&[trace.root("flow")]);
            assert_eq!(line.flush().pending, 0);
            assert!(server.trace(&trace.mlflow_id()).is_some());
        }
        let said = line.said();
        assert!(matches!(said.as_slice(), [one] if one.contains(run) && one.contains("MLFLOW_RUN_ID")), "{said:?}");
    }
}
