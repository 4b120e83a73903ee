//! Makes a store of many traces and measures reports over them: time, time of processors, and the most memory one took.
//!
//! ```text
//! cargo run --release -p spanwright-report --example many_traces            100,000 traces in a temporary folder
//! cargo run --release -p spanwright-report --example many_traces -- 5000 /some/folder
//! ```
//!
//! A trace has 12 spans: a workflow, three nodes, five tools and three model calls with captured texts, 8 kB in all. Each report is made
//! by a process of its own; the first is the first there ever was of that store, and keeps nothing for those after it.

use std::error::Error;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use spanwright::cost::ATTRIBUTES;
use spanwright::record::{Batch, Json, ModelFacts, Source, SpanRecord, Usage, WorkflowFacts};
use spanwright::store::{BriefFilter, ProcessId, Store};
use spanwright::{SpanId, TraceId};
use spanwright_prices::PriceTable;
use spanwright_report::costs::{By, CostsOf};
use spanwright_report::period::{Every, Period};
use spanwright_report::profile::ProfileOf;
use spanwright_report::status::StatusOf;

/// 2026-01-01 00:00:00 UTC.
const START: u64 = 1_767_225_600_000_000_000;
/// 300 days of runs, however many there are.
const DAYS: u64 = 300;
const MODELS: [(&str, &str); 4] = [
    ("openai", "gpt-4o-mini"),
    ("anthropic", "claude-sonnet-4-5-20250929"),
    ("ollama", "llama3:8b"),
    ("acme", "a-model-of-tomorrow"),
];
const WORKFLOWS: [&str; 3] = ["planning", "research", "support"];

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [command, folder, which] = &arguments[..]
        && command == "report"
    {
        return report(Path::new(folder), which);
    }
    let traces = arguments.first().map_or(Ok(100_000), |number| number.parse())?;
    let temporary = tempfile::tempdir()?;
    let folder = arguments.get(1).map_or(temporary.path(), Path::new);
    let made = Instant::now();
    make(folder, traces)?;
    say(&format!("made {traces} traces of 12 spans in {:.1} s", made.elapsed().as_secs_f64()))?;
    for which in ["costs", "costs", "profile", "status"] {
        Command::new(std::env::current_exe()?).arg("report").arg(folder).arg(which).status()?;
    }
    Ok(())
}

fn make(folder: &Path, traces: u64) -> Result<(), Box<dyn Error>> {
    const AT_ONCE: u64 = 100;
    let store = Store::open(folder)?;
    for first in (0..traces).step_by(AT_ONCE as usize) {
        let numbers = first..traces.min(first + AT_ONCE);
        let finished = numbers.flat_map(|number| trace(number, traces)).collect();
        store.append(&Batch { finished, ..Batch::default() }, ProcessId(1), None)?;
    }
    Ok(())
}

fn trace(number: u64, traces: u64) -> Vec<SpanRecord> {
    let start = START + number * (DAYS * 86_400_000_000_000 / traces);
    // Random as those of programs are.
    let trace_id = TraceId::from_halves(mixed(number), mixed(!number));
    let span = |id: u64, parent: Option<u64>, name: &str, span_type: &str, from_ms: u64, ms: u64| SpanRecord {
        parent_id: parent.map(|parent| SpanId::from_u64(mixed(number) ^ parent)),
        name: name.into(),
        span_type: span_type.into(),
        kind: "node".into(),
        source: Source { function: name.into(), file: "src/agent.rs".into(), line: name.len() as u32 },
        start_unix_ns: start + from_ms * 1_000_000,
        end_unix_ns: start + (from_ms + ms) * 1_000_000 + mixed(number ^ id) % 1_000_000,
        inputs: Some(Json::of(&serde_json::json!({"query": "x".repeat(100), "limit": id}))),
        outputs: Some(Json::of(&"y".repeat(120))),
        ..SpanRecord::new(trace_id, SpanId::from_u64(mixed(number) ^ id))
    };
    let mut root = span(1, None, "agent_workflow", "WORKFLOW", 0, 900);
    let workflow = WORKFLOWS[number as usize % 3];
    root.workflow = Some(Box::new(WorkflowFacts {
        tags: vec![("workflow".into(), workflow.into())],
        session: Some(format!("session-{}", number / 10)),
        ..WorkflowFacts::default()
    }));
    let mut spans = vec![root];
    for (place, node) in ["plan", "collect", "summarise"].into_iter().enumerate() {
        let (id, from) = (10 * (place as u64 + 1), 300 * place as u64);
        spans.push(span(id, Some(1), node, "CHAIN", from, 290));
        let mut model = span(id + 1, Some(id), "chat", "LLM", from + 5, 150 + 40 * place as u64);
        let (provider, name) = MODELS[(number as usize + place) % 4];
        let usage =
            Usage { input: 800 + number % 500, output: 100 + number % 77, cache_read: Some(400), ..Usage::default() };
        model.model = Some(ModelFacts {
            model: Some(name.into()),
            provider: Some(provider.into()),
            usage: Some(usage),
            ..ModelFacts::default()
        });
        model.inputs = Some(Json::of(&serde_json::json!([{"role": "user", "content": "p".repeat(900)}])));
        model.outputs = Some(Json::of(&"r".repeat(400)));
        spans.push(model);
    }
    for (id, parent) in [(12, 10), (22, 20), (23, 20), (24, 20), (32, 30)] {
        spans.push(span(id, Some(parent), "search", "TOOL", 300 * (parent / 10 - 1) + 160, 60));
    }
    spans
}

/// The mixer of `splitmix64`.
fn mixed(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn report(folder: &Path, which: &str) -> Result<(), Box<dyn Error>> {
    let asked = Instant::now();
    let store = Store::open(folder)?;
    let filter = BriefFilter { whole_if: ATTRIBUTES, ..BriefFilter::default() };
    let prices = PriceTable::builtin();
    let figures = match which {
        "profile" => {
            let mut profile = ProfileOf::new(prices);
            store.briefs(&filter, |run| profile.add(run))?;
            profile.finish().figures
        }
        "status" => {
            let mut status = StatusOf::new(prices);
            store.briefs(&filter, |run| status.add(run))?;
            status.finish().figures
        }
        _ => {
            let mut costs = CostsOf::new(prices, vec![By::Workflow, By::Caller, By::Model], Some(Every::Weekly));
            store.briefs(&filter, |run| costs.add(run))?;
            costs.finish(Period::default()).figures
        }
    };
    let took = asked.elapsed().as_secs_f64();
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or(" unknown").trim();
    let cpu = cpu_s().map(|seconds| format!(", {seconds:.2} s of processors")).unwrap_or_default();
    let total = figures.total;
    say(&format!(
        "{which}: {} runs, {} tokens in {took:.2} s{cpu}, at most {peak} of memory",
        total.runs,
        total.tokens()
    ))
}

/// Time this process has had of all processors, in seconds; the wall clock of a busy machine says little.
fn cpu_s() -> Option<f64> {
    let ticks = std::fs::read_to_string("/proc/self/stat").ok()?;
    let behind_name = ticks.rsplit_once(')')?.1;
    let times: Vec<f64> =
        behind_name.split_whitespace().skip(11).take(2).filter_map(|text| text.parse().ok()).collect();
    (times.len() == 2).then(|| times.iter().sum::<f64>() / 100.0)
}

fn say(line: &str) -> Result<(), Box<dyn Error>> {
    Ok(writeln!(std::io::stdout(), "{line}")?)
}
