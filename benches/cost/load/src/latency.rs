//! How long single spans take, the slowest among them.

use std::hint::spin_loop;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::{Arguments, Subject, answer};

/// One tree of one span at a time, at an even pace that no collector falls behind, for some time.
pub(crate) fn latency<S: Subject>(arguments: &Arguments) -> Result<(), String> {
    let time = Duration::from_millis(arguments.get("millis")?);
    let pace = Duration::from_micros(arguments.get("micros")?);
    let subject = S::start(&arguments.setup());
    thread::sleep(Duration::from_millis(400));
    let mut measured = Vec::with_capacity((time.as_micros() / pace.as_micros().max(1)) as usize + 1);
    let began = Instant::now();
    let mut next = began;
    while began.elapsed() < time {
        while Instant::now() < next {
            spin_loop();
        }
        let start = Instant::now();
        subject.attributes(0);
        measured.push(u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX));
        // From now on, so that one slow span does not make the next ones a burst.
        next = Instant::now() + pace;
    }
    measured.sort_unstable();
    let at = |share: f64| measured.get(((measured.len() as f64 * share) as usize).min(measured.len() - 1)).copied();
    answer(&json!({
        "spans": measured.len(),
        "p50": at(0.5), "p99": at(0.99), "p999": at(0.999), "max": measured.last(),
        "fate": subject.flush(),
    }))
}
