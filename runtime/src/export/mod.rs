//! Delivery: store → MLflow.

mod http;
mod mlflow;
mod wire;

use std::time::Instant;

use crate::config::Config;
use crate::diagnostics::Diagnostics;
use crate::error::Error;
use crate::store::Store;

/// Delivers what waits in the store, on a thread of its own.
#[derive(Debug)]
pub struct Exporter {}

/// Where delivery stands.
#[derive(Clone, Copy, Debug, Default)]
pub struct Delivery {
    /// Spans delivered by this process.
    pub delivered: u64,
    /// Spans that wait.
    pub pending: u64,
    /// Spans refused for good.
    pub rejected: u64,
}

#[expect(clippy::todo, unused_variables)]
impl Exporter {
    /// Starts the thread.
    pub fn start(store: Store, config: &Config, diagnostics: Diagnostics) -> Result<Self, Error> {
        todo!()
    }

    /// Says that the store has something new.
    pub fn wake(&self) {
        todo!()
    }

    /// Waits until everything that waits is delivered, or `deadline`.
    pub fn flush(&self, deadline: Instant) -> Delivery {
        todo!()
    }

    /// Ends the thread, at `deadline` at the latest.
    pub fn shutdown(&self, deadline: Instant) {
        todo!()
    }
}
