//! What every report counts, and what gates look at: the sum over all runs, and how long they took.

use serde::Serialize;
use spanwright::store::{TraceBrief, TraceState};

use crate::tally::{Pico, Tally, dollars, rounded};

/// Sums over all runs of a report.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    /// All of them.
    pub total: Tally,
    /// Spans that could not be read: what they said is in no figure.
    pub unreadable_spans: u64,
    /// From the first start to the last end of each run that has ended, in nanoseconds.
    durations: Vec<u64>,
    /// What the run that cost most has cost, as far as its calls have prices.
    dearest: Pico,
    /// The most tokens of a run.
    most_tokens: u64,
    /// What the server says, where it was asked and says it of each run.
    server: Option<Server>,
}

/// The server's own sums.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Server {
    /// Tokens of all runs.
    pub total_tokens: u64,
    /// US dollars of the runs it knows a price of.
    pub cost_usd: f64,
}

impl Figures {
    /// Counts a run, and what its calls came to.
    pub fn add(&mut self, number: u64, run: &TraceBrief<'_>, calls: &Tally) {
        self.total.add_run(number, run);
        self.total.add(calls);
        self.unreadable_spans += run.unreadable;
        if run.state != TraceState::Running {
            self.durations.push(run.end_unix_ns.saturating_sub(run.start_unix_ns));
        }
        self.dearest = self.dearest.max(calls.cost);
        self.most_tokens = self.most_tokens.max(calls.tokens());
        if let Some(said) = run.server {
            let server = self.server.get_or_insert_default();
            server.total_tokens = server.total_tokens.saturating_add(said.tokens.unwrap_or(0));
            server.cost_usd += said.cost_usd.unwrap_or(0.0);
        }
    }

    /// The server's sums, where they are not ours.
    pub fn other_opinion(&self) -> Option<Server> {
        let server = self.server?;
        let is_same = server.total_tokens == self.total.tokens()
            && (server.cost_usd - dollars(self.total.cost)).abs() < 0.000_000_5;
        (!is_same).then(|| Server { cost_usd: rounded(server.cost_usd), ..server })
    }

    /// The duration that so many in a hundred of the runs that have ended do not exceed.
    pub fn duration(&self, percent: u64) -> Option<u64> {
        percentile(&mut self.durations.clone(), percent)
    }

    /// The share of the runs that have ended that ended well.
    pub fn success_rate(&self) -> Option<f64> {
        let ended = self.total.runs - self.total.running;
        (ended > 0).then(|| self.total.succeeded() as f64 / ended as f64)
    }

    /// What the run that cost most has cost.
    pub fn dearest(&self) -> Pico {
        self.dearest
    }

    /// The most tokens of a run.
    pub fn most_tokens(&self) -> u64 {
        self.most_tokens
    }
}

/// The value that so many in a hundred do not exceed: one of them, by its rank.
pub fn percentile(values: &mut [u64], percent: u64) -> Option<u64> {
    let rank = (values.len() as u64 * percent).div_ceil(100).max(1) as usize - 1;
    (rank < values.len()).then(|| *values.select_nth_unstable(rank).1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_one_of_the_values() {
        let of = |values: &[u64], percent| percentile(&mut values.to_vec(), percent);
        assert_eq!(of(&[], 50), None);
        assert_eq!((of(&[7], 50), of(&[7], 95)), (Some(7), Some(7)));
        assert_eq!((of(&[4, 1, 3, 2], 50), of(&[4, 1, 3, 2], 95)), (Some(2), Some(4)));
        let hundred: Vec<u64> = (1..=100).rev().collect();
        assert_eq!((of(&hundred, 50), of(&hundred, 95)), (Some(50), Some(95)));
    }
}
