//! Servers that are away, slow, unwilling or old: spans are kept, said once, and delivered when they can be.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::json as value;
use spanwright::config::Credentials;
use spanwright::export::{Client, push};
use spanwright::record::AttributeValue;
use spanwright::store::{Adopt, Store};
use spanwright_tests::faults::{Act, Faulty, Seen};
use spanwright_tests::mlflow::{self, ADMIN, free_port};

use crate::delivery::{Line, PATIENCE, Trace, config, fresh, names};

/// A server that is MLflow as far as an exporter looks, and takes spans as `traces` says.
pub fn scripted(version: &'static str, traces: impl Fn(&Seen, usize) -> Act + Send + Sync + 'static) -> Faulty {
    let posts = AtomicUsize::new(0);
    Faulty::start(move |seen, _| match seen.path.as_str() {
        "/health" => Act::status(200),
        "/version" => Act::Answer(200, vec![], version.to_owned()),
        "/v1/traces" => traces(seen, posts.fetch_add(1, Ordering::AcqRel)),
        path if path.starts_with("/api/2.0/mlflow/experiments/") => {
            Act::json(200, r#"{"experiment":{"experiment_id":"7","name":"n","lifecycle_stage":"active"}}"#)
        }
        path if path.starts_with("/api/3.0/mlflow/traces/batchGet") => Act::json(200, r#"{"traces":[]}"#),
        _ => Act::json(200, "{}"),
    })
}

pub fn holds(body: &[u8], text: &str) -> bool {
    body.windows(text.len()).any(|window| window == text.as_bytes())
}

fn port_of(server: &mlflow::Server) -> u16 {
    server.uri().rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port")
}

/// In front of the real server: an attribute that we would never send as it is becomes one that fails a whole request.
fn poisoning(server: &mlflow::Server) -> Faulty {
    let port = port_of(server);
    Faulty::start(move |seen, _| {
        let mut seen = seen.clone();
        let (from, to) = (b"poison.chat.tokenUsage", b"mlflow.chat.tokenUsage");
        while let Some(at) = seen.body.windows(from.len()).position(|window| window == from) {
            seen.body[at..at + to.len()].copy_from_slice(to);
        }
        Act::Forward(port, Box::new(seen))
    })
}

#[test]
fn a_poison_span_is_isolated_and_the_rest_arrives() {
    let server = mlflow::shared();
    let proxy = poisoning(server);
    let (sick, well) = (Trace::new(), Trace::new());
    let mut poison = sick.child("poison");
    // The server demands numbers of it.
    poison.attributes.push((
        "poison.chat.tokenUsage".into(),
        AttributeValue::Json(crate::delivery::json(r#"{"total_tokens":"x"}"#)),
    ));
    let mut spans: Vec<_> = (0..60).map(|n| sick.child(&format!("step {n}"))).collect();
    spans.insert(37, poison);
    spans.push(sick.root("sick"));
    spans.extend((0..10).map(|n| well.child(&format!("step {n}"))));
    spans.push(well.root("well"));
    let line = Line::to(&proxy.uri(), &fresh("poison"));
    line.put(&spans);
    let delivery = line.flush();

    assert_eq!((delivery.delivered, delivery.rejected, delivery.pending), (72, 1, 0), "{:?}", line.said());
    let read = server.trace(&sick.mlflow_id()).expect("the trace");
    assert_eq!((&read["state"], names(&read).len()), (&value!("OK"), 61));
    assert!(!names(&read).contains("poison"));
    assert_eq!(names(&server.trace(&well.mlflow_id()).expect("the trace")).len(), 11);
    assert!(proxy.seen_at("/v1/traces").len() < 20, "halved, not sent one by one");
    let causes = line.store.rejections(sick.id).expect("kept with its cause");
    assert!(matches!(causes.as_slice(), [cause] if cause.contains("422")), "{causes:?}");
    assert!(
        matches!(line.said().as_slice(), [one] if one.contains("poison") && one.contains("kept")),
        "{:?}",
        line.said()
    );
}

#[test]
fn a_poison_span_alone_is_refused_too_once_the_server_takes_others() {
    let server = mlflow::shared();
    let proxy = poisoning(server);
    let trace = Trace::new();
    let mut poison = trace.root("poison");
    poison.attributes.push((
        "poison.chat.tokenUsage".into(),
        AttributeValue::Json(crate::delivery::json(r#"{"total_tokens":"x"}"#)),
    ));
    let line = Line::to(&proxy.uri(), &fresh("poison alone"));
    line.put(&[poison]);
    let delivery = line.flush();
    assert_eq!((delivery.rejected, delivery.pending), (1, 0), "{delivery:?}");
    line.put(&[Trace::new().root("next")]);
    assert_eq!(line.flush().pending, 0, "nothing is stuck behind it");
}

#[test]
fn a_span_behind_a_lasting_500_is_isolated_like_any_other() {
    let faulty = scripted("3.17.2", |seen, _| Act::status(if holds(&seen.body, "poison") { 500 } else { 200 }));
    let trace = Trace::new();
    let line = Line::to(&faulty.uri(), "any");
    line.put(&[trace.child("a"), trace.child("poison"), trace.child("b"), trace.root("root")]);
    let delivery = line.flush();
    assert_eq!((delivery.delivered, delivery.rejected, delivery.pending), (3, 1, 0), "{:?}", line.said());
}

#[test]
fn a_server_that_refuses_everything_costs_no_span() {
    for status in [400, 401, 403, 404, 413, 422, 500, 501, 503] {
        let faulty = scripted("3.17.2", move |_, _| Act::status(status));
        let line = Line::to(&faulty.uri(), "any");
        let trace = Trace::new();
        line.put(&[trace.child("a"), trace.child("b"), trace.child("c"), trace.root("root")]);
        let delivery = line.flush();
        assert_eq!((delivery.delivered, delivery.rejected, delivery.pending), (0, 0, 4), "{status}: {:?}", line.said());
        let said = line.said();
        let [warning] = said.as_slice() else { panic!("{status}: one warning, not {said:?}") };
        assert!(warning.contains(&faulty.uri()) && warning.contains(&status.to_string()), "{warning}");
        assert!(faulty.seen_at("/v1/traces").len() < 20, "{status}: {} requests", faulty.seen_at("/v1/traces").len());
    }
}

#[test]
fn without_an_experiment_id_nothing_is_sent() {
    let faulty = Faulty::start(|seen, _| match seen.path.as_str() {
        "/health" => Act::status(200),
        "/version" => Act::Answer(200, vec![], "3.17.2".into()),
        // Nothing here is an id that spans could be sent under.
        path if path.contains("experiments/") => Act::json(200, r#"{"experiment":{"experiment_id":""}}"#),
        _ => Act::status(200),
    });
    let line = Line::to(&faulty.uri(), "any");
    line.put(&[Trace::new().root("root")]);
    assert_eq!(line.flush().pending, 1);
    // The real server answers 200 to an empty id, and keeps nothing.
    assert_eq!(faulty.seen_at("/v1/traces").len(), 0);
}

#[test]
fn a_deleted_experiment_is_said_and_holds_up_nobody_else() {
    let server = mlflow::shared();
    let (deleted, alive) = (fresh("deleted"), fresh("alive"));
    server.delete_experiment(&deleted);
    let line = Line::to(server.uri(), &deleted);
    let elsewhere = Trace::new();
    let mut root = elsewhere.root("elsewhere");
    root.workflow.as_mut().expect("a workflow").experiment = Some(alive.clone());
    // More than fit one request stand before the one that can go.
    let blocked = Trace::new();
    let mut spans: Vec<_> = (0..600).map(|n| blocked.child(&format!("{n}"))).collect();
    spans.push(blocked.root("blocked"));
    line.put(&spans);
    line.put(&[root]);
    let delivery = line.flush();
    assert_eq!((delivery.delivered, delivery.rejected, delivery.pending), (1, 0, 601));
    line.flush();
    let said = line.said();
    let [warning] = said.as_slice() else { panic!("one warning, not {said:?}") };
    for part in [deleted.as_str(), "deleted", "mlflow experiments restore", "MLFLOW_EXPERIMENT_NAME", server.uri()] {
        assert!(warning.contains(part), "{warning}");
    }
    assert_eq!(server.traces(&alive).len(), 1);
    let error = Client::connect(&line.config).expect("a client").experiment().expect_err("it is deleted");
    assert!(error.is_state() && error.to_string().contains("deleted"), "{error:#}");
}

#[test]
fn an_idle_connection_the_server_has_closed_costs_nothing() {
    let server = mlflow::shared();
    let line = Line::to(server.uri(), &fresh("idle"));
    for n in 0..2 {
        let trace = Trace::new();
        line.deliver(&[trace.root("after a rest")]);
        assert!(server.trace(&trace.mlflow_id()).is_some());
        if n == 0 {
            // The server closes an idle connection after 5 s.
            std::thread::sleep(Duration::from_secs(6));
        }
    }
}

#[test]
fn a_connection_reset_while_it_is_reused_is_replaced_at_once_and_unsaid() {
    let faulty = scripted("3.17.2", |_, posts| if posts == 1 { Act::Hang } else { Act::status(200) });
    let line = Line::to(&faulty.uri(), "any");
    line.deliver(&[Trace::new().root("first")]);
    let asked = Instant::now();
    line.deliver(&[Trace::new().root("second")]);
    assert!(asked.elapsed() < Duration::from_secs(3), "{:?}", asked.elapsed());
    let posts = faulty.seen_at("/v1/traces");
    assert_eq!(posts.len(), 3);
    assert_eq!(posts[0].connection, posts[1].connection, "the connection is kept and reused");
    assert_ne!(posts[1].connection, posts[2].connection);
}

#[test]
fn a_connection_is_given_up_before_the_server_would_close_it() {
    let faulty = scripted("3.17.2", |_, _| Act::status(200));
    let line = Line::to(&faulty.uri(), "any");
    line.deliver(&[Trace::new().root("first")]);
    std::thread::sleep(Duration::from_millis(4200));
    line.deliver(&[Trace::new().root("second")]);
    let posts = faulty.seen_at("/v1/traces");
    assert_ne!(posts[0].connection, posts[1].connection);
}

#[test]
fn a_locked_database_delays_and_loses_nothing() {
    let server = mlflow::Server::start();
    let line = Line::to(server.uri(), &fresh("locked"));
    line.deliver(&[Trace::new().root("before")]);
    let lock = server.lock_database();
    let trace = Trace::new();
    line.put(&[trace.child("during"), trace.root("flow")]);
    // The server waits 20 s for the lock, then says that it is busy.
    let started = Instant::now();
    while line.said().is_empty() && started.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(100));
    }
    drop(lock);
    line.wait_until_delivered();
    assert_eq!(names(&server.trace(&trace.mlflow_id()).expect("the trace")).len(), 2);
    let said = line.said();
    assert!(said[0].contains("503") && said[0].contains("kept in the store"), "{said:?}");
}

#[test]
fn a_server_that_is_down_and_comes_back_gets_everything() {
    let server = mlflow::Server::start();
    server.stop();
    let mut line = Line::idle(config(server.uri(), &fresh("down"), |_| {}));
    let (first, second) = (Trace::new(), Trace::new());
    line.put(&[first.root("stored before the start")]);
    line.start();
    let delivery = line.flush();
    assert_eq!((delivery.delivered, delivery.pending), (0, 1));
    line.put(&[second.root("stored during the outage")]);
    line.flush();
    let said = line.said();
    let [warning] = said.as_slice() else { panic!("one warning, not {said:?}") };
    assert!(
        warning.contains(server.uri()) && warning.contains("refused") && warning.contains("spanwright push"),
        "{warning}"
    );

    server.resume();
    line.wait_until_delivered();
    for trace in [&first, &second] {
        assert_eq!(server.trace(&trace.mlflow_id()).expect("the trace")["state"], "OK");
    }
    line.flush();
    assert!(matches!(line.said().as_slice(), [_, back] if back.contains("answers again")), "{:?}", line.said());
}

#[test]
fn every_kind_of_absence_is_said_once_and_a_push_delivers_later() {
    let server = mlflow::shared();
    let swallow = Faulty::start(|_, _| Act::Swallow);
    let dead = format!("http://127.0.0.1:{}", free_port());
    let unauthorized = Faulty::start(|seen, _| Act::status(if seen.path == "/health" { 200 } else { 401 }));
    let broken = Faulty::start(|_, _| Act::status(500));
    let moved = Faulty::start(|_, _| {
        Act::Answer(302, vec![("location", "http://127.0.0.1:1/login?secret=x".into())], String::new())
    });
    let website = Faulty::start(|_, _| Act::Answer(200, vec![], "<html><title>Welcome</title></html>".into()));
    for (uri, cause) in [
        (swallow.uri(), "2 s"),
        (dead, "refused"),
        (unauthorized.uri(), "401"),
        (broken.uri(), "500"),
        (moved.uri(), "redirects"),
        (website.uri(), "not MLflow's"),
    ] {
        let line = Line::to(&uri, "any");
        let trace = Trace::new();
        line.put(&[trace.child("step"), trace.root("flow")]);
        let asked = Instant::now();
        assert_eq!(line.flush().pending, 2, "{uri}");
        assert!(asked.elapsed() < Duration::from_secs(5), "{uri} took {:?}", asked.elapsed());
        line.flush();
        line.exporter().shutdown(Instant::now());
        let said = line.said();
        let [warning] = said.as_slice() else { panic!("{uri}: one warning, not {said:?}") };
        for part in [uri.as_str(), cause, "kept in the store", "spanwright push"] {
            assert!(warning.contains(part), "{part}: {warning}");
        }
        assert!(!warning.contains("secret"), "{warning}");

        let experiment = fresh("pushed");
        let mut seen = Vec::new();
        let report =
            push(&line.store, &config(server.uri(), &experiment, |_| {}), Adopt::All, |progress| seen.push(progress))
                .expect("pushed");
        assert_eq!((report.delivered, report.pending, report.adopted.spans), (2, 0, 2));
        assert_eq!(seen.iter().map(|progress| (progress.done, progress.total)).collect::<Vec<_>>(), [(0, 2), (2, 2)]);
        assert_eq!(server.traces(&experiment).len(), 1);
        let again = push(&line.store, &config(server.uri(), &experiment, |_| {}), Adopt::All, |_| {}).expect("pushed");
        assert_eq!((again.delivered, again.pending), (0, 0));
    }
}

#[test]
fn a_push_to_a_server_that_is_away_says_so_and_keeps_everything() {
    let uri = format!("http://127.0.0.1:{}", free_port());
    let line = Line::idle(config(&uri, "any", |overrides| overrides.max_retries = Some(1)));
    line.put(&[Trace::new().root("flow")]);
    let error = push(&line.store, &line.config, Adopt::Undirected, |_| {}).expect_err("nobody there");
    assert!(error.is_unreachable() && error.to_string().contains(&uri), "{error:#}");
    assert_eq!(line.store.pending_counts(Some(&uri)).expect("counted").pending.spans, 1);
}

#[test]
fn flush_and_shutdown_return_at_their_deadline_and_say_what_is_left() {
    let faulty = Faulty::start(|_, _| Act::Swallow);
    let line = Line::to(&faulty.uri(), "any");
    line.put(&[Trace::new().root("flow")]);
    let asked = Instant::now();
    let delivery = line.exporter().flush(asked + Duration::from_millis(300));
    assert!(asked.elapsed() < Duration::from_millis(600), "{:?}", asked.elapsed());
    assert_eq!(delivery.pending, 1);
    let asked = Instant::now();
    line.exporter().shutdown(asked + Duration::from_millis(300));
    assert!(asked.elapsed() < Duration::from_millis(600), "{:?}", asked.elapsed());
    let said = line.said();
    assert!(
        matches!(said.as_slice(), [one] if one.contains(&faulty.uri()) && one.contains("spanwright push")),
        "{said:?}"
    );
}

#[test]
fn a_server_that_asks_for_patience_gets_it() {
    let faulty = scripted("3.17.2", |_, posts| match posts {
        0 => Act::Answer(429, vec![("retry-after", "2".into())], "slow down".into()),
        _ => Act::status(200),
    });
    let line = Line::to(&faulty.uri(), "any");
    line.put(&[Trace::new().root("flow")]);
    line.wait_until_delivered();
    let posts = faulty.seen_at("/v1/traces");
    let pause = posts[1].at - posts[0].at;
    assert!(pause >= Duration::from_secs(2), "{pause:?}");
}

#[test]
fn basic_auth_of_the_real_server() {
    let server = mlflow::Server::start_with_basic_auth();
    let experiment = fresh("basic");
    let basic = |password: &str| Credentials::Basic { user: ADMIN.0.into(), password: password.into() };
    let trace = Trace::new();
    let wrong = Line::with_credentials(server.uri(), &experiment, basic("wr0ng-secret"));
    wrong.put(&[trace.root("flow")]);
    assert_eq!(wrong.flush().pending, 1);
    let said = wrong.said();
    let [warning] = said.as_slice() else { panic!("one warning, not {said:?}") };
    assert!(warning.contains("401") && warning.contains("MLFLOW_TRACKING_USERNAME"), "{warning}");
    assert!(!warning.contains("wr0ng-secret"), "{warning}");
    let error = Client::connect(&wrong.config).expect("a client").probe().expect_err("refused");
    assert!(error.is_unauthorized(), "{error:#}");
    wrong.exporter().shutdown(Instant::now());

    let right = config(server.uri(), &experiment, |overrides| overrides.credentials = Some(basic(ADMIN.1)));
    let report = push(&wrong.store, &right, Adopt::Undirected, |_| {}).expect("pushed");
    assert_eq!((report.delivered, report.pending), (1, 0));
    assert_eq!(server.trace(&trace.mlflow_id()).expect("the trace")["state"], "OK");
}

#[test]
fn a_bearer_token_reaches_the_server_on_every_request() {
    let server = mlflow::shared();
    let port = port_of(server);
    let proxy = Faulty::start(move |seen, _| match seen.header("authorization") {
        Some("Bearer t0ken") => Act::Forward(port, Box::new(seen.clone())),
        _ => Act::status(401),
    });
    let trace = Trace::new();
    Line::with_credentials(&proxy.uri(), &fresh("bearer"), Credentials::Token("t0ken".into()))
        .deliver(&[trace.root("flow")]);
    assert!(server.trace(&trace.mlflow_id()).is_some());
    assert!(proxy.seen().iter().all(|seen| seen.header("x-mlflow-workspace").is_none()), "not configured, not sent");
}

#[test]
fn an_old_server_is_told_the_rest_and_never_sent_a_span_twice() {
    // It has the spans of the first attempt, but its answer is lost.
    let faulty = {
        let posts = AtomicUsize::new(0);
        let arrived: Arc<std::sync::Mutex<Vec<u8>>> = Arc::default();
        Faulty::start(move |seen, _| match seen.path.as_str() {
            "/version" => Act::Answer(200, vec![], "3.10.1".into()),
            "/v1/traces" if posts.fetch_add(1, Ordering::AcqRel) == 0 => {
                *arrived.lock().expect("no panic") = seen.body.clone();
                Act::Hang
            }
            path if path.starts_with("/api/3.0/mlflow/traces/batchGet") => {
                let arrived = arrived.lock().expect("no panic").clone();
                Act::json(200, &stored_spans(&arrived))
            }
            path if path.contains("experiments/") => Act::json(200, r#"{"experiment":{"experiment_id":"7"}}"#),
            _ => Act::json(200, "{}"),
        })
    };
    let trace = Trace::new();
    let mut root = trace.root("flow");
    let workflow = root.workflow.as_mut().expect("a workflow");
    workflow.session = Some("s".into());
    workflow.tags = vec![("team".into(), "heat".into())];
    root.inputs = Some(crate::delivery::json(r#"{"question":"why"}"#));
    let line = Line::to(&faulty.uri(), "any");
    line.put(&[trace.model_call("ask", 10, 3), root]);
    line.wait_until_delivered();
    assert_eq!(faulty.seen_at("/v1/traces").len(), 1, "what had arrived was not sent again");

    let told = faulty.seen_at("/api/3.0/mlflow/traces");
    let told = told.iter().find(|seen| seen.method == "POST").expect("the trace is completed");
    let told: serde_json::Value = serde_json::from_slice(&told.body).expect("json");
    let info = &told["trace"]["trace_info"];
    assert_eq!(info["trace_id"], trace.mlflow_id());
    assert_eq!((&info["state"], &info["execution_duration"]), (&value!("OK"), &value!("0.500s")));
    assert_eq!(info["tags"], value!({"mlflow.traceName": "flow", "team": "heat"}));
    assert_eq!(info["trace_metadata"]["mlflow.trace.session"], "s");
    assert_eq!(info["request_preview"], r#"{"question":"why"}"#);
    assert_eq!(
        info["trace_metadata"]["mlflow.trace.tokenUsage"],
        r#"{"input_tokens":10,"output_tokens":3,"total_tokens":13}"#
    );
}

/// What `batchGet` says of a request that came in: the ids of its spans, each a `0A 10 <trace> 12 08 <span>`.
fn stored_spans(body: &[u8]) -> String {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let spans: Vec<_> = body
        .windows(28)
        .filter(|window| window[..2] == [0x0a, 0x10] && window[18..20] == [0x12, 0x08])
        .map(|window| value!({"trace_id": hex(&window[2..18]), "span_id": hex(&window[20..28])}))
        .collect();
    value!({"traces": [{"spans": spans}]}).to_string()
}

#[test]
fn a_server_too_old_for_traces_is_refused_and_said() {
    let faulty = scripted("3.5.1", |_, _| Act::status(200));
    let line = Line::to(&faulty.uri(), "any");
    line.put(&[Trace::new().root("flow")]);
    assert_eq!(line.flush().pending, 1);
    assert_eq!(faulty.seen_at("/v1/traces").len(), 0);
    let said = line.said();
    assert!(matches!(said.as_slice(), [one] if one.contains("3.5.1") && one.contains("3.6")), "{said:?}");
    assert!(Client::connect(&line.config).expect("a client").probe().expect_err("too old").is_unsupported());
}

#[test]
fn of_several_exporters_on_one_store_one_delivers_and_all_see_it() {
    let faulty = scripted("3.17.2", |_, _| Act::Late(Duration::from_millis(300), Box::new(Act::status(200))));
    let folder = tempfile::tempdir().expect("a folder");
    let lines: Vec<_> = (0..3)
        .map(|_| {
            let mut line = Line::idle(config(&faulty.uri(), "any", |_| {}));
            line.store = Store::open(folder.path()).expect("a store");
            line.start();
            line
        })
        .collect();
    for line in &lines {
        line.put(&[Trace::new().root("flow")]);
    }
    for line in &lines {
        assert_eq!(line.flush().pending, 0);
    }
    assert_eq!(lines.iter().map(|line| line.flush().delivered).sum::<u64>(), 3);
    let sent = faulty.seen_at("/v1/traces");
    let flows: usize =
        sent.iter().map(|seen| seen.body.windows(6).filter(|window| window == b"*\x04flow").count()).sum();
    assert_eq!(flows, 3, "each span was sent once");
}

#[test]
fn a_canary_flies_to_the_real_server_and_leaves_nothing() {
    let server = mlflow::shared();
    let experiment = fresh("canary");
    let client = Client::connect(&config(server.uri(), &experiment, |_| {})).expect("a client");
    let info = client.probe().expect("it answers");
    assert_eq!((info.version.as_deref(), info.counts_once), (Some("3.17.2"), true));
    let canary = client.canary().expect("it comes back");
    assert!(canary.is_deleted);
    assert_eq!(canary.experiment_id, client.experiment().expect("it is there now"));
    assert_eq!(server.traces(&experiment).len(), 0);
}
