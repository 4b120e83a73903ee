//! Programs that end in other ways than by returning from `main`, run on one processor or under a clock that jumps.

use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;
use spanwright::record::Ending;
use spanwright_tests::program::{Place, Program};
use spanwright_tests::receiver::Receiver;

use crate::fault_network::PROGRAM;

/// Ends a program within two open spans, after 10 that are whole. Everything is stored in the end, these two as `ending`.
fn ends_within(how: &str, code: i32, ending: Ending) {
    let receiver = Receiver::start();
    let place = Place::new(PROGRAM).with("MLFLOW_TRACKING_URI", &receiver.uri());
    let lines = ["do 1 9", &format!("within {how}")];
    let ended = place.run(&lines);
    assert_eq!((ended.code, ended.signal), (Some(code), None), "{}", ended.stderr);
    place.assert_unchanged(&lines, &ended);
    assert_eq!(ended.said, [""; 0]);

    let mut next = place.start();
    let flushed = next.flush(30_000);
    assert_eq!((flushed.count("pending"), flushed.count("lost")), (0, 0), "{flushed:?}");
    assert_eq!(next.end().said, [""; 0]);
    let stored = place.stored();
    assert_eq!(stored.len(), 13);
    let open: Vec<_> = stored.iter().filter(|span| span.ending == ending).map(|span| span.name.as_str()).collect();
    assert_eq!(open, ["ending_workflow", "enclosing"]);
    receiver.assert_took_once(13);
}

#[test]
fn an_exit_from_a_panic_keeps_every_span_with_its_panic() {
    ends_within("panic", 101, Ending::Panic);
}

#[test]
fn an_exit_from_within_keeps_every_span_and_the_next_program_closes_what_was_open() {
    ends_within("exit 7", 7, Ending::Abandoned);
}

#[test]
fn sigterm_ends_a_program_as_ever_and_the_next_one_delivers_its_spans() {
    let receiver = Receiver::start();
    let place = Place::new(PROGRAM).with("MLFLOW_TRACKING_URI", &receiver.uri());
    let mut program = place.start();
    assert_eq!(program.tell("do 10 9"), "did 720");
    assert_eq!(program.tell("within rest"), "resting");
    program.signal(Signal::TERM);
    let ended = program.end();
    assert_eq!((ended.code, ended.signal), (None, Some(15)), "{}", ended.stderr);

    let mut next = place.start();
    assert_eq!(next.flush(30_000).count("pending"), 0);
    drop(next);
    assert_eq!((place.stored_ended(), place.stored().len()), (101, 103));
    receiver.assert_took_once(103);
}

#[test]
fn a_program_that_handles_sigterm_delivers_before_it_ends() {
    let receiver = Receiver::start();
    let place =
        Place::new(PROGRAM).with("MLFLOW_TRACKING_URI", &receiver.uri()).with("SPANWRIGHT_FLUSH_TIMEOUT_MS", "30000");
    let mut program = Program::start(place.command(&["graceful"]));
    assert_eq!(program.tell("do 10 9"), "did 720");
    program.signal(Signal::TERM);
    assert_eq!(program.answer().as_deref(), Some("terminated"));
    let ended = program.end();
    assert_eq!((ended.code, ended.said.as_slice()), (Some(0), &[][..]), "{}", ended.stderr);
    receiver.assert_took_once(100);
}

#[test]
fn a_runtime_dropped_before_the_guard_loses_no_span() {
    let receiver = Receiver::start();
    let place =
        Place::new(PROGRAM).with("MLFLOW_TRACKING_URI", &receiver.uri()).with("SPANWRIGHT_FLUSH_TIMEOUT_MS", "30000");
    let ended = place.run(&["tasks 200", "do 1 9"]);
    assert_eq!((ended.code, ended.said.as_slice()), (Some(0), &[][..]), "{}", ended.stderr);
    place.assert_unchanged(&["tasks 200", "do 1 9"], &ended);
    let stored = place.stored();
    let dropped = stored.iter().filter(|span| span.ending == Ending::Cancelled).count();
    // A task that had not been polled when its runtime went has never run: it is no span.
    assert!(dropped <= 100 && stored.len() == 110 + dropped, "{dropped} of {}", stored.len());
    receiver.assert_took_once(stored.len() as u64);
}

