//! `log_prompts: false`: of a node that says so no content is left anywhere, and everything else is.

use std::path::Path;

use spanwright::record::{AttributeValue, SpanRecord, Usage};
use spanwright::testing::Recording;
use spanwright::{ModelOutcome, llm, node, workflow};
use spanwright_tests::mlflow;
use spanwright_tests::receiver::Receiver;

use crate::configured::{place, run};

/// What must not be found.
const SECRET: &str = "Confidenti4lQuestion";

struct Reply(String);

impl serde::Serialize for Reply {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.0)
    }
}

impl ModelOutcome for Reply {
    fn usage(&self) -> Option<Usage> {
        Some(Usage { input: 7, output: 2, ..Usage::default() })
    }
}

#[llm(model = "gpt-4o-mini", provider = "openai", tools = &[question], inputs(system = question))]
fn ask(question: &str) -> Reply {
    Reply(format!("about {question}"))
}

#[node(capture = "full", attributes(topic = topic, rounds = 2, long = topic.repeat(9)), handle = span)]
fn research(topic: &str) -> Result<String, String> {
    span.event(topic);
    span.event_with("asked", serde_json::json!({ "topic": topic }));
    span.set("said", topic);
    span.set("list", [topic]);
    span.set("rows", 3);
    span.set("done", true);
    span.set("llm.usage", serde_json::json!({ "input_tokens": 5, "note": topic, "more": { "text": topic } }));
    span.set("gen_ai.usage.note", topic);
    span.tag("request", topic);
    span.param("question", topic);
    span.metric("score", 0.5);
    let reply = ask(topic);
    if topic.len().is_multiple_of(2) {
        Err(format!("nothing about {}", reply.0))
    } else {
        panic!("at a loss about {}", reply.0)
    }
}

#[node(capture = "full")]
fn write_up(topic: &str) -> String {
    ask(topic).0
}

/// Passes on how the other failed.
#[workflow(capture = "none")]
fn research_workflow(topic: &str) -> Result<String, String> {
    write_up("open question");
    let found = pass_on(topic)?;
    Ok(found)
}

#[node(capture = "none")]
fn pass_on(topic: &str) -> Result<String, String> {
    research(topic)
}

fn recorded(recording: &Recording, topic: &str) -> Vec<SpanRecord> {
    let _ = recording.run(|| std::panic::catch_unwind(|| research_workflow(topic)));
    recording.spans()
}

fn holds(span: &SpanRecord, text: &str) -> bool {
    serde_json::to_string(span).expect("a record is JSON").contains(text)
}

/// A2-20
#[test]
fn nothing_is_left_of_what_a_node_was_told_and_said_but_numbers_names_and_tokens() {
    for topic in [SECRET, "Confidenti4lQuestion!"] {
        let spans = recorded(&Recording::with_log_prompts(true, [("research", false)]), topic);
        let found: Vec<_> = spans.iter().filter(|span| holds(span, SECRET)).map(|span| &span.name).collect();
        assert_eq!(found, Vec::<&String>::new(), "{spans:#?}");

        let named = |name: &str| spans.iter().filter(|span| span.name == name).collect::<Vec<_>>();
        let [quiet] = named("research")[..] else { panic!("{spans:#?}") };
        assert_eq!((&quiet.inputs, &quiet.outputs, quiet.events.len()), (&None, &None, 0));
        assert!(quiet.is_error() && quiet.error.as_ref().is_some_and(|error| error.message.contains("log_prompts")));
        for (key, value) in [("rounds", 2), ("rows", 3)] {
            assert_eq!(quiet.attribute(key), Some(&AttributeValue::Int(value)), "{key}");
        }
        assert_eq!(quiet.attribute("done"), Some(&AttributeValue::Bool(true)));
        let Some(AttributeValue::Json(usage)) = quiet.attribute("llm.usage") else { panic!("{quiet:#?}") };
        assert_eq!(usage.to_value()["input_tokens"], 5, "tokens count, however they are told");
        assert_eq!(quiet.run.as_ref().map(|run| run.metrics[0].value), Some(0.5));

        let [below, open] = named("ask")[..] else { panic!("{spans:#?}") };
        let (below, open) = if below.parent_id == Some(quiet.span_id) { (below, open) } else { (open, below) };
        assert_eq!((&below.inputs, &below.outputs), (&None, &None), "what is below it is part of it");
        let usage = |span: &SpanRecord| span.model.as_ref().and_then(|model| model.usage);
        assert_eq!(usage(below), Some(Usage { input: 7, output: 2, ..Usage::default() }));
        assert_eq!(below.model.as_ref().and_then(|model| model.model.as_deref()), Some("gpt-4o-mini"));
        assert!(holds(open, "about open question") && holds(named("write_up")[0], "open question"), "others are whole");
        assert_eq!(spans.len(), 6);
    }
    let all = recorded(&Recording::new(), SECRET);
    assert!(all.iter().filter(|span| holds(span, SECRET)).count() >= 4, "the same work without the setting");
}

