//! Measuring executions: one identity, each measurement once, feedback where it belongs.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use spanwright::record::{Assessment, AssessmentKind, AssessmentSource, AttributeValue};
use spanwright::store::Store;
use spanwright::testing::Recording;
use spanwright::tracker::{
    Event, EventSink, Feedback, JudgeResult, Metrics, OnceGuard, Reporting, ResumptionToken, RunTracker, Tokens,
    TrackOutcome,
};
use spanwright::{AgentConfig, node, scheduled, workflow};

/// What a back end got.
#[derive(Default)]
struct Seen {
    events: Mutex<Vec<Value>>,
    warnings: Mutex<Vec<String>>,
}

impl EventSink for Seen {
    fn event(&self, event: &Event<'_>) {
        self.events.lock().expect("no panic").push(serde_json::to_value(event).expect("an event is JSON"));
    }

    fn warning(&self, line: &str) {
        self.warnings.lock().expect("no panic").push(line.to_owned());
    }
}

impl Seen {
    fn events(&self) -> Vec<Value> {
        self.events.lock().expect("no panic").clone()
    }

    /// Names and values, in order.
    fn measured(&self) -> Vec<(String, Value)> {
        self.events()
            .iter()
            .map(|event| (event["name"].as_str().expect("a name").into(), event["value"].clone()))
            .collect()
    }

    fn warnings(&self) -> Vec<String> {
        self.warnings.lock().expect("no panic").clone()
    }
}

fn config() -> AgentConfig {
    AgentConfig {
        model: "gpt-4o".into(),
        provider: "openai".into(),
        variation: "v-abc".into(),
        ..AgentConfig::new("agent")
    }
}

fn tracked(config: &AgentConfig) -> (Arc<Seen>, RunTracker) {
    let seen = Arc::new(Seen::default());
    (seen.clone(), config.create_tracker_reporting("ann", Reporting::to(seen)))
}

fn named(pairs: &[(&str, i64)]) -> Vec<(String, Value)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect()
}

pub fn is_uuid_v4(text: &str) -> bool {
    let lengths: Vec<_> = text.split('-').map(str::len).collect();
    let digits = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte) || byte == b'-';
    lengths == [8, 4, 4, 4, 12] && text.bytes().all(digits) && &text[14..15] == "4" && "89ab".contains(&text[19..20])
}

/// A3-01
#[test]
fn a_thousand_trackers_from_eight_threads_have_a_thousand_run_ids() {
    let disabled = AgentConfig { enabled: false, ..config() };
    let ids: Vec<String> = thread::scope(|scope| {
        let draw = || (0..125).map(|_| disabled.create_tracker("ann").run_id().to_owned()).collect::<Vec<_>>();
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(draw)).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("no panic")).collect()
    });
    assert_eq!(ids.iter().collect::<HashSet<_>>().len(), 1000);
    assert!(ids.iter().all(|id| is_uuid_v4(id)), "{:?}", &ids[..3]);
    assert!(!disabled.create_tracker("ann").enabled() && config().create_tracker("ann").enabled());
}

