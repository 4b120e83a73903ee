//! Trouble that lasts for minutes, at full length, and what it costs: one command, one row of numbers.
//!
//! ```sh
//! cargo run -p spanwright-tests --bin endurance -- stalled 10 1000000 128   # minutes, spans, MiB the store may have
//! cargo run -p spanwright-tests --bin endurance -- down 5 100000 1024
//! ```
//!
//! `stalled` is a server that takes connections and never answers, `down` one that is not there. Afterwards a server takes everything.

use std::time::{Duration, Instant};

use spanwright_tests::faults::Act;
use spanwright_tests::mlflow::free_port;
use spanwright_tests::program::Place;
use spanwright_tests::receiver::Receiver;

/// Spans of one workflow.
const A_WORKFLOW: u64 = 50;
/// Slices of the time; each has its share of the spans, and a look at what they cost.
const SLICES: u64 = 100;

struct Wanted {
    is_stalled: bool,
    minutes: f64,
    spans: u64,
    store_mib: u64,
}

fn wanted() -> Option<Wanted> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [fault, minutes, spans, store_mib] = arguments.as_slice() else { return None };
    let is_stalled = match fault.as_str() {
        "stalled" => true,
        "down" => false,
        _ => return None,
    };
    let (minutes, spans, store_mib) = (minutes.parse().ok()?, spans.parse().ok()?, store_mib.parse().ok()?);
    Some(Wanted { is_stalled, minutes, spans, store_mib })
}

fn say(line: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stdout(), "{line}");
}

fn main() {
    let Some(wanted) = wanted() else { return say("endurance stalled|down MINUTES SPANS STORE_MIB") };
    let binary = std::env::current_exe().expect("it has a path").with_file_name("program");
    let port = free_port();
    let stalled = wanted.is_stalled.then(|| Receiver::start_on_with(port, |_, _| Some(Act::Swallow)));
    let place = Place::new(&binary.display().to_string())
        .with("MLFLOW_TRACKING_URI", &format!("http://127.0.0.1:{port}"))
        .with("SPANWRIGHT_STORE_MAX_BYTES", &(wanted.store_mib << 20).to_string());

    let mut program = place.start();
    let started = Instant::now();
    let length = Duration::from_secs_f64(wanted.minutes * 60.0);
    let workflows = (wanted.spans / A_WORKFLOW / SLICES).max(1);
    let mut working = Duration::ZERO;
    for slice in 0..SLICES {
        let asked = Instant::now();
        program.tell(&format!("do {workflows} {}", A_WORKFLOW - 1));
        working += asked.elapsed();
        let until = length.mul_f64((slice + 1) as f64 / SLICES as f64);
        std::thread::sleep(until.saturating_sub(started.elapsed()));
        if slice % 10 == 9 {
            say(&format!("{:5.0} s: peak {} KiB", started.elapsed().as_secs_f64(), program.peak_kib()));
        }
    }
    let made = workflows * SLICES * A_WORKFLOW;
    let flushed = program.flush(30_000);
    let peak = program.peak_kib();
    let cpu = program.cpu();
    let ended = program.end();
    assert_eq!((ended.code, ended.signal), (Some(0), None), "{}", ended.stderr);

    // What a starved process left in its chunks, the next one stores.
    let mut heir = place.start();
    while !heir.flush(10_000).is_stored() {}
    drop(heir);
    let stored = place.opened().statistics().expect("readable");
    let (kept, evicted) = (stored.stored.spans, stored.evicted.spans);
    let lost = flushed.count("lost") + ended.counted("spans are not stored and go");
    let unknown = ended.counted("go with this one");
    let delivered = flushed.count("delivered");
    say(&format!("made {made}, in the store {kept}, evicted {evicted}, dropped {lost}, delivered {delivered}"));
    say(&format!(
        "peak {peak} KiB, {:.1} s of the program's own time, {:.1} s of processor",
        working.as_secs_f64(),
        cpu.as_secs_f64()
    ));
    say(&format!("said: {:?}", ended.said));
    let known = kept + evicted + lost;
    assert!(
        known <= made && made <= known + unknown,
        "each span is in the store or counted: {known} and at most {unknown}"
    );
    for check in place.doctor()["checks"].as_array().expect("checks") {
        say(&format!("doctor: {} {} {}", check["status"], check["name"], check["detail"]));
    }

    drop(stalled);
    let well = Receiver::start_on(port);
    let mut next = place.start();
    let asked = Instant::now();
    let delivered = next.flush(3_600_000).count("delivered");
    say(&format!("afterwards {delivered} delivered in {:.1} s", asked.elapsed().as_secs_f64()));
    well.assert_took_once(kept);
}
