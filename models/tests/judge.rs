//! Judges: what they are asked, which answers count, and how often they are asked.

use serde_json::{Value, json};
use spanwright::record::Usage;
use spanwright::testing::Recording;
use spanwright::tracker::TrackOutcome;
use spanwright::{AgentConfig, workflow};
use spanwright_models::{
    Evaluated, Evaluator, Judge, JudgeConfig, ManagedModel, Message, Model, ModelError, OpenAi, Reply, Request,
};

use crate::endpoint::{Answer, Endpoint};
use crate::seen::{Seen, text};

fn config() -> JudgeConfig {
    JudgeConfig::new("strict", "relevance").message(Message::system("Judge {{what}}.")).variable("what", "relevance")
}

fn judge(endpoint: &Endpoint) -> Judge<OpenAi> {
    Judge::new(config(), OpenAi::at(endpoint.base_url(), "small").build().expect("a client"))
}

fn verdict(score: &Value) -> Answer {
    Answer::text(&json!({ "score": score, "reasoning": "to the point" }).to_string())
}

#[tokio::test]
async fn a_judge_is_asked_in_the_fixed_form_and_keeps_no_history() {
    let endpoint = Endpoint::start(|_, _| verdict(&json!(0.75)));
    let judge = judge(&endpoint);
    let first = judge.evaluate("where is my receipt?", "It is under Orders.").await;
    let expected = json!({ "sampled": true, "success": true, "metricKey": "relevance", "score": 0.75, "reasoning": "to the point", "judgeConfigKey": "strict" });
    assert_eq!(serde_json::to_value(&first).expect("JSON"), expected);
    let conversation =
        [Message::system("be kind"), Message::user("hello"), Message::assistant("hi"), Message::user("why?")];
    judge.evaluate_messages(&conversation, "because").await;

    let asked = endpoint.asked();
    let messages = |number: usize| asked[number].body["messages"].clone();
    let judged =
        |text: &str| json!([{ "role": "system", "content": "Judge relevance." }, { "role": "user", "content": text }]);
    assert_eq!(
        messages(0),
        judged("MESSAGE HISTORY:\nwhere is my receipt?\n\nRESPONSE TO EVALUATE:\nIt is under Orders.")
    );
    let history = "system: be kind\nuser: hello\nassistant: hi\nuser: why?";
    assert_eq!(messages(1), judged(&format!("MESSAGE HISTORY:\n{history}\n\nRESPONSE TO EVALUATE:\nbecause")));
    let format = &asked[0].body["response_format"]["json_schema"];
    assert_eq!((&format["name"], &format["strict"]), (&json!("EvaluationResponse"), &json!(true)));
    let schema = &format["schema"];
    assert_eq!((&schema["title"], &schema["type"]), (&json!("EvaluationResponse"), &json!("object")));
    assert_eq!((&schema["required"], &schema["additionalProperties"]), (&json!(["score", "reasoning"]), &json!(false)));
    let (score, reasoning) = (&schema["properties"]["score"], &schema["properties"]["reasoning"]);
    assert_eq!((&score["type"], &score["minimum"], &score["maximum"]), (&json!("number"), &json!(0), &json!(1)));
    assert_eq!(reasoning["type"], "string");
}

