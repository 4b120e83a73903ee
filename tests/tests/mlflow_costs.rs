//! What a trace cost, at a real server: what its own client reads is what our summary says.

use std::path::Path;

use serde_json::{Value, json as value};
use spanwright::config::ArtifactLevel;
use spanwright::cost::{CostSummary, prices::PriceTable};
use spanwright::export::Client;
use spanwright::record::{ModelFacts, RunRequest, SpanRecord, Usage};
use spanwright_tests::faults::{Act, Faulty};
use spanwright_tests::mlflow::{self, Server};

use crate::degradation::{agent, run, stdout};
use crate::delivery::{Line, Trace, config, fresh};

fn call(trace: &Trace, name: &str, provider: &str, model: &str, usage: Usage) -> SpanRecord {
    let mut call = trace.child(name);
    (call.span_type, call.kind) = ("LLM".into(), "llm".into());
    call.model = Some(ModelFacts {
        model: Some(model.to_owned()),
        provider: Some(provider.to_owned()),
        usage: Some(usage),
        ..ModelFacts::default()
    });
    call
}

/// A workflow that asked many models, one of which nobody knows.
fn costly(trace: &Trace) -> Vec<SpanRecord> {
    let plain = |input, output| Usage { input, output, ..Usage::default() };
    let cached = Usage { cache_read: Some(40_001), ..plain(50_003, 77) };
    let written =
        Usage { cache_read: Some(11_008), cache_write: Some(5_121), cache_write_1h: Some(1_000), ..plain(17_000, 97) };
    vec![
        call(trace, "ask", "openai", "gpt-4o-2024-08-06", plain(1_234, 567)),
        call(trace, "ask", "openai", "gpt-4o-mini", cached),
        call(trace, "think", "anthropic", "claude-sonnet-4-5-20250929", written),
        call(trace, "draw", "gemini", "gemini-2.5-flash", plain(333, 4_444)),
        call(trace, "guess", "openai", "tomorrow-1", plain(10, 20)),
        trace.root("costly_workflow"),
    ]
}

fn summary_of(line: &Line, trace: &Trace) -> CostSummary {
    CostSummary::of_stored(&line.store, trace.id, PriceTable::builtin()).expect("a summary")
}

fn assessment<'a>(trace: &'a Value, name: &str) -> Option<&'a Value> {
    let all = trace["assessments"].as_array().expect("a list");
    assert!(all.iter().filter(|one| one["assessment_name"] == name).count() <= 1, "each is there once");
    all.iter().find(|one| one["assessment_name"] == name)
}

fn read(server: &Server, trace: &Trace) -> Value {
    server.trace(&trace.mlflow_id()).expect("the trace is there")
}

/// A2-12, A2-17
#[test]
fn the_summary_of_a_trace_is_what_the_servers_own_client_reports() {
    let server = mlflow::shared();
    let line = Line::to(server.uri(), &fresh("costs"));
    let trace = Trace::new();
    line.deliver(&costly(&trace));
    let summary = summary_of(&line, &trace);
    assert_eq!(summary.unpriced_models, ["tomorrow-1"]);

    let read = read(server, &trace);
    let tokens = &summary.total_tokens;
    assert_eq!(
        read["usage"],
        value!({
            "input_tokens": tokens.input_tokens, "output_tokens": tokens.output_tokens, "total_tokens": tokens.total_tokens,
            "cache_read_input_tokens": tokens.cache_read_input_tokens,
            "cache_creation_input_tokens": tokens.cache_creation_input_tokens,
            "cache_creation_input_tokens_above_1hr": tokens.cache_creation_input_tokens_above_1hr,
        }),
    );
    let theirs: Value =
        serde_json::from_str(read["metadata"]["mlflow.trace.cost"].as_str().expect("a cost")).expect("json");
    let (theirs, ours) = (theirs["total_cost"].as_f64().expect("a number"), summary.total_cost_usd.expect("priced"));
    assert!((theirs - ours).abs() < 5e-7, "{theirs} and {ours}");

    let said = assessment(&read, "cost_usd").expect("it is said");
    assert_eq!(said["feedback"]["value"], ours);
    assert_eq!(said["source"], value!({"source_type": "CODE", "source_id": "cost_estimator"}));
    assert!(said["rationale"].as_str().is_some_and(|why| why.contains("tomorrow-1")), "{said:#}");
    let said = assessment(&read, "total_tokens").expect("it is said");
    assert_eq!(said["feedback"]["value"].as_f64(), Some(tokens.total_tokens as f64));

    let file = server.trace_file(&trace.mlflow_id(), "cost_summary.json").expect("a file");
    let file: CostSummary = serde_json::from_value(file).expect("a summary");
    assert_eq!((file.total_cost_usd, file.total_tokens), (summary.total_cost_usd, summary.total_tokens));
    assert_eq!(file.node_breakdown["ask"].figures.calls, 2);

    let figures = Client::connect(&line.config).expect("a client").figures(trace.id).expect("figures");
    assert_eq!(figures.total_tokens, Some(tokens.total_tokens));
    assert!(figures.total_cost_usd.is_some_and(|cost| (cost - theirs).abs() < 1e-12));
}

