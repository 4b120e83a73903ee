//! A program that forks without exec, to be traced and killed by the tests. Its first argument is the scene, its second how the child ends.

use std::io::Write as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use spanwright::store::{Store, TraceFilter};
use spanwright::{Context, Guard, node, workflow};

const PATIENCE: Duration = Duration::from_secs(120);

/// Ends a process that hangs.
const MOST_SECONDS: u32 = 240;

/// Threads of the parent, and of the child, and the steps of each.
const THREADS: u64 = 3;
const STEPS: u64 = 50;

#[node]
fn parent_step(number: u64) -> u64 {
    number * 2
}

#[node]
fn child_step(number: u64) -> u64 {
    number * 3
}

#[node]
fn fatal_step(how: &str) {
    match how {
        "panic" => panic!("on purpose"),
        _ => kill_me(),
    }
}

/// Some steps, numbered from `first`.
fn some(step: fn(u64) -> u64, first: u64) {
    for number in first..first + STEPS {
        step(number);
    }
}

/// Many steps on several threads, in the context of the caller.
fn many(step: fn(u64) -> u64) {
    let context = Context::current();
    std::thread::scope(|threads| {
        for thread in 0..THREADS {
            let context = &context;
            threads.spawn(move || context.run(|| some(step, thread * STEPS)));
        }
    });
}

/// Forks in the middle of a span; the child goes on in it as its parent does.
#[workflow(kind = "family", experiment = "families")]
fn family_workflow(guard: &Guard, ending: &str) -> i32 {
    let Some(child) = fork() else {
        match ending {
            "flush" | "return" => many(child_step),
            // Of what other threads begin with, a child that leaves without a word may not have kept all yet.
            _ => some(child_step, 0),
        }
        end_child(guard, ending);
        return 0;
    };
    many(parent_step);
    wait(child)
}

fn end_child(guard: &Guard, ending: &str) {
    match ending {
        "_exit" => exit_now(0),
        "exit" => std::process::exit(0),
        "flush" => {
            let flushed = guard.flush(PATIENCE);
            let is_right = flushed.is_stored && flushed.stored == THREADS * STEPS && flushed.lost == 0;
            exit_now(if is_right { 0 } else { 3 });
        }
        "return" => {}
        how => fatal_step(how),
    }
}

#[node]
fn generation(depth: u64) {
    some(child_step, 0);
    if depth < 3 {
        match fork() {
            None => {
                generation(depth + 1);
                exit_now(0);
            }
            Some(child) => assert_eq!(wait(child), 0),
        }
    }
}

#[workflow]
fn storm_workflow(steps: u64) -> u64 {
    (0..steps).map(parent_step).sum()
}

/// Spans of one storm.
const STORM: u64 = 11;
const ROUNDS: u64 = 100;

/// Threads trace flat out, and others take and leave a lease, while the program forks again and again.
fn storm(guard: &Guard) {
    let (start, end) = (Arc::new(Barrier::new(THREADS as usize + 1)), Arc::new(Barrier::new(THREADS as usize + 1)));
    let (made, refused) = (Arc::new(AtomicU64::new(0)), AtomicU64::new(0));
    let is_over = AtomicBool::new(false);
    let store = guard.store().expect("there is one").clone();
    std::thread::scope(|threads| {
        for _ in 0..THREADS {
            let (start, end, made) = (start.clone(), end.clone(), made.clone());
            threads.spawn(move || {
                for _ in 0..ROUNDS {
                    start.wait();
                    for _ in 0..10 {
                        storm_workflow(STORM - 1);
                        made.fetch_add(STORM, Ordering::Relaxed);
                    }
                    end.wait();
                }
            });
        }
        threads.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                let lease = store.exporter_lease("http://nobody-else").expect("a lock file");
                refused.fetch_add(u64::from(lease.is_none()), Ordering::Relaxed);
            }
        });
        for round in 0..ROUNDS {
            start.wait();
            let Some(child) = fork() else { storm_child(guard, round) };
            end.wait();
            let status = wait(child);
            assert!(status == 0 || round % 3 == 2, "round {round}: {status}");
        }
        is_over.store(true, Ordering::Relaxed);
    });
    let flushed = guard.flush(PATIENCE);
    let (made, refused) = (made.load(Ordering::Relaxed), refused.load(Ordering::Relaxed));
    say(&format!("{made} {} {} {} {refused}", ROUNDS * STORM, flushed.stored, flushed.lost));
}

fn storm_child(guard: &Guard, round: u64) -> ! {
    limit_my_life();
    storm_workflow(STORM - 1);
    let is_kept = round % 3 != 1 || guard.flush(PATIENCE).is_stored;
    // For a lock that should not be here to be in somebody's way.
    std::thread::sleep(Duration::from_millis(10));
    if round % 3 == 2 {
        kill_me();
    }
    exit_now(if is_kept { 0 } else { 4 });
}

