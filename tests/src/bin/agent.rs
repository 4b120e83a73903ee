//! A program to be traced, killed and starved by the tests. What it does is its first argument.

use std::borrow::Cow;
use std::io::Write as _;
use std::time::{Duration, Instant};

use spanwright::cost::CostSummary;
use spanwright::record::{Assessment, Usage};
use spanwright::tracker::JudgeResult;
use spanwright::{Budget, BudgetExceeded, ModelOutcome, SpanId, TraceHandle, TraceId, llm, node, prompt, workflow};
use spanwright_examples::feedback::{give, support_workflow};
use spanwright_examples::home_optimizer::{Request, Team, optimization_workflow};
use spanwright_examples::logbook;
use spanwright_examples::model::ChatModel;
use spanwright_examples::sandbox::Policy;
use spanwright_examples::scripted_model::{ScriptedModel, asked_or_scripted};
use spanwright_examples::{agent_graph, judge};

#[node]
fn step(number: u64) -> Result<u64, String> {
    if number % 10 == 9 { Err(format!("step {number} has bad luck")) } else { Ok(number * 2) }
}

#[workflow(kind = "load", session = "agent-session")]
fn steps_workflow(count: u64) -> u64 {
    (0..count).map(|number| step(number).unwrap_or(1)).sum()
}

#[workflow(kind = "lasting")]
fn lasting_workflow() {
    for number in 0.. {
        let _ = step(number);
        say(&format!("did {number}"));
        std::thread::sleep(Duration::from_millis(5));
    }
}

mod spans {
    spanwright::spans! {
        pub node Count(id = "agent.node.count") {
            number: u64,
        }
    }
}

/// Sets by name what its declaration has otherwise, and what it has not.
#[node(span = spans::Count, handle = span)]
fn count_loosely(number: u64) {
    span.number(number);
    if number % 2 == 1 {
        spanwright::handle().set("number", "odd");
        spanwright::handle().set("parity", "odd");
    }
}

#[llm(model = "gpt-4o-mini", provider = "openai", tools = serde_json::json!([{"type": "function", "function": {"name": "look_up"}}]))]
fn ask(question: &str) -> String {
    format!("no answer to {question}")
}

/// What a model says it used.
struct Consulted {
    model: &'static str,
    usage: Usage,
}

impl ModelOutcome for Consulted {
    fn model(&self) -> Option<Cow<'_, str>> {
        Some(self.model.into())
    }

    fn usage(&self) -> Option<Usage> {
        Some(self.usage)
    }
}

#[llm(provider = "openai", capture = "none")]
fn consult(model: &'static str, input: u64, output: u64) -> Consulted {
    Consulted { model, usage: Usage { input, output, ..Usage::default() } }
}

#[workflow(kind = "priced", experiment = "costs", tags(workflow_version = "7"))]
fn priced_workflow(number: u64) -> u64 {
    consult("gpt-4o-2024-08-06", 1_000 * number, 10);
    consult("gpt-4o-2024-08-06", 1, 1);
    consult("gpt-4o-mini", number, number).usage.total()
}

/// Workflows at once; what each of them cost is asked for as soon as it has returned.
fn price(count: u64, summary: fn(&TraceHandle) -> Result<CostSummary, spanwright::Error>) {
    std::thread::scope(|scope| {
        for number in 1..=count {
            scope.spawn(move || {
                let (_, trace) = spanwright::traced_call(|| priced_workflow(number));
                let summary = summary(&trace.expect("a trace")).expect("a summary");
                say(&format!("{number} {}", serde_json::to_string(&summary).expect("json")));
            });
        }
    });
}

#[workflow(kind = "greeting", experiment = "prompts")]
fn greeting_workflow() {
    prompt!("greeting", 3);
    ask_politely();
}

#[llm(capture = "none")]
fn ask_politely() {
    prompt!("politeness", "1");
}

/// 0.0035 dollars a call.
#[workflow(budget_usd = 0.0125, budget_tokens = 1_000_000)]
fn frugal_workflow(calls: u64) -> Result<u64, BudgetExceeded> {
    for _ in 0..calls {
        Budget::check()?;
        consult("gpt-4o", 1_000, 100);
    }
    Ok(calls)
}

