//! Kills traced programs at random moments and counts what arrives: `crash-matrix --rounds 5000 --seed 4`.
//!
//! Started as `crash-matrix victim …` or `crash-matrix heir` it is one of the programs that are killed, or takes over.

use std::collections::{BTreeMap, HashSet};
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use serde::Serialize;
use spanwright_tests::crash::evidence::{Histogram, Stage};
use spanwright_tests::crash::plan::Size;
use spanwright_tests::crash::read_back::ReadBack;
use spanwright_tests::crash::{Matrix, Outcome, power, victim};
use spanwright_tests::mlflow::Server;

/// Kills traced programs at random moments and counts what arrives.
#[derive(Debug, Parser)]
struct Arguments {
    /// How many rounds to play.
    #[arg(long, default_value_t = 5000)]
    rounds: u64,
    /// What happens in each round is drawn from it.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The first round: to go on, or to play one again.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Stop after so many minutes.
    #[arg(long)]
    minutes: Option<u64>,
    /// Steps of the victims of a round, at most.
    #[arg(long, default_value_t = 20_000)]
    steps: u64,
    /// Put a real MLflow server behind the receiver, and read every trace back with its own client. Victims are slower then.
    #[arg(long)]
    mlflow: bool,
    /// Cut the power so many times instead, as each durability has it: needs root and loop devices.
    #[arg(long, default_value_t = 0)]
    power_cuts: u64,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Default, Serialize)]
struct Result {
    seed: u64,
    first_round: u64,
    rounds: u64,
    /// Programs killed.
    killed: u64,
    /// Calls that had returned when their process was killed.
    returned: u64,
    /// Of those, calls that did not arrive, with mapped chunks.
    lost: u64,
    /// Spans at the server.
    spans: u64,
    /// Spans closed as abandoned.
    abandoned: u64,
    /// Spans sent more than once, and stored once.
    sent_again: u64,
    /// Of mapped rounds: prompts of more than 32 KiB that found no chunk ready, and were counted.
    prompts_lost: u64,
    /// Of mapped rounds: chunks that had to be taken from the heap.
    heap_chunks: u64,
    /// Rounds with chunks on the heap, calls that had returned in them, and those that did not arrive.
    heap: [u64; 3],
    /// On the heap: the longest time before a kill of which something was missing, milliseconds.
    heap_window_ms: u64,
    /// How many rounds hit each stage.
    stages: Histogram,
    /// How many rounds were aimed how.
    aims: BTreeMap<String, u64>,
    /// With a real server: traces its client has read, and model calls in them that had returned.
    read_back: Option<[u64; 2]>,
    faults: Vec<String>,
    seconds: u64,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|first| victim::TASKS.contains(&first.as_str())) {
        victim::main(&arguments);
        return ExitCode::SUCCESS;
    }
    let arguments = Arguments::parse();
    let size =
        Size { steps: arguments.steps, fastest: Duration::ZERO, slowest: Duration::from_millis(2), model_every: 40 };
    let program = std::env::current_exe().expect("a program has a path");
    if arguments.power_cuts > 0 {
        return cut_power(&program, &arguments);
    }
    let server = arguments.mlflow.then(Server::start);
    let result = match &server {
        None => play(&Matrix { program, seed: arguments.seed, size, real: None }, &arguments, |_| {}),
        Some(server) => play_before(server, program, &arguments),
    };
    let mut out = std::io::stdout().lock();
    let _ = if arguments.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&result).expect("it has a form"))
    } else {
        writeln!(out, "{}", text(&result))
    };
    if result.faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// A workflow of so many spans returns just before the power goes.
const STEPS_BEFORE_CUT: u64 = 200;

