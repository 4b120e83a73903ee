//! The parts the scripted model plays, recognised by the first words of the system message.

use serde_json::{Value, json};

use super::{Request, agents};

const SCRIPT: &str = include_str!("analyse.sh");

/// Its answer to a request, as a chat message; `None` if it has no part for it.
pub(super) fn reply(request: &Request) -> Option<Value> {
    let text = |role: &str| {
        let message = request.messages.iter().find(|message| message.role == role)?;
        message.content.as_deref()
    };
    let (system, user) = (text("system")?, text("user")?);
    if let Some(reply) = agents::reply(system, user, request) {
        return Some(reply);
    }
    if system.starts_with("Write a shell script") {
        Some(script(request))
    } else if system.starts_with("Extract suggestions") {
        Some(said(&suggestions(user)))
    } else if system.starts_with("Review suggestions") {
        Some(said(&review(user)))
    } else {
        None
    }
}

pub(super) fn said(text: &str) -> Value {
    json!({"role": "assistant", "content": text})
}

/// The script: as a call of the tool it is offered, else as text.
fn script(request: &Request) -> Value {
    let Some(tool) = request.tools.first().and_then(|tool| tool["function"]["name"].as_str()) else {
        return said(&format!("```sh\n{SCRIPT}```"));
    };
    calling(tool, &json!({"script": SCRIPT}))
}

/// A call of a tool.
pub(super) fn calling(tool: &str, arguments: &Value) -> Value {
    json!({
        "role": "assistant",
        "content": null,
        "tool_calls": [{"id": "call_1", "type": "function", "function": {"name": tool, "arguments": arguments.to_string()}}],
    })
}

/// One suggestion for each finding of the script that it knows what to do about.
fn suggestions(findings: &str) -> String {
    let rows: Vec<Vec<&str>> = findings.lines().map(|line| line.split_whitespace().collect()).collect();
    let days =
        rows.iter().find_map(|row| if let ["days", days] = row[..] { Some(days) } else { None }).unwrap_or("all");
    let mut lights = 0;
    let mut lines = Vec::new();
    for row in &rows {
        lines.push(match row[..] {
            ["habit", light, "on", time, on] if light.starts_with("light.") && lights < 2 => {
                lights += 1;
                format!("- Switch {light} on at {time} by itself: somebody does it by hand on {on} of {days} days.")
            }
            ["habit", lock, "locked", time, on] => {
                format!("- Lock {lock} at {time} by itself: somebody does it by hand on {on} of {days} days.")
            }
            ["peak", machine, starts, at_peak] => {
                format!("- Start {machine} after 22:00: {at_peak} of its {starts} starts fall between 17 and 21 o'clock, when power is dear.")
            }
            ["forgotten", entity, times] => {
                format!("- Switch {entity} off at 23:00 by itself: it was left on for more than eight hours {times} times.")
            }
            ["wasted", room, hours] => {
                format!("- Pause climate.{room} while the window is open: {hours} hours of heating went out of it.")
            }
            _ => continue,
        });
    }
    lines.join("\n")
}

/// A verdict on each numbered suggestion: whatever locks or unlocks a door is left to people.
fn review(numbered: &str) -> String {
    let suggestions = numbered.lines().filter_map(|line| line.split_once(". "));
    let verdicts = suggestions.filter(|(number, _)| number.parse::<u32>().is_ok()).map(|(number, text)| {
        if text.contains("lock.") {
            format!("{number}. decline: a door that locks itself can lock somebody out; send a reminder instead")
        } else if text.contains("Pause climate") {
            format!("{number}. accept: saves energy and nobody has to remember it")
        } else {
            format!("{number}. accept: easily undone by hand when it is not wanted")
        }
    });
    verdicts.collect::<Vec<_>>().join("\n")
}
