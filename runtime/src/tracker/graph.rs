//! Agents that hand work to each other: which may, and what a run of them came to.
//!
//! In: agents and the edges between them. Out: an order to visit them in, and a tracker of a run, which shares its run id with the trackers
//! of its nodes. Not done here: running agents.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use super::slots::{Slot, Slots};
use super::{DURATION, ERROR, Inner, Once, Reporting, RunTracker, SUCCESS, Subject, TrackOutcome, millis, tracker};
use crate::context::Context;
use crate::execution::AgentConfig;
use crate::id::next_uuid;

/// Agents and who hands work to whom.
///
/// ```
/// use serde_json::json;
/// use spanwright::AgentConfig;
/// use spanwright::tracker::AgentGraph;
///
/// let graph = AgentGraph::new("trip", "planner")
///     .agent(AgentConfig::new("planner"))
///     .agent(AgentConfig::new("hotels"))
///     .edge("planner", "hotels", json!({ "budget": 900 }));
/// assert!(graph.enabled());
/// assert_eq!(graph.traverse().iter().map(|agent| agent.key.as_str()).collect::<Vec<_>>(), ["planner", "hotels"]);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct AgentGraph {
    key: String,
    variation: String,
    version: i64,
    root: String,
    agents: Vec<AgentConfig>,
    edges: Vec<GraphEdge>,
}

/// One agent may hand work to another.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GraphEdge {
    /// Who hands on.
    pub source: String,
    /// To whom.
    pub target: String,
    /// What goes along.
    pub handoff: Value,
}

impl GraphEdge {
    /// `source-target`
    pub fn id(&self) -> String {
        format!("{}-{}", self.source, self.target)
    }
}

impl AgentGraph {
    /// Version 1 of a graph that begins with the agent `root`, which is still to be added.
    pub fn new(key: impl Into<String>, root: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            variation: String::new(),
            version: 1,
            root: root.into(),
            agents: Vec::new(),
            edges: Vec::new(),
        }
    }

    /// The variation that is served.
    #[must_use]
    pub fn variation(self, variation: impl Into<String>) -> Self {
        Self { variation: variation.into(), ..self }
    }

    /// The version of the graph.
    #[must_use]
    pub fn version(self, version: i64) -> Self {
        Self { version, ..self }
    }

    /// Adds an agent; one of the same key takes the place of an earlier one. It becomes a node of this graph.
    #[must_use]
    pub fn agent(mut self, agent: AgentConfig) -> Self {
        self.agents.retain(|known| known.key != agent.key);
        self.agents.push(AgentConfig { graph_key: Some(self.key.clone()), ..agent });
        self
    }

    /// Lets `source` hand work to `target`.
    #[must_use]
    pub fn edge(mut self, source: impl Into<String>, target: impl Into<String>, handoff: Value) -> Self {
        self.edges.push(GraphEdge { source: source.into(), target: target.into(), handoff });
        self
    }

    /// Names the graph.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Whether the graph can be run: its root is there, every edge leads from an agent to an agent, and every agent is enabled. One that
    /// cannot has no agents, no edges and no root, and can be tracked all the same.
    pub fn enabled(&self) -> bool {
        let is_there = |key: &str| self.agents.iter().any(|agent| agent.key == key);
        is_there(&self.root)
            && self.agents.iter().all(|agent| agent.enabled)
            && self.edges.iter().all(|edge| is_there(&edge.source) && is_there(&edge.target))
    }

    /// The agent a run begins with.
    pub fn root(&self) -> Option<&AgentConfig> {
        self.get(&self.root)
    }

    /// An agent by its key.
    pub fn get(&self, key: &str) -> Option<&AgentConfig> {
        self.agents().iter().find(|agent| agent.key == key)
    }

    /// The agents, in the order in which they were added.
    pub fn agents(&self) -> &[AgentConfig] {
        if self.enabled() { &self.agents } else { &[] }
    }

    /// The edges, in the order in which they were added.
    pub fn edges(&self) -> &[GraphEdge] {
        if self.enabled() { &self.edges } else { &[] }
    }

    /// To whom an agent may hand work.
    pub fn children(&self, key: &str) -> Vec<&AgentConfig> {
        self.edges().iter().filter(|edge| edge.source == key).filter_map(|edge| self.get(&edge.target)).collect()
    }

    /// Who may hand work to an agent.
    pub fn parents(&self, key: &str) -> Vec<&AgentConfig> {
        self.edges().iter().filter(|edge| edge.target == key).filter_map(|edge| self.get(&edge.source)).collect()
    }

    /// Agents that hand work to nobody. A graph of nothing but cycles has none.
    pub fn terminals(&self) -> Vec<&AgentConfig> {
        self.agents().iter().filter(|agent| self.edges().iter().all(|edge| edge.source != agent.key)).collect()
    }

    /// The agents that can be reached from the root, each once, the nearer ones first, however deep the graph is.
    pub fn traverse(&self) -> Vec<&AgentConfig> {
        Self::spread(self.root().into_iter().collect(), |agent| self.children(&agent.key))
    }

    /// The same agents from the terminals up, the root last.
    pub fn reverse_traverse(&self) -> Vec<&AgentConfig> {
        let reached = self.traverse();
        let is_inner =
            |agent: &&AgentConfig| agent.key != self.root && reached.iter().any(|known| known.key == agent.key);
        let ends = self.terminals().into_iter().filter(is_inner).collect();
        let mut order = Self::spread(ends, |agent| self.parents(&agent.key).into_iter().filter(is_inner).collect());
        // What leads to no terminal, the farthest first.
        for agent in reached.iter().rev() {
            if !order.iter().any(|known| known.key == agent.key) {
                order.push(agent);
            }
        }
        order
    }

    fn spread<'g>(
        mut order: Vec<&'g AgentConfig>,
        next: impl Fn(&AgentConfig) -> Vec<&'g AgentConfig>,
    ) -> Vec<&'g AgentConfig> {
        let mut seen: HashSet<&str> = order.iter().map(|agent| agent.key.as_str()).collect();
        let mut place = 0;
        while let Some(agent) = order.get(place) {
            for agent in next(agent) {
                if seen.insert(&agent.key) {
                    order.push(agent);
                }
            }
            place += 1;
        }
        order
    }

    /// The tracker of one run. In an execution it is a measure of that one, under its run id; elsewhere it has a run id of its own.
    pub fn create_tracker(&self, context: impl Into<Subject>) -> GraphTracker {
        self.create_tracker_reporting(context, Reporting::default())
    }

    /// As [`AgentGraph::create_tracker`], reporting as said.
    pub fn create_tracker_reporting(&self, context: impl Into<Subject>, reporting: Reporting) -> GraphTracker {
        let around = tracker();
        let run_id = around.as_ref().map_or_else(next_uuid, |tracker| tracker.run_id().to_owned());
        let trace = around.as_ref().map_or_else(|| Context::current().trace_id(), RunTracker::trace_id);
        let config = AgentConfig {
            variation: self.variation.clone(),
            version: self.version,
            graph_key: Some(self.key.clone()),
            ..AgentConfig::new(self.key.clone())
        };
        let inner = Inner::new(Arc::new(config), run_id.into(), context.into(), reporting);
        let run = RunTracker { inner: Arc::new(Inner { trace, ..inner }) };
        let agents = self.agents().to_vec();
        GraphTracker { inner: Arc::new(InnerGraph { run, agents, slots: Slots::new(), path: Mutex::default() }) }
    }
}

