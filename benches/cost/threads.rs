//! Threads that make spans flat out: how many, and what becomes of them.

use std::io;

use spanwright_benches::{Cell, Section, Unit};

use crate::Options;
use crate::programs::{Build, Programs, Subject, number};
use crate::say;

/// What the peers are compared with: the exporter does as little as theirs.
const OURS: &str = "spanwright";

/// A program and how its spans end: where they are counted, or where ours keeps them.
const CONTENDERS: [(Subject, &str, &str); 5] = [
    (Subject::Spanwright, "exporter=counting", OURS),
    (Subject::Spanwright, "", "spanwright, into its store"),
    (Subject::Fastrace, "exporter=counting", "fastrace"),
    (Subject::Tracing, "exporter=counting", "tracing + tracing-opentelemetry"),
    (Subject::Otel, "exporter=counting", "opentelemetry SDK"),
];

const HEADS: [&str; 10] = [
    "threads",
    "library",
    "made",
    "a second",
    "ours / it",
    "delivered",
    "share",
    "counted as lost",
    "untold",
    "memory",
];

pub(crate) fn measure(options: &Options) -> io::Result<Section> {
    let programs = Programs::build(Build::Recording)?;
    let millis = if options.quick { 200 } else { 1000 };
    let mut section = Section {
        title: "Threads flat out".to_owned(),
        note: format!(
            "Each thread makes trees of 100 spans with two attributes for {millis} ms, as the library is configured by default; then everything is \
             flushed. Exporters count and throw away; into its store means SQLite on disk. Untold is what is neither delivered nor counted as lost by the library."
        ),
        columns: HEADS.map(str::to_owned).to_vec(),
        ..Section::default()
    };
    for threads in [1, 2, 4, 8] {
        let mut ours = f64::NAN;
        for (subject, exporter, name) in CONTENDERS {
            say(&format!("{threads} threads flat out: {name}"));
            let arguments = format!("flood threads={threads} millis={millis} {exporter}");
            let answer = programs.call(subject, &arguments)?.run(&[])?;
            let made = number(&answer, "made")?;
            let rate = made / number(&answer, "seconds")?;
            let delivered = number(&answer, "fate.delivered")? + number(&answer, "fate.kept")?;
            let counted = number(&answer, "fate.counted").ok();
            let untold = made - delivered - counted.unwrap_or(0.0);
            if subject == Subject::Spanwright && untold != 0.0 {
                section
                    .misses
                    .push(format!("{threads} threads, {name}: {untold} of {made} spans neither delivered nor counted"));
            }
            if name == OURS {
                ours = rate;
            }
            section.rows.push(vec![
                Cell::count(threads),
                Cell::text(name),
                Cell::Number(made, Unit::Count),
                Cell::Number(rate, Unit::PerSecond),
                if subject == Subject::Spanwright { Cell::Nothing } else { Cell::Number(ours / rate, Unit::Ratio) },
                Cell::Number(delivered, Unit::Count),
                Cell::Number(delivered / made, Unit::Ratio),
                counted.map_or(Cell::Nothing, |counted| Cell::Number(counted, Unit::Count)),
                Cell::Number(untold, Unit::Count),
                Cell::Number(number(&answer, "memory")?, Unit::Bytes),
            ]);
        }
    }
    Ok(section)
}
