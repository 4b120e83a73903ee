//! Adding up one trace.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use serde::{Deserialize, Serialize};
use spanwright_prices::{Cost, PriceTable};

use super::told::{Told, UNKNOWN};
use crate::id::{SpanId, TraceId};
use crate::record::{SpanRecord, Usage};

/// What one trace cost.
///
/// Costs are US dollars, and `None` where no price is known. Sums are exact to more than six decimals. It serialises as the object that
/// is kept beside a trace as `cost_summary.json`.
///
/// ```
/// use spanwright::cost::{CostSummary, prices::PriceTable};
/// use spanwright::record::{ModelFacts, SpanRecord, Usage};
/// use spanwright::{SpanId, TraceId};
///
/// let mut call = SpanRecord::new(TraceId::from_halves(1, 2), SpanId::from_u64(3));
/// call.name = "ask".into();
/// call.model = Some(ModelFacts {
///     model: Some("gpt-4o-mini".into()),
///     provider: Some("openai".into()),
///     usage: Some(Usage { input: 1_000, output: 200, ..Usage::default() }),
///     ..ModelFacts::default()
/// });
/// let summary = CostSummary::of(&[call], PriceTable::builtin()).expect("a trace");
/// assert_eq!(summary.total_cost_usd, Some(0.00027));
/// assert_eq!(summary.node_breakdown["ask"].figures.calls, 1);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CostSummary {
    /// The trace; in JSON as MLflow names it, `tr-…`.
    #[serde(with = "as_mlflow")]
    pub trace_id: TraceId,
    /// The tag `workflow`, else the name of the root.
    pub workflow_name: String,
    /// The tag `workflow_version`; `unversioned` without one.
    pub workflow_version: String,
    /// Start of the first span, nanoseconds since the Unix epoch.
    pub start_unix_ns: u64,
    /// From the first start to the last end, in milliseconds.
    pub duration_ms: f64,
    /// Tokens of all model calls.
    pub total_tokens: TokenCounts,
    /// What all priced model calls cost; `None` if none is priced.
    pub total_cost_usd: Option<f64>,
    /// How many spans are no model calls and have a name of their own: steps of the workflow.
    pub node_count: u64,
    /// By name of the span that called a model. Spans of one name are one entry.
    pub node_breakdown: BTreeMap<String, NodeCost>,
    /// By name of the nearest span above a model call that is none itself: the `#[node]`, `#[agent]` or workflow that made it.
    pub by_caller: BTreeMap<String, Figures>,
    /// By provider; `unknown` where a call names none.
    pub by_provider: BTreeMap<String, ProviderCost>,
    /// By model; `unknown` where a call names none.
    pub by_model: BTreeMap<String, ModelCost>,
    /// Models of calls whose cost is unknown.
    pub unpriced_models: Vec<String>,
    /// What the server says of the same trace, where it was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<ServerFigures>,
}

/// Tokens, as model calls tell them: those of caches are part of the input where the provider counts so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TokenCounts {
    /// Input and output.
    pub total_tokens: u64,
    /// Read.
    pub input_tokens: u64,
    /// Written.
    pub output_tokens: u64,
    /// Read from a prompt cache.
    pub cache_read_input_tokens: u64,
    /// Written to a prompt cache.
    pub cache_creation_input_tokens: u64,
    /// Of these, written for an hour.
    pub cache_creation_input_tokens_above_1hr: u64,
}

/// What some model calls came to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Figures {
    /// Model calls.
    pub calls: u64,
    /// Of these, calls whose cost is unknown.
    pub unpriced_calls: u64,
    /// Their tokens.
    pub tokens: TokenCounts,
    /// What those that are priced cost; `None` if none is.
    pub cost_usd: Option<f64>,
    #[serde(skip)]
    cost: Cost,
}

/// What the model calls of one name came to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct NodeCost {
    /// Calls, tokens and cost.
    #[serde(flatten)]
    pub figures: Figures,
    /// Their model; the last one if they differ.
    pub model: Option<String>,
    /// Their provider; the last one if they differ.
    pub provider: Option<String>,
    /// How long they took together, in milliseconds.
    pub duration_ms: f64,
}

