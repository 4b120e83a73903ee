//! Graphs of agents that hand work on: one run id, each agent measured once, whatever becomes of the run.

use serde_json::{Value, json};
use spanwright::AgentConfig;
use spanwright::record::AttributeValue;
use spanwright::testing::Recording;
use spanwright::tracker::AgentGraph;
use spanwright_models::{
    ErrorKind, Evaluator, GraphNode, ManagedAgentGraph, Message, OpenAi, Request, ToolDefinition, Tools,
};

use crate::endpoint::{Answer, Endpoint};
use crate::seen::{Seen, text};

fn trip() -> AgentGraph {
    AgentGraph::new("trip", "planner")
        .agent(AgentConfig::new("planner"))
        .agent(AgentConfig::new("hotels"))
        .edge("planner", "hotels", json!({ "budget": 900 }))
        .edge("hotels", "planner", Value::Null)
}

fn node(endpoint: &Endpoint, name: &str) -> GraphNode {
    let model = OpenAi::at(endpoint.base_url(), name).build().expect("a client");
    GraphNode::new(model).prompt(Request::new([Message::system(format!("you are {name}"))]))
}

fn handoff(to: &str, message: &str) -> Answer {
    Answer::calls(&[(&format!("handoff_to_{to}"), &json!({ "message": message }).to_string())])
}

#[tokio::test]
async fn a_run_of_a_graph_is_one_tree_under_one_run_id_and_an_agent_with_two_turns_is_measured_once() {
    let endpoint = Endpoint::start(|number, _| match number {
        0 => handoff("hotels", "two nights in Rome"),
        1 => Answer::calls(&[("search", "{}")]),
        2 => handoff("planner", "the Forum has a room"),
        _ => Answer::text("all is booked"),
    });
    let search = Tools::new()
        .with(ToolDefinition::new("search", "Finds rooms.", json!({ "type": "object" })), |_| async {
            Ok::<_, String>("the Forum")
        });
    let (seen, reporting) = Seen::new();
    let graph = ManagedAgentGraph::new(trip()).expect("it is enabled").reporting(reporting);
    let graph =
        graph.node("planner", node(&endpoint, "planner")).node("hotels", node(&endpoint, "hotels").tools(search));
    let graph =
        graph.evaluated_by(Evaluator::new().check("is_booked", |evaluated| evaluated.output.contains("booked")));
    let recording = Recording::new();
    let run = recording.scope(graph.run("a trip to Rome", "ann")).await.expect("an answer");
    assert_eq!(run.content, "all is booked");
    assert_eq!(run.summary.path, ["planner", "hotels", "planner"]);
    assert_eq!((run.summary.success, run.summary.total_tokens), (Some(true), Some(60)));
    assert_eq!(run.evaluations.results().await[0].score, Some(1.0));

    let tree = "\
trip [AGENT]
  planner [AGENT]
    llm [LLM]
  delegation [CHAIN]
    hotels [AGENT]
      llm [LLM]
      search [TOOL]
      llm [LLM]
  delegation [CHAIN]
    planner [AGENT]
      llm [LLM]";
    assert_eq!(recording.tree().trim(), tree);
    let id = run.tracker.run_id();
    let spans = recording.spans();
    for span in spans.iter().filter(|span| span.span_type == "AGENT") {
        assert_eq!(text(span, "run_id"), Some(id), "{}", span.name);
    }
    let handed = spans.iter().find(|span| span.name == "delegation").expect("a handoff");
    assert_eq!((text(handed, "from"), text(handed, "to")), (Some("planner"), Some("hotels")));
    let root = recording.span("trip");
    assert!(root.attributes.contains(&("run.tokens.total".into(), AttributeValue::Int(60))), "{:?}", root.attributes);
    assert_eq!(run.tracker.run().trace_id(), Some(root.trace_id), "feedback goes to the trace");

    let expected = [
        "graph:handoff_success 1",
        "graph:handoff_success 1",
        "graph:path 1",
        "graph:duration:total 0",
        "graph:invocation_success 1",
        "graph:total_tokens 60",
        "duration:total",
        "tokens:total 30",
        "tokens:input 20",
        "tokens:output 10",
        "tool_call handoff_to_hotels 1",
        "generation:success 1",
        "duration:total",
        "tokens:total 30",
        "tokens:input 20",
        "tokens:output 10",
        "tool_call search 1",
        "tool_call handoff_to_planner 1",
        "generation:success 1",
        "is_booked 1",
    ];
    let events = seen.of_run(id);
    let is_as_expected = |(event, expected): (&String, &&str)| match expected.strip_suffix(" 0") {
        Some(timed) => event.starts_with(timed),
        None => event == expected,
    };
    assert!(events.len() == expected.len() && events.iter().zip(&expected).all(is_as_expected), "{events:#?}");
    assert_eq!(seen.events().len(), expected.len(), "nothing under another run id");
    let nodes: Vec<_> =
        run.nodes.iter().map(|(key, summary)| (key.as_str(), summary.tokens.map(|tokens| tokens.total))).collect();
    assert_eq!(nodes, [("planner", Some(30)), ("hotels", Some(30))]);
    let of_node = seen.events()[6]["data"].clone();
    assert_eq!((&of_node["configKey"], &of_node["graphKey"]), (&json!("planner"), &json!("trip")));

    let asked = &endpoint.asked()[1].body;
    assert_eq!((&asked["model"], &asked["messages"][1]["content"]), (&json!("hotels"), &json!("two nights in Rome")));
    let offered = |number: usize| endpoint.asked()[number].body["tools"][0]["function"]["description"].to_string();
    assert!(
        offered(0).contains("hotels") && offered(0).contains("900"),
        "what the edge says goes along: {}",
        offered(0)
    );
}

