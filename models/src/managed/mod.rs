//! Models, agents and graphs of agents that measure themselves: each run has a tracker of its own, and its evaluations go on beside the program.

mod agent;
mod graph;
mod model;

use std::future::Future;

use serde::{Serialize, Serializer};
use serde_json::Value;
use spanwright::tracker::{Metrics, Reporting, RunTracker, Subject, Summary};
use spanwright::{__private as p, AgentConfig, Handle};

use crate::chat::{Message, Reply};
use crate::error::ModelError;
use crate::evaluation::{Evaluated, Evaluations, Evaluator};
use crate::named;

pub use agent::ManagedAgent;
pub use graph::{GraphNode, GraphRun, ManagedAgentGraph};
pub use model::ManagedModel;

/// What one run of a managed model or agent came to.
#[derive(Debug)]
#[non_exhaustive]
pub struct Run {
    /// The answer.
    pub content: String,
    /// The answer as JSON, where it is an object.
    pub parsed: Option<Value>,
    /// The model's last reply.
    pub reply: Reply,
    /// What was measured by the time it was there.
    pub summary: Summary,
    /// Measures the run: feedback on it goes here, and its resumption token comes from here.
    pub tracker: RunTracker,
    /// What judges say of it, as soon as they do.
    pub evaluations: Evaluations,
}

/// What all managed runs of one configuration share.
#[derive(Clone, Debug)]
struct Runs {
    config: AgentConfig,
    reporting: Reporting,
    evaluator: Evaluator,
}

/// What stands in the trace as the output of a run.
struct Done {
    reply: Reply,
    tracker: RunTracker,
}

impl Serialize for Done {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.reply.content)
    }
}

impl Runs {
    /// `None` for a configuration that is not to be used.
    fn of(config: AgentConfig, model: &impl crate::Model) -> Option<Self> {
        if !config.enabled {
            return None;
        }
        let or = |said: String, known: &str| if said.is_empty() { known.to_owned() } else { said };
        let (model, provider) = (or(config.model, model.name()), or(config.provider, model.provider()));
        let config = AgentConfig { model, provider, ..config };
        Some(Self { config, reporting: Reporting::default(), evaluator: Evaluator::new() })
    }

    /// One run: a span named by the configuration, a fresh tracker, and what `work` comes to, measured.
    async fn run<W>(
        &self,
        messages: Vec<Message>,
        subject: Subject,
        work: impl FnOnce(RunTracker, Vec<Message>) -> W,
    ) -> Result<Run, ModelError>
    where
        W: Future<Output = Result<(Reply, Metrics), ModelError>>,
    {
        let asked = Evaluated::asked(&messages);
        let site = named::agent(&self.config.key);
        let span = site.start(&[site.arg(&messages).get()]);
        let running = async {
            let tracker = self.config.create_tracker_reporting(subject, self.reporting.clone());
            let span = spanwright::handle();
            span.set("run_id", tracker.run_id());
            let work = work(tracker.clone(), messages);
            let ended = tracker.track_metrics_of_async(|(_, metrics): &(Reply, Metrics)| metrics.clone(), work).await;
            note(span, &tracker.summary());
            Ok(Done { reply: ended?.0, tracker })
        };
        let Done { reply, tracker } =
            p::future(span, running, |r: &Result<Done, ModelError>| p::ret(r).ok().get()).await?;
        Ok(Run {
            parsed: serde_json::from_str(&reply.content).ok().filter(Value::is_object),
            summary: tracker.summary(),
            evaluations: self.evaluator.start(&tracker, Evaluated::new(asked, &reply.content)),
            content: reply.content.clone(),
            reply,
            tracker,
        })
    }
}

/// What has been measured stands on the span, as it does on the span of an execution.
fn note(span: Handle, summary: &Summary) {
    if let Some(millis) = summary.duration_ms {
        span.set("run.duration_ms", millis);
    }
    if let Some(millis) = summary.time_to_first_token_ms {
        span.set("run.time_to_first_token_ms", millis);
    }
    if let Some(success) = summary.success {
        span.set("run.success", success);
    }
    if let Some(tokens) = summary.tokens {
        let counts = [("total", tokens.total), ("input", tokens.input), ("output", tokens.output)];
        for (which, count) in counts.into_iter().filter(|(_, count)| *count > 0) {
            span.set(&format!("run.tokens.{which}"), count);
        }
    }
}
