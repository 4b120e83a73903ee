//! `spanwright catalog` as its users run it.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::ground::{Ground, Run};

const THREE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../contract/tests/fixtures/three");

/// The command with what Cargo needs of the environment.
fn command(ground: &Ground, args: &[&str]) -> Command {
    let mut command = ground.command(args);
    for name in ["PATH", "HOME", "CARGO", "CARGO_HOME", "RUSTUP_HOME"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command
}

fn run(args: &[&str]) -> Run {
    Run::of(command(&Ground::new(), args).output().unwrap())
}

#[test]
fn text_is_a_table_with_the_declared_tree_first() {
    let run = run(&["catalog", THREE]);
    assert_eq!((run.code, run.err.as_str()), (Some(0), ""));
    insta::assert_snapshot!("catalog_text", run.out);
}

#[test]
fn json_is_the_same_by_either_flag_and_each_time() {
    let by_flag = run(&["--json", "catalog", THREE]);
    assert_eq!(by_flag.code, Some(0), "{}", by_flag.err);
    assert_eq!(by_flag.out, run(&["catalog", "--format", "json", THREE]).out);
    let object = by_flag.json();
    assert_eq!(object["version"], 1);
    let home = run(&["catalog", "--json", "-p", "home", &format!("{THREE}/home/src")]).json();
    let count = |object: &Value| object["spans"].as_array().unwrap().len();
    assert!(count(&home) > 0 && count(&home) < count(&object));
}

#[test]
fn what_cannot_be_read_is_said_with_what_to_do() {
    let ground = Ground::new();
    let at = |args: &[&str]| Run::of(command(&ground, args).output().unwrap());
    let failed = |run: Run, words: &[&str]| {
        assert_eq!((run.code, run.out.as_str()), (Some(1), ""), "{}", run.err);
        assert!(words.iter().all(|word| run.err.contains(word)), "{}", run.err);
    };
    failed(at(&["catalog"]), &["Cargo.toml", "name a folder"]);
    failed(at(&["catalog", "nowhere"]), &["nowhere", "no such folder"]);
    failed(at(&["catalog", THREE, "--package", "hone"]), &["no package `hone`", "did you mean `home`?"]);
    failed(at(&["catalog", THREE, "--package", "elsewhere"]), &["it has agent-kit, home, server"]);
    let without_cargo = Run::of(command(&ground, &["catalog", THREE]).env("CARGO", "/nowhere/cargo").output().unwrap());
    failed(without_cargo, &["cannot run `cargo metadata`", "install Cargo"]);
    fs::write(ground.folder.path().join("Cargo.toml"), "[package\n").unwrap();
    failed(at(&["catalog"]), &["Cargo.toml"]);
    let object = at(&["catalog", "--json"]);
    assert_eq!(object.code, Some(1));
    assert!(object.json()["error"].as_str().unwrap().contains("Cargo.toml"));
}

#[test]
fn a_workspace_without_spans_says_so() {
    let ground = Ground::new();
    fs::create_dir(ground.folder.path().join("src")).unwrap();
    fs::write(ground.folder.path().join("Cargo.toml"), "[package]\nname = \"app\"\n").unwrap();
    fs::write(ground.folder.path().join("src/lib.rs"), "").unwrap();
    let run = Run::of(command(&ground, &["catalog"]).output().unwrap());
    assert_eq!((run.code, run.out.as_str()), (Some(0), "0 spans\n"), "{}", run.err);
}