#[tokio::test]
async fn an_answer_that_is_no_score_is_none_and_says_why() {
    let answers: Vec<(String, &str)> = vec![
        (json!({ "score": 1.5, "reasoning": "" }).to_string(), "no number from 0 to 1"),
        (json!({ "score": -0.1, "reasoning": "" }).to_string(), "no number from 0 to 1"),
        (json!({ "score": true, "reasoning": "" }).to_string(), "no number from 0 to 1"),
        (json!({ "score": "0.5", "reasoning": "" }).to_string(), "no number from 0 to 1"),
        (json!({ "score": null, "reasoning": "" }).to_string(), "no number from 0 to 1"),
        ("{\"score\": NaN, \"reasoning\": \"\"}".to_owned(), "not JSON"),
        ("{\"score\": 1e999, \"reasoning\": \"\"}".to_owned(), "not JSON"),
        (json!({ "reasoning": "" }).to_string(), "no score"),
        (json!({ "score": 0.5 }).to_string(), "no reasoning"),
        (json!({ "score": 0.5, "reasoning": 7 }).to_string(), "no reasoning"),
        (json!([0.5]).to_string(), "no object"),
        ("I would say 0.5".to_owned(), "not JSON"),
    ];
    let texts: Vec<_> = answers.iter().map(|(text, _)| text.clone()).collect();
    let endpoint = Endpoint::start(move |number, _| match texts.get(number) {
        Some(text) => Answer::text(text),
        None => Answer::json(503, json!({})),
    });
    let (judge, tracker) = (judge(&endpoint), AgentConfig::new("agent").create_tracker("ann"));
    for (answer, why) in answers.iter().map(|(answer, why)| (answer.as_str(), *why)).chain([("503", "try again later")])
    {
        let result = judge.evaluate("q", "a").await;
        assert_eq!((result.sampled, result.success, result.score), (true, false, None), "{answer}");
        assert!(result.error_message.as_deref().is_some_and(|text| text.contains(why)), "{answer}: {result:?}");
        assert_eq!(tracker.track_judge_result(&result), TrackOutcome::Ignored);
    }
    for edge in ["0", "1", "0.0", "1.0"] {
        let text = format!("{{\"score\": {edge}, \"reasoning\": \"\", \"confidence\": 7}}");
        let endpoint = Endpoint::start(move |_, _| Answer::text(&text));
        let score = Judge::new(config(), OpenAi::at(endpoint.base_url(), "small").build().expect("a client"));
        assert_eq!(score.evaluate("q", "a").await.score, edge.parse().ok());
    }
}

/// Says the same to everybody, and how often.
#[derive(Default)]
struct Same(std::sync::atomic::AtomicU32);

