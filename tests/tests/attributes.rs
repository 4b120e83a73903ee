//! What the attributes record, seen by a program that uses them (acceptance cases of workflow tracing).

use std::borrow::Cow;
use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde::Serialize;
use spanwright::record::{AttributeValue, Ending, SpanRecord};
use spanwright::testing::Recording;
use spanwright::{SandboxOutcome, assert_span_tree, delegate, node, sandbox, scheduled, tool, workflow};

use crate::look::{bool, int, json, text};

#[derive(Serialize)]
struct State {
    rooms: Vec<String>,
    goal: String,
}

fn state() -> State {
    State { rooms: vec!["kitchen".into(), "hall".into()], goal: "save".into() }
}

/// A1-02
#[tokio::test]
async fn an_async_node_says_what_it_was_given_and_what_came_of_it() {
    #[node]
    async fn collect(state: State, limit: u32) -> Result<Vec<String>, fmt::Error> {
        tokio::time::sleep(Duration::from_millis(20)).await;
        Ok(state.rooms.into_iter().take(limit as usize).collect())
    }

    #[node(name = "Collector.collect", capture = "full")]
    async fn collect_all(state: State) -> Result<Vec<String>, fmt::Error> {
        Ok(state.rooms)
    }

    let recording = Recording::new();
    let rooms = recording.scope(collect(state(), 1)).await.expect("it returns what the body returned");
    assert_eq!(rooms, ["kitchen"]);
    let span = recording.span("collect");
    assert_eq!((span.span_type.as_str(), span.ending), ("CHAIN", Ending::Ok));
    assert!(span.duration_ns() >= 20_000_000);
    let inputs = json(&span.inputs);
    assert_eq!(inputs, serde_json::json!({"node": "collect", "state_keys": ["rooms", "goal"], "args": ["limit"]}));
    assert!(span.outputs.is_some());

    recording.scope(collect_all(state())).await.expect("it returns");
    let span = recording.span("Collector.collect");
    assert_eq!(json(&span.outputs), serde_json::json!(["kitchen", "hall"]));
    assert_eq!(json(&span.inputs)["state"]["goal"], "save");
    assert_eq!(span.source.function, "collect_all");
}

#[derive(Debug, PartialEq, Clone)]
struct Refused(u32);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "refused with code {}", self.0)
    }
}

impl std::error::Error for Refused {}

/// A1-03
#[test]
fn a_failing_node_is_an_error_and_its_siblings_are_not() {
    #[node]
    fn first() -> Result<u32, Refused> {
        Ok(1)
    }

    #[node]
    fn second(_given: u32) -> Result<u32, Refused> {
        Err(Refused(7))
    }

    #[workflow]
    fn chain_workflow() -> Result<u32, Refused> {
        second(first()?)
    }

    #[workflow]
    fn forgiving_workflow() -> u32 {
        second(1).unwrap_or(0)
    }

    let recording = Recording::new();
    assert_eq!(recording.run(chain_workflow), Err(Refused(7)));
    assert_eq!(recording.run(forgiving_workflow), 0);
    let error = recording.span("second").error.expect("the error is recorded");
    assert_eq!((error.kind.as_str(), error.message.as_str()), ("Refused", "refused with code 7"));
    assert_eq!(recording.span("first").ending, Ending::Ok);
    assert_eq!(recording.span("chain_workflow").ending, Ending::Error, "the parent returned the error");
    assert_eq!(recording.span("forgiving_workflow").ending, Ending::Ok, "the parent did not");
}

