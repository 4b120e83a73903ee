//! What the assistant calls when it is done.

use std::fs;
use std::io::Write as _;

use serde_json::{Value, json};
use spanwright::tree::{Style, render};
use spanwright_tests::faults::Act;
use spanwright_tests::mlflow::{free_port, python};
use spanwright_tests::receiver::Receiver;

use super::{ENABLED, User, answered, answered_text, event, recorded, stop_event, wait_for};

const SESSION: &str = "9c8d7e6f-3333-4c4c-7d7d-000000000003";

#[test]
fn only_a_switch_that_is_on_traces_and_the_assistant_always_goes_on() {
    for (switch, traces) in [
        (Some("TRUE"), 1),
        (Some(" yes "), 1),
        (Some("1"), 1),
        (Some("on"), 0),
        (Some("false"), 0),
        (Some(""), 0),
        (None, 0),
    ] {
        let user = User::new();
        let transcript = user.session("small", "s");
        let mut hook = user.hook("stop-hook");
        hook.env_remove(ENABLED).envs(switch.map(|value| (ENABLED, value)));
        answered(&mut hook, &stop_event("s", &transcript));
        if traces == 0 {
            assert!(!user.state().exists(), "{switch:?}");
        } else {
            assert_eq!(user.wait_for_traces(1).len(), 1, "{switch:?}");
        }
    }
}

#[test]
fn whatever_a_hook_is_called_with_the_assistant_goes_on() {
    let user = User::new();
    for said in ["", "{", "[]", "null", "{}", "{\"transcript_path\": 7}", "\u{0}"] {
        answered_text(&mut user.hook("stop-hook"), said);
        answered_text(&mut user.hook("subagent-stop-hook"), said);
    }
    answered_text(user.hook("stop-hook").arg("--no-such-option"), "{}");
    answered_text(user.hook("stop-hook").env("XDG_STATE_HOME", "/proc/nowhere"), "{}");
    answered_text(user.hook("stop-hook").env_remove("HOME"), "{}");
    wait_for("rest", || user.is_at_rest().then_some(()));
    assert_eq!(user.traces().len(), 0);
}

#[test]
fn a_transcript_without_a_turn_makes_no_trace_and_one_line_in_the_log() {
    let user = User::new();
    let paths = ["micro/empty.jsonl", "micro/no_user.jsonl", "missing.jsonl"].map(recorded);
    for (n, path) in paths.iter().enumerate() {
        user.stop(&stop_event(&n.to_string(), path));
        wait_for("a line in the log", || (user.log().lines().count() == n + 1 && user.is_at_rest()).then_some(()));
        let log = user.log();
        let line = log.lines().last().unwrap();
        assert!(line.contains(" - WARNING - no trace: ") && line.contains(&*path.to_string_lossy()), "{line}");
    }
    assert_eq!(user.traces().len(), 0);
}

#[test]
fn a_session_with_sub_agents_is_one_tree_and_a_background_agent_a_trace_of_its_own() {
    let user = User::new();
    let transcript = user.session("subagent_compaction", SESSION);
    user.stop(&stop_event(SESSION, &transcript));
    user.wait_for_traces(1);
    let spans = user.spans("claude_code_conversation");
    let tree = render(&spans, Style::redacted());
    let expected = "claude_code_conversation [AGENT]
  llm [LLM]
  tool_Task [TOOL]
    subagent_Explore [AGENT]
      llm [LLM]
      tool_Grep [TOOL]
      llm [LLM]
      tool_Read [TOOL] ERROR: File does not exist.
      llm [LLM]
  tool_Agent [TOOL]
  llm [LLM]
  llm [LLM]
  tool_Write [TOOL]
  llm [LLM]
";
    assert_eq!((tree.as_str(), spans.len()), (expected, 14));
    let root = spans.iter().find(|span| span.parent_id.is_none()).unwrap();
    assert_eq!(root.inputs.as_ref().unwrap().to_value()["prompt"], "Map the auth module, then write docs/auth.md.");
    assert_eq!(root.events.iter().map(|event| event.name.as_str()).collect::<Vec<_>>(), ["compaction"]);

    let said = event("hook_subagent_stop.json");
    for agent in ["a1b2c3d4", "unknown"] {
        let mut said = said.clone();
        said["agent_id"] = agent.into();
        answered(&mut user.hook("subagent-stop-hook"), &said);
        wait_for("rest", || user.is_at_rest().then_some(()));
    }
    assert_eq!((user.traces().len(), user.log().lines().count()), (1, 1), "{}", user.log());
    answered(&mut user.hook("subagent-stop-hook"), &said);
    user.wait_for_traces(2);
    let agent = user.spans("subagent_general-purpose");
    let root = agent.iter().find(|span| span.parent_id.is_none()).unwrap();
    let workflow = root.workflow.as_ref().unwrap();
    assert_eq!((agent.len(), workflow.session.as_deref()), (4, Some(SESSION)));
    assert!(workflow.tags.contains(&("parent_tool_use_id".into(), "toolu_03Bg".into())), "{:?}", workflow.tags);
}

