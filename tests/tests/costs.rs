//! What a run cost and may cost, as its program asks for it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::process::Output;

use serde_json::Value;
use spanwright::record::Usage;
use spanwright::testing::Recording;
use spanwright::{Budget, ModelOutcome, llm, node, workflow};
use tempfile::TempDir;

use crate::degradation::{agent, run, said, stdout};

struct Reply(u64);

impl ModelOutcome for Reply {
    fn model(&self) -> Option<Cow<'_, str>> {
        Some("gpt-4o".into())
    }

    fn usage(&self) -> Option<Usage> {
        Some(Usage { input: self.0, ..Usage::default() })
    }
}

#[llm]
fn ask(tokens: u64) -> Reply {
    Reply(tokens)
}

/// The summaries a program printed, by the number of their workflow.
fn summaries(output: &Output) -> BTreeMap<u64, Value> {
    let text = stdout(output);
    let line = |line: &str| {
        let (number, json) = line.split_once(' ')?;
        Some((number.parse().ok()?, serde_json::from_str(json).ok()?))
    };
    text.lines().filter_map(line).collect()
}

/// A2-09, A2-14
#[test]
fn each_of_many_workflows_at_once_is_summed_up_by_itself_as_soon_as_it_has_returned() {
    let folder = TempDir::new().expect("a folder");
    let output = run(&mut agent(folder.path(), &["price", "8"]));
    let summaries = summaries(&output);
    assert_eq!(summaries.len(), 8, "{} {}", stdout(&output), String::from_utf8_lossy(&output.stderr));
    for (number, summary) in summaries {
        assert_eq!(summary["workflow_name"], "priced");
        assert_eq!(summary["workflow_version"], "7");
        let input = 1_000 * number + 1 + number;
        assert_eq!(summary["total_tokens"]["input_tokens"], input);
        assert_eq!(summary["total_tokens"]["output_tokens"], 11 + number);
        let consulted = &summary["node_breakdown"]["consult"];
        assert_eq!(consulted["calls"], 3);
        assert!(consulted["duration_ms"].as_f64().is_some_and(|took| took >= 0.0));
        // Millionths of a dollar a token.
        let large = (1_000 * number + 1) as f64 * 2.5 + 11.0 * 10.0;
        let small = number as f64 * (0.15 + 0.6);
        let cost = summary["total_cost_usd"].as_f64().expect("priced");
        assert!((cost - (large + small) / 1e6).abs() < 1e-9, "{summary:#}");
        assert_eq!(summary["by_model"]["gpt-4o-mini"]["tokens"]["total_tokens"], 2 * number);
        assert_eq!(summary["by_provider"]["openai"]["calls"], 3);
    }
}

#[test]
fn a_summary_is_there_after_tracing_has_ended_and_follows_the_users_own_prices() {
    let folder = TempDir::new().expect("a folder");
    std::fs::write(
        folder.path().join("prices.toml"),
        "[providers.openai.models]\n\"gpt-4o-mini\" = { input = 1000000, output = 0 }\n",
    )
    .expect("a file");
    let output = run(agent(folder.path(), &["price-late"]).env("SPANWRIGHT_PRICES", "prices.toml"));
    let summary: Value = serde_json::from_str(&stdout(&output)).expect("a summary");
    assert_eq!(summary["by_model"]["gpt-4o-mini"]["cost_usd"], 3.0, "{summary:#}");

    std::fs::write(folder.path().join("prices.toml"), "[providers.openai.models]\n\"gpt-4o\" = 5\n").expect("a file");
    let output = run(agent(folder.path(), &["steps", "1"]).env("SPANWRIGHT_PRICES", "prices.toml"));
    let said = said(&output);
    assert!(output.status.success() && said.len() == 1, "{said:?}");
    assert!(said[0].contains("line 2") && said[0].contains("the built-in prices hold"), "{said:?}");
}

#[test]
fn a_budget_says_so_once_and_stops_only_who_asks() {
    let folder = TempDir::new().expect("a folder");
    let output = run(&mut agent(folder.path(), &["frugal", "3"]));
    assert_eq!((stdout(&output).as_str(), said(&output)), ("done 3\n", vec![]), "84 % is no warning");
    let output = run(&mut agent(folder.path(), &["frugal", "20"]));
    assert!(
        stdout(&output).starts_with("stopped: ") && stdout(&output).contains("0.014000 of 0.012500 US dollars"),
        "{}",
        stdout(&output)
    );
    let said = said(&output);
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].contains("`frugal_workflow`") && said[0].contains("Budget::check"), "{said:?}");
}

/// Names of the events of the span of this name, in order.
fn events(recording: &Recording, name: &str) -> Vec<String> {
    let spans = recording.spans();
    let span = spans.iter().find(|span| span.name == name).expect("it is recorded");
    span.events.iter().map(|event| event.name.clone()).collect()
}

#[test]
fn a_budget_is_of_the_execution_whoever_below_it_spends_and_wherever() {
    #[workflow(budget_tokens = 1_000)]
    fn outer_workflow() -> (bool, Option<u64>) {
        assert_eq!(Budget::current().and_then(|budget| budget.remaining_tokens()), Some(1_000));
        std::thread::scope(|scope| {
            let context = spanwright::Context::current();
            scope.spawn(move || context.run(|| ask(500).0));
        });
        inner_workflow();
        let left = Budget::current().expect("a budget").remaining_tokens();
        step();
        (Budget::check().is_err(), left)
    }

    // It belongs to the execution it is in, whose budget holds.
    #[workflow(budget_tokens = 1)]
    fn inner_workflow() {
        ask(300);
    }

    #[node]
    fn step() {
        ask(200);
        ask(200);
    }

    let recording = Recording::new();
    assert_eq!(recording.run(outer_workflow), (true, Some(200)));
    assert_eq!(events(&recording, "outer_workflow"), ["budget.near", "budget.exceeded"]);
    assert_eq!(events(&recording, "inner_workflow"), Vec::<String>::new());
    assert!(Budget::current().is_none() && Budget::check().is_ok(), "outside of any");

    let spans = recording.spans();
    let root = spans.iter().find(|span| span.parent_id.is_none()).expect("a root");
    let tokens = root.events[0].attributes.iter().find(|(key, _)| key == "tokens").map(|(_, value)| value.clone());
    assert_eq!(tokens, Some(spanwright::record::AttributeValue::Int(800)));
}

#[test]
fn a_budget_in_dollars_prices_calls_by_what_they_say_of_their_model() {
    #[llm(model = "gpt-4o-mini", provider = "openai")]
    fn ask_unnamed(tokens: u64) -> Unnamed {
        Unnamed(tokens)
    }

    struct Unnamed(u64);

    impl ModelOutcome for Unnamed {
        fn usage(&self) -> Option<Usage> {
            Some(Usage { input: self.0, ..Usage::default() })
        }
    }

    #[workflow(budget_usd = 1)]
    fn spending_workflow() -> f64 {
        ask(1_000_000);
        let after_one = Budget::current().expect("a budget").spent_usd();
        assert_eq!(after_one, 2.5);
        ask_unnamed(1_000_000);
        Budget::current().expect("a budget").spent_usd()
    }

    let recording = Recording::new();
    assert_eq!(recording.run(spending_workflow), 2.65);
}
