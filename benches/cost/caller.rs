//! What a span costs the thread that makes it.
//!
//! In: the cases. Out: for each case and library CPU time, instructions and allocations a span, and ours over theirs. Instructions are counted
//! by callgrind in a process of their own; times and allocations natively, in processes that take turns.

use std::io;

use spanwright_benches::{Cell, Section, Spread, Unit};

use crate::Options;
use crate::callgrind;
use crate::cases::{CASES, Case};
use crate::programs::{Build, Programs, Running, Subject, number};
use crate::say;

/// Spans under callgrind, which takes some fifty times as long.
const COUNTED: u32 = 2_000;

/// What one span costs.
#[derive(Clone, Debug)]
struct Cost {
    subject: Subject,
    /// CPU time of the producing threads in each round.
    ns: Vec<f64>,
    instructions: f64,
    allocations: f64,
    bytes: f64,
}

pub(crate) fn measure(options: &Options) -> io::Result<Section> {
    callgrind::find()?;
    let recording = Programs::build(Build::Recording)?;
    let compiled_out = Programs::build(Build::CompiledOut)?;
    let of = |build| if build == Build::Recording { &recording } else { &compiled_out };
    let mut section =
        Section { title: "What a span costs its thread".to_owned(), note: note(options), ..Section::default() };
    section.columns = HEADS.map(str::to_owned).to_vec();
    for case in CASES {
        say(&format!("{}: instructions, then times", case.name));
        let costs = costs(&case, of(case.build), options)?;
        section.misses.extend(misses(&case, &costs));
        section.rows.extend(costs.iter().map(|cost| row(&case, cost, &costs)));
    }
    Ok(section)
}

const HEADS: [&str; 10] = [
    "load, per span",
    "library",
    "CPU time",
    "instructions",
    "over bare",
    "limit",
    "allocations",
    "bytes",
    "ours / it, instructions",
    "ours / it, time",
];

fn note(options: &Options) -> String {
    format!(
        "Each span has a name and a kind, and where the load says so one text and one number as attributes; the struct is 289 bytes of JSON. \
         A tree is a root and its children, one after another. CPU time is that of the producing threads, median (middle half) of {} rounds in which the \
         programs take turns. Instructions are those of the producing threads alone, by callgrind, after a warm-up of the same length; over bare is without what \
         the load takes by itself, and both ratios are over bare. The floor is two reads of the time stamp counter and an append of 64 bytes. The exporters of the peers \
         count and throw away, and their queues hold everything; so does ours for instructions, while its times and allocations are with mapped chunks and a store \
         on disk. Switched off is \
         `MLFLOW_DISABLE_TRACES`, no root span (fastrace), a filter (tracing), a sampler (SDK); compiled out is `--cfg spanwright_off`, no feature \
         `enable`, `max_level_off`.",
        rounds(options),
    )
}

fn rounds(options: &Options) -> usize {
    if options.quick { 5 } else { 15 }
}

/// Costs of one case, by subject.
fn costs(case: &Case, programs: &Programs, options: &Options) -> io::Result<Vec<Cost>> {
    let call = |subject: &Subject, command: &str| {
        // Callgrind slows the store down so much that our clock, which is set right after each batch, would no longer be believed.
        let rest =
            if command == "once" { format!("exporter=counting {}", case.request(COUNTED)) } else { String::new() };
        programs.call(*subject, &format!("{command} {} queue=ample {rest}", case.state))
    };
    let counted: Vec<_> = case.subjects.iter().map(|subject| call(subject, "once")).collect::<io::Result<_>>()?;
    let instructions = callgrind::of_each(&counted)?;
    let start = |subject| call(subject, "rounds")?.start();
    let mut running: Vec<_> = case.subjects.iter().map(start).collect::<io::Result<_>>()?;
    let spans = if options.quick { 10_000 } else { 20_000 };
    let request = case.request(spans);
    let mut costs: Vec<_> = case
        .subjects
        .iter()
        .zip(instructions)
        .map(|(subject, instructions)| Cost {
            subject: *subject,
            ns: Vec::new(),
            instructions,
            allocations: 0.0,
            bytes: 0.0,
        })
        .collect();
    for program in &mut running {
        program.ask(&request)?;
    }
    for _ in 0..rounds(options) {
        for (program, cost) in running.iter_mut().zip(&mut costs) {
            let answer = program.ask(&request)?;
            cost.ns.push(number(&answer, "ns")? / number(&answer, "spans")?);
        }
    }
    for (program, cost) in running.iter_mut().zip(&mut costs) {
        (cost.allocations, cost.bytes) = allocations(program, &request)?;
    }
    Ok(costs)
}