/// So many turns of a session; the last one has so many answers.
fn turns(count: usize, answers: usize) -> String {
    let mut lines = Vec::new();
    for turn in 0..count {
        lines.push(json!({"type": "user", "uuid": format!("u{turn}"), "sessionId": "s", "timestamp": format!("2026-03-14T09:{turn:02}:00Z"),
            "message": {"content": format!("question {turn}")}}));
        for answer in 0..(if turn + 1 == count { answers } else { 1 }) {
            lines.push(json!({"type": "assistant", "timestamp": format!("2026-03-14T09:{turn:02}:1{answer}Z"),
                "message": {"id": format!("m{turn}-{answer}"), "content": [{"type": "text", "text": "A"}]}}));
        }
    }
    lines.iter().map(|line: &Value| format!("{line}\n")).collect()
}

#[test]
fn a_turn_is_one_trace_however_often_the_hook_is_called() {
    let user = User::new();
    let transcript = user.home().join("s.jsonl");
    let stop = |active: bool| {
        let mut said = stop_event("s", &transcript);
        said["stop_hook_active"] = active.into();
        said
    };
    fs::write(&transcript, turns(1, 1)).unwrap();
    user.stop(&stop(false));
    user.wait_for_traces(1);
    fs::write(&transcript, turns(2, 1)).unwrap();
    // All at once: one of them works, and sees to the events of the others.
    let said = stop(false);
    let children: Vec<_> = (0..6)
        .map(|_| {
            let said = said.clone();
            let mut hook = user.hook("stop-hook");
            std::thread::spawn(move || answered(&mut hook, &said))
        })
        .collect();
    children.into_iter().for_each(|child| child.join().unwrap());
    user.wait_for_traces(2);
    user.stop(&stop(true));
    wait_for("rest", || user.is_at_rest().then_some(()));
    let traces = user.traces();
    assert_eq!(
        traces.iter().map(|trace| (trace.session.as_deref(), trace.spans)).collect::<Vec<_>>(),
        [(Some("s"), 2); 2]
    );

    // A hook has kept the assistant going: what it did then belongs to the same turn.
    fs::write(&transcript, turns(2, 3)).unwrap();
    user.stop(&stop(true));
    wait_for("the rest of the turn", || (user.traces()[0].spans == 4).then_some(()));
    // Nobody called for the third turn: the user had stopped the assistant.
    fs::write(&transcript, turns(4, 1)).unwrap();
    user.stop(&stop(false));
    assert_eq!(user.wait_for_traces(4).len(), 4);
}