/// A3-02
#[test]
fn every_event_of_a_tracker_carries_the_same_identity_and_context() {
    let (seen, tracker) = tracked(&config());
    tracker.track_duration(Duration::from_millis(100));
    tracker.track_time_to_first_token(Duration::from_millis(7));
    tracker.track_tokens(Tokens { total: 30, input: 10, output: 20 });
    tracker.track_success();
    tracker.track_feedback(Feedback::positive());
    tracker.track_tool_call("search");
    tracker.track_judge_result(&JudgeResult {
        sampled: true,
        success: true,
        metric_key: Some("$ld:ai:judge:relevance".into()),
        score: Some(0.75),
        judge_config_key: Some("strict".into()),
        ..JudgeResult::default()
    });
    let events = seen.events();
    let names: Vec<_> = events.iter().map(|event| event["name"].as_str().expect("a name")).collect();
    let expected = [
        "$ld:ai:duration:total",
        "$ld:ai:tokens:ttf",
        "$ld:ai:tokens:total",
        "$ld:ai:tokens:input",
        "$ld:ai:tokens:output",
        "$ld:ai:generation:success",
        "$ld:ai:feedback:user:positive",
        "$ld:ai:tool_call",
        "$ld:ai:judge:relevance",
    ];
    assert_eq!(names, expected);
    for event in &events {
        let data = &event["data"];
        assert_eq!(data["runId"], tracker.run_id());
        assert_eq!((&data["configKey"], &data["version"]), (&json!("agent"), &json!(1)));
        assert_eq!((&data["modelName"], &data["providerName"]), (&json!("gpt-4o"), &json!("openai")));
        assert_eq!(event["context"], json!({"kind": "user", "key": "ann"}));
    }
    assert_eq!(events[7]["data"]["toolKey"], "search");
    assert_eq!((&events[8]["data"]["judgeConfigKey"], &events[8]["value"]), (&json!("strict"), &json!(0.75)));
    assert!(
        events[..7].iter().all(|event| event["data"]["toolKey"].is_null() && event["data"]["judgeConfigKey"].is_null())
    );
}

/// A3-03
#[test]
fn what_is_empty_is_left_out_of_the_data_and_version_zero_is_not() {
    let bare = AgentConfig { variation: String::new(), model_version: Some(0), ..config() };
    let (seen, tracker) = tracked(&bare);
    tracker.track_success();
    let data = &seen.events()[0]["data"];
    let absent = ["variationKey", "modelKey", "graphKey"].map(|key| data.get(key).is_none());
    assert_eq!((absent, &data["modelVersion"]), ([true; 3], &json!(0)));

    let full = AgentConfig { model_key: "large".into(), graph_key: Some("travel".into()), ..config() };
    let (seen, tracker) = tracked(&full);
    tracker.track_tool_call("search");
    let data = &seen.events()[0]["data"];
    assert_eq!(
        (&data["variationKey"], &data["modelKey"], &data["graphKey"]),
        (&json!("v-abc"), &json!("large"), &json!("travel"))
    );
    assert!(data.get("modelVersion").is_none());
}

/// A3-04
#[test]
fn of_each_measurement_the_first_counts_and_a_second_is_said_once() {
    type Call = fn(&RunTracker, u64) -> TrackOutcome;
    type Row<'r> = (&'r str, Call, &'r [(&'r str, i64)], Value);
    let rows: [Row<'_>; 4] = [
        (
            "track_duration",
            |tracker, n| tracker.track_duration(Duration::from_millis(n)),
            &[("$ld:ai:duration:total", 0)],
            json!({"durationMs": 0}),
        ),
        (
            "track_time_to_first_token",
            |tracker, n| tracker.track_time_to_first_token(Duration::from_millis(n)),
            &[("$ld:ai:tokens:ttf", 0)],
            json!({"timeToFirstTokenMs": 0}),
        ),
        // All zero counts as well, though there is nothing to tell.
        (
            "track_tokens",
            |tracker, n| tracker.track_tokens(Tokens { total: n, input: n, output: n }),
            &[],
            json!({"tokens": {"total": 0, "input": 0, "output": 0}}),
        ),
        (
            "track_feedback",
            |tracker, n| tracker.track_feedback(if n == 0 { Feedback::negative() } else { Feedback::positive() }),
            &[("$ld:ai:feedback:user:negative", 1)],
            json!({"feedback": false}),
        ),
    ];
    for (method, call, events, summary) in rows {
        let (seen, tracker) = tracked(&config());
        let outcomes = [0, 200, 300].map(|n| call(&tracker, n));
        assert_eq!(outcomes, [TrackOutcome::Recorded, TrackOutcome::Duplicate, TrackOutcome::Duplicate], "{method}");
        assert_eq!(seen.measured(), named(events), "{method}");
        let kept = serde_json::to_value(tracker.summary()).expect("JSON");
        for (key, value) in summary.as_object().expect("an object") {
            assert_eq!(&kept[key], value, "{method}");
        }
        let warnings = seen.warnings();
        assert_eq!(warnings.len(), 1, "{method}: {warnings:?}");
        let data = serde_json::to_string(&tracker.track_data()).expect("JSON");
        assert!(
            warnings[0].starts_with(&format!("Skipping {method}: ")) && warnings[0].ends_with(&data),
            "{warnings:?}"
        );
        assert!(
            warnings[0]
                .contains("already recorded on this tracker. Call create_tracker on the AI Config for a new run.")
        );
    }
}

