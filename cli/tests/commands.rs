//! The binary without a server.

use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};
use spanwright::record::{Batch, Losses};
use spanwright::store::ProcessId;

use crate::ground::{Ground, Run, SERVER, failing, keep, workflow};

#[test]
fn without_a_store_it_says_where_it_looked_and_what_to_do() {
    let ground = Ground::new();
    for args in [&["list"][..], &["tree"], &["tree", "--last"]] {
        let run = ground.run(args);
        assert_eq!(run.code, Some(1), "{}", run.err);
        assert!(run.err.contains(".spanwright") && run.err.contains("spanwright::init()"), "{}", run.err);
        assert_eq!(run.out, "");
    }
    let run = ground.run(&["list", "--json"]);
    assert_eq!((run.code, &run.json()["traces"]), (Some(0), &json!([])));
    assert!(!ground.folder.path().join(".spanwright").exists(), "looking makes nothing");

    let run = ground.run(&["tree", "--json"]);
    assert_eq!(run.code, Some(1));
    assert!(run.json()["error"].as_str().unwrap().contains("no traces yet"));
    assert!(run.json()["hint"].is_string());
}

#[test]
fn list_is_a_table_newest_first_and_a_stable_object() {
    let ground = Ground::new();
    let store = ground.store();
    keep(&store, workflow(1, "first_workflow"), None);
    keep(&store, failing(2), Some(SERVER));

    let run = ground.run(&["list"]);
    assert_eq!(run.code, Some(0), "{}", run.err);
    let lines: Vec<Vec<&str>> =
        run.out.lines().map(|line| line.split("  ").filter(|cell| !cell.is_empty()).map(str::trim).collect()).collect();
    assert_eq!(lines[0], ["TRACE", "STARTED (UTC)", "NAME", "STATE", "DURATION", "SPANS", "TOKENS", "DELIVERY"]);
    assert_eq!(lines[1][1..], ["2026-11-20 23:49:08", "sad_workflow", "error", "499 ms", "3", "30", "3 spans waiting"]);
    assert_eq!(lines[2][1..], ["2026-11-20 23:49:07", "first_workflow", "ok", "499 ms", "3", "30", "local"]);
    assert!(!run.out.contains('\x1b'), "no colours in a pipe");

    let object = ground.run(&["list", "--json"]).json();
    let mut trace = object["traces"][0].clone();
    assert_eq!(trace["trace_id"].as_str().map(str::len), Some(35));
    trace["trace_id"] = Value::Null;
    assert_eq!(
        trace,
        json!({
            "trace_id": null, "name": "sad_workflow", "state": "error", "started": "2026-11-20T23:49:08.001Z",
            "duration_ms": 499.0, "spans": 3, "errors": 1, "tokens": 30, "workflow": "planning", "session": "session-2",
            "user": null, "experiment": null, "destination": SERVER, "delivery": "pending", "undelivered": 3, "rejected": 0,
        })
    );
    assert_eq!(object["traces"][1]["delivery"], "local");

    let filtered = ground.run(&["list", "--json", "--session", "session-1"]).json();
    assert_eq!(filtered["traces"].as_array().map(Vec::len), Some(1));
    let limited = ground.run(&["list", "-n", "1"]);
    assert!(limited.out.contains("1 of 2 traces"), "{}", limited.out);
    let none = ground.run(&["list", "-n", "0"]);
    assert!(none.code == Some(2) && none.err.contains('0'), "{}", none.err);
}