#[workflow(run = "nightly", params(model = "gpt-4o-mini", steps = count), experiment = "runs", handle = root, user = "ada", tags(team = "ops"))]
fn measured_workflow(count: u64, fail: bool) -> Result<String, String> {
    for number in 0..count {
        root.metric_at("progress", number as f64 / count as f64, number as i64);
    }
    root.metric("accuracy", 0.875);
    root.run_tag("stage", "test");
    let answer = ask("what is it?");
    if fail { Err("it went wrong".into()) } else { Ok(answer) }
}

/// The home optimizer, on a scripted model of its own.
async fn optimize() -> Option<TraceHandle> {
    let scripted = ScriptedModel::start().await.expect("a model on loopback");
    let model = ChatModel::new(&scripted.base_url(), None, ScriptedModel::NAME).expect("a client");
    let team = Team::new(&model, Policy::standard());
    let request = Request {
        logbook: logbook::sample(),
        home: "Maple 7".into(),
        user: "anna".into(),
        session: "evening-1".into(),
    };
    let (report, trace) = spanwright::traced(optimization_workflow(&request, &team)).await;
    report.expect("the workflow works");
    trace
}

#[node]
async fn busy_step(number: u64) -> u64 {
    tokio::time::sleep(Duration::from_micros(number * 37 % 900)).await;
    number
}

#[workflow(experiment = "busy")]
async fn busy_workflow(workflow: u64) -> u64 {
    let steps: Vec<_> = (0..20).map(|step| spanwright::spawn(busy_step(workflow * 20 + step))).collect();
    let mut sum = 0;
    for step in steps {
        sum += step.await.unwrap_or_default();
    }
    sum
}

/// Fifty workflows at once, of twenty nodes each, on several threads.
async fn busy() -> u64 {
    let workflows: Vec<_> = (0..50).map(|workflow| tokio::spawn(busy_workflow(workflow))).collect();
    let mut sum = 0;
    for workflow in workflows {
        sum += workflow.await.unwrap_or_default();
    }
    sum
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let task = arguments.next().unwrap_or_default();
    let words: Vec<_> = std::env::args().skip(2).collect();
    let count = arguments.next().and_then(|count| count.parse().ok()).unwrap_or(10);
    if task == "uninstalled" {
        return say(&format!("sum {}", steps_workflow(count)));
    }
    let guard = spanwright::init();
    match task.as_str() {
        "steps" => {
            let started = Instant::now();
            let sum = steps_workflow(count);
            say(&format!("sum {sum}"));
            say(&format!("us {}", started.elapsed().as_micros()));
        }
        "optimize" => {
            let tokio = tokio::runtime::Runtime::new().expect("a runtime");
            let trace = tokio.block_on(optimize()).expect("a trace");
            let flushed = guard.flush(Duration::from_secs(60));
            say(&format!("trace {trace} delivered {}", flushed.is_delivered));
        }
        "busy" => {
            let tokio = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build();
            let sum = tokio.expect("a runtime").block_on(busy());
            let flushed = guard.flush(Duration::from_secs(60));
            say(&format!("sum {sum} delivered {} lost {}", flushed.is_delivered, flushed.lost));
        }
        "measure" => {
            let (out, trace) = spanwright::traced_call(|| measured_workflow(count, count == 7));
            let flushed = guard.flush(Duration::from_secs(60));
            say(&format!("trace {} delivered {} {out:?}", trace.expect("a trace"), flushed.is_delivered));
        }
        "greet" => {
            let (_, trace) = spanwright::traced_call(greeting_workflow);
            let flushed = guard.flush(Duration::from_secs(60));
            say(&format!("trace {} delivered {}", trace.expect("a trace"), flushed.is_delivered));
        }
        "price" => price(count, TraceHandle::cost_summary),
        "price-with-server" => price(count, TraceHandle::cost_summary_with_server),
        "price-late" => {
            let (_, trace) = spanwright::traced_call(|| priced_workflow(3));
            drop(guard);
            let summary = trace.expect("a trace").cost_summary().expect("a summary");
            say(&serde_json::to_string(&summary).expect("json"));
        }
        "frugal" => match frugal_workflow(count) {
            Ok(calls) => say(&format!("done {calls}")),
            Err(exceeded) => say(&format!("stopped: {exceeded}")),
        },
        "stray" => {
            (0..count).for_each(count_loosely);
            let flushed = guard.flush(Duration::from_secs(60));
            say(&format!("stored {} stray {}", flushed.stored, flushed.stray_attributes));
        }
        "answer" => {
            answer();
            guard.flush(Duration::from_secs(60));
        }
        "judge" => {
            let (trace, span) = judged_workflow();
            guard.flush(Duration::from_secs(60));
            say(&format!("trace tr-{trace} span {span}"));
        }
        "support" => {
            support(&words);
            // Whoever has judged by then, and whoever has not.
            guard.flush(Duration::from_secs(60));
        }
        "trip" => {
            trip();
            guard.flush(Duration::from_secs(60));
        }
        "give" => {
            give_feedback(&words);
            guard.flush(Duration::from_secs(60));
        }
        "give-and-abort" => {
            give_feedback(&words);
            std::process::abort();
        }
        "last" => lasting_workflow(),
        "rest" => {
            steps_workflow(10);
            std::thread::sleep(Duration::from_secs(count));
            say(&format!("cpu {}", cpu_ticks()));
        }
        "patient" => {
            steps_workflow(count);
            say(&format!("stored {}", guard.flush(Duration::MAX).is_stored));
        }
        "panic" => {
            steps_workflow(count);
            panic!("on purpose");
        }
        "twice" => {
            let second = spanwright::builder().install();
            say(&format!("second {}", second.is_err_and(|error| error.is_state())));
        }
        other => say(&format!("no task `{other}`")),
    }
}

