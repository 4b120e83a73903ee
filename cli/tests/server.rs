//! The binary and a real MLflow server.

use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::json;
use spanwright::store::Store;
use spanwright_tests::mlflow::{free_port, shared};

use crate::ground::{Ground, Run, failing, keep, workflow};

fn id(trace: u64) -> String {
    format!("tr-{:016x}{:016x}", trace << 32, 7)
}

#[test]
fn what_a_dead_server_left_is_pushed_to_a_living_one_and_only_once() {
    let server = shared();
    let ground = Ground::new();
    let store = ground.store();
    keep(&store, workflow(0x101, "pushed_workflow"), None);
    keep(&store, failing(0x102), Some(&format!("http://127.0.0.1:{}", free_port())));

    let pushed = ground.run(&["push", "--to", server.uri()]);
    assert_eq!(pushed.code, Some(0), "{}{}", pushed.out, pushed.err);
    assert_eq!(pushed.out.trim(), format!("delivered 6 spans to {}", server.uri()));
    let trace = server.trace(&id(0x101)).expect("MLflow has the trace");
    assert_eq!(trace["state"], "OK");
    assert_eq!(trace["tree"].as_str().unwrap().lines().count(), 3, "{trace:#}");
    assert_eq!(trace["tags"]["workflow"], "planning");
    assert_eq!(server.trace(&id(0x102)).expect("MLflow has the other one")["state"], "ERROR");

    let again = ground.run(&["push", "--json", "--to", server.uri()]);
    assert_eq!(again.code, Some(0), "{}", again.err);
    let nothing = json!({"traces": 0, "spans": 0});
    let expected = json!({"destination": server.uri(), "delivered": 0, "pending": 0, "adopted": nothing, "rejected": [], "blocked": []});
    assert_eq!(again.json(), expected);
    assert_eq!(ground.run(&["list", "--json"]).json()["traces"][0]["delivery"], "delivered");
}

#[test]
fn a_push_that_was_killed_is_taken_up_again() {
    // Two requests of 512 spans.
    const TRACES: u64 = 200;
    let server = shared();
    let ground = Ground::new();
    let store = ground.store();
    for trace in 0..TRACES {
        keep(&store, workflow(0x1000 + trace, "interrupted_workflow"), Some(server.uri()));
    }

    let mut child = ground.command(&["push", "--to", server.uri()]).stdout(Stdio::null()).spawn().unwrap();
    let waiting = |store: &Store| store.pending_counts(Some(server.uri())).unwrap().pending.spans;
    let begun = Instant::now();
    while waiting(&store) == 3 * TRACES && begun.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(10));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(waiting(&store) < 3 * TRACES, "nothing was delivered in a minute");

    let resumed = ground.run(&["push", "--to", server.uri()]);
    assert_eq!(resumed.code, Some(0), "{}{}", resumed.out, resumed.err);
    assert_eq!(waiting(&store), 0);
    let last = server.trace(&id(0x1000 + TRACES - 1)).expect("MLflow has the trace");
    assert_eq!((&last["usage"]["total_tokens"], last["spans"].as_array().map(Vec::len)), (&json!(30), Some(3)));
}

#[test]
fn doctor_sends_a_canary_there_and_back_and_takes_it_away() {
    let server = shared();
    let ground = Ground::new();
    keep(&ground.store(), workflow(0x301, "first_workflow"), None);
    let mut command = ground.command(&["doctor", "--json"]);
    command.env("MLFLOW_TRACKING_URI", server.uri()).env("MLFLOW_EXPERIMENT_NAME", "doctored");
    let run = Run::of(command.output().unwrap());
    assert_eq!(run.code, Some(0), "{}{}", run.out, run.err);
    let diagnosis = run.json();
    assert_eq!(diagnosis["healthy"], true);
    for check in diagnosis["checks"].as_array().unwrap() {
        assert_eq!(check["status"], "ok", "{check:#}");
    }
    let names: Vec<&str> =
        diagnosis["checks"].as_array().unwrap().iter().map(|check| check["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["configuration", "store", "chunks", "server", "experiment", "canary"]);
    assert!(diagnosis["summary"].as_str().unwrap().contains(server.uri()), "{run:?}", run = run.out);
    assert!(server.traces("doctored").is_empty(), "the canary is gone");
}

#[test]
fn a_deleted_experiment_is_named_and_nothing_is_lost_to_it() {
    let server = shared();
    server.delete_experiment("thrown away");
    let ground = Ground::new();
    let mut command = ground.command(&["doctor"]);
    command.env("MLFLOW_TRACKING_URI", server.uri()).env("MLFLOW_EXPERIMENT_NAME", "thrown away");
    let run = Run::of(command.output().unwrap());
    assert_eq!(run.code, Some(1), "{}{}", run.out, run.err);
    let last = run.out.lines().last().unwrap();
    assert!(last.starts_with("experiment: ") && last.contains("deleted") && last.contains("restore"), "{last}");

    keep(&ground.store(), workflow(0x401, "first_workflow"), None);
    let mut command = ground.command(&["push", "--to", server.uri()]);
    let pushed = Run::of(command.env("MLFLOW_EXPERIMENT_NAME", "thrown away").output().unwrap());
    assert_eq!(pushed.code, Some(1), "{}{}", pushed.out, pushed.err);
    assert!(pushed.out.starts_with("3 spans still wait") && pushed.out.contains("restore"), "{}", pushed.out);
    let elsewhere = ground.run(&["push", "--to", server.uri()]);
    assert_eq!(elsewhere.code, Some(0), "they were kept: {}{}", elsewhere.out, elsewhere.err);
}
