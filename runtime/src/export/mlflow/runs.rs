//! Runs: created once for a trace, filled, finished.

use serde_json::{Value, json};

use super::text::{bounded, name};
use super::{Mlflow, encoded, text_of};
use crate::export::http::{Failure, Verdict};
use crate::id::TraceId;
use crate::record::RunFacts;

/// By this tag a run is found again that was created without our hearing of it.
const TRACE_TAG: &str = "spanwright.trace_id";
const PARENT_RUN: &str = "mlflow.parentRunId";
const USER: &str = "mlflow.user";
const PARAMS_A_REQUEST: usize = 100;
const TAGS_A_REQUEST: usize = 100;
/// The server takes 1000; with params and tags beside them 1000 entries in all.
const METRICS_A_REQUEST: usize = 800;
const PARAM_CHARS: usize = 6000;
const TAG_CHARS: usize = 8000;

/// A run to be created.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RunStart<'a> {
    pub(crate) experiment: &'a str,
    pub(crate) name: &'a str,
    pub(crate) trace: TraceId,
    pub(crate) user: Option<&'a str>,
    pub(crate) parent_run: Option<&'a str>,
    pub(crate) start_unix_ns: u64,
}

/// How a run ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RunEnd {
    pub(crate) failed: bool,
    pub(crate) end_unix_ns: u64,
}

/// Params, metrics and tags on their way to a run.
#[derive(Clone, Debug, Default)]
pub(crate) struct RunLog {
    params: Vec<(String, String)>,
    metrics: Vec<Value>,
    tags: Vec<(String, String)>,
}

