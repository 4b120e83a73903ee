//! The recorded transcripts, span by span, with what each call cost.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use spanwright::Retelling;
use spanwright::config::{Config, Overrides};
use spanwright::record::{AttributeValue, Ending, ModelCallCost, SpanRecord};
use spanwright_claude::agents::Agents;
use spanwright_claude::spans::{SubAgent, Subject, tell};
use spanwright_claude::transcript::{Scope, last_turn, time};
use spanwright_claude::turn::Turn;

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

pub fn retelling() -> Retelling {
    Retelling::new(&Config::load(Overrides::default(), &|_| None, Path::new("/")).0)
}

/// The spans of the last turn of a transcript.
fn told(transcript: &str, scope: Scope, subject: &Subject) -> Vec<SpanRecord> {
    let path = data(transcript);
    let Some(raw) = last_turn(BufReader::new(File::open(&path).unwrap()), scope).unwrap() else { return Vec::new() };
    let agents = Agents::beside(&path);
    let told = tell(&Turn::of(&raw, scope, 1), subject, Some(&agents), &mut retelling());
    assert_eq!(told.notices, [""; 0]);
    told.spans
}

fn text<'a>(span: &'a SpanRecord, key: &str) -> Option<&'a str> {
    match span.attribute(key)? {
        AttributeValue::Text(text) => Some(text),
        _ => None,
    }
}

/// Name of a span as the required trees say it of a parent.
fn parent_name(spans: &[SpanRecord], span: &SpanRecord) -> String {
    let parent = spans.iter().find(|other| Some(other.span_id) == span.parent_id).expect("it is among them");
    if parent.parent_id.is_none() {
        return "root".into();
    }
    let tool = spans.iter().find(|other| Some(other.span_id) == parent.parent_id).expect("a tool");
    format!("{}@{}", parent.name, text(tool, "tool_id").unwrap_or_default())
}

fn status(span: &SpanRecord) -> &'static str {
    match span.ending {
        Ending::Ok => "OK",
        Ending::Unknown => "UNSET",
        _ => "ERROR",
    }
}

fn value(json: Option<&spanwright::record::Json>) -> Value {
    json.map(spanwright::record::Json::to_value).unwrap_or_default()
}

fn usage(span: &SpanRecord) -> Value {
    let Some(usage) = span.model.as_ref().and_then(|model| model.usage) else { return Value::Null };
    let mut said = json!({"input_tokens": usage.input, "output_tokens": usage.output, "total_tokens": usage.total()});
    for (name, count) in [
        ("cache_read_input_tokens", usage.cache_read),
        ("cache_creation_input_tokens", usage.cache_write),
        ("cache_creation_input_tokens_above_1hr", usage.cache_write_1h),
    ] {
        if let Some(count) = count {
            said[name] = count.into();
        }
    }
    said
}

fn cost(span: &SpanRecord) -> Value {
    let Some(cost) = span.model.as_ref().and_then(|model| model.cost) else { return Value::Null };
    costs(cost.input, cost.output)
}

/// To nine decimals: what is required was added up in floating-point numbers.
fn costs(input: f64, output: f64) -> Value {
    let rounded = |dollars: f64| (dollars * 1e9).round() / 1e9;
    json!({"input_cost": rounded(input), "output_cost": rounded(output), "total_cost": rounded(input + output)})
}

/// What is required, rounded likewise.
fn required_cost(said: &Value) -> Value {
    let part = |name: &str| said[name].as_f64();
    part("input_cost").zip(part("output_cost")).map_or(Value::Null, |(input, output)| costs(input, output))
}

fn llm(spans: &[SpanRecord], span: &SpanRecord) -> Value {
    let content = value(span.outputs.as_ref())["content"].take();
    let blocks: Vec<Value> = content.as_array().unwrap().clone();
    let of = |kind: &str| blocks.iter().filter(move |block| block["type"] == kind).cloned().collect::<Vec<_>>();
    let texts = blocks.iter().filter_map(|block| block.as_str().or(block["text"].as_str()));
    let said: String = texts.collect();
    json!({
        "message_id": text(span, "message_id"),
        "model": text(span, "model"),
        "text": if said.is_empty() { Value::Null } else { said.into() },
        "thinking": !of("thinking").is_empty(),
        "tool_ids": of("tool_use").iter().map(|block| block["id"].clone()).collect::<Vec<_>>(),
        "usage": usage(span),
        "cost": cost(span),
        "first_ns": span.start_unix_ns,
        "parent": parent_name(spans, span),
        "api_error": span.error.as_ref().is_some_and(|error| error.kind == "ApiError"),
        "status": status(span),
    })
}

