//! What a program that is killed leaves open, who closes it, and who must not.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use spanwright::config::{Config, Overrides, StorePlace};
use spanwright::record::{Ending, SpanRecord};
use spanwright::store::{Store, TraceFilter, TraceState};
use tempfile::TempDir;

fn program(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_crash-matrix"));
    command.args(arguments).current_dir(folder).env_clear().env("HOME", folder);
    command.env("SPANWRIGHT_STORE", folder.join("store")).stdin(Stdio::piped()).stdout(Stdio::piped());
    command
}

/// A program that has said `line`, and where it says more.
fn start(command: &mut Command, line: &str) -> (Child, BufReader<ChildStdout>) {
    let mut child = command.spawn().expect("the program can be started");
    let mut out = BufReader::new(child.stdout.take().expect("it is piped"));
    wait_for(&mut out, line);
    (child, out)
}

fn wait_for(out: &mut BufReader<ChildStdout>, line: &str) {
    let mut said = String::new();
    while said.trim_end() != line {
        said.clear();
        assert!(out.read_line(&mut said).expect("it says something") > 0, "it ended without `{line}`");
    }
}

fn kill(mut child: Child) {
    child.kill().expect("it can be killed");
    child.wait().expect("it is gone");
}

fn start_heirs(folder: &Path, count: usize) {
    let heirs: Vec<_> = (0..count).map(|_| program(folder, &["heir"]).spawn().expect("it can be started")).collect();
    for heir in heirs {
        assert!(heir.wait_with_output().expect("it ends").status.success());
    }
}

fn store(folder: &Path) -> Store {
    Store::open(&folder.join("store")).expect("the store opens")
}

fn config(folder: &Path) -> Config {
    let overrides = Overrides { store: Some(StorePlace::At(folder.join("store"))), ..Overrides::default() };
    Config::load(overrides, &|_| None, Path::new("/")).0
}

fn spans(store: &Store) -> Vec<SpanRecord> {
    let traces = store.traces(&TraceFilter { limit: 1000, ..TraceFilter::default() }).expect("the store reads");
    traces.iter().flat_map(|trace| store.spans(trace.trace_id).expect("the store reads")).collect()
}

#[test]
fn ten_programs_that_start_together_close_what_a_killed_one_left_open_once() {
    for chunks in ["store", "heap"] {
        let folder = TempDir::new().expect("a folder");
        let (killed, _out) = start(program(folder.path(), &["hold"]).env("SPANWRIGHT_CHUNKS", chunks), "open");
        // A moment in which something is said after the begin of all three, and the last known time is not that of the kill.
        kill(killed);
        let killed_unix_ns = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
        start_heirs(folder.path(), 10);
        let store = store(folder.path());
        let mut spans = spans(&store);
        if chunks == "heap" {
            assert!(spans.len() <= 3, "what the collector had not come to is gone");
            continue;
        }
        spans.sort_by_key(|span| span.start_unix_ns);
        let names: Vec<_> = spans.iter().map(|span| span.name.as_str()).collect();
        assert_eq!(names, ["held_workflow", "delegation", "sandbox.execute"]);
        let last_known = spans.iter().map(|span| span.start_unix_ns).max().expect("three spans");
        for span in &spans {
            assert_eq!((span.ending, span.is_error()), (Ending::Abandoned, true));
            assert_eq!(span.error.as_ref().map(|error| error.kind.as_str()), Some("abandoned"));
            assert!(span.end_unix_ns >= last_known && u128::from(span.end_unix_ns) <= killed_unix_ns.as_nanos());
        }
        let trace = store.last_trace().expect("the store reads").expect("a trace");
        assert_eq!((trace.state, trace.spans), (TraceState::Error, 3));
        assert_eq!(store.statistics().expect("the store reads").open_spans, 0);
    }
}

