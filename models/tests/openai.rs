//! The OpenAI-compatible client: what it sends, what it reads, and what it says when that fails.

use std::time::Duration;

use serde_json::{Value, json};
use spanwright::record::{ModelFacts, SpanRecord, Usage};
use spanwright::testing::Recording;
use spanwright_models::{AnyModel, ErrorKind, Message, Model, OpenAi, Request, ToolDefinition};

use crate::endpoint::{Answer, Endpoint};

const KEY: &str = "sk-live-3141592653589793";

fn model(endpoint: &Endpoint) -> OpenAi {
    OpenAi::at(endpoint.base_url(), "small").key(KEY).timeout(Duration::from_secs(20)).build().expect("a client")
}

fn weather() -> ToolDefinition {
    ToolDefinition::new(
        "weather",
        "the weather of a city",
        json!({ "type": "object", "properties": { "city": { "type": "string" } } }),
    )
}

fn facts(spans: &[SpanRecord]) -> (&SpanRecord, &ModelFacts) {
    let [call] = spans else { panic!("{spans:#?}") };
    (call, call.model.as_ref().expect("a model call has facts"))
}

#[tokio::test]
async fn a_question_is_sent_with_its_tools_and_becomes_a_span_with_what_the_reply_says() {
    let endpoint = Endpoint::start(|_, _| {
        let mut reply = json!({
            "id": "c", "model": "small-2026",
            "choices": [{ "index": 0, "finish_reason": "tool_calls", "message": { "role": "assistant", "content": null,
                "tool_calls": [{ "id": "call-7", "type": "function", "function": { "name": "weather", "arguments": "{\"city\":\"Oslo\"}" } }] } }],
        });
        reply["usage"] = json!({ "prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120,
            "prompt_tokens_details": { "cached_tokens": 60 }, "completion_tokens_details": { "reasoning_tokens": 7 } });
        Answer::json(200, reply)
    });
    let recording = Recording::new();
    let request = Request::new([Message::system("be brief"), Message::user("is it cold in Oslo?")])
        .tools([weather()])
        .answer("Answer", json!({ "type": "object" }))
        .temperature(0.0)
        .max_tokens(99);
    let reply = recording.scope(model(&endpoint).ask(&request)).await.expect("an answer");
    assert_eq!(
        (reply.content.as_str(), reply.tool_calls[0].name.as_str(), reply.tool_calls[0].id.as_str()),
        ("", "weather", "call-7")
    );

    let asked = &endpoint.asked()[0];
    assert!(asked.head.starts_with("POST /v1/chat/completions HTTP/1.1"), "{}", asked.head);
    assert!(asked.head.contains(&format!("authorization: Bearer {KEY}")), "{}", asked.head);
    assert_eq!(
        asked.body,
        json!({
            "model": "small", "temperature": 0.0, "max_tokens": 99,
            "messages": [{ "role": "system", "content": "be brief" }, { "role": "user", "content": "is it cold in Oslo?" }],
            "tools": [{ "type": "function", "function": { "name": "weather", "description": "the weather of a city",
                "parameters": { "type": "object", "properties": { "city": { "type": "string" } } } } }],
            "response_format": { "type": "json_schema", "json_schema": { "name": "Answer", "strict": true, "schema": { "type": "object" } } },
        })
    );

    let spans = recording.spans();
    let (call, facts) = facts(&spans);
    assert_eq!((call.name.as_str(), call.span_type.as_str()), ("llm", "LLM"));
    assert_eq!((facts.model.as_deref(), facts.provider.as_deref()), (Some("small-2026"), Some("openai")));
    let usage = Usage { input: 100, output: 20, cache_read: Some(60), reasoning: Some(7), ..Usage::default() };
    assert_eq!((reply.usage, facts.usage), (Some(usage), Some(usage)));
    let read = |text: &str| serde_json::from_str::<Value>(text).expect("JSON");
    assert_eq!(read(facts.tools.as_ref().expect("tools").as_str())[0]["function"]["name"], "weather");
    let inputs = serde_json::to_value(&call.inputs).expect("JSON").to_string();
    assert!(inputs.contains("is it cold in Oslo?"), "{inputs}");
    assert!(!serde_json::to_string(&spans).expect("JSON").contains(KEY));
}

