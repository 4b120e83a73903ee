//! What is said of a trace, from the process that says it to what MLflow's own client reads.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use spanwright::TraceId;
use spanwright::store::Store;
use spanwright_tests::mlflow::{self, Server};
use tempfile::TempDir;

fn agent(folder: &Path, uri: Option<&str>, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_agent"));
    let path = std::env::var("PATH").unwrap_or_default();
    command.args(arguments).current_dir(folder).env_clear().env("PATH", path).stdin(Stdio::null());
    command.envs(uri.map(|uri| ("MLFLOW_TRACKING_URI", uri))).output().expect("the agent can be started")
}

fn words(output: &Output) -> Vec<String> {
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && stderr.is_empty(), "{stdout}{stderr}");
    stdout.split_whitespace().map(str::to_owned).collect()
}

/// Answers a question in a process of its own: the trace and the token.
fn answered(uri: Option<&str>) -> (TempDir, String, String) {
    let folder = TempDir::new().expect("a folder");
    let said = words(&agent(folder.path(), uri, &["answer"]));
    let (trace, token) = (said[1].clone(), said[3].clone());
    (folder, trace, token)
}

/// What somebody said of a trace; what it cost is said of each.
fn assessments(server: &Server, trace: &str) -> Vec<Value> {
    let trace = server.trace(trace).expect("the trace stands in MLflow");
    let all = trace["assessments"].as_array().expect("a list").iter();
    all.filter(|one| one["source"]["source_id"] != "cost_estimator").cloned().collect()
}

#[test]
fn feedback_of_another_process_stands_once_on_the_trace_it_is_about() {
    let server = mlflow::shared();
    let (_kept, trace, token) = answered(Some(server.uri()));
    let read = server.trace(&trace).expect("the trace stands in MLflow");
    let root = read["spans"].as_array().expect("spans").iter().find(|span| span["parent"].is_null()).expect("a root");
    let run = &root["attributes"]["run_id"];
    assert_eq!(root["attributes"]["run.success"], true);
    assert_eq!(
        read["usage"]["total_tokens"], root["attributes"]["run.tokens.total"],
        "counted by the model call alone"
    );

    let elsewhere = TempDir::new().expect("a folder");
    for (how, comment) in [("--positive", "helped, as always"), ("--negative", "changed my mind")] {
        words(&agent(elsewhere.path(), Some(server.uri()), &["give", &token, how, comment]));
    }
    let said = assessments(server, &trace);
    assert_eq!(said.len(), 1, "{said:?}");
    let one = &said[0];
    assert_eq!((&one["assessment_name"], &one["feedback"]["value"]), (&json!("user_feedback"), &json!(true)));
    assert_eq!(one["source"], json!({"source_type": "HUMAN", "source_id": "user"}));
    assert_eq!((&one["rationale"], &one["metadata"]["run_id"]), (&json!("helped, as always"), run));
    assert_eq!((&one["metadata"]["config_key"], &one["metadata"]["version"]), (&json!("support-agent"), &json!("3")));
}

#[test]
fn scores_expectations_and_checks_stand_on_the_trace_with_who_made_them() {
    let server = mlflow::shared();
    let folder = TempDir::new().expect("a folder");
    let said = words(&agent(folder.path(), Some(server.uri()), &["judge"]));
    let read = assessments(server, &said[1]);
    let of = |name: &str| {
        read.iter().find(|one| one["assessment_name"] == name).unwrap_or_else(|| panic!("{name}: {read:?}"))
    };
    let relevance = of("relevance");
    assert_eq!((&relevance["feedback"]["value"], &relevance["rationale"]), (&json!(0.25), &json!("off the point")));
    assert_eq!(relevance["source"], json!({"source_type": "LLM_JUDGE", "source_id": "strict"}));
    let check = of("is_short");
    assert_eq!((&check["feedback"]["value"], &check["source"]["source_type"]), (&json!(true), &json!("CODE")));
    assert_eq!(check["span_id"], said[3].as_str());
    let expected = of("facts");
    let facts = expected["expectation"]["serialized_value"]["value"].as_str().expect("JSON");
    assert_eq!(serde_json::from_str::<Value>(facts).expect("JSON"), json!({"days": 30, "free": true}));
    assert_eq!(read.len(), 3);
}

/// Killed right after it was said, in a process without a server: whoever starts next has it, and delivers it with the trace.
#[test]
fn feedback_survives_its_process_and_waits_for_its_server_and_for_its_trace() {
    let server = mlflow::shared();
    let (kept, trace, token) = answered(None);
    let elsewhere = TempDir::new().expect("a folder");
    let killed = agent(elsewhere.path(), None, &["give-and-abort", &token, "--negative", "no help"]);
    assert!(!killed.status.success(), "it aborts");

    // The server does not know the trace yet.
    let id: TraceId = trace.parse().expect("an id");
    agent(elsewhere.path(), Some(server.uri()), &["steps", "1"]);
    let store = Store::open(&elsewhere.path().join(".spanwright")).expect("a store");
    let waiting = store.assessments(id).expect("a store that reads");
    assert_eq!(waiting.iter().map(|one| one.value.as_str()).collect::<Vec<_>>(), ["false"]);

    let push = |folder: &Path| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_spanwright-tool"));
        command.arg("push").current_dir(folder).env("MLFLOW_TRACKING_URI", server.uri()).stdin(Stdio::null());
        command.output().expect("the tool can be started")
    };
    let pushed = push(kept.path());
    assert!(pushed.status.success(), "{}", String::from_utf8_lossy(&pushed.stderr));
    let said = server.wait_for("the feedback", |server| {
        push(elsewhere.path());
        Some(assessments(server, &trace)).filter(|said| !said.is_empty())
    });
    assert_eq!(
        (said.len(), &said[0]["feedback"]["value"], &said[0]["rationale"]),
        (1, &json!(false), &json!("no help"))
    );
    assert_eq!(store.waiting_assessments(Some(server.uri())).expect("a store that reads"), 0);
}
