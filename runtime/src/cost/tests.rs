//! Sums over trees made by hand.

use super::*;
use crate::id::SpanId;
use crate::record::{AttributeValue, Json, ModelCallCost, ModelFacts, SpanRecord, Usage};

fn span(id: u64, parent: u64, name: &str) -> SpanRecord {
    SpanRecord {
        name: name.to_owned(),
        parent_id: (parent != 0).then(|| SpanId::from_u64(parent)),
        end_unix_ns: id * 1_000_000,
        ..SpanRecord::new(TraceId::from_halves(7, 7), SpanId::from_u64(id))
    }
}

fn call(id: u64, parent: u64, name: &str, model: &str, input: u64, output: u64) -> SpanRecord {
    let usage = Some(Usage { input, output, ..Usage::default() });
    let (model, provider) = (Some(model.to_owned()), Some("openai".to_owned()));
    let model = Some(ModelFacts { model, provider, usage, ..ModelFacts::default() });
    SpanRecord { model, span_type: "LLM".into(), kind: "llm".into(), ..span(id, parent, name) }
}

fn sum(spans: &[SpanRecord]) -> CostSummary {
    CostSummary::of(spans, PriceTable::builtin()).expect("a trace")
}

#[test]
fn spans_of_one_name_are_one_entry_and_the_total_is_the_sum() {
    let spans = [
        span(1, 0, "travel_workflow"),
        call(2, 1, "ask", "gpt-4o", 1_000, 100),
        call(3, 1, "ask", "gpt-4o", 2_000, 50),
        call(4, 1, "check", "gpt-4o-mini", 10_001, 3),
    ];
    let summary = sum(&spans);
    assert_eq!((summary.total_tokens.total_tokens, summary.total_tokens.input_tokens), (13_154, 13_001));
    let ask = &summary.node_breakdown["ask"];
    assert_eq!((ask.figures.calls, ask.figures.tokens.total_tokens, ask.duration_ms), (2, 3_150, 5.0));
    assert_eq!(ask.figures.cost_usd, Some(0.009));
    assert_eq!(summary.total_cost_usd, Some(0.009 + 0.00150195));
    assert_eq!(summary.by_provider["openai"].calls, 3);
    assert_eq!(summary.by_provider["openai"].total_cost_usd, summary.total_cost_usd);
    assert_eq!(summary.by_model["gpt-4o-mini"].figures.tokens.output_tokens, 3);
    assert_eq!(summary.by_caller["travel_workflow"].calls, 3);
    assert_eq!((summary.workflow_name.as_str(), summary.workflow_version.as_str()), ("travel_workflow", "unversioned"));
}

#[test]
fn a_model_nobody_has_a_price_of_leaves_its_cost_open_and_everything_else_as_it_is() {
    let spans = [
        span(1, 0, "w"),
        call(2, 1, "ask", "gpt-4o", 1_000, 100),
        call(3, 1, "guess", "tomorrow-1", 5, 6),
        call(4, 1, "guess", "gpt-4o-mini", 1_000_000, 0),
    ];
    let summary = sum(&spans);
    assert_eq!(summary.unpriced_models, ["tomorrow-1"]);
    assert_eq!(summary.by_model["tomorrow-1"].figures.cost_usd, None);
    assert_eq!(summary.node_breakdown["guess"].figures.unpriced_calls, 1);
    assert_eq!(summary.node_breakdown["guess"].figures.cost_usd, Some(0.15));
    assert_eq!(summary.total_cost_usd, Some(0.1535));
    assert_eq!(summary.total_tokens.total_tokens, 1_001_111);
    assert_eq!(sum(&[call(1, 0, "guess", "tomorrow-1", 5, 6)]).total_cost_usd, None);
}

#[test]
fn what_a_parent_repeats_of_its_children_counts_once_however_far_it_is_above() {
    let mut agent = call(2, 1, "agent", "gpt-4o", 300, 30);
    (agent.span_type, agent.kind) = ("AGENT".into(), "agent".into());
    let spans = [
        span(1, 0, "w"),
        agent,
        span(3, 2, "step"),
        call(4, 3, "ask", "gpt-4o", 100, 10),
        call(5, 3, "ask", "gpt-4o", 200, 20),
        call(6, 1, "alone", "gpt-4o", 7, 7),
    ];
    let summary = sum(&spans);
    assert_eq!(summary.total_tokens.total_tokens, 344);
    assert!(!summary.node_breakdown.contains_key("agent"));
    assert_eq!(summary.by_caller["step"].calls, 2);
    assert_eq!(summary.node_count, 2, "the agent and the step");
}

