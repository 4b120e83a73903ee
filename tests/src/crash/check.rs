//! What a server must have after a round: every call that had returned, once, whole, in a whole tree, and nothing else.

use std::collections::HashMap;
use std::time::Duration;

use super::receiver::{Got, Key};
use super::victim::{Load, Returned};

/// What has arrived of each call, by its name and numbers.
type Calls<'g> = HashMap<(&'g str, (u64, u64, u64)), Vec<&'g Got>>;

/// What came of the spans of one round.
#[derive(Clone, Debug, Default)]
pub struct Sum {
    /// Calls that had returned.
    pub returned: u64,
    /// Of those, calls the server does not have: each with the load it is of, its worker, and how many returned after it.
    pub missing: Vec<(u64, u64, u64)>,
    /// Spans the server has.
    pub spans: u64,
    /// Spans closed because their process was gone.
    pub abandoned: u64,
    /// Model calls without their prompt, which was too long for a chunk and found none of the longer ones ready.
    pub prompts_lost: u64,
    /// What must not be.
    pub complaints: Vec<String>,
}

impl Sum {
    /// For how long before the kill something is missing, by the pauses of those victims that paused.
    pub fn window(&self, loads: &[Load]) -> Duration {
        let of_worker = |(victim, worker): (u64, u64)| {
            let missing = self.missing.iter().filter(|missing| (missing.0, missing.1) == (victim, worker));
            let longest = missing.map(|missing| missing.2 + 1).max().unwrap_or(0);
            let pause = loads.iter().find(|load| load.victim == victim).map_or(Duration::ZERO, |load| load.pause);
            pause * longest as u32
        };
        self.missing.iter().map(|missing| of_worker((missing.0, missing.1))).max().unwrap_or_default()
    }
}

/// Compares what the server has with what had returned.
pub fn compare(spans: &HashMap<Key, Got>, victims: &[(Load, Vec<Returned>)]) -> Sum {
    let mut sum = Sum { spans: spans.len() as u64, ..Sum::default() };
    let mut calls: Calls<'_> = HashMap::new();
    let mut roots: HashMap<&[u8], u64> = HashMap::new();
    for ((trace, _), span) in spans {
        if let Some(call) = span.call {
            calls.entry((span.name.as_str(), call)).or_default().push(span);
        }
        sum.abandoned += u64::from(span.is_abandoned);
        if span.is_abandoned && !span.is_error {
            sum.complaints.push(format!("{} {:?} is abandoned and no error", span.name, span.call));
        }
        match span.parent.as_slice() {
            [] => *roots.entry(trace).or_default() += 1,
            parent => {
                let above = spans.get(&(trace.clone(), parent.to_vec()));
                let worker = |span: &Got| span.call.map(|(victim, worker, _)| (victim, worker));
                let fits = |above: &Got| {
                    above.name == "flow"
                        && (above.call.is_none() || span.call.is_none() || worker(above) == worker(span))
                };
                if !above.is_some_and(fits) {
                    sum.complaints.push(format!("{} {:?} has no span above it", span.name, span.call));
                }
            }
        }
    }
    sum.complaints
        .extend(roots.values().filter(|roots| **roots != 1).map(|roots| format!("a trace with {roots} roots")));
    for (load, returned) in victims {
        for (worker, returned) in returned.iter().enumerate() {
            for (name, returned) in [("step", returned.steps), ("flow", returned.workflows)] {
                compare_calls(&calls, load, worker as u64, name, returned, &mut sum);
            }
        }
    }
    sum
}

fn compare_calls(calls: &Calls<'_>, load: &Load, worker: u64, name: &str, returned: u64, sum: &mut Sum) {
    sum.returned += returned;
    for number in 0..returned {
        match calls.get(&(name, (load.victim, worker, number))).map(Vec::as_slice) {
            None => sum.missing.push((load.victim, worker, returned - number - 1)),
            // Its end is.
            Some([span]) if span.is_abandoned => sum.missing.push((load.victim, worker, returned - number - 1)),
            Some([span]) => {
                let is_model_call =
                    name == "step" && load.model_every > 0 && number % load.model_every == load.model_every - 1;
                if is_model_call && span.input_bytes < load.prompt_bytes {
                    sum.prompts_lost += 1;
                }
            }
            Some(more) => sum.complaints.push(format!("{name} {:?} is there {} times", more[0].call, more.len())),
        }
    }
    // One more may have returned, or begun, before the witness could say so.
    let more: Vec<_> = calls
        .iter()
        .filter(|((of, (victim, of_worker, number)), _)| {
            (*of, *victim, *of_worker) == (name, load.victim, worker) && *number >= returned
        })
        .collect();
    for ((_, call), spans) in &more {
        if call.2 > returned || spans.len() > 1 {
            sum.complaints.push(format!("{name} {call:?} is there {} times, {returned} had returned", spans.len()));
        }
    }
}