/// Measures one run of a graph. Clones are the same tracker.
#[derive(Clone)]
pub struct GraphTracker {
    inner: Arc<InnerGraph>,
}

struct InnerGraph {
    /// Stands for the run: who it is for, and the trackers of its nodes.
    run: RunTracker,
    agents: Vec<AgentConfig>,
    slots: Slots,
    path: Mutex<Vec<String>>,
}

/// What every event of a graph's run says of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GraphData<'t> {
    /// The run.
    pub run_id: &'t str,
    /// The variation; may be empty.
    pub variation_key: &'t str,
    /// The graph.
    pub graph_key: &'t str,
    /// Its version.
    pub version: i64,
    /// Of a path, the agents it went through.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<&'t [String]>,
    /// Of a handoff or redirect, who handed on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_key: Option<&'t str>,
    /// Of a handoff, to whom.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_key: Option<&'t str>,
    /// Of a redirect, to whom instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redirected_target: Option<&'t str>,
}

/// What has been measured of a graph's run so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct GraphSummary {
    /// Whether it succeeded.
    pub success: Option<bool>,
    /// How long it took, in milliseconds.
    pub duration_ms: Option<u64>,
    /// Tokens of all its nodes.
    pub total_tokens: Option<u64>,
    /// The agents it went through, in order.
    pub path: Vec<String>,
}

const TOTAL_TOKENS: Once = Once { bit: 6, method: "track_total_tokens", what: "total tokens" };

impl GraphTracker {
    /// Names the run; the trackers of its nodes have the same id.
    pub fn run_id(&self) -> &str {
        self.inner.run.run_id()
    }

    /// The run by itself: for feedback on it, and scores.
    pub fn run(&self) -> RunTracker {
        self.inner.run.clone()
    }

    pub(super) fn warn_of(&self, line: &str) {
        self.inner.run.warn_of(line);
    }

