//! Each rule of a contract, broken and kept.

use insta::assert_snapshot;

use super::*;
use crate::contract::{DeclaredAttribute, DeclaredSpan};
use crate::id::{SpanId, TraceId};
use crate::record::{AttributeValue, Ending, Json, Source};

const fn attribute(key: &'static str, ty: &'static str) -> DeclaredAttribute {
    DeclaredAttribute { key, ty }
}

const PLAIN: DeclaredSpan =
    DeclaredSpan { id: "", name: "", kind: "node", span_type: "CHAIN", parents: None, leaf: false, attributes: &[] };

const HOME: Contract = Contract {
    spans: &[
        &DeclaredSpan {
            id: "home.workflow.optimize",
            name: "optimize",
            kind: "workflow",
            parents: Some(&[""]),
            attributes: &[attribute("days", "int")],
            ..PLAIN
        },
        &DeclaredSpan {
            id: "home.node.collect",
            name: "collect",
            parents: Some(&["home.workflow.optimize", "other.node.plan"]),
            attributes: &[attribute("entity_count", "int"), attribute("rooms", "string[]")],
            ..PLAIN
        },
        &DeclaredSpan { id: "home.tool.look", name: "look", kind: "tool", leaf: true, ..PLAIN },
        &DeclaredSpan { id: "home.sandbox", name: "sandbox.execute", kind: "sandbox", parents: Some(&[]), ..PLAIN },
    ],
};

const OTHER: Contract =
    Contract { spans: &[&DeclaredSpan { id: "other.node.plan", name: "plan", parents: Some(&[""]), ..PLAIN }] };

/// Span `n` of a trace, as the declared span of this id or as none.
fn span(n: u64, parent: u64, name: &str, id: &str, attributes: &[(&str, AttributeValue)]) -> SpanRecord {
    let declared = HOME.spans.iter().chain(OTHER.spans).find(|declared| declared.id == id);
    SpanRecord {
        parent_id: (parent > 0).then(|| SpanId::from_u64(parent)),
        name: name.into(),
        span_type: "CHAIN".into(),
        kind: declared.map_or("node", |declared| declared.kind).into(),
        declared: (!id.is_empty()).then(|| id.into()),
        source: Source { function: name.replace('.', "_"), file: "src/home.rs".into(), line: 10 * n as u32 },
        start_unix_ns: n,
        attributes: attributes.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect(),
        ..SpanRecord::new(TraceId::from_halves(1, 1), SpanId::from_u64(n))
    }
}

