//! Managed models and agents: a run id and a tracker for each run, tools, and evaluations beside the program.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use spanwright::record::{AttributeValue, Ending};
use spanwright::testing::Recording;
use spanwright::tracker::{JudgeResult, Tokens};
use spanwright::{AgentConfig, workflow};
use spanwright_models::{
    ErrorKind, Evaluate, Evaluated, Evaluator, Judging, ManagedAgent, ManagedModel, Message, Model, ModelError, OpenAi,
    Request, Score, ToolDefinition, Tools,
};
use tokio::sync::Notify;

use crate::endpoint::{Answer, Endpoint};
use crate::seen::{Seen, attribute, text};

fn model(endpoint: &Endpoint) -> OpenAi {
    OpenAi::at(endpoint.base_url(), "small").build().expect("a client")
}

fn config() -> AgentConfig {
    AgentConfig { variation: "v1".into(), ..AgentConfig::new("support") }
}

/// A3-17
#[tokio::test]
async fn a_managed_model_run_twice_has_two_run_ids_and_both_are_fully_tracked() {
    #[workflow]
    async fn asking_workflow<M: Model>(model: &ManagedModel<M>) -> Vec<String> {
        let mut ids = Vec::new();
        for _ in 0..2 {
            ids.push(model.run("why?", "ann").await.expect("an answer").tracker.run_id().to_owned());
        }
        ids
    }
    let endpoint = Endpoint::start(|_, _| Answer::text("because"));
    let (seen, reporting) = Seen::new();
    let managed = ManagedModel::new(config(), model(&endpoint)).expect("it is enabled").reporting(reporting);
    let managed = managed.prompt(Request::new([Message::system("be brief")]));

    let recording = Recording::new();
    let run = recording.scope(managed.run("why?", "ann")).await.expect("an answer");
    assert_eq!((run.content.as_str(), run.summary.success), ("because", Some(true)));
    assert_eq!(run.summary.tokens, Some(Tokens { total: 15, input: 10, output: 5 }));
    assert!(run.evaluations.results().await.is_empty(), "nobody judges");
    let ids = recording.scope(asking_workflow(&managed)).await;
    let ids = [run.tracker.run_id(), &ids[0], &ids[1]];
    assert_eq!(ids.iter().collect::<HashSet<_>>().len(), 3);
    for id in ids {
        let expected =
            ["duration:total", "generation:success 1", "tokens:total 15", "tokens:input 10", "tokens:output 5"];
        assert_eq!(seen.of_run(id), expected);
    }
    let data = &seen.events()[0]["data"];
    assert_eq!((&data["modelName"], &data["providerName"]), (&json!("small"), &json!("openai")));
    assert_eq!((&data["configKey"], &data["variationKey"]), (&json!("support"), &json!("v1")));
    assert!(seen.warnings().is_empty(), "{:?}", seen.warnings());

    let tree = "support [AGENT]\n  llm [LLM]\nasking_workflow [WORKFLOW]\n  support [AGENT]\n    llm [LLM]\n  support [AGENT]\n    llm [LLM]";
    assert_eq!(recording.tree().trim(), tree);
    let spans = recording.spans();
    let runs: Vec<_> = spans.iter().filter(|span| span.name == "support").collect();
    assert_eq!(runs.iter().map(|span| text(span, "run_id").expect("an id")).collect::<HashSet<_>>(), ids.into());
    let totals = [attribute(runs[0], "run.tokens.total"), attribute(runs[0], "run.success")];
    assert_eq!(totals, [Some(&AttributeValue::Int(15)), Some(&AttributeValue::Bool(true))]);
    assert_eq!(runs[0].outputs.as_ref().map(|output| output.as_str()), Some("\"because\""));
    assert_eq!(Some(runs[0].trace_id), run.tracker.trace_id(), "feedback on a run goes to its trace");
    assert_eq!(endpoint.asked()[0].body["messages"][0]["content"], "be brief");
}

#[tokio::test]
async fn a_run_that_fails_is_tracked_as_such_and_one_that_is_not_to_be_used_is_none() {
    assert!(
        ManagedModel::new(AgentConfig { enabled: false, ..config() }, model(&Endpoint::start(|_, _| Answer::Silence)))
            .is_none()
    );
    let endpoint = Endpoint::start(|_, _| Answer::json(429, json!({})));
    let (seen, reporting) = Seen::new();
    let managed = ManagedModel::new(config(), model(&endpoint)).expect("it is enabled").reporting(reporting);
    let recording = Recording::new();
    let error = recording.scope(managed.run("why?", "ann")).await.expect_err("it refuses");
    assert_eq!((error.kind(), error.status()), (ErrorKind::RateLimited, Some(429)));
    let events: Vec<_> = seen.events().iter().map(|event| event["name"].as_str().expect("a name").to_owned()).collect();
    assert_eq!(events, ["$ld:ai:duration:total", "$ld:ai:generation:error"]);
    let spans = recording.spans();
    assert!(spans.iter().all(|span| span.ending == Ending::Error), "{spans:#?}");
}