impl RunLog {
    /// What spans add to their run, from what each says of it. Of a param the first value counts, as on the server; of a tag the last.
    pub(crate) fn of<'a>(facts: impl IntoIterator<Item = &'a RunFacts>) -> Self {
        let mut log = Self::default();
        facts.into_iter().for_each(|facts| log.add(facts));
        log
    }

    fn add(&mut self, facts: &RunFacts) {
        for (key, value) in &facts.params {
            let Some(key) = name(key) else { continue };
            if self.params.iter().all(|(earlier, _)| *earlier != key) {
                self.params.push((key.into_owned(), bounded(value, PARAM_CHARS).into_owned()));
            }
        }
        for metric in &facts.metrics {
            let Some(key) = name(&metric.key) else { continue };
            let value = match metric.value {
                value if value.is_nan() => json!("NaN"),
                value if value.is_infinite() => json!(if value > 0.0 { "Infinity" } else { "-Infinity" }),
                value => json!(value),
            };
            self.metrics.push(json!({
                "key": key, "value": value, "timestamp": millis(metric.time_unix_ns), "step": metric.step,
            }));
        }
        for (key, value) in &facts.tags {
            let Some(key) = name(key) else { continue };
            self.tags.retain(|(earlier, _)| *earlier != key);
            self.tags.push((key.into_owned(), bounded(value, TAG_CHARS).into_owned()));
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn len(&self) -> usize {
        self.params.len() + self.metrics.len() + self.tags.len()
    }

    /// Takes off as much as one request may carry.
    fn next_request(&mut self) -> Self {
        fn front<T>(list: &mut Vec<T>, most: usize) -> Vec<T> {
            list.drain(..most.min(list.len())).collect()
        }
        Self {
            params: front(&mut self.params, PARAMS_A_REQUEST),
            metrics: front(&mut self.metrics, METRICS_A_REQUEST),
            tags: front(&mut self.tags, TAGS_A_REQUEST),
        }
    }

    /// Two halves of a request of more than one entry.
    fn halves(mut self) -> [Self; 2] {
        let rear = Self {
            params: self.params.split_off(self.params.len().div_ceil(2)),
            metrics: self.metrics.split_off(self.metrics.len() / 2),
            tags: self.tags.split_off(self.tags.len().div_ceil(2)),
        };
        match (rear.is_empty(), self.is_empty()) {
            (false, false) => [self, rear],
            // One param and one tag land on the same side: part them by kind.
            _ => {
                let mut all = if rear.is_empty() { self } else { rear };
                let params = std::mem::take(&mut all.params);
                [Self { params, ..Self::default() }, all]
            }
        }
    }

    fn to_json(&self, run: &str) -> Value {
        let pairs = |pairs: &[(String, String)]| -> Vec<Value> {
            pairs.iter().map(|(key, value)| json!({ "key": key, "value": value })).collect()
        };
        json!({ "run_id": run, "params": pairs(&self.params), "metrics": self.metrics, "tags": pairs(&self.tags) })
    }

    /// The one entry that is left, named.
    fn names(&self) -> impl Iterator<Item = String> {
        let params = self.params.iter().map(|(key, _)| format!("param `{key}`"));
        let metrics = self.metrics.iter().map(|metric| format!("metric {}", metric["key"]));
        let tags = self.tags.iter().map(|(key, _)| format!("tag `{key}`"));
        params.chain(metrics).chain(tags).collect::<Vec<_>>().into_iter()
    }
}

/// The id of the first run that a search found.
pub(super) fn first_run(reply: &Value) -> Option<String> {
    reply["runs"][0]["info"]["run_id"].as_str().map(str::to_owned)
}

fn millis(unix_ns: u64) -> u64 {
    unix_ns / 1_000_000
}

impl Mlflow {
    /// Creates a run and returns its id.
    pub(crate) async fn create_run(&self, run: &RunStart<'_>) -> Result<String, Failure> {
        const OPERATION: &str = "create the run";
        let tags = [
            Some((TRACE_TAG, run.trace.to_string())),
            run.user.map(|user| (USER, user.to_owned())),
            run.parent_run.map(|parent| (PARENT_RUN, parent.to_owned())),
        ];
        let tags: Vec<_> =
            tags.into_iter().flatten().map(|(key, value)| json!({ "key": key, "value": value })).collect();
        let body = json!({
            "experiment_id": run.experiment,
            "run_name": bounded(run.name, super::text::SHORT),
            "start_time": millis(run.start_unix_ns),
            "tags": tags,
        });
        let reply = self.post(OPERATION, "/api/2.0/mlflow/runs/create", &body).await?;
        text_of(&reply["run"]["info"]["run_id"], OPERATION)
    }

    /// Whether the server has this run.
    pub(crate) async fn has_run(&self, run: &str) -> Result<bool, Failure> {
        let path = format!("/api/2.0/mlflow/runs/get?run_id={}", encoded(run));
        match self.get("look up the run", &path).await {
            Ok(_) => Ok(true),
            Err(failure) if failure.is_code("RESOURCE_DOES_NOT_EXIST") => Ok(false),
            // What cannot be the id of a run.
            Err(failure) if failure.is_code("INVALID_PARAMETER_VALUE") => Ok(false),
            Err(failure) => Err(failure),
        }
    }

    /// The run that was created for a trace, if there is one.
    pub(crate) async fn find_run(&self, experiment: &str, trace: TraceId) -> Result<Option<String>, Failure> {
        let body = json!({
            "experiment_ids": [experiment],
            "filter": format!("tags.`{TRACE_TAG}` = '{trace}'"),
            "max_results": 1,
        });
        let reply = self.post("look for the run", "/api/2.0/mlflow/runs/search", &body).await?;
        Ok(first_run(&reply))
    }

    /// Logs everything, in as many requests as it takes, and returns the names of what the server refused.
    pub(crate) async fn log_to_run(&self, run: &str, mut log: RunLog) -> Result<Vec<String>, Failure> {
        let mut refused = Vec::new();
        let mut waiting = Vec::new();
        while !log.is_empty() {
            waiting.push(log.next_request());
        }
        waiting.reverse();
        while let Some(part) = waiting.pop() {
            match self.post("log to the run", "/api/2.0/mlflow/runs/log-batch", &part.to_json(run)).await {
                Ok(_) => {}
                Err(failure) if failure.verdict() == Verdict::Split && part.len() > 1 => {
                    let [first, second] = part.halves();
                    waiting.extend([second, first]);
                }
                Err(failure) if failure.verdict() == Verdict::Split => {
                    refused.extend(part.names().map(|name| format!("{name}: {failure}")));
                }
                Err(failure) => return Err(failure),
            }
        }
        Ok(refused)
    }

    /// Ends a run.
    pub(crate) async fn finish_run(&self, run: &str, end: RunEnd) -> Result<(), Failure> {
        let body = json!({
            "run_id": run,
            "status": if end.failed { "FAILED" } else { "FINISHED" },
            "end_time": millis(end.end_unix_ns),
        });
        self.post("finish the run", "/api/2.0/mlflow/runs/update", &body).await.map(drop)
    }

    /// Links a trace to a run, for servers that do not read it from the header of the spans.
    pub(crate) async fn link_to_run(&self, run: &str, trace: TraceId) -> Result<(), Failure> {
        let body = json!({ "run_id": run, "trace_ids": [format!("tr-{trace}")] });
        self.post("link the trace to the run", "/api/2.0/mlflow/traces/link-to-run", &body).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_cut_at_the_servers_limits_and_loses_nothing() {
        let mut log = RunLog {
            params: (0..250).map(|n| (format!("p{n}"), String::new())).collect(),
            metrics: (0..2001).map(|n| json!({ "key": format!("m{n}") })).collect(),
            tags: (0..101).map(|n| (format!("t{n}"), String::new())).collect(),
        };
        let mut names = Vec::new();
        while !log.is_empty() {
            let part = log.next_request();
            assert!(part.params.len() <= 100 && part.tags.len() <= 100 && part.len() <= 1000);
            names.extend(part.names());
        }
        names.sort();
        names.dedup();
        assert_eq!(names.len(), 250 + 2001 + 101);
    }

    #[test]
    fn halving_ends_at_single_entries() {
        let pair = |key: &str| (key.to_owned(), String::new());
        let whole = RunLog {
            params: vec![pair("a"), pair("b"), pair("c")],
            metrics: vec![json!({ "key": "m" })],
            tags: vec![pair("x")],
        };
        let mut waiting = vec![whole];
        let mut single = Vec::new();
        while let Some(part) = waiting.pop() {
            assert!(!part.is_empty());
            if part.len() == 1 { single.extend(part.names()) } else { waiting.extend(part.halves()) }
        }
        single.sort();
        assert_eq!(single, ["metric \"m\"", "param `a`", "param `b`", "param `c`", "tag `x`"]);
    }
}
