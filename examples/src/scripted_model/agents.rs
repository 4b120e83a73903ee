//! The parts of the support agent, its judge, and the agents that plan a trip.

use serde_json::{Value, json};

use super::Request;
use super::replies::{calling, said};

/// Its answer where it has such a part.
pub(super) fn reply(system: &str, user: &str, request: &Request) -> Option<Value> {
    if system.starts_with("Answer customers") {
        Some(said(support(user)))
    } else if system.starts_with("Judge whether") {
        Some(said(&verdict(user)))
    } else if system.starts_with("Plan a trip") {
        Some(plan(user, request))
    } else if system.starts_with("Find a room") {
        Some(room(user, request))
    } else {
        None
    }
}

fn support(question: &str) -> &'static str {
    if question.contains("receipt") {
        "Your receipt is under Orders: open the order and choose Print receipt."
    } else {
        "We are glad that you like our shop."
    }
}

/// Whether the answer has a longer word of the question in it.
fn verdict(judged: &str) -> String {
    let (question, answer) = judged.split_once("RESPONSE TO EVALUATE:").unwrap_or((judged, ""));
    let words = question
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| word.len() > 4 && word.chars().all(char::is_lowercase));
    let shared: Vec<_> = words.filter(|word| answer.contains(word)).collect();
    let (score, reasoning) = match shared.first() {
        Some(word) => (0.9, format!("The answer is about the {word} that was asked for.")),
        None => (0.1, "The answer is about something else than the question.".to_owned()),
    };
    json!({ "score": score, "reasoning": reasoning }).to_string()
}

/// Sends for a room first, and sums up when there is one.
fn plan(user: &str, request: &Request) -> Value {
    if user.contains("booked") {
        return said(&format!("The trip is planned. {user}"));
    }
    handing_on(request, "hotels", &format!("A room is needed: {user}"))
}

/// Looks for a room, and hands back what it found.
fn room(user: &str, request: &Request) -> Value {
    match request.messages.iter().rev().find(|message| message.role == "tool") {
        Some(found) => {
            let found = found.content.as_deref().unwrap_or_default();
            handing_on(request, "planner", &format!("The {found} is booked."))
        }
        None => calling("find_room", &json!({ "city": user.rsplit(' ').next().unwrap_or_default() })),
    }
}

/// By the tool that hands on to that agent.
fn handing_on(request: &Request, agent: &str, message: &str) -> Value {
    let names = request.tools.iter().filter_map(|tool| tool["function"]["name"].as_str());
    let tool = names.into_iter().find(|name| name.ends_with(&format!("_to_{agent}")));
    match tool {
        Some(tool) => calling(tool, &json!({ "message": message })),
        None => said(message),
    }
}
