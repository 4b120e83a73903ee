//! What a measurement of an execution that counts once costs whoever makes it.
//!
//! In: the measurements. Out: for each CPU time, instructions and allocations a call. Times are reported, instructions and allocations have limits.

use std::io;

use spanwright_benches::{Cell, Section, Spread, Unit};

use crate::Options;
use crate::callgrind;
use crate::programs::{TrackerProgram, number};
use crate::say;

/// Calls under callgrind, and calls of a round.
const COUNTED: u32 = 2_000;
const TIMED: u32 = 2_000;

/// The measurement, and the most instructions it may take; 50 ns are about 200.
const MEASUREMENTS: [(&str, f64); 4] =
    [("duration", 100.0), ("first-token", 100.0), ("outcome", 100.0), ("tokens", 200.0)];

pub(crate) fn measure(options: &Options) -> io::Result<Section> {
    callgrind::find()?;
    let program = TrackerProgram::build()?;
    let calls = if options.quick { TIMED / 4 } else { TIMED };
    let columns = ["measurement, per call", "CPU time", "instructions", "limit", "allocations", "limit"];
    let mut section = Section {
        title: "What a measurement of an execution costs".to_owned(),
        note: "Each call is the first of its kind on a tracker of its own, with no event sink; what is recorded stands on the span when that ends. CPU time is that \
               of the thread, median (middle half) of 15 rounds; the aim is 50 ns. Instructions are without those of the empty loop."
            .to_owned(),
        columns: columns.map(str::to_owned).to_vec(),
        ..Section::default()
    };
    let instructions = |what: &str| -> io::Result<f64> {
        Ok(callgrind::of_each(&[program.call("once", what, COUNTED)?])?.first().copied().unwrap_or(f64::NAN))
    };
    let bare = instructions("nothing")?;
    for (what, limit) in MEASUREMENTS {
        say(&format!("tracker, {what}: instructions, then times"));
        let counted = instructions(what)? - bare;
        let answer = program.call("rounds", what, calls)?.run(&[])?;
        let allocations = number(&answer, "allocations")?;
        let times: Vec<f64> =
            answer["ns"].as_array().into_iter().flatten().filter_map(serde_json::Value::as_f64).collect();
        if counted.is_nan() || counted > limit {
            section.misses.push(format!("tracker, {what}: {counted:.0} instructions a call, {limit} allowed"));
        }
        if allocations > 0.0 {
            section.misses.push(format!("tracker, {what}: {allocations} allocations in {calls} calls, none allowed"));
        }
        section.rows.push(vec![
            Cell::text(what),
            Spread::of(&times).map_or(Cell::Nothing, |spread| Cell::Spread(spread, Unit::Nanoseconds)),
            Cell::Number(counted, Unit::Count),
            Cell::Number(limit, Unit::Count),
            Cell::Number(allocations / f64::from(calls), Unit::Count),
            Cell::Number(0.0, Unit::Count),
        ]);
    }
    Ok(section)
}
