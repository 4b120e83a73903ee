//! From an annotated function to what MLflow's own client reads.

use std::process::{Command, Stdio};

use serde_json::{Value, json};
use spanwright_tests::mlflow::{self, Server};
use tempfile::TempDir;

/// The tree of the optimization workflow, as it was specified.
const TARGET: &str = "\
optimization_workflow [WORKFLOW]
  collect_behavioral_data [CHAIN]
    ha.get_logbook_stats [RETRIEVER]
  analyze_and_suggest [CHAIN]
    DataScientist.generate_script [CHAIN]
      llm [LLM]
    sandbox.execute [TOOL]
    DataScientist.extract_insights [CHAIN]
      llm [LLM]
  architect_review [CHAIN]
    Architect.receive_suggestion [CHAIN]
      llm [LLM]
  present_recommendations [CHAIN]";

/// Runs the traced program to its end and returns the words it says.
fn run(server: &Server, arguments: &[&str]) -> Vec<String> {
    let folder = TempDir::new().expect("a folder");
    let mut command = Command::new(env!("CARGO_BIN_EXE_agent"));
    let path = std::env::var("PATH").unwrap_or_default();
    command.args(arguments).current_dir(folder.path()).env_clear().env("PATH", path).stdin(Stdio::null());
    let output = command.env("MLFLOW_TRACKING_URI", server.uri()).output().expect("the agent can be started");
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && stderr.is_empty(), "{stdout}{stderr}");
    stdout.split_whitespace().map(str::to_owned).collect()
}

/// Runs the traced program to its end and returns the trace it names, read back.
fn traced(server: &Server, arguments: &[&str]) -> Value {
    let words = run(server, arguments);
    assert_eq!((words[0].as_str(), words[2].as_str(), words[3].as_str()), ("trace", "delivered", "true"), "{words:?}");
    server.trace(&words[1]).expect("the trace stands in MLflow")
}

fn spans<'t>(trace: &'t Value, name: &str) -> Vec<&'t Value> {
    let spans = trace["spans"].as_array().expect("a trace has spans");
    spans.iter().filter(|span| span["name"] == name).collect()
}

/// A1-01
#[test]
fn the_example_stands_in_mlflow_as_it_was_specified() {
    let trace = traced(mlflow::shared(), &["optimize"]);
    assert_eq!(trace["tree"], TARGET);
    assert_eq!(trace["state"], "OK");
    assert_eq!(trace["tags"]["workflow"], "optimization");
    assert_eq!(trace["tags"]["mlflow.traceName"], "optimization_workflow");
    assert_eq!(trace["metadata"]["mlflow.trace.session"], "evening-1");
    assert_eq!(trace["metadata"]["mlflow.trace.user"], "anna");

    let previews =
        [&trace["request_preview"], &trace["response_preview"]].map(|text| text.as_str().unwrap_or_default());
    assert!(previews[0].contains("logbook.csv") && previews[0].contains("Maple 7"), "{previews:?}");
    assert!(previews[1].contains("recommended"), "{previews:?}");

    let root = spans(&trace, "optimization_workflow")[0];
    let took_ms = (root["end_ns"].as_i64().unwrap() - root["start_ns"].as_i64().unwrap()) / 1_000_000;
    assert!((took_ms - trace["duration_ms"].as_i64().unwrap()).abs() <= 1 && (1..60_000).contains(&took_ms));

    let calls = spans(&trace, "llm");
    let sum = |key: &str| {
        calls.iter().map(|call| call["attributes"]["mlflow.chat.tokenUsage"][key].as_i64().unwrap()).sum::<i64>()
    };
    for key in ["input_tokens", "output_tokens", "total_tokens"] {
        assert!(sum(key) > 0);
        assert_eq!(trace["usage"][key], sum(key), "{key} of the trace is the sum of its model calls");
    }
    let messages = calls[0]["inputs"]["messages"].as_array().expect("a model call shows its messages");
    assert!(messages.iter().any(|message| message["role"] == "user"));
    assert_eq!(calls[0]["attributes"]["mlflow.chat.tools"][0]["function"]["name"], "run_script");

    let sandbox = &spans(&trace, "sandbox.execute")[0]["attributes"];
    let facts = [
        "sandbox.exit_code",
        "sandbox.policy",
        "sandbox.artifact_count",
        "sandbox.artifacts_rejected",
        "sandbox.timed_out",
    ];
    assert_eq!(
        facts.map(|fact| sandbox[fact].clone()),
        [json!(0), json!("standard"), json!(2), json!(0), json!(false)]
    );
    let node = &spans(&trace, "analyze_and_suggest")[0]["inputs"];
    assert_eq!(node["node"], "analyze_and_suggest");
    assert!(node["state_keys"].as_array().is_some_and(|keys| !keys.is_empty()), "{node}");
}

