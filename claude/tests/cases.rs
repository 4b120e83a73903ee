//! Single turns and what must become of them.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use spanwright::record::{AttributeValue, SpanRecord};
use spanwright::tree::{Style, render};
use spanwright_claude::agents::{self, Agents, Origin};
use spanwright_claude::spans::{Subject, Told, tell};
use spanwright_claude::transcript::{Scope, Turns};
use spanwright_claude::turn::Turn;

use crate::required::retelling;

const NOW: u64 = 1_800_000_000_000_000_000;

/// An entry so many seconds after the start.
pub fn entry(kind: &str, second: u64, fields: Value) -> Value {
    let mut entry = json!({"type": kind, "sessionId": "s", "timestamp": format!("2026-03-14T09:00:{second:02}.000Z")});
    entry.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    entry
}

pub fn user(second: u64, content: Value) -> Value {
    entry("user", second, json!({"uuid": format!("u{second}"), "message": {"role": "user", "content": content}}))
}

pub fn assistant(second: u64, id: &str, blocks: Value) -> Value {
    let message = json!({"id": id, "model": "claude-x", "content": blocks, "usage": {"input_tokens": 1, "output_tokens": second}});
    entry("assistant", second, json!({"message": message}))
}

fn says(text: &str) -> Value {
    json!([{"type": "text", "text": text}])
}

fn calls(tool: &str, id: &str, input: Value) -> Value {
    json!([{"type": "tool_use", "id": id, "name": tool, "input": input}])
}

fn result(id: &str, content: &str) -> Value {
    json!([{"type": "tool_result", "tool_use_id": id, "content": content}])
}

pub fn lines(entries: &[Value]) -> String {
    entries.iter().map(|entry| format!("{entry}\n")).collect()
}

/// Every turn of a transcript.
fn told_with(text: &str, agents: Option<&Agents>) -> Vec<Told> {
    let turns = Turns::of(text.as_bytes(), Scope::Session).map(Result::unwrap);
    let tell = |raw| tell(&Turn::of(&raw, Scope::Session, NOW), &Subject::default(), agents, &mut retelling());
    turns.map(tell).collect()
}

fn told(entries: &[Value]) -> Vec<SpanRecord> {
    let mut told = told_with(&lines(entries), None);
    assert_eq!(told.len(), 1, "one turn");
    told.remove(0).spans
}

fn tree(spans: &[SpanRecord]) -> String {
    render(spans, Style::redacted())
}

fn outputs(span: &SpanRecord) -> Value {
    span.outputs.as_ref().unwrap().to_value()
}

#[test]
fn a_turn_the_user_stopped_says_so_and_the_marker_asks_nothing() {
    let spans = told(&[
        user(0, json!("Fix it")),
        assistant(1, "m1", calls("Bash", "t1", json!({"command": "sleep 9"}))),
        user(2, result("t1", "stopped")),
        user(3, says("[Request interrupted by user for tool use]")),
    ]);
    assert_eq!(tree(&spans), "claude_code_conversation [AGENT]\n  llm [LLM]\n  tool_Bash [TOOL]\n");
    assert_eq!(outputs(&spans[0]), json!({"status": "interrupted"}));
    assert_eq!(spans[0].events[0].name, "interruption");
}

#[test]
fn a_turn_whose_last_call_failed_has_failed_and_a_failure_on_the_way_has_not() {
    let mut failed = assistant(2, "m2", says("API Error: Overloaded"));
    failed["isApiErrorMessage"] = true.into();
    failed["message"]["model"] = "<synthetic>".into();
    let spans = told(&[user(0, json!("Q")), assistant(1, "m1", says("A")), failed.clone()]);
    assert_eq!(
        tree(&spans),
        "claude_code_conversation [AGENT] ERROR: API Error: Overloaded\n  llm [LLM]\n  llm [LLM] ERROR: API Error: Overloaded\n"
    );
    assert_eq!(spans[2].model, None, "neither tokens nor a price");
    let spans = told(&[user(0, json!("Q")), failed, assistant(3, "m1", says("A"))]);
    assert_eq!(outputs(&spans[0]), json!({"status": "completed", "response": "A"}));
}

#[test]
fn what_the_client_says_in_a_models_place_is_no_call() {
    let mut client = assistant(1, "m1", says("No response requested."));
    client["message"]["model"] = "<synthetic>".into();
    let spans = told(&[user(0, json!("Q")), client]);
    assert_eq!(spans.len(), 1);
    let said = ("text".to_owned(), AttributeValue::Text("No response requested.".into()));
    assert_eq!((spans[0].events[0].name.as_str(), &spans[0].events[0].attributes[..]), ("client_message", &[said][..]));
}

