//! The slowest spans while the disk is busy: mapped chunks beside the store, on tmpfs, and chunks on the heap.
//!
//! In: a writer that dirties the disk the chunks are on and has it written back, over and over. Out: percentiles, and where chunks belong by the rule that
//! they leave the disk if its write-back makes the 99.9th percentile more than ten times that of the heap.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use serde_json::Value;
use spanwright_benches::{Cell, Section, Spread, Unit};

use crate::Options;
use crate::programs::{Build, Programs, Scratch, Subject, number};
use crate::say;

/// The 99.9th percentile of mapped chunks may be so many times that of heap chunks.
const MAX_TIMES_HEAP: f64 = 10.0;
/// One span in so many microseconds.
const PACE_US: u32 = 50;

/// Where chunks are, as `SPANWRIGHT_CHUNKS` says it; the floor has none and shows what the machine itself does.
const PLACES: [(Subject, &str, &str); 4] = [
    (Subject::Floor, "", "floor"),
    (Subject::Spanwright, "heap", "spanwright, chunks on the heap"),
    (Subject::Spanwright, "/dev/shm", "spanwright, chunks on tmpfs"),
    (Subject::Spanwright, "store", "spanwright, chunks beside the store"),
];

const HEADS: [&str; 8] = ["disk", "chunks", "p50", "p99", "p99.9", "p99.9 / heap", "max", "lost"];

pub(crate) fn measure(options: &Options) -> io::Result<Section> {
    let programs = Programs::build(Build::Recording)?;
    let (rounds, millis) = if options.quick { (2, 1000) } else { (5, 2500) };
    let mut section = Section { title: "The slowest spans under write-back".to_owned(), ..Section::default() };
    section.columns = HEADS.map(str::to_owned).to_vec();
    let mut verdict = String::new();
    for is_busy in [false, true] {
        let disk = if is_busy { "written back" } else { "at rest" };
        let mut answers: [Vec<Value>; PLACES.len()] = Default::default();
        let mut written = 0;
        for round in 1..=rounds {
            say(&format!("disk {disk}, round {round} of {rounds}"));
            for ((subject, chunks, _), answers) in PLACES.iter().zip(&mut answers) {
                let arguments = format!("latency millis={millis} micros={PACE_US}");
                let mut call = programs.call(*subject, &arguments)?;
                call.set("SPANWRIGHT_CHUNKS", chunks);
                let (answer, bytes) =
                    if is_busy { beside_a_writer(|| call.run(&[]), &call.scratch)? } else { (call.run(&[])?, 0) };
                answers.push(answer);
                written += bytes;
            }
        }
        let heap = percentile(&answers[1], "p999")?;
        for ((_, _, name), answers) in PLACES.iter().zip(&answers) {
            let tail = percentile(answers, "p999")?;
            if is_busy && *name == PLACES[3].2 {
                verdict = self::verdict(
                    tail.median / heap.median,
                    written as f64 / (f64::from(rounds * millis) / 1e3 * PLACES.len() as f64),
                );
            }
            section.rows.push(row(disk, name, answers, tail.median / heap.median)?);
        }
    }
    section.note = format!(
        "One span at a time with two attributes, every {PACE_US} µs for {millis} ms, wall time around each; median (middle half) over {rounds} rounds that take turns. \
         Beside them a program appends to a file on the same disk and has every 16 MiB written back. {verdict}"
    );
    Ok(section)
}

fn verdict(times: f64, rate: f64) -> String {
    let place = if times > MAX_TIMES_HEAP { "chunks belong on tmpfs" } else { "chunks stay beside the store" };
    let rate = Cell::Number(rate, Unit::Bytes);
    format!(
        "It wrote {rate} a second. The rule: chunks leave the disk if their p99.9 is more than {MAX_TIMES_HEAP} times that of the heap; it is {times:.2} times here, so {place}."
    )
}

fn percentile(answers: &[Value], name: &str) -> io::Result<Spread> {
    let values: Vec<_> = answers.iter().map(|answer| number(answer, name)).collect::<io::Result<_>>()?;
    Spread::of(&values).ok_or_else(|| io::Error::other("no round was run"))
}

fn row(disk: &str, name: &str, answers: &[Value], times_heap: f64) -> io::Result<Vec<Cell>> {
    let time = |name| percentile(answers, name).map(|spread| Cell::Spread(spread, Unit::Nanoseconds));
    let lost: f64 = answers.iter().filter_map(|answer| number(answer, "fate.counted").ok()).sum();
    Ok(vec![
        Cell::text(disk),
        Cell::text(name),
        time("p50")?,
        time("p99")?,
        time("p999")?,
        Cell::Number(times_heap, Unit::Ratio),
        time("max")?,
        Cell::Number(lost, Unit::Count),
    ])
}

/// Runs `work` while a thread keeps the disk of `scratch` busy. Returns how much it wrote.
fn beside_a_writer<R>(work: impl FnOnce() -> io::Result<R>, scratch: &Scratch) -> io::Result<(R, u64)> {
    let done = AtomicBool::new(false);
    let written = AtomicU64::new(0);
    let worked = thread::scope(|scope| {
        let writer = scope.spawn(|| write_back(&scratch.0, &done, &written));
        let worked = work();
        done.store(true, Ordering::Relaxed);
        let wrote = writer.join().unwrap_or_else(|_| Err(io::Error::other("the writer panicked")));
        wrote.and(worked)
    })?;
    Ok((worked, written.into_inner()))
}

fn write_back(folder: &Path, done: &AtomicBool, written: &AtomicU64) -> io::Result<()> {
    const BLOCK: usize = 1024 * 1024;
    const BLOCKS_A_SYNC: u64 = 16;
    const BLOCKS: u64 = 512;
    let mut file = File::create(folder.join("written-back"))?;
    let block = vec![0x5a_u8; BLOCK];
    for number in 1.. {
        if done.load(Ordering::Relaxed) {
            break;
        }
        file.write_all(&block)?;
        written.fetch_add(BLOCK as u64, Ordering::Relaxed);
        if number % BLOCKS_A_SYNC == 0 {
            file.sync_all()?;
        }
        if number % BLOCKS == 0 {
            file.seek(SeekFrom::Start(0))?;
        }
    }
    Ok(())
}
