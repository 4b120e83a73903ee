//! What declared spans record, seen by a program that declares its tree.

use spanwright::record::AttributeValue;
use spanwright::testing::Recording;
use spanwright::{assert_span_tree, llm, node, semconv, tool, workflow};

mod spans {
    spanwright::spans! {
        /// Looks at how a home is used.
        pub workflow Optimization(id = "home.workflow.optimization", name = "optimization_workflow") {
            days: u64,

            /// Reads the logbook.
            pub node Collect(id = "home.node.collect", span_type = "PARSER") {
                entity_count: u64,
                offset: i8,
                share: f32,
                complete: bool,
                home.name: str,
                kinds: [str],
                counts: [u32],
                extra: json,
                gen_ai.request.temperature,
            }
        }
        pub llm Ask(id = "home.llm.ask", parents(Collect, root)) {
            attempt: u32,
        }
    }
}

fn attributes(recording: &Recording, name: &str) -> Vec<(String, String)> {
    let attributes = recording.span(name).attributes;
    attributes.into_iter().map(|(key, value)| (key, format!("{value:?}"))).collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

#[node(span = spans::Collect, handle = s)]
fn collect(home: String) -> usize {
    s.entity_count(u64::MAX >> 1).offset(-1).share(0.5).complete(true).home_name(&home);
    s.kinds(&["lamp", "door"]).counts(&[1, 2]).extra(&serde_json::json!({"a": [null]}));
    s.gen_ai_request_temperature(0.25);
    home.len()
}

#[test]
fn each_type_arrives_as_it_is_declared() {
    let recording = Recording::new();
    assert_eq!(recording.run(|| collect("villa".into())), 5);
    let expected = [
        ("entity_count", "Int(9223372036854775807)"),
        ("offset", "Int(-1)"),
        ("share", "Float(0.5)"),
        ("complete", "Bool(true)"),
        ("home.name", "Text(\"villa\")"),
        ("kinds", "Json([\"lamp\",\"door\"])"),
        ("counts", "Json([1,2])"),
        ("extra", "Json({\"a\":[null]})"),
        ("gen_ai.request.temperature", "Float(0.25)"),
    ];
    assert_eq!(attributes(&recording, "collect"), pairs(&expected));
}

/// The name and the type are the declaration's, the kind is the attribute's, the place is the function's.
#[test]
fn a_span_is_what_it_is_declared_as() {
    #[workflow(span = spans::Optimization)]
    fn optimize() -> usize {
        collect(String::new())
    }

    let recording = Recording::new();
    recording.run(optimize);
    let (outer, inner) = (recording.span("optimization_workflow"), recording.span("collect"));
    assert_eq!((outer.span_type.as_str(), outer.kind.as_str()), ("WORKFLOW", "workflow"));
    assert_eq!((inner.span_type.as_str(), inner.kind.as_str()), ("PARSER", "node"));
    assert_eq!(outer.source.function, "optimize");
    assert_eq!(inner.parent_id, Some(outer.span_id));
    assert_eq!(spans::CONTRACT.spans[1].parents, Some(&["home.workflow.optimization"][..]));
}

/// The arguments are evaluated when the call starts, and move nothing.
#[test]
fn attributes_of_the_argument_list_go_through_the_declaration() {
    const LINE: u32 = line!() + 1;
    #[node(
        span = spans::Collect,
        attributes(entity_count = rows.len() as u64, home.name = &name, kinds = &rows, extra = &name),
    )]
    fn gather(name: String, rows: Vec<String>) -> (String, Vec<String>) {
        (name, rows)
    }

    let recording = Recording::new();
    let returned = recording.run(|| gather("villa".into(), vec!["lamp".into()]));
    assert_eq!(returned, ("villa".to_owned(), vec!["lamp".to_owned()]));
    assert_eq!(recording.span("collect").source.line, LINE);
    let expected = [
        ("entity_count", "Int(1)"),
        ("home.name", "Text(\"villa\")"),
        ("kinds", "Json([\"lamp\"])"),
        ("extra", "Text(\"villa\")"),
    ];
    assert_eq!(attributes(&recording, "collect"), pairs(&expected));
}

/// A handle says more of its own span, wherever it is taken: into another span, a thread, a task.
#[tokio::test]
async fn a_typed_handle_stays_with_its_span() {
    #[tool]
    fn inside(span: spans::Ask) {
        span.attempt(1);
        span.event("inside");
    }

    #[llm(span = spans::Ask, handle = s)]
    async fn ask() {
        inside(s);
        tokio::task::yield_now().await;
        let ids = std::thread::spawn(move || s.attempt(2).span_id()).join().expect("it does not panic");
        assert_eq!(ids, s.span_id());
        spanwright::spawn(async move { s.tag("late", 1) }).await.expect("it does not panic");
    }

    let recording = Recording::new();
    recording.scope(ask()).await;
    let span = recording.span("ask");
    assert_eq!(span.attribute("attempt"), Some(&AttributeValue::Int(2)));
    assert_eq!(span.events.len(), 1);
    assert!(recording.span("inside").attributes.is_empty());
    assert_span_tree!(
        recording,
        "
        ask [LLM]
          inside [TOOL]
        "
    );
}

/// Nothing is recorded, nothing happens.
#[test]
fn without_a_recorder_the_handle_takes_everything_and_keeps_nothing() {
    assert_eq!(collect("villa".into()), 5);
    assert_eq!(Recording::with_sampling(0.0).run(|| collect("villa".into())), 5);
}

#[test]
fn a_key_of_the_conventions_sets_its_attribute() {
    use semconv::{gen_ai, mlflow};

    #[llm(handle = s)]
    fn undeclared(model: String) -> String {
        s.set_standard(gen_ai::REQUEST_MODEL, &model);
        s.set_standard(gen_ai::REQUEST_MAX_TOKENS, 12_u32);
        s.set_standard(gen_ai::REQUEST_TOP_P, 0.5);
        s.set_standard(gen_ai::REQUEST_STREAM, true);
        s.set_standard(gen_ai::RESPONSE_FINISH_REASONS, &["stop"]);
        s.set_standard(gen_ai::REQUEST_STOP_SEQUENCES, &vec![String::from("end")]);
        s.set_standard(mlflow::LLM_COST, serde_json::json!({"total_cost": 0.1}));
        s.set_standard(mlflow::MESSAGE_FORMAT, "openai");
        model
    }

    let recording = Recording::new();
    recording.run(|| undeclared("small".into()));
    let expected = [
        ("gen_ai.request.model", "Text(\"small\")"),
        ("gen_ai.request.max_tokens", "Int(12)"),
        ("gen_ai.request.top_p", "Float(0.5)"),
        ("gen_ai.request.stream", "Bool(true)"),
        ("gen_ai.response.finish_reasons", "Json([\"stop\"])"),
        ("gen_ai.request.stop_sequences", "Json([\"end\"])"),
        ("mlflow.llm.cost", "Json({\"total_cost\":0.1})"),
        ("mlflow.message.format", "Text(\"openai\")"),
    ];
    assert_eq!(attributes(&recording, "undeclared"), pairs(&expected));
}