/// A1-04
#[tokio::test]
async fn a_body_runs_once_whatever_it_fails_with_and_tracing_goes_on() {
    static RUNS: AtomicU32 = AtomicU32::new(0);

    fn run() -> u32 {
        RUNS.fetch_add(1, Ordering::Relaxed)
    }

    #[node]
    fn io() -> Result<(), std::io::Error> {
        run();
        Err(std::io::Error::other("io"))
    }

    #[node]
    fn ours() -> Result<(), spanwright::Error> {
        run();
        let nowhere = std::path::Path::new("/dev/null/no-store");
        spanwright::store::Store::open(nowhere).map(drop)
    }

    #[node]
    fn boxed() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        run();
        "17x".parse::<u32>()?;
        Ok(())
    }

    #[node]
    fn json() -> Result<(), serde_json::Error> {
        run();
        serde_json::from_str::<u32>("").map(drop)
    }

    #[node]
    fn nothing() -> Option<u32> {
        run();
        None
    }

    #[node]
    fn panics() {
        run();
        std::panic::panic_any(Refused(9));
    }

    #[node]
    async fn panics_later() {
        run();
        tokio::task::yield_now().await;
        panic!("later {}", RUNS.load(Ordering::Relaxed));
    }

    let recording = Recording::new();
    recording.run(|| {
        assert_eq!(io().map_err(|error| error.to_string()), Err("io".into()));
        assert!(ours().is_err());
        assert!(boxed().is_err_and(|error| error.is::<std::num::ParseIntError>()));
        assert!(json().is_err_and(|error| error.is_eof()));
        assert_eq!(nothing(), None);
        let payload = std::panic::catch_unwind(panics).expect_err("the panic comes out");
        assert_eq!(payload.downcast_ref(), Some(&Refused(9)), "unchanged");
    });
    let payload = tokio::spawn(recording.scope(panics_later())).await.expect_err("the panic comes out").into_panic();
    assert_eq!(payload.downcast_ref::<String>().map(String::as_str), Some("later 7"));
    assert_eq!(RUNS.load(Ordering::Relaxed), 7);
    assert_span_tree!(
        recording,
        "
        io [CHAIN] ERROR: io
        ours [CHAIN] ERROR: cannot use /dev/null/no-store: check that it can be written and the disk is not full, or move the store with SPANWRIGHT_STORE
        boxed [CHAIN] ERROR: invalid digit found in string
        json [CHAIN] ERROR: EOF while parsing a value at line 1 column 0
        nothing [CHAIN]
        panics [CHAIN] ERROR: panicked
        panics_later [CHAIN] ERROR: later 7
        "
    );
}

#[derive(Clone, Debug, PartialEq)]
struct Ran {
    exit_code: i32,
    timed_out: bool,
    stdout: String,
    reason: Option<String>,
}

impl SandboxOutcome for Ran {
    fn exit_code(&self) -> i32 {
        self.exit_code
    }
    fn timed_out(&self) -> bool {
        self.timed_out
    }
    fn duration(&self) -> Option<Duration> {
        Some(Duration::from_millis(1500))
    }
    fn time_limit(&self) -> Option<Duration> {
        Some(Duration::from_secs(2))
    }
    fn artifact_count(&self) -> u64 {
        2
    }
    fn stdout(&self) -> Cow<'_, str> {
        self.stdout.as_str().into()
    }
    fn reason(&self) -> Option<Cow<'_, str>> {
        self.reason.as_deref().map(Into::into)
    }
}

fn ran(exit_code: i32) -> Ran {
    Ran { exit_code, timed_out: false, stdout: "out".into(), reason: None }
}

