//! What a trace is said to have used, against what MLflow counts: a span that carries usage stands for everything below it.

use proptest::prelude::*;
use proptest::sample::Index;

use super::traces::total_usage;
use crate::id::{SpanId, TraceId};
use crate::record::{ModelFacts, SpanRecord, Usage};

type Node = (Index, Option<(u64, u64, Option<u64>)>);

fn spans(nodes: &[Node]) -> Vec<SpanRecord> {
    let id = |place: usize| SpanId::from_u64(place as u64 + 1);
    let span = |(place, (parent, usage)): (usize, &Node)| SpanRecord {
        parent_id: (place > 0).then(|| id(parent.index(place))),
        model: usage.map(|(input, output, cache_read)| ModelFacts {
            usage: Some(Usage { input, output, cache_read, ..Usage::default() }),
            ..ModelFacts::default()
        }),
        ..SpanRecord::new(TraceId::from_halves(1, 1), id(place))
    };
    nodes.iter().enumerate().map(span).collect()
}

fn usage_of(span: &SpanRecord) -> Option<Usage> {
    span.model.as_ref().and_then(|model| model.usage)
}

/// By MLflow's rule, from the root down.
fn counted(spans: &[SpanRecord], span: &SpanRecord) -> Vec<Usage> {
    match usage_of(span) {
        Some(usage) => vec![usage],
        None => {
            let below = spans.iter().filter(|child| child.parent_id == Some(span.span_id));
            below.flat_map(|child| counted(spans, child)).collect()
        }
    }
}

fn sums(usages: &[Usage]) -> (u64, u64, u64) {
    let sum = |of: fn(&Usage) -> u64| usages.iter().map(of).sum();
    (sum(|usage| usage.input), sum(|usage| usage.output), sum(|usage| usage.cache_read.unwrap_or(0)))
}

fn node() -> impl Strategy<Value = Node> {
    let usage = (0u64..1000, 0u64..1000, prop::option::of(0u64..1000));
    (any::<Index>(), prop::option::weighted(0.4, usage))
}

proptest! {
    #[test]
    fn the_total_of_a_trace_is_the_sum_by_the_rule_that_ancestors_win(
        nodes in prop::collection::vec(node(), 1..24),
        middle in any::<Index>(),
    ) {
        let mut spans = spans(&nodes);
        let counted = counted(&spans, &spans[0]);
        let middle = middle.index(spans.len());
        spans.rotate_left(middle);
        let total = total_usage(&spans);
        prop_assert_eq!(total.is_some(), !counted.is_empty());
        prop_assert_eq!(sums(&total.into_iter().collect::<Vec<_>>()), sums(&counted));
    }

    #[test]
    fn the_total_of_a_trace_whose_leaves_alone_call_models_is_the_sum_of_its_leaves(
        mut nodes in prop::collection::vec(node(), 1..24),
    ) {
        let parents: Vec<_> = nodes.iter().enumerate().skip(1).map(|(place, (parent, _))| parent.index(place)).collect();
        for parent in parents {
            nodes[parent].1 = None;
        }
        let spans = spans(&nodes);
        let leaves: Vec<_> = spans.iter().filter_map(usage_of).collect();
        let total = total_usage(&spans);
        prop_assert_eq!(sums(&total.into_iter().collect::<Vec<_>>()), sums(&leaves));
    }
}
