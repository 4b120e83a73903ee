//! Fork without exec: parent and child go on in the same program, and in the same span.

use std::collections::HashSet;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use spanwright::config::{Config, Overrides, StorePlace};
use spanwright::record::{Ending, SpanRecord};
use spanwright::store::{Store, TraceFilter};
use spanwright_tests::mlflow;
use tempfile::TempDir;

/// Steps of each thread.
const STEPS: usize = 50;
/// Steps of all threads of a parent, and of a child that has more than one.
const ALL: usize = 150;

/// The traced program, in a folder of its own and with nothing of this machine's settings.
fn forker(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_forker"));
    command.args(arguments).current_dir(folder).env_clear().env("HOME", folder).stdin(Stdio::null());
    command
}

/// The words it says. It ends well, and nothing has to be said of its tracing.
fn run(command: &mut Command) -> Vec<String> {
    let output = command.output().expect("the program can be started");
    let stderr = said(&output);
    assert!(output.status.success() && stderr.is_empty(), "{output:?}");
    words(&String::from_utf8_lossy(&output.stdout))
}

fn said(output: &Output) -> Vec<String> {
    let stderr = String::from_utf8_lossy(&output.stderr);
    stderr.lines().filter(|line| line.starts_with("spanwright: ")).map(str::to_owned).collect()
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

fn store(folder: &Path) -> Store {
    Store::open(&folder.join(".spanwright")).expect("the store opens")
}

/// Every span that is stored, of all traces.
fn all_spans(store: &Store) -> Vec<SpanRecord> {
    let all = TraceFilter { limit: usize::MAX >> 1, ..TraceFilter::default() };
    let traces = store.traces(&all).expect("the store reads");
    traces.iter().flat_map(|trace| store.spans(trace.trace_id).expect("the store reads")).collect()
}

/// Takes over what is left, as the next program and the CLI do.
fn recover(folder: &Path) -> spanwright::Recovered {
    let overrides = Overrides { store: Some(StorePlace::At(folder.join(".spanwright"))), ..Overrides::default() };
    let (config, _) = Config::load(overrides, &|_| None, folder);
    let recovered = spanwright::recover(&store(folder), &config);
    assert!(recovered.problems.is_empty() && recovered.unread_chunks + recovered.unread_batches == 0, "{recovered:?}");
    recovered
}

fn named<'s>(spans: &'s [SpanRecord], name: &str) -> Vec<&'s SpanRecord> {
    spans.iter().filter(|span| span.name == name).collect()
}

fn assert_no_id_repeats(spans: &[SpanRecord]) {
    let ids: HashSet<_> = spans.iter().map(|span| span.span_id).collect();
    assert_eq!(ids.len(), spans.len(), "no id repeats");
}

fn assert_nothing_is_left(folder: &Path, of: &str) {
    let files = std::fs::read_dir(folder.join(".spanwright").join(of)).into_iter().flatten().flatten();
    let left: Vec<_> = files.map(|file| file.file_name()).filter(|name| name != "lock").collect();
    assert!(left.is_empty(), "{of}: {left:?}");
}

/// One trace: below its root, the steps of the parent and those of the child.
fn assert_family(spans: &[SpanRecord], children: usize) {
    let roots = named(spans, "family_workflow");
    assert_eq!(roots.len(), 1);
    let root = roots[0];
    assert_eq!((root.parent_id, root.ending), (None, Ending::Ok), "the parent ended it, and the child did not");
    for (step, count) in [("parent_step", ALL), ("child_step", children)] {
        let steps = named(spans, step);
        assert_eq!(steps.len(), count, "{step}");
        let is_below = |span: &&&SpanRecord| span.parent_id == Some(root.span_id) && span.trace_id == root.trace_id;
        assert_eq!(steps.iter().filter(is_below).count(), count, "{step}");
        assert!(steps.iter().all(|step| step.ending == Ending::Ok && step.end_unix_ns <= root.end_unix_ns), "{step}");
        assert!(steps.iter().all(|step| step.start_unix_ns >= root.start_unix_ns), "{step}");
    }
    assert_no_id_repeats(spans);
}

