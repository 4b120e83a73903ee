//! Agents that hand work to each other: the order to visit them in, and what a run of them came to.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use spanwright::testing::Recording;
use spanwright::tracker::{AgentGraph, Event, EventSink, GraphMetrics, GraphTracker, Reporting, TrackOutcome};
use spanwright::{AgentConfig, workflow};

#[derive(Default)]
struct Seen(Mutex<Vec<Value>>, Mutex<Vec<String>>);

impl EventSink for Seen {
    fn event(&self, event: &Event<'_>) {
        self.0.lock().expect("no panic").push(serde_json::to_value(event).expect("an event is JSON"));
    }

    fn warning(&self, line: &str) {
        self.1.lock().expect("no panic").push(line.to_owned());
    }
}

fn graph(root: &str, agents: &[&str], edges: &[(&str, &str)]) -> AgentGraph {
    let graph = agents.iter().fold(AgentGraph::new("trip", root), |graph, key| graph.agent(AgentConfig::new(*key)));
    edges.iter().fold(graph, |graph, (source, target)| graph.edge(*source, *target, json!({ "to": target })))
}

fn keys(agents: &[&AgentConfig]) -> Vec<String> {
    agents.iter().map(|agent| agent.key.clone()).collect()
}

/// A3-21
#[test]
fn a_graph_that_cannot_be_run_is_empty_and_can_be_tracked() {
    let whole = graph("a", &["a", "b"], &[("a", "b")]);
    let disabled = [
        graph("x", &["a", "b"], &[("a", "b")]),
        whole.clone().agent(AgentConfig { enabled: false, ..AgentConfig::new("b") }),
        whole.clone().edge("b", "nowhere", Value::Null),
    ];
    for graph in disabled {
        assert!(!graph.enabled() && graph.root().is_none() && graph.agents().is_empty() && graph.edges().is_empty());
        assert!(graph.traverse().is_empty() && graph.reverse_traverse().is_empty() && graph.terminals().is_empty());
        assert!(graph.create_tracker("ann").track_invocation_failure().is_recorded());
    }
    assert!(whole.enabled());
    assert_eq!((whole.edges()[0].id(), &whole.edges()[0].handoff), ("a-b".to_owned(), &json!({ "to": "b" })));
    assert_eq!(whole.get("b").and_then(|agent| agent.graph_key.as_deref()), Some("trip"));
}

