//! A program whose tracing has nowhere to go, or is killed: what the program notices (nothing), and what is kept (everything).

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use spanwright::record::Ending;
use spanwright::store::{Store, TraceFilter, TraceState};
use spanwright_tests::mlflow;
use tempfile::TempDir;

/// The traced program, in a folder of its own and with nothing of this machine's settings.
pub fn agent(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_agent"));
    command.args(arguments).current_dir(folder).env_clear().env("HOME", folder).stdin(Stdio::null());
    command
}

pub fn run(command: &mut Command) -> Output {
    command.output().expect("the agent can be started")
}

pub fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Lines of ours on standard error.
pub fn said(output: &Output) -> Vec<String> {
    let stderr = String::from_utf8_lossy(&output.stderr);
    stderr.lines().filter_map(|line| line.strip_prefix("spanwright: ")).map(str::to_owned).collect()
}

fn microseconds(output: &Output) -> u64 {
    let text = stdout(output);
    let line = text.lines().find_map(|line| line.strip_prefix("us ")).expect("it says how long it took");
    line.parse().expect("a number")
}

fn store(folder: &Path) -> Store {
    Store::open(&folder.join(".spanwright")).expect("the store opens")
}

fn spans(folder: &Path) -> usize {
    let store = store(folder);
    let traces = store.traces(&TraceFilter::default()).expect("the store reads");
    traces.iter().map(|trace| store.spans(trace.trace_id).expect("the store reads").len()).sum()
}

/// `step` gives twice its number, or 1 for the tenth of them that fail.
fn sum(count: u64) -> String {
    let sum: u64 = (0..count).map(|n| if n % 10 == 9 { 1 } else { n * 2 }).sum();
    format!("sum {sum}\n")
}

/// A1-16
#[test]
fn a_thousand_nodes_do_not_notice_that_nobody_listens() {
    let folder = TempDir::new().expect("a folder");
    let uri = format!("http://ada:hunter2@127.0.0.1:{}", mlflow::free_port());
    let output = run(agent(folder.path(), &["steps", "1000"]).env("MLFLOW_TRACKING_URI", &uri));
    assert!(output.status.success());
    assert!(stdout(&output).starts_with(&sum(1000)), "{}", stdout(&output));
    assert!(microseconds(&output) < 1000 * 5000, "less than 5 ms a span: {} µs in all", microseconds(&output));
    let said = said(&output);
    assert_eq!(said.len(), 1, "exactly one warning: {said:?}");
    assert!(said[0].contains("127.0.0.1") && said[0].contains("spanwright push"), "{said:?}");
    assert!(!String::from_utf8_lossy(&output.stderr).contains("hunter2"), "no credential in a diagnostic");
    assert_eq!(spans(folder.path()), 1001, "everything is kept");
}

/// A1-17
#[test]
fn the_kill_switch_leaves_no_file_and_opens_no_connection() {
    for value in ["true", " 1 ", "YES"] {
        let folder = TempDir::new().expect("a folder");
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        listener.set_nonblocking(true).expect("it can be asked without waiting");
        let uri = format!("http://{}", listener.local_addr().expect("it is bound"));
        let mut command = agent(folder.path(), &["steps", "50"]);
        let output = run(command.env("MLFLOW_TRACKING_URI", uri).env("MLFLOW_DISABLE_TRACES", value));
        assert!(output.status.success() && stdout(&output).starts_with(&sum(50)));
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
        assert!(listener.accept().is_err(), "nobody connected");
        assert_eq!(std::fs::read_dir(folder.path()).expect("it is there").count(), 0, "no file was made");
    }
}