#[test]
fn a_child_goes_on_in_the_span_of_its_parent_and_loses_nothing_however_it_ends() {
    // How the child ends, what its parent sees of that, its steps, and how its last span ended.
    let endings = [
        ("_exit", "0", STEPS, None),
        ("exit", "0", STEPS, None),
        ("flush", "0", ALL, None),
        ("return", "0", ALL, None),
        ("panic", "101", STEPS, Some(Ending::Panic)),
        ("kill", "-9", STEPS, Some(Ending::Abandoned)),
    ];
    for (ending, status, steps, last) in endings {
        let folder = TempDir::new().expect("a folder");
        let words = run(&mut forker(folder.path(), &["family", ending]));
        assert_eq!(words[1..], [status, "true", "true", "0"], "{ending}");
        let spans = all_spans(&store(folder.path()));
        assert_family(&spans, steps);
        let fatal: Vec<_> = named(&spans, "fatal_step").iter().map(|span| span.ending).collect();
        assert_eq!(fatal, Vec::from_iter(last), "{ending}");
        assert_eq!(spans.len(), ALL + steps + 1 + fatal.len(), "{ending}");
        // The parent has taken over all of it by itself.
        assert_nothing_is_left(folder.path(), "spool");
        assert_nothing_is_left(folder.path(), "chunks");
    }
}

#[test]
fn what_parent_and_child_trace_stands_in_mlflow_once() {
    let server = mlflow::shared();
    for (ending, steps) in [("_exit", STEPS), ("flush", ALL)] {
        let folder = TempDir::new().expect("a folder");
        let words = run(forker(folder.path(), &["family", ending]).env("MLFLOW_TRACKING_URI", server.uri()));
        assert_eq!(words[1..], ["0", "true", "true", "0"], "{ending}");
        let trace = server.trace(&words[0]).expect("the trace stands in MLflow");
        let spans = trace["spans"].as_array().expect("spans");
        assert_eq!(spans.len(), ALL + steps + 1, "{ending}");
        let ids: HashSet<_> = spans.iter().map(|span| span["id"].as_str().expect("an id")).collect();
        assert_eq!(ids.len(), spans.len(), "{ending}");
        assert_eq!(trace["state"], "OK");
    }
}

#[test]
fn generations_of_children_trace_below_each_other() {
    let folder = TempDir::new().expect("a folder");
    assert_eq!(run(&mut forker(folder.path(), &["generations"])), ["stored", "true"]);
    let spans = all_spans(&store(folder.path()));
    assert_no_id_repeats(&spans);
    let mut above = named(&spans, "storm_generations")[0].span_id;
    let generations = named(&spans, "generation");
    assert_eq!(generations.len(), 4);
    for _ in 0..4 {
        let next = generations.iter().find(|span| span.parent_id == Some(above)).expect("each is below the one before");
        above = next.span_id;
        let steps = named(&spans, "child_step").iter().filter(|step| step.parent_id == Some(above)).count();
        assert_eq!((steps, next.ending), (STEPS, Ending::Ok));
    }
    assert_eq!(spans.len(), 1 + 4 + 4 * STEPS);
}

#[test]
fn a_hundred_forks_in_the_middle_of_tracing_neither_hang_nor_lose_nor_hold_a_lock() {
    let folder = TempDir::new().expect("a folder");
    let words = run(&mut forker(folder.path(), &["storm"]));
    let numbers: Vec<usize> = words.iter().map(|word| word.parse().expect("a number")).collect();
    let [parent, children, stored, lost, refused] = numbers[..] else { panic!("{numbers:?}") };
    assert_eq!(stored + lost, parent, "the parent's are stored or counted");
    assert_eq!(refused, 0, "no child holds a lock its parent let go");
    let spans = all_spans(&store(folder.path()));
    assert_eq!(spans.len() + lost, parent + children, "and so are the children's");
    assert_no_id_repeats(&spans);
    assert!(spans.iter().all(|span| span.ending == Ending::Ok));
}

#[test]
fn a_child_with_an_init_of_its_own_has_a_guard_of_its_own() {
    let folder = TempDir::new().expect("a folder");
    assert_eq!(run(&mut forker(folder.path(), &["prefork"])), ["stored", "true"]);
    let spans = all_spans(&store(folder.path()));
    // Two children of two workflows and two of three; the one after the end of tracing is not recorded.
    assert_eq!(spans.len(), 11 * (2 * 2 + 2 * 3));
    assert_no_id_repeats(&spans);
}

#[test]
fn where_spans_outlive_a_loss_of_power_a_child_waits_for_what_it_traces_itself() {
    for scene in [&["prefork"][..], &["family", "return"]] {
        let folder = TempDir::new().expect("a folder");
        run(forker(folder.path(), scene).env("SPANWRIGHT_DURABILITY", "power"));
        let spans = all_spans(&store(folder.path()));
        assert_eq!(spans.len(), if scene.len() == 1 { 11 * (2 * 2 + 2 * 3) } else { 2 * ALL + 1 }, "{scene:?}");
        assert!(spans.iter().all(|span| span.ending == Ending::Ok));
    }
}

