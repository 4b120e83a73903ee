//! Makes spans and waits until they are stored or delivered; where to is said by the environment. Answers with a line of JSON.
//!
//! | Words | What it does |
//! |---|---|
//! | `steady <tree> <trees>` | makes so many trees, a batch at a time, and waits for each batch |
//! | `flood <threads> <ms>` | threads that make trees of ten flat out, then waits for what they made to be stored |
//! | `stream <trees> <a second>` | makes so many trees of ten at an even pace, then waits for their delivery |
//!
//! Trees: `ten` (spans with two attributes), `hundred` (the same), `report` (ten, each child takes a struct in and gives it back).

use std::hint::black_box;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use load::{ROOM, Report};
use serde_json::{Value, json};
use spanwright::{Guard, tool, workflow};

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(300);
/// Spans of a batch.
const BATCH: u64 = 2_000;

#[workflow(skip(children), attributes(room = ROOM, entities = i64::from(children)))]
#[inline(never)]
fn plan_rooms(children: u32) {
    for child in 1..=children {
        look_closely(i64::from(child));
    }
}

#[tool(skip(entities), attributes(room = ROOM, entities = entities))]
#[inline(never)]
fn look_closely(entities: i64) {
    black_box(entities);
}

#[workflow(skip(children, report), output = "none")]
#[inline(never)]
fn improve_home(children: u32, mut report: Report) -> Report {
    for _ in 0..children {
        report = improve(report);
    }
    report
}

#[tool]
#[inline(never)]
fn improve(report: Report) -> Report {
    black_box(report)
}

fn main() -> ExitCode {
    let words: Vec<_> = std::env::args().skip(1).collect();
    let guard = spanwright::init();
    let number = |at: usize| words.get(at).and_then(|word| word.parse::<u64>().ok()).unwrap_or_default();
    let answer = match words.first().map(String::as_str) {
        Some("steady") => steady(&guard, words.get(1).map_or("", String::as_str), number(2)),
        Some("flood") => flood(&guard, number(1), Duration::from_millis(number(2))),
        Some("stream") => stream(&guard, number(1), number(2)),
        _ => return ExitCode::FAILURE,
    };
    #[allow(clippy::print_stdout)]
    {
        println!("{answer}");
    }
    ExitCode::SUCCESS
}

/// Makes one tree. Returns how many spans it has. Its cost is told by its name.
#[inline(never)]
fn tree(kind: &str) -> u64 {
    match kind {
        "hundred" => {
            plan_rooms(99);
            100
        }
        "report" => {
            drop(improve_home(9, Report::sample()));
            10
        }
        _ => {
            plan_rooms(9);
            10
        }
    }
}

fn steady(guard: &Guard, kind: &str, trees: u64) -> Value {
    let (mut made, mut waiting) = (0, 0);
    for _ in 0..trees {
        let spans = tree(kind);
        made += spans;
        waiting += spans;
        if waiting >= BATCH {
            guard.flush(PATIENCE);
            waiting = 0;
        }
    }
    told(guard, made, Instant::now())
}

fn flood(guard: &Guard, threads: u64, time: Duration) -> Value {
    let began = Instant::now();
    let made = thread::scope(|scope| {
        let produce = || {
            let mut made = 0;
            while began.elapsed() < time {
                made += tree("ten");
            }
            made
        };
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(produce)).collect();
        running.into_iter().filter_map(|thread| thread.join().ok()).sum()
    });
    told(guard, made, began)
}

fn stream(guard: &Guard, trees: u64, a_second: u64) -> Value {
    let began = Instant::now();
    for made in 0..trees {
        tree("ten");
        let due = Duration::from_secs_f64(made as f64 / a_second.max(1) as f64);
        if let Some(early) = due.checked_sub(began.elapsed()).filter(|early| early.as_millis() >= 5) {
            thread::sleep(early);
        }
    }
    told(guard, trees * 10, began)
}

fn told(guard: &Guard, made: u64, began: Instant) -> Value {
    let report = guard.flush(PATIENCE);
    json!({
        "made": made,
        "stored": report.stored,
        "lost": report.lost,
        "delivered": report.delivered,
        "pending": report.pending,
        "seconds": began.elapsed().as_secs_f64(),
        "cpu_ns": cpu_ns(),
        "peak_bytes": peak_bytes(),
    })
}

/// CPU time of all threads since the start, in steps of 10 ms. From a file: valgrind's programs have no vDSO to ask a clock by.
fn cpu_ns() -> u64 {
    const TICK_NS: u64 = 10_000_000;
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The second field, the program's name, may hold spaces; after its parenthesis come field 3 and the rest. 14 and 15 are wanted.
    let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace();
    fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum::<u64>() * TICK_NS
}

/// The most memory that was resident at once, mapped chunks included.
fn peak_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) * 1024
}
