//! The exporter: store → MLflow, on a thread of its own.
//!
//! In: spans pending in a [`Store`], and a word that there are new ones. Out: the spans at the server, acks in the store, and at most one
//! warning for each thing that goes wrong. Holds two requests of at most 512 spans or 4 MiB in memory, one on its way and the next one as it is
//! read; reads no thread-local; the threads of the program never wait for it, except in [`Exporter::flush`] and [`Exporter::shutdown`], and there no longer than they say.
//!
//! Traces that have been running for some seconds are shown on the server, with the children that have ended, while nothing else waits
//! to be sent. They end there as if they had not been shown.
//!
//! One exporter works for a server at a time, whatever the number of processes: for a round it holds the store's lease. Who does not get
//! it watches the store.

mod backoff;
mod client;
#[cfg(all(any(test, fuzzing), not(loom)))]
pub(crate) mod fuzzing;
mod http;
mod mlflow;
mod sender;
mod wire;
mod worker;

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

pub use client::{Canary, Client, Progress, PushReport, ServerInfo, push};
pub use mlflow::{Answered, names};

use crate::config::Config;
use crate::diagnostics::Diagnostics;
use crate::error::{Error, Kind};
use crate::store::Store;
use worker::Worker;

/// After the deadline of a shutdown, for the thread to put down what it holds.
const GRACE: Duration = Duration::from_millis(50);

/// Delivers the spans of a store to the configured server, on its own thread, until shut down or dropped.
pub struct Exporter {
    shared: Arc<Shared>,
    store: Store,
    destination: String,
    diagnostics: Diagnostics,
}

/// What has become of the spans when a flush returns.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Delivery {
    /// Spans this exporter has delivered since it started.
    pub delivered: u64,
    /// Spans and assessments in the store that wait for this server.
    pub pending: u64,
    /// Spans the server has refused for good since this exporter started; they stay in the store with the cause.
    pub rejected: u64,
    /// Why spans are still pending, where that is known.
    pub problem: Option<String>,
}

/// What callers and the thread say to each other.
struct Shared {
    /// There may be new spans.
    wake: Notify,
    /// Somebody waits, or the end has come.
    hurry: Notify,
    stop: Notify,
    stopping: AtomicBool,
    /// Whether the trouble there is has been said.
    warned: AtomicBool,
    delivered: AtomicU64,
    rejected: AtomicU64,
    progress: Mutex<Progression>,
    advanced: Condvar,
}

#[derive(Default)]
struct Progression {
    /// Number of the last flush asked for.
    asked: u64,
    /// Number of the last flush whose spans have been tried.
    tried: u64,
    problem: Option<String>,
    is_over: bool,
}

impl Exporter {
    /// Starts the thread. Nothing is sent before there are spans; those of earlier processes are the first.
    ///
    /// # Errors
    ///
    /// [`Error::is_config`] if no server is configured, or credentials or certificates cannot be used; [`Error::is_state`] if no
    /// thread can be started.
    pub fn start(store: Store, config: &Config, diagnostics: Diagnostics) -> Result<Self, Error> {
        let (mlflow, route) = client::connection(config)?;
        let shared = Arc::new(Shared::new());
        let destination = route.destination.clone();
        let reader = store.reopen()?;
        store.keep_fresh();
        let worker =
            Worker::new(store.reopen()?, mlflow, route, config.live_after.value, shared.clone(), diagnostics.clone());
        std::thread::Builder::new()
            .name("spanwright-export".to_owned())
            .spawn(move || worker.run())
            .map_err(|error| Error::because(Kind::State, "start the exporter's thread", error))?;
        // The connection of the program is busy for as long as an append waits for another process; a deadline cannot wait for that.
        Ok(Self { shared, store: reader, destination, diagnostics })
    }

    /// Says that there are new spans in the store. Costs next to nothing.
    pub fn wake(&self) {
        self.shared.wake.notify_one();
    }

    /// Delivers what is in the store now. Returns when that is done, when the server does not take it, or at the deadline.
    pub fn flush(&self, deadline: Instant) -> Delivery {
        let problem = self.shared.wait_for_try(deadline);
        self.delivery(problem)
    }

    fn delivery(&self, problem: Option<String>) -> Delivery {
        let (pending, problem) = match self.store.pending_counts(Some(&self.destination)) {
            Ok(backlog) => {
                let said = self.store.waiting_assessments(Some(&self.destination)).unwrap_or(0);
                (backlog.pending.spans + said, problem)
            }
            // What cannot be counted is not called delivered.
            Err(error) => (1, Some(format!("{error:#}"))),
        };
        Delivery {
            delivered: self.shared.delivered.load(Ordering::Acquire),
            pending,
            rejected: self.shared.rejected.load(Ordering::Acquire),
            problem: problem.filter(|_| pending > 0),
        }
    }

    /// Flushes until the deadline and ends the thread; a request still on its way is given up, and its spans stay in the store.
    pub fn shutdown(&self, deadline: Instant) -> Delivery {
        let delivery = if Instant::now() < deadline { self.flush(deadline) } else { self.delivery(None) };
        self.shared.stop();
        self.shared.wait_for_end(deadline.max(Instant::now()) + GRACE);
        // What stands in memory is counted by whoever ends the program.
        if self.store.folder().is_some() && delivery.pending > 0 && !self.shared.warned.swap(true, Ordering::AcqRel) {
            let hint = if delivery.delivered == 0 { NO_SERVER } else { "" };
            self.diagnostics.say(format!(
                "{} spans have not reached {} in time; they are kept in the store for the next process or `spanwright push`{hint}",
                delivery.pending, self.destination
            ));
        }
        delivery
    }
}

/// For those who have none.
const NO_SERVER: &str = "; `mlflow server --backend-store-uri sqlite:///mlflow.db` starts a server of your own";

impl Drop for Exporter {
    fn drop(&mut self) {
        self.shared.stop();
    }
}

impl fmt::Debug for Exporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exporter").field("destination", &self.destination).finish_non_exhaustive()
    }
}

impl Shared {
    fn new() -> Self {
        Self {
            wake: Notify::new(),
            hurry: Notify::new(),
            stop: Notify::new(),
            stopping: AtomicBool::new(false),
            warned: AtomicBool::new(false),
            delivered: AtomicU64::new(0),
            rejected: AtomicU64::new(0),
            progress: Mutex::new(Progression::default()),
            advanced: Condvar::new(),
        }
    }

    fn progress(&self) -> MutexGuard<'_, Progression> {
        // Each change is one assignment: a panic in between leaves nothing half done.
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        self.stop.notify_one();
        self.hurry.notify_one();
    }

    /// Waits until everything stored before this call has been tried once.
    fn wait_for_try(&self, deadline: Instant) -> Option<String> {
        let mut progress = self.progress();
        progress.asked += 1;
        let mine = progress.asked;
        self.hurry.notify_one();
        while progress.tried < mine && !progress.is_over {
            let Some(left) = deadline.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) else {
                return progress.problem.clone().or_else(|| Some("no answer in time".to_owned()));
            };
            progress = self.advanced.wait_timeout(progress, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        progress.problem.clone()
    }

    fn wait_for_end(&self, deadline: Instant) {
        let mut progress = self.progress();
        while !progress.is_over {
            let Some(left) = deadline.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) else {
                return;
            };
            progress = self.advanced.wait_timeout(progress, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}
