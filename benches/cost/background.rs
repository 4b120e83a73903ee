//! What a span costs behind the thread that makes it: pairing, the store, the request.

use std::io;

use spanwright_benches::{Cell, Section, Unit};

use crate::Options;
use crate::behind::{Behind, Profile, receiver};
use crate::programs::number;
use crate::{callgrind, say};

/// Loads, and the most instructions a span may take, from the call to the bytes of its request, where that is limited.
const LOADS: [(&str, &str, Option<f64>); 3] = [
    ("ten", "trees of 10, two attributes", None),
    ("hundred", "trees of 100, two attributes", None),
    ("report", "trees of 10, 289-byte struct in and out", Some(15_000.0)),
];

/// What happens to a span, one after the other, until the bytes of its request are there.
const STAGES: [Stage; 6] = [
    Stage { name: "call", all: &["spanwright_behind::tree"], but: &[] },
    Stage { name: "sweep", all: &["collector::Collector::sweep"], but: &[] },
    Stage { name: "pair", all: &["assembly::Assembly::settle", "assembly::Assembly::close"], but: &[] },
    Stage { name: "append", all: &["store::write::<impl spanwright::store::Store>::append"], but: &[] },
    Stage { name: "read", all: &["sender::waiting::read"], but: &["mlflow::spans::Encoder::add"] },
    Stage { name: "encode", all: &["mlflow::spans::Encoder::add", "mlflow::spans::request_of"], but: &[] },
];
/// And afterwards.
const ACK: Stage = Stage { name: "ack", all: &["store::queue::<impl spanwright::store::Store>::ack"], but: &[] };

/// What some functions cost with all they call, but for what others cost that they call. None of them is inlined: they say so where
/// they stand.
struct Stage {
    name: &'static str,
    all: &'static [&'static str],
    but: &'static [&'static str],
}

impl Stage {
    fn of(&self, profile: &Profile) -> io::Result<f64> {
        let sum =
            |functions: &[&str]| functions.iter().map(|function| profile.inclusive(function)).sum::<Option<f64>>();
        let found = sum(self.all).zip(sum(self.but)).map(|(all, but)| all - but);
        found.ok_or_else(|| {
            io::Error::other(format!("`{}` is not in the profile: a function of it was inlined", self.name))
        })
    }
}

/// Spans a second into the store.
const LEAST_A_SECOND: f64 = 100_000.0;
/// Chunks are bounded by 64 MiB, what is read of them by as much again with its bookkeeping.
const MOST_BYTES: f64 = 512.0 * 1024.0 * 1024.0;

pub(crate) fn measure(options: &Options) -> io::Result<Section> {
    callgrind::find()?;
    let behind = Behind::build()?;
    let mut columns = vec!["load".to_owned()];
    columns.extend(STAGES.iter().map(|stage| format!("{}, instructions", stage.name)));
    columns.extend(["all until the request", "ack", "whole process", "CPU a span"].map(str::to_owned));
    let mut section = Section {
        title: "Behind the thread that makes spans".to_owned(),
        note: "Instructions a span by callgrind, the difference of a longer and a shorter run, delivered to a receiver that takes everything; batches of \
               2,000 spans, requests of 512. Whole process is everything the program does, the calls and HTTP included; CPU is of the same program without \
               callgrind. The last rows are spans into SQLite on disk."
            .to_owned(),
        columns,
        ..Section::default()
    };
    for (load, name, limit) in LOADS {
        say(&format!("behind the thread: {name}"));
        let row = stages(&behind, load)?;
        let until_request: f64 = row.stages.iter().sum();
        if let Some(limit) = limit.filter(|limit| until_request > *limit) {
            section
                .misses
                .push(format!("{name}: {until_request:.0} instructions a span until its request, above {limit:.0}"));
        }
        let mut cells = vec![Cell::text(name)];
        cells.extend(row.stages.iter().map(|stage| Cell::Number(stage.round(), Unit::Count)));
        cells.push(Cell::Number(until_request.round(), Unit::Count));
        cells.push(Cell::Number(row.ack.round(), Unit::Count));
        cells.push(Cell::Number(row.whole.round(), Unit::Count));
        cells.push(Cell::Number(cpu(&behind, load, options)?, Unit::Nanoseconds));
        section.rows.push(cells);
    }
    for pressure in INTO_THE_STORE {
        pressure.measure(&behind, options, &mut section)?;
    }
    Ok(section)
}

struct Row {
    stages: Vec<f64>,
    ack: f64,
    whole: f64,
}

/// Trees of a load that have about so many spans.
fn trees(load: &str, spans: u64) -> u64 {
    spans / if load == "hundred" { 100 } else { 10 }
}

