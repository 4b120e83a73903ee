//! What a program records, against the spans it declares.

use std::borrow::Cow;
use std::process::Command;
use std::time::Duration;

use futures::{Stream, StreamExt as _, stream};
use spanwright::record::SpanRecord;
use spanwright::store::{Store, TraceFilter};
use spanwright::testing::{Recording, Rule, contract_violations};
use spanwright::{
    CaptureLevel, ModelOutcome, SandboxOutcome, assert_contract, delegate, handle, llm, node, sandbox, tool, workflow,
};
use tempfile::TempDir;

use crate::look::text;

mod spans {
    spanwright::spans! {
        pub workflow Plan(id = "home.workflow.plan", parents(root)) {
            days: u64,

            pub node Collect(id = "home.node.collect", parents(super::others::Visit)) {
                a: bool, b: i8, c: u64, d: f32, e: f64, name: str,
                flags: [bool], counts: [u8], shares: [f64], words: [str], extra: json,
                api_key: str,

                pub tool Look(id = "home.tool.look", leaf) {
                    room: str,
                }
            }

            pub sandbox Run(id = "home.sandbox.run");
            pub delegate HandOver(id = "home.delegation");
            pub llm Ask(id = "home.llm.ask");
            pub tool Items(id = "home.tool.items");
        }
    }
}

mod others {
    spanwright::spans! {
        pub workflow Visit(id = "home.workflow.visit");
    }
}

#[tool(span = spans::Look, attributes(room = room))]
fn look(room: &str) -> usize {
    room.len()
}

#[node(span = spans::Collect, handle = span)]
fn collect(rooms: &[&str]) -> usize {
    span.a(true).b(-1).c(u64::MAX).d(0.1).e(f64::NAN).name("x".repeat(4000).as_str());
    span.flags(&[true]).counts(&[1, 2]).shares(&[1.0, f64::INFINITY]).words(rooms).extra(&rooms).api_key("k-1");
    rooms.iter().map(|room| look(room)).sum()
}

struct Exit;

impl SandboxOutcome for Exit {
    fn exit_code(&self) -> i32 {
        3
    }
    fn duration(&self) -> Option<Duration> {
        Some(Duration::from_millis(2))
    }
    fn time_limit(&self) -> Option<Duration> {
        Some(Duration::from_secs(2))
    }
    fn policy(&self) -> Option<Cow<'_, str>> {
        Some("standard".into())
    }
}

#[sandbox(span = spans::Run)]
fn run() -> Exit {
    Exit
}

#[delegate(span = spans::HandOver, from = "planner", to = "analyst")]
fn hand_over(task: &str) -> usize {
    task.len()
}

struct Reply;

impl ModelOutcome for Reply {
    fn model(&self) -> Option<Cow<'_, str>> {
        Some("small".into())
    }
    fn time_to_first_token(&self) -> Option<Duration> {
        Some(Duration::from_millis(1))
    }
}

#[derive(Debug)]
struct NothingToSay;

impl std::fmt::Display for NothingToSay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("nothing to say")
    }
}

#[llm(span = spans::Ask, expected(NothingToSay), model = "small", provider = "local")]
fn ask(question: &str) -> Result<Reply, NothingToSay> {
    if question.is_empty() { Err(NothingToSay) } else { Ok(Reply) }
}

#[tool(span = spans::Items)]
fn items() -> impl Stream<Item = u32> {
    stream::iter([1, 2])
}

#[workflow(span = spans::Plan, handle = span, tags(team = "ops"))]
fn plan() {
    span.days(7).event("began");
    collect(&["hall", "attic"]);
    run();
    hand_over("sum it up");
    let _ = (ask("why?"), ask(""));
    assert_eq!(futures::executor::block_on(items().count()), 2);
}

#[workflow(span = others::Visit)]
fn visit() {
    collect(&[]);
}

#[test]
fn what_keeps_to_its_declarations_passes_whatever_is_captured() {
    for level in [CaptureLevel::None, CaptureLevel::Keys, CaptureLevel::Preview, CaptureLevel::Full] {
        let recording = Recording::with_capture(level);
        recording.run(|| {
            plan();
            visit();
        });
        assert_contract!(recording, spans::CONTRACT, others::CONTRACT);
        assert_eq!((recording.spans().len(), recording.stray_attributes()), (11, 0), "{level:?}");
    }
}

