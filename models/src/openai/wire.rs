//! The JSON of the chat completions API.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use spanwright::record::Usage;

use crate::chat::{Message, Reply, Request, ToolCall, ToolDefinition};

/// Tool calls of one streamed answer; an endpoint that counts further has lost its way.
const MOST_CALLS: usize = 128;

#[derive(Serialize)]
struct Body<'r> {
    model: &'r str,
    messages: &'r [Message],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    tools: &'r [ToolDefinition],
    #[serde(skip_serializing_if = "Option::is_none")]
    response_format: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_options: Option<Value>,
}

pub(super) fn body(model: &str, request: &Request, streaming: bool) -> Vec<u8> {
    let format = |answer: &crate::chat::AnswerSchema| {
        let schema = json!({ "name": answer.name, "strict": true, "schema": answer.schema });
        json!({ "type": "json_schema", "json_schema": schema })
    };
    let body = Body {
        model,
        messages: &request.messages,
        tools: &request.tools,
        response_format: request.answer.as_ref().map(format),
        temperature: request.temperature,
        max_tokens: request.max_tokens,
        stream: streaming.then_some(true),
        stream_options: streaming.then(|| json!({ "include_usage": true })),
    };
    serde_json::to_vec(&body).unwrap_or_default()
}

#[derive(Deserialize)]
struct Completion {
    #[serde(default)]
    model: String,
    choices: Vec<Choice>,
}

#[derive(Deserialize)]
struct Choice {
    message: Answer,
    #[serde(default)]
    finish_reason: Option<String>,
}

/// A message whose role is known: some endpoints leave it out.
#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    content: Option<String>,
    #[serde(default)]
    tool_calls: Option<Vec<ToolCall>>,
}

/// Reads an answer that came whole.
pub(super) fn reply(bytes: &[u8]) -> Result<Reply, String> {
    let json: Value = serde_json::from_slice(bytes).map_err(|error| format!("it is not JSON: {error}"))?;
    let usage = Usage::from_reply(&json);
    let completion: Completion =
        serde_json::from_value(json).map_err(|error| format!("it is no chat completion: {error}"))?;
    let Some(Choice { message, finish_reason }) = completion.choices.into_iter().next() else {
        return Err("it has no choices".to_owned());
    };
    Ok(Reply {
        content: message.content.unwrap_or_default(),
        tool_calls: message.tool_calls.unwrap_or_default(),
        model: completion.model,
        finish_reason,
        usage,
        time_to_first_token: None,
    })
}

/// What an endpoint says of a request it does not answer.
pub(super) fn problem(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let Ok(json) = serde_json::from_str::<Value>(&text) else { return text.into_owned() };
    let said = [&json["error"]["message"], &json["message"], &json["detail"], &json["error"]];
    said.into_iter().find_map(Value::as_str).map_or_else(|| text.into_owned(), str::to_owned)
}

/// Why a stream is not read to its end.
#[derive(Debug)]
pub(super) enum Midway {
    /// It is none of a chat.
    Unreadable(String),
    /// The endpoint says that it failed.
    Failed(String),
}

#[derive(Deserialize)]
struct Chunk {
    #[serde(default)]
    model: String,
    #[serde(default)]
    choices: Vec<ChunkChoice>,
}

#[derive(Deserialize)]
struct ChunkChoice {
    #[serde(default)]
    index: usize,
    #[serde(default)]
    delta: Delta,
    #[serde(default)]
    finish_reason: Option<String>,
}

#[derive(Default, Deserialize)]
struct Delta {
    #[serde(default)]
    content: Option<String>,
    #[serde(default)]
    tool_calls: Option<Vec<CallDelta>>,
}

#[derive(Deserialize)]
struct CallDelta {
    #[serde(default)]
    index: usize,
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    function: Option<FunctionDelta>,
}

#[derive(Default, Deserialize)]
struct FunctionDelta {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    arguments: Option<String>,
}

/// An answer that comes in pieces.
#[derive(Default)]
pub(super) struct Streamed {
    reply: Reply,
    is_done: bool,
}

impl Streamed {
    /// Takes the data of one event. Gives the text that it adds.
    pub(super) fn take(&mut self, event: &str) -> Result<Option<String>, Midway> {
        if event.trim() == "[DONE]" {
            self.is_done = true;
            return Ok(None);
        }
        let json: Value = serde_json::from_str(event)
            .map_err(|error| Midway::Unreadable(format!("an event is not JSON: {error}")))?;
        if json.get("error").is_some_and(|error| !error.is_null()) {
            return Err(Midway::Failed(problem(event.as_bytes())));
        }
        self.reply.usage = Usage::from_reply(&json["usage"]).or(self.reply.usage);
        let chunk: Chunk = serde_json::from_value(json)
            .map_err(|error| Midway::Unreadable(format!("an event is no part of a chat completion: {error}")))?;
        if !chunk.model.is_empty() {
            self.reply.model = chunk.model;
        }
        // Other choices were not asked for.
        let Some(choice) = chunk.choices.into_iter().find(|choice| choice.index == 0) else { return Ok(None) };
        self.reply.finish_reason = choice.finish_reason.or(self.reply.finish_reason.take());
        for call in choice.delta.tool_calls.into_iter().flatten() {
            self.take_call(call)?;
        }
        let text = choice.delta.content.filter(|text| !text.is_empty());
        if let Some(text) = &text {
            self.reply.content.push_str(text);
        }
        Ok(text)
    }

    fn take_call(&mut self, delta: CallDelta) -> Result<(), Midway> {
        if delta.index >= MOST_CALLS {
            return Err(Midway::Unreadable(format!("it calls more than {MOST_CALLS} tools")));
        }
        let calls = &mut self.reply.tool_calls;
        while calls.len() <= delta.index {
            calls.push(ToolCall { id: String::new(), name: String::new(), arguments: String::new() });
        }
        let call = &mut calls[delta.index];
        call.id.push_str(&delta.id.unwrap_or_default());
        let function = delta.function.unwrap_or_default();
        call.name.push_str(&function.name.unwrap_or_default());
        call.arguments.push_str(&function.arguments.unwrap_or_default());
        Ok(())
    }

    /// Whether the model has said anything.
    pub(super) fn has_begun(&self) -> bool {
        !self.reply.content.is_empty() || !self.reply.tool_calls.is_empty()
    }

    /// Whether the answer came to its end. Some endpoints leave out the last event, others the reason.
    pub(super) fn is_complete(&self) -> bool {
        self.is_done || self.reply.finish_reason.is_some()
    }

    pub(super) fn into_reply(self) -> Reply {
        self.reply
    }
}
