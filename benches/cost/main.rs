//! What a span costs the program that makes it, and what becomes of it: ours, fastrace, tracing with tracing-opentelemetry, the OpenTelemetry SDK, and
//! the floor no library can be below.
//!
//! In: this repository, the package registry, valgrind. Out: a table per part of the question, and exit code 1 if an instruction count, an allocation or
//! a count of spans breaks its limit. Times are reported and decide nothing.

mod background;
mod behind;
mod caller;
mod callgrind;
mod cases;
mod programs;
mod relay;
mod server;
mod stalled;
mod threads;
mod tracker;
mod writeback;

use std::io;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use serde_json::json;
use spanwright_benches::{Facts, Section};

/// Measures what spans cost beside other libraries.
#[derive(Debug, Parser)]
struct Options {
    /// A short run: fewer rounds and spans. The counts are the same, the times less certain.
    #[arg(long)]
    quick: bool,
    /// Prints JSON instead of the tables.
    #[arg(long)]
    json: bool,
    /// Measures these parts alone; may be repeated.
    #[arg(long, value_enum)]
    only: Vec<Part>,
    /// What cargo says to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

/// A part of the question, answered by one table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// What a span costs its thread.
    Caller,
    /// Threads flat out.
    Threads,
    /// The slowest spans under write-back.
    Writeback,
    /// Exporter that stands still.
    Stalled,
    /// Pairing, storing, sending.
    Background,
    /// Measurements of an execution.
    Tracker,
    /// A real MLflow server.
    Server,
}

type Measure = fn(&Options) -> io::Result<Section>;

/// Every part, in the order in which they are measured and printed.
const PARTS: [(Part, Measure); 7] = [
    (Part::Caller, caller::measure),
    (Part::Threads, threads::measure),
    (Part::Writeback, writeback::measure),
    (Part::Stalled, stalled::measure),
    (Part::Background, background::measure),
    (Part::Tracker, tracker::measure),
    (Part::Server, server::measure),
];

#[allow(clippy::print_stdout, clippy::print_stderr)]
fn main() -> ExitCode {
    let options = Options::parse();
    let mut sections = Vec::new();
    for (part, measure) in PARTS {
        if !options.only.is_empty() && !options.only.contains(&part) {
            continue;
        }
        match measure(&options) {
            Ok(section) => sections.push(section),
            Err(error) => {
                eprintln!("measure {part:?}: {error}");
                return ExitCode::from(2);
            }
        }
    }
    let facts = Facts::read();
    if options.json {
        let sections: Vec<_> = sections.iter().map(Section::to_json).collect();
        println!("{:#}", json!({ "facts": facts, "sections": sections }));
    } else {
        println!("{facts}\n");
        sections.iter().for_each(|section| println!("{section}"));
    }
    let misses: Vec<_> = sections.iter().flat_map(|section| &section.misses).collect();
    misses.iter().for_each(|miss| eprintln!("limit missed: {miss}"));
    ExitCode::from(u8::from(!misses.is_empty()))
}

#[allow(clippy::print_stderr)]
fn say(progress: &str) {
    eprintln!("{progress}");
}