fn tool(spans: &[SpanRecord], span: &SpanRecord) -> Value {
    // A tool is called by the model call before it.
    let calls = spans.iter().filter(|other| other.span_type == "LLM");
    let caller = calls.into_iter().find(|call| {
        let blocks = value(call.outputs.as_ref())["content"].take();
        blocks.as_array().is_some_and(|blocks| blocks.iter().any(|block| block["id"] == text(span, "tool_id").unwrap()))
    });
    let mut said = json!({
        "name": span.name,
        "id": text(span, "tool_id"),
        "input": value(span.inputs.as_ref()),
        "start_ns": span.start_unix_ns,
        "parent": parent_name(spans, span),
        "message_id": caller.and_then(|caller| text(caller, "message_id")),
        "result": value(span.outputs.as_ref())["result"],
        "status": status(span),
        "end_ns": if span.ending == Ending::Unknown { Value::Null } else { span.end_unix_ns.into() },
    });
    for key in ["agent_id", "note"] {
        if let Some(value) = text(span, key) {
            said[key] = value.into();
        }
    }
    if let Some(AttributeValue::Bool(background)) = span.attribute("background") {
        said["background"] = (*background).into();
    }
    said
}

/// The spans as the required trees say them.
fn normalised(spans: &[SpanRecord]) -> Value {
    let Some(root) = spans.first() else { return json!({ "trace": null }) };
    assert!(spans[1..].iter().all(|span| span.parent_id.is_some() && span.trace_id == root.trace_id));
    let of = |span_type: &'static str| spans[1..].iter().filter(move |span| span.span_type == span_type);
    let agents = of("AGENT").map(|agent| {
        let tool = spans.iter().find(|other| Some(other.span_id) == agent.parent_id).unwrap();
        let inputs = value(agent.inputs.as_ref());
        json!({
            "name": agent.name, "parent_tool": text(tool, "tool_id"),
            "prompt": inputs["prompt"], "description": inputs["description"],
        })
    });
    let mut totals = json!({});
    for span in of("LLM") {
        for (name, count) in usage(span).as_object().into_iter().flatten() {
            totals[name] = (totals[name].as_u64().unwrap_or(0) + count.as_u64().unwrap()).into();
        }
    }
    let all: Vec<_> = of("LLM").filter_map(|span| span.model.as_ref()?.cost).collect();
    let sum = |part: fn(&ModelCallCost) -> f64| all.iter().map(part).sum();
    let cost = if all.is_empty() { Value::Null } else { costs(sum(|cost| cost.input), sum(|cost| cost.output)) };
    let skipped = match root.attribute("skipped_lines") {
        Some(AttributeValue::Int(lines)) => *lines,
        _ => 0,
    };
    json!({
        "root": {
            "prompt": value(root.inputs.as_ref())["prompt"],
            "response": value(root.outputs.as_ref())["response"],
            "skipped_lines": skipped,
            "root_name": root.name,
        },
        "agents": agents.collect::<Vec<_>>(),
        "llm": sorted(of("LLM").map(|span| llm(spans, span)).collect()),
        "tools": sorted(of("TOOL").map(|span| tool(spans, span)).collect()),
        "totals": {"usage": totals, "cost": cost},
        "span_count": spans.len(),
    })
}

fn sorted(mut list: Vec<Value>) -> Vec<Value> {
    list.sort_by_key(|one| (one["first_ns"].as_u64().or(one["start_ns"].as_u64()), one.to_string()));
    list
}

/// What is required, with times as numbers.
fn required(name: &str) -> Value {
    let mut said: Value =
        serde_json::from_reader(File::open(data("required").join(format!("{name}.json"))).unwrap()).unwrap();
    let ns = |time: &Value| time.as_str().map_or(Value::Null, |time| time::parse(time).unwrap().into());
    let Some(calls) = said.get_mut("llm").and_then(Value::as_array_mut) else { return said };
    for call in calls.iter_mut() {
        call["first_ns"] = ns(&call["first_ts"]);
        call["cost"] = required_cost(&call["cost"]);
        let call = call.as_object_mut().unwrap();
        ["first_ts", "last_ts"].iter().for_each(|key| drop(call.remove(*key)));
    }
    let calls = sorted(std::mem::take(calls));
    said["llm"] = calls.into();
    let tools = said["tools"].as_array_mut().unwrap();
    for tool in tools.iter_mut() {
        tool["start_ns"] = ns(&tool["start"]);
        tool["end_ns"] = ns(&tool["end"]);
        let tool = tool.as_object_mut().unwrap();
        ["start", "end"].iter().for_each(|key| drop(tool.remove(*key)));
    }
    let tools = sorted(std::mem::take(tools));
    said["tools"] = tools.into();
    let totals = said["totals"].take();
    said["totals"] = json!({"usage": totals["usage"], "cost": required_cost(&totals["cost"])});
    said
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap()
}