#[test]
fn a_child_cannot_use_the_store_and_does_its_parent_no_harm() {
    let folder = TempDir::new().expect("a folder");
    assert_eq!(run(&mut forker(folder.path(), &["refused"])), ["status", "0", "readable", "true"]);
}

#[test]
fn a_child_of_a_program_that_did_not_trace_is_a_program_like_any_other() {
    let folder = TempDir::new().expect("a folder");
    assert_eq!(run(&mut forker(folder.path(), &["uninstalled"])), ["status", "0"]);
    recover(folder.path());
    assert_eq!(all_spans(&store(folder.path())).len(), 11);
}

#[test]
fn a_child_whose_spans_have_nowhere_to_go_says_so_once_and_runs() {
    let folder = TempDir::new().expect("a folder");
    let output = forker(folder.path(), &["nowhere"]).env("SPANWRIGHT_STORE", "off").output().expect("it starts");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "status 0\n");
    assert_eq!(said(&output).len(), 1, "{output:?}");
    assert!(said(&output)[0].contains("forked"), "{output:?}");
}

/// A program whose parent was killed and whose child is alive, ended with this.
struct Orphan {
    child: i32,
    out: BufReader<std::process::ChildStdout>,
}

impl Orphan {
    /// Starts a scene, and kills its parent as soon as it has said who its child is.
    fn of(command: &mut Command) -> Self {
        let mut parent: Child = command.stdout(Stdio::piped()).spawn().expect("the program can be started");
        let mut out = BufReader::new(parent.stdout.take().expect("it is piped"));
        let mut line = String::new();
        out.read_line(&mut line).expect("it says something");
        parent.kill().expect("it can be killed");
        parent.wait().expect("it is gone");
        let child = line.trim().strip_prefix("child ").and_then(|child| child.parse().ok()).expect("the child's id");
        Self { child, out }
    }

    fn is_alive(&self) -> bool {
        Path::new(&format!("/proc/{}/exe", self.child)).exists()
    }
}

impl Drop for Orphan {
    fn drop(&mut self) {
        let _ = Command::new("kill").args(["-9", &self.child.to_string()]).stderr(Stdio::null()).status();
    }
}

#[test]
fn a_child_that_does_not_trace_does_not_keep_its_dead_parents_spans_from_others() {
    let folder = TempDir::new().expect("a folder");
    let orphan = Orphan::of(&mut forker(folder.path(), &["silent"]));
    let started = Instant::now();
    let recovered = recover(folder.path());
    assert!(started.elapsed() < Duration::from_secs(60));
    assert!(orphan.is_alive(), "the child is there");
    assert_eq!(recovered.processes, 1, "and its parent's lease is nobody's");
    assert_eq!(named(&all_spans(&store(folder.path())), "storm_workflow").len(), 1);
}

#[test]
fn a_child_that_outlives_its_parent_keeps_its_spans_for_the_next_program() {
    for uri in [None, Some("http://127.0.0.1:9")] {
        let folder = TempDir::new().expect("a folder");
        let mut command = forker(folder.path(), &["orphan"]);
        command.envs(uri.map(|uri| ("MLFLOW_TRACKING_URI", uri))).stderr(Stdio::null());
        let mut orphan = Orphan::of(&mut command);
        let mut text = String::new();
        orphan.out.read_to_string(&mut text).expect("it says something and ends");
        let waiting = if uri.is_some() { ["false", "150", "150"] } else { ["true", "150", "0"] };
        assert_eq!(words(&text), [&["true"], &waiting[..]].concat());
        // Parent and child are gone: both are taken over, the one through its chunks, the other through what it handed on.
        recover(folder.path());
        let store = store(folder.path());
        let spans = all_spans(&store);
        let roots = named(&spans, "orphan_workflow");
        assert_eq!((roots.len(), roots[0].ending), (1, Ending::Abandoned), "the parent died in it");
        let steps = named(&spans, "child_step");
        assert!(steps.iter().all(|step| step.parent_id == Some(roots[0].span_id)));
        assert_eq!((steps.len(), spans.len()), (ALL, ALL + 1));
        assert_no_id_repeats(&spans);
        if let Some(uri) = uri {
            let pending = store.pending_counts(Some(uri)).expect("counted").pending;
            assert_eq!(pending.spans as usize, ALL + 1, "all of them for the server they were meant for");
        }
    }
}