#[test]
fn a_refusal_is_an_error_also_where_only_the_client_says_so() {
    let mut refused = user(2, result("t1", "The user doesn't want to proceed"));
    refused["toolUseResult"] = "User rejected tool use".into();
    let spans = told(&[user(0, json!("Q")), assistant(1, "m1", calls("Bash", "t1", json!({}))), refused]);
    assert!(tree(&spans).ends_with("tool_Bash [TOOL] ERROR: The user doesn't want to proceed\n"));
    assert!(!spans[0].is_error());
}

#[test]
fn a_line_cut_while_it_was_written_costs_that_line_only() {
    let mut text = lines(&[user(0, json!("Q")), assistant(1, "m1", says("A"))]);
    text.push_str(r#"{"type":"assistant","message":{"id":"m2","content":[{"type":"te"#);
    let told = told_with(&text, None).remove(0).spans;
    assert_eq!(tree(&told), "claude_code_conversation [AGENT]\n  llm [LLM]\n");
    assert_eq!(told[0].attribute("skipped_lines"), Some(&AttributeValue::Int(1)));
}

#[test]
fn times_that_are_missing_or_go_backwards_never_make_a_span_end_before_it_starts() {
    let mut timeless = [user(0, json!("Q")), assistant(1, "m1", says("A"))];
    for entry in &mut timeless {
        entry.as_object_mut().unwrap().remove("timestamp");
    }
    let spans = told(&timeless);
    assert!(spans.iter().all(|span| (span.start_unix_ns, span.end_unix_ns) == (NOW, NOW)));
    assert_eq!(spans[0].attribute("timestamps_estimated"), Some(&AttributeValue::Bool(true)));
    let backwards = [
        user(30, json!("Q")),
        assistant(20, "m1", calls("Read", "t1", json!({}))),
        user(10, result("t1", "x")),
        assistant(5, "m2", says("A")),
    ];
    let spans = told(&backwards);
    assert!(spans.iter().all(|span| span.start_unix_ns <= span.end_unix_ns));
    assert_eq!(spans[0].attribute("timestamps_estimated"), None);
}

#[test]
fn what_was_typed_meanwhile_is_given_to_the_model_unless_it_became_the_next_prompt() {
    let queue = |operation: &str, content: &str| {
        entry("queue-operation", 2, json!({"operation": operation, "content": content}))
    };
    let turn = |operation: &str| {
        let call = assistant(1, "m1", calls("Read", "t1", json!({})));
        let entries = [
            user(0, json!("Q")),
            call,
            queue("enqueue", "also this"),
            queue(operation, ""),
            user(3, result("t1", "x")),
            assistant(4, "m2", says("A")),
        ];
        told(&entries).remove(3).inputs.unwrap().to_value().to_string().contains("also this")
    };
    assert_eq!((turn("remove"), turn("dequeue")), (true, false));
}

#[test]
fn an_inline_side_chain_stands_below_the_call_that_launched_it() {
    let side = |mut entry: Value, uuid: &str, parent: Option<&str>| {
        entry["isSidechain"] = true.into();
        entry["uuid"] = uuid.into();
        entry["parentUuid"] = parent.into();
        entry
    };
    let task = json!({"prompt": "Look", "subagent_type": "Explore", "description": "d"});
    let entries = [
        user(0, json!("Q")),
        assistant(1, "m1", calls("Task", "t1", task)),
        side(user(2, json!("Look")), "a", None),
        side(assistant(3, "s1", calls("Grep", "g1", json!({}))), "b", Some("a")),
        side(user(4, result("g1", "x")), "c", Some("b")),
        side(user(4, json!("Nobody asked for this")), "z", None),
        user(5, result("t1", "found")),
        assistant(6, "m2", says("A")),
    ];
    let spans = told(&entries);
    let expected = "claude_code_conversation [AGENT]\n  llm [LLM]\n  tool_Task [TOOL]\n    subagent_Explore [AGENT]\n      llm [LLM]\n      tool_Grep [TOOL]\n  llm [LLM]\n";
    assert_eq!(tree(&spans), expected);
    assert_eq!(spans[0].attribute("stray_entries"), Some(&AttributeValue::Int(1)));
    assert_eq!(outputs(&spans[0])["response"], "A");
}

#[test]
fn progress_of_a_sub_agent_stands_below_the_call_that_launched_it() {
    let progress = |second: u64, message: Value| {
        let data = json!({"type": "agent_progress", "prompt": "Look", "message": message});
        entry("progress", second, json!({"parentToolUseID": "t1", "data": data}))
    };
    let spans = told(&[
        user(0, json!("Q")),
        assistant(1, "m1", calls("Task", "t1", json!({"prompt": "Look"}))),
        progress(2, assistant(2, "s1", calls("Grep", "g1", json!({})))),
        progress(3, user(3, result("g1", "x"))),
        entry("progress", 3, json!({"parentToolUseID": "t1", "data": {"type": "bash_progress"}})),
        user(5, result("t1", "found")),
    ]);
    let expected = "claude_code_conversation [AGENT]\n  llm [LLM]\n  tool_Task [TOOL]\n    subagent [AGENT]\n      llm [LLM]\n      tool_Grep [TOOL]\n";
    assert_eq!(tree(&spans), expected);
    let agent = spans.iter().find(|span| span.name == "subagent").unwrap();
    assert_eq!(agent.inputs.as_ref().unwrap().to_value(), json!({"prompt": "Look"}));
}

#[test]
fn a_sub_agent_that_works_twice_and_one_that_launches_itself_are_told_once_each_time() {
    let folder = tempfile::tempdir().unwrap();
    let transcript = folder.path().join("s.jsonl");
    fs::create_dir_all(folder.path().join("s/subagents")).unwrap();
    let launch = |second: u64, id: &str| {
        let mut done = user(second, result(id, "done"));
        done["toolUseResult"] = json!({"agentId": "a1", "status": "completed"});
        done
    };
    let inner = [
        user(2, json!("first")),
        assistant(3, "s1", calls("Task", "i1", json!({}))),
        launch(4, "i1"),
        user(12, json!("second")),
        assistant(13, "s2", says("B")),
    ];
    fs::write(folder.path().join("s/subagents/agent-a1.jsonl"), lines(&inner)).unwrap();
    let entries = [
        user(0, json!("Q")),
        assistant(1, "m1", calls("Task", "t1", json!({"subagent_type": "x"}))),
        launch(5, "t1"),
        assistant(11, "m2", calls("Task", "t2", json!({"subagent_type": "x"}))),
        launch(14, "t2"),
    ];
    let told = told_with(&lines(&entries), Some(&Agents::beside(&transcript))).remove(0);
    let expected = "claude_code_conversation [AGENT]\n  llm [LLM]\n  tool_Task [TOOL]\n    subagent_x [AGENT]\n      llm [LLM]\n      tool_Task [TOOL]\n  llm [LLM]\n  tool_Task [TOOL]\n    subagent_x [AGENT]\n      llm [LLM]\n";
    assert_eq!((tree(&told.spans).as_str(), told.notices.len()), (expected, 0));
}

#[test]
fn a_missing_file_of_a_sub_agent_is_said_and_costs_nothing_else() {
    let mut done = user(2, result("t1", "done"));
    done["toolUseResult"] = json!({"agentId": "gone", "status": "completed"});
    let entries = [user(0, json!("Q")), assistant(1, "m1", calls("Task", "t1", json!({}))), done.clone()];
    let agents = Agents::beside(Path::new("/nowhere/s.jsonl"));
    let told = told_with(&lines(&entries), Some(&agents)).remove(0);
    assert_eq!(told.spans.len(), 3);
    assert_eq!(told.notices, ["sub-agent transcript not found: /nowhere/s/subagents/agent-gone.jsonl"]);
    done["toolUseResult"]["agentId"] = "../../etc/passwd".into();
    let entries = [user(0, json!("Q")), assistant(1, "m1", calls("Task", "t1", json!({}))), done];
    assert_eq!(told_with(&lines(&entries), Some(&agents)).remove(0).notices, [""; 0], "not the name of a file");
}

#[test]
fn a_sub_agent_is_what_its_first_launch_made_it() {
    let folder = tempfile::tempdir().unwrap();
    let transcript = folder.path().join("s.jsonl");
    let launch = |second: u64, id: &str, status: &str| {
        let mut done = user(second, result(id, "x"));
        done["toolUseResult"] = json!({"agentId": "a1", "status": status});
        done
    };
    let entries =
        [user(0, json!("Q")), launch(1, "t1", "async_launched"), user(2, json!("R")), launch(3, "t2", "completed")];
    fs::write(&transcript, lines(&entries)).unwrap();
    let found = agents::origin(&transcript, "a1").unwrap();
    assert_eq!(found, Some(Origin { tool_use_id: "t1".into(), is_background: true }));
    assert_eq!(agents::origin(&transcript, "nobody").unwrap(), None);
}

#[test]
fn secrets_are_redacted_as_everywhere() {
    let spans = told(&[
        user(0, json!("use Bearer abcdefghijklmnop")),
        assistant(1, "m1", calls("Login", "t1", json!({"password": "hunter2", "max_tokens": 7}))),
        user(2, result("t1", "fine")),
        assistant(3, "m2", says("A")),
    ]);
    let all = format!("{spans:?}");
    assert!(!all.contains("hunter2") && !all.contains("abcdefghijklmnop"), "{all}");
    assert!(all.contains("max_tokens"));
}
