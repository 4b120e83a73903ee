//! What stands in MLflow after delivery, as its own Python client reads it.

use serde_json::{Value, json as value};
use spanwright::config::{Experiment, Overrides};
use spanwright::record::{AttributeValue, Batch, Ending, Event, ModelFacts, Usage};
use spanwright_tests::mlflow;

use crate::delivery::{Line, Trace, config, failed, fresh, json, names, random, span};

#[test]
fn a_trace_arrives_with_everything_mlflow_shows() {
    let server = mlflow::shared();
    let experiment = fresh("content");
    let trace = Trace::new();
    let mut root = trace.root("optimization_workflow");
    root.inputs = Some(json(r#"{"question":"how warm should it be?"}"#));
    root.outputs = Some(json(r#""21 degrees""#));
    let workflow = root.workflow.as_mut().expect("a workflow");
    workflow.tags = vec![("workflow".into(), "optimization".into()), ("team".into(), "[1]".into())];
    workflow.session = Some("session-7".into());
    workflow.user = Some("ann".into());
    let mut call = trace.model_call("ask", 100, 23);
    call.model.as_mut().expect("facts").usage = Some(Usage {
        input: 100,
        output: 23,
        cache_read: Some(10),
        cache_write: Some(5),
        reasoning: Some(4),
        ..Usage::default()
    });
    call.model.as_mut().expect("facts").tools =
        Some(json(r#"[{"name":"thermostat","description":"sets it","input_schema":{"type":"object"}}]"#));
    call.declared = Some("home.llm.ask".into());
    call.attributes = vec![("otel.span.type".into(), AttributeValue::Text("home.llm.other".into()))];
    let second = trace.model_call("ask again", 7, 1);
    Line::to(server.uri(), &experiment).deliver(&[call, second, trace.child("plan"), root]);

    let read = server.trace(&trace.mlflow_id()).expect("the trace");
    assert_eq!(read["state"], "OK");
    assert_eq!(read["tags"]["mlflow.traceName"], "optimization_workflow");
    assert_eq!(read["tags"]["workflow"], "optimization");
    assert_eq!(read["tags"]["team"], "[1]");
    assert_eq!(read["metadata"]["mlflow.trace.session"], "session-7");
    assert_eq!(read["metadata"]["mlflow.trace.user"], "ann");
    assert_eq!(read["request_preview"], r#"{"question":"how warm should it be?"}"#);
    assert_eq!(read["response_preview"], r#""21 degrees""#);
    assert_eq!(read["duration_ms"], 500);
    let usage = &read["usage"];
    assert_eq!(
        (&usage["input_tokens"], &usage["output_tokens"], &usage["total_tokens"]),
        (&value!(107), &value!(24), &value!(131))
    );
    assert_eq!((&usage["cache_read_input_tokens"], &usage["cache_creation_input_tokens"]), (&value!(10), &value!(5)));

    let root = span(&read, "optimization_workflow");
    assert_eq!((&root["type"], &root["status"], &root["parent"]), (&value!("WORKFLOW"), &value!("OK"), &Value::Null));
    assert_eq!(
        (&root["inputs"], &root["outputs"]),
        (&value!({"question": "how warm should it be?"}), &value!("21 degrees"))
    );
    let ask = span(&read, "ask");
    assert_eq!((&ask["type"], &ask["parent"]), (&value!("LLM"), &root["id"]));
    let attributes = &ask["attributes"];
    assert_eq!(attributes["mlflow.llm.model"], "gpt-4o-mini");
    assert_eq!(attributes["mlflow.llm.provider"], "openai");
    assert_eq!(attributes["mlflow.spanFunctionName"], "ask");
    assert_eq!(attributes["code.line.number"], 12);
    assert_eq!(attributes["otel.span.type"], "home.llm.ask");
    assert_eq!(attributes["session.id"], "session-7");
    assert_eq!(
        attributes["mlflow.chat.tools"],
        value!([{"type": "function", "function": {"name": "thermostat", "description": "sets it", "parameters": {"type": "object"}}}]),
    );
    // The price comes from the catalogue in the server's wheel: the model, the provider and the usage were understood.
    assert!(attributes["mlflow.llm.cost"]["total_cost"].as_f64().is_some_and(|cost| cost > 0.0), "{attributes:#}");
}

#[test]
fn a_failure_is_told_by_status_and_exception_event_and_marks_only_what_failed() {
    let server = mlflow::shared();
    let trace = Trace::new();
    let broken = failed(trace.child("fetch"), "agent::FetchError", "the meter does not answer");
    let mut cancelled = trace.child("wait");
    cancelled.ending = Ending::Cancelled;
    let mut fine = trace.child("plan");
    fine.events = vec![Event {
        name: "retry".into(),
        time_unix_ns: fine.end_unix_ns,
        attributes: vec![("n".into(), AttributeValue::Int(2))],
    }];
    Line::to(server.uri(), &fresh("failures")).deliver(&[broken, cancelled, fine, trace.root("flow")]);

    let read = server.trace(&trace.mlflow_id()).expect("the trace");
    assert_eq!(read["state"], "OK", "the root returned nothing wrong");
    let fetch = span(&read, "fetch");
    assert_eq!((&fetch["status"], &fetch["message"]), (&value!("ERROR"), &value!("the meter does not answer")));
    assert_eq!(
        fetch["events"],
        value!([{"name": "exception", "attributes": {"exception.type": "agent::FetchError", "exception.message": "the meter does not answer"}}]),
    );
    assert_eq!(fetch["attributes"]["spanwright.outcome"], "error");
    let wait = span(&read, "wait");
    assert_eq!((&wait["status"], &wait["attributes"]["spanwright.outcome"]), (&value!("ERROR"), &value!("cancelled")));
    let plan = span(&read, "plan");
    assert_eq!(
        (&plan["status"], &plan["events"]),
        (&value!("OK"), &value!([{"name": "retry", "attributes": {"n": 2}}]))
    );
    assert!(plan["attributes"].get("spanwright.outcome").is_none());
}

#[test]
fn values_come_back_as_they_were() {
    let server = mlflow::shared();
    let trace = Trace::new();
    let mut root = trace.root("values");
    // A text that reads like JSON stays a text.
    root.inputs = Some(json(r#""[1,2]""#));
    root.outputs = Some(json(r#"[1,{"a":"{\"b\":1}"},null,1.5]"#));
    let cases = [
        ("plain", AttributeValue::Text("héllo".into()), value!("héllo")),
        ("number in text", AttributeValue::Text("42".into()), value!("42")),
        ("list in text", AttributeValue::Text(" [1,2]".into()), value!(" [1,2]")),
        ("quoted", AttributeValue::Text("\"x\"".into()), value!("\"x\"")),
        ("int", AttributeValue::Int(i64::MIN), value!(i64::MIN)),
        ("float", AttributeValue::Float(0.1), value!(0.1)),
        ("not a number", AttributeValue::Float(f64::NAN), value!("NaN")),
        ("bool", AttributeValue::Bool(true), value!(true)),
        ("object", AttributeValue::Json(json(r#"{"k":[1,"2"]}"#)), value!({"k": [1, "2"]})),
        // A number the server could not give back would make the trace unreadable, and every list it stands in.
        (
            "long integers",
            AttributeValue::Json(json(r#"{"hash":18446744073709551615,"least":[-9223372036854775808]}"#)),
            value!({"hash": "18446744073709551615", "least": [i64::MIN]}),
        ),
        ("half a pair", AttributeValue::Json(json(r#"["\ud800x"]"#)), value!(["\u{fffd}x"])),
    ];
    root.attributes = cases.iter().map(|(key, sent, _)| ((*key).to_owned(), sent.clone())).collect();
    root.attributes.insert(0, ("plain".into(), AttributeValue::Text("replaced by the later one".into())));
    let deep = format!("{}0{}", "[".repeat(5000), "]".repeat(5000));
    let mut child = trace.child("deep");
    child.outputs = Some(json(&deep));
    Line::to(server.uri(), &fresh("values")).deliver(&[child, root]);

    let read = server.trace(&trace.mlflow_id()).expect("the trace");
    let root = span(&read, "values");
    assert_eq!(root["inputs"], "[1,2]");
    assert_eq!(root["outputs"], value!([1, {"a": "{\"b\":1}"}, null, 1.5]));
    for (key, _, expected) in &cases {
        assert_eq!(&root["attributes"][key], expected, "{key}");
    }
    assert_eq!(span(&read, "deep")["outputs"].as_str().map(str::len), Some(deep.len()));
}

#[test]
fn what_would_cost_the_whole_request_is_put_right_first() {
    let server = mlflow::shared();
    let trace = Trace::new();
    let long = "ü".repeat(5000);
    let mut root = trace.root(&long);
    let workflow = root.workflow.as_mut().expect("a workflow");
    workflow.session = Some(long.clone());
    workflow.user = Some(long.clone());
    workflow.tags = vec![
        (long.clone(), long.clone()),
        ("a key (odd)".into(), "kept".into()),
        // This one would make the trace unreadable.
        ("mlflow.trace.spansLocation".into(), "nowhere".into()),
    ];
    let json_attribute = |key: &str, text: &str| (key.to_owned(), AttributeValue::Json(json(text)));
    root.attributes = vec![
        json_attribute("mlflow.chat.tokenUsage", r#"{"input_tokens":null,"output_tokens":"many"}"#),
        json_attribute("mlflow.llm.cost", r#"[1]"#),
        ("mlflow.traceTag.mlflow.trace.spansLocation".into(), AttributeValue::Text("nowhere".into())),
        ("mlflow.spanType".into(), AttributeValue::Int(1)),
    ];
    let mut own_usage = trace.child("own usage");
    own_usage.attributes = vec![json_attribute("mlflow.chat.tokenUsage", r#"{"input_tokens":5,"output_tokens":6}"#)];
    let mut far = trace.child("far");
    (far.start_unix_ns, far.end_unix_ns) = (u64::MAX, u64::MAX);
    far.trace_id = spanwright::TraceId::from_halves(random(), random());
    far.parent_id = None;
    let far_trace = format!("tr-{}", far.trace_id);
    let mut backwards = trace.child("backwards");
    backwards.end_unix_ns = backwards.start_unix_ns - 1;
    let line = Line::to(server.uri(), &fresh("limits"));
    line.deliver(&[own_usage, backwards, root, far]);

    let read = server.trace(&trace.mlflow_id()).expect("the trace");
    assert_eq!(read["metadata"]["mlflow.trace.session"].as_str().map(|text| text.chars().count()), Some(250));
    assert_eq!(read["metadata"]["mlflow.trace.user"].as_str().map(|text| text.chars().count()), Some(250));
    assert_eq!(read["tags"]["mlflow.traceName"].as_str().map(|text| text.chars().count()), Some(4096));
    assert_eq!(read["tags"]["ü".repeat(250)].as_str().map(|text| text.chars().count()), Some(4096));
    assert_eq!(read["tags"]["a key _odd_"], "kept");
    // Without a total the server would have stored 0 for it.
    assert_eq!(read["usage"]["total_tokens"], 11);
    let root = span(&read, &long);
    assert_eq!(root["type"], "WORKFLOW");
    assert_eq!(root["attributes"]["spanwright.attribute.mlflow.llm.cost"], value!([1]));
    assert_eq!(root["attributes"]["spanwright.attribute.mlflow.spanType"], 1);
    let backwards = span(&read, "backwards");
    assert_eq!(backwards["start_ns"], backwards["end_ns"]);
    assert_eq!(span(&server.trace(&far_trace).expect("the far trace"), "far")["end_ns"], i64::MAX);
}

#[test]
fn a_trace_is_not_shown_as_ended_before_its_root_has() {
    let server = mlflow::shared();
    let trace = Trace::new();
    let mut open = trace.root("long");
    open.ending = Ending::Abandoned;
    open.workflow.as_mut().expect("a workflow").session = Some("s".into());
    let unseen = |overrides: &mut Overrides| overrides.live_after = Some(None);
    let line = Line::with(config(server.uri(), &fresh("running"), unseen));
    // The root is known, and open; its child has ended.
    line.put_batch(&Batch { finished: vec![trace.child("step")], open: vec![open], ..Batch::default() });
    assert_eq!(line.flush().pending, 0);
    let read = server.trace(&trace.mlflow_id()).expect("the trace");
    assert_eq!((&read["state"], names(&read).len()), (&value!("IN_PROGRESS"), 1));
    assert_eq!(read["metadata"]["mlflow.trace.session"], "s");

    line.deliver(&[failed(trace.root("long"), "E", "late")]);
    let read = server.trace(&trace.mlflow_id()).expect("the trace");
    assert_eq!((&read["state"], names(&read).len()), (&value!("ERROR"), 2));
    assert_eq!(read["duration_ms"], 500);
}

#[test]
fn spans_wait_until_it_is_known_where_their_trace_goes() {
    let server = mlflow::shared();
    let (configured, named) = (fresh("configured"), fresh("named"));
    let trace = Trace::new();
    let line = Line::to(server.uri(), &configured);
    line.put(&[trace.child("early")]);
    assert_eq!(line.flush().pending, 1, "the root may name another experiment");
    let mut root = trace.root("flow");
    root.workflow.as_mut().expect("a workflow").experiment = Some(named.clone());
    line.deliver(&[root]);
    assert_eq!(server.traces(&configured).len(), 0);
    assert_eq!(server.traces(&named).len(), 1);
    assert_eq!(names(&server.trace(&trace.mlflow_id()).expect("the trace")).len(), 2);
}

#[test]
fn an_experiment_is_found_by_id_and_made_once_by_name() {
    let server = mlflow::shared();
    let name = fresh("by id");
    let first = Trace::new();
    Line::to(server.uri(), &name).deliver(&[first.root("first")]);
    let id = server.traces(&name)[0]["experiment_id"].as_str().expect("an id").to_owned();

    let second = Trace::new();
    let by_id = config(server.uri(), "", |overrides| overrides.experiment = Some(Experiment::Id(id.clone())));
    Line::with(by_id).deliver(&[second.root("second")]);
    let third = Trace::new();
    let mut root = third.root("third");
    root.workflow.as_mut().expect("a workflow").experiment = Some(id);
    Line::to(server.uri(), &fresh("elsewhere")).deliver(&[root]);
    assert_eq!(server.traces(&name).len(), 3);

    // Eight at once want a name that is not there yet.
    let contested = fresh("contested");
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| Line::to(server.uri(), &contested).deliver(&[Trace::new().root("racer")]));
        }
    });
    assert_eq!(server.traces(&contested).len(), 8);
}

#[test]
fn thousands_of_spans_arrive_each_once() {
    let server = mlflow::shared();
    let experiment = fresh("many");
    let traces: Vec<_> = (0..40).map(|_| Trace::new()).collect();
    let mut spans = Vec::new();
    for trace in &traces {
        spans.extend((0..29).map(|n| trace.child(&format!("step {n}"))));
        spans.push(trace.model_call("ask", 10, 5));
        spans.push(trace.root("flow"));
    }
    let line = Line::to(server.uri(), &experiment);
    line.deliver(&spans);
    assert_eq!(line.flush().delivered, 40 * 31);
    let read = server.traces(&experiment);
    assert_eq!(read.len(), 40);
    assert!(read.iter().all(|trace| trace["state"] == "OK" && trace["usage"]["total_tokens"] == 15));
    assert_eq!(names(&server.trace(&traces[17].mlflow_id()).expect("the trace")).len(), 31);
}

#[test]
fn facts_of_a_nested_workflow_stay_on_its_span() {
    let server = mlflow::shared();
    let trace = Trace::new();
    let mut inner = trace.child("inner");
    inner.workflow = Some(Box::default());
    inner.workflow.as_mut().expect("a workflow").tags = vec![("workflow".into(), "inner".into())];
    let mut root = trace.root("outer");
    root.workflow.as_mut().expect("a workflow").tags = vec![("workflow".into(), "outer".into())];
    root.model = Some(ModelFacts::default());
    Line::to(server.uri(), &fresh("nested")).deliver(&[inner, root]);
    let read = server.trace(&trace.mlflow_id()).expect("the trace");
    assert_eq!(read["tags"]["workflow"], "outer");
    assert_eq!(span(&read, "inner")["attributes"]["spanwright.tag.workflow"], "inner");
    assert!(read["usage"].is_null() || read["usage"] == value!({}), "no tokens were counted");
}
