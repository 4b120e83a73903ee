//! Programs that are configured rather than annotated, each a process of its own: what they find, what is said, and where their spans are.

use std::fs;
use std::net::TcpListener;
use std::time::Duration;

use spanwright::record::{AttributeValue, SpanRecord};
use spanwright_tests::faults::Act;
use spanwright_tests::mlflow::free_port;
use spanwright_tests::program::{Ended, Place, Program};
use spanwright_tests::receiver::Receiver;

pub const CONFIGURED: &str = env!("CARGO_BIN_EXE_configured");

/// Runs the program in its place to its end.
pub fn run(place: &Place, arguments: &[&str]) -> Ended {
    Program::start(place.command(arguments)).end()
}

/// A place with a workflow file of this section, and nodes.
pub fn place(section: &str, nodes: &str) -> Place {
    let place = Place::new(CONFIGURED);
    let text = format!("flow: {{name: weather}}\nnodes: {nodes}\nconfig:\n  observability:\n    mlflow: {section}\n");
    fs::write(place.home.path().join("workflow.yaml"), text).expect("a file");
    place
}

pub const ON: &str = "{enabled: true}";

fn microseconds(ended: &Ended) -> u64 {
    let line = ended.answers.iter().find_map(|line| line.strip_prefix("us "));
    line.and_then(|us| us.parse().ok()).unwrap_or_else(|| panic!("{ended:?}"))
}

fn named<'s>(spans: &'s [SpanRecord], name: &str) -> &'s SpanRecord {
    spans.iter().find(|span| span.name == name).unwrap_or_else(|| panic!("no `{name}` in {spans:#?}"))
}

/// A2-07
#[test]
fn a_tracker_that_is_off_runs_what_it_is_given_and_touches_nothing() {
    for section in ["null", "{enabled: false, tracking_uri: 'http://127.0.0.1:1'}"] {
        let place = place(section, "[]");
        let ran = run(&place, &["workflow.yaml", "answer", "wind", "named", "workflow_a", "cost", "wind"]);
        assert_eq!(ran.answers[..4], ["enabled false", "Ok(\"about WEATHER\")", "42", "no summary"]);
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
        let left: Vec<_> =
            fs::read_dir(place.home.path()).expect("a folder").flatten().map(|entry| entry.file_name()).collect();
        assert_eq!(left, ["workflow.yaml"], "no file is made");
    }
}

/// A2-08
#[test]
fn a_trace_is_a_workflow_or_an_agent_by_its_name_and_has_its_attributes() {
    let place = place(ON, "[{id: research}, {id: write_up}]");
    let works = ["workflow.yaml", "named", "workflow_a", "named", "MyWorkflow", "named", "node_x", "answer", "wind"];
    let ran = run(&place, &works);
    assert_eq!((&*ran.answers[0], &*ran.answers[4]), ("enabled true", "Ok(\"about WEATHER\")"), "{}", ran.stderr);
    let spans = place.stored();
    let types = ["workflow_a", "MyWorkflow", "node_x"].map(|name| named(&spans, name).span_type.clone());
    assert_eq!(types, ["WORKFLOW", "WORKFLOW", "AGENT"]);
    assert!(
        spans.iter().filter(|span| span.parent_id.is_none()).all(|span| span.source.file.ends_with("configured.rs"))
    );
    assert_eq!(named(&spans, "node_x").attribute("answer"), Some(&AttributeValue::Int(42)));
    let whole = named(&spans, "workflow_weather");
    let attribute = |key: &str| whole.attribute(key).cloned();
    assert_eq!(attribute("workflow_name"), Some(AttributeValue::Text("weather".into())));
    assert_eq!(attribute("workflow_version"), Some(AttributeValue::Text("unversioned".into())));
    assert_eq!(attribute("node_count"), Some(AttributeValue::Int(2)));
    assert_eq!(named(&spans, "research").trace_id, whole.trace_id, "annotated functions stand below it");
}