#[test]
fn a_program_that_lives_is_left_alone_whatever_its_lease_says_of_it() {
    let folder = TempDir::new().expect("a folder");
    let (mut living, mut out) = start(&mut program(folder.path(), &["hold"]), "open");
    let chunks = folder.path().join("store/chunks");
    let ours =
        || std::fs::read_dir(&chunks).expect("it is there").flatten().map(|folder| folder.path()).collect::<Vec<_>>();
    let found = ours();
    let [lease] = found.as_slice() else { panic!("one program, one folder: {found:?}") };
    // Processes have numbers of their own in each container: this one names nobody here.
    std::fs::write(lease.join("lease"), "pid 4194304\n").expect("written");
    start_heirs(folder.path(), 5);
    let recovered = spanwright::recover(&store(folder.path()), &config(folder.path()));
    assert_eq!((recovered.processes, recovered.spans), (0, 0));
    assert_eq!(spans(&store(folder.path())), []);
    assert!(lease.exists());

    living.stdin.take().expect("it is piped").write_all(b"go on\n").expect("it listens");
    assert!(living.wait().expect("it ends").success());
    let _ = out.read_line(&mut String::new());
    let spans = spans(&store(folder.path()));
    assert_eq!(spans.len(), 3);
    assert!(spans.iter().all(|span| span.ending == Ending::Ok), "{spans:?}");
    assert_eq!(ours(), Vec::<std::path::PathBuf>::new());
}

#[test]
fn a_dead_program_is_taken_over_though_its_number_has_been_given_to_another() {
    let folder = TempDir::new().expect("a folder");
    let (killed, _out) = start(&mut program(folder.path(), &["hold"]), "open");
    kill(killed);
    let left = std::fs::read_dir(folder.path().join("store/chunks")).expect("it is there").flatten().next();
    let lease = left.expect("its folder is left").path().join("lease");
    std::fs::write(lease, format!("pid {}\n", std::process::id())).expect("written");
    let recovered = spanwright::recover(&store(folder.path()), &config(folder.path()));
    assert_eq!((recovered.processes, recovered.spans), (1, 3));
}

#[test]
fn a_workflow_that_goes_on_after_the_guard_is_gone_is_nobodys_to_close_and_keeps_its_end() {
    let folder = TempDir::new().expect("a folder");
    let (mut living, _out) = start(&mut program(folder.path(), &["outlived"]), "dropped");
    start_heirs(folder.path(), 2);
    assert_eq!(spans(&store(folder.path())), [], "its program lives");
    living.stdin.take().expect("it is piped").write_all(b"go on\n").expect("it listens");
    assert!(living.wait().expect("it ends").success());
    start_heirs(folder.path(), 1);
    let spans = spans(&store(folder.path()));
    assert_eq!(spans.len(), 3);
    assert!(spans.iter().all(|span| span.ending == Ending::Ok), "{spans:?}");
}

#[test]
fn what_is_dropped_is_counted_even_by_a_program_that_is_killed() {
    use spanwright_tests::crash::victim::{Load, returned};
    let folder = TempDir::new().expect("a folder");
    let load = Load {
        victim: 0,
        workers: 2,
        steps: 60_000,
        steps_a_workflow: 50,
        pause: Duration::ZERO,
        model_every: 1,
        prompt_bytes: 4000,
        wanders: false,
    };
    let witness = folder.path().join("witness");
    std::fs::write(&witness, vec![0; 32]).expect("a file");
    let mut arguments = vec!["victim".to_owned(), witness.display().to_string()];
    arguments.extend(load.arguments());
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    // The store is there before, so that it can be held: nothing of what is made reaches it.
    drop(store(folder.path()));
    let held = rusqlite::Connection::open(folder.path().join("store/store.db")).expect("it opens");
    let (victim, _out) = start(&mut program(folder.path(), &arguments), "ready");
    held.execute_batch("BEGIN IMMEDIATE").expect("it can be held");
    let started = Instant::now();
    while returned(&witness).iter().any(|worker| worker.steps < 25_000) {
        assert!(started.elapsed() < Duration::from_secs(60), "{:?}", returned(&witness));
        std::thread::sleep(Duration::from_millis(5));
    }
    kill(victim);
    drop(held);
    let made: u64 = returned(&witness).iter().map(|worker| worker.steps + worker.workflows).sum();
    let store = store(folder.path());
    let recovered = spanwright::recover(&store, &config(folder.path()));
    assert_eq!(recovered.processes, 1, "{recovered:?}");
    let statistics = store.statistics().expect("the store reads");
    let (stored, lost) = (statistics.stored.spans, statistics.lost);
    assert!(lost.spans > 1000, "more was made than chunks hold: {lost:?}");
    // One workflow and one step of each worker may have begun, and not returned before the kill.
    let known = stored + lost.spans;
    let in_heap_chunks = 700 * lost.heap_chunks_lost;
    assert!(known <= made + 4 && known + in_heap_chunks >= made, "{made} made, {stored} stored, {lost:?}");
    // Taken over again, and by others, nothing is counted twice.
    start_heirs(folder.path(), 3);
    assert_eq!(store.statistics().expect("the store reads").lost, lost);
}

