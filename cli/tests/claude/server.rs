//! Turns at a real MLflow server, read back by its own client.

use serde_json::{Value, json};
use spanwright_tests::mlflow::{Server, shared};

use super::{User, answered, event, recorded, stop_event};

/// The trace of this name in an experiment, with its spans.
fn trace(server: &Server, experiment: &str, name: &str) -> Value {
    server.wait_for(name, |server| {
        let traces = server.traces(experiment);
        let found =
            traces.iter().find(|trace| trace["tags"]["mlflow.traceName"] == name && trace["state"] != "IN_PROGRESS")?;
        // The last thing that is sent.
        found["metadata"].get("mlflow.trace.working_directory")?;
        server.trace(found["trace_id"].as_str()?)
    })
}

fn spans<'a>(trace: &'a Value, name: &str) -> Vec<&'a Value> {
    trace["spans"].as_array().unwrap().iter().filter(|span| span["name"] == name).collect()
}

#[test]
fn mlflow_has_a_turn_as_the_hook_told_it() {
    let (server, user) = (shared(), User::new());
    let mut said = event("hook_stop.json");
    let session = said["session_id"].as_str().unwrap().to_owned();
    user.session("small", &session);
    said["permission_mode"] = "acceptEdits".into();
    let mut hook = user.hook("stop-hook");
    hook.env("MLFLOW_TRACKING_URI", server.uri()).env("MLFLOW_EXPERIMENT_NAME", "claude-small");
    answered(&mut hook, &said);

    let trace = trace(server, "claude-small", "claude_code_conversation");
    assert_eq!(trace["tree"], "claude_code_conversation [AGENT]\n  llm [LLM]\n  tool_Read [TOOL]\n  llm [LLM]");
    assert_eq!(trace["state"], "OK");
    let usage = json!({"input_tokens": 11, "output_tokens": 128, "total_tokens": 139, "cache_read_input_tokens": 27136, "cache_creation_input_tokens": 5330});
    assert_eq!(trace["usage"], usage);
    assert_eq!(trace["request_preview"], "Which serde version does Cargo.toml pin?");
    assert_eq!(trace["response_preview"], "`Cargo.toml` pins **serde 1.0.219** — naïve UTF-8 check: ✓ 日本語.");
    let metadata = &trace["metadata"];
    for (key, value) in [
        ("mlflow.trace.session", session.as_str()),
        ("mlflow.trace.user", "dev"),
        ("mlflow.trace.working_directory", "/home/dev/shop"),
        ("mlflow.claude_code_version", "2.1.74"),
        ("mlflow.trace.permission_mode", "acceptEdits"),
    ] {
        assert_eq!(metadata[key], value, "{key}: {metadata:#}");
    }
    let root = &spans(&trace, "claude_code_conversation")[0];
    assert_eq!(root["inputs"], json!({"prompt": "Which serde version does Cargo.toml pin?"}));
    assert_eq!(root["start_ns"], 1_773_478_805_000_000_000u64);
    let read = spans(&trace, "tool_Read")[0];
    assert_eq!(read["outputs"], json!({"result": "     1\t[dependencies]\n     2\tserde = \"1.0.219\"\n"}));
    assert_eq!((&read["end_ns"], &read["status"]), (&json!(1_773_478_809_250_000_000u64), &json!("OK")));
    let llm = spans(&trace, "llm")[0];
    assert_eq!(llm["attributes"]["mlflow.message.format"], "anthropic");
    assert_eq!(llm["attributes"]["mlflow.llm.model"], "claude-sonnet-4-20250514");
}

#[test]
fn mlflow_has_errors_hour_long_cache_writes_and_what_was_never_answered() {
    let (server, user) = (shared(), User::new());
    let file = recorded("tool_heavy.jsonl");
    let mut convert = user.ground.command(&["claude", "convert", file.to_str().unwrap(), "--push", "--json"]);
    convert.env("MLFLOW_TRACKING_URI", server.uri()).env("MLFLOW_EXPERIMENT_NAME", "claude-heavy");
    let run = crate::ground::Run::of(convert.output().unwrap());
    assert_eq!(run.json()["delivered"], 16, "{}{}", run.out, run.err);

    let trace = trace(server, "claude-heavy", "claude_code_conversation");
    assert_eq!((&trace["state"], trace["spans"].as_array().unwrap().len()), (&json!("OK"), 16));
    for (key, count) in [
        ("input_tokens", 70),
        ("output_tokens", 520),
        ("total_tokens", 590),
        ("cache_read_input_tokens", 63250),
        ("cache_creation_input_tokens", 2060),
    ] {
        assert_eq!(trace["usage"][key], count, "{key}");
    }
    let status = |name: &str| {
        spans(&trace, name).iter().map(|span| span["status"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(status("tool_Bash"), ["ERROR", "ERROR"]);
    assert_eq!(status("tool_WebFetch"), ["UNSET"]);
    assert_eq!(spans(&trace, "tool_WebFetch")[0]["attributes"]["note"], "no result in transcript");
    let failed = spans(&trace, "llm").into_iter().find(|span| span["status"] == "ERROR").unwrap();
    assert_eq!(failed["message"], "API Error: Overloaded");
    assert_eq!(failed["attributes"].get("mlflow.chat.tokenUsage"), None);
}

#[test]
fn mlflow_has_a_background_agent_beside_its_session() {
    let (server, user) = (shared(), User::new());
    let said = event("hook_subagent_stop.json");
    let session = said["session_id"].as_str().unwrap().to_owned();
    let transcript = user.session("subagent_compaction", &session);
    for (word, said) in [("stop-hook", stop_event(&session, &transcript)), ("subagent-stop-hook", said)] {
        let mut hook = user.hook(word);
        hook.env("MLFLOW_TRACKING_URI", server.uri()).env("MLFLOW_EXPERIMENT_NAME", "claude-agents");
        answered(&mut hook, &said);
    }
    let main = trace(server, "claude-agents", "claude_code_conversation");
    assert_eq!((&main["usage"]["total_tokens"], main["spans"].as_array().unwrap().len()), (&json!(550), 14));
    let agent = trace(server, "claude-agents", "subagent_general-purpose");
    assert_eq!(agent["usage"]["total_tokens"], 61);
    assert_eq!(agent["metadata"]["mlflow.trace.session"], session.as_str());
    for (key, value) in
        [("agent_id", "bg778899"), ("agent_type", "general-purpose"), ("parent_tool_use_id", "toolu_03Bg")]
    {
        assert_eq!(agent["tags"][key], value, "{key}");
    }
}