#[tokio::test]
async fn a_streamed_run_has_the_time_to_its_first_token() {
    let event = |value: Value| format!("data: {value}\n\n").into_bytes();
    let said = |text: &str| event(json!({ "choices": [{ "index": 0, "delta": { "content": text } }] }));
    let pieces = vec![said("{\"a\""), said(":1}"), b"data: [DONE]\n\n".to_vec()];
    let endpoint = Endpoint::start(move |_, _| Answer::Pieces(Duration::from_millis(5), pieces.clone()));
    let managed = ManagedModel::new(config(), model(&endpoint)).expect("it is enabled");
    let (recording, mut seen) = (Recording::new(), String::new());
    let run = recording
        .scope(managed.run_streaming("why?", "ann", &mut |piece| seen.push_str(piece)))
        .await
        .expect("an answer");
    assert_eq!((seen.as_str(), run.parsed), ("{\"a\":1}", Some(json!({ "a": 1 }))));
    let (first, whole) =
        (run.summary.time_to_first_token_ms.expect("streamed"), run.summary.duration_ms.expect("it ended"));
    assert!((5..=whole).contains(&first), "{first} of {whole} ms");
    assert_eq!(
        attribute(&recording.span("support"), "run.time_to_first_token_ms"),
        Some(&AttributeValue::Int(first as i64))
    );
}

fn weather_tools(asked: &Arc<Mutex<Vec<Value>>>) -> Tools {
    let city = json!({ "type": "object", "properties": { "city": { "type": "string" } } });
    let asked = asked.clone();
    let weather = move |arguments: Value| {
        asked.lock().expect("no panic").push(arguments.clone());
        async move {
            let city = arguments["city"].as_str().ok_or("which city?")?.to_owned();
            Ok::<_, String>(json!({ "city": city, "celsius": 3 }))
        }
    };
    Tools::new().with(ToolDefinition::new("weather", "The weather of a city.", city), weather)
}