/// Instructions a span, stage by stage.
fn stages(behind: &Behind, load: &str) -> io::Result<Row> {
    let receiver = receiver();
    // Where the C library copies and fills by one instruction that callgrind counts as many, it does so as elsewhere.
    let tunables =
        "GLIBC_TUNABLES=glibc.cpu.x86_rep_movsb_threshold=1000000000:glibc.cpu.x86_rep_stosb_threshold=1000000000";
    let mut counted: Vec<(f64, Row)> = Vec::new();
    for spans in [4_000, 12_000] {
        let run = behind.run(Some(&receiver.uri()))?;
        let file = run.scratch.0.join("callgrind.out");
        let out = format!("--callgrind-out-file={}", file.display());
        let answer = run.answer(
            &["env", tunables, "valgrind", "--tool=callgrind", &out],
            &format!("steady {load} {}", trees(load, spans)),
        )?;
        let (made, delivered) = (number(&answer, "made")?, number(&answer, "delivered")?);
        if made != delivered {
            return Err(io::Error::other(format!("{made} spans made and {delivered} delivered")));
        }
        let profile = Profile::read(&file)?;
        let stages = STAGES.iter().map(|stage| stage.of(&profile)).collect::<io::Result<_>>()?;
        counted.push((made, Row { stages, ack: ACK.of(&profile)?, whole: profile.total() }));
    }
    let [(few, short), (many, long)] = counted.as_slice() else {
        return Err(io::Error::other("two runs are needed"));
    };
    let each = |short: f64, long: f64| (long - short) / (many - few);
    Ok(Row {
        stages: short.stages.iter().zip(&long.stages).map(|(short, long)| each(*short, *long)).collect(),
        ack: each(short.ack, long.ack),
        whole: each(short.whole, long.whole),
    })
}

/// CPU time a span of the whole program, nanoseconds.
fn cpu(behind: &Behind, load: &str, options: &Options) -> io::Result<f64> {
    let receiver = receiver();
    let spans = if options.quick { 20_000 } else { 100_000 };
    let answer = behind.run(Some(&receiver.uri()))?.answer(&[], &format!("steady {load} {}", trees(load, spans)))?;
    Ok(number(&answer, "cpu_ns")? / number(&answer, "made")?)
}

/// As many spans as the store has to take, and four threads that make more than anything takes.
const INTO_THE_STORE: [Pressure; 2] = [
    Pressure { name: "150,000 spans a second, into the store", says: "At an even pace", is_even: true },
    Pressure { name: "four threads flat out, into the store", says: "Flat out", is_even: false },
];
/// Trees of ten.
const EVEN_TREES_A_SECOND: u64 = 15_000;

struct Pressure {
    name: &'static str,
    says: &'static str,
    is_even: bool,
}

impl Pressure {
    fn words(&self, options: &Options) -> String {
        let seconds = if options.quick { 1 } else { 5 };
        if self.is_even {
            // Long enough for the log of the store to be written back many times.
            format!("stream {} {EVEN_TREES_A_SECOND}", EVEN_TREES_A_SECOND * seconds * 2)
        } else {
            format!("flood 4 {}", seconds * 1_000)
        }
    }

    /// Spans into the store alone, without a server.
    fn measure(&self, behind: &Behind, options: &Options, section: &mut Section) -> io::Result<()> {
        say(self.name);
        let answer = behind.run(None)?.answer(&[], &self.words(options))?;
        let [made, stored, lost, seconds, peak] =
            ["made", "stored", "lost", "seconds", "peak_bytes"].map(|name| number(&answer, name));
        let (made, stored, lost, seconds, peak) = (made?, stored?, lost?, seconds?, peak?);
        let rate = stored / seconds;
        section.note.push_str(&format!(
            " {}: {made} spans made, {stored} stored, {lost} counted as dropped; {} a second until everything is stored, {} at most in memory.",
            self.says,
            Cell::Number(rate, Unit::PerSecond),
            Cell::Number(peak, Unit::Bytes)
        ));
        if made != stored + lost {
            section.misses.push(format!("{}: {made} spans made, {stored} stored, {lost} counted", self.name));
        }
        if self.is_even && rate < LEAST_A_SECOND {
            section.note.push_str(&format!(" That is below {LEAST_A_SECOND}."));
        }
        if peak > MOST_BYTES {
            section.misses.push(format!("{}: {} in memory", self.name, Cell::Number(peak, Unit::Bytes)));
        }
        let mut cells = vec![Cell::text(self.name)];
        cells.resize(section.columns.len() - 1, Cell::Nothing);
        cells.push(Cell::Number(number(&answer, "cpu_ns")? / stored, Unit::Nanoseconds));
        section.rows.push(cells);
        Ok(())
    }
}