    /// What every event says of the run.
    pub fn track_data(&self) -> GraphData<'_> {
        let data = self.inner.run.track_data();
        let (run_id, variation_key, version) = (data.run_id, data.variation_key, data.version);
        GraphData { run_id, variation_key, graph_key: data.config_key, version, ..GraphData::default() }
    }

    /// The tracker of an agent in this run: one for each, however often it is visited. `None` if the graph has no such agent.
    pub fn node(&self, key: &str) -> Option<RunTracker> {
        self.inner.agents.iter().find(|agent| agent.key == key).map(|agent| self.inner.run.node(agent))
    }

    /// The run succeeded.
    pub fn track_invocation_success(&self) -> TrackOutcome {
        self.outcome(Once { method: "track_invocation_success", ..SUCCESS }, true)
    }

    /// The run failed.
    pub fn track_invocation_failure(&self) -> TrackOutcome {
        self.outcome(Once { method: "track_invocation_failure", ..ERROR }, false)
    }

    fn outcome(&self, once: Once, success: bool) -> TrackOutcome {
        let name = if success { "$ld:ai:graph:invocation_success" } else { "$ld:ai:graph:invocation_failure" };
        self.once(once, self.inner.slots.record(Slot::Outcome, success.into()), name, 1)
    }

    /// How long the run took.
    pub fn track_duration(&self, duration: Duration) -> TrackOutcome {
        let millis = millis(duration);
        self.once(DURATION, self.inner.slots.record(Slot::Duration, millis), "$ld:ai:graph:duration:total", millis)
    }

    /// Tokens of the run. None at all is nothing to record, and leaves the place to a later word.
    pub fn track_total_tokens(&self, tokens: u64) -> TrackOutcome {
        if tokens == 0 {
            return TrackOutcome::Ignored;
        }
        let is_first = self.inner.slots.record_tokens([tokens, 0, 0]);
        self.once(TOTAL_TOKENS, is_first, "$ld:ai:graph:total_tokens", tokens)
    }

    fn once(&self, once: Once, is_first: bool, name: &'static str, value: u64) -> TrackOutcome {
        if is_first && self.inner.run.is_claimed(once.what) {
            self.emit(name, self.track_data(), value as f64);
            return TrackOutcome::Recorded;
        }
        if self.inner.slots.may_warn(once.bit) {
            self.inner.run.warn_with(once, &self.track_data());
        }
        TrackOutcome::Duplicate
    }

    /// The run went through these agents, after those it had gone through before.
    pub fn track_path<K: AsRef<str>>(&self, path: impl IntoIterator<Item = K>) -> TrackOutcome {
        let path: Vec<String> = path.into_iter().map(|key| key.as_ref().to_owned()).collect();
        if path.is_empty() {
            return TrackOutcome::Ignored;
        }
        self.emit("$ld:ai:graph:path", GraphData { path: Some(&path), ..self.track_data() }, 1.0);
        self.inner.path.lock().unwrap_or_else(PoisonError::into_inner).extend(path);
        TrackOutcome::Recorded
    }

    /// One agent handed work to another.
    pub fn track_handoff_success(&self, source: &str, target: &str) -> TrackOutcome {
        self.handoff("$ld:ai:graph:handoff_success", source, target)
    }

    /// One agent could not hand work to another.
    pub fn track_handoff_failure(&self, source: &str, target: &str) -> TrackOutcome {
        self.handoff("$ld:ai:graph:handoff_failure", source, target)
    }

    fn handoff(&self, name: &'static str, source: &str, target: &str) -> TrackOutcome {
        let data = GraphData { source_key: Some(source), target_key: Some(target), ..self.track_data() };
        self.emit(name, data, 1.0);
        TrackOutcome::Recorded
    }

    /// What one agent handed on went to another one than it meant.
    pub fn track_redirect(&self, source: &str, redirected_target: &str) -> TrackOutcome {
        let data =
            GraphData { source_key: Some(source), redirected_target: Some(redirected_target), ..self.track_data() };
        self.emit("$ld:ai:graph:redirect", data, 1.0);
        TrackOutcome::Recorded
    }

    /// What has been measured so far.
    pub fn summary(&self) -> GraphSummary {
        let slots = &self.inner.slots;
        GraphSummary {
            success: slots.get(Slot::Outcome).map(|success| success == 1),
            duration_ms: slots.get(Slot::Duration),
            total_tokens: slots.tokens().map(|[total, ..]| total),
            path: self.inner.path.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }

    fn emit(&self, name: &'static str, data: GraphData<'_>, value: f64) {
        self.inner.run.emit_with(name.into(), data, value);
    }
}

impl std::fmt::Debug for GraphTracker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GraphTracker").field("data", &self.track_data()).finish_non_exhaustive()
    }
}
