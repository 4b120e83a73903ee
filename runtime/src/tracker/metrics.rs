//! Measuring a call while it runs.

use std::fmt::Display;
use std::future::Future;
use std::time::{Duration, Instant};

use super::{RunTracker, Tokens, TrackOutcome};
use crate::contain::contained;

/// What a result says of the call it came from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metrics {
    /// Whether it succeeded.
    pub success: bool,
    /// Tokens; none are recorded if there are none.
    pub tokens: Option<Tokens>,
    /// How long it took, in milliseconds, where that is known better than by the clock around the call.
    pub duration_ms: Option<u64>,
    /// The tools it called, in order.
    pub tool_calls: Option<Vec<String>>,
}

/// What an extractor may return: the metrics themselves, an `Option` of them, or a `Result` of either whose error is said. Metrics are [`Metrics`] of an
/// execution, or [`GraphMetrics`](super::GraphMetrics) of a run of a graph.
pub trait Extracted<T = Metrics> {
    /// The metrics, or why there are none.
    fn metrics(self) -> Result<Option<T>, String>;
}

impl Extracted for Metrics {
    fn metrics(self) -> Result<Option<Metrics>, String> {
        Ok(Some(self))
    }
}

impl<T, M: Extracted<T>> Extracted<T> for Option<M> {
    fn metrics(self) -> Result<Option<T>, String> {
        self.map_or(Ok(None), Extracted::metrics)
    }
}

impl<T, M: Extracted<T>, E: Display> Extracted<T> for Result<M, E> {
    fn metrics(self) -> Result<Option<T>, String> {
        self.map_err(|error| error.to_string())?.metrics()
    }
}

/// What a call can be measured by.
pub(super) trait Measures {
    type Metrics;

    fn took(&self, passed: Duration);
    fn failed(&self);
    /// What the metrics say; `passed` is the time by the clock around the call.
    fn record(&self, metrics: Self::Metrics, passed: Duration);
    fn no_metrics(&self, why: &str);
}

/// Measures a call until it is dropped.
pub(super) struct Running<'t, T: Measures> {
    tracker: &'t T,
    started: Instant,
    /// Whether a call that does not come to its end has failed.
    fails: bool,
}

impl<'t, T: Measures> Running<'t, T> {
    pub(super) fn of(tracker: &'t T, fails: bool) -> Self {
        Self { tracker, started: Instant::now(), fails }
    }

    /// The call has ended.
    pub(super) fn finish<R, E, M: Extracted<T::Metrics>>(self, extractor: impl FnOnce(&R) -> M, result: &Result<R, E>) {
        let Ok(returned) = result else { return };
        let passed = self.started.elapsed();
        let tracker = self.tracker;
        // Nothing more is to be said of it here.
        std::mem::forget(self);
        let extracted = contained(|| extractor(returned).metrics()).unwrap_or_else(|| Err("it panicked".to_owned()));
        match extracted {
            Ok(Some(metrics)) => tracker.record(metrics, passed),
            Ok(None) => tracker.took(passed),
            Err(why) => {
                tracker.took(passed);
                tracker.no_metrics(&why);
            }
        }
    }
}

/// The call failed, panicked, or was dropped before it was done.
impl<T: Measures> Drop for Running<'_, T> {
    fn drop(&mut self) {
        self.tracker.took(self.started.elapsed());
        if self.fails {
            self.tracker.failed();
        }
    }
}

impl Measures for RunTracker {
    type Metrics = Metrics;

    fn took(&self, passed: Duration) {
        self.track_duration(passed);
    }

    fn failed(&self) {
        self.track_error();
    }

    fn record(&self, metrics: Metrics, passed: Duration) {
        self.track_duration(metrics.duration_ms.map_or(passed, Duration::from_millis));
        let _: TrackOutcome = if metrics.success { self.track_success() } else { self.track_error() };
        if let Some(tokens) = metrics.tokens {
            self.track_tokens(tokens);
        }
        if let Some(tools) = metrics.tool_calls {
            self.track_tool_calls(tools);
        }
    }

    fn no_metrics(&self, why: &str) {
        self.warn_of(&format!("no metrics of run {}: the extractor failed: {why}", self.run_id()));
    }
}

impl RunTracker {
    /// Runs `work` and records how long it took, also if it panics.
    ///
    /// ```
    /// use spanwright::AgentConfig;
    ///
    /// let tracker = AgentConfig::new("agent").create_tracker("ann");
    /// assert_eq!(tracker.track_duration_of(|| 6 * 7), 42);
    /// assert!(tracker.summary().duration_ms.is_some());
    /// ```
    pub fn track_duration_of<R>(&self, work: impl FnOnce() -> R) -> R {
        let _running = Running::of(self, false);
        work()
    }

    /// As [`RunTracker::track_duration_of`], for a future, also if it is dropped before it is done.
    pub async fn track_duration_of_async<F: Future>(&self, work: F) -> F::Output {
        let _running = Running::of(self, false);
        work.await
    }

    /// Runs `work` and records what it comes to:
    ///
    /// | `work` | `extractor` | recorded |
    /// |---|---|---|
    /// | succeeds | gives metrics | their duration or else the time that passed, success or error as they say, tokens and tool calls if they have any |
    /// | succeeds | gives none | the time that passed |
    /// | succeeds | fails or panics | the time that passed; a warning |
    /// | fails or panics | is not asked | the time that passed, an error |
    ///
    /// What `work` returned is returned in every case.
    ///
    /// # Errors
    ///
    /// That of `work`.
    ///
    /// ```
    /// use spanwright::AgentConfig;
    /// use spanwright::tracker::Metrics;
    ///
    /// let tracker = AgentConfig::new("agent").create_tracker("ann");
    /// let reply = tracker.track_metrics_of(
    ///     |reply: &String| Metrics { success: !reply.is_empty(), ..Metrics::default() },
    ///     || Ok::<_, std::io::Error>("42".to_owned()),
    /// );
    /// assert_eq!(reply.unwrap(), "42");
    /// assert_eq!(tracker.summary().success, Some(true));
    /// ```
    pub fn track_metrics_of<R, E, M: Extracted>(
        &self,
        extractor: impl FnOnce(&R) -> M,
        work: impl FnOnce() -> Result<R, E>,
    ) -> Result<R, E> {
        let running = Running::of(self, true);
        let result = work();
        running.finish(extractor, &result);
        result
    }

    /// As [`RunTracker::track_metrics_of`], for a future. One that is dropped before it is done has failed.
    ///
    /// # Errors
    ///
    /// That of `work`.
    pub async fn track_metrics_of_async<R, E, M: Extracted>(
        &self,
        extractor: impl FnOnce(&R) -> M,
        work: impl Future<Output = Result<R, E>>,
    ) -> Result<R, E> {
        let running = Running::of(self, true);
        let result = work.await;
        running.finish(extractor, &result);
        result
    }
}