#[tokio::test]
async fn a_streamed_answer_comes_in_pieces_with_the_time_to_the_first_and_the_tokens_of_the_last() {
    let event = |value: Value| format!("data: {value}\n\n").into_bytes();
    let delta = |delta: Value| json!({ "model": "small-2026", "choices": [{ "index": 0, "delta": delta }] });
    let call = |part: Value| delta(json!({ "tool_calls": [part] }));
    let pieces = vec![
        event(delta(json!({ "role": "assistant", "content": "" }))),
        event(delta(json!({ "content": "it is " }))),
        event(delta(json!({ "content": "cöld" }))),
        event(call(json!({ "index": 0, "id": "call-1", "function": { "name": "weather", "arguments": "{\"ci" } }))),
        event(call(json!({ "index": 0, "function": { "arguments": "ty\":1}" } }))),
        event(json!({ "choices": [{ "index": 0, "delta": {}, "finish_reason": "tool_calls" }] })),
        event(json!({ "choices": [], "usage": { "prompt_tokens": 11, "completion_tokens": 3 } })),
        b"data: [DONE]\n\n".to_vec(),
    ];
    let endpoint = Endpoint::start(move |_, _| Answer::Pieces(Duration::from_millis(15), pieces.clone()));
    let recording = Recording::new();
    let mut seen = Vec::new();
    let mut take = |piece: &str| seen.push(piece.to_owned());
    let request = Request::new([Message::user("and now?")]);
    // Any model, by way of its erased form.
    let reply =
        recording.scope(AnyModel::new(model(&endpoint)).ask_streaming(&request, &mut take)).await.expect("an answer");
    assert_eq!(seen, ["it is ", "cöld"]);
    assert_eq!((reply.content.as_str(), reply.tool_calls[0].arguments.as_str()), ("it is cöld", "{\"city\":1}"));
    assert_eq!(reply.usage.map(|usage| usage.total()), Some(14));
    let body = &endpoint.asked()[0].body;
    assert_eq!((&body["stream"], &body["stream_options"]["include_usage"]), (&json!(true), &json!(true)));

    let spans = recording.spans();
    let (call, facts) = facts(&spans);
    let first = reply.time_to_first_token.expect("it was streamed");
    let whole = Duration::from_nanos(call.end_unix_ns - call.start_unix_ns);
    assert!(first >= Duration::from_millis(30) && first < whole, "{first:?} of {whole:?}");
    assert_eq!(facts.time_to_first_token_ns.map(Duration::from_nanos), Some(first));
}