#[test]
fn tree_shows_the_newest_trace_or_the_one_that_begins_so() {
    let ground = Ground::new();
    let store = ground.store();
    keep(&store, workflow(0xabc, "first_workflow"), None);
    keep(&store, workflow(0xabd, "second_workflow"), None);

    for args in [&["tree"][..], &["tree", "--last"], &["tree", "tr-00000abd"], &["tree", "00000ABD"]] {
        let run = ground.run(args);
        assert_eq!(run.code, Some(0), "{}", run.err);
        let place = |word| run.out.find(word).unwrap_or_else(|| panic!("no {word}: {}", run.out));
        assert!(place("second_workflow") < place("plan") && place("plan") < place("llm"), "{}", run.out);
        assert!(run.out.lines().next().unwrap().contains("3 spans  30 tokens  local"), "{}", run.out);
    }

    let object = ground.run(&["tree", "--json"]).json();
    assert_eq!(object["trace"]["name"], "second_workflow");
    assert_eq!(object["spans"].as_array().map(Vec::len), Some(3));
    assert_eq!(object["spans"][2]["parent_id"], object["spans"][1]["span_id"]);

    let several = ground.run(&["tree", "00000ab"]);
    assert_eq!(several.code, Some(1));
    assert!(several.err.contains("several") && several.err.contains("first_workflow"), "{}", several.err);
    for unknown in ["ffff", "not-an-id", ""] {
        let run = ground.run(&["tree", unknown]);
        assert_eq!(run.code, Some(1));
        assert!(run.err.contains("spanwright list"), "{}", run.err);
    }
}

#[test]
fn the_store_is_found_from_below_and_by_any_of_its_names() {
    let ground = Ground::new();
    keep(&ground.store(), workflow(1, "first_workflow"), None);
    let below = ground.folder.path().join("a/b");
    std::fs::create_dir_all(&below).unwrap();
    let shows =
        |run: &Run| assert!(run.code == Some(0) && run.out.contains("first_workflow"), "{}{}", run.out, run.err);
    shows(&Run::of(ground.command(&["list"]).current_dir(&below).output().unwrap()));

    let elsewhere = Ground::new();
    let folder = ground.folder.path().to_str().unwrap().to_owned();
    shows(&elsewhere.run(&["list", "--store", &folder]));
    shows(&elsewhere.run(&["--store", &format!("{folder}/.spanwright"), "list"]));
    shows(&Run::of(
        elsewhere.command(&["list"]).env("SPANWRIGHT_STORE", format!("{folder}/.spanwright")).output().unwrap(),
    ));
    let off = Run::of(elsewhere.command(&["list"]).env("SPANWRIGHT_STORE", "off").output().unwrap());
    assert!(off.code == Some(1) && off.err.contains("SPANWRIGHT_STORE"), "{}", off.err);
}