#[tokio::test]
async fn of_a_run_that_fails_what_its_agents_did_is_measured_all_the_same() {
    let endpoint = Endpoint::start(|number, _| match number {
        0 => handoff("hotels", "two nights"),
        _ => Answer::json(500, json!({})),
    });
    let (seen, reporting) = Seen::new();
    let graph = ManagedAgentGraph::new(trip()).expect("it is enabled").reporting(reporting);
    let graph = graph.node("planner", node(&endpoint, "planner")).node("hotels", node(&endpoint, "hotels"));
    let recording = Recording::new();
    let error = recording.scope(graph.run("a trip", "ann")).await.expect_err("a model is broken");
    assert_eq!(error.kind(), ErrorKind::Overloaded);
    let id = text(&recording.span("trip"), "run_id").expect("an id").to_owned();
    let events = seen.of_run(&id);
    let of = |start: &str| events.iter().filter(|event| event.starts_with(start)).count();
    assert_eq!((of("graph:invocation_failure"), of("graph:path"), of("graph:total_tokens")), (1, 1, 0), "{events:#?}");
    assert_eq!((of("generation:success"), of("generation:error"), of("tokens:total 15")), (1, 1, 1), "{events:#?}");
}

#[tokio::test]
async fn a_graph_that_cannot_be_run_says_so() {
    assert!(ManagedAgentGraph::new(AgentGraph::new("trip", "nobody")).is_none());
    let endpoint = Endpoint::start(|number, _| handoff(["hotels", "planner"][number % 2], "your turn"));
    let (seen, reporting) = Seen::new();
    let without = ManagedAgentGraph::new(trip())
        .expect("it is enabled")
        .reporting(reporting)
        .node("planner", node(&endpoint, "planner"));
    let recording = Recording::new();
    let error = recording.scope(without.run("a trip", "ann")).await.expect_err("hotels has no model");
    assert!(error.kind() == ErrorKind::Config && error.to_string().contains("`hotels`"), "{error}");
    assert!(seen.events().iter().any(|event| event["name"] == "$ld:ai:graph:handoff_failure"));

    let endless = without.node("hotels", node(&endpoint, "hotels")).most_steps(6);
    let error = recording.scope(endless.run("a trip", "ann")).await.expect_err("nobody answers");
    assert!(error.kind() == ErrorKind::Endless && error.to_string().contains("after 6 turns"), "{error}");
}