/// What one provider came to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ProviderCost {
    /// What priced calls cost; `None` if none is priced.
    pub total_cost_usd: Option<f64>,
    /// Input and output tokens.
    pub total_tokens: u64,
    /// Tokens read.
    pub input_tokens: u64,
    /// Tokens written.
    pub output_tokens: u64,
    /// Model calls.
    pub calls: u64,
}

/// What one model came to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ModelCost {
    /// Calls, tokens and cost.
    #[serde(flatten)]
    pub figures: Figures,
    /// Its provider, where a call names one.
    pub provider: Option<String>,
}

/// What an MLflow server says a trace came to. It adds up a span that tells tokens in place of all below it, and has prices of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ServerFigures {
    /// Input and output tokens; `None` if it knows of none.
    pub total_tokens: Option<u64>,
    /// US dollars; `None` if it has no price.
    pub total_cost_usd: Option<f64>,
}

impl CostSummary {
    /// Adds up the spans of one trace; `None` without a span.
    pub fn of(spans: &[SpanRecord], prices: &PriceTable) -> Option<Self> {
        let root = spans.iter().find(|span| span.parent_id.is_none()).or(spans.first())?;
        let start_unix_ns = spans.iter().map(|span| span.start_unix_ns).min()?;
        let end_unix_ns = spans.iter().map(|span| span.end_unix_ns).max()?;
        let mut summary = Self::blank(root);
        summary.start_unix_ns = start_unix_ns;
        summary.duration_ms = millis(end_unix_ns.saturating_sub(start_unix_ns));
        let tree = Tree::of(spans);
        let mut all = Figures::default();
        let mut unpriced = BTreeSet::new();
        for (span, told) in tree.counted() {
            let cost = told.cost(prices);
            if cost.is_none() {
                unpriced.insert(told.model.clone().unwrap_or_else(|| UNKNOWN.to_owned()));
            }
            all.add(&told.usage, cost);
            summary.add(span, told, cost);
            summary.by_caller.entry(tree.caller(span).name.clone()).or_default().add(&told.usage, cost);
        }
        summary.total_tokens = all.tokens;
        summary.total_cost_usd = all.cost_usd;
        summary.unpriced_models = unpriced.into_iter().collect();
        summary.node_count = tree.steps();
        Some(summary)
    }

    fn blank(root: &SpanRecord) -> Self {
        let tag = |name: &str| {
            let tags = root.workflow.as_ref().map(|workflow| workflow.tags.as_slice()).unwrap_or_default();
            tags.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.clone())
        };
        Self {
            trace_id: root.trace_id,
            workflow_name: tag("workflow").unwrap_or_else(|| root.name.clone()),
            workflow_version: tag("workflow_version").unwrap_or_else(|| "unversioned".to_owned()),
            start_unix_ns: 0,
            duration_ms: 0.0,
            total_tokens: TokenCounts::default(),
            total_cost_usd: None,
            node_count: 0,
            node_breakdown: BTreeMap::new(),
            by_caller: BTreeMap::new(),
            by_provider: BTreeMap::new(),
            by_model: BTreeMap::new(),
            unpriced_models: Vec::new(),
            server: None,
        }
    }

    fn add(&mut self, span: &SpanRecord, told: &Told, cost: Option<Cost>) {
        let node = self.node_breakdown.entry(span.name.clone()).or_default();
        node.figures.add(&told.usage, cost);
        node.model = told.model.clone().or(node.model.take());
        node.provider = told.provider.clone().or(node.provider.take());
        node.duration_ms += millis(span.duration_ns());
        let named = |name: &Option<String>| name.clone().unwrap_or_else(|| UNKNOWN.to_owned());
        self.by_provider.entry(named(&told.provider)).or_default().add(&told.usage, cost);
        let model = self.by_model.entry(named(&told.model)).or_default();
        model.figures.add(&told.usage, cost);
        model.provider = told.provider.clone().or(model.provider.take());
    }

    /// Whether any span told tokens.
    pub fn has_usage(&self) -> bool {
        !self.node_breakdown.is_empty()
    }
}