/// A1-06, A1-07, A1-08
#[test]
fn a_sandbox_tells_exit_code_limits_and_artifacts_and_returns_its_own_type() {
    #[sandbox(policy = "standard")]
    fn execute(with: Ran) -> Ran {
        with
    }

    #[sandbox]
    fn try_execute(with: Result<Ran, Refused>) -> Result<Ran, Refused> {
        with
    }

    let recording = Recording::new();
    let run = |with: Ran| {
        let recording = Recording::new();
        assert_eq!(recording.run(|| execute(with.clone())), with);
        recording.span("sandbox.execute")
    };
    let span = run(ran(0));
    assert_eq!((span.span_type.as_str(), span.ending), ("TOOL", Ending::Ok));
    assert_eq!(int(&span, "sandbox.exit_code"), 0);
    assert_eq!(text(&span, "sandbox.policy"), "standard");
    assert_eq!(span.attribute("sandbox.duration_s"), Some(&AttributeValue::Float(1.5)));
    assert!(!bool(&span, "sandbox.timed_out"));
    assert_eq!(int(&span, "sandbox.artifact_count"), 2);
    assert_eq!(int(&span, "sandbox.artifacts_rejected"), 0);

    let span = run(Ran { exit_code: 0, timed_out: true, stdout: "so far".into(), reason: None });
    assert_eq!(span.ending, Ending::Error);
    assert!(bool(&span, "sandbox.timed_out"));
    assert_eq!(span.attribute("sandbox.time_limit_s"), Some(&AttributeValue::Float(2.0)));
    assert_eq!(text(&span, "sandbox.stdout_preview"), "so far");

    let span = run(ran(3));
    assert_eq!((int(&span, "sandbox.exit_code"), span.ending), (3, Ending::Error));

    let span = run(Ran { reason: Some("no such file `zsh`".into()), ..ran(-1) });
    assert_eq!((int(&span, "sandbox.exit_code"), span.ending), (-1, Ending::Error));
    assert!(span.error.expect("it failed").message.contains("no such file"));

    let long = "é".repeat(9000);
    let span = run(Ran { stdout: long, ..ran(0) });
    assert_eq!(text(&span, "sandbox.stdout_preview").chars().count(), 4096);

    assert_eq!(recording.run(|| try_execute(Err(Refused(1)))), Err(Refused(1)));
    assert_eq!(recording.span("sandbox.execute").ending, Ending::Error);
}

/// A1-10
#[tokio::test]
async fn a_delegation_encloses_the_work_it_hands_over() {
    #[node(name = "DS team work")]
    async fn team_work(task: String) -> usize {
        tokio::time::sleep(Duration::from_millis(5)).await;
        task.len()
    }

    #[delegate(from = "architect", to = team)]
    async fn hand_over(task: &str, team: &str) -> usize {
        spanwright::spawn(team_work(task.to_owned())).await.expect("the team works")
    }

    #[node(name = "Architect")]
    async fn architect(task: String) -> usize {
        hand_over(&task, "ds_team").await
    }

    let recording = Recording::new();
    recording.scope(architect("y".repeat(900))).await;
    assert_span_tree!(
        recording,
        "
        Architect [CHAIN]
          delegation [CHAIN]
            DS team work [CHAIN]
        "
    );
    let (outer, work) = (recording.span("delegation"), recording.span("DS team work"));
    assert!(outer.start_unix_ns <= work.start_unix_ns && work.end_unix_ns <= outer.end_unix_ns);
    assert_eq!((text(&outer, "from"), text(&outer, "to")), ("architect", "ds_team"));
    assert_eq!(text(&outer, "content_preview").chars().count(), 500);
}

/// A1-11
#[test]
fn a_workflow_within_a_workflow_is_a_child_and_keeps_its_tags_to_itself() {
    #[workflow(kind = "dashboard", tags(layer = "inner"))]
    fn inner_workflow() {}

    #[workflow(tags(layer = "outer", size = 3), session = "s-1", user = Some("ada"))]
    fn outer_workflow() {
        inner_workflow();
    }

    let recording = Recording::new();
    recording.run(outer_workflow);
    assert_span_tree!(
        recording,
        "
        outer_workflow [WORKFLOW]
          inner_workflow [WORKFLOW]
        "
    );
    let (outer, inner) = (recording.span("outer_workflow"), recording.span("inner_workflow"));
    assert_eq!(outer.trace_id, inner.trace_id);
    let facts = outer.workflow.expect("a workflow has facts");
    let tag = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(facts.tags, [tag("workflow", "outer"), tag("layer", "outer"), tag("size", "3")]);
    assert_eq!((facts.session.as_deref(), facts.user.as_deref()), (Some("s-1"), Some("ada")));
    assert_eq!(
        inner.workflow.expect("a workflow has facts").tags,
        [tag("workflow", "dashboard"), tag("layer", "inner")]
    );
}