#[test]
fn on_the_heap_a_kill_takes_the_newest_spans_only() {
    use spanwright_tests::crash::victim::{Load, returned};
    let folder = TempDir::new().expect("a folder");
    let load = Load {
        victim: 0,
        workers: 1,
        steps: 1_000_000,
        steps_a_workflow: 1,
        pause: Duration::from_millis(1),
        model_every: 0,
        prompt_bytes: 0,
        wanders: false,
    };
    let witness = folder.path().join("witness");
    std::fs::write(&witness, vec![0; 16]).expect("a file");
    let mut arguments = vec!["victim".to_owned(), witness.display().to_string()];
    arguments.extend(load.arguments());
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (victim, _out) = start(program(folder.path(), &arguments).env("SPANWRIGHT_CHUNKS", "heap"), "ready");
    let kept = || store(folder.path()).statistics().expect("the store reads").stored.spans;
    let started = Instant::now();
    while kept() < 200 {
        assert!(started.elapsed() < Duration::from_secs(60), "nothing is stored");
        std::thread::sleep(Duration::from_millis(20));
    }
    kill(victim);
    let ended = returned(&witness)[0].workflows as usize;
    let mut roots: Vec<_> = spans(&store(folder.path())).into_iter().filter(|span| span.parent_id.is_none()).collect();
    roots.sort_by_key(|span| span.start_unix_ns);
    let numbers: Vec<_> =
        roots.iter().filter_map(|root| root.inputs.as_ref()?.to_value().get("number")?.as_u64()).collect();
    let oldest: Vec<u64> = (0..numbers.len() as u64).collect();
    assert_eq!(numbers, oldest, "of {ended} that had ended, those that are there are the oldest, without a gap");
    assert!(numbers.len() >= 100);
}

#[test]
fn a_program_that_looks_into_the_store_takes_no_log_from_those_that_write() {
    let folder = TempDir::new().expect("a folder");
    let (mut living, _out) = start(&mut program(folder.path(), &["hold"]), "open");
    let database = folder.path().join("store/store.db");
    let look = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('SELECT count(*) FROM spans').fetchall(); c.close()";
    for _ in 0..3 {
        let looked = Command::new("python3").args(["-c", look]).arg(&database).status().expect("python can be started");
        assert!(looked.success());
    }
    assert!(folder.path().join("store/store.db-wal").exists(), "the log is in use");
    living.stdin.take().expect("it is piped").write_all(b"go on\n").expect("it listens");
    assert!(living.wait().expect("it ends").success());
    assert_eq!(spans(&store(folder.path())).len(), 3);
}

#[test]
fn a_workflow_that_returns_under_durability_power_is_on_the_disk() {
    let folder = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    for (durability, steps) in [("power", 200), ("process", 5000)] {
        let place = folder.path().join(durability);
        std::fs::create_dir(&place).expect("a folder");
        let mut command = program(&place, &["return", &steps.to_string()]);
        let (child, _out) = start(command.env("SPANWRIGHT_DURABILITY", durability), "returned");
        let log = place.join("store/store.db-wal");
        if durability == "power" {
            assert_eq!(spans(&store(&place)).len() as u64, steps + 1);
            assert!(matches!(dirty_pages(&log), None | Some(0)), "{:?} pages are not on the disk", dirty_pages(&log));
        } else {
            // What the other one is held against: nobody asked for the disk.
            let started = Instant::now();
            while dirty_pages(&log) == Some(0) {
                assert!(started.elapsed() < Duration::from_secs(20), "nothing was written, or all of it at once");
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        kill(child);
    }
}

/// Pages of a file that are not on the disk; `None` where the kernel does not say, before Linux 6.5.
fn dirty_pages(file: &Path) -> Option<u64> {
    const ASK: &str = "import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
span, found = (ctypes.c_uint64 * 2)(0, 0), (ctypes.c_uint64 * 5)()
fd = os.open(sys.argv[1], os.O_RDONLY)
print(-1 if libc.syscall(451, fd, span, found, 0) else found[1] + found[2])";
    let output = Command::new("python3").args(["-c", ASK]).arg(file).output().expect("python can be started");
    String::from_utf8_lossy(&output.stdout).trim().parse().ok()
}
