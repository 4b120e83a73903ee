//! Repeated measurements of one thing.

use std::time::Duration;

/// CPU times of the rounds. What other programs do only ever adds, so the least is nearest to the truth and the median says how noisy it was.
#[derive(Clone, Debug, Default)]
pub struct Samples(Vec<Duration>);

impl Samples {
    /// Adds one round.
    pub fn add(&mut self, sample: Duration) {
        let place = self.0.partition_point(|other| *other <= sample);
        self.0.insert(place, sample);
    }

    /// Zero before the first round.
    pub fn min(&self) -> Duration {
        self.0.first().copied().unwrap_or_default()
    }

    /// Zero before the first round.
    pub fn median(&self) -> Duration {
        self.0.get(self.0.len() / 2).copied().unwrap_or_default()
    }
}