/// A1-19
#[tokio::test]
async fn scheduled_jobs_are_traces_of_their_own_whatever_is_open() {
    #[node]
    fn analyse(fail: bool) -> Result<(), Refused> {
        if fail { Err(Refused(2)) } else { Ok(()) }
    }

    #[scheduled(trigger = "cron", id = schedule)]
    async fn nightly(schedule: &str, fail: bool) -> Result<(), Refused> {
        analyse(fail)
    }

    #[scheduled(trigger = "webhook", id = "hook-1")]
    async fn pushed() -> Result<(), Refused> {
        analyse(false)
    }

    #[workflow]
    async fn scheduler_workflow() -> usize {
        let mut failures = 0;
        for (schedule, enabled, fail) in [("a", true, false), ("b", false, false), ("c", true, true)] {
            if enabled && nightly(schedule, fail).await.is_err() {
                failures += 1;
            }
        }
        pushed().await.expect("it works");
        failures
    }

    let recording = Recording::new();
    assert_eq!(recording.scope(scheduler_workflow()).await, 1);
    assert_span_tree!(
        recording,
        "
        scheduler_workflow [WORKFLOW]
        nightly [WORKFLOW]
          analyse [CHAIN]
        nightly [WORKFLOW] ERROR: refused with code 2
          analyse [CHAIN] ERROR: refused with code 2
        pushed [WORKFLOW]
          analyse [CHAIN]
        "
    );
    let tags = |name: &str| recording.span(name).workflow.expect("a workflow has facts").tags;
    let tag = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let common = tag("workflow", "scheduled_analysis");
    assert_eq!(tags("nightly"), [common.clone(), tag("trigger", "cron"), tag("schedule_id", "a")]);
    assert_eq!(tags("pushed"), [common, tag("trigger", "webhook"), tag("schedule_id", "hook-1")]);
}

#[test]
fn what_a_user_redacts_or_skips_is_nowhere() {
    #[derive(Serialize)]
    struct Login {
        user: String,
        password: String,
        max_tokens: u32,
    }

    #[tool(skip(hidden), redact(card), attributes(api_key = "k-123", rows = 3))]
    fn sign_in(login: Login, hidden: &str, card: &str, note: &str) -> Result<String, String> {
        let _ = (login.user.len(), hidden, card, note);
        Err(format!("cannot reach https://{}:{}@host", login.user, login.password))
    }

    let login = Login { user: "ada".into(), password: "hunter2".into(), max_tokens: 77 };
    let recording = Recording::new();
    let failed = recording.run(|| sign_in(login, "h1dden", "4111", "Bearer abcdef123456"));
    assert!(failed.is_err_and(|text| text.contains("hunter2")), "the program's own error is untouched");
    let span = recording.span("sign_in");
    let everything = format!("{span:?}");
    for secret in ["hunter2", "h1dden", "4111", "abcdef123456", "k-123"] {
        assert!(!everything.contains(secret), "{secret} in {everything}");
    }
    let inputs = json(&span.inputs);
    assert_eq!(inputs["login"]["max_tokens"], 77);
    assert_eq!(inputs["login"]["user"], "ada");
    assert_eq!(int(&span, "rows"), 3);
}