/// Children that call `init` themselves, as the workers of a server do; some have traced before.
fn prefork(parents: Guard) {
    let children: Vec<_> = (0..4)
        .map(|number| {
            fork().unwrap_or_else(|| {
                limit_my_life();
                if number % 2 == 0 {
                    storm_workflow(STORM - 1);
                }
                let guard = spanwright::init();
                assert!(guard.is_tracing() && guard.store().is_none());
                assert!(spanwright::builder().install().is_err_and(|error| error.is_state()));
                // The copy of the parent's does nothing to it.
                if number < 2 {
                    assert!(parents.flush(PATIENCE).is_stored);
                }
                storm_workflow(STORM - 1);
                let before = guard.flush(PATIENCE);
                storm_workflow(STORM - 1);
                let after = guard.shutdown();
                storm_workflow(STORM - 1);
                let traced = if number % 2 == 0 { 2 } else { 1 } * STORM;
                let is_right = before.is_stored && before.stored == traced && after.stored == traced + STORM;
                exit_now(if is_right { 0 } else { 5 });
            })
        })
        .collect();
    children.into_iter().for_each(|child| assert_eq!(wait(child), 0));
    say(&format!("stored {}", parents.flush(PATIENCE).is_stored));
}

/// What a child may do with the store of its parent: ask, and be refused.
fn refused(store: &Store) {
    let copy = store.clone();
    let Some(child) = fork() else {
        let is_refused = copy.traces(&TraceFilter::default()).is_err_and(|error| error.is_state())
            && copy.reopen().is_err()
            && Store::open(copy.folder().expect("on disk")).is_err_and(|error| error.is_state());
        drop(copy);
        exit_now(if is_refused { 0 } else { 6 });
    };
    say(&format!("status {} readable {}", wait(child), store.traces(&TraceFilter::default()).is_ok()));
}

fn main() {
    limit_my_life();
    let mut arguments = std::env::args().skip(1);
    let (scene, ending) = (arguments.next().unwrap_or_default(), arguments.next().unwrap_or_default());
    if scene == "uninstalled" {
        return uninstalled();
    }
    let me = std::process::id();
    let guard = spanwright::init();
    match scene.as_str() {
        "family" => {
            let (status, trace) = spanwright::traced_call(|| family_workflow(&guard, &ending));
            if std::process::id() == me {
                let flushed = guard.flush(PATIENCE);
                let trace = trace.expect("a trace");
                say(&format!("{trace} {status} {} {} {}", flushed.is_stored, flushed.is_delivered, flushed.lost));
            }
        }
        "generations" => {
            storm_generations();
            say(&format!("stored {}", guard.flush(PATIENCE).is_stored));
        }
        "storm" => storm(&guard),
        "prefork" => prefork(guard),
        "refused" => refused(guard.store().expect("on disk")),
        "silent" => {
            storm_workflow(STORM - 1);
            match fork() {
                None => rest(),
                Some(child) => say(&format!("child {child}")),
            }
            rest();
        }
        "orphan" => orphan_workflow(&guard),
        "nowhere" => {
            let Some(child) = fork() else {
                let sum = storm_workflow(STORM - 1);
                exit_now(if sum == 90 { 0 } else { 7 });
            };
            say(&format!("status {}", wait(child)));
        }
        other => say(&format!("no scene `{other}`")),
    }
}

#[workflow]
fn storm_generations() {
    generation(0);
}

/// The child goes on when its parent is gone, in the span that its parent had open.
#[workflow]
fn orphan_workflow(guard: &Guard) {
    let parent = std::process::id();
    if let Some(child) = fork() {
        say(&format!("child {child}"));
        rest();
    }
    limit_my_life();
    let started = Instant::now();
    while std::os::unix::process::parent_id() == parent && started.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(1));
    }
    many(child_step);
    let flushed = guard.flush(PATIENCE);
    say(&format!("{} {} {} {}", flushed.is_stored, flushed.is_delivered, flushed.stored, flushed.pending));
    exit_now(0);
}

/// Nothing was traced before the fork: the child is a program like any other.
fn uninstalled() {
    let Some(child) = fork() else {
        let guard = spanwright::init();
        storm_workflow(STORM - 1);
        let is_right = guard.flush(PATIENCE).is_stored && guard.store().is_some();
        exit_now(if is_right { 0 } else { 8 });
    };
    say(&format!("status {}", wait(child)));
}

fn rest() -> ! {
    limit_my_life();
    loop {
        std::thread::sleep(PATIENCE);
    }
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    // A test that has seen enough closes the pipe.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// The child's id in the parent, `None` in the child.
#[expect(unsafe_code)]
fn fork() -> Option<i32> {
    // SAFETY: what the child does of its own are system calls, allocations and threads, which glibc and musl allow after a fork.
    match unsafe { libc::fork() } {
        0 => None,
        child => {
            assert!(child > 0, "{}", std::io::Error::last_os_error());
            Some(child)
        }
    }
}

/// Waits for a child and says with which code or by which signal it ended, the latter negative.
#[expect(unsafe_code)]
fn wait(child: i32) -> i32 {
    let mut status = 0;
    // SAFETY: the status is written to a place of ours.
    let ended = unsafe { libc::waitpid(child, &raw mut status, 0) };
    assert_eq!(ended, child, "{}", std::io::Error::last_os_error());
    if libc::WIFEXITED(status) { libc::WEXITSTATUS(status) } else { -libc::WTERMSIG(status) }
}

/// Leaves without a word to anybody.
#[expect(unsafe_code)]
fn exit_now(code: i32) -> ! {
    // SAFETY: it has no conditions.
    unsafe { libc::_exit(code) }
}

#[expect(unsafe_code)]
fn kill_me() {
    // SAFETY: it has no conditions.
    unsafe { libc::kill(libc::getpid(), libc::SIGKILL) };
}

/// Ends this process after a while, whatever it waits for. A child has to ask for itself.
#[expect(unsafe_code)]
fn limit_my_life() {
    // SAFETY: it has no conditions.
    unsafe { libc::alarm(MOST_SECONDS) };
}