fn kept() -> Vec<SpanRecord> {
    let rooms = AttributeValue::Json(Json::parse(r#"["hall"]"#.into()).expect("JSON"));
    vec![
        span(1, 0, "optimize", "home.workflow.optimize", &[("days", AttributeValue::Int(7))]),
        span(2, 1, "collect", "home.node.collect", &[("entity_count", AttributeValue::Int(3)), ("rooms", rooms)]),
        span(3, 2, "look", "home.tool.look", &[("stream.items", AttributeValue::Int(1))]),
        span(4, 0, "plan", "other.node.plan", &[]),
        span(5, 4, "collect", "home.node.collect", &[]),
        span(6, 0, "look", "home.tool.look", &[]),
        // Where it stands is not known: its parent has not ended.
        span(7, 99, "sandbox.execute", "home.sandbox", &[("sandbox.exit_code", AttributeValue::Int(1))]),
    ]
}

fn message(recorded: &[SpanRecord], contracts: &[Contract]) -> String {
    let failed = std::panic::catch_unwind(|| check_contract(recorded, contracts)).expect_err("it is broken");
    crate::contain::message(&*failed).to_owned()
}

#[test]
fn what_is_as_declared_passes_in_any_order_and_though_a_contract_comes_twice() {
    let mut spans = kept();
    crate::assert_contract!(spans, HOME, OTHER);
    spans.reverse();
    crate::assert_contract!(&spans[..], OTHER, HOME, HOME);
    // Nothing recorded breaks nothing.
    crate::assert_contract!(Recording::new(), HOME);
}

/// The rules broken by `kept()` after a change.
fn rules(change: impl FnOnce(&mut Vec<SpanRecord>)) -> Vec<(Rule, u64)> {
    let mut spans = kept();
    change(&mut spans);
    let violations = contract_violations(&spans, &[HOME, OTHER]);
    violations.iter().map(|violation| (violation.rule, violation.span.expect("a span").1.to_u64())).collect()
}

#[test]
fn each_rule_is_broken_by_itself() {
    let text = || AttributeValue::Text("3".into());
    assert_eq!(rules(|_| ()), []);
    assert_eq!(rules(|spans| spans[2].declared = None), [(Rule::DeclaredSpan, 3)]);
    assert_eq!(rules(|spans| spans[2].declared = Some("home.tool.Look".into())), [(Rule::DeclaredSpan, 3)]);
    assert_eq!(rules(|spans| spans[2].kind = "llm".into()), [(Rule::Kind, 3)]);
    assert_eq!(rules(|spans| spans[4].parent_id = None), [(Rule::Parent, 5)]);
    assert_eq!(rules(|spans| spans[4].parent_id = Some(SpanId::from_u64(2))), [(Rule::Parent, 5)]);
    assert_eq!(rules(|spans| spans[6].parent_id = None), [(Rule::Parent, 7)]);
    assert_eq!(rules(|spans| spans[5].parent_id = Some(SpanId::from_u64(3))), [(Rule::Leaf, 6)]);
    assert_eq!(rules(|spans| spans[0].attributes.push(("dais".into(), text()))), [(Rule::DeclaredAttribute, 1)]);
    assert_eq!(rules(|spans| spans[0].attributes[0].1 = text()), [(Rule::Type, 1)]);
    assert_eq!(
        rules(|spans| spans[0].attributes.push(("sandbox.policy".into(), text()))),
        [(Rule::DeclaredAttribute, 1)]
    );
}

#[test]
fn a_span_between_two_declared_ones_is_the_only_violation() {
    assert_eq!(
        rules(|spans| {
            spans.push(span(8, 1, "between", "", &[]));
            spans[1].parent_id = Some(SpanId::from_u64(8));
        }),
        [(Rule::DeclaredSpan, 8)]
    );
    // But it does not make a root of what stands under it.
    assert_eq!(
        rules(|spans| {
            spans.push(span(8, 0, "above", "", &[]));
            spans[3].parent_id = Some(SpanId::from_u64(8));
        }),
        [(Rule::DeclaredSpan, 8), (Rule::Parent, 4)]
    );
}

#[test]
fn spans_whose_parents_form_a_circle_are_compared_and_the_comparison_ends() {
    let found = rules(|spans| {
        spans.push(span(8, 9, "a", "", &[]));
        spans.push(span(9, 8, "b", "", &[]));
        spans.push(span(10, 8, "collect", "home.node.collect", &[]));
    });
    assert_eq!(found, [(Rule::DeclaredSpan, 8), (Rule::DeclaredSpan, 9)]);
}

#[test]
fn one_id_in_two_contracts_is_said_though_nothing_was_recorded() {
    const AGAIN: Contract =
        Contract { spans: &[&DeclaredSpan { id: "home.tool.look", name: "stare", kind: "tool", leaf: true, ..PLAIN }] };
    assert_snapshot!(message(&[], &[HOME, AGAIN]), @"
    the recorded spans are not as their contract says in one place (- expected, + recorded, ✗ where):
      - one declaration with the id `home.tool.look`
      + `home.tool.look` is the id of both `look` and `stare`
        = give one of them another `id`
    ");
}

#[test]
fn the_message_shows_the_tree_and_what_to_do_at_each_place() {
    let text = AttributeValue::Text("many".into());
    let spans = vec![
        span(1, 0, "optimize", "home.workflow.optimize", &[("days", AttributeValue::Int(7))]),
        span(2, 1, "collect", "home.node.collect", &[("entity_cuont", text.clone()), ("rooms", text.clone())]),
        span(3, 2, "raw_query", "", &[]),
        span(4, 1, "look", "home.tool.look", &[("zzz", text)]),
        SpanRecord { ending: Ending::Panic, ..span(5, 4, "collect", "home.node.collect", &[]) },
        SpanRecord { kind: "llm".into(), ..span(6, 1, "plan", "other.node.plan", &[]) },
    ];
    assert_snapshot!(message(&spans, &[HOME, OTHER]), @"
    the recorded spans are not as their contract says in 8 places (- expected, + recorded, ✗ where):
        optimize [CHAIN]
      ✗   collect [CHAIN]
      -     one of `entity_count`, `rooms`
      +     attribute `entity_cuont`
            = fn `collect` at src/home.rs:20: did you mean `entity_count`? set it by its typed setter
      -     attribute `rooms` of type `string[]`
      +     attribute `rooms` of type `string`
            = fn `collect` at src/home.rs:20: set it by its typed setter, or change its declared type
      ✗     raw_query [CHAIN]
      -       a span of the contract
      +       a span that is tied to no declaration
              = fn `raw_query` at src/home.rs:30: declare it in `spans!` and tie it to its declaration by `span = …`, or take its attribute off
      ✗   look [CHAIN]
      -     no attribute: `home.tool.look` declares none
      +     attribute `zzz`
            = fn `look` at src/home.rs:40: declare `zzz` on `home.tool.look`, or do not set it
      ✗     collect [CHAIN] ERROR
      -       nothing under `look` (`home.tool.look`), which is declared a leaf
      +       under `look`
              = fn `collect` at src/home.rs:50: take `leaf` off the declaration of `home.tool.look`, or make this call elsewhere
      -       under `optimize` (`home.workflow.optimize`) or under `plan` (`other.node.plan`)
      +       under `look` (`home.tool.look`)
              = fn `collect` at src/home.rs:50: call it where it is declared to stand, or add the item of `home.tool.look` to `parents(…)` of `home.node.collect`
      ✗   plan [CHAIN]
      -     a span made by `#[node]`, as `other.node.plan` is declared
      +     a span made by `#[llm]`
            = fn `plan` at src/home.rs:60: annotate it with `#[node]`, or change the kind of the declaration
      -     as the root of a trace
      +     under `optimize` (`home.workflow.optimize`)
            = fn `plan` at src/home.rs:60: call it where it is declared to stand, or add the item of `home.workflow.optimize` to `parents(…)` of `other.node.plan`
    ");
    assert_snapshot!(contract_violations(&spans, &[HOME, OTHER])[0], @"`collect`: attribute `entity_cuont`, expected one of `entity_count`, `rooms`; fn `collect` at src/home.rs:20: did you mean `entity_count`? set it by its typed setter");
    // Without the contract it is declared in, a span is declared elsewhere.
    assert_snapshot!(message(&spans[5..], &[HOME]), @"
    the recorded spans are not as their contract says in one place (- expected, + recorded, ✗ where):
        (parent not recorded)
      ✗   plan [CHAIN]
      -     a span of the contract
      +     a span declared elsewhere, as `other.node.plan`
            = fn `plan` at src/home.rs:60: give the `CONTRACT` it is declared in to this assertion too
    ");
}