#[test]
fn tokens_count_in_whichever_words_they_are_told() {
    let json = |text: &str| AttributeValue::Json(Json::parse(text.to_owned()).expect("json"));
    let text = |text: &str| AttributeValue::Text(text.to_owned());
    let told: [&[(&str, AttributeValue)]; 5] = [
        &[
            ("mlflow.chat.tokenUsage", json(r#"{"input_tokens":1000,"output_tokens":100,"total_tokens":1100}"#)),
            ("mlflow.llm.model", text("gpt-4o")),
            ("mlflow.llm.provider", text("openai")),
        ],
        &[
            ("mlflow.chat.tokenUsage", text(r#"{"prompt_tokens":1000,"completion_tokens":100}"#)),
            ("ai.model.name", text("gpt-4o")),
        ],
        &[
            ("gen_ai.usage.input_tokens", AttributeValue::Int(1000)),
            ("gen_ai.usage.output_tokens", AttributeValue::Int(100)),
            ("gen_ai.request.model", text("gpt-4o")),
        ],
        &[
            ("prompt_tokens", AttributeValue::Int(1000)),
            ("completion_tokens", AttributeValue::Int(100)),
            ("invocation_params", json(r#"{"model":"gpt-4o","temperature":0}"#)),
        ],
        &[
            ("mlflow.chat.tokenUsage", json(r#"{"input_tokens":1000,"output_tokens":100}"#)),
            ("mlflow.llm.cost", json(r#"{"input_cost":0.0025,"output_cost":0.001}"#)),
        ],
    ];
    for attributes in told {
        let attributes = attributes.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
        let summary = sum(&[SpanRecord { attributes, ..span(1, 0, "ask") }]);
        assert_eq!(summary.total_tokens.total_tokens, 1_100, "{summary:?}");
        assert_eq!(summary.total_cost_usd, Some(0.0035), "{summary:?}");
    }
}

#[test]
fn what_a_call_says_it_cost_counts_before_any_price() {
    let mut told = call(1, 0, "ask", "gpt-4o", 1_000, 100);
    told.model.as_mut().expect("facts").cost = Some(ModelCallCost { input: 0.5, output: 0.25 });
    assert_eq!(sum(&[told]).total_cost_usd, Some(0.75));
}

#[test]
fn each_class_of_cached_tokens_is_priced_as_what_it_is() {
    let mut told = call(1, 0, "ask", "claude-sonnet-4-5-20250929", 1_000_000, 0);
    let facts = told.model.as_mut().expect("facts");
    facts.provider = Some("anthropic".to_owned());
    let usage = facts.usage.as_mut().expect("usage");
    (usage.cache_read, usage.cache_write, usage.cache_write_1h) = (Some(500_000), Some(300_000), Some(100_000));
    // 0.2 M at 3, 0.5 M at 0.3, 0.2 M at 3.75, 0.1 M at 6.
    assert_eq!(sum(&[told]).total_cost_usd, Some(2.1));
}

#[test]
fn a_summary_reads_back_from_what_it_is_written_as() {
    let summary = sum(&[span(1, 0, "w"), call(2, 1, "ask", "gpt-4o", 1_000, 100)]);
    let written = serde_json::to_value(&summary).expect("json");
    assert_eq!(written["trace_id"], "tr-00000000000000070000000000000007");
    assert_eq!(written["node_breakdown"]["ask"]["calls"], 1);
    let read: CostSummary = serde_json::from_value(written).expect("it reads back");
    assert_eq!((read.total_cost_usd, read.total_tokens), (summary.total_cost_usd, summary.total_tokens));
}

#[test]
fn a_circle_of_parents_is_walked_once() {
    let spans = [call(1, 2, "a", "gpt-4o", 1, 1), call(2, 1, "b", "gpt-4o", 1, 1)];
    assert_eq!(sum(&spans).total_tokens.total_tokens, 0, "each is above the other");
}

#[test]
fn a_trace_that_is_not_stored_is_an_error_that_says_what_to_do() {
    let store = Store::in_memory().expect("a store");
    let error = CostSummary::of_stored(&store, TraceId::from_halves(1, 2), PriceTable::builtin()).expect_err("none");
    assert!(error.is_state() && error.to_string().contains("flush"), "{error}");
}
