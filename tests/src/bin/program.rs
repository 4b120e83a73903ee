//! A program that does what it is told, line by line on standard input, and answers each line with one of its own.
//!
//! | Line | What it does |
//! |---|---|
//! | `do W N` | W workflows of N steps each: N + 1 spans a workflow |
//! | `heavy N BYTES` | a workflow of N model calls, each with so long an answer |
//! | `tasks N` | N tasks on a tokio runtime that is dropped while every second one still waits |
//! | `within panic`, `within exit C`, `within rest` | the same inside of two open spans |
//! | `panic`, `exit C` | ends, without dropping anything or with everything unwound |
//! | `flush MS` | delivers, and says where the spans stand |
//! | `peak` | says the most memory it has had |
//! | end of input | drops the guard and returns |
//!
//! Its first argument is `plain`, `graceful` (on SIGTERM the guard is dropped, by tokio) or `doctor` (`spanwright doctor`, with what
//! follows).

use std::io::{BufRead as _, Write as _};
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use spanwright::{Guard, llm, node, workflow};

#[node]
fn step(number: u64) -> Result<u64, String> {
    if number % 10 == 9 { Err(format!("step {number} has bad luck")) } else { Ok(number * 2) }
}

#[workflow(kind = "load", session = "faults")]
fn steps_workflow(count: u64) -> u64 {
    (0..count).map(|number| step(number).unwrap_or(1)).sum()
}

#[llm(model = "gpt-4o-mini", provider = "openai")]
fn recite(bytes: usize) -> String {
    "all work and no play ".chars().cycle().take(bytes).collect()
}

#[workflow]
fn heavy_workflow(count: u64, bytes: usize) -> usize {
    (0..count).map(|_| recite(bytes).len()).sum()
}

#[node]
async fn task(number: u64) -> u64 {
    if number % 2 == 1 {
        std::future::pending::<()>().await;
    }
    number
}

#[workflow]
fn ending_workflow(how: &[&str]) {
    enclosing(how);
}

#[node]
fn enclosing(how: &[&str]) {
    let _ = step(1);
    end(how);
}

/// Ends the program, or waits for somebody to do so.
fn end(how: &[&str]) {
    match how {
        ["panic"] => panic!("on purpose"),
        ["exit", code] => std::process::exit(number(code) as i32),
        _ => {
            say("resting");
            std::thread::sleep(Duration::from_secs(600));
        }
    }
}

/// Tasks of which half are dropped with their runtime, unfinished.
fn tasks(count: u64) -> u64 {
    let tokio = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let done = tokio.block_on(async {
        let tasks: Vec<_> = (0..count).map(|number| tokio::spawn(task(number))).collect();
        let mut done = 0;
        for finished in tasks.into_iter().step_by(2) {
            done += finished.await.expect("it works");
        }
        done
    });
    drop(tokio);
    done
}

/// Does one line; false at the last one.
fn obey(line: &str, guard: &Guard) {
    let words: Vec<&str> = line.split_whitespace().collect();
    match words.as_slice() {
        ["do", workflows, steps] => {
            let sum: u64 = (0..number(workflows)).map(|_| steps_workflow(number(steps))).sum();
            say(&format!("did {sum}"));
        }
        ["heavy", count, bytes] => {
            let length = heavy_workflow(number(count), number(bytes) as usize);
            say(&format!("recited {length}"));
        }
        ["tasks", count] => say(&format!("did {}", tasks(number(count)))),
        ["within", how @ ..] => ending_workflow(how),
        ["flush", ms] => {
            let flushed = guard.flush(Duration::from_millis(number(ms)));
            let report = serde_json::json!({
                "is_stored": flushed.is_stored, "is_delivered": flushed.is_delivered, "stored": flushed.stored,
                "delivered": flushed.delivered, "pending": flushed.pending, "rejected": flushed.rejected,
                "lost": flushed.lost, "heap_chunks": flushed.heap_chunks,
            });
            say(&format!("flushed {report}"));
        }
        ["peak"] => say(&format!("peak {}", peak_kib())),
        how => end(how),
    }
}

fn number(word: &str) -> u64 {
    word.parse().unwrap_or_else(|_| panic!("`{word}` is no number"))
}

fn obey_all(guard: &Guard) {
    for line in std::io::stdin().lock().lines() {
        obey(&line.expect("text"), guard);
    }
}

/// Obeys until the end of input or SIGTERM, on a runtime of one thread; then the guard is dropped.
fn obey_gracefully(guard: Guard) {
    let guard = Arc::new(Mutex::new(Some(guard)));
    let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let is_terminated = tokio.block_on(async {
        let mut terminated =
            tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).expect("a signal");
        let held = guard.clone();
        let obeying = tokio::task::spawn_blocking(move || {
            for line in std::io::stdin().lines() {
                if let Some(guard) = &*held.lock().expect("no panic") {
                    obey(&line.expect("text"), guard);
                }
            }
        });
        tokio::select! {
            _ = obeying => false,
            _ = terminated.recv() => true,
        }
    });
    // The thread that reads standard input cannot be ended; nobody waits for it.
    tokio.shutdown_background();
    drop(guard.lock().expect("no panic").take());
    if is_terminated {
        say("terminated");
        std::process::exit(0);
    }
}

/// The most memory this process has had at once, in KiB.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
    number(line.trim().trim_end_matches(" kB"))
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    // A test that has seen enough closes the pipe.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let manner = arguments.next().unwrap_or_default();
    if manner == "doctor" {
        return spanwright_cli::run([manner.clone(), manner].into_iter().chain(arguments));
    }
    let guard = spanwright::init();
    if manner == "graceful" {
        obey_gracefully(guard);
    } else {
        obey_all(&guard);
    }
    ExitCode::SUCCESS
}