#[test]
fn one_processor_and_one_thread_are_enough() {
    let receiver = Receiver::start();
    let place = Place::new(PROGRAM).with("MLFLOW_TRACKING_URI", &receiver.uri());
    let mut program = Program::start(place.command(&["graceful"]));
    let pid = rustix::process::Pid::from_raw(program.id() as i32);
    let mut allowed = rustix::thread::sched_getaffinity(pid).expect("it can be asked");
    let first = (0..1024).find(|cpu| allowed.is_set(*cpu)).expect("it runs somewhere");
    allowed = rustix::thread::CpuSet::new();
    allowed.set(first);
    for thread in std::fs::read_dir(format!("/proc/{}/task", program.id())).expect("linux").flatten() {
        let thread = thread.file_name().to_string_lossy().parse().expect("a number");
        rustix::thread::sched_setaffinity(rustix::process::Pid::from_raw(thread), &allowed).expect("it can be set");
    }
    assert_eq!(program.tell("do 200 9"), "did 14400");
    let flushed = program.flush(60_000);
    assert_eq!((flushed.count("delivered"), flushed.count("lost")), (2_000, 0), "{flushed:?}");
    let ended = program.end();
    assert_eq!((ended.code, ended.said.as_slice()), (Some(0), &[][..]), "{}", ended.stderr);
    receiver.assert_took_once(2_000);
}

/// The wall clock of one program, which a file sets: its C library is given another `clock_gettime`.
struct Clock {
    folder: tempfile::TempDir,
}

impl Clock {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("clock.c"), include_str!("../src/clock.c")).expect("a file");
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-O2", "-o", "clock.so", "clock.c", "-ldl"]).current_dir(folder.path());
        // Whatever links Rust programs compiles this too.
        assert!(compiler.status().expect("there is a C compiler").success());
        let clock = Self { folder };
        clock.jump_to(0);
        clock
    }

    /// From now on it is so many seconds ahead of the real time.
    fn jump_to(&self, seconds: i64) {
        let file = self.folder.path().join("ahead");
        std::fs::write(file.with_extension("new"), seconds.to_ne_bytes()).expect("a file");
        std::fs::copy(file.with_extension("new"), file).expect("a file");
    }

    fn start(&self, place: &Place) -> Program {
        let mut command = place.command(&["plain"]);
        command
            .env("LD_PRELOAD", self.folder.path().join("clock.so"))
            .env("CLOCK_AHEAD", self.folder.path().join("ahead"));
        Program::start(command)
    }
}

#[test]
fn a_clock_that_jumps_by_years_changes_no_duration_no_order_and_loses_no_span() {
    const YEARS: i64 = 10 * 365 * 86_400;
    let receiver = Receiver::start();
    let place = Place::new(PROGRAM).with("MLFLOW_TRACKING_URI", &receiver.uri());
    let clock = Clock::new();
    let mut made = 0;
    for start in [0, YEARS, -YEARS] {
        clock.jump_to(start);
        let mut program = clock.start(&place);
        for jump in [0, -3_600, YEARS, -YEARS] {
            clock.jump_to(start + jump);
            assert_eq!(program.tell("do 2 9"), "did 144");
            made += 20;
            let flushed = program.flush(30_000);
            assert_eq!((flushed.count("pending"), flushed.count("lost")), (0, 0), "{flushed:?}");
        }
        let ended = program.end();
        assert_eq!((ended.code, ended.said.as_slice()), (Some(0), &[][..]), "{}", ended.stderr);
    }
    receiver.assert_took_once(made);

    // Retention goes by the age a clock shows: traces delivered ten years ago are old.
    let stored = place.stored();
    assert!(!stored.is_empty());
    for span in &stored {
        let took = span.end_unix_ns.checked_sub(span.start_unix_ns).expect("no span ends before it starts");
        assert!(took < Duration::from_secs(60).as_nanos() as u64, "{took} ns");
    }
    for root in stored.iter().filter(|span| span.parent_id.is_none()) {
        let children = stored.iter().filter(|span| span.parent_id == Some(root.span_id));
        for child in children {
            assert!(root.start_unix_ns <= child.start_unix_ns && child.end_unix_ns <= root.end_unix_ns);
        }
    }
}
