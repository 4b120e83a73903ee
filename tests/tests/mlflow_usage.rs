//! Tokens of a trace, as MLflow adds them up: a span that carries usage stands for everything below it.

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::json;
use spanwright::record::{ModelFacts, SpanRecord, Usage};
use spanwright_tests::mlflow;

use crate::delivery::{Line, Trace, fresh};

const TRACES: usize = 12;

type Node = (Index, Option<(u64, u64)>);

/// A random tree below a root, some spans of which are model calls.
fn spans(trace: &Trace, nodes: &[Node]) -> Vec<SpanRecord> {
    let mut spans = vec![trace.root("flow")];
    for (number, (parent, usage)) in nodes.iter().enumerate() {
        let mut span = trace.child(&format!("step {number}"));
        span.parent_id = Some(spans[parent.index(spans.len())].span_id);
        span.model = usage.map(|(input, output)| ModelFacts {
            model: Some("gpt-4o-mini".into()),
            usage: Some(Usage { input, output, ..Usage::default() }),
            ..ModelFacts::default()
        });
        spans.push(span);
    }
    spans
}

/// Input and output tokens below and with `span`; `None` if nobody says any.
fn counted(spans: &[SpanRecord], span: &SpanRecord) -> Option<(u64, u64)> {
    let own = span.model.as_ref().and_then(|model| model.usage).map(|usage| (usage.input, usage.output));
    own.or_else(|| {
        let below = spans.iter().filter(|child| child.parent_id == Some(span.span_id));
        below.filter_map(|child| counted(spans, child)).reduce(|a, b| (a.0 + b.0, a.1 + b.1))
    })
}

#[test]
fn the_server_counts_the_tokens_of_any_tree_as_we_do() {
    let server = mlflow::shared();
    let line = Line::to(server.uri(), &fresh("usage"));
    let usage = prop::option::weighted(0.4, (1u64..1000, 1u64..1000));
    let nodes = prop::collection::vec((any::<Index>(), usage), 1..12);
    // The same trees each time.
    let mut runner = TestRunner::deterministic();
    let made: Vec<_> = (0..TRACES)
        .map(|_| {
            let trace = Trace::new();
            let spans = spans(&trace, &nodes.new_tree(&mut runner).expect("a tree").current());
            (trace, spans)
        })
        .collect();
    made.iter().for_each(|(_, spans)| line.put(spans));
    assert_eq!(line.flush().pending, 0, "{:?}", line.said());
    let mut with_model_below_model = 0;
    for (trace, spans) in &made {
        let read = server.trace(&trace.mlflow_id()).expect("the trace");
        let expected = match counted(spans, &spans[0]) {
            Some((input, output)) => json!([input, output, input + output]),
            None => json!([null, null, null]),
        };
        let usage = ["input_tokens", "output_tokens", "total_tokens"].map(|key| read["usage"][key].clone());
        assert_eq!(json!(usage), expected, "{spans:#?}");
        let all: u64 = spans.iter().filter_map(|span| span.model.as_ref()?.usage).map(|usage| usage.total()).sum();
        with_model_below_model += usize::from(json!(all) != expected[2] && all > 0);
    }
    assert!(with_model_below_model > 0, "the rule makes a difference in none of them");
}
