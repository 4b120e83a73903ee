//! The measurements of an execution that count once, under measurement: each on a tracker of its own.
//!
//! Arguments: `once` for callgrind, which cannot bear that the clock of a thread is read, or `rounds`; the measurement; how many. One line of JSON on standard
//! output: calls, CPU time of each round, allocations.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::process::ExitCode;
use std::time::Duration;

use load::meter::{measured, thread_ns};
use spanwright::AgentConfig;
use spanwright::tracker::{RunTracker, Tokens};

#[global_allocator]
static ALLOCATOR: load::Counting = load::Counting;

const ROUNDS: usize = 15;

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let (command, what) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let count = words.next().and_then(|word| word.parse().ok()).unwrap_or(1000);
    let measure: fn(&RunTracker) = match what.as_str() {
        "nothing" => |_| (),
        "duration" => |tracker| {
            tracker.track_duration(Duration::from_millis(7));
        },
        "first-token" => |tracker| {
            tracker.track_time_to_first_token(Duration::from_millis(7));
        },
        "outcome" => |tracker| {
            tracker.track_success();
        },
        "tokens" => |tracker| {
            tracker.track_tokens(Tokens { total: 3, input: 1, output: 2 });
        },
        other => {
            eprintln!("no measurement `{other}`");
            return ExitCode::FAILURE;
        }
    };
    let config = AgentConfig::new("agent");
    let trackers = || -> Vec<RunTracker> { (0..count).map(|_| config.create_tracker("ann")).collect() };
    let all = |trackers: &[RunTracker]| trackers.iter().for_each(|tracker| measure(std::hint::black_box(tracker)));
    all(&trackers());
    let fresh = trackers();
    if command == "once" {
        measured(&mut || all(&fresh));
        println!("{{\"spans\":{count}}}");
        return ExitCode::SUCCESS;
    }
    let (allocations, bytes) = load::counted(|| all(&fresh));
    let rounds: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let fresh = trackers();
            let begun = thread_ns();
            all(&fresh);
            (thread_ns() - begun) as f64 / count as f64
        })
        .collect();
    println!("{{\"spans\":{count},\"allocations\":{allocations},\"bytes\":{bytes},\"ns\":{rounds:?}}}");
    ExitCode::SUCCESS
}