/// A3-05
#[test]
fn success_and_error_are_one_measurement() {
    let (seen, tracker) = tracked(&config());
    assert_eq!((tracker.track_success(), tracker.track_error()), (TrackOutcome::Recorded, TrackOutcome::Duplicate));
    assert_eq!((seen.measured(), tracker.summary().success), (named(&[("$ld:ai:generation:success", 1)]), Some(true)));
    assert!(seen.warnings()[0].starts_with("Skipping track_error: "));

    let (seen, tracker) = tracked(&config());
    assert_eq!((tracker.track_error(), tracker.track_success()), (TrackOutcome::Recorded, TrackOutcome::Duplicate));
    assert_eq!((seen.measured(), tracker.summary().success), (named(&[("$ld:ai:generation:error", 1)]), Some(false)));
}

#[test]
fn of_many_threads_that_measure_at_once_one_is_first() {
    for _ in 0..50 {
        let (seen, tracker) = tracked(&config());
        let outcomes: Vec<_> = thread::scope(|scope| {
            let threads: Vec<_> = (0..8u64)
                .map(|n| {
                    let tracker = tracker.clone();
                    scope.spawn(move || {
                        (n, tracker.track_tokens(Tokens { total: 3 * n + 3, input: n + 1, output: 2 * n + 2 }))
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
        });
        let first: Vec<_> = outcomes.iter().filter(|(_, outcome)| outcome.is_recorded()).map(|(n, _)| *n).collect();
        let [n] = first[..] else { panic!("{outcomes:?}") };
        assert_eq!(tracker.summary().tokens, Some(Tokens { total: 3 * n + 3, input: n + 1, output: 2 * n + 2 }));
        assert_eq!((seen.events().len(), seen.warnings().len()), (3, 1));
    }
}

/// A3-08
#[test]
fn counts_of_zero_are_no_events() {
    let (seen, tracker) = tracked(&config());
    tracker.track_tokens(Tokens { total: 10, input: 0, output: 10 });
    assert_eq!(seen.measured(), named(&[("$ld:ai:tokens:total", 10), ("$ld:ai:tokens:output", 10)]));
}

/// A3-09
#[test]
fn tool_calls_are_counted_each_in_their_order() {
    let (seen, tracker) = tracked(&config());
    tracker.track_tool_calls(["a", "b", "a"]);
    tracker.track_tool_call("c");
    let tools: Vec<_> = seen.events().iter().map(|event| event["data"]["toolKey"].clone()).collect();
    assert_eq!(tools, ["a", "b", "a", "c"]);
    assert_eq!(tracker.summary().tool_calls, ["a", "b", "a", "c"]);
    assert!(seen.measured().iter().all(|event| *event == ("$ld:ai:tool_call".to_owned(), json!(1))));
}

/// A3-13, and the context is the given one.
#[test]
fn a_resumed_tracker_is_the_same_run_and_counts_feedback_once() {
    let (_, tracker) = tracked(&config());
    let token: ResumptionToken = tracker.resumption_token().to_string().parse().expect("a token");
    let seen = Arc::new(Seen::default());
    let resumed = token.resume_reporting("bob", Reporting::to(seen.clone()));
    assert_eq!(resumed.track_feedback(Feedback::negative()), TrackOutcome::Recorded);
    assert_eq!(resumed.track_feedback(Feedback::positive()), TrackOutcome::Duplicate);
    let events = seen.events();
    assert_eq!(events.len(), 1);
    let data = json!({"runId": tracker.run_id(), "configKey": "agent", "variationKey": "v-abc", "version": 1, "modelName": "", "providerName": ""});
    assert_eq!((&events[0]["data"], &events[0]["context"]["key"]), (&data, &json!("bob")));
    assert_eq!(events[0]["name"], "$ld:ai:feedback:user:negative");
}

#[test]
fn two_processes_that_share_a_store_count_one_feedback_of_a_run() {
    let folder = tempfile::tempdir().expect("a folder");
    let token = config().create_tracker("ann").resumption_token();
    let feedback = || {
        let seen = Arc::new(Seen::default());
        let store = Store::open(folder.path()).expect("a store");
        let guard: Arc<dyn OnceGuard> = Arc::new(store);
        let tracker = token.resume_reporting("ann", Reporting::to(seen.clone()).once_in(guard));
        let outcome = tracker.track_feedback(Feedback::positive());
        (outcome, seen.events().len(), tracker.track_success())
    };
    assert_eq!(feedback(), (TrackOutcome::Recorded, 1, TrackOutcome::Recorded));
    assert_eq!(feedback(), (TrackOutcome::Duplicate, 0, TrackOutcome::Duplicate));
    let other = config().create_tracker("ann").resumption_token();
    let store: Arc<dyn OnceGuard> = Arc::new(Store::open(folder.path()).expect("a store"));
    assert!(other.resume_reporting("ann", Reporting::default().once_in(store)).track_success().is_recorded());
}

fn metrics() -> Metrics {
    Metrics {
        success: true,
        tokens: Some(Tokens { total: 3, input: 1, output: 2 }),
        duration_ms: Some(7),
        tool_calls: Some(vec!["search".into()]),
    }
}

/// A3-15
#[test]
fn a_wrapped_call_is_measured_by_what_it_comes_to() {
    let whole = [
        ("$ld:ai:duration:total", 7),
        ("$ld:ai:generation:success", 1),
        ("$ld:ai:tokens:total", 3),
        ("$ld:ai:tokens:input", 1),
        ("$ld:ai:tokens:output", 2),
        ("$ld:ai:tool_call", 1),
    ];
    let (seen, tracker) = tracked(&config());
    assert_eq!(tracker.track_metrics_of(|_: &u8| metrics(), || Ok::<_, String>(5)), Ok(5));
    assert_eq!((seen.measured(), seen.warnings().len()), (named(&whole), 0));

    let only_time = |seen: &Seen| seen.measured().iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    let (seen, tracker) = tracked(&config());
    assert_eq!(tracker.track_metrics_of(|_: &u8| None::<Metrics>, || Ok::<_, String>(5)), Ok(5));
    assert_eq!((only_time(&seen), seen.warnings().len()), (vec!["$ld:ai:duration:total".to_owned()], 0));

    let (seen, tracker) = tracked(&config());
    assert_eq!(tracker.track_metrics_of(|_: &u8| Err::<Metrics, _>("no usage"), || Ok::<_, String>(5)), Ok(5));
    assert_eq!(only_time(&seen), ["$ld:ai:duration:total"]);
    assert!(seen.warnings()[0].ends_with("the extractor failed: no usage"), "{:?}", seen.warnings());

    let (seen, tracker) = tracked(&config());
    let panics = |_: &u8| -> Metrics { panic!("in the extractor") };
    assert_eq!(tracker.track_metrics_of(panics, || Ok::<_, String>(5)), Ok(5));
    assert_eq!((only_time(&seen), seen.warnings().len()), (vec!["$ld:ai:duration:total".to_owned()], 1));

    let (seen, tracker) = tracked(&config());
    assert_eq!(tracker.track_metrics_of(|_: &u8| metrics(), || Err("away".to_owned())), Err("away".to_owned()));
    assert_eq!(only_time(&seen), ["$ld:ai:duration:total", "$ld:ai:generation:error"]);
    assert_eq!(tracker.summary().tokens, None);

    let (seen, tracker) = tracked(&config());
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        tracker.track_metrics_of(|_: &u8| metrics(), || -> Result<u8, String> { panic!("in the call") })
    }));
    assert!(panicked.is_err());
    assert_eq!(only_time(&seen), ["$ld:ai:duration:total", "$ld:ai:generation:error"]);

    let failed = Metrics { success: false, duration_ms: None, tokens: None, tool_calls: None };
    let (seen, tracker) = tracked(&config());
    assert_eq!(tracker.track_metrics_of(|_: &u8| failed, || Ok::<_, String>(5)), Ok(5));
    assert_eq!(only_time(&seen), ["$ld:ai:duration:total", "$ld:ai:generation:error"]);
}

/// A3-15, A3-16
#[tokio::test]
async fn a_wrapped_future_is_measured_likewise_and_a_second_one_runs_unmeasured() {
    let (seen, tracker) = tracked(&config());
    let mut runs = 0;
    for n in [5, 6] {
        let work = async {
            tokio::task::yield_now().await;
            runs += 1;
            Ok::<_, String>(n)
        };
        assert_eq!(tracker.track_metrics_of_async(|_| Metrics { tool_calls: None, ..metrics() }, work).await, Ok(n));
    }
    assert_eq!((runs, seen.events().len()), (2, 5));
    assert_eq!(seen.warnings().len(), 3, "{:?}", seen.warnings());

    // Dropped before it is done, it has failed.
    let (seen, tracker) = tracked(&config());
    let waits = tracker.track_metrics_of_async(|_: &u8| metrics(), std::future::pending::<Result<u8, String>>());
    assert!(tokio::time::timeout(Duration::from_millis(5), waits).await.is_err());
    assert_eq!(tracker.summary().success, Some(false));
    assert_eq!(seen.events().len(), 2);

    let (seen, tracker) = tracked(&config());
    assert_eq!(tracker.track_duration_of_async(async { 8 }).await, 8);
    let panicked =
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| tracker.track_duration_of(|| panic!("no"))));
    assert!(panicked.is_err());
    assert_eq!((seen.events().len(), tracker.summary().success, seen.warnings().len()), (1, None, 1));
}

