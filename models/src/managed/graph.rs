//! A graph of agents that hand work to each other, and measures itself.

use std::collections::HashMap;
use std::future::Future;
use std::time::{Duration, Instant};

use serde::{Serialize, Serializer};
use spanwright::tracker::{AgentGraph, GraphMetrics, GraphSummary, GraphTracker, Reporting, Subject, Summary};
use spanwright::{__private as p, Handle, delegate};

use crate::chat::{Message, Reply, Request};
use crate::error::{ErrorKind, ModelError};
use crate::evaluation::{Evaluated, Evaluations, Evaluator};
use crate::model::{AnyModel, Model};
use crate::named;
use crate::talk::{Ended, Handoffs, MOST_TURNS, Tally, talk};
use crate::tools::Tools;

/// Agents that work in one run, unless said otherwise.
const MOST_STEPS: usize = 25;

/// What an agent of a graph runs on.
#[derive(Clone, Debug)]
pub struct GraphNode {
    model: AnyModel,
    tools: Tools,
    prompt: Request,
}

impl GraphNode {
    /// An agent without tools and instructions.
    pub fn new(model: impl Model + 'static) -> Self {
        Self { model: AnyModel::new(model), tools: Tools::new(), prompt: Request::default() }
    }

    /// Tools beside those by which it hands on.
    #[must_use]
    pub fn tools(self, tools: Tools) -> Self {
        Self { tools, ..self }
    }

    /// What it begins with, whenever it is its turn.
    #[must_use]
    pub fn prompt(self, prompt: Request) -> Self {
        Self { prompt, ..self }
    }
}

/// What one run of a graph came to.
#[derive(Debug)]
#[non_exhaustive]
pub struct GraphRun {
    /// The answer of the last agent.
    pub content: String,
    /// What was measured of the run.
    pub summary: GraphSummary,
    /// What was measured of each agent that took part, in the order of their first turns; an agent that had several is one.
    pub nodes: Vec<(String, Summary)>,
    /// Measures the run: feedback on it goes to its [`run`](GraphTracker::run).
    pub tracker: GraphTracker,
    /// What judges say of it, as soon as they do.
    pub evaluations: Evaluations,
}

/// Runs a graph of agents: the root begins, each may hand on to those its edges lead to, and the one that answers ends the run.
///
/// A run is a span named by the graph, with a span for each turn of an agent and for each handoff, and its events, all under one run id. What an
/// agent does in several turns is added up and measured once, also if the run fails.
///
/// ```
/// use serde_json::Value;
/// use spanwright::AgentConfig;
/// use spanwright::tracker::AgentGraph;
/// use spanwright_models::{AnyModel, GraphNode, ManagedAgentGraph, ModelError};
///
/// # async fn example(model: AnyModel) -> Result<(), ModelError> {
/// let trip = AgentGraph::new("trip", "planner")
///     .agent(AgentConfig::new("planner"))
///     .agent(AgentConfig::new("hotels"))
///     .edge("planner", "hotels", Value::Null);
/// let Some(trip) = ManagedAgentGraph::new(trip) else { return Ok(()) };
/// let trip = trip.node("planner", GraphNode::new(model.clone())).node("hotels", GraphNode::new(model));
/// let run = trip.run("two nights in Rome", "ann").await?;
/// println!("{} by way of {:?}", run.content, run.summary.path);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct ManagedAgentGraph {
    graph: AgentGraph,
    nodes: HashMap<String, GraphNode>,
    reporting: Reporting,
    evaluator: Evaluator,
    most_steps: usize,
}

impl ManagedAgentGraph {
    /// `None` if the graph is not to be run.
    pub fn new(graph: AgentGraph) -> Option<Self> {
        let (reporting, evaluator) = (Reporting::default(), Evaluator::new());
        let managed = Self { graph, nodes: HashMap::new(), reporting, evaluator, most_steps: MOST_STEPS };
        managed.graph.enabled().then_some(managed)
    }