#[test]
fn a_failure_elsewhere_is_told_until_one_may_have_been_passed_on() {
    #[node]
    fn fail(why: &str) -> Result<(), String> {
        Err(why.to_owned())
    }
    #[workflow]
    fn failing_workflow(order: &[&str]) {
        for step in order {
            let _ = if *step == "quiet" { research(SECRET).map(drop) } else { fail(step) };
        }
    }
    let recording = Recording::with_log_prompts(true, [("research", false)]);
    recording.run(|| failing_workflow(&["before", "quiet", "after"]));
    recording.run(|| failing_workflow(&["elsewhere"]));
    let spans = recording.spans();
    let told = |why: &str| spans.iter().any(|span| span.error.as_ref().is_some_and(|error| error.message == why));
    assert_eq!(["before", "after", "elsewhere"].map(told), [true, false, true]);
}

#[test]
fn a_node_may_be_told_of_where_nothing_else_is_and_one_function_may_stand_in_both() {
    let recording = Recording::with_log_prompts(false, [("write_up", true)]);
    let spans = recorded(&recording, "Confidenti4lQuestion");
    let kept: Vec<_> = spans.iter().filter(|span| span.inputs.is_some()).map(|span| span.name.as_str()).collect();
    assert_eq!(kept, ["ask", "write_up"]);
    assert!(!spans.iter().any(|span| holds(span, SECRET)), "{spans:#?}");
    // The same again, now that each callsite is known.
    let again = recorded(&recording, "Confidenti4lQuestion");
    assert_eq!(again.iter().filter(|span| span.inputs.is_some()).count(), 4);
}

#[test]
fn threads_and_tasks_started_in_a_quiet_node_are_quiet() {
    #[node]
    async fn quiet(topic: String) {
        let (shared, context) = (topic.clone(), spanwright::Context::current());
        std::thread::spawn(move || context.run(|| write_up(&shared))).join().expect("no panic");
        spanwright::spawn(async move { write_up(&topic) }).await.expect("no panic");
    }
    let recording = Recording::with_log_prompts(true, [("quiet", false)]);
    let tokio = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    tokio.block_on(recording.scope(async { spanwright::spawn(quiet(SECRET.to_owned())).await.expect("no panic") }));
    let spans = recording.spans();
    assert_eq!(spans.iter().filter(|span| span.name == "ask").count(), 2);
    assert!(!spans.iter().any(|span| holds(span, SECRET)), "{spans:#?}");
}

/// Whether a text stands in a file below a folder, but for the one that says what is to be kept quiet.
fn files_with(folder: &Path, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for path in std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            found.extend(files_with(&path, text));
        } else if std::fs::read(&path).is_ok_and(|bytes| bytes.windows(text.len()).any(|part| part == text.as_bytes()))
        {
            found.push(path.display().to_string());
        }
    }
    found
}

/// A2-20, where everything a program leaves is looked at: its files, what is sent, what is said.
#[test]
fn what_a_quiet_node_was_told_is_in_no_file_and_in_nothing_that_is_sent() {
    let receiver = Receiver::start();
    let section = format!("{{enabled: true, tracking_uri: '{}'}}", receiver.uri());
    let (quiet, open) = (place(&section, "[{id: research, log_prompts: false}]"), place(&section, "[{id: research}]"));
    let sent = |text: &str| {
        let seen = receiver.server().seen();
        seen.iter().filter(|seen| seen.body.windows(text.len()).any(|part| part == text.as_bytes())).count()
    };
    let ran = run(&quiet, &["workflow.yaml", "answer", SECRET, "fork", SECRET]);
    assert!(ran.answers[1].starts_with("Ok("), "{ran:?}");
    assert_eq!((files_with(quiet.home.path(), SECRET), sent(SECRET)), (Vec::new(), 0));
    assert!(sent("about WEATHER") > 0, "the other node is told of");
    // What the child left is taken in.
    let mut tool = std::process::Command::new(env!("CARGO_BIN_EXE_spanwright-tool"));
    let listed = tool.arg("list").current_dir(quiet.home.path()).env_clear().env("HOME", quiet.home.path()).output();
    assert!(listed.is_ok_and(|listed| listed.status.success()));
    let upper = SECRET.to_uppercase();
    assert_eq!((files_with(quiet.home.path(), &upper), sent(&upper)), (Vec::new(), 0));
    let spans = quiet.stored();
    let asked = spans.iter().filter(|span| span.name == "ask");
    let tokens: u64 = asked.filter_map(|span| span.model.as_ref()?.usage).map(|usage| usage.input + usage.output).sum();
    assert_eq!(tokens, 3 * 13, "tokens of all three calls: {spans:#?}");

    run(&open, &["workflow.yaml", "answer", SECRET]);
    assert!(
        sent(SECRET) > 0 && !files_with(open.home.path(), SECRET).is_empty(),
        "without the setting it is everywhere"
    );
}

/// A2-20, on a real server.
#[test]
fn mlflow_shows_nothing_of_a_quiet_node_and_counts_its_tokens() {
    let server = mlflow::shared();
    let section = format!("{{enabled: true, tracking_uri: '{}', experiment_name: quiet}}", server.uri());
    let place = place(&section, "[{id: research, log_prompts: false}]");
    let ran = run(&place, &["workflow.yaml", "answer", SECRET]);
    assert_eq!((ran.code, ran.said.len()), (Some(0), 0), "{ran:?}");
    let trace = place.stored()[0].trace_id;
    let text = server.wait_for("the trace", |server| server.trace(&format!("tr-{trace}"))).to_string();
    assert!(!text.contains(SECRET), "{text}");
    assert!(text.contains("about WEATHER") && text.contains("research"), "{text}");
}
