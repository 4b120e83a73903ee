//! A trace that is still running, seen through MLflow's own client; and that it ends as if nobody had looked.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use spanwright::store::Store;
use spanwright_tests::faults::{Act, Faulty, Seen};
use spanwright_tests::mlflow::{self, Server};
use tempfile::TempDir;

use crate::delivery::{Line, PATIENCE, Trace, fresh, span};
use crate::mlflow_faults::{holds, scripted};

/// What is in a request that shows a running trace, and in no other.
const SHOWS_RUNNING: &str = "spanwright.running";

/// A traced program that does what it is told. Killed when dropped.
struct Led {
    child: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
    /// As MLflow names it.
    trace: String,
}

impl Led {
    fn start(folder: &Path, uri: &str, root: &str, settings: &[(&str, &str)]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_led"));
        command.arg(root).current_dir(folder).env_clear().env("MLFLOW_TRACKING_URI", uri);
        command.envs(settings.iter().copied()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("the program can be started");
        let orders = child.stdin.take().expect("piped");
        let answers = BufReader::new(child.stdout.take().expect("piped"));
        let mut led = Self { child, orders, answers, trace: String::new() };
        let said = led.answer();
        led.trace = said.strip_prefix("trace ").unwrap_or_else(|| panic!("{said}")).to_owned();
        led
    }

    fn answer(&mut self) -> String {
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("it answers");
        line.trim_end().to_owned()
    }

    fn tell(&mut self, order: &str) {
        writeln!(self.orders, "{order}").expect("it listens");
        assert_eq!(self.answer(), "done", "{order}");
    }

    /// Ends the trace, and the program after it has delivered everything.
    fn end(&mut self, order: &str) {
        writeln!(self.orders, "{order}").expect("it listens");
        assert_eq!(self.answer(), format!("ended {} delivered true", order == "end"));
        assert!(self.child.wait().expect("it ends").success());
    }
}

impl Drop for Led {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The one trace of an experiment, once it is there, running, and as `is_so`.
fn running(server: &Server, experiment: &str, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    server.wait_for(what, |server| {
        let traces = server.traces(experiment);
        assert!(traces.len() <= 1, "{traces:#?}");
        let id = traces.first()?["trace_id"].as_str()?.to_owned();
        let trace = server.trace(&id)?;
        assert_eq!(trace["state"], "IN_PROGRESS", "{trace:#}");
        assert_eq!(trace["trace_id"], traces[0]["trace_id"]);
        is_so(&trace).then_some(trace)
    })
}

fn spans_named(trace: &Value, name: &str) -> usize {
    trace["spans"].as_array().expect("spans").iter().filter(|span| span["name"] == name).count()
}

/// What a reader can tell of a trace, but for what differs between any two: ids and times.
fn without_ids_and_times(trace: &Value) -> Value {
    let mut trace = trace.clone();
    let fields = trace.as_object_mut().expect("an object");
    for key in ["trace_id", "time_ms", "duration_ms", "experiment_id"] {
        fields.remove(key).expect("it is there");
    }
    fields["tags"].as_object_mut().expect("tags").remove("mlflow.artifactLocation");
    for said in fields["assessments"].as_array_mut().expect("assessments") {
        let said = said.as_object_mut().expect("an object");
        for key in ["assessment_id", "trace_id", "create_time", "last_update_time"] {
            said.remove(key).expect("it is there");
        }
    }
    for span in fields["spans"].as_array_mut().expect("spans") {
        let span = span.as_object_mut().expect("an object");
        for key in ["id", "parent", "start_ns", "end_ns"] {
            span.remove(key).expect("it is there");
        }
        let attributes = span["attributes"].as_object_mut().expect("attributes");
        attributes.retain(|key, _| !["mlflow.traceRequestId", "run_id"].contains(&key.as_str()));
    }
    fields["spans"].as_array_mut().expect("spans").sort_by_key(ToString::to_string);
    trace
}

/// The duration of a trace is exactly that of its root.
fn assert_lasted_as_long_as_its_root(trace: &Value, root: &str) {
    let root = span(trace, root);
    let ms = |key: &str| root[key].as_i64().expect("a time") / 1_000_000;
    assert_eq!(trace["duration_ms"], json!(ms("end_ns") - ms("start_ns")), "{trace:#}");
    assert_eq!(trace["time_ms"], json!(ms("start_ns")), "{trace:#}");
}

/// The same orders to a program that shows nothing before it ends.
fn unseen(server: &Server, root: &str, orders: &[&str], end: &str) -> Value {
    let (folder, experiment) = (TempDir::new().expect("a folder"), fresh("unseen"));
    let settings =
        [("SPANWRIGHT_LIVE_AFTER_MS", "off"), ("MLFLOW_EXPERIMENT_NAME", &experiment), ("OTEL_SERVICE_NAME", "led")];
    let mut led = Led::start(folder.path(), server.uri(), root, &settings);
    orders.iter().for_each(|order| led.tell(order));
    led.end(end);
    server.trace(&led.trace).expect("the trace stands in MLflow")
}

#[test]
fn a_running_workflow_is_seen_with_its_name_tags_and_finished_children_and_ends_as_if_unseen() {
    let server = mlflow::shared();
    let (folder, experiment) = (TempDir::new().expect("a folder"), fresh("running"));
    let settings = [("MLFLOW_EXPERIMENT_NAME", experiment.as_str()), ("OTEL_SERVICE_NAME", "led")];
    let mut led = Led::start(folder.path(), server.uri(), "workflow", &settings);
    led.tell("ask hello");
    let seen = running(server, &experiment, "the first child", |trace| {
        trace["tags"]["mlflow.traceName"] == "led_workflow" && spans_named(trace, "ask") == 1
    });
    assert_eq!(seen["trace_id"], led.trace.as_str());
    assert_eq!(
        [&seen["tags"]["workflow"], &seen["tags"]["team"], &seen["tags"]["service.name"]],
        ["led", "ops", "led"],
        "{seen:#}"
    );
    assert_eq!(
        [&seen["metadata"]["mlflow.trace.session"], &seen["metadata"]["mlflow.trace.user"]],
        ["evening", "anna"]
    );
    let root = span(&seen, "led_workflow");
    assert_eq!((&root["attributes"][SHOWS_RUNNING], &root["status"]), (&json!(true), &json!("UNSET")));
    assert_eq!(root["inputs"]["topic"], "the garden");
    assert_eq!(seen["tree"], "", "no span stands for the end of the trace");
    assert_eq!(span(&seen, "ask")["parent"], root["id"]);
    assert_eq!(seen["usage"]["total_tokens"], 15);

    led.tell("ask goodbye");
    running(server, &experiment, "the second child, with its tokens", |trace| {
        spans_named(trace, "ask") == 2 && trace["usage"]["total_tokens"] == 36
    });
    led.tell("tag stage late");
    running(server, &experiment, "a tag set late", |trace| trace["tags"]["stage"] == "late");
    led.tell("ask again");
    led.end("end");

    let ended = server.trace(&led.trace).expect("the trace stands in MLflow");
    assert_eq!((&ended["state"], &ended["usage"]["total_tokens"]), (&json!("OK"), &json!(51)));
    assert_eq!(ended["tree"], "led_workflow [WORKFLOW]\n  ask [LLM]\n  ask [LLM]\n  ask [LLM]");
    assert_lasted_as_long_as_its_root(&ended, "led_workflow");
    assert!(ended["metadata"]["mlflow.trace.cost"].as_str().is_some_and(|cost| cost.contains("total_cost")));
    let orders = ["ask hello", "ask goodbye", "tag stage late", "ask again"];
    let unseen = unseen(server, "workflow", &orders, "end");
    assert_eq!(without_ids_and_times(&ended), without_ids_and_times(&unseen));
}

#[test]
fn a_trace_of_which_nothing_has_ended_is_seen_whatever_its_root_is() {
    let server = mlflow::shared();
    for (root, name, end, state) in [("node", "led_node", "end", "OK"), ("job", "led_job", "fail", "ERROR")] {
        let (folder, experiment) = (TempDir::new().expect("a folder"), fresh("nothing ended"));
        let settings = [("MLFLOW_EXPERIMENT_NAME", experiment.as_str()), ("OTEL_SERVICE_NAME", "led")];
        let mut led = Led::start(folder.path(), server.uri(), root, &settings);
        let seen = running(server, &experiment, "the running trace", |trace| trace["tags"]["mlflow.traceName"] == name);
        assert_eq!(seen["spans"].as_array().map(Vec::len), Some(1));
        assert_eq!(seen["tags"]["schedule_id"] == "nightly", root == "job", "{seen:#}");
        led.end(end);

        let ended = server.trace(&led.trace).expect("the trace stands in MLflow");
        assert_eq!((&ended["state"], &span(&ended, name)["status"]), (&json!(state), &json!(state)));
        assert_lasted_as_long_as_its_root(&ended, name);
        assert_eq!(without_ids_and_times(&ended), without_ids_and_times(&unseen(server, root, &[], end)));
    }
}

#[test]
fn what_a_killed_program_left_running_ends_as_abandoned_at_its_last_known_time() {
    let server = mlflow::shared();
    let (folder, experiment) = (TempDir::new().expect("a folder"), fresh("killed"));
    let settings = [("MLFLOW_EXPERIMENT_NAME", experiment.as_str())];
    let mut led = Led::start(folder.path(), server.uri(), "workflow", &settings);
    led.tell("ask hello");
    running(server, &experiment, "the child", |trace| {
        spans_named(trace, "ask") == 1 && spans_named(trace, "led_workflow") == 1
    });
    let trace = led.trace.clone();
    drop(led);

    let elsewhere = [("MLFLOW_EXPERIMENT_NAME", "elsewhere")];
    Led::start(folder.path(), server.uri(), "node", &elsewhere).end("end");
    let ended = server.wait_for("its end", |server| server.trace(&trace).filter(|trace| trace["state"] == "ERROR"));
    let (root, ask) = (span(&ended, "led_workflow"), span(&ended, "ask"));
    assert_eq!(
        (&root["attributes"]["spanwright.outcome"], &root["attributes"][SHOWS_RUNNING]),
        (&json!("abandoned"), &Value::Null)
    );
    assert_eq!(root["end_ns"], ask["end_ns"], "the last that is known of the process");
    assert_lasted_as_long_as_its_root(&ended, "led_workflow");
    assert_eq!((&ended["usage"]["total_tokens"], server.traces(&experiment).len()), (&json!(15), 1));
}

/// A gateway to the real server.
fn gateway(port: u16, server: &Server) -> Faulty {
    let upstream = port_of(server);
    Faulty::start_on(port, move |seen, _| Act::Forward(upstream, Box::new(seen.clone())))
}

fn port_of(server: &Server) -> u16 {
    server.uri().rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port")
}

#[test]
fn a_server_that_is_away_for_a_while_shows_what_happened_meanwhile_when_it_is_back() {
    let server = mlflow::shared();
    let (folder, experiment) = (TempDir::new().expect("a folder"), fresh("away"));
    let there = gateway(0, server);
    let (port, uri) = (there.port(), there.uri());
    let settings = [
        ("MLFLOW_EXPERIMENT_NAME", experiment.as_str()),
        ("SPANWRIGHT_LIVE_AFTER_MS", "300"),
        ("SPANWRIGHT_LOG", "off"),
    ];
    let mut led = Led::start(folder.path(), &uri, "workflow", &settings);
    running(server, &experiment, "the running trace", |trace| trace["tags"]["team"] == "ops");
    drop(there);
    led.tell("ask hello");
    led.tell("tag stage late");
    let store = Store::open(&folder.path().join(".spanwright")).expect("a store");
    let started = Instant::now();
    while store.pending_counts(Some(&uri)).expect("it reads").pending.spans == 0 {
        assert!(started.elapsed() < PATIENCE, "the child waits in the store");
        std::thread::sleep(Duration::from_millis(20));
    }
    let _back = gateway(port, server);
    running(server, &experiment, "what happened meanwhile", |trace| {
        spans_named(trace, "ask") == 1 && trace["tags"]["stage"] == "late"
    });
    led.end("end");
    let ended = server.trace(&led.trace).expect("the trace stands in MLflow");
    assert_eq!((&ended["state"], &ended["usage"]["total_tokens"]), (&json!("OK"), &json!(15)));
    assert_eq!(ended["spans"].as_array().map(Vec::len), Some(2));
    assert_lasted_as_long_as_its_root(&ended, "led_workflow");
}

/// Waits until a scripted server has seen something.
fn wait_until(faulty: &Faulty, what: &str, is_so: impl Fn(&[Seen]) -> bool) {
    let started = Instant::now();
    while !is_so(&faulty.seen()) {
        assert!(started.elapsed() < PATIENCE, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn shows_running(seen: &Seen) -> bool {
    holds(&seen.body, SHOWS_RUNNING)
}

#[test]
fn a_trace_that_ends_soon_or_is_not_to_be_shown_costs_no_request_and_nothing_in_the_store() {
    for (settings, pause) in [
        (&[("SPANWRIGHT_LIVE_AFTER_MS", "60000")][..], Duration::ZERO),
        (&[("SPANWRIGHT_LIVE_AFTER_MS", "off")], Duration::from_secs(3)),
        (&[("MLFLOW_TRACE_SAMPLING_RATIO", "0"), ("SPANWRIGHT_LIVE_AFTER_MS", "0")], Duration::from_secs(1)),
    ] {
        let faulty = scripted("3.17.2", |_, _| Act::status(200));
        let folder = TempDir::new().expect("a folder");
        let mut led = Led::start(folder.path(), &faulty.uri(), "node", settings);
        std::thread::sleep(pause);
        if !pause.is_zero() {
            assert_eq!(faulty.seen().len(), 0, "{settings:?}");
            let store = Store::open(&folder.path().join(".spanwright")).expect("a store");
            assert_eq!(store.statistics().expect("it reads").open_spans, 0);
        }
        led.end("end");
        let traces: Vec<_> = faulty.seen_at("/v1/traces");
        assert_eq!(traces.len(), usize::from(led.trace != "none"), "{settings:?}");
        assert!(!traces.iter().any(shows_running), "{settings:?}");
        assert!(faulty.seen().iter().all(|seen| seen.method != "PATCH"), "{settings:?}");
    }
}

#[test]
fn a_server_that_counts_what_it_gets_twice_is_shown_nothing_beside_the_spans() {
    let faulty = scripted("3.14.2", |_, _| Act::status(200));
    let folder = TempDir::new().expect("a folder");
    let mut led = Led::start(folder.path(), &faulty.uri(), "workflow", &[("SPANWRIGHT_LIVE_AFTER_MS", "200")]);
    led.tell("ask hello");
    wait_until(&faulty, "the child is sent while its root is open", |seen| {
        seen.iter().any(|seen| seen.path == "/v1/traces")
    });
    led.end("end");
    assert_eq!(faulty.seen_at("/v1/traces").len(), 2, "child and root");
    assert!(!faulty.seen().iter().any(|seen| shows_running(seen) || seen.method == "PATCH"));
}

#[test]
fn a_server_that_does_not_answer_what_is_only_shown_gets_the_spans_all_the_same() {
    let faulty = Faulty::start(|seen, _| match seen.path.as_str() {
        "/version" => Act::Answer(200, vec![], "3.17.2".into()),
        path if path.contains("experiments/") => {
            Act::json(200, r#"{"experiment":{"experiment_id":"7","name":"any","lifecycle_stage":"active"}}"#)
        }
        _ if shows_running(seen) => Act::Swallow,
        _ => Act::json(200, "{}"),
    });
    let folder = TempDir::new().expect("a folder");
    let mut led = Led::start(folder.path(), &faulty.uri(), "workflow", &[("SPANWRIGHT_LIVE_AFTER_MS", "200")]);
    wait_until(&faulty, "the trace is shown", |seen| seen.iter().any(shows_running));
    led.tell("ask hello");
    let told = Instant::now();
    let is_delivered = |seen: &Seen| seen.path == "/v1/traces" && !shows_running(seen);
    wait_until(&faulty, "the child is delivered", |seen| seen.iter().any(is_delivered));
    let shown = faulty.seen().iter().filter(|seen| shows_running(seen)).count() as u64;
    assert!(shown <= 1 + told.elapsed().as_secs() / 10, "shown {shown} times in {:?}", told.elapsed());
    led.end("end");
    assert_eq!(faulty.seen().iter().filter(|seen| is_delivered(seen)).count(), 2);
}

#[test]
fn an_open_root_that_reaches_the_server_after_the_ended_one_does_not_stay() {
    let server = mlflow::shared();
    let port = port_of(server);
    let held: Arc<Mutex<Vec<Seen>>> = Arc::default();
    let is_over = Arc::new(AtomicBool::new(false));
    let (holding, over) = (held.clone(), is_over.clone());
    let gateway = Faulty::start(move |seen, _| {
        if shows_running(seen) && !over.load(Ordering::Acquire) {
            holding.lock().expect("no panic").push(seen.clone());
            return Act::Hang;
        }
        Act::Forward(port, Box::new(seen.clone()))
    });
    let folder = TempDir::new().expect("a folder");
    let settings = [("MLFLOW_EXPERIMENT_NAME", "late"), ("SPANWRIGHT_LIVE_AFTER_MS", "200")];
    let mut led = Led::start(folder.path(), &gateway.uri(), "workflow", &settings);
    wait_until(&gateway, "the trace is shown", |seen| seen.iter().any(shows_running));
    led.end("end");
    is_over.store(true, Ordering::Release);
    let ended = server.trace(&led.trace).expect("the trace stands in MLflow");
    assert_eq!(span(&ended, "led_workflow")["outputs"], 0);

    // The gateway lets it go now.
    for seen in held.lock().expect("no panic").drain(..) {
        post(gateway.port(), &seen);
    }
    let replaced = server.trace(&led.trace).expect("the trace stands in MLflow");
    assert_eq!(span(&replaced, "led_workflow")["attributes"][SHOWS_RUNNING], true);

    // A minute later, which the note in the store is made to be.
    let store = Store::open(&folder.path().join(".spanwright")).expect("a store");
    let key = format!("shown:{}", gateway.uri());
    let noted = store.meta_get(&key).expect("it reads").unwrap_or_default();
    let trace = led.trace.trim_start_matches("tr-");
    assert!(noted.starts_with(&format!("{trace}@")), "{noted}");
    store.meta_set(&key, &format!("{trace}@1")).expect("it takes it");
    Led::start(folder.path(), &gateway.uri(), "node", &settings).end("end");
    let repaired = server.wait_for("the ended root", |server| {
        server.trace(&led.trace).filter(|trace| span(trace, "led_workflow")["attributes"][SHOWS_RUNNING].is_null())
    });
    assert_eq!(without_ids_and_times(&repaired), without_ids_and_times(&ended));
    assert_eq!((&repaired["duration_ms"], &repaired["time_ms"]), (&ended["duration_ms"], &ended["time_ms"]));
    assert_eq!(store.meta_get(&key).expect("it reads").as_deref(), Some(""));
}

/// Sends a request again, and waits for its answer.
fn post(port: u16, seen: &Seen) {
    use std::io::Read as _;
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
    let mut request = format!("{} {} HTTP/1.1\r\ncontent-length: {}\r\n", seen.method, seen.path, seen.body.len());
    for (name, value) in seen.headers.iter().filter(|(name, _)| name != "content-length") {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    stream.write_all(format!("{request}\r\n").as_bytes()).and_then(|()| stream.write_all(&seen.body)).expect("sent");
    let mut reply = String::new();
    stream.read_to_string(&mut reply).expect("it answers");
    assert!(reply.starts_with("HTTP/1.1 200"), "{reply}");
}

#[test]
fn more_running_traces_than_one_round_shows_are_all_shown_once_and_delivery_goes_first() {
    let faulty = scripted("3.17.2", |_, _| Act::status(200));
    let mut line = Line::idle(crate::delivery::config(&faulty.uri(), "any", |overrides| {
        overrides.live_after = Some(Some(Duration::from_millis(100)));
    }));
    let open: Vec<_> = (0..30).map(|n| Trace::new().root(&format!("long {n}"))).collect();
    line.put_batch(&spanwright::record::Batch { open, ..Default::default() });
    line.put(&[Trace::new().root("short")]);
    line.start();
    let shown = |seen: &[Seen]| seen.iter().filter(|seen| shows_running(seen)).count();
    wait_until(&faulty, "all are shown", |seen| shown(seen) == 30);
    assert_eq!(line.flush().pending, 0);
    let traces = faulty.seen_at("/v1/traces");
    assert!(!shows_running(&traces[0]) && holds(&traces[0].body, "short"), "delivery first");
    assert_eq!((traces.len(), faulty.seen().iter().filter(|seen| seen.method == "PATCH").count()), (31, 30));
    assert_eq!(line.said(), Vec::<String>::new());
}