    /// Says what the agent `key` runs on. One that is not of the graph is left out.
    #[must_use]
    pub fn node(mut self, key: impl Into<String>, node: GraphNode) -> Self {
        self.nodes.insert(key.into(), node);
        self
    }

    /// How many turns a run may have; 25 unless said otherwise.
    #[must_use]
    pub fn most_steps(self, most_steps: usize) -> Self {
        Self { most_steps, ..self }
    }

    /// Has each run judged, beside the program.
    #[must_use]
    pub fn evaluated_by(self, evaluator: Evaluator) -> Self {
        Self { evaluator, ..self }
    }

    /// Where measurements go.
    #[must_use]
    pub fn reporting(self, reporting: Reporting) -> Self {
        Self { reporting, ..self }
    }

    /// The graph.
    pub fn graph(&self) -> &AgentGraph {
        &self.graph
    }

    /// Works on `input`, for `subject`.
    ///
    /// # Errors
    ///
    /// Those of the models, [`ErrorKind::Config`] if an agent has no model, and [`ErrorKind::Endless`] if there is no answer after as many turns as a run
    /// may have.
    pub async fn run(&self, input: impl Into<String>, subject: impl Into<Subject>) -> Result<GraphRun, ModelError> {
        let (input, subject) = (input.into(), subject.into());
        let messages = [Message::user(&input)];
        let site = named::agent(self.graph.key());
        let span = site.start(&[site.arg(&messages).get()]);
        let running = async {
            let tracker = self.graph.create_tracker_reporting(subject, self.reporting.clone());
            let span = spanwright::handle();
            span.set("run_id", tracker.run_id());
            let mut walk = Walk { graph: self, tracker: &tracker, turns: Vec::new(), path: Vec::new() };
            let extractor = |(_, metrics): &(Reply, GraphMetrics)| metrics.clone();
            let walked = tracker.track_graph_metrics_of_async(extractor, walk.go(input)).await;
            let nodes = walk.measured();
            if walked.is_err() {
                tracker.track_path(&walk.path);
            }
            note(span, &tracker.summary());
            Ok(Done { reply: walked?.0, nodes, tracker })
        };
        let Done { reply, nodes, tracker } =
            p::future(span, running, |r: &Result<Done, ModelError>| p::ret(r).ok().get()).await?;
        let evaluated = Evaluated::new(Evaluated::asked(&messages), &reply.content);
        Ok(GraphRun {
            evaluations: self.evaluator.start(&tracker.run(), evaluated),
            content: reply.content,
            summary: tracker.summary(),
            nodes,
            tracker,
        })
    }

    fn on(&self, agent: &str) -> Result<&GraphNode, ModelError> {
        self.nodes.get(agent).ok_or_else(|| {
            let text = format!("the agent `{agent}` of the graph `{}` has no model: give it a node", self.graph.key());
            ModelError::new(ErrorKind::Config, text)
        })
    }

    /// To whom an agent may hand on, with what its edges say goes along.
    fn handoffs(&self, agent: &str) -> Handoffs {
        let edges = self.graph.edges().iter().filter(|edge| edge.source == agent);
        Handoffs::to(edges.map(|edge| {
            let along = if edge.handoff.is_null() { String::new() } else { format!(" Goes along: {}", edge.handoff) };
            (edge.target.as_str(), along)
        }))
    }
}

/// What stands in the trace as the output of a run.
struct Done {
    reply: Reply,
    nodes: Vec<(String, Summary)>,
    tracker: GraphTracker,
}

impl Serialize for Done {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.reply.content)
    }
}

/// What an agent has done in all its turns.
struct Turns {
    agent: String,
    tally: Tally,
    took: Duration,
    failed: bool,
}

/// One run on its way through the graph.
struct Walk<'g> {
    graph: &'g ManagedAgentGraph,
    tracker: &'g GraphTracker,
    turns: Vec<Turns>,
    path: Vec<String>,
}

