//! A program to be traced, killed and starved by the tests. What it does is its first argument.

use std::io::Write as _;
use std::time::{Duration, Instant};

use spanwright::{node, workflow};

#[node]
fn step(number: u64) -> Result<u64, String> {
    if number % 10 == 9 { Err(format!("step {number} has bad luck")) } else { Ok(number * 2) }
}

#[workflow(kind = "load", session = "agent-session")]
fn steps_workflow(count: u64) -> u64 {
    (0..count).map(|number| step(number).unwrap_or(1)).sum()
}

#[workflow(kind = "lasting")]
fn lasting_workflow() {
    for number in 0.. {
        let _ = step(number);
        say(&format!("did {number}"));
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let task = arguments.next().unwrap_or_default();
    let count = arguments.next().and_then(|count| count.parse().ok()).unwrap_or(10);
    let _guard = spanwright::init();
    match task.as_str() {
        "steps" => {
            let started = Instant::now();
            let sum = steps_workflow(count);
            say(&format!("sum {sum}"));
            say(&format!("us {}", started.elapsed().as_micros()));
        }
        "last" => lasting_workflow(),
        "panic" => {
            steps_workflow(count);
            panic!("on purpose");
        }
        "twice" => {
            let second = spanwright::builder().install();
            say(&format!("second {}", second.is_err_and(|error| error.is_state())));
        }
        other => say(&format!("no task `{other}`")),
    }
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    // A test that has seen enough closes the pipe.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}
