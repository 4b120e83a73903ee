//! Runs, calls, tokens and money, added up.

use serde::{Serialize, Serializer, ser::SerializeStruct as _};
use spanwright::record::Usage;
use spanwright::store::{TraceBrief, TraceState};

/// US dollars in whole 10⁻¹² of them, so that a sum does not depend on its order.
pub type Pico = u128;

/// As dollars.
pub fn dollars(pico: Pico) -> f64 {
    pico as f64 / 1e12
}

/// A sum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Traces.
    pub runs: u64,
    /// Those that failed.
    pub failed: u64,
    /// Those that have not ended.
    pub running: u64,
    /// Model calls that say what they used.
    pub calls: u64,
    /// Tokens read, those of prompt caches among them.
    pub input: u64,
    /// Tokens written.
    pub output: u64,
    /// Of those read, tokens from a prompt cache.
    pub cache_read: u64,
    /// Of those read, tokens written to a prompt cache.
    pub cache_write: u64,
    /// What the calls with a price come to.
    pub cost: Pico,
    /// Calls without a price.
    pub unpriced_calls: u64,
    /// Their tokens.
    pub unpriced_tokens: u64,
    /// The run that was counted last.
    last_run: u64,
}

impl Tally {
    /// Counts a run, if it has not been counted. Runs are numbered from 1 and come one after the other.
    pub fn add_run(&mut self, number: u64, run: &TraceBrief<'_>) {
        if std::mem::replace(&mut self.last_run, number) != number {
            self.runs += 1;
            self.failed += u64::from(run.state == TraceState::Error);
            self.running += u64::from(run.state == TraceState::Running);
        }
    }

    /// Counts a model call.
    pub fn add_call(&mut self, usage: &Usage, cost: Option<Pico>) {
        self.calls += 1;
        add(&mut self.input, usage.input);
        add(&mut self.output, usage.output);
        add(&mut self.cache_read, usage.cache_read.unwrap_or(0));
        add(&mut self.cache_write, usage.cache_write.unwrap_or(0));
        match cost {
            Some(cost) => self.cost = self.cost.saturating_add(cost),
            None => {
                self.unpriced_calls += 1;
                add(&mut self.unpriced_tokens, usage.total());
            }
        }
    }

    /// Tokens read and written.
    pub fn tokens(&self) -> u64 {
        self.input.saturating_add(self.output)
    }

    /// Runs that ended well.
    pub fn succeeded(&self) -> u64 {
        self.runs - self.failed - self.running
    }

    /// What is known of the cost: nothing, where no call has a price.
    pub fn known_cost(&self) -> Option<Pico> {
        (self.calls == 0 || self.unpriced_calls < self.calls).then_some(self.cost)
    }

    /// Adds what another one has; runs counted in both are counted twice.
    pub fn add(&mut self, other: &Self) {
        for (to, more) in [
            (&mut self.runs, other.runs),
            (&mut self.failed, other.failed),
            (&mut self.running, other.running),
            (&mut self.calls, other.calls),
            (&mut self.input, other.input),
            (&mut self.output, other.output),
            (&mut self.cache_read, other.cache_read),
            (&mut self.cache_write, other.cache_write),
            (&mut self.unpriced_calls, other.unpriced_calls),
            (&mut self.unpriced_tokens, other.unpriced_tokens),
        ] {
            add(to, more);
        }
        self.cost = self.cost.saturating_add(other.cost);
    }
}

/// The columns of a tally where it is written down for programs, and what stands in them.
pub const COLUMNS: [&str; 12] = [
    "runs",
    "succeeded",
    "failed",
    "running",
    "calls",
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "total_tokens",
    "cost_usd",
    "unpriced_calls",
];

impl Tally {
    /// What stands in [`COLUMNS`]; the cost is empty where no call has a price.
    pub fn cells(&self) -> [String; 12] {
        let whole = [
            self.runs,
            self.succeeded(),
            self.failed,
            self.running,
            self.calls,
            self.input,
            self.output,
            self.cache_read,
            self.cache_write,
            self.tokens(),
        ];
        let mut cells: [String; 12] = Default::default();
        for (cell, number) in cells.iter_mut().zip(whole) {
            *cell = number.to_string();
        }
        cells[10] = self.known_cost().map(|cost| exact(dollars(cost))).unwrap_or_default();
        cells[11] = self.unpriced_calls.to_string();
        cells
    }
}

/// A number of dollars for programs: no more digits than it has, and no exponent.
pub fn exact(dollars: f64) -> String {
    let text = format!("{dollars:.9}");
    let short = text.trim_end_matches('0').trim_end_matches('.');
    short.to_owned()
}

/// As JSON has it: digits that only binary fractions have are left out.
pub fn rounded(dollars: f64) -> f64 {
    (dollars * 1e9).round() / 1e9
}

impl Serialize for Tally {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut object = to.serialize_struct("Tally", COLUMNS.len() + 1)?;
        object.serialize_field("runs", &self.runs)?;
        object.serialize_field("succeeded", &self.succeeded())?;
        object.serialize_field("failed", &self.failed)?;
        object.serialize_field("running", &self.running)?;
        object.serialize_field("calls", &self.calls)?;
        object.serialize_field("input_tokens", &self.input)?;
        object.serialize_field("output_tokens", &self.output)?;
        object.serialize_field("cache_read_tokens", &self.cache_read)?;
        object.serialize_field("cache_write_tokens", &self.cache_write)?;
        object.serialize_field("total_tokens", &self.tokens())?;
        object.serialize_field("cost_usd", &self.known_cost().map(|cost| rounded(dollars(cost))))?;
        object.serialize_field("unpriced_calls", &self.unpriced_calls)?;
        object.serialize_field("unpriced_tokens", &self.unpriced_tokens)?;
        object.end()
    }
}

fn add(to: &mut u64, more: u64) {
    *to = to.saturating_add(more);
}