fn cut_power(program: &std::path::Path, arguments: &Arguments) -> ExitCode {
    let mut lost = 0;
    for durability in ["power", "process"] {
        for cut in 0..arguments.power_cuts {
            match power::cut(program, durability, STEPS_BEFORE_CUT) {
                Ok(spans) => {
                    lost += if durability == "power" { STEPS_BEFORE_CUT + 1 - spans } else { 0 };
                    progress(&format!("durability {durability}, cut {cut}: {spans} of {} spans", STEPS_BEFORE_CUT + 1));
                }
                Err(why) => {
                    progress(&format!("cannot cut the power here: {why}"));
                    return ExitCode::FAILURE;
                }
            }
        }
    }
    if lost == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Plays in front of a real server, and reads back what that has.
fn play_before(server: &Server, program: PathBuf, arguments: &Arguments) -> Result {
    let real = Some((server.port(), "crash-matrix".to_owned()));
    let matrix = Matrix { program, seed: arguments.seed, size: Size::FOR_A_REAL_SERVER, real };
    let mut sent = HashSet::new();
    let mut result = play(&matrix, arguments, |outcome| sent.extend(outcome.spans.keys().cloned()));
    progress(&format!("reading {} spans back", sent.len()));
    let read = ReadBack::of(server, sent.iter());
    result.read_back = Some([read.traces, read.calls]);
    result.faults.extend(read.complaints);
    result
}

fn play(matrix: &Matrix, arguments: &Arguments, mut each: impl FnMut(&Outcome)) -> Result {
    let started = Instant::now();
    let mut result = Result { seed: matrix.seed, first_round: arguments.from, ..Result::default() };
    for round in arguments.from..arguments.from + arguments.rounds {
        if arguments.minutes.is_some_and(|minutes| started.elapsed() >= Duration::from_secs(60 * minutes)) {
            break;
        }
        let outcome = matrix.play(round);
        let faults = outcome.faults();
        result.add(&outcome);
        each(&outcome);
        for fault in faults {
            let fault = format!("round {round} ({:?}): {fault}", outcome.plan.aim);
            progress(&fault);
            result.faults.push(fault);
        }
        if result.rounds.is_multiple_of(100) {
            result.seconds = started.elapsed().as_secs();
            progress(&text(&result).replace('\n', "; "));
        }
    }
    result.seconds = started.elapsed().as_secs();
    result
}

impl Result {
    fn add(&mut self, outcome: &Outcome) {
        let missing = outcome.sum.missing.len() as u64;
        self.rounds += 1;
        self.killed += outcome.plan.victims();
        self.spans += outcome.sum.spans;
        self.abandoned += outcome.sum.abandoned;
        self.sent_again += outcome.sent_again;
        if outcome.plan.is_on_heap {
            self.heap = [self.heap[0] + 1, self.heap[1] + outcome.sum.returned, self.heap[2] + missing];
            self.heap_window_ms = self.heap_window_ms.max(outcome.heap_window.as_millis() as u64);
        } else {
            self.returned += outcome.sum.returned;
            self.lost += missing;
            self.prompts_lost += outcome.sum.prompts_lost;
            self.heap_chunks += outcome.lost.heap_chunks;
        }
        for stage in &outcome.stages {
            *self.stages.entry(*stage).or_default() += 1;
        }
        *self.aims.entry(outcome.plan.aim.name().to_owned()).or_default() += 1;
    }
}

fn text(result: &Result) -> String {
    let Result {
        rounds,
        killed,
        returned,
        lost,
        spans,
        abandoned,
        sent_again,
        prompts_lost,
        heap_chunks,
        heap,
        heap_window_ms,
        read_back,
        seconds,
        ..
    } = result;
    let read_back = read_back.map_or_else(String::new, |[traces, calls]| {
        format!("MLflow's client read {traces} traces with {calls} model calls that had returned\n")
    });
    let [heap_rounds, heap_returned, heap_lost] = heap;
    let stages: Vec<_> =
        Stage::ALL.iter().map(|stage| format!("{stage:?} {}", result.stages.get(stage).unwrap_or(&0))).collect();
    format!(
        "{rounds} rounds, {killed} programs killed, {seconds} s\n\
         mapped: {returned} calls had returned, {lost} lost; {heap_chunks} chunks of the heap were needed, {prompts_lost} long prompts lost and counted\n\
         heap: {heap_rounds} rounds, {heap_returned} calls had returned, {heap_lost} lost, of at most the last {heap_window_ms} ms\n\
         {spans} spans arrived, {abandoned} of them abandoned, {sent_again} sent again\n\
         {read_back}rounds that hit: {}\n\
         {} faults",
        stages.join(", "),
        result.faults.len(),
    )
}

fn progress(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}