#[test]
fn a_reader_that_stops_reading_is_no_error() {
    let ground = Ground::new();
    let store = ground.store();
    for trace in 1..=600 {
        keep(&store, workflow(trace, "a_workflow_with_a_rather_long_name"), None);
    }
    let mut child =
        ground.command(&["list", "-n", "600"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let run = Run::of(child.wait_with_output().unwrap());
    assert_eq!((run.code, run.err.as_str()), (Some(0), ""));
}

#[test]
fn a_wrong_command_line_is_code_two_and_help_names_the_codes() {
    let ground = Ground::new();
    assert_eq!(ground.run(&["lst"]).code, Some(2));
    assert_eq!(ground.run(&["tree", "abc", "--last"]).code, Some(2));
    assert_eq!(ground.run(&["list", "-n", "0"]).code, Some(2));
    let help = ground.run(&["--help"]);
    assert_eq!(help.code, Some(0));
    assert!(help.out.contains("Exit codes:"), "{}", help.out);
}

#[test]
fn doctor_says_in_its_last_line_what_is_wrong_and_what_to_do() {
    let ground = Ground::new();
    let last_line = |run: &Run| run.out.lines().last().unwrap_or_default().to_owned();

    let fine = ground.run(&["doctor"]);
    assert_eq!(fine.code, Some(0), "{}{}", fine.out, fine.err);
    assert!(last_line(&fine).contains("MLFLOW_TRACKING_URI"), "{}", fine.out);

    let off = Run::of(ground.command(&["doctor"]).env("MLFLOW_DISABLE_TRACES", "1").output().unwrap());
    assert_eq!(off.code, Some(1), "{}", off.out);
    assert!(last_line(&off).contains("unset MLFLOW_DISABLE_TRACES"), "{}", off.out);

    let file = Run::of(ground.command(&["doctor"]).env("MLFLOW_TRACKING_URI", "sqlite:///mlflow.db").output().unwrap());
    assert_eq!(file.code, Some(1), "{}", file.out);
    assert!(last_line(&file).contains("mlflow server --backend-store-uri sqlite:///mlflow.db"), "{}", file.out);
}

#[test]
fn doctor_shows_what_was_lost_by_cause_and_how_much_a_kill_may_take() {
    let ground = Ground::new();
    let store = ground.store();
    let mut losses = Losses::default();
    (losses.spans, losses.orphaned, losses.heap_chunks) = (12, 3, 5);
    for process in [1, 2] {
        // Said twice, counted once: a process says what it has lost since it started.
        for _ in 0..2 {
            let batch = Batch { losses: Some(losses), ..Batch::default() };
            store.append(&batch, ProcessId(process), None).unwrap();
        }
    }
    let seen = ground.run(&["doctor", "--json"]).json();
    assert_eq!((&seen["store"]["lost"]["spans"], &seen["store"]["lost"]["orphaned"]), (&json!(24), &json!(6)));
    assert_eq!(seen["window_ms"], 0);
    let text = ground.run(&["doctor"]).out;
    for part in [
        "24 spans dropped, the chunks were full",
        "6 values or ends of unknown spans",
        "10 times no chunk file was ready",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    let on_heap = Run::of(ground.command(&["doctor", "--json"]).env("SPANWRIGHT_CHUNKS", "heap").output().unwrap());
    assert_eq!(on_heap.json()["window_ms"], 50);
}

#[test]
fn doctor_finds_a_dead_server_without_showing_its_password() {
    let ground = Ground::new();
    keep(&ground.store(), workflow(1, "first_workflow"), Some(SERVER));
    let mut command = ground.command(&["doctor", "--json"]);
    command.env("MLFLOW_TRACKING_URI", "http://somebody:swordfish@127.0.0.1:9");
    let run = Run::of(command.output().unwrap());
    assert_eq!(run.code, Some(1), "{}{}", run.out, run.err);
    let object = run.json();
    assert_eq!(object["healthy"], false);
    let status = |name: &str| {
        let checks = object["checks"].as_array().unwrap();
        checks.iter().find(|check| check["name"] == name).map(|check| check["status"].as_str().unwrap().to_owned())
    };
    assert_eq!(status("server").as_deref(), Some("failed"), "{}", run.out);
    assert_eq!(status("canary").as_deref(), Some("skipped"), "{}", run.out);
    assert!(object["summary"].as_str().unwrap().contains("127.0.0.1:9"), "{}", run.out);
    let settings = object["settings"].as_array().unwrap();
    assert!(settings.iter().any(|setting| setting["source"] == "environment MLFLOW_TRACKING_URI"), "{}", run.out);
    assert!(!run.out.contains("swordfish") && !run.err.contains("swordfish"), "{}{}", run.out, run.err);
    assert_eq!(object["store"]["stored"]["spans"], 3);
}

#[test]
fn push_to_a_dead_server_keeps_everything_and_says_so() {
    let ground = Ground::new();
    keep(&ground.store(), workflow(1, "first_workflow"), None);
    let run = ground.run(&["push", "--to", SERVER]);
    assert_eq!(run.code, Some(1), "{}{}", run.out, run.err);
    assert!(run.err.contains("127.0.0.1:9"), "{}", run.err);
    let listed = ground.run(&["list", "--json"]).json();
    assert_eq!((&listed["traces"][0]["spans"], &listed["traces"][0]["delivery"]), (&json!(3), &json!("local")));
}

#[test]
fn push_without_a_server_or_without_traces_says_what_is_missing() {
    let ground = Ground::new();
    keep(&ground.store(), workflow(1, "first_workflow"), None);
    let run = ground.run(&["push"]);
    assert_eq!(run.code, Some(1));
    assert!(run.err.contains("MLFLOW_TRACKING_URI") && run.err.contains("--to"), "{}", run.err);
    let run = ground.run(&["push", "--to", "sqlite:///mlflow.db"]);
    assert_eq!(run.code, Some(1));
    assert!(run.err.contains("mlflow server"), "{}", run.err);

    let configured =
        Run::of(ground.command(&["push", "--to", "127.0.0.1:9"]).env("MLFLOW_TRACKING_URI", SERVER).output().unwrap());
    assert_eq!(configured.code, Some(1));
    assert!(
        configured.err.contains("given as --to") && configured.err.contains("http://"),
        "never another server than the one that was named: {}",
        configured.err
    );

    let run = Ground::new().run(&["push", "--to", SERVER]);
    assert_eq!(run.code, Some(1));
    assert!(run.err.contains("no traces yet"), "{}", run.err);
}

#[test]
fn a_trace_that_is_running_is_listed_by_the_name_of_its_root() {
    let ground = Ground::new();
    let mut finished = workflow(1, "long_workflow");
    let batch = Batch { open: vec![finished.remove(0)], finished, ..Batch::default() };
    ground.store().append(&batch, ProcessId(1), Some(SERVER)).unwrap();
    let listed = ground.run(&["list", "--json"]).json();
    let trace = &listed["traces"][0];
    assert_eq!((&trace["name"], &trace["state"]), (&json!("long_workflow"), &json!("running")));
    assert_eq!(
        (&trace["workflow"], &trace["spans"], &trace["duration_ms"]),
        (&json!("planning"), &json!(2), &Value::Null)
    );
    let tree = ground.run(&["tree"]);
    assert!(tree.out.contains("running") && tree.out.contains("plan"), "{}{}", tree.out, tree.err);
}

#[test]
fn the_exit_code_and_the_object_of_a_failure_agree() {
    let ground = Ground::new();
    let missing = Path::new("nowhere");
    let run = ground.run(&["tree", "--json", "--store", missing.to_str().unwrap()]);
    assert_eq!(run.code, Some(1));
    assert!(run.json()["error"].as_str().unwrap().contains("nowhere"));
    assert!(run.err.starts_with("error: "), "{}", run.err);
}

#[test]
fn prices_are_a_dated_table_and_a_model_is_looked_up_as_its_cost_would_be() {
    let ground = Ground::new();
    let run = ground.run(&["prices", "--provider", "claude"]);
    assert_eq!(run.code, Some(0), "{}", run.err);
    assert!(run.out.contains("PROVIDER") && run.out.contains("claude-haiku-4-5"), "{}", run.out);
    assert!(run.out.lines().last().is_some_and(|line| line.contains("list prices of 20")), "{}", run.out);
    let all = ground.run(&["prices", "--json"]).json();
    assert!(all["prices"].as_array().is_some_and(|rows| rows.len() > 500));
    assert!(all["as_of"].is_string() && all["file"].is_null());

    let run = ground.run(&["prices", "--json", "--model", "openai/gpt-4o-2024-08-06"]);
    assert_eq!(run.json()["prices"][0]["model"], "gpt-4o");
    let run = ground.run(&["prices", "--model", "tomorrow-1", "--provider", "acme"]);
    assert_eq!(run.code, Some(1));
    assert!(run.err.contains("`tomorrow-1` of `acme`") && run.err.contains("[providers.acme.models]"), "{}", run.err);
    let run = ground.run(&["prices", "--provider", "acme"]);
    assert!(run.code == Some(1) && run.err.contains("anthropic"), "{}", run.err);
}

#[test]
fn own_prices_win_and_a_mistake_in_their_file_is_named_by_its_line() {
    let ground = Ground::new();
    let file = ground.folder.path().join("own.toml");
    std::fs::write(&file, "as_of = 2030-01-02\n[providers.openai.models]\n\"gpt-4o\" = { input = 1, output = 2 }\n")
        .unwrap();
    let look = || {
        let mut command = ground.command(&["prices", "--json", "--model", "gpt-4o"]);
        Run::of(command.env("SPANWRIGHT_PRICES", "own.toml").output().unwrap())
    };
    let found = look().json();
    assert_eq!((&found["prices"][0]["input"], &found["prices"][0]["as_of"]), (&json!(1.0), &json!("2030-01-02")));

    std::fs::write(ground.folder.path().join("spanwright.toml"), "prices = \"own.toml\"\n").unwrap();
    let listed = ground.run(&["prices", "--json", "--model", "gpt-4o"]).json();
    assert_eq!(listed["prices"][0]["output"], 2.0);

    std::fs::write(&file, "[providers.openai.models]\n\"gpt-4o\" = { input = 1 }\n").unwrap();
    let run = look();
    assert_eq!(run.code, Some(1));
    let expected = ["own.toml", "SPANWRIGHT_PRICES", "line 2", "`output`"];
    assert!(expected.iter().all(|word| run.err.contains(word)), "{}", run.err);
}
