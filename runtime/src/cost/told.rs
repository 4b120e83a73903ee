//! What one span tells of tokens, model and cost, in whichever words: ours, OpenTelemetry's, or MLflow's.

use serde_json::Value;
use spanwright_prices::{Cost, PriceTable};

use crate::record::{AttributeValue, SpanRecord, Usage, priced_tokens};

const USAGES: [&str; 2] = ["mlflow.chat.tokenUsage", "usage"];
const COSTS: [&str; 1] = ["mlflow.llm.cost"];
const MODELS: [&str; 6] =
    ["mlflow.llm.model", "gen_ai.response.model", "gen_ai.request.model", "llm.model_name", "ai.model.name", "model"];
const PROVIDERS: [&str; 4] = ["mlflow.llm.provider", "gen_ai.provider.name", "gen_ai.system", "provider"];
const PARAMETERS: [&str; 2] = ["invocation_params", "llm.invocation_parameters"];

/// What counts for an unknown model.
pub(super) const UNKNOWN: &str = "unknown";

/// Attributes in which a span may tell tokens, model or cost beside its own facts: a reader that finds none of them needs no others.
pub const ATTRIBUTES: &[&str] = &[
    "mlflow.chat.tokenUsage",
    "usage",
    "mlflow.llm.cost",
    "mlflow.llm.model",
    "gen_ai.response.model",
    "gen_ai.request.model",
    "llm.model_name",
    "ai.model.name",
    "model",
    "mlflow.llm.provider",
    "gen_ai.provider.name",
    "gen_ai.system",
    "provider",
    "invocation_params",
    "llm.invocation_parameters",
    "gen_ai.usage.input_tokens",
    "gen_ai.usage.prompt_tokens",
    "gen_ai.usage.output_tokens",
    "gen_ai.usage.completion_tokens",
    "input_tokens",
    "prompt_tokens",
    "output_tokens",
    "completion_tokens",
];

/// A span that tells tokens.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// Tokens.
    pub usage: Usage,
    /// Model.
    pub model: Option<String>,
    /// Provider.
    pub provider: Option<String>,
    /// What the span says of its cost itself.
    cost: Option<Cost>,
}

impl Told {
    /// `None` if the span tells no tokens.
    pub fn of(span: &SpanRecord) -> Option<Self> {
        let facts = span.model.as_ref();
        let usage = facts.and_then(|facts| facts.usage).or_else(|| usage_of(span))?;
        let own = |own: Option<&String>, names: &[&str]| own.cloned().or_else(|| text(span, names));
        let model = own(facts.and_then(|facts| facts.model.as_ref()), &MODELS).or_else(|| model_asked_for(span));
        let provider = own(facts.and_then(|facts| facts.provider.as_ref()), &PROVIDERS);
        let cost = facts.and_then(|facts| facts.cost).map(|cost| Cost::of_dollars(cost.input, cost.output));
        Some(Self { usage, model, provider, cost: cost.or_else(|| cost_of(span)) })
    }

    /// What it cost; `None` if nobody says.
    pub fn cost(&self, prices: &PriceTable) -> Option<Cost> {
        self.cost.or_else(|| prices.cost(self.provider.as_deref(), self.model.as_deref()?, &priced_tokens(&self.usage)))
    }
}

fn usage_of(span: &SpanRecord) -> Option<Usage> {
    let object = object(span, &USAGES);
    let count = |short: &[&str], long: &[&str]| {
        let in_object = object.as_ref().and_then(|object| short.iter().find_map(|name| object.get(*name)?.as_u64()));
        in_object.or_else(|| long.iter().find_map(|name| number(span, name)))
    };
    let input = count(
        &["input_tokens", "prompt_tokens"],
        &["gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens", "input_tokens", "prompt_tokens"],
    );
    let output = count(
        &["output_tokens", "completion_tokens"],
        &["gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens", "output_tokens", "completion_tokens"],
    );
    (input.is_some() || output.is_some()).then(|| Usage {
        input: input.unwrap_or(0),
        output: output.unwrap_or(0),
        cache_read: count(&["cache_read_input_tokens"], &["gen_ai.usage.cache_read.input_tokens"]),
        cache_write: count(
            &["cache_creation_input_tokens"],
            &["gen_ai.usage.cache_write.input_tokens", "gen_ai.usage.cache_creation.input_tokens"],
        ),
        cache_write_1h: count(&["cache_creation_input_tokens_above_1hr"], &[]),
        reasoning: None,
    })
}

fn cost_of(span: &SpanRecord) -> Option<Cost> {
    let told = object(span, &COSTS)?;
    let part = |name: &str| told.get(name).and_then(Value::as_f64);
    match (part("input_cost"), part("output_cost"), part("total_cost")) {
        (None, None, None) => None,
        (None, None, Some(total)) => Some(Cost::of_dollars(total, 0.0)),
        (input, output, _) => Some(Cost::of_dollars(input.unwrap_or(0.0), output.unwrap_or(0.0))),
    }
}

fn model_asked_for(span: &SpanRecord) -> Option<String> {
    let parameters = object(span, &PARAMETERS)?;
    ["model", "model_name"].iter().find_map(|name| parameters.get(*name)?.as_str().map(str::to_owned))
}

fn text(span: &SpanRecord, names: &[&str]) -> Option<String> {
    names.iter().find_map(|name| match span.attribute(name)? {
        AttributeValue::Text(text) if !text.is_empty() => Some(text.clone()),
        _ => None,
    })
}

fn number(span: &SpanRecord, name: &str) -> Option<u64> {
    match span.attribute(name)? {
        AttributeValue::Int(number) => u64::try_from(*number).ok(),
        _ => None,
    }
}

/// An object, or the text of one.
fn object(span: &SpanRecord, names: &[&str]) -> Option<serde_json::Map<String, Value>> {
    names.iter().find_map(|name| {
        let value = match span.attribute(name)? {
            AttributeValue::Json(json) => json.to_value(),
            AttributeValue::Text(text) => serde_json::from_str(text).ok()?,
            _ => return None,
        };
        match value {
            Value::Object(object) => Some(object),
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_looks_for_the_attributes_finds_each_that_is_read_here() {
        let names = [&USAGES[..], &COSTS, &MODELS, &PROVIDERS, &PARAMETERS].concat();
        let missing: Vec<_> = names.into_iter().filter(|name| !ATTRIBUTES.contains(name)).collect();
        assert!(missing.is_empty(), "{missing:?}");
        // Each of those that tell tokens makes a span one that does.
        for name in ATTRIBUTES.iter().filter(|name| name.ends_with("_tokens")) {
            let mut span = SpanRecord::new(crate::TraceId::from_halves(1, 2), crate::SpanId::from_u64(3));
            span.attributes = vec![((*name).to_owned(), AttributeValue::Int(7))];
            assert_eq!(Told::of(&span).map(|told| told.usage.total()), Some(7), "{name}");
        }
    }
}
