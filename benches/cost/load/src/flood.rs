//! More spans than anybody takes.

use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::{Arguments, Subject, answer, exporter, meter};

/// Spans of a tree.
const TREE: u32 = 100;

/// Threads that make trees flat out for some time.
pub(crate) fn flood<S: Subject>(arguments: &Arguments) -> Result<(), String> {
    let threads: usize = arguments.get("threads")?;
    let time = Duration::from_millis(arguments.get("millis")?);
    let subject = S::start(&arguments.setup());
    thread::sleep(Duration::from_millis(400));
    let start = Barrier::new(threads);
    let before = meter::resident_bytes();
    let made: Vec<(u64, f64)> = thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(|| produce(&subject, &start, time))).collect();
        running.into_iter().filter_map(|thread| thread.join().ok()).collect()
    });
    let memory = meter::resident_bytes().saturating_sub(before);
    let seconds = made.iter().map(|(_, seconds)| *seconds).fold(0.0, f64::max);
    let made: u64 = made.iter().map(|(made, _)| made).sum();
    answer(&json!({ "made": made, "seconds": seconds, "memory": memory, "fate": subject.flush() }))
}

fn produce<S: Subject>(subject: &S, start: &Barrier, time: Duration) -> (u64, f64) {
    start.wait();
    let began = Instant::now();
    let mut trees = 0;
    while began.elapsed() < time {
        subject.attributes(TREE - 1);
        trees += 1;
    }
    (trees * u64::from(TREE), began.elapsed().as_secs_f64())
}

/// So many spans by one thread while the exporter stands still; then it moves again and everything is flushed.
pub(crate) fn stall<S: Subject>(arguments: &Arguments) -> Result<(), String> {
    let spans: u64 = arguments.get("spans")?;
    let subject = S::start(&arguments.setup());
    thread::sleep(Duration::from_millis(400));
    exporter::stand_still(true);
    let before = meter::resident_bytes();
    let mut most = before;
    for tree in 0..spans / u64::from(TREE) {
        subject.attributes(TREE - 1);
        if tree % 64 == 0 {
            most = most.max(meter::resident_bytes());
        }
    }
    most = most.max(meter::resident_bytes());
    exporter::stand_still(false);
    let made = spans / u64::from(TREE) * u64::from(TREE);
    answer(&json!({ "made": made, "memory": most - before, "fate": subject.flush() }))
}