#[test]
fn what_a_trace_cost_is_a_file_by_level_and_a_metric_of_its_run() {
    let server = mlflow::shared();
    for (level, writes) in [(Some(ArtifactLevel::Minimal), true), (None, false)] {
        let experiment = fresh("costs of a run");
        let line = Line::with(config(server.uri(), &experiment, |overrides| {
            overrides.artifact_level = level;
            overrides.log_artifacts = level.is_none().then_some(false);
        }));
        let trace = Trace::new();
        let mut spans = costly(&trace);
        let root = spans.last_mut().expect("a root");
        root.workflow.as_mut().expect("facts").opens_run = Some(RunRequest::default());
        line.deliver(&spans);
        let summary = summary_of(&line, &trace);

        let metrics = &server.runs(&experiment)[0]["metrics"];
        let near = |name: &str, ours: f64| {
            let theirs = metrics[name].as_f64().unwrap_or_else(|| panic!("no {name} in {metrics:#}"));
            assert!((theirs - ours).abs() < 1e-9, "{name}: {theirs} and {ours}");
        };
        near("total_cost_usd", summary.total_cost_usd.expect("priced"));
        near("total_tokens", summary.total_tokens.total_tokens as f64);
        near("prompt_tokens", summary.total_tokens.input_tokens as f64);
        near("completion_tokens", summary.total_tokens.output_tokens as f64);
        near("node_count", 0.0);
        near("provider_openai_calls", 3.0);
        near("provider_gemini_output_tokens", 4_444.0);
        near("provider_anthropic_cost_usd", summary.by_provider["anthropic"].total_cost_usd.expect("priced"));

        let read = read(server, &trace);
        assert!(assessment(&read, "cost_usd").is_some(), "metrics and assessments are there at any level");
        assert_eq!(server.trace_file(&trace.mlflow_id(), "cost_summary.json").is_some(), writes);
    }
}

#[test]
fn what_is_delivered_twice_is_said_once_and_a_trace_without_models_says_nothing() {
    let server = mlflow::shared();
    let mut line = Line::idle(config(server.uri(), &fresh("costs once"), |_| {}));
    let (trace, silent) = (Trace::new(), Trace::new());
    line.put(&costly(&trace));
    line.put(&[silent.child("step"), silent.root("silent_workflow")]);
    line.start();
    assert_eq!(line.flush().pending, 0, "{:?}", line.said());
    let client = Client::connect(&line.config).expect("a client");
    let pushed = client.push(&line.store, spanwright::store::Adopt::All, |_| {}).expect("pushed");
    assert_eq!(pushed.pending, 0);
    let again = Line::to(server.uri(), "");
    again.store.keep_assessments(&line.store.assessments(trace.id).expect("said"), server.uri()).expect("kept");
    assert_eq!(again.flush().pending, 0, "{:?}", again.said());
    assert!(assessment(&read(server, &trace), "total_tokens").is_some());
    assert_eq!(read(server, &silent)["assessments"], value!([]));
}