fn allocations(program: &mut Running, request: &str) -> io::Result<(f64, f64)> {
    let answer = program.ask(&format!("{request} measure=allocations"))?;
    let spans = number(&answer, "spans")?;
    Ok((number(&answer, "allocations")? / spans, number(&answer, "bytes")? / spans))
}

fn of(costs: &[Cost], subject: Subject) -> Option<&Cost> {
    costs.iter().find(|cost| cost.subject == subject)
}

/// Instructions, allocations and time without those of the bare load.
fn over_bare(cost: &Cost, costs: &[Cost]) -> (f64, f64, f64) {
    let ns = |cost: &Cost| Spread::of(&cost.ns).map_or(f64::NAN, |spread| spread.median);
    match of(costs, Subject::Bare) {
        Some(bare) => (cost.instructions - bare.instructions, cost.allocations - bare.allocations, ns(cost) - ns(bare)),
        None => (f64::NAN, f64::NAN, f64::NAN),
    }
}

fn row(case: &Case, cost: &Cost, costs: &[Cost]) -> Vec<Cell> {
    let (instructions, _, ns) = over_bare(cost, costs);
    let (our_instructions, _, our_ns) =
        of(costs, Subject::Spanwright).map_or((f64::NAN, f64::NAN, f64::NAN), |ours| over_bare(ours, costs));
    let is_peer = !matches!(cost.subject, Subject::Bare | Subject::Spanwright);
    // Where nothing is left of it, a ratio says nothing.
    let ratio = |ours: f64, its: f64| {
        if is_peer && its >= 1.0 { Cell::Number(ours / its, Unit::Ratio) } else { Cell::Nothing }
    };
    let limit = match case.limits.instructions {
        Some(limit) if cost.subject == Subject::Spanwright => Cell::Number(limit, Unit::Count),
        _ => Cell::Nothing,
    };
    vec![
        Cell::text(case.name),
        Cell::text(cost.subject.to_string()),
        Spread::of(&cost.ns).map_or(Cell::Nothing, |spread| Cell::Spread(spread, Unit::Nanoseconds)),
        Cell::Number(cost.instructions, Unit::Count),
        if cost.subject == Subject::Bare { Cell::Nothing } else { Cell::Number(instructions, Unit::Count) },
        limit,
        Cell::Number(cost.allocations, Unit::Count),
        Cell::Number(cost.bytes, Unit::Bytes),
        ratio(our_instructions, instructions),
        ratio(our_ns, ns),
    ]
}

/// A sentence for each limit that ours does not keep.
fn misses(case: &Case, costs: &[Cost]) -> Vec<String> {
    let Some(ours) = of(costs, Subject::Spanwright) else { return Vec::new() };
    let (instructions, allocations, _) = over_bare(ours, costs);
    let name = case.name;
    let mut misses = Vec::new();
    let mut hold = |what: &str, value: f64, limit: Option<f64>| {
        if let Some(limit) = limit.filter(|limit| value > *limit) {
            misses.push(format!("{name}: {value:.2} {what} a span over bare, {limit} allowed"));
        }
    };
    hold("instructions", instructions, case.limits.instructions);
    hold("allocations", allocations, case.limits.allocations);
    misses
}
