//! Smaller programs that are killed, or outlive what is done to them: each stands still where the test wants it.

use std::io::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use spanwright::{SandboxOutcome, delegate, sandbox, tool, workflow};

/// Whether all three spans are open.
static OPEN: AtomicBool = AtomicBool::new(false);

struct Ran;

impl SandboxOutcome for Ran {
    fn exit_code(&self) -> i32 {
        0
    }
}

#[sandbox]
fn run_script() -> Ran {
    OPEN.store(true, Ordering::Release);
    say("open");
    wait();
    Ran
}

#[delegate(from = "architect", to = "team")]
fn hand_over(content: &str) {
    run_script();
}

#[workflow]
fn held_workflow() {
    hand_over("find out");
}

#[tool]
fn short(number: u64) -> u64 {
    number
}

#[workflow]
fn short_workflow(steps: u64) -> u64 {
    (0..steps).map(short).sum()
}

/// Plays one of them:
///
/// | Task | What it does |
/// |---|---|
/// | `hold` | says `open` with a workflow, a delegation and a sandbox open; ends them when it is told something |
/// | `outlived` | the same on another thread, and says `dropped` once the guard is gone |
/// | `return` | says `returned` after a workflow of so many steps, and waits |
pub fn play(task: &str, guard: spanwright::Guard, steps: u64) {
    match task {
        "hold" => {
            held_workflow();
            drop(guard);
        }
        "outlived" => {
            let thread = std::thread::spawn(held_workflow);
            while !OPEN.load(Ordering::Acquire) {
                std::thread::sleep(Duration::from_millis(1));
            }
            guard.flush(Duration::from_secs(20));
            drop(guard);
            say("dropped");
            let _ = thread.join();
        }
        "return" => {
            short_workflow(steps);
            say("returned");
            wait();
        }
        other => say(&format!("no task `{other}`")),
    }
}

/// Until somebody says something, or nobody can any more.
fn wait() {
    let _ = std::io::stdin().read_line(&mut String::new());
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}
