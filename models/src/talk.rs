//! A conversation with a model that calls tools, until it answers or hands on.

use serde::{Serialize, Serializer};
use serde_json::json;
use spanwright::Budget;
use spanwright::record::Usage;
use spanwright::tracker::{Metrics, Tokens};

use crate::chat::{Message, Reply, Request, ToolCall, ToolDefinition};
use crate::error::{ErrorKind, ModelError};
use crate::model::Model;
use crate::tools::Tools;

/// Calls of the model in one run of an agent, unless said otherwise.
pub(crate) const MOST_TURNS: usize = 10;

/// What a run has come to so far; it is there also if the run fails.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    usage: Option<Usage>,
    calls: Vec<String>,
}

impl Tally {
    pub(crate) fn add(&mut self, reply: &Reply) {
        self.usage = match (self.usage, reply.usage) {
            (Some(known), Some(more)) => Some(sum(known, more)),
            (known, more) => known.or(more),
        };
        self.calls.extend(reply.tool_calls.iter().map(|call| call.name.clone()));
    }

    pub(crate) fn tokens(&self) -> Option<Tokens> {
        self.usage.map(Tokens::from)
    }

    pub(crate) fn calls(&self) -> &[String] {
        &self.calls
    }

    pub(crate) fn metrics(&self) -> Metrics {
        let calls = (!self.calls.is_empty()).then(|| self.calls.clone());
        Metrics { success: true, tokens: self.tokens(), tool_calls: calls, ..Metrics::default() }
    }
}

fn sum(one: Usage, other: Usage) -> Usage {
    let either = |one: Option<u64>, other: Option<u64>| match (one, other) {
        (Some(one), Some(other)) => Some(one.saturating_add(other)),
        (one, other) => one.or(other),
    };
    Usage {
        input: one.input.saturating_add(other.input),
        output: one.output.saturating_add(other.output),
        cache_read: either(one.cache_read, other.cache_read),
        cache_write: either(one.cache_write, other.cache_write),
        cache_write_1h: either(one.cache_write_1h, other.cache_write_1h),
        reasoning: either(one.reasoning, other.reasoning),
    }
}

/// How a conversation ended.
pub(crate) enum Ended {
    /// The model answered.
    Answered(Reply),
    /// It hands the work to the agent of this key, with these words.
    HandsOn(String, String),
}

/// To whom the model may hand on: a tool each.
pub(crate) struct Handoffs(Vec<(String, ToolDefinition)>);

impl Handoffs {
    pub(crate) fn none() -> Self {
        Self(Vec::new())
    }

    /// Agents by their key, each with what is to go along.
    pub(crate) fn to<'a>(agents: impl Iterator<Item = (&'a str, String)>) -> Self {
        let parameters = json!({
            "type": "object", "required": ["message"],
            "properties": { "message": { "type": "string", "description": "what the other agent needs to know and do" } },
        });
        let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        Self(
            agents
                .enumerate()
                .map(|(at, (key, along))| {
                    let word: String = key.chars().map(|c| if is_plain(c) { c } else { '_' }).take(48).collect();
                    // Two keys may come to the same word.
                    let word = if word == key { word } else { format!("{word}_{at}") };
                    let description = format!("Hand the work on to the agent {key}.{along}");
                    (key.to_owned(), ToolDefinition::new(format!("handoff_to_{word}"), description, parameters.clone()))
                })
                .collect(),
        )
    }

    fn asked_for<'c>(&self, calls: &'c [ToolCall]) -> Option<(&str, &'c ToolCall)> {
        calls.iter().find_map(|call| {
            let (key, _) = self.0.iter().find(|(_, definition)| definition.name == call.name)?;
            Some((key.as_str(), call))
        })
    }
}

/// As it stands in the trace.
impl Serialize for Ended {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Answered(reply) => to.serialize_str(&reply.content),
            Self::HandsOn(agent, message) => json!({ "hands_on_to": agent, "message": message }).serialize(to),
        }
    }
}

/// Talks with `model` until it answers or hands on.
pub(crate) async fn talk<M: Model>(
    model: &M,
    mut request: Request,
    tools: &Tools,
    handoffs: &Handoffs,
    most_turns: usize,
    tally: &mut Tally,
) -> Result<Ended, ModelError> {
    request.tools.extend(tools.definitions().cloned());
    request.tools.extend(handoffs.0.iter().map(|(_, definition)| definition.clone()));
    for _ in 0..most_turns {
        Budget::check()?;
        let reply = model.ask(&request).await?;
        tally.add(&reply);
        if reply.tool_calls.is_empty() {
            return Ok(Ended::Answered(reply));
        }
        if let Some((key, call)) = handoffs.asked_for(&reply.tool_calls) {
            return Ok(Ended::HandsOn(key.to_owned(), message_of(&call.arguments)));
        }
        let calls = reply.tool_calls.clone();
        request.messages.push(reply.into_message());
        for call in &calls {
            let answer = tools.call(call).await;
            request.messages.push(Message::tool(&call.id, answer));
        }
    }
    let text = format!(
        "the agent has not answered after {most_turns} calls of {}: it goes on calling tools; allow more, or change its instructions",
        model.name()
    );
    Err(ModelError::new(ErrorKind::Endless, text))
}

/// What the model says to the next agent: all of it, if it is not as asked for.
fn message_of(arguments: &str) -> String {
    let json: serde_json::Value = serde_json::from_str(arguments).unwrap_or_default();
    json["message"].as_str().map_or_else(|| arguments.to_owned(), str::to_owned)
}