#[tokio::test]
async fn each_failure_says_what_it_is_when_to_come_back_and_never_the_key() {
    let whole = |status: u16, lines: &[(&'static str, &str)], body: &str| {
        Answer::Whole(status, lines.iter().map(|(name, value)| (*name, (*value).to_owned())).collect(), body.to_owned())
    };
    let problem = format!("{{\"error\": {{\"message\": \"no such key: {KEY}\"}}}}");
    let half = b"data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"half\"}}]}\n\n".to_vec();
    let cases: Vec<(Answer, bool, ErrorKind, &str)> = vec![
        (whole(401, &[], &problem), false, ErrorKind::Unauthorized, "OPENAI_API_KEY"),
        (whole(429, &[("retry-after", "7")], "{}"), false, ErrorKind::RateLimited, "wait"),
        (whole(404, &[], "<html>"), false, ErrorKind::Rejected, "OPENAI_BASE_URL"),
        (
            whole(302, &[("location", "http://127.0.0.1:9/login?session=1")], ""),
            false,
            ErrorKind::Rejected,
            "redirects",
        ),
        (whole(503, &[], ""), false, ErrorKind::Overloaded, "later"),
        (whole(400, &[], "{\"error\":\"too long\"}"), false, ErrorKind::Rejected, "too long"),
        (whole(200, &[], "<html>hello"), false, ErrorKind::Unreadable, "not JSON"),
        (whole(200, &[], "{\"choices\":[]}"), false, ErrorKind::Unreadable, "no choices"),
        (Answer::Cut(vec![half.clone()]), true, ErrorKind::Unreachable, "try again"),
        (Answer::Pieces(Duration::ZERO, vec![half.clone()]), true, ErrorKind::Unreachable, "middle of the answer"),
        (
            Answer::Pieces(
                Duration::ZERO,
                vec![half, b"data: {\"error\":{\"message\":\"out of memory\"}}\n\n".to_vec()],
            ),
            true,
            ErrorKind::Overloaded,
            "out of memory",
        ),
    ];
    let answers: Vec<_> = cases.iter().map(|(answer, ..)| answer.clone()).collect();
    let endpoint = Endpoint::start(move |number, _| answers[number].clone());
    let (recording, model, request) = (Recording::new(), model(&endpoint), Request::new([Message::user("?")]));
    for (number, (answer, streaming, kind, words)) in cases.iter().enumerate() {
        let asked = async {
            if *streaming { model.ask_streaming(&request, &mut |_| {}).await } else { model.ask(&request).await }
        };
        let error = recording.scope(asked).await.expect_err("it is none");
        assert_eq!(error.kind(), *kind, "{number}: {error}");
        let text = format!("{error} {error:?} {model:?}");
        assert!(text.contains(words) && !text.contains(KEY) && !text.contains("session=1"), "{number}: {text}");
        if let Answer::Whole(status @ 300.., ..) = answer {
            assert_eq!(error.status(), Some(*status));
        }
        assert_eq!(error.retry_after(), (*kind == ErrorKind::RateLimited).then_some(Duration::from_secs(7)));
    }
    let spans = recording.spans();
    assert!(spans.len() == cases.len() && spans.iter().all(|span| span.error.is_some()), "each failed as a span");
    assert!(!serde_json::to_string(&spans).expect("JSON").contains(KEY));
}

#[test]
fn a_silent_endpoint_and_one_that_is_not_there_are_given_up_without_any_async_runtime() {
    let endpoint = Endpoint::start(|_, _| Answer::Silence);
    let request = Request::new([Message::user("?")]);
    let slow = OpenAi::at(endpoint.base_url(), "small").timeout(Duration::from_millis(200)).build().expect("a client");
    let error = futures::executor::block_on(slow.ask(&request)).expect_err("nothing is said");
    assert!(error.kind() == ErrorKind::TimedOut && error.is_temporary() && error.status().is_none(), "{error}");

    let gone = OpenAi::at("http://127.0.0.1:1/v1/", "small").build().expect("a client");
    let error = futures::executor::block_on(gone.ask(&request)).expect_err("nobody is there");
    assert!(error.kind() == ErrorKind::Unreachable && error.to_string().contains("http://127.0.0.1:1/v1:"), "{error}");

    for address in ["127.0.0.1:1", "ftp://host", "http://user:pw@host/v1", ""] {
        let error = OpenAi::at(address, "small").build().expect_err("no address");
        assert!(error.kind() == ErrorKind::Config && !error.to_string().contains("pw"), "{error}");
    }
    let error = OpenAi::at("http://127.0.0.1:1", "small").key("two\nlines").build().expect_err("no key");
    assert!(error.kind() == ErrorKind::Config && !error.to_string().contains("lines"), "{error}");
}

/// What was asked is given up with whoever asked: the endpoint sees the connection go.
#[tokio::test]
async fn a_question_that_is_dropped_is_a_cancelled_span() {
    let endpoint = Endpoint::start(|_, _| Answer::Silence);
    let recording = Recording::new();
    let (model, request) = (model(&endpoint), Request::new([Message::user("?")]));
    {
        let mut asking = Box::pin(recording.scope(model.ask(&request)));
        assert!(futures::poll!(&mut asking).is_pending());
    }
    let spans = recording.spans();
    assert_eq!(spans[0].ending, spanwright::record::Ending::Cancelled);
}