/// A root starts another way than a child, the first child of a function than those after it, and with a long text or a value of any type
/// than with scalars and short texts.
#[test]
fn attributes_are_the_same_whichever_way_their_span_starts() {
    struct Home {
        name: &'static str,
        rooms: u8,
    }

    const ROOM: &str = "living room";

    #[tool(skip(home, area), attributes(
        room = ROOM, name = home.name, rooms = home.rooms, less = -3, minus = LESS, big = u64::MAX, ratio = 0.5,
        single = area, is_empty = false, most = "fifteen bytes!!", short = "ok", empty = "",
    ))]
    fn look(home: &Home, area: f32) -> usize {
        home.name.len() + area as usize
    }

    #[tool(skip(home, area), attributes(
        room = ROOM, name = home.name, rooms = home.rooms, less = -3, minus = LESS, big = u64::MAX, ratio = 0.5,
        single = area, is_empty = false, most = "fifteen bytes!!", short = "ok", empty = "",
        home = home, access_token = ROOM, long = "sixteen bytes ok", from_host = "db://u:p4ssw@h",
    ))]
    fn look_closely(home: &Home, area: f32) -> usize {
        home.name.len() + area as usize
    }

    const LESS: i64 = i64::MIN;

    #[workflow(skip(home))]
    fn look_around(home: &Home) -> usize {
        look(home, 0.1) + look(home, 0.1) + look_closely(home, 0.1)
    }

    let recording = Recording::new();
    let (home, secret) = (Home { name: "Lisbon", rooms: 4 }, Home { name: "Bearer s3cret7", rooms: 4 });
    recording.run(|| (look(&home, 0.1), look_around(&home), look_around(&home), look_around(&secret)));
    let sorted = |span: &SpanRecord| {
        let mut attributes = span.attributes.clone();
        attributes.retain(|(key, _)| !["home", "access_token", "long", "from_host"].contains(&key.as_str()));
        attributes.sort_by(|(one, _), (other, _)| one.cmp(other));
        attributes
    };
    let spans = recording.spans();
    let looks: Vec<_> = spans.iter().filter(|span| span.attribute("room").is_some()).collect();
    let (hidden, shown): (Vec<_>, Vec<_>) = looks.into_iter().partition(|span| text(span, "name") != "Lisbon");
    assert_eq!((hidden.len(), shown.len()), (3, 7));
    shown.iter().for_each(|span| assert_eq!(sorted(span), sorted(shown[0])));
    hidden.iter().for_each(|span| assert_eq!(text(span, "name"), "Bearer [redacted]"));
    let look = shown[6];
    assert_eq!(
        (text(look, "room"), int(look, "rooms"), int(look, "less"), int(look, "minus")),
        (ROOM, 4, -3, i64::MIN)
    );
    assert_eq!((text(look, "big"), bool(look, "is_empty")), ("18446744073709551615", false));
    assert_eq!((text(look, "most"), text(look, "short"), text(look, "empty")), ("fifteen bytes!!", "ok", ""));
    assert_eq!(look.attribute("ratio"), Some(&AttributeValue::Float(0.5)));
    assert_eq!(look.attribute("single"), Some(&AttributeValue::Float(0.1)));
    let closely = spans.iter().find(|span| span.name == "look_closely").expect("it ran");
    assert_eq!((text(closely, "home"), text(closely, "long")), ("<&Home>", "sixteen bytes ok"));
    assert_eq!(text(closely, "from_host"), "db://u:[redacted]@h");
    assert!(!format!("{:?}", closely.attribute("access_token")).contains(ROOM));
}

/// What is read for an attribute may be the user's code, where a field is reached through a `Deref`.
#[test]
fn a_deref_that_panics_costs_attributes_and_nothing_else() {
    struct Fields {
        name: &'static str,
    }
    struct Shy;
    impl std::ops::Deref for Shy {
        type Target = Fields;
        fn deref(&self) -> &Fields {
            panic!("not now")
        }
    }

    #[tool(skip(shy), attributes(name = shy.name))]
    fn look(shy: &Shy) -> u32 {
        let _ = shy;
        7
    }

    let recording = Recording::new();
    assert_eq!(recording.run(|| look(&Shy)), 7);
    let span = recording.span("look");
    assert_eq!((span.ending, span.attributes.len()), (Ending::Ok, 0));
    assert_eq!(Fields { name: "n" }.name, "n");
}

