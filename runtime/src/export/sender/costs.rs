//! What a trace cost, said beside its spans: as metrics of its run with them, as assessments and as a file after them.
//!
//! In: roots the server has taken. Out: two assessments in the store, which go the way of all assessments; the file goes with the second.
//! They are made when the root arrives, of all that is stored by then: tokens told later change the figures of the server, not these.

use std::sync::Arc;

use super::waiting::Waiting;
use super::{Event, Sender, Trouble};
use crate::clock::now_unix_ns;
use crate::config::{ArtifactKind, Config};
use crate::cost::CostSummary;
use crate::cost::prices::PriceTable;
use crate::error::Error;
use crate::export::http::Verdict;
use crate::id::TraceId;
use crate::record::{Assessment, RunFacts, RunMetric};
use crate::store::QueuedAssessment;

/// Who says what a trace cost.
const ESTIMATOR: &str = "cost_estimator";
const COST: &str = "cost_usd";
/// Every trace with a model call has it, priced or not.
const TOKENS: &str = "total_tokens";
const FILE: &str = "cost_summary.json";
/// How often a server that does not take the file now is asked again.
const MOST_TRIES: u32 = 3;

/// How costs are told.
#[derive(Clone, Debug)]
pub(in crate::export) struct Costs {
    /// The user's own over the built-in ones, where there are some.
    own_prices: Option<Arc<PriceTable>>,
    /// Whether the summary becomes a file.
    writes_file: bool,
}

impl Costs {
    pub(in crate::export) fn of(config: &Config) -> Self {
        let own_prices = config.own_prices().map(Arc::new);
        Self { own_prices, writes_file: config.writes_artifact(ArtifactKind::Summary) }
    }

    fn prices(&self) -> &PriceTable {
        self.own_prices.as_deref().unwrap_or_else(|| PriceTable::builtin())
    }
}

impl Sender {
    /// What the traces of these roots cost, where they called a model. A trace that cannot be read is delivered without.
    pub(super) fn summaries(&self, roots: &[&Waiting]) -> Vec<CostSummary> {
        let calling = roots.iter().filter(|root| root.trace.tokens > 0);
        calling.filter_map(|root| self.summary(root.trace_id)).collect()
    }

    fn summary(&self, trace: TraceId) -> Option<CostSummary> {
        CostSummary::of(&self.store.spans(trace).ok()?, self.route.costs.prices())
    }

    /// Puts the assessments into the store: they outlive this process, and are the same ones if they are made again.
    pub(super) fn keep_costs(&self, summaries: &[CostSummary]) -> Result<(), Error> {
        let said: Vec<_> = summaries.iter().flat_map(|summary| self.assessments(summary)).collect();
        if said.is_empty() { Ok(()) } else { self.store.keep_assessments(&said, &self.route.destination) }
    }

    fn assessments(&self, summary: &CostSummary) -> impl Iterator<Item = Assessment> {
        let trace = summary.trace_id;
        let as_of = self.route.costs.prices().as_of().unwrap_or("unknown").to_owned();
        let unpriced = summary.unpriced_models.join(", ");
        let finished = move |assessment: Assessment| {
            let name = assessment.name.clone();
            let assessment = Assessment { trace_id: trace, time_unix_ns: now_unix_ns(), ..assessment };
            assessment.by_code(ESTIMATOR).known_as(&[&trace.to_string(), ESTIMATOR, &name])
        };
        let cost = summary.total_cost_usd.map(|cost| {
            let said = Assessment::feedback(COST, cost).with("prices_as_of", as_of);
            match unpriced.is_empty() {
                true => said,
                false => said.because(format!("without the models that have no price: {unpriced}")),
            }
        });
        let tokens = Assessment::feedback(TOKENS, summary.total_tokens.total_tokens);
        cost.into_iter().chain([tokens]).map(finished)
    }

    /// Puts the summary beside the trace, where the assessment is the one it goes with and the server keeps the files of the trace. False if
    /// the server is to be asked again later; a server that goes on refusing keeps the assessment only.
    pub(super) async fn put_summary_beside(
        &self,
        queued: &QueuedAssessment,
        on: &mut dyn FnMut(Event),
    ) -> Result<bool, Trouble> {
        let assessment = &queued.assessment;
        let is_its = assessment.name == TOKENS && assessment.source_id == ESTIMATOR;
        if !is_its || !self.route.costs.writes_file {
            return Ok(true);
        }
        let Some(summary) = self.summary(assessment.trace_id) else { return Ok(true) };
        let Ok(body) = serde_json::to_vec_pretty(&summary) else { return Ok(true) };
        match self.mlflow.put_trace_file(assessment.trace_id, FILE, body).await {
            Ok(()) => Ok(true),
            Err(failure) if failure.status.is_none() || failure.status == Some(401) => Err(failure.into()),
            Err(failure) if failure.verdict() != Verdict::Split && queued.tries < MOST_TRIES => Ok(false),
            Err(failure) => {
                let error = failure.into_error(self.mlflow.base());
                on(Event::Blocked(format!("{error:#}; what a trace cost is said there without {FILE}")));
                Ok(true)
            }
        }
    }
}

/// The metrics of a run.
pub(super) fn figures(summary: &CostSummary) -> RunFacts {
    let time_unix_ns = summary.start_unix_ns.saturating_add((summary.duration_ms * 1e6) as u64);
    let mut metrics = Vec::new();
    let mut metric = |key: String, value: f64| metrics.push(RunMetric { key, value, step: 0, time_unix_ns });
    if let Some(cost) = summary.total_cost_usd {
        metric("total_cost_usd".to_owned(), cost);
    }
    let tokens = &summary.total_tokens;
    let totals = [
        ("total_tokens", tokens.total_tokens),
        ("prompt_tokens", tokens.input_tokens),
        ("completion_tokens", tokens.output_tokens),
        ("node_count", summary.node_count),
    ];
    totals.into_iter().for_each(|(key, count)| metric(key.to_owned(), count as f64));
    for (provider, said) in &summary.by_provider {
        if let Some(cost) = said.total_cost_usd {
            metric(format!("provider_{provider}_cost_usd"), cost);
        }
        let counts = [
            ("tokens", said.total_tokens),
            ("input_tokens", said.input_tokens),
            ("output_tokens", said.output_tokens),
            ("calls", said.calls),
        ];
        counts.into_iter().for_each(|(what, count)| metric(format!("provider_{provider}_{what}"), count as f64));
    }
    RunFacts { metrics, ..RunFacts::default() }
}