impl Walk<'_> {
    async fn go(&mut self, input: String) -> Result<(Reply, GraphMetrics), ModelError> {
        let graph = self.graph;
        let root = graph.graph.root().map(|agent| agent.key.clone()).unwrap_or_default();
        let (mut from, mut agent, mut message) = (None::<String>, root, input);
        for _ in 0..graph.most_steps {
            self.path.push(agent.clone());
            let ended = match from {
                None => self.turn(&agent, message).await?,
                Some(from) => handed_on(&from, &agent, message.clone(), self.turn(&agent, message)).await?,
            };
            match ended {
                Ended::Answered(reply) => return Ok((reply, self.metrics())),
                Ended::HandsOn(to, said) => {
                    match graph.on(&to) {
                        Ok(_) => self.tracker.track_handoff_success(&agent, &to),
                        Err(_) => self.tracker.track_handoff_failure(&agent, &to),
                    };
                    (from, agent, message) = (Some(agent), to, said);
                }
            }
        }
        let text = format!(
            "the graph `{}` has not answered after {} turns: its agents go on handing on; allow more, or change their instructions",
            graph.graph.key(),
            graph.most_steps
        );
        Err(ModelError::new(ErrorKind::Endless, text))
    }

    /// One turn of an agent, as a span.
    async fn turn(&mut self, agent: &str, message: String) -> Result<Ended, ModelError> {
        let place = self.turns.iter().position(|turns| turns.agent == agent).unwrap_or_else(|| {
            let turns = Turns { agent: agent.to_owned(), tally: Tally::default(), took: Duration::ZERO, failed: false };
            self.turns.push(turns);
            self.turns.len() - 1
        });
        let (graph, run_id, turns) = (self.graph, self.tracker.run_id(), &mut self.turns[place]);
        let messages = [Message::user(message)];
        let site = named::agent(agent);
        let span = site.start(&[site.arg(&messages).get()]);
        let started = Instant::now();
        let talking = async {
            spanwright::handle().set("run_id", run_id);
            let node = graph.on(agent)?;
            let mut request = node.prompt.clone();
            request.messages.extend(messages.iter().cloned());
            talk(&node.model, request, &node.tools, &graph.handoffs(agent), MOST_TURNS, &mut turns.tally).await
        };
        let ended = p::future(span, talking, |r: &Result<Ended, ModelError>| p::ret(r).ok().get()).await;
        turns.took += started.elapsed();
        turns.failed |= ended.is_err();
        ended
    }

    fn metrics(&self) -> GraphMetrics {
        let totals = self.turns.iter().filter_map(|turns| turns.tally.tokens());
        let total = totals.map(|tokens| tokens.total).reduce(u64::saturating_add);
        GraphMetrics { success: true, total_tokens: total, path: self.path.clone(), ..GraphMetrics::default() }
    }

    /// Measures each agent that took part, once.
    fn measured(&self) -> Vec<(String, Summary)> {
        let measured = self.turns.iter().filter_map(|Turns { agent, tally, took, failed }| {
            let tracker = self.tracker.node(agent)?;
            tracker.track_duration(*took);
            if let Some(tokens) = tally.tokens() {
                tracker.track_tokens(tokens);
            }
            tracker.track_tool_calls(tally.calls());
            if *failed {
                tracker.track_error()
            } else {
                tracker.track_success()
            };
            Some((agent.clone(), tracker.summary()))
        });
        measured.collect()
    }
}

/// Encloses what an agent does with what it was handed.
#[delegate(from = from, to = to, content = message, skip(from, to, turn))]
async fn handed_on<T: Future<Output = Result<Ended, ModelError>>>(
    from: &str,
    to: &str,
    message: String,
    turn: T,
) -> Result<Ended, ModelError> {
    turn.await
}

/// What has been measured stands on the span of the run.
fn note(span: Handle, summary: &GraphSummary) {
    if let Some(millis) = summary.duration_ms {
        span.set("run.duration_ms", millis);
    }
    if let Some(success) = summary.success {
        span.set("run.success", success);
    }
    if let Some(tokens) = summary.total_tokens {
        span.set("run.tokens.total", tokens);
    }
    span.set("graph.path", &summary.path);
}