impl Figures {
    fn add(&mut self, usage: &Usage, cost: Option<Cost>) {
        self.calls += 1;
        self.tokens.add(usage);
        match cost {
            Some(cost) => {
                self.cost += cost;
                self.cost_usd = Some(self.cost.total());
            }
            None => self.unpriced_calls += 1,
        }
    }
}

impl TokenCounts {
    fn add(&mut self, usage: &Usage) {
        let counts = [
            (&mut self.total_tokens, Some(usage.total())),
            (&mut self.input_tokens, Some(usage.input)),
            (&mut self.output_tokens, Some(usage.output)),
            (&mut self.cache_read_input_tokens, usage.cache_read),
            (&mut self.cache_creation_input_tokens, usage.cache_write),
            (&mut self.cache_creation_input_tokens_above_1hr, usage.cache_write_1h),
        ];
        for (sum, count) in counts {
            *sum = sum.saturating_add(count.unwrap_or(0));
        }
    }
}

impl ProviderCost {
    fn add(&mut self, usage: &Usage, cost: Option<Cost>) {
        self.calls += 1;
        self.total_tokens = self.total_tokens.saturating_add(usage.total());
        self.input_tokens = self.input_tokens.saturating_add(usage.input);
        self.output_tokens = self.output_tokens.saturating_add(usage.output);
        if let Some(cost) = cost {
            // As a sum of floats it would not be exact.
            let before = Cost::of_dollars(self.total_cost_usd.unwrap_or(0.0), 0.0);
            self.total_cost_usd = Some((before + cost).total());
        }
    }
}

/// Spans, and which of them tell tokens.
struct Tree<'s> {
    spans: &'s [SpanRecord],
    by_id: HashMap<SpanId, &'s SpanRecord>,
    told: Vec<(&'s SpanRecord, Told)>,
    /// Spans above one that tells tokens.
    above: HashSet<SpanId>,
}

impl<'s> Tree<'s> {
    fn of(spans: &'s [SpanRecord]) -> Self {
        let by_id: HashMap<_, _> = spans.iter().map(|span| (span.span_id, span)).collect();
        let told: Vec<_> = spans.iter().filter_map(|span| Some((span, Told::of(span)?))).collect();
        let mut above = HashSet::new();
        for (span, _) in &told {
            let mut parent = span.parent_id;
            // What has been seen has been walked up from, and a circle ends.
            while let Some(id) = parent.filter(|id| above.insert(*id)) {
                parent = by_id.get(&id).and_then(|span| span.parent_id);
            }
        }
        Self { spans, by_id, told, above }
    }

    /// Spans that tell tokens and have none below them that does.
    fn counted(&self) -> impl Iterator<Item = (&'s SpanRecord, &Told)> {
        let counts = |(span, _): &&(&SpanRecord, Told)| !self.above.contains(&span.span_id);
        self.told.iter().filter(counts).map(|(span, told)| (*span, told))
    }

    fn is_model_call(&self, span: &SpanRecord) -> bool {
        span.kind == "llm" || matches!(&*span.span_type, "LLM" | "CHAT_MODEL" | "EMBEDDING")
    }

    /// The nearest span above that is no model call; the span itself if there is none.
    fn caller(&self, span: &'s SpanRecord) -> &'s SpanRecord {
        let above = |span: &&'s SpanRecord| span.parent_id.and_then(|id| self.by_id.get(&id).copied());
        let chain = std::iter::successors(above(&span), above).take(self.spans.len());
        chain.into_iter().find(|span| !self.is_model_call(span)).unwrap_or(span)
    }

    fn steps(&self) -> u64 {
        let steps: HashSet<_> = self
            .spans
            .iter()
            .filter(|span| span.parent_id.is_some() && !self.is_model_call(span))
            .map(|span| span.name.as_str())
            .collect();
        steps.len() as u64
    }
}

fn millis(ns: u64) -> f64 {
    ns as f64 / 1e6
}

/// Trace ids as MLflow writes them.
mod as_mlflow {
    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serializer};

    use crate::id::TraceId;

    pub(super) fn serialize<S: Serializer>(id: &TraceId, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&format_args!("tr-{id}"))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<TraceId, D::Error> {
        let text = String::deserialize(from)?;
        text.strip_prefix("tr-").unwrap_or(&text).parse().map_err(D::Error::custom)
    }
}