#[test]
fn a_judge_counts_if_it_was_asked_and_scored() {
    let scored = JudgeResult {
        sampled: true,
        success: true,
        metric_key: Some("relevance".into()),
        score: Some(0.5),
        reasoning: Some("half of it".into()),
        ..JudgeResult::default()
    };
    let (seen, tracker) = tracked(&config());
    for ignored in [
        JudgeResult { sampled: false, ..scored.clone() },
        JudgeResult { success: false, ..scored.clone() },
        JudgeResult { metric_key: None, ..scored.clone() },
        JudgeResult { score: None, ..scored.clone() },
    ] {
        assert_eq!(tracker.track_judge_result(&ignored), TrackOutcome::Ignored);
    }
    assert!(seen.events().is_empty());
    assert!([0, 1].map(|_| tracker.track_judge_result(&scored)).iter().all(|outcome| outcome.is_recorded()));
    assert_eq!(seen.events().len(), 2);
    let json =
        json!({"sampled": true, "success": true, "metricKey": "relevance", "score": 0.5, "reasoning": "half of it"});
    assert_eq!(serde_json::to_value(&scored).expect("JSON"), json);
}

mod declared {
    spanwright::spans! {
        pub workflow Reply(id = "support.reply");
    }
}

pub fn ask() -> RunTracker {
    spanwright::tracker().expect("inside an execution")
}