/// A2-05: a server that is not there, and one whose packets vanish.
#[test]
fn a_server_that_is_not_there_costs_no_time_and_one_line_that_says_what_to_do() {
    // One that accepts nothing and whose queue is full answers no further packet.
    let full = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    rustix::net::listen(&full, 0).expect("it can be told to");
    let address = full.local_addr().expect("it is bound");
    let crowd: Vec<_> = (0..4)
        .filter_map(|_| std::net::TcpStream::connect_timeout(&address, Duration::from_millis(200)).ok())
        .collect();
    for uri in [format!("http://127.0.0.1:{}", free_port()), format!("http://{address}")] {
        let place = place(&format!("{{enabled: true, tracking_uri: '{uri}'}}"), "[]");
        let ran = run(&place, &["workflow.yaml", "answer", "wind", "spans", "100"]);
        assert_eq!(ran.answers[..2], ["enabled true", "Ok(\"about WEATHER\")"]);
        assert!(microseconds(&ran) < 3_000_000, "{ran:?}");
        let [said] = &ran.said[..] else { panic!("one line: {:?}", ran.said) };
        for part in [
            uri.as_str(),
            "kept in the store",
            "spanwright push",
            "mlflow server --backend-store-uri sqlite:///mlflow.db",
        ] {
            assert!(said.contains(part), "`{part}` in {said}");
        }
        assert_eq!(place.stored().len(), 107, "everything is kept");
    }
    drop(crowd);
}

/// A2-05: what is no server is not looked for.
#[test]
fn a_database_as_tracking_uri_is_never_opened() {
    for uri in ["sqlite:///mlflow.db", "file://./mlruns"] {
        let place = place(&format!("{{enabled: true, tracking_uri: '{uri}'}}"), "[]");
        let ran = run(&place, &["workflow.yaml", "answer", "wind"]);
        assert_eq!(ran.answers[..2], ["enabled true", "Ok(\"about WEATHER\")"]);
        let [said] = &ran.said[..] else { panic!("one line: {:?}", ran.said) };
        assert!(said.contains(uri) && said.contains("spanwright push"), "{said}");
        for name in ["mlflow.db", "mlruns"] {
            assert!(!place.home.path().join(name).exists(), "{name}");
        }
        assert_eq!(place.stored().len(), 6);
    }
}

/// A2-15: at 500 ms a request, a thousand spans are produced before the first of them can have been answered for.
#[test]
fn a_slow_server_does_not_slow_a_workflow_and_has_everything_when_the_program_ends() {
    let receiver =
        Receiver::start_with(|_, _| Some(Act::Late(Duration::from_millis(500), Box::new(Act::json(200, "{}")))));
    let mut place = place(&format!("{{enabled: true, tracking_uri: '{}'}}", receiver.uri()), "[]");
    place.set("SPANWRIGHT_FLUSH_TIMEOUT_MS", "60000");
    let ran = run(&place, &["workflow.yaml", "spans", "1000"]);
    assert_eq!(
        (ran.answers[..2].to_vec(), ran.said.len()),
        (vec!["enabled true".into(), "500500".into()], 0),
        "{ran:?}"
    );
    // Waiting for as few as two answers would take longer than all of it.
    assert!(microseconds(&ran) < 1_000_000, "{ran:?}");
    receiver.assert_took_once(1001);
}

#[test]
fn a_tracker_sums_up_the_trace_it_has_just_made_and_says_what_it_came_to() {
    let place = place(ON, "[{id: research}, {id: write_up}]");
    let ran = run(&place, &["workflow.yaml", "answer", "wind", "cost", "wind"]);
    let summary: serde_json::Value =
        serde_json::from_str(&ran.answers[2]).unwrap_or_else(|error| panic!("{error}: {ran:?}"));
    assert_eq!((&summary["workflow_name"], &summary["workflow_version"]), (&"weather".into(), &"unversioned".into()));
    assert_eq!(summary["total_tokens"]["total_tokens"], 26, "of one trace, not of both");
    // 20 in and 6 out, of gpt-4o-mini.
    assert_eq!(summary["total_cost_usd"], 0.000_006_6, "{summary}");
    assert_eq!(ran.said, ["workflow summary logged: 26 tokens, $0.000007"]);
}

#[test]
fn each_workflow_opens_a_run_of_the_name_that_is_configured() {
    let opened = |section: &str| {
        let place = place(section, "[]");
        run(&place, &["workflow.yaml", "named", "workflow_a", "named", "node_x"]);
        let spans = place.stored();
        let run = |name: &str| named(&spans, name).workflow.as_ref().and_then(|workflow| workflow.opens_run.clone());
        (run("workflow_a").and_then(|run| run.name), run("node_x"))
    };
    assert_eq!(opened("{enabled: true, run_name: nightly}"), (Some("nightly".to_owned()), None));
    assert_eq!(opened(ON), (None, None));
}