#[test]
fn a_file_or_database_as_tracking_uri_is_one_warning_and_the_store() {
    for uri in ["sqlite:///mlflow.db", "file:./mlruns", "./mlruns", "databricks"] {
        let folder = TempDir::new().expect("a folder");
        let output = run(agent(folder.path(), &["steps", "5"]).env("MLFLOW_TRACKING_URI", uri));
        assert!(output.status.success());
        let said = said(&output);
        assert_eq!(said.len(), 1, "{uri}: {said:?}");
        assert!(said[0].contains(uri) && said[0].contains("spanwright push"), "{uri}: {said:?}");
        assert!(!said[0].contains("  "), "{said:?}");
        assert_eq!(spans(folder.path()), 6);
        assert!(!folder.path().join("mlruns").exists() && !folder.path().join("mlflow.db").exists());
    }
}

#[test]
fn settings_that_cannot_be_used_are_said_and_the_program_runs() {
    let folder = TempDir::new().expect("a folder");
    std::fs::write(folder.path().join("spanwright.toml"), "capturre = \"full\"\n").expect("a file");
    let mut command = agent(folder.path(), &["steps", "5"]);
    let output = run(command.env("MLFLOW_TRACE_SAMPLING_RATIO", "plenty").env("SPANWRIGHT_CAPTURE", "verbose"));
    assert!(output.status.success() && stdout(&output).starts_with(&sum(5)));
    let said = said(&output).join("\n");
    for part in ["MLFLOW_TRACE_SAMPLING_RATIO", "plenty", "SPANWRIGHT_CAPTURE", "preview", "capturre", "`capture`"] {
        assert!(said.contains(part), "{part} in {said}");
    }
    let mut command = agent(folder.path(), &["steps", "5"]);
    let output = run(command.env("SPANWRIGHT_LOG", "off").env("SPANWRIGHT_CAPTURE", "verbose"));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[test]
fn a_store_that_cannot_be_made_is_said_and_the_program_runs() {
    let folder = TempDir::new().expect("a folder");
    std::fs::write(folder.path().join("taken"), "not a folder").expect("a file");
    let output = run(agent(folder.path(), &["steps", "20"]).env("SPANWRIGHT_STORE", folder.path().join("taken/store")));
    assert!(output.status.success() && stdout(&output).starts_with(&sum(20)));
    let said = said(&output);
    let [start, end] = said.as_slice() else { panic!("why, and in the end how much: {said:?}") };
    assert!(start.contains("SPANWRIGHT_STORE") && end.starts_with("21 spans were kept in memory only"), "{said:?}");
}

#[test]
fn a_panic_out_of_main_keeps_what_was_traced() {
    let folder = TempDir::new().expect("a folder");
    let output = run(&mut agent(folder.path(), &["panic", "30"]));
    assert_eq!(output.status.code(), Some(101));
    assert_eq!(spans(folder.path()), 31);
}

#[test]
fn a_debug_build_that_installs_nothing_is_told_once() {
    let folder = TempDir::new().expect("a folder");
    let output = run(&mut agent(folder.path(), &["uninstalled", "30"]));
    assert!(output.status.success() && stdout(&output).starts_with(&sum(30)));
    let said = said(&output);
    assert_eq!(said.len(), usize::from(cfg!(debug_assertions)), "{said:?}");
    assert!(said.iter().all(|line| line.contains("spanwright::init()")), "{said:?}");
    assert_eq!(std::fs::read_dir(folder.path()).expect("it is there").count(), 0, "nothing is installed implicitly");
    for (variable, value) in [("SPANWRIGHT_LOG", "off"), ("MLFLOW_DISABLE_TRACES", "1")] {
        let output = run(agent(folder.path(), &["uninstalled", "30"]).env(variable, value));
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{variable}={value}");
    }
}

#[test]
fn a_second_installation_is_an_error_that_says_so() {
    let folder = TempDir::new().expect("a folder");
    assert_eq!(stdout(&run(&mut agent(folder.path(), &["twice"]))), "second true\n");
}

/// Starts a program that never ends, and kills it after it has said `lines` times what it did.
fn kill_after(folder: &Path, lines: usize) -> u64 {
    let mut child = agent(folder, &["last"]).stdout(Stdio::piped()).spawn().expect("the agent can be started");
    let out = BufReader::new(child.stdout.take().expect("it is piped"));
    let last = out.lines().take(lines).last().expect("it says something").expect("text");
    kill(&mut child);
    last.strip_prefix("did ").expect("what it did").parse().expect("a number")
}

fn kill(child: &mut Child) {
    child.kill().expect("it can be killed");
    child.wait().expect("it is gone");
}

#[test]
fn a_killed_program_loses_no_span_that_had_ended() {
    let folder = TempDir::new().expect("a folder");
    let mut ended = Vec::new();
    for lines in [1, 2, 9, 30] {
        ended.push(kill_after(folder.path(), lines) as usize + 1);
    }
    // The next program finds what the others left.
    run(agent(folder.path(), &["steps", "1"]).env("SPANWRIGHT_FLUSH_TIMEOUT_MS", "30000"));
    let store = store(folder.path());
    let traces = store.traces(&TraceFilter::default()).expect("the store reads");
    let killed: Vec<_> = traces.iter().filter(|trace| trace.name == "lasting_workflow").collect();
    assert_eq!(killed.len(), 4);
    for (trace, ended) in killed.iter().rev().zip(ended) {
        let spans = store.spans(trace.trace_id).expect("the store reads");
        let steps = spans.iter().filter(|span| span.name == "step" && span.ending != Ending::Abandoned).count();
        assert!(steps >= ended, "{steps} steps are kept, at least {ended} had ended when it was killed");
        let root = spans.iter().find(|span| span.parent_id.is_none()).expect("the root is repaired");
        assert_eq!((root.ending, trace.state), (Ending::Abandoned, TraceState::Error));
    }
    let left = std::fs::read_dir(folder.path().join(".spanwright/chunks")).expect("it is there").flatten();
    let left: Vec<_> = left
        .map(|left| {
            (
                left.path(),
                std::fs::read_dir(left.path())
                    .map(|files| files.flatten().map(|file| file.file_name()).collect::<Vec<_>>()),
            )
        })
        .collect();
    assert!(left.is_empty(), "nothing is left behind: {left:?}");
}

#[test]
fn the_end_of_the_program_waits_no_longer_than_it_says() {
    let folder = TempDir::new().expect("a folder");
    // It accepts, and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let uri = format!("http://{}", silent.local_addr().expect("it is bound"));
    let started = Instant::now();
    let output = run(agent(folder.path(), &["steps", "100"]).env("MLFLOW_TRACKING_URI", &uri));
    assert!(output.status.success() && stdout(&output).starts_with(&sum(100)));
    assert!(started.elapsed() < Duration::from_secs(4), "{:?} with a 2 s flush", started.elapsed());
    assert!(microseconds(&output) < 500_000, "the calls themselves wait for nothing");
    assert_eq!(said(&output).len(), 1, "{:?}", said(&output));
    assert_eq!(spans(folder.path()), 101);
}

#[test]
fn the_longest_wait_there_is_is_no_panic() {
    let folder = TempDir::new().expect("a folder");
    assert_eq!(stdout(&run(&mut agent(folder.path(), &["patient", "5"]))), "stored true\n");
}

#[test]
fn a_program_that_rests_costs_next_to_nothing_whether_its_server_is_there_or_not() {
    let away = format!("http://127.0.0.1:{}", mlflow::free_port());
    for uri in [None, Some(away)] {
        let folder = TempDir::new().expect("a folder");
        let mut command = agent(folder.path(), &["rest", "5"]);
        command.envs(uri.as_ref().map(|uri| ("MLFLOW_TRACKING_URI", uri)));
        let output = run(&mut command);
        let text = stdout(&output);
        let cpu: u64 = text.trim().strip_prefix("cpu ").and_then(|cpu| cpu.parse().ok()).expect("a number");
        assert!(cpu <= 25, "{cpu} hundredths of a second in 5 s with {uri:?}");
        assert_eq!(said(&output).len(), usize::from(uri.is_some()), "{:?}", said(&output));
    }
}