#[test]
fn an_answer_that_is_written_down_after_the_hook_was_called_is_waited_for() {
    let user = User::new();
    let transcript = user.home().join("s.jsonl");
    let whole = turns(1, 2);
    let (first, rest) = whole.split_at(whole.rfind("{\"message\"").unwrap_or_default());
    fs::write(&transcript, first).unwrap();
    let mut said = stop_event("s", &transcript);
    said["last_assistant_message"] = "A\" said last".into();
    user.stop(&said);
    let rest = rest.replace("\"text\":\"A\"", r#""text":"A\" said last""#);
    fs::OpenOptions::new().append(true).open(&transcript).unwrap().write_all(rest.as_bytes()).unwrap();
    user.wait_for_traces(1);
    let root = user.spans("claude_code_conversation").into_iter().find(|span| span.parent_id.is_none()).unwrap();
    assert_eq!(root.outputs.unwrap().to_value()["response"], "A\" said last");
}

#[test]
fn a_server_that_is_away_delays_a_turn_and_never_loses_one() {
    let user = User::new();
    let transcript = user.session("small", "s");
    let port = free_port();
    let uri = format!("http://127.0.0.1:{port}");
    answered(user.hook("stop-hook").env("MLFLOW_TRACKING_URI", &uri), &stop_event("s", &transcript));
    user.wait_for_traces(1);
    wait_for("a line about the server", || user.log().contains(&uri).then_some(()));

    let server = Receiver::start_on(port);
    let other = user.session("micro/string_content", "other");
    answered(user.hook("stop-hook").env("MLFLOW_TRACKING_URI", &uri), &stop_event("other", &other));
    user.wait_for_traces(2);
    wait_for("both turns", || (server.taken().len() == 6).then_some(()));
    server.assert_took_once(6);
}

#[test]
fn a_server_that_never_answers_holds_neither_the_assistant_nor_the_worker() {
    let server = Receiver::start_with(|_, _| Some(Act::Swallow));
    let user = User::new();
    let transcript = user.session("small", "s");
    let mut hook = user.hook("stop-hook");
    hook.env("MLFLOW_TRACKING_URI", server.uri()).env("SPANWRIGHT_CLAUDE_CEILING_S", "2");
    // Returns although nobody ever answers.
    answered(&mut hook, &stop_event("s", &transcript));
    user.wait_for_traces(1);
    wait_for("the worker's end", || no_worker(&user).then_some(()));
    let delivery = user.store().unwrap().pending_counts(Some(&server.uri())).unwrap();
    assert_eq!(delivery.pending.spans, 4, "all of it waits for the next hook");
}

/// Whether no process works in the state folder of this user.
fn no_worker(user: &User) -> bool {
    let state = user.state();
    let processes = fs::read_dir("/proc").unwrap().flatten();
    processes.into_iter().all(|process| fs::read_link(process.path().join("cwd")).ok().as_ref() != Some(&state))
}

#[test]
fn of_many_turns_the_sampling_ratio_keeps_the_same_ones_whoever_asks() {
    let kept = |user: &User| {
        for number in 0..8 {
            let session = format!("s{number}");
            let transcript = user.session("micro/string_content", &session);
            let mut hook = user.hook("stop-hook");
            hook.env("MLFLOW_TRACE_SAMPLING_RATIO", "0.5");
            answered(&mut hook, &stop_event(&session, &transcript));
        }
        wait_for("a word about each turn", || {
            let left_out = user.log().matches("MLFLOW_TRACE_SAMPLING_RATIO leaves this turn out").count();
            (user.traces().len() + left_out == 8 && user.is_at_rest()).then_some(())
        });
        let mut traces: Vec<_> = user.traces().iter().map(|trace| trace.trace_id).collect();
        traces.sort();
        traces
    };
    let traces = kept(&User::new());
    assert!((1..8).contains(&traces.len()), "{traces:?}");
    assert_eq!(kept(&User::new()), traces);
}

#[test]
fn a_turn_arrives_although_the_terminal_hangs_up_and_its_shell_ends_at_once() {
    // A shell of its own session on a terminal of its own; the hook is all it runs, and then the terminal is gone.
    const TERMINAL: &str = "import os, pty, sys
pid, terminal = pty.fork()
if pid == 0:
    os.execvp('sh', ['sh', '-i', '-c', 'printf %s \"$EVENT\" | \"$SPANWRIGHT\" claude stop-hook'])
said = b''
while b'continue' not in said:
    try:
        part = os.read(terminal, 1024)
    except OSError:
        break
    if not part:
        break
    said += part
os.close(terminal)
os.waitpid(pid, 0)
sys.exit(0 if b'{\"continue\": true}' in said else 1)";
    let server = Receiver::start_with(|_, number| {
        (number == 0).then(|| Act::Late(std::time::Duration::from_secs(1), Box::new(Act::json(200, "{}"))))
    });
    let user = User::new();
    let transcript = user.session("small", "s");
    let mut python = std::process::Command::new(python());
    python.args(["-c", TERMINAL]).env_clear().env("PATH", "/usr/bin:/bin").env("HOME", user.home()).env("TERM", "dumb");
    python.env(ENABLED, "true").env("MLFLOW_TRACKING_URI", server.uri()).current_dir(user.home());
    python.env("EVENT", stop_event("s", &transcript).to_string()).env("SPANWRIGHT", env!("CARGO_BIN_EXE_spanwright"));
    let output = python.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    wait_for("the trace", || (server.taken().len() == 4).then_some(()));
    server.assert_took_once(4);
}
