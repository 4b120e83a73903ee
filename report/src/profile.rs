//! Where the time of runs goes: how long each node takes itself, without what it waits for below it.

use serde::Serialize;
use spanwright::store::{SpanBrief, TraceBrief};
use spanwright_prices::PriceTable;

use crate::by_name::ByName;
use crate::calls::{Calls, Parents};
use crate::figures::{Figures, percentile};
use crate::tally::Tally;

/// A node that takes more of the time than this is a bottleneck.
pub const BOTTLENECK: f64 = 0.5;

/// Gathers where the time goes.
#[derive(Debug)]
pub struct ProfileOf<'p> {
    figures: Figures,
    nodes: ByName<Time>,
    calls: Calls<'p>,
    parents: Parents,
    children: Children,
    runs: u64,
}

#[derive(Debug, Default)]
struct Time {
    calls: u64,
    errors: u64,
    own: u64,
    /// Of each run it is in.
    in_runs: Vec<u64>,
    last_run: u64,
}

/// Where the time of runs goes.
#[derive(Clone, Debug)]
pub struct Profile {
    /// Over all runs.
    pub figures: Figures,
    /// Nodes, the slowest first.
    pub nodes: Vec<Node>,
}

/// How long a node takes. Durations are in nanoseconds, in JSON in seconds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Node {
    /// Name of its spans.
    pub name: Box<str>,
    /// Runs it is in.
    pub runs: u64,
    /// Its spans.
    pub calls: u64,
    /// Those that failed.
    pub errors: u64,
    /// Time of its spans, each run's added up; a span within one of the same name counts once.
    #[serde(rename = "total_s", serialize_with = "seconds")]
    pub total: u64,
    /// The part of that during which no span below was open.
    #[serde(rename = "own_s", serialize_with = "seconds")]
    pub own: u64,
    /// Its own time, of that of all nodes.
    pub share: f64,
    /// Whether that is more than half.
    pub is_bottleneck: bool,
    /// Half of the runs it is in spend no more than this in it.
    #[serde(rename = "p50_s", serialize_with = "seconds")]
    pub p50: u64,
    /// Nineteen of twenty runs it is in spend no more than this in it.
    #[serde(rename = "p95_s", serialize_with = "seconds")]
    pub p95: u64,
}

/// Nanoseconds as JSON has them: seconds.
pub fn seconds<S: serde::Serializer>(ns: &u64, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64(*ns as f64 / 1e9)
}

impl<'p> ProfileOf<'p> {
    /// Of no run, with these prices.
    pub fn new(prices: &'p PriceTable) -> Self {
        Self {
            figures: Figures::default(),
            nodes: ByName::default(),
            calls: Calls::new(prices),
            parents: Parents::default(),
            children: Children::default(),
            runs: 0,
        }
    }

    /// Counts a run.
    pub fn add(&mut self, run: &TraceBrief<'_>) {
        self.runs += 1;
        let number = self.runs;
        self.parents.read(&run.spans);
        self.children.read(&run.spans, &self.parents);
        for (place, span) in run.spans.iter().enumerate() {
            let node = self.nodes.of(&span.name);
            node.calls += 1;
            node.errors += u64::from(span.is_error);
            node.own = node.own.saturating_add(self.children.own_time(&run.spans, place));
            if std::mem::replace(&mut node.last_run, number) != number {
                node.in_runs.push(0);
            }
            let is_within_itself = self.parents.above(place).any(|above| run.spans[above].name == span.name);
            if let Some(in_run) = node.in_runs.last_mut().filter(|_| !is_within_itself) {
                *in_run = in_run.saturating_add(duration(span));
            }
        }
        let mut used = Tally::default();
        self.calls.each(run, &self.parents, |call| used.add_call(&call.usage, call.cost));
        self.figures.add(number, run, &used);
    }

    /// The profile.
    pub fn finish(self) -> Profile {
        let nodes = self.nodes.into_named();
        let all: u64 = nodes.iter().fold(0, |sum, (_, time)| sum.saturating_add(time.own));
        let node = |(name, mut time): (Box<str>, Time)| {
            let share = if all > 0 { time.own as f64 / all as f64 } else { 0.0 };
            Node {
                name,
                runs: time.in_runs.len() as u64,
                calls: time.calls,
                errors: time.errors,
                total: time.in_runs.iter().fold(0, |sum, ns| sum.saturating_add(*ns)),
                own: time.own,
                share: (share * 1e6).round() / 1e6,
                is_bottleneck: share > BOTTLENECK,
                p50: percentile(&mut time.in_runs, 50).unwrap_or(0),
                p95: percentile(&mut time.in_runs, 95).unwrap_or(0),
            }
        };
        let mut nodes: Vec<Node> = nodes.into_iter().map(node).collect();
        nodes.sort_by(|a, b| b.own.cmp(&a.own).then_with(|| a.name.cmp(&b.name)));
        Profile { figures: self.figures, nodes }
    }
}

pub(crate) fn duration(span: &SpanBrief<'_>) -> u64 {
    span.end_unix_ns.saturating_sub(span.start_unix_ns)
}

/// The spans of a trace by the one that encloses them, in the order of their start.
#[derive(Debug, Default)]
pub(crate) struct Children {
    /// Place of the parent, start, end.
    spans: Vec<(usize, u64, u64)>,
}

impl Children {
    pub(crate) fn read(&mut self, spans: &[SpanBrief<'_>], parents: &Parents) {
        let child = |(place, span): (usize, &SpanBrief<'_>)| {
            parents.of(place).map(|parent| (parent, span.start_unix_ns, span.end_unix_ns))
        };
        self.spans.clear();
        self.spans.extend(spans.iter().enumerate().filter_map(child));
        self.spans.sort_unstable();
    }

    /// How long a span was open while none below it was. What runs on after it has ended does not count against it.
    pub(crate) fn own_time(&self, spans: &[SpanBrief<'_>], place: usize) -> u64 {
        let (start, end) = (spans[place].start_unix_ns, spans[place].end_unix_ns);
        let first = self.spans.partition_point(|(parent, ..)| *parent < place);
        let (mut covered, mut until) = (0, start);
        for (_, from, to) in self.spans[first..].iter().take_while(|(parent, ..)| *parent == place) {
            let (from, to) = ((*from).max(until), (*to).min(end));
            if to > from {
                covered += to - from;
                until = to;
            }
        }
        end.saturating_sub(start).saturating_sub(covered)
    }
}
