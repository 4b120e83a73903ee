//! `spanwright report`, over stores whose runs stand on fixed days.

use std::fs;

use insta::assert_snapshot;
use serde_json::{Value, json};
use spanwright::record::{Batch, Ending, ModelFacts, Source, SpanRecord, Usage, WorkflowFacts};
use spanwright::store::{ProcessId, Store};
use spanwright::{SpanId, TraceId};
use spanwright_tests::mlflow::shared;

use crate::ground::{Ground, Run};

const DAY: u64 = 86_400_000_000_000;
/// 2026-12-01 00:00:00 UTC, a Tuesday.
const DECEMBER: u64 = 1_796_083_200_000_000_000;
const MINI: (&str, &str) = ("openai", "gpt-4o-mini");
const TOMORROW: (&str, &str) = ("acme", "a-model-of-tomorrow");

/// Name, seconds, provider and model, tokens in and out.
type Node = (&'static str, u64, (&'static str, &'static str), u64, u64);

/// A run as a store has it: a workflow, its nodes one after the other, and in each a model call.
struct Made {
    number: u64,
    workflow: &'static str,
    start: u64,
    nodes: Vec<Node>,
    ending: Ending,
}

impl Made {
    fn new(number: u64, workflow: &'static str, start: u64) -> Self {
        let nodes = vec![("plan", 1, MINI, 1_000, 200), ("write", 3, MINI, 2_000, 400)];
        Self { number, workflow, start, nodes, ending: Ending::Ok }
    }

    fn spans(&self) -> Vec<SpanRecord> {
        let trace = TraceId::from_halves(self.number << 32, 7);
        let span = |id: u64, parent: Option<u64>, name: &str, span_type: &str, from: u64, seconds: u64| SpanRecord {
            parent_id: parent.map(SpanId::from_u64),
            name: name.into(),
            span_type: span_type.into(),
            kind: if span_type == "LLM" { "llm" } else { "node" }.into(),
            source: Source { function: name.into(), file: "main.rs".into(), line: 1 },
            start_unix_ns: self.start + from * 1_000_000_000,
            end_unix_ns: self.start + (from + seconds) * 1_000_000_000,
            ..SpanRecord::new(trace, SpanId::from_u64(id))
        };
        let all = self.nodes.iter().map(|(_, seconds, ..)| seconds).sum();
        let mut root = span(1, None, "agent", "WORKFLOW", 0, all);
        root.ending = self.ending;
        root.workflow = Some(Box::new(WorkflowFacts {
            tags: vec![("workflow".into(), self.workflow.into())],
            ..WorkflowFacts::default()
        }));
        let mut spans = vec![root];
        let mut from = 0;
        for (place, (name, seconds, (provider, model), input, output)) in self.nodes.iter().enumerate() {
            let id = 10 * (place as u64 + 1);
            let mut node = span(id, Some(1), name, "CHAIN", from, *seconds);
            // Repeats what its call used, as agents do.
            node.model = Some(ModelFacts { usage: Some(usage(*input, *output)), ..ModelFacts::default() });
            if place + 1 == self.nodes.len() {
                node.ending = self.ending;
            }
            let mut call = span(id + 1, Some(id), "chat", "LLM", from, *seconds);
            // The node waits a tenth of a second for itself.
            call.end_unix_ns -= 100_000_000;
            call.model = Some(ModelFacts {
                model: Some((*model).into()),
                provider: Some((*provider).into()),
                usage: Some(usage(*input, *output)),
                ..ModelFacts::default()
            });
            spans.extend([node, call]);
            from += seconds;
        }
        spans
    }

    fn keep(&self, store: &Store) {
        let batch = Batch { finished: self.spans(), ..Batch::default() };
        store.append(&batch, ProcessId(1), None).unwrap();
    }
}

fn usage(input: u64, output: u64) -> Usage {
    Usage { input, output, cache_read: Some(input / 4), ..Usage::default() }
}

/// Three workflows over the 40 days from 2026-12-01 on, a run a day at noon: the turn of the year with its week 53 is among them.
fn forty_days(store: &Store) {
    for day in 0..40 {
        let workflow = ["planning", "research", "support"][day as usize % 3];
        let mut run = Made::new(day + 1, workflow, DECEMBER + day * DAY + DAY / 2);
        if workflow == "support" {
            run.nodes.push(("polish", 1, TOMORROW, 500, 50));
        }
        if day % 10 == 9 {
            run.ending = Ending::Error;
        }
        run.keep(store);
    }
}

#[test]
fn the_costs_of_a_week_are_rows_by_iso_week_workflow_and_model() {
    let ground = Ground::new();
    forty_days(&ground.store());
    let run = ground.run(&[
        "report",
        "costs",
        "--period",
        "last_7_days",
        "--today",
        "2027-01-06",
        "--breakdown",
        "--aggregate-by",
        "weekly",
        "--format",
        "csv",
    ]);
    assert_eq!((run.code, run.err.as_str()), (Some(0), ""));
    // From Thursday 2026-12-31 to Wednesday 2027-01-06: four days of week 53, three of week 1.
    assert_snapshot!("costs_weekly_csv", run.out);
}

#[test]
fn the_costs_are_seen_at_a_glance() {
    let ground = Ground::new();
    forty_days(&ground.store());
    let base = ["report", "costs", "--breakdown", "workflow,caller,model", "--aggregate-by", "monthly"];
    let run = ground.run(&base);
    assert_eq!((run.code, run.err.as_str()), (Some(0), ""));
    assert!(!run.out.contains('\x1b'), "no colours in a pipe");
    assert_snapshot!("costs_text", run.out);
    assert_snapshot!("costs_markdown", ground.run(&[&base[..], &["--format", "markdown"]].concat()).out);
}

#[test]
fn the_object_has_each_sum_and_says_which_models_have_no_price() {
    let ground = Ground::new();
    forty_days(&ground.store());
    let run = ground.run(&[
        "report",
        "costs",
        "--json",
        "--start-date",
        "2026-12-03",
        "--end-date",
        "2026-12-03",
        "--breakdown",
        "provider",
    ]);
    assert_eq!(run.code, Some(0), "{}", run.err);
    let mut object = run.json();
    assert!(object["source"]["store"].as_str().unwrap().ends_with(".spanwright"));
    object["source"] = Value::Null;
    let sum = |calls: u64, input: u64, output: u64, cost: Value, unpriced: (u64, u64)| {
        json!({"runs": 1, "succeeded": 1, "failed": 0, "running": 0, "calls": calls, "input_tokens": input,
            "output_tokens": output, "cache_read_tokens": input / 4, "cache_write_tokens": 0, "total_tokens": input + output,
            "cost_usd": cost, "unpriced_calls": unpriced.0, "unpriced_tokens": unpriced.1})
    };
    let named = |name: &str, mut sum: Value| {
        sum["name"] = name.into();
        sum
    };
    // 2,250 tokens at 0.15, 750 from the cache at 0.075 and 600 at 0.60 dollars a million.
    let cost = json!(0.000_753_75);
    let expected = json!({
        "report": "costs", "source": null, "period": {"from": "2026-12-03", "to": "2026-12-03"},
        "total": sum(3, 3_500, 650, cost.clone(), (1, 550)),
        "by": [{"by": "provider", "of": [
            named("openai", sum(2, 3_000, 600, cost, (0, 0))), named("acme", sum(1, 500, 50, Value::Null, (1, 550))),
        ]}],
        "every": null, "buckets": [],
        "unpriced_models": [{"provider": "acme", "model": "a-model-of-tomorrow", "calls": 1, "tokens": 550}],
        "unreadable_spans": 0, "server": null, "gates": [],
    });
    assert_eq!(object, expected, "{object:#}");
}

#[test]
fn a_period_without_runs_is_zeros_and_no_failure() {
    let ground = Ground::new();
    forty_days(&ground.store());
    for report in ["costs", "profile", "status"] {
        for format in ["text", "json", "csv", "markdown"] {
            let run = ground.run(&[
                "report",
                report,
                "--start-date",
                "2020-01-01",
                "--end-date",
                "2020-01-02",
                "--format",
                format,
            ]);
            assert_eq!((run.code, run.err.as_str()), (Some(0), ""), "{report} as {format}");
            assert!(run.out.contains('0') || format == "csv", "{report} as {format}: {}", run.out);
        }
    }
    let csv = ground.run(&["report", "costs", "--period", "yesterday", "--today", "2020-01-02", "--format", "csv"]);
    assert_eq!(csv.out.lines().nth(1), Some("all,total,,0,0,0,0,0,0,0,0,0,0,0,0"));
    let text = ground.run(&["report", "costs", "--period", "today", "--today", "2020-01-02"]);
    assert!(text.out.contains("$0.0000 and 0 tokens in 0 runs"), "{}", text.out);
}

#[test]
fn runs_are_chosen_by_workflow_status_and_experiment() {
    let ground = Ground::new();
    let store = ground.store();
    forty_days(&store);
    let mut spans = Made::new(100, "planning", DECEMBER).spans();
    spans[0].workflow.as_mut().unwrap().experiment = Some("elsewhere".into());
    store.append(&Batch { finished: spans, ..Batch::default() }, ProcessId(1), None).unwrap();
    let runs = |args: &[&str]| {
        let run = ground.run(&[&["report", "costs", "--json"], args].concat());
        assert_eq!(run.code, Some(0), "{}", run.err);
        run.json()["total"]["runs"].clone()
    };
    assert_eq!(runs(&[]), 41);
    assert_eq!(runs(&["--workflow", "support"]), 13);
    assert_eq!(runs(&["--workflow", "nobody"]), 0);
    assert_eq!(
        (runs(&["--status", "error"]), runs(&["--status", "running"]), runs(&["--status", "ok"])),
        (4.into(), 0.into(), 37.into())
    );
    assert_eq!((runs(&["--experiment", "elsewhere"]), runs(&["--experiment", "Default"])), (1.into(), 40.into()));
    assert_eq!(runs(&["--start-date", "2027-01-09"]), 1);
    assert_eq!(runs(&["--end-date", "2026-12-01"]), 2);
}

#[test]
fn the_slowest_node_is_said_first_and_more_than_half_is_a_bottleneck() {
    let ground = Ground::new();
    let store = ground.store();
    for (number, seconds) in [(1, 2), (2, 4), (3, 9)] {
        let mut run = Made::new(number, "planning", DECEMBER + number * DAY);
        run.nodes[1].1 = seconds;
        run.keep(&store);
    }
    let run = ground.run(&["report", "profile"]);
    assert_eq!((run.code, run.err.as_str()), (Some(0), ""));
    assert_snapshot!("profile_text", run.out);
    assert_snapshot!("profile_csv", ground.run(&["report", "profile", "--format", "csv"]).out);
    let object = ground.run(&["report", "profile", "--json"]).json();
    let slowest = &object["nodes"][0];
    // 18 seconds of nodes, of which each of the six keeps a tenth for itself; the workflow none.
    assert_eq!(
        (&slowest["name"], &slowest["own_s"], &slowest["share"], &slowest["is_bottleneck"]),
        (&json!("chat"), &json!(17.4), &json!(0.966_667), &json!(true))
    );
}

#[test]
fn the_status_says_how_runs_end_and_where_failures_began() {
    let ground = Ground::new();
    forty_days(&ground.store());
    let run = ground.run(&["report", "status"]);
    assert_eq!((run.code, run.err.as_str()), (Some(0), ""));
    assert_snapshot!("status_text", run.out);
    let object = ground.run(&["report", "status", "--json", "--workflow", "research"]).json();
    assert_eq!(object["failures"], json!([{"node": "write", "failures": 1}]));
    assert_eq!((&object["success_rate"], &object["workflows"][0]["name"]), (&json!(12.0 / 13.0), &json!("research")));
}

#[test]
fn two_runs_stand_side_by_side() {
    let ground = Ground::new();
    let store = ground.store();
    Made::new(0xa, "planning", DECEMBER).keep(&store);
    let mut after = Made::new(0xb, "planning", DECEMBER + DAY);
    after.nodes[1] = ("write", 2, MINI, 1_500, 400);
    after.nodes.push(("polish", 1, MINI, 300, 30));
    after.keep(&store);
    let run = ground.run(&["report", "diff", "tr-0000000a", "0000000B"]);
    assert_eq!((run.code, run.err.as_str()), (Some(0), ""));
    assert_snapshot!("diff_text", run.out);

    // A run id names its trace.
    let run_id = "0000000b-0000-4000-8000-000000000007";
    let object = ground.run(&["report", "diff", "0000000a", run_id, "--json"]).json();
    assert_eq!(object["runs"][1]["trace_id"], "tr-0000000b000000000000000000000007");
    let names: Vec<&str> =
        object["nodes"].as_array().unwrap().iter().map(|node| node["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["agent", "plan", "chat", "write", "polish"], "in the order of their start");
    let write = &object["nodes"][3];
    assert_eq!((&write["a"]["duration_s"], &write["b"]["duration_s"]), (&json!(3.0), &json!(2.0)));
    let missing = ground.run(&["report", "diff", "0000000a", "ffff"]);
    assert_eq!(missing.code, Some(1));
    assert!(missing.err.contains("`ffff`"), "{}", missing.err);
}

#[test]
fn gates_stop_a_build_warn_or_hold_and_say_why() {
    let ground = Ground::new();
    forty_days(&ground.store());
    let run = |args: &[&str]| ground.run(&[&["report", "costs", "--end-date", "2026-12-02"], args].concat());
    let passed = run(&["--gate", "cost_usd<=1", "--gate", "success_rate>=1"]);
    assert_eq!(passed.code, Some(0), "{}", passed.out);
    assert!(passed.out.contains("gate passed: success_rate 1 ≥ 1"), "{}", passed.out);
    let failed = run(&["--gate", "tokens_max_run<=100", "--gate", "runs>=1"]);
    assert_eq!(failed.code, Some(3));
    assert!(failed.out.contains("gate failed: tokens_max_run 3600 is above 100"), "{}", failed.out);
    let warned = run(&["--gate", "duration_p95_s<=3.5:warn", "--format", "csv"]);
    assert_eq!((warned.code, warned.err.trim()), (Some(0), "gate warning: duration_p95_s 4 is above 3.5"));
    assert!(warned.out.starts_with("period,"), "rows stay rows: {}", warned.out);

    // What calls without a price cost may cross the bound, or not.
    let unpriced = ground.run(&["report", "costs", "--json", "--gate", "cost_usd<=1", "--gate", "cost_usd>=0.0001"]);
    assert_eq!(unpriced.code, Some(0));
    let gates = unpriced.json()["gates"].clone();
    assert_eq!((&gates[0]["verdict"], &gates[1]["verdict"]), (&json!("unknown"), &json!("pass")), "{gates:#}");
    let nothing = run(&["--workflow", "nobody", "--gate", "success_rate>=0.9"]);
    assert!(nothing.code == Some(0) && nothing.out.contains("no run has a value"), "{}", nothing.out);

    for (wrong, why) in [
        ("cost<=1", "the metrics are"),
        ("cost_usd=1", "cost_usd<=5"),
        ("runs>=x", "no number"),
        ("runs>=1:maybe", "warn or fail"),
    ] {
        let refused = run(&["--gate", wrong]);
        assert!(refused.code == Some(2) && refused.err.contains(why), "{wrong}: {}", refused.err);
    }
}

#[test]
fn gates_stand_in_the_settings_of_a_project_and_are_held_when_asked_for() {
    let ground = Ground::new();
    forty_days(&ground.store());
    let settings = ground.folder.path().join("spanwright.toml");
    fs::write(
        &settings,
        "capture = \"keys\"\n[gates]\nfailed_runs = { max = 2 }\nruns = { min = 100, level = \"warn\" }\n",
    )
    .unwrap();
    let plain = ground.run(&["report", "status"]);
    assert!(plain.code == Some(0) && plain.err.is_empty() && !plain.out.contains("gate"), "{}{}", plain.out, plain.err);
    let held = ground.run(&["report", "status", "--gates"]);
    assert_eq!(held.code, Some(3), "{}", held.err);
    for line in ["gate failed: failed_runs 4 is above 2", "gate warning: runs 40 is below 100"] {
        assert!(held.out.contains(line), "{line}: {}", held.out);
    }
    let doctor = ground.run(&["doctor"]);
    assert!(!doctor.out.contains("`gates`"), "the table is known: {}", doctor.out);

    for (content, why) in [
        ("[gates]\ncost = { max = 1 }", "the metrics are"),
        ("[gates]\nruns = {}", "neither max nor min"),
        ("", "no gate"),
        ("[gates", "gates"),
    ] {
        fs::write(&settings, content).unwrap();
        let refused = ground.run(&["report", "costs", "--gates", "spanwright.toml"]);
        assert!(refused.code == Some(1) && refused.err.contains(why), "{content}: {}", refused.err);
    }
    fs::remove_file(&settings).unwrap();
    let missing = ground.run(&["report", "costs", "--gates"]);
    assert!(missing.code == Some(1) && missing.err.contains("--gates FILE"), "{}", missing.err);
}

#[test]
fn a_report_goes_to_a_file_when_asked_and_says_when_it_cannot() {
    let ground = Ground::new();
    forty_days(&ground.store());
    let run = ground.run(&["report", "costs", "-o", "costs.md", "--format", "markdown"]);
    assert_eq!((run.code, run.out.as_str(), run.err.as_str()), (Some(0), "", ""));
    let written = fs::read_to_string(ground.folder.path().join("costs.md")).unwrap();
    assert!(written.starts_with("## costs of the store, all traces"), "{written}");
    let refused = ground.run(&["report", "costs", "-o", "nowhere/costs.md"]);
    assert!(refused.code == Some(1) && refused.err.contains("nowhere/costs.md"), "{}", refused.err);
    let nothing = Ground::new().run(&["report", "costs"]);
    assert!(nothing.code == Some(1) && nothing.err.contains("no traces yet"), "{}", nothing.err);
    let both = ground.run(&["report", "costs", "--period", "today", "--start-date", "2026-12-01"]);
    assert_eq!(both.code, Some(2), "{}", both.err);
}

#[test]
fn a_report_and_a_summary_of_the_same_run_agree() {
    let ground = Ground::new();
    let store = ground.store();
    let mut run = Made::new(1, "planning", DECEMBER).spans();
    // Told in other words: by attributes, on a span with no facts of its own.
    let mut told = SpanRecord {
        parent_id: run[0].span_id.into(),
        name: "embed".into(),
        ..SpanRecord::new(run[0].trace_id, SpanId::from_u64(99))
    };
    told.attributes = vec![
        ("gen_ai.request.model".into(), spanwright::record::AttributeValue::Text("gpt-4o-mini".into())),
        ("gen_ai.usage.prompt_tokens".into(), spanwright::record::AttributeValue::Int(1_234)),
    ];
    (told.start_unix_ns, told.end_unix_ns) = (DECEMBER, DECEMBER + 1);
    run.push(told);
    let trace = run[0].trace_id;
    store.append(&Batch { finished: run, ..Batch::default() }, ProcessId(1), None).unwrap();
    let summary =
        spanwright::cost::CostSummary::of_stored(&store, trace, spanwright_prices::PriceTable::builtin()).unwrap();
    let object = ground.run(&["report", "costs", "--json", "--breakdown", "node,caller"]).json();
    assert_eq!(object["total"]["total_tokens"], summary.total_tokens.total_tokens, "{object:#}");
    assert_eq!(object["total"]["cost_usd"].as_f64(), summary.total_cost_usd.map(|cost| (cost * 1e9).round() / 1e9));
    let calls = |group: usize, name: &str| {
        let groups = object["by"][group]["of"].as_array().unwrap();
        groups.iter().find(|one| one["name"] == name).map(|one| one["calls"].as_u64().unwrap())
    };
    for (name, node) in &summary.node_breakdown {
        assert_eq!(calls(0, name), Some(node.figures.calls), "{name}");
    }
    for (name, figures) in &summary.by_caller {
        assert_eq!(calls(1, name), Some(figures.calls), "{name}");
    }
}

#[test]
fn a_server_is_reported_on_as_the_store_is() {
    let server = shared();
    let ground = Ground::new();
    let store = ground.store();
    // In the window in which a server takes them for new: its clock is not asked.
    for number in 0..3 {
        let mut run =
            Made::new(0x7000 + number, ["planning", "research"][number as usize % 2], DECEMBER + number * DAY);
        run.nodes[1].2 = TOMORROW;
        run.keep(&store);
    }
    let run = |args: &[&str]| {
        let mut command = ground.command(args);
        Run::of(command.env("MLFLOW_EXPERIMENT_NAME", "reported").output().unwrap())
    };
    let pushed = run(&["push", "--to", server.uri()]);
    assert_eq!(pushed.code, Some(0), "{}{}", pushed.out, pushed.err);

    let args = [
        "report",
        "costs",
        "--json",
        "--breakdown",
        "--aggregate-by",
        "daily",
        "--start-date",
        "2026-12-01",
        "--end-date",
        "2026-12-02",
    ];
    let here = run(&args).json();
    let there = run(&[&args[..], &["--from", server.uri()]].concat());
    assert_eq!(there.code, Some(0), "{}", there.err);
    let there = there.json();
    assert_eq!(there["source"]["server"], server.uri());
    for part in ["total", "by", "buckets", "period"] {
        assert_eq!(there[part], here[part], "{part}");
    }
    let planning = run(&["report", "status", "--json", "--from", server.uri(), "--workflow", "planning"]).json();
    assert_eq!(planning["total"]["runs"], 2, "{planning:#}");
    let trace = |number: u64| format!("tr-{:016x}{:016x}", number << 32, 7);
    let diff = run(&["report", "diff", &trace(0x7000), &trace(0x7001), "--from", server.uri(), "--json"]).json();
    assert_eq!(diff["nodes"].as_array().map(Vec::len), Some(4), "{diff:#}");

    let unknown = run(&["report", "costs", "--from", server.uri(), "--experiment", "never made"]);
    assert!(unknown.code == Some(1) && unknown.err.contains("never made"), "{}", unknown.err);
    assert!(server.traces("never made").is_empty(), "asking makes no experiment");
    let dead = run(&["report", "costs", "--from", "http://127.0.0.1:9"]);
    assert!(dead.code == Some(1) && dead.err.contains("127.0.0.1:9"), "{}", dead.err);
}