/// A3-21
#[test]
fn every_agent_is_visited_once_nearer_ones_first_and_back_with_the_root_last() {
    let cycle = graph("a", &["a", "b", "c"], &[("a", "b"), ("b", "c"), ("c", "a")]);
    assert_eq!(keys(&cycle.traverse()), ["a", "b", "c"]);
    assert_eq!(keys(&cycle.reverse_traverse()), ["c", "b", "a"]);
    assert!(cycle.terminals().is_empty());

    let names: Vec<String> = (0..16).map(|n| format!("n{n:02}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let steps: Vec<_> = names.windows(2).map(|pair| (pair[0], pair[1])).collect();
    let chain = graph("n00", &names, &steps);
    assert_eq!(keys(&chain.traverse()), names);
    assert_eq!(keys(&chain.reverse_traverse()), names.iter().rev().copied().collect::<Vec<_>>());

    let diamond =
        graph("a", &["d", "c", "b", "a", "apart"], &[("a", "b"), ("a", "c"), ("b", "d"), ("c", "d"), ("b", "c")]);
    assert_eq!(keys(&diamond.traverse()), ["a", "b", "c", "d"]);
    assert_eq!(keys(&diamond.reverse_traverse()), ["d", "b", "c", "a"]);
    assert_eq!(
        (keys(&diamond.children("b")), keys(&diamond.parents("d"))),
        (vec!["d".into(), "c".into()], vec!["b".into(), "c".into()])
    );
}

/// A3-19
#[test]
fn a_run_of_a_graph_is_told_by_its_events_under_one_run_id() {
    let seen = Arc::new(Seen::default());
    let graph = graph("root", &["root", "a", "b", "c"], &[("root", "a"), ("a", "b"), ("b", "c")]).version(4);
    let tracker = graph.create_tracker_reporting("ann", Reporting::to(seen.clone()));
    tracker.track_handoff_success("root", "a");
    tracker.track_handoff_success("a", "b");
    tracker.track_handoff_failure("b", "c");
    tracker.track_redirect("b", "a");
    assert_eq!(tracker.track_path(["root", "a"]), TrackOutcome::Recorded);
    assert_eq!(tracker.track_path(["b"]), TrackOutcome::Recorded);
    assert_eq!(tracker.track_path(Vec::<String>::new()), TrackOutcome::Ignored);
    assert_eq!(
        (tracker.track_total_tokens(0), tracker.track_total_tokens(12)),
        (TrackOutcome::Ignored, TrackOutcome::Recorded)
    );
    assert_eq!(tracker.track_total_tokens(13), TrackOutcome::Duplicate);
    assert!(tracker.track_invocation_success().is_recorded());
    assert_eq!(tracker.track_invocation_failure(), TrackOutcome::Duplicate);
    let durations = [5, 6].map(|ms| tracker.track_duration(Duration::from_millis(ms)));
    assert_eq!(durations, [TrackOutcome::Recorded, TrackOutcome::Duplicate]);
    let node = tracker.node("a").expect("it is an agent of the graph");
    assert!(
        tracker
            .node("a")
            .is_some_and(|again| node.track_success().is_recorded() && !again.track_success().is_recorded())
    );
    assert!(tracker.node("nobody").is_none());

    let events = seen.0.lock().expect("no panic").clone();
    let identity = json!({"runId": tracker.run_id(), "variationKey": "", "graphKey": "trip", "version": 4});
    let with = |more: Value| {
        let mut data = identity.clone();
        data.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        data
    };
    let expected = [
        ("handoff_success", 1, with(json!({"sourceKey": "root", "targetKey": "a"}))),
        ("handoff_success", 1, with(json!({"sourceKey": "a", "targetKey": "b"}))),
        ("handoff_failure", 1, with(json!({"sourceKey": "b", "targetKey": "c"}))),
        ("redirect", 1, with(json!({"sourceKey": "b", "redirectedTarget": "a"}))),
        ("path", 1, with(json!({"path": ["root", "a"]}))),
        ("path", 1, with(json!({"path": ["b"]}))),
        ("total_tokens", 12, identity.clone()),
        ("invocation_success", 1, identity.clone()),
        ("duration:total", 5, identity.clone()),
    ];
    assert_eq!(events.len(), expected.len() + 1);
    for (event, (name, value, data)) in events.iter().zip(expected) {
        assert_eq!((&event["name"], &event["value"]), (&json!(format!("$ld:ai:graph:{name}")), &json!(value)));
        assert_eq!((&event["data"], &event["context"]["key"]), (&data, &json!("ann")), "{name}");
    }
    let of_node = &events.last().expect("one")["data"];
    assert_eq!(
        (&of_node["runId"], &of_node["graphKey"], &of_node["configKey"]),
        (&json!(tracker.run_id()), &json!("trip"), &json!("a"))
    );
    let summary = json!({"success": true, "durationMs": 5, "totalTokens": 12, "path": ["root", "a", "b"]});
    assert_eq!(serde_json::to_value(tracker.summary()).expect("JSON"), summary);
    let warnings = seen.1.lock().expect("no panic").clone();
    let methods = ["track_total_tokens", "track_invocation_failure", "track_duration", "track_success"];
    assert_eq!(warnings.len(), 4, "{warnings:?}");
    assert!(
        warnings.iter().zip(methods).all(|(said, method)| said.starts_with(&format!("Skipping {method}: "))),
        "{warnings:?}"
    );
}

#[test]
fn in_an_execution_a_graph_runs_under_the_run_id_of_that_one() {
    #[workflow]
    fn trip_workflow() -> (String, GraphTracker) {
        let run = spanwright::tracker().expect("inside an execution");
        (run.run_id().to_owned(), graph("a", &["a"], &[]).create_tracker("ann"))
    }
    let recording = Recording::new();
    let (run, tracker) = recording.run(trip_workflow);
    assert_eq!(tracker.run_id(), run);
    assert!(tracker.node("a").is_some_and(|node| node.run_id() == run && node.trace_id().is_some()));
    let apart = [0, 1].map(|_| graph("a", &["a"], &[]).create_tracker("ann").run_id().to_owned());
    assert_ne!(apart[0], apart[1]);
}

/// The matrix of a measured call, for a run of a graph.
#[tokio::test]
async fn a_run_of_a_graph_is_measured_by_what_it_comes_to() {
    type Outcome = Result<&'static str, &'static str>;
    let metrics = |path: &[&str]| GraphMetrics {
        success: true,
        total_tokens: Some(12),
        duration_ms: Some(7),
        path: path.iter().map(|key| (*key).to_owned()).collect(),
    };
    let tracked = || {
        let seen = Arc::new(Seen::default());
        (seen.clone(), graph("a", &["a"], &[]).create_tracker_reporting("ann", Reporting::to(seen)))
    };
    let names = |seen: &Seen| -> Vec<String> {
        let events = seen.0.lock().expect("no panic").clone();
        events.iter().map(|event| event["name"].as_str().expect("a name").replace("$ld:ai:graph:", "")).collect()
    };

    let (seen, tracker) = tracked();
    assert_eq!(tracker.track_graph_metrics_of(|_: &&str| metrics(&["a"]), || Outcome::Ok("out")), Ok("out"));
    assert_eq!(names(&seen), ["path", "duration:total", "invocation_success", "total_tokens"]);
    assert_eq!((tracker.summary().duration_ms, tracker.summary().total_tokens), (Some(7), Some(12)));
    // Again, it runs again and is not measured again; only the path, which has no limit, goes on.
    let again = tracker.track_graph_metrics_of_async(|_: &&str| metrics(&[]), async { Outcome::Ok("again") }).await;
    assert_eq!((again, names(&seen).len(), seen.1.lock().expect("no panic").len()), (Ok("again"), 4, 3));

    let (seen, tracker) = tracked();
    let failing = GraphMetrics { success: false, total_tokens: None, duration_ms: None, path: Vec::new() };
    assert_eq!(tracker.track_graph_metrics_of(|_: &&str| Some(failing), || Outcome::Ok("out")), Ok("out"));
    assert_eq!(names(&seen), ["duration:total", "invocation_failure"]);

    let (seen, tracker) = tracked();
    assert_eq!(tracker.track_graph_metrics_of(|_: &&str| None::<GraphMetrics>, || Outcome::Ok("out")), Ok("out"));
    assert_eq!(names(&seen), ["duration:total"]);

    let (seen, tracker) = tracked();
    let none = |_: &&str| Err::<GraphMetrics, _>("it is away");
    assert_eq!(tracker.track_graph_metrics_of_async(none, async { Outcome::Ok("out") }).await, Ok("out"));
    assert_eq!(names(&seen), ["duration:total"]);
    let warnings = seen.1.lock().expect("no panic").clone();
    assert!(
        matches!(warnings.as_slice(), [one] if one.contains("it is away") && one.contains(tracker.run_id())),
        "{warnings:?}"
    );

    let (seen, tracker) = tracked();
    let failed =
        tracker.track_graph_metrics_of_async(|_: &&str| metrics(&["a"]), async { Outcome::Err("broken") }).await;
    assert_eq!(
        (failed, names(&seen)),
        (Err("broken"), vec!["duration:total".to_owned(), "invocation_failure".to_owned()])
    );
}