#[test]
fn a_session_nests_and_is_restored_even_by_a_panic() {
    #[workflow]
    fn in_session_workflow() -> Option<String> {
        spanwright::current_session()
    }

    let recording = Recording::new();
    let outer = spanwright::session_context(Some("outer"));
    outer.run(|| {
        let inner = spanwright::session_context(Some("inner"));
        assert_eq!(inner.run(|| recording.run(in_session_workflow)), Some("inner".into()));
        assert!(std::panic::catch_unwind(|| inner.run(|| panic!("on purpose"))).is_err());
        assert_eq!(spanwright::current_session().as_deref(), Some("outer"));
        assert_eq!(spanwright::session_context(None).id(), "outer", "without an id the current one goes on");
    });
    assert_eq!(spanwright::current_session(), None);
    assert_eq!(spanwright::session_context(None).id().len(), 36, "outside of any a fresh one is made");
    let facts = recording.span("in_session_workflow").workflow.expect("a workflow has facts");
    assert_eq!(facts.session.as_deref(), Some("inner"));
}

#[test]
fn expected_errors_and_handles_and_remote_parents() {
    #[derive(Debug)]
    enum Lookup {
        NotFound { key: u32 },
        Broken,
    }

    impl fmt::Display for Lookup {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            match self {
                Self::NotFound { key } => write!(f, "nothing under {key}"),
                Self::Broken => f.write_str("broken"),
            }
        }
    }

    #[tool(expected(Lookup::NotFound), handle = span)]
    fn look(key: u32) -> Result<u32, Lookup> {
        span.set("depth", key + 1);
        span.metric("loss", f64::NAN);
        span.metric_at("bound", f64::NEG_INFINITY, 2);
        span.event_with("looked", serde_json::json!({"key": key}));
        match key {
            0 => Err(Lookup::NotFound { key }),
            1 => Err(Lookup::Broken),
            _ => Ok(key),
        }
    }

    let recording = Recording::new();
    recording.run(|| {
        let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let remote = spanwright::Context::from_traceparent(parent).expect("a valid parent");
        assert!(remote.run(|| look(0)).is_err());
        assert!(look(1).is_err());
        for bad in ["", "00-0-0-0", "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", &format!("{parent}-x")] {
            assert!(spanwright::Context::from_traceparent(bad).is_none(), "{bad}");
        }
    });
    let spans = recording.spans();
    let remote = spans.iter().find(|span| span.parent_id.is_some()).expect("it has the remote parent");
    assert_eq!(remote.trace_id.to_string(), "0af7651916cd43dd8448eb211c80319c");
    assert_eq!((remote.ending, text(remote, "spanwright.expected_error")), (Ending::Ok, "nothing under 0"));
    assert_eq!((remote.events[0].name.as_str(), remote.events[0].attributes.len()), ("looked", 1));
    let own = spans.iter().find(|span| span.parent_id.is_none()).expect("the other has none");
    let metrics = &own.run.as_ref().expect("it has metrics").metrics;
    assert!(metrics[0].value.is_nan() && (metrics[1].value, metrics[1].step) == (f64::NEG_INFINITY, 2), "{metrics:?}");
    assert_eq!((own.ending, int(own, "depth")), (Ending::Error, 2));
}

#[test]
fn sampling_keeps_or_drops_whole_traces() {
    #[node]
    fn leaf() {}

    #[workflow]
    fn sampled_workflow() {
        leaf();
        assert!(spanwright::current_trace().is_none() || spanwright::traceparent().is_some());
    }

    let recording = Recording::with_sampling(0.3);
    recording.run(|| (0..2000).for_each(|_| sampled_workflow()));
    let spans = recording.spans();
    let roots = spans.iter().filter(|span| span.parent_id.is_none()).count();
    assert_eq!(spans.len(), 2 * roots, "no node of a dropped trace becomes a root of its own");
    assert!((480..=720).contains(&roots), "{roots} of 2000 at 0.3");
    let none = Recording::with_sampling(0.0);
    none.run(sampled_workflow);
    assert_eq!(none.spans(), []);
}
