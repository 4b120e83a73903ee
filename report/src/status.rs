//! How runs end: by workflow, and where failures begin.

use std::cmp::Reverse;

use serde::{Serialize, Serializer};
use spanwright::record::rfc3339;
use spanwright::store::{TraceBrief, TraceState};
use spanwright_prices::PriceTable;

use crate::by_name::ByName;
use crate::calls::{Calls, Parents};
use crate::figures::{Figures, percentile};
use crate::tally::Tally;

/// Gathers how runs end.
#[derive(Debug)]
pub struct StatusOf<'p> {
    figures: Figures,
    workflows: ByName<Runs>,
    failures: ByName<u64>,
    calls: Calls<'p>,
    parents: Parents,
    /// Whether a span below has failed.
    failed_below: Vec<bool>,
    runs: u64,
}

#[derive(Debug, Default)]
struct Runs {
    tally: Tally,
    durations: Vec<u64>,
    last: Option<(u64, TraceState)>,
}

/// How runs end.
#[derive(Clone, Debug)]
pub struct Status {
    /// Over all of them.
    pub figures: Figures,
    /// By workflow, the one that ran last first.
    pub workflows: Vec<Workflow>,
    /// Nodes in which failures of runs began, those with most first.
    pub failures: Vec<Failing>,
}

/// How the runs of a workflow end.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Workflow {
    /// Its name.
    pub name: Box<str>,
    /// The sums.
    #[serde(flatten)]
    pub tally: Tally,
    /// The share of its runs that have ended that ended well; `None` where none has ended.
    pub success_rate: Option<f64>,
    /// Half of its runs take no longer, in nanoseconds.
    #[serde(rename = "p50_s", serialize_with = "seconds")]
    pub p50: Option<u64>,
    /// Nineteen of twenty take no longer, in nanoseconds.
    #[serde(rename = "p95_s", serialize_with = "seconds")]
    pub p95: Option<u64>,
    /// When it last started, nanoseconds since the Unix epoch.
    #[serde(rename = "last_started", serialize_with = "time")]
    pub last_start_unix_ns: u64,
    /// What has become of that run.
    pub last_state: TraceState,
}

/// A node in which failures begin: its span failed and none below it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failing {
    /// Name of its spans.
    pub node: Box<str>,
    /// Its spans that failed so, in runs that failed.
    pub failures: u64,
}

fn seconds<S: Serializer>(ns: &Option<u64>, to: S) -> Result<S::Ok, S::Error> {
    ns.map(|ns| ns as f64 / 1e9).serialize(to)
}

fn time<S: Serializer>(unix_ns: &u64, to: S) -> Result<S::Ok, S::Error> {
    rfc3339(*unix_ns).serialize(to)
}

impl<'p> StatusOf<'p> {
    /// Of no run, with these prices.
    pub fn new(prices: &'p PriceTable) -> Self {
        Self {
            figures: Figures::default(),
            workflows: ByName::default(),
            failures: ByName::default(),
            calls: Calls::new(prices),
            parents: Parents::default(),
            failed_below: Vec::new(),
            runs: 0,
        }
    }

    /// Counts a run.
    pub fn add(&mut self, run: &TraceBrief<'_>) {
        self.runs += 1;
        let number = self.runs;
        self.parents.read(&run.spans);
        let mut used = Tally::default();
        self.calls.each(run, &self.parents, |call| used.add_call(&call.usage, call.cost));
        let workflow = self.workflows.of(run.workflow());
        workflow.tally.add_run(number, run);
        workflow.tally.add(&used);
        if run.state != TraceState::Running {
            workflow.durations.push(run.end_unix_ns.saturating_sub(run.start_unix_ns));
        }
        if workflow.last.is_none_or(|(start, _)| start <= run.start_unix_ns) {
            workflow.last = Some((run.start_unix_ns, run.state));
        }
        if run.state == TraceState::Error {
            self.find_failures(run);
        }
        self.figures.add(number, run, &used);
    }

    fn find_failures(&mut self, run: &TraceBrief<'_>) {
        let failed = || run.spans.iter().enumerate().filter(|(_, span)| span.is_error);
        self.failed_below.clear();
        self.failed_below.resize(run.spans.len(), false);
        for (place, _) in failed() {
            for above in self.parents.above(place) {
                if std::mem::replace(&mut self.failed_below[above], true) {
                    break;
                }
            }
        }
        for (_, span) in failed().filter(|(place, _)| !self.failed_below[*place]) {
            *self.failures.of(&span.name) += 1;
        }
    }

    /// The report.
    pub fn finish(self) -> Status {
        let workflow = |(name, mut runs): (Box<str>, Runs)| {
            let ended = runs.durations.len();
            let (start, state) = runs.last.unwrap_or((0, TraceState::Running));
            Workflow {
                name,
                success_rate: (ended > 0).then(|| runs.tally.succeeded() as f64 / ended as f64),
                p50: percentile(&mut runs.durations, 50),
                p95: percentile(&mut runs.durations, 95),
                tally: runs.tally,
                last_start_unix_ns: start,
                last_state: state,
            }
        };
        let mut workflows: Vec<Workflow> = self.workflows.into_named().into_iter().map(workflow).collect();
        workflows.sort_by(|a, b| {
            Reverse(a.last_start_unix_ns).cmp(&Reverse(b.last_start_unix_ns)).then_with(|| a.name.cmp(&b.name))
        });
        let failing = |(node, failures)| Failing { node, failures };
        let mut failures: Vec<Failing> = self.failures.into_named().into_iter().map(failing).collect();
        failures.sort_by(|a, b| b.failures.cmp(&a.failures).then_with(|| a.node.cmp(&b.node)));
        Status { figures: self.figures, workflows, failures }
    }
}