impl Model for Same {
    fn name(&self) -> &str {
        "same"
    }
    fn provider(&self) -> &str {
        "test"
    }
    async fn complete(&self, _: &Request) -> Result<Reply, ModelError> {
        self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Ok(Reply::text(r#"{"score":1,"reasoning":""}"#).used(Usage { input: 7, output: 1, ..Usage::default() }))
    }
}

/// A3-23
#[tokio::test]
async fn a_judge_is_asked_about_its_share_of_the_runs() {
    let (seen, reporting) = Seen::new();
    let model = Same::default();
    let asked = || model.0.load(std::sync::atomic::Ordering::Relaxed);
    let never = Judge::new(config(), &model).sampling(0.0).reporting(reporting.clone());
    for _ in 0..1000 {
        let skipped =
            json!({ "sampled": false, "success": false, "metricKey": "relevance", "judgeConfigKey": "strict" });
        assert_eq!(serde_json::to_value(never.evaluate("q", "a").await).expect("JSON"), skipped);
    }
    assert!(asked() == 0 && seen.events().is_empty(), "no model, no tracker");

    let always = Judge::new(config(), &model).sampling(1.0).reporting(reporting);
    for _ in 0..1000 {
        assert!(always.evaluate("q", "a").await.sampled);
    }
    assert!(
        !always.evaluate_sampled(0.0, "q", "a").await.sampled && never.evaluate_sampled(1.0, "q", "a").await.sampled
    );
    assert_eq!(asked(), 1001);
    let runs: std::collections::HashSet<_> =
        seen.events().iter().map(|event| event["data"]["runId"].to_string()).collect();
    assert_eq!(runs.len(), 1001, "a run id for each evaluation");

    let some = |seed| Judge::new(config(), &model).sampling(0.3).seeded(seed);
    let mut drawn = Vec::new();
    for seed in [2, 2, 3] {
        let (judge, mut sampled) = (some(seed), Vec::new());
        for _ in 0..10_000 {
            sampled.push(judge.evaluate("q", "a").await.sampled);
        }
        let count = sampled.iter().filter(|sampled| **sampled).count() as f64;
        let sigma = (10_000.0 * 0.3_f64 * 0.7).sqrt();
        assert!((count - 3000.0).abs() <= 3.0 * sigma, "{count} of 10000");
        drawn.push(sampled);
    }
    assert!(drawn[0] == drawn[1] && drawn[0] != drawn[2], "a seed chooses the same runs each time, another one others");
}

#[tokio::test]
async fn without_a_metric_nothing_is_asked_and_the_first_of_several_counts() {
    let model = Same::default();
    let mut config = JudgeConfig::default();
    config.agent = AgentConfig::new("strict");
    let result = Judge::new(config.clone(), &model).evaluate("q", "a").await;
    let expected = json!({ "sampled": false, "success": false, "judgeConfigKey": "strict",
        "errorMessage": "Judge configuration is missing required evaluationMetricKey" });
    assert_eq!(serde_json::to_value(result).expect("JSON"), expected);
    config.metric_keys = vec!["first".into(), "second".into()];
    assert_eq!(Judge::new(config, &model).evaluate("q", "a").await.metric_key.as_deref(), Some("first"));
    assert_eq!(model.0.into_inner(), 1);
}

#[tokio::test]
async fn messages_of_the_older_form_are_left_out_and_their_names_are_no_variables() {
    let endpoint = Endpoint::start(|_, _| verdict(&json!(1)));
    let config = JudgeConfig::new("strict", "relevance")
        .message(Message::system("About {{message_history}} of {{who}}"))
        .message(Message::assistant("{{message_history}}"))
        .message(Message::user("Judge {{response_to_evaluate}} now"))
        .message(Message::user("kept, {{who}}"))
        .variable("who", "ann")
        .variable("message_history", "an attack");
    let model = OpenAi::at(endpoint.base_url(), "small").build().expect("a client");
    Judge::new(config, model).evaluate("q", "a").await;
    let messages = endpoint.asked()[0].body["messages"].clone();
    assert_eq!(messages[0]["content"], "About {{message_history}} of ann");
    assert_eq!((&messages[1]["content"], messages.as_array().map(Vec::len)), (&json!("kept, ann"), Some(3)));
}

#[tokio::test]
async fn a_score_joins_the_run_that_is_judged_and_the_judges_tokens_are_its_own() {
    #[workflow]
    async fn answering_workflow<M: Model>(model: &ManagedModel<M>) -> (String, String) {
        let run = model.run("why?", "ann").await.expect("an answer");
        let results = run.evaluations.results().await;
        assert_eq!(results[0].score, Some(1.0));
        (run.tracker.run_id().to_owned(), format!("tr-{}", run.tracker.trace_id().expect("recorded")))
    }
    let (seen, reporting) = Seen::new();
    let evaluator = Evaluator::new().judge(Judge::new(config(), Same::default()).reporting(reporting.clone()));
    let managed = ManagedModel::new(AgentConfig::new("support"), Same::default()).expect("it is enabled");
    let managed = managed.reporting(reporting).evaluated_by(evaluator);
    let recording = Recording::new();
    let (run_id, trace_id) = recording.scope(answering_workflow(&managed)).await;

    let tree = "answering_workflow [WORKFLOW]\n  support [AGENT]\n    llm [LLM]\nstrict [EVALUATOR]\n  llm [LLM]";
    assert_eq!(recording.tree().trim(), tree, "the judge is a trace of its own");
    let own = recording.span("strict");
    assert_eq!((text(&own, "evaluated.run_id"), text(&own, "evaluated.trace_id")), (Some(&*run_id), Some(&*trace_id)));
    let own_id = text(&own, "run_id").expect("an id");
    assert_ne!(own_id, run_id);
    assert_eq!(seen.of_run(own_id)[2..], ["tokens:total 8", "tokens:input 7", "tokens:output 1"]);
    assert_eq!(seen.of_run(&run_id).last().map(String::as_str), Some("relevance 1"));
    let said = recording.assessments();
    assert_eq!((said.len(), said[0].name.as_str(), said[0].source_id.as_str()), (1, "relevance", "strict"));
    assert_eq!(format!("tr-{}", said[0].trace_id), trace_id);

    let alone = Evaluated::new("q", "a");
    assert_eq!((alone.run_id, alone.trace_id), (None, None));
}