/// Answers a question; says where it did, and what a later word on it needs.
fn answer() {
    let answer = support_workflow("where is my receipt?").expect("there is an article");
    say(&format!("trace {} token {}", answer.trace.expect("a trace"), answer.token.expect("a token")));
}

/// Answers a question and lets go of its judges; says where.
fn support(words: &[String]) {
    let answering = async {
        let (model, _scripted) = asked_or_scripted().await.expect("a model on loopback");
        let support = judge::support(model).expect("it is enabled");
        let run = judge::ask(&support, &words.join(" "), "ann", |_| {}).await.expect("an answer");
        let trace = run.tracker.trace_id().expect("recorded");
        say(&format!("trace tr-{trace} run {} judged {}", run.tracker.run_id(), run.evaluations.results().await.len()));
    };
    tokio::runtime::Runtime::new().expect("a runtime").block_on(answering);
}

/// Plans a trip with two agents; says where.
fn trip() {
    let planning = async {
        let (model, _scripted) = asked_or_scripted().await.expect("a model on loopback");
        let graph = agent_graph::trip(model).expect("it is enabled");
        let run = graph.run("two nights in Rome", "ann").await.expect("an answer");
        let trace = run.tracker.run().trace_id().expect("recorded");
        say(&format!("trace tr-{trace} run {}", run.tracker.run_id()));
    };
    tokio::runtime::Runtime::new().expect("a runtime").block_on(planning);
}

/// Feedback on an answer, in the words of the example.
fn give_feedback(words: &[String]) {
    let [token, how, comment] = words else { panic!("{words:?}") };
    give(token, how == "--positive", Some(comment), "user").expect("a token");
}

#[workflow(handle = root)]
fn judged_workflow() -> (TraceId, SpanId) {
    let tracker = spanwright::tracker().expect("inside an execution");
    let (trace, span) = (root.trace_id().expect("recorded"), root.span_id().expect("recorded"));
    tracker.track_judge_result(&JudgeResult {
        sampled: true,
        success: true,
        metric_key: Some("relevance".into()),
        score: Some(0.25),
        reasoning: Some("off the point".into()),
        judge_config_key: Some("strict".into()),
        ..JudgeResult::default()
    });
    tracker.assess(Assessment::feedback("is_short", true).by_code("length").on(span));
    tracker.assess(Assessment::expectation("facts", serde_json::json!({"days": 30, "free": true})).by_human("ann"));
    (trace, span)
}

/// Time on a processor since the process started, hundredths of a second.
fn cpu_ticks() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("linux");
    let fields = stat.rsplit(')').next().expect("fields").split_whitespace();
    fields.skip(11).take(2).map(|field| field.parse::<u64>().expect("a number")).sum()
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    // A test that has seen enough closes the pipe.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}
