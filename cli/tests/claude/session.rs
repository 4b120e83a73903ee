//! Transcripts made into traces by hand.

use super::{User, recorded};

#[test]
fn a_transcript_is_shown_without_being_stored_and_stored_only_once() {
    let user = User::new();
    let file = recorded("tool_heavy.jsonl");
    let file = file.to_str().unwrap();
    let dry = user.ground.run(&["claude", "convert", file, "--dry-run"]);
    assert_eq!(dry.code, Some(0), "{}", dry.err);
    assert!(
        dry.out.contains("16 spans  not stored") && dry.out.contains("tool_mcp__ci__screenshot [TOOL]"),
        "{}",
        dry.out
    );
    assert!(!user.state().exists());

    let all = user.ground.run(&["claude", "convert", file, "--all-turns", "--json"]).json();
    let spans: Vec<_> =
        all["traces"].as_array().unwrap().iter().map(|trace| trace["spans"].as_array().unwrap().len()).collect();
    assert_eq!(spans, [2, 16]);
    let again = user.ground.run(&["claude", "convert", file]);
    assert!(again.out.contains("known already"), "{}", again.out);
    assert_eq!(user.traces().len(), 2);
    let elsewhere = user.home().join("elsewhere");
    let run = user.ground.run(&["claude", "convert", file, "--store", elsewhere.to_str().unwrap()]);
    assert!(run.out.contains("stored") && elsewhere.join("store.db").exists(), "{}{}", run.out, run.err);
}

#[test]
fn what_cannot_be_converted_is_said() {
    let user = User::new();
    for file in ["micro/empty.jsonl", "micro/no_user.jsonl", "missing.jsonl"] {
        let run = user.ground.run(&["claude", "convert", recorded(file).to_str().unwrap()]);
        assert_eq!(run.code, Some(1), "{file}");
        assert!(run.err.contains(file), "{}", run.err);
    }
    let run = user.ground.run(&["claude", "convert", recorded("small.jsonl").to_str().unwrap(), "--push"]);
    assert_eq!(run.code, Some(1));
    assert!(run.err.contains("MLFLOW_TRACKING_URI"), "{}", run.err);
}