#[test]
fn a_server_that_takes_no_files_is_told_what_traces_cost_all_the_same() {
    let server = mlflow::shared();
    let port = server.port();
    let proxy = Faulty::start(move |seen, _| match seen.method.as_str() {
        "PUT" => Act::json(400, r#"{"error_code":"INVALID_PARAMETER_VALUE","message":"no files here"}"#),
        _ => Act::Forward(port, Box::new(seen.clone())),
    });
    let line = Line::to(&proxy.uri(), &fresh("no files"));
    let traces = [Trace::new(), Trace::new()];
    traces.iter().for_each(|trace| line.put(&costly(trace)));
    assert_eq!(line.flush().pending, 0, "{:?}", line.said());
    for trace in &traces {
        assert!(assessment(&read(server, trace), "total_tokens").is_some());
    }
    let said = line.said();
    assert_eq!(said.len(), 1, "once, not for each trace: {said:?}");
    assert!(said[0].contains("no files here") && said[0].contains("cost_summary.json"), "{said:?}");
}

#[test]
fn a_program_reads_the_servers_figures_beside_its_own() {
    let server = mlflow::shared();
    let folder = tempfile::tempdir().expect("a folder");
    let figures = |folder: &Path, prices: Option<&str>| {
        let mut command = agent(folder, &["price-with-server", "1"]);
        command.env("MLFLOW_TRACKING_URI", server.uri());
        if let Some(prices) = prices {
            std::fs::write(folder.join("own.toml"), prices).expect("a file");
            command.env("SPANWRIGHT_PRICES", "own.toml");
        }
        let output = run(&mut command);
        let text = stdout(&output);
        let json = text.trim().split_once(' ').map_or("", |(_, json)| json);
        let summary: CostSummary = serde_json::from_str(json)
            .unwrap_or_else(|error| panic!("{error}: {text} {}", String::from_utf8_lossy(&output.stderr)));
        (summary.total_cost_usd.expect("priced"), summary.server.expect("asked").total_cost_usd.expect("priced"))
    };
    let (ours, theirs) = figures(folder.path(), None);
    assert!((ours - theirs).abs() < 5e-7, "{ours} {theirs}");
    let (ours, theirs) =
        figures(folder.path(), Some("[providers.openai.models]\n\"gpt-4o\" = { input = 1, output = 1 }\n"));
    assert!((ours - theirs).abs() > 1e-4, "our prices are not the server's: {ours} {theirs}");
}

#[test]
fn a_trace_is_linked_to_the_prompts_it_was_made_with() {
    let server = mlflow::shared();
    let folder = tempfile::tempdir().expect("a folder");
    let output = run(agent(folder.path(), &["greet"]).env("MLFLOW_TRACKING_URI", server.uri()));
    let text = stdout(&output);
    let id = text.split_whitespace().nth(1).unwrap_or_default();
    assert!(text.contains("delivered true"), "{text} {}", String::from_utf8_lossy(&output.stderr));
    let trace = server.trace(id).expect("the trace is there");
    let linked: Value =
        serde_json::from_str(trace["tags"]["mlflow.linkedPrompts"].as_str().expect("a tag")).expect("json");
    assert_eq!(linked, value!([{"name": "greeting", "version": "3"}, {"name": "politeness", "version": "1"}]));
    let tags = trace["tags"].as_object().expect("tags");
    assert!(tags.keys().all(|key| !key.contains("spanwright.prompt")), "{tags:?}");
    for prompt in ["greeting/3", "politeness/1"] {
        assert!(server.traces_of_prompt("prompts", prompt).contains(&value!(id)), "{prompt}");
    }
    let span = trace["spans"].as_array().expect("spans").iter().find(|span| span["name"] == "ask_politely");
    assert_eq!(span.expect("it is there")["attributes"]["gen_ai.prompt.name"], "politeness");
}