#[tokio::test]
async fn an_agent_calls_tools_until_it_has_an_answer_and_is_told_what_goes_wrong() {
    let endpoint = Endpoint::start(|number, _| match number {
        0 => Answer::calls(&[("weather", r#"{"city":"Oslo"}"#), ("weather", "{}")]),
        1 => Answer::calls(&[("weather", "no JSON"), ("clock", "")]),
        _ => Answer::text("3 degrees"),
    });
    let asked = Arc::default();
    let (seen, reporting) = Seen::new();
    let agent = ManagedAgent::new(config(), model(&endpoint), weather_tools(&asked)).expect("it is enabled");
    let agent = agent.reporting(reporting).prompt(Request::new([Message::system("use tools")]));
    let recording = Recording::new();
    let run = recording.scope(agent.run("is it cold?", "ann")).await.expect("an answer");
    assert_eq!(
        (run.content.as_str(), run.summary.tool_calls),
        ("3 degrees", ["weather", "weather", "weather", "clock"].map(String::from).to_vec())
    );
    assert_eq!(run.summary.tokens, Some(Tokens { total: 45, input: 30, output: 15 }), "of all three calls");
    assert_eq!(*asked.lock().expect("no panic"), [json!({ "city": "Oslo" }), json!({})]);
    let events = seen.of_run(run.tracker.run_id());
    assert_eq!(events[5..], ["tool_call weather 1", "tool_call weather 1", "tool_call weather 1", "tool_call clock 1"]);

    let last = &endpoint.asked()[2].body["messages"];
    let told: Vec<_> = last.as_array().expect("messages").iter().filter(|message| message["role"] == "tool").collect();
    assert_eq!(
        told[0],
        &json!({ "role": "tool", "tool_call_id": "call-0", "content": "{\"celsius\":3,\"city\":\"Oslo\"}" })
    );
    assert_eq!(told[1]["content"], "error: which city?");
    assert!(
        told[2]["content"].as_str().is_some_and(|text| text.starts_with("error: the arguments are not JSON")),
        "{told:?}"
    );
    assert_eq!(told[3]["content"], "error: there is no tool `clock`");
    let tree = "\
support [AGENT]
  llm [LLM]
  weather [TOOL]
  weather [TOOL] ERROR: which city?
  llm [LLM]
  weather [TOOL] ERROR: the arguments are not JSON: expected ident at line 1 column 2
  clock [TOOL] ERROR: there is no tool `clock`
  llm [LLM]";
    assert_eq!(recording.tree().trim(), tree, "each tool that failed, and nothing above it");
}

#[tokio::test]
async fn an_agent_that_goes_on_calling_tools_is_stopped() {
    let endpoint = Endpoint::start(|_, _| Answer::calls(&[("weather", "{}")]));
    let agent = ManagedAgent::new(config(), model(&endpoint), weather_tools(&Arc::default())).expect("it is enabled");
    let error = Recording::new().scope(agent.most_turns(3).run("?", "ann")).await.expect_err("no answer");
    assert!(error.kind() == ErrorKind::Endless && error.to_string().contains("after 3 calls"), "{error}");
    assert_eq!(endpoint.asked().len(), 3);
}

#[tokio::test]
async fn an_agent_stops_asking_where_the_budget_of_its_workflow_is_used_up() {
    #[workflow(budget_tokens = 20)]
    async fn frugal_workflow<M: Model>(agent: &ManagedAgent<M>) -> Result<String, ModelError> {
        Ok(agent.run("?", "ann").await?.content)
    }
    let endpoint = Endpoint::start(|_, _| Answer::calls(&[("weather", "{}")]));
    let agent = ManagedAgent::new(config(), model(&endpoint), weather_tools(&Arc::default())).expect("it is enabled");
    let error = Recording::new().scope(frugal_workflow(&agent)).await.expect_err("two calls are 30 tokens");
    assert!(error.kind() == ErrorKind::OverBudget && error.to_string().contains("30 of 20 tokens"), "{error}");
    assert_eq!(endpoint.asked().len(), 2, "and nobody was asked a third time");
}

/// Judges when it is let.
struct Patient(Arc<Notify>, AtomicUsize);

impl Evaluate for Patient {
    fn evaluate<'e>(&'e self, evaluated: &'e Evaluated) -> Judging<'e> {
        Box::pin(async move {
            self.0.notified().await;
            self.1.fetch_add(1, Ordering::Relaxed);
            let (metric_key, judge_config_key) = (Some("patience".to_owned()), Some("patient".to_owned()));
            let reasoning = Some(format!("{} -> {}", evaluated.input, evaluated.output));
            JudgeResult {
                sampled: true,
                success: true,
                metric_key,
                score: Some(0.5),
                reasoning,
                judge_config_key,
                ..JudgeResult::default()
            }
        })
    }
}

struct Broken;

impl Evaluate for Broken {
    fn evaluate<'e>(&'e self, _: &'e Evaluated) -> Judging<'e> {
        Box::pin(async { panic!("a judge that breaks") })
    }
}

#[tokio::test]
async fn a_run_returns_before_it_is_judged_and_the_scores_join_it_when_they_are_there() {
    let endpoint = Endpoint::start(|_, _| Answer::text("because"));
    let let_judge = Arc::new(Notify::new());
    let evaluator = Evaluator::new()
        .judge(Patient(let_judge.clone(), AtomicUsize::new(0)))
        .judge(Broken)
        .check("is_short", |evaluated| Score::from(evaluated.output.len() < 10).because("7 characters"))
        .check("ratio", |_| f64::NAN);
    let (seen, reporting) = Seen::new();
    let managed = ManagedModel::new(config(), model(&endpoint))
        .expect("it is enabled")
        .reporting(reporting)
        .evaluated_by(evaluator);
    let recording = Recording::new();
    let run = recording.scope(managed.run("why?", "ann")).await.expect("an answer");
    assert!(
        recording.assessments().is_empty() && seen.of_run(run.tracker.run_id()).len() == 5,
        "nobody has judged yet"
    );
    let_judge.notify_one();
    let results = run.evaluations.results().await;
    assert_eq!(results.iter().map(|result| result.success).collect::<Vec<_>>(), [true, false, true, false]);
    assert_eq!(results[0].reasoning.as_deref(), Some("why? -> because"));
    assert_eq!(seen.of_run(run.tracker.run_id())[5..], ["patience 0.5", "is_short 1"]);
    let warnings = seen.warnings();
    assert!(warnings.len() == 2 && warnings[0].contains("it panicked") && warnings[1].contains("NaN"), "{warnings:?}");

    let said = recording.assessments();
    let said: Vec<_> = said.iter().map(|one| (one.name.as_str(), one.source_id.as_str(), Some(one.trace_id))).collect();
    assert_eq!(
        said,
        [("patience", "patient", run.tracker.trace_id()), ("is_short", "is_short", run.tracker.trace_id())]
    );

    // Nobody has to keep the handle.
    let run = recording.scope(managed.run("why?", "ann")).await.expect("an answer");
    let_judge.notify_one();
    drop(run.evaluations);
    let id = run.tracker.run_id().to_owned();
    for _ in 0..3000 {
        if seen.of_run(&id).len() == 7 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("not judged within 30 s: {:?}", seen.of_run(&id));
}
