//! Measuring a run of a graph while it runs.

use std::future::Future;
use std::time::Duration;

use super::GraphTracker;
use super::metrics::{Extracted, Measures, Running};

/// What a result says of the run of a graph that it came from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GraphMetrics {
    /// Whether it succeeded.
    pub success: bool,
    /// Tokens of all its nodes; none are recorded if there are none.
    pub total_tokens: Option<u64>,
    /// How long it took, in milliseconds, where that is known better than by the clock around the run.
    pub duration_ms: Option<u64>,
    /// The agents it went through, in order; an empty path is no path.
    pub path: Vec<String>,
}

impl Extracted<GraphMetrics> for GraphMetrics {
    fn metrics(self) -> Result<Option<GraphMetrics>, String> {
        Ok(Some(self))
    }
}

impl Measures for GraphTracker {
    type Metrics = GraphMetrics;

    fn took(&self, passed: Duration) {
        self.track_duration(passed);
    }

    fn failed(&self) {
        self.track_invocation_failure();
    }

    fn record(&self, metrics: GraphMetrics, passed: Duration) {
        self.track_path(metrics.path);
        self.track_duration(metrics.duration_ms.map_or(passed, Duration::from_millis));
        if metrics.success {
            self.track_invocation_success();
        } else {
            self.track_invocation_failure();
        }
        self.track_total_tokens(metrics.total_tokens.unwrap_or(0));
    }

    fn no_metrics(&self, why: &str) {
        self.warn_of(&format!("no metrics of run {}: the extractor failed: {why}", self.run_id()));
    }
}

impl GraphTracker {
    /// Runs the graph and records what it comes to, as [`RunTracker::track_metrics_of`](super::RunTracker::track_metrics_of) does: path, duration, success or
    /// failure, and tokens as the metrics say; without metrics the time that passed; and if `run` fails or panics, that and a failure.
    ///
    /// # Errors
    ///
    /// That of `run`.
    ///
    /// ```
    /// use spanwright::AgentConfig;
    /// use spanwright::tracker::{AgentGraph, GraphMetrics};
    ///
    /// let tracker = AgentGraph::new("trip", "planner").agent(AgentConfig::new("planner")).create_tracker("ann");
    /// let answer = tracker.track_graph_metrics_of(
    ///     |_: &&str| GraphMetrics { success: true, path: vec!["planner".into()], ..GraphMetrics::default() },
    ///     || Ok::<_, std::io::Error>("Oslo"),
    /// );
    /// assert_eq!((answer.unwrap(), tracker.summary().path), ("Oslo", vec!["planner".to_owned()]));
    /// ```
    pub fn track_graph_metrics_of<R, E, M: Extracted<GraphMetrics>>(
        &self,
        extractor: impl FnOnce(&R) -> M,
        run: impl FnOnce() -> Result<R, E>,
    ) -> Result<R, E> {
        let running = Running::of(self, true);
        let result = run();
        running.finish(extractor, &result);
        result
    }

    /// As [`GraphTracker::track_graph_metrics_of`], for a future. One that is dropped before it is done has failed.
    ///
    /// # Errors
    ///
    /// That of `run`.
    pub async fn track_graph_metrics_of_async<R, E, M: Extracted<GraphMetrics>>(
        &self,
        extractor: impl FnOnce(&R) -> M,
        run: impl Future<Output = Result<R, E>>,
    ) -> Result<R, E> {
        let running = Running::of(self, true);
        let result = run.await;
        running.finish(extractor, &result);
        result
    }
}