#[node]
fn deep(n: u32) -> Vec<String> {
    let mut ids = vec![ask().run_id().to_owned()];
    if n > 0 {
        ids.extend(deep(n - 1));
    } else {
        let context = spanwright::Context::current();
        ids.extend(thread::spawn(move || context.run(|| ask().run_id().to_owned())).join());
    }
    ids
}

#[workflow]
async fn inner_workflow() -> RunTracker {
    ask()
}

#[workflow(config = config())]
async fn reply_workflow() -> (RunTracker, Vec<String>) {
    let tracker = ask();
    tracker.track_duration(Duration::from_millis(12));
    tracker.track_success();
    let mut ids = deep(3);
    let spawned = spanwright::spawn(async { ask().run_id().to_owned() });
    ids.push(spawned.await.expect("no panic"));
    ids.push(inner_workflow().await.run_id().to_owned());
    assert_eq!(ask().track_error(), TrackOutcome::Duplicate, "it is the same tracker");
    (tracker, ids)
}

#[tokio::test]
async fn an_execution_has_one_tracker_wherever_it_is_asked_for() {
    let recording = Recording::new();
    let (tracker, ids) = recording.scope(reply_workflow()).await;
    assert!(is_uuid_v4(tracker.run_id()));
    assert_eq!(ids.iter().collect::<HashSet<_>>(), HashSet::from([&tracker.run_id().to_owned()]));
    assert_eq!((tracker.track_data().config_key, tracker.track_data().model_name), ("agent", "gpt-4o"));

    let root = recording.span("reply_workflow");
    assert_eq!(root.attribute("run_id"), Some(&AttributeValue::Text(tracker.run_id().to_owned())));
    assert_eq!(root.attribute("run.duration_ms"), Some(&AttributeValue::Int(12)));
    assert_eq!(root.attribute("run.success"), Some(&AttributeValue::Bool(true)));
    assert_eq!(recording.span("inner_workflow").attribute("run_id"), None);
    assert_eq!(tracker.trace_id(), Some(root.trace_id));
    assert_eq!(recording.stray_attributes(), 0);

    let (other, _) = recording.scope(reply_workflow()).await;
    assert_ne!(other.run_id(), tracker.run_id());
    assert!(other.summary().success.is_some());
}