#[test]
fn a_workflow_with_a_run_logs_what_it_measured_and_how_it_ended() {
    let server = mlflow::shared();
    for (count, status) in [("3", "FINISHED"), ("7", "FAILED")] {
        let trace = traced(server, &["measure", count]);
        let id = trace["trace_id"].as_str().expect("an id");
        let runs = server.runs("runs");
        let run = runs.iter().find(|run| run["traces"] == json!([id])).expect("the run is linked to the trace");
        assert_eq!((&run["status"], &run["name"]), (&json!(status), &json!("nightly")));
        assert_eq!(run["params"], json!({"model": "gpt-4o-mini", "steps": count}));
        assert_eq!(run["metrics"]["accuracy"], 0.875);
        assert_eq!(run["tags"]["stage"], "test");
        assert!(run["end_time"].as_i64() >= run["start_time"].as_i64() && run["start_time"].as_i64() > Some(0));
        assert_eq!(trace["state"], if status == "FAILED" { "ERROR" } else { "OK" });

        let root = spans(&trace, "measured_workflow")[0];
        if status == "FAILED" {
            assert_eq!((&root["status"], &root["message"]), (&json!("ERROR"), &json!("it went wrong")));
            let event = &root["events"][0];
            assert_eq!(
                (&event["name"], &event["attributes"]["exception.message"]),
                (&json!("exception"), &json!("it went wrong"))
            );
        }
        let call = &spans(&trace, "ask")[0]["attributes"];
        assert_eq!(call["mlflow.llm.model"], "gpt-4o-mini");
        assert_eq!(call["mlflow.llm.provider"], "openai");
        assert_eq!(call["mlflow.chat.tools"][0]["function"]["name"], "look_up");
    }
}

#[test]
fn a_server_that_comes_back_gets_what_it_missed_and_gets_it_once() {
    let server = Server::start();
    server.stop();
    let folder = TempDir::new().expect("a folder");
    let agent = |uri: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_agent"));
        command.args(["steps", "20"]).current_dir(folder.path()).env_clear().env("MLFLOW_TRACKING_URI", uri);
        command
            .env("SPANWRIGHT_FLUSH_TIMEOUT_MS", "20000")
            .env("MLFLOW_EXPERIMENT_NAME", "missed")
            .output()
            .expect("it starts")
    };
    let stderr = String::from_utf8_lossy(&agent(server.uri()).stderr).into_owned();
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    server.resume();
    for _ in 0..2 {
        assert_eq!(String::from_utf8_lossy(&agent(server.uri()).stderr), "");
    }
    let traces =
        server.wait_for("three traces", |server| Some(server.traces("missed")).filter(|traces| traces.len() >= 3));
    assert_eq!(traces.len(), 3);
    for trace in traces {
        let whole = server.trace(trace["trace_id"].as_str().expect("an id")).expect("it has spans");
        assert_eq!(whole["spans"].as_array().map(Vec::len), Some(21));
        assert_eq!(whole["state"], "OK");
    }
}

#[test]
fn fifty_workflows_at_once_are_fifty_whole_traces() {
    let server = mlflow::shared();
    let sum = (0..1000u64).sum::<u64>().to_string();
    assert_eq!(run(server, &["busy"]), ["sum", &sum, "delivered", "true", "lost", "0"]);
    let traces = server.traces("busy");
    assert_eq!(traces.len(), 50);
    let whole = format!("busy_workflow [WORKFLOW]{}", "\n  busy_step [CHAIN]".repeat(20));
    for trace in traces {
        let trace = server.trace(trace["trace_id"].as_str().expect("an id")).expect("it has spans");
        assert_eq!((&trace["tree"], &trace["state"]), (&json!(whole), &json!("OK")));
    }
}