#[test]
fn every_recorded_transcript_becomes_exactly_the_required_tree() {
    for (transcript, name) in [
        ("small", "small"),
        ("tool_heavy", "tool_heavy"),
        ("subagent_compaction", "subagent_compaction"),
        ("micro/empty", "micro__empty"),
        ("micro/no_user", "micro__no_user"),
        ("micro/long_prompt", "micro__long_prompt"),
        ("micro/string_content", "micro__string_content"),
        ("micro/text_and_tool_same_entry", "micro__text_and_tool_same_entry"),
    ] {
        let spans = told(&format!("transcripts/{transcript}.jsonl"), Scope::Session, &Subject::default());
        assert_eq!(pretty(&normalised(&spans)), pretty(&required(name)), "{transcript}");
    }
}

#[test]
fn a_background_agent_becomes_exactly_the_required_tree_of_its_own() {
    let agent = SubAgent {
        id: "bg778899".into(),
        agent_type: Some("general-purpose".into()),
        tool_use_id: "toolu_03Bg".into(),
    };
    let subject = Subject { agent: Some(agent), ..Subject::default() };
    let spans = told("transcripts/subagent_compaction/subagents/agent-bg778899.jsonl", Scope::Agent, &subject);
    assert_eq!(pretty(&normalised(&spans)), pretty(&required("background_agent-bg778899")));
    let workflow = spans[0].workflow.as_ref().unwrap();
    let tags = [("agent_id", "bg778899"), ("agent_type", "general-purpose"), ("parent_tool_use_id", "toolu_03Bg")];
    assert_eq!(workflow.tags, tags.map(|(key, value)| (key.to_owned(), value.to_owned())));
    assert_eq!(workflow.session.as_deref(), Some("9c8d7e6f-3333-4c4c-7d7d-000000000003"));
}

#[test]
fn a_model_is_given_what_came_since_its_last_answer_steering_too() {
    let spans = told("transcripts/tool_heavy.jsonl", Scope::Session, &Subject::default());
    let call = |id: &str| spans.iter().find(|span| text(span, "message_id") == Some(id)).unwrap();
    let given = |id: &str| value(call(id).inputs.as_ref())["messages"].as_array().unwrap().clone();
    assert_eq!(given("msg_02Par").len(), 1);
    let messages = given("msg_02Skill");
    assert_eq!(messages[0]["role"], "assistant");
    assert_eq!(messages[0]["content"][0]["id"], "toolu_02Edit");
    assert_eq!(messages[1]["content"][1]["tool_use_id"], "toolu_02Del");
    assert_eq!(messages[2], json!({"role": "user", "content": "also keep the old helper"}));
    // Results that came between the parts of the answer belong to what comes after it.
    let results: Vec<_> =
        given("msg_02Two")[1..].iter().map(|given| given["content"][0]["tool_use_id"].clone()).collect();
    assert_eq!(results, ["toolu_02Grep", "toolu_02Glob", "toolu_02Bash"]);
    assert_eq!(text(call("msg_02Mcp"), "skill"), Some("rust-testing"));
    assert_eq!(text(call("msg_02Skill"), "skill"), None);
}

#[test]
fn a_call_lasts_to_the_entry_after_it_and_the_root_as_long_as_the_longest() {
    let spans = told("transcripts/tool_heavy.jsonl", Scope::Session, &Subject::default());
    let call = spans.iter().find(|span| text(span, "message_id") == Some("msg_02Par")).unwrap();
    assert_eq!(call.end_unix_ns, time::parse("2026-03-14T10:01:06.000Z").unwrap());
    let end = spans.iter().map(|span| span.end_unix_ns).max().unwrap();
    assert_eq!(spans[0].end_unix_ns, end);
    assert_eq!(end, time::parse("2026-03-14T10:01:36.400Z").unwrap());
    let events: Vec<_> = spans[0].events.iter().map(|event| event.name.as_str()).collect();
    assert_eq!(events, ["api_error"]);
}

#[test]
fn a_trace_says_where_and_by_what_it_was_made() {
    let subject = Subject { user: Some("dev".into()), ..Subject::default() };
    let spans = told("transcripts/small.jsonl", Scope::Session, &subject);
    let workflow = spans[0].workflow.as_ref().unwrap();
    assert_eq!(workflow.session.as_deref(), Some("5f0c2d1e-1111-4a4a-9b9b-000000000001"));
    assert_eq!(workflow.user.as_deref(), Some("dev"));
    let values: Vec<_> = workflow.metadata.iter().map(|(_, value)| value.as_str()).collect();
    assert_eq!(values, ["/home/dev/shop", "2.1.74", "default"]);
    assert_eq!(told("transcripts/small.jsonl", Scope::Session, &subject), spans, "ids are made of what they name");
}
