//! Two agents that plan a trip and hand the work to each other.

use serde_json::{Value, json};
use spanwright::AgentConfig;
use spanwright::tracker::AgentGraph;
use spanwright_models::{GraphNode, ManagedAgentGraph, Message, Model, Request, ToolDefinition, Tools};

use crate::Result;

/// The planner begins, may send for a room, and gets the work back.
fn graph() -> AgentGraph {
    AgentGraph::new("trip-graph", "planner")
        .agent(AgentConfig::new("planner"))
        .agent(AgentConfig::new("hotels"))
        .edge("planner", "hotels", json!({ "budget": 900 }))
        .edge("hotels", "planner", Value::Null)
}

/// Finds a room in a city.
async fn find_room(arguments: Value) -> Result<String> {
    let city = arguments["city"].as_str().ok_or("in which city?")?;
    Ok(format!("Grand Hotel {city}"))
}

/// The agents, on one model.
pub fn trip<M: Model + Clone + 'static>(model: M) -> Result<ManagedAgentGraph> {
    let told = |text: &str| Request::new([Message::system(text)]);
    let city = json!({ "type": "object", "properties": { "city": { "type": "string" } }, "required": ["city"] });
    let tools = Tools::new().with(ToolDefinition::new("find_room", "Finds a free room in a city.", city), find_room);
    let graph = ManagedAgentGraph::new(graph()).ok_or("the graph is switched off")?;
    Ok(graph
        .node("planner", GraphNode::new(model.clone()).prompt(told("Plan a trip. Let the others do what they know.")))
        .node("hotels", GraphNode::new(model).prompt(told("Find a room and hand back what you found.")).tools(tools)))
}
