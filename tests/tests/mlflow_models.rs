//! Managed agents, their judges and graphs of them, as MLflow's own client reads them.

use std::process::{Command, Stdio};

use serde_json::{Value, json};
use spanwright_tests::mlflow::{self, Server};
use tempfile::TempDir;

/// Runs the traced program in an experiment and returns the words it says.
fn run(server: &Server, experiment: &str, arguments: &[&str]) -> Vec<String> {
    let folder = TempDir::new().expect("a folder");
    let mut command = Command::new(env!("CARGO_BIN_EXE_agent"));
    let path = std::env::var("PATH").unwrap_or_default();
    command.args(arguments).current_dir(folder.path()).env_clear().env("PATH", path).stdin(Stdio::null());
    command.env("MLFLOW_TRACKING_URI", server.uri()).env("MLFLOW_EXPERIMENT_NAME", experiment);
    let output = command.output().expect("the agent can be started");
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && stderr.is_empty(), "{stdout}{stderr}");
    stdout.split_whitespace().map(str::to_owned).collect()
}

fn spans<'t>(trace: &'t Value, name: &str) -> Vec<&'t Value> {
    let spans = trace["spans"].as_array().expect("a trace has spans");
    spans.iter().filter(|span| span["name"] == name).collect()
}

#[test]
fn a_judged_answer_has_its_scores_and_its_judge_a_trace_and_tokens_of_its_own() {
    let server = mlflow::shared();
    let said = run(server, "judged answers", &["support", "where do I find my receipt?"]);
    let (id, run_id) = (&said[1], &said[3]);
    assert_eq!(said[5], "2", "two have judged");
    let trace = server.trace(id).expect("the trace stands in MLflow");
    assert_eq!((&trace["tree"], &trace["state"]), (&json!("support-agent [AGENT]\n  llm [LLM]"), &json!("OK")));
    let root = &spans(&trace, "support-agent")[0];
    assert_eq!((&root["attributes"]["run_id"], &root["attributes"]["run.success"]), (&json!(run_id), &json!(true)));
    assert!(trace["response_preview"].as_str().is_some_and(|text| text.contains("under Orders")), "{trace:#}");
    let call = &spans(&trace, "llm")[0];
    let usage = &call["attributes"]["mlflow.chat.tokenUsage"];
    assert_eq!((&usage["total_tokens"], &trace["usage"]), (&root["attributes"]["run.tokens.total"], usage));
    assert!(usage["total_tokens"].as_i64() > Some(0));
    assert_eq!(call["attributes"]["mlflow.llm.model"], "scripted-analyst");
    assert_eq!(call["attributes"]["mlflow.llm.provider"], "openai");
    let messages = call["inputs"]["messages"].as_array().expect("a model call shows its messages");
    assert_eq!(messages[1], json!({ "role": "user", "content": "where do I find my receipt?" }));
    let first = root["attributes"]["run.time_to_first_token_ms"].as_i64().expect("it was streamed");
    assert!(first <= root["attributes"]["run.duration_ms"].as_i64().expect("it ended"));

    let said = trace["assessments"].as_array().expect("a list");
    let of = |name: &str| {
        said.iter().find(|one| one["assessment_name"] == name).unwrap_or_else(|| panic!("{name}: {said:?}"))
    };
    // What it cost is told beside.
    let by_judges = said.iter().filter(|one| one["source"]["source_id"] != "cost_estimator");
    assert_eq!(by_judges.count(), 2, "{said:?}");
    let (score, check) = (of("relevance"), of("is_short"));
    assert_eq!((&score["feedback"]["value"], &score["metadata"]["run_id"]), (&json!(0.9), &json!(run_id)));
    assert_eq!(score["source"], json!({ "source_type": "LLM_JUDGE", "source_id": "relevance-judge" }));
    assert!(score["rationale"].as_str().is_some_and(|text| text.contains("receipt")), "{score}");
    assert_eq!((&check["feedback"]["value"], &check["source"]["source_type"]), (&json!(1.0), &json!("CODE")));
    assert_eq!(check["rationale"], "12 words");

    let all = server.traces("judged answers");
    let named = |name: &str| {
        let found = all.iter().find(|trace| trace["tags"]["mlflow.traceName"] == name);
        let id =
            found.unwrap_or_else(|| panic!("no {name} in {all:#?}"))["trace_id"].as_str().expect("an id").to_owned();
        server.trace(&id).expect("it has spans")
    };
    assert_eq!(all.len(), 3, "the answer, and each judge by itself");
    let judge = named("relevance-judge");
    assert_eq!(judge["tree"], "relevance-judge [EVALUATOR]\n  llm [LLM]");
    let own = &spans(&judge, "relevance-judge")[0]["attributes"];
    assert_eq!((&own["evaluated.trace_id"], &own["evaluated.run_id"]), (&json!(id), &json!(run_id)));
    assert!(own["run_id"] != json!(run_id) && judge["usage"]["total_tokens"].as_i64() > Some(0));
    assert_eq!(named("is_short")["tree"], "is_short [EVALUATOR]");
}

#[test]
fn a_graph_of_agents_is_one_trace_with_every_turn_handoff_tool_and_model_call() {
    let server = mlflow::shared();
    let said = run(server, "trips", &["trip"]);
    let trace = server.trace(&said[1]).expect("the trace stands in MLflow");
    let tree = "\
trip-graph [AGENT]
  planner [AGENT]
    llm [LLM]
  delegation [CHAIN]
    hotels [AGENT]
      llm [LLM]
      find_room [TOOL]
      llm [LLM]
  delegation [CHAIN]
    planner [AGENT]
      llm [LLM]";
    assert_eq!((&trace["tree"], &trace["state"]), (&json!(tree), &json!("OK")));
    for agent in ["trip-graph", "planner", "hotels"] {
        for span in spans(&trace, agent) {
            assert_eq!(span["attributes"]["run_id"], said[3].as_str(), "{agent}");
        }
    }
    let root = &spans(&trace, "trip-graph")[0]["attributes"];
    assert_eq!(root["graph.path"], json!(["planner", "hotels", "planner"]));
    assert_eq!(trace["usage"]["total_tokens"], root["run.tokens.total"]);
    assert!(trace["request_preview"].as_str().is_some_and(|text| text.contains("two nights in Rome")), "{trace:#}");
    assert!(
        trace["response_preview"].as_str().is_some_and(|text| text.contains("Grand Hotel Rome is booked")),
        "{trace:#}"
    );
    let tool = spans(&trace, "find_room")[0];
    assert_eq!(
        (&tool["inputs"]["arguments"], &tool["outputs"]),
        (&json!({ "city": "Rome" }), &json!("Grand Hotel Rome"))
    );
    let offered = &spans(&trace, "llm")[0]["attributes"]["mlflow.chat.tools"];
    assert_eq!(offered[0]["function"]["name"], "handoff_to_hotels");
    let handed = &spans(&trace, "delegation")[0]["attributes"];
    assert_eq!((&handed["from"], &handed["to"]), (&json!("planner"), &json!("hotels")));
}