#[workflow(span = declared::Reply)]
fn answer() -> RunTracker {
    ask().track_tokens(Tokens { total: 3, input: 1, output: 2 });
    ask()
}

#[scheduled]
fn nightly() -> RunTracker {
    ask()
}

#[node]
fn outside() -> bool {
    spanwright::tracker().is_none()
}

#[test]
fn what_runs_without_a_configuration_is_measured_as_its_span() {
    let recording = Recording::new();
    let (answered, ran) = recording.run(|| (answer(), nightly()));
    assert_eq!((answered.track_data().config_key, answered.track_data().version), ("support.reply", 1));
    assert_eq!(ran.track_data().config_key, "nightly");
    assert!(recording.run(outside) && spanwright::tracker().is_none());
    let root = recording.span("reply");
    assert_eq!(root.attribute("run.tokens.total"), Some(&AttributeValue::Int(3)));
    assert!(root.model.is_none(), "tokens of a run are not tokens of a model call");
    assert_eq!(recording.stray_attributes(), 0, "the declaration need not have them");
    let job = recording.span("nightly");
    assert_eq!(job.attribute("run_id"), Some(&AttributeValue::Text(ran.run_id().to_owned())));
}

#[test]
fn a_trace_that_goes_on_from_another_process_is_the_same_run_there() {
    let recording = Recording::new();
    let (here, there) = recording.run(|| {
        let caller = answer();
        let trace = caller.trace_id().expect("recorded");
        let called = spanwright::Context::from_traceparent(&format!("00-{trace}-00f067aa0ba902b7-01"));
        (caller, called.expect("a context").run(answer))
    });
    assert_eq!(here.run_id(), there.run_id());
    let spans = recording.spans();
    let run_id = AttributeValue::Text(here.run_id().to_owned());
    assert!(spans.len() == 2 && spans.iter().all(|span| span.attribute("run_id") == Some(&run_id)), "{spans:?}");
}

#[test]
fn a_trace_that_is_not_kept_has_no_tracker() {
    #[workflow]
    fn unkept_workflow() -> bool {
        spanwright::tracker().is_none()
    }
    assert!(Recording::with_sampling(0.0).run(unkept_workflow));
}