#[test]
fn a_record_carries_the_id_of_its_declaration_and_those_without_read_as_before() {
    #[node]
    fn undeclared() {}
    let recording = Recording::new();
    recording.run(|| {
        visit();
        undeclared();
    });
    assert_eq!(recording.span("visit").declared.as_deref(), Some("home.workflow.visit"));
    let old = serde_json::to_value(recording.span("undeclared")).expect("JSON");
    assert_eq!(old.get("declared"), None);
    assert_eq!(serde_json::from_value::<SpanRecord>(old).expect("a record").declared, None);
}

#[test]
fn what_is_recorded_otherwise_is_told_with_its_function_and_place() {
    #[tool]
    fn undeclared() {
        look("attic");
    }
    #[tool(span = spans::Items)]
    fn no_leaf() {
        collect(&[]);
    }
    #[node(span = spans::Collect)]
    fn loose() {
        handle().set("nmae", "hall");
        handle().set("c", 1.5);
        handle().set("counts", [1.5]);
        handle().set("days", 7);
        undeclared();
    }
    #[tool(span = spans::Look)]
    fn look_closer() {
        run();
    }
    #[workflow(span = spans::Plan)]
    fn inside_out() {
        loose();
        no_leaf();
        look("hall");
    }
    let recording = Recording::new();
    recording.run(inside_out);
    recording.run(look_closer);

    let violations = recording.contract_violations(&[spans::CONTRACT]);
    let found: Vec<_> =
        violations.iter().map(|violation| (violation.rule, violation.source.function.as_str())).collect();
    assert_eq!(
        found,
        [
            (Rule::DeclaredAttribute, "loose"),
            (Rule::Type, "loose"),
            (Rule::Type, "loose"),
            (Rule::DeclaredAttribute, "loose"),
            (Rule::DeclaredSpan, "undeclared"),
            (Rule::Parent, "collect"),
            (Rule::Parent, "look"),
            (Rule::Parent, "look_closer"),
            (Rule::Leaf, "run"),
            (Rule::Parent, "run"),
        ]
    );
    assert_eq!(recording.stray_attributes(), 4);
    assert!(violations.iter().all(|violation| violation.source.file.ends_with("contract.rs")));
    assert!(violations[0].to_string().contains("did you mean `name`?"), "{}", violations[0]);

    let failed = std::panic::catch_unwind(|| assert_contract!(recording, spans::CONTRACT)).expect_err("it differs");
    let message = failed.downcast_ref::<String>().expect("a message");
    assert!(message.contains("in 10 places"), "{message}");
    assert!(
        message.contains("  -     attribute `c` of type `int`\n  +     attribute `c` of type `double`\n"),
        "{message}"
    );
    assert!(message.contains("  ✗     undeclared [TOOL]\n"), "{message}");

    // Records from elsewhere are compared the same way, and a contract that is not given is missed.
    let spans = recording.spans();
    assert_eq!(contract_violations(&spans[..], &[spans::CONTRACT, others::CONTRACT]).len(), violations.len());
    assert_contract!(spans.iter().filter(|span| span.name == "plan").cloned().collect::<Vec<_>>(), spans::CONTRACT);
    let undeclared = contract_violations(&spans, &[others::CONTRACT]);
    assert!(undeclared.iter().all(|found| found.rule == Rule::DeclaredSpan) && undeclared.len() == spans.len());
}

#[test]
fn a_program_that_sets_by_name_what_is_not_declared_is_told_once_a_key_and_its_store_has_it_all() {
    let folder = TempDir::new().expect("a folder");
    let mut command = Command::new(env!("CARGO_BIN_EXE_agent"));
    let output = command.args(["stray", "10"]).current_dir(folder.path()).env_clear().output().expect("it starts");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "stored 10 stray 10\n");
    let stderr = String::from_utf8_lossy(&output.stderr);
    let said: Vec<_> = stderr.lines().filter(|line| line.contains("agent.node.count")).collect();
    assert_eq!(said.len(), 2, "{stderr}");
    assert!(said.iter().any(|line| line.contains("`parity`") && line.contains("`count_loosely`")), "{stderr}");
    assert!(said.iter().any(|line| line.contains("kept as `string`") && line.contains("as `int`")), "{stderr}");

    let store = Store::open(&folder.path().join(".spanwright")).expect("the store opens");
    let traces = store.traces(&TraceFilter::default()).expect("the store reads");
    let spans: Vec<_> = traces.iter().flat_map(|trace| store.spans(trace.trace_id).expect("it reads")).collect();
    assert!(spans.iter().all(|span| span.declared.as_deref() == Some("agent.node.count")));
    let odd: Vec<_> = spans.iter().filter(|span| span.attribute("parity").is_some()).collect();
    assert_eq!(odd.len(), 5);
    assert!(odd.iter().all(|span| text(span, "number") == "odd"));
}