#[test]
fn a_node_has_one_tracker_in_an_execution_and_another_in_the_next() {
    #[workflow]
    fn graph_workflow() -> [RunTracker; 3] {
        let planner = AgentConfig { graph_key: Some("trip".into()), ..AgentConfig::new("planner") };
        let first = ask().node(&planner);
        first.track_duration(Duration::from_millis(1));
        [ask(), first, ask().node(&planner)]
    }
    let recording = Recording::new();
    let [run, planner, again] = recording.run(graph_workflow);
    assert_eq!((planner.run_id(), planner.track_data().graph_key), (run.run_id(), Some("trip")));
    assert_eq!(again.track_duration(Duration::from_millis(2)), TrackOutcome::Duplicate);
    assert!(run.track_duration(Duration::from_millis(3)).is_recorded());
    let [_, other, _] = recording.run(graph_workflow);
    assert_ne!(other.run_id(), planner.run_id());
}

#[test]
fn what_is_said_of_a_run_is_an_assessment_of_its_trace() {
    let recording = Recording::new();
    let (tracker, span) = recording.run(|| {
        let tracker = answer();
        (tracker, spanwright::SpanId::from_u64(7))
    });
    // Afterwards, where the run is over and its span has ended.
    recording.run(|| {
        let feedback =
            Feedback::positive().because("found it, with Bearer abcdef123456").by("ann").on(span).with("page", 3);
        assert!(tracker.track_feedback(feedback).is_recorded());
        assert_eq!(tracker.track_feedback(Feedback::negative()), TrackOutcome::Duplicate);
        tracker.assess(Assessment::expectation("answer", json!({"is": 42})).by_human("bob"));
        tracker.assess(Assessment::feedback("is_json", true).by_code("schema"));
        tracker.track_judge_result(&JudgeResult {
            sampled: true,
            success: true,
            metric_key: Some("relevance".into()),
            score: Some(0.25),
            reasoning: Some("weak".into()),
            judge_config_key: Some("strict".into()),
            ..JudgeResult::default()
        });
    });
    let root = recording.span("reply");
    let said = recording.assessments();
    assert_eq!(said.len(), 4);
    assert!(said.iter().all(|one| one.trace_id == root.trace_id && one.time_unix_ns > root.start_unix_ns));
    assert!(said.iter().all(|one| one.id.len() == 34 && one.id.starts_with("a-")), "{said:?}");
    assert_eq!(said.iter().map(|one| &one.id).collect::<HashSet<_>>().len(), 4);
    let seen: Vec<_> = said
        .iter()
        .map(|one| (one.name.as_str(), one.kind, one.source, one.source_id.as_str(), one.value.as_str()))
        .collect();
    let expected = [
        ("user_feedback", AssessmentKind::Feedback, AssessmentSource::Human, "ann", "true"),
        ("answer", AssessmentKind::Expectation, AssessmentSource::Human, "bob", r#"{"is":42}"#),
        ("is_json", AssessmentKind::Feedback, AssessmentSource::Code, "schema", "true"),
        ("relevance", AssessmentKind::Feedback, AssessmentSource::LlmJudge, "strict", "0.25"),
    ];
    assert_eq!(seen, expected);
    assert_eq!(said[0].rationale.as_deref(), Some("found it, with Bearer [redacted]"));
    assert_eq!((said[0].span_id, said[3].rationale.as_deref()), (Some(span), Some("weak")));
    let fact = |key: &str| said[0].metadata.iter().find(|(known, _)| known == key).map(|(_, value)| value.as_str());
    assert_eq!(
        [fact("run_id"), fact("config_key"), fact("page")],
        [Some(tracker.run_id()), Some("support.reply"), Some("3")]
    );

    // The same feedback from another process has the same id, and is the same to whoever keeps it.
    let resumed = tracker.resumption_token().to_string().parse::<ResumptionToken>().expect("a token").resume("ann");
    recording.run(|| assert!(resumed.track_feedback(Feedback::negative()).is_recorded()));
    assert_eq!(recording.assessments()[4].id, said[0].id);
    assert_eq!(recording.assessments()[4].trace_id, root.trace_id);
}
