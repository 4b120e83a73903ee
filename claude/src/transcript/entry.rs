//! One line of a transcript: what it says of itself, read once; what it holds, left as text until somebody asks.
//!
//! A field of another type than expected is as good as none: a line is refused only if it is no JSON object.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::time;

/// What stands in the text of a user entry where the user has stopped the assistant.
const INTERRUPTION: &str = "[Request interrupted by user";

/// An entry of a transcript.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Entry<'a> {
    /// `user`, `assistant`, `system`, …
    #[serde(rename = "type", borrow, deserialize_with = "text")]
    pub kind: Option<Cow<'a, str>>,
    /// Its own id.
    #[serde(borrow, deserialize_with = "text")]
    pub uuid: Option<Cow<'a, str>>,
    /// The entry it follows.
    #[serde(borrow, deserialize_with = "text")]
    pub parent_uuid: Option<Cow<'a, str>>,
    /// When it was written, nanoseconds since the Unix epoch.
    #[serde(rename = "timestamp", deserialize_with = "moment")]
    pub time_ns: Option<u64>,
    /// The session.
    #[serde(borrow, deserialize_with = "text")]
    pub session_id: Option<Cow<'a, str>>,
    /// Version of the assistant.
    #[serde(borrow, deserialize_with = "text")]
    pub version: Option<Cow<'a, str>>,
    /// Working folder.
    #[serde(borrow, deserialize_with = "text")]
    pub cwd: Option<Cow<'a, str>>,
    /// What the assistant may do unasked.
    #[serde(borrow, deserialize_with = "text")]
    pub permission_mode: Option<Cow<'a, str>>,
    /// Written by the client, for the model.
    #[serde(deserialize_with = "flag")]
    pub is_meta: bool,
    /// Of a sub-agent.
    #[serde(deserialize_with = "flag")]
    pub is_sidechain: bool,
    /// The summary that stands for what came before.
    #[serde(deserialize_with = "flag")]
    pub is_compact_summary: bool,
    /// A message of the client's that a call has failed.
    #[serde(deserialize_with = "flag")]
    pub is_api_error_message: bool,
    /// The sub-agent.
    #[serde(borrow, deserialize_with = "text")]
    pub agent_id: Option<Cow<'a, str>>,
    /// The tool call a `progress` entry belongs to.
    #[serde(rename = "parentToolUseID", borrow, deserialize_with = "text")]
    pub parent_tool_use_id: Option<Cow<'a, str>>,
    /// What kind of `system` entry.
    #[serde(borrow, deserialize_with = "text")]
    pub subtype: Option<Cow<'a, str>>,
    /// What a `queue-operation` does.
    #[serde(borrow, deserialize_with = "text")]
    pub operation: Option<Cow<'a, str>>,
    /// What a `queue-operation` or a `system` entry says.
    #[serde(borrow)]
    pub content: Option<&'a RawValue>,
    /// The message of a `user` or `assistant` entry.
    #[serde(borrow)]
    pub message: Option<&'a RawValue>,
    /// What a tool gave back to the client.
    #[serde(borrow)]
    pub tool_use_result: Option<&'a RawValue>,
    /// Of a compaction.
    #[serde(borrow)]
    pub compact_metadata: Option<&'a RawValue>,
    /// Of an `api_error`.
    #[serde(borrow)]
    pub error: Option<&'a RawValue>,
    /// Of an `api_error`.
    #[serde(borrow)]
    pub retry_attempt: Option<&'a RawValue>,
    /// Of a `progress` entry.
    #[serde(borrow)]
    pub data: Option<&'a RawValue>,
}

/// A message as the model's provider has it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Message<'a> {
    /// Shared by all entries one reply is spread over.
    #[serde(borrow, deserialize_with = "text")]
    pub id: Option<Cow<'a, str>>,
    /// The model.
    #[serde(borrow, deserialize_with = "text")]
    pub model: Option<Cow<'a, str>>,
    /// Why the model stopped.
    #[serde(borrow, deserialize_with = "text")]
    pub stop_reason: Option<Cow<'a, str>>,
    /// Text, or a list of blocks.
    #[serde(borrow)]
    pub content: Option<&'a RawValue>,
    /// Tokens, as known when the entry was written.
    #[serde(borrow)]
    pub usage: Option<&'a RawValue>,
}

/// One block of a message's content.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Block<'a> {
    /// `text`, `thinking`, `tool_use`, `tool_result`, `image`, …
    #[serde(rename = "type", borrow, deserialize_with = "text")]
    pub kind: Option<Cow<'a, str>>,
    /// Of `text`.
    #[serde(borrow, deserialize_with = "text")]
    pub text: Option<Cow<'a, str>>,
    /// Of `tool_use`.
    #[serde(borrow, deserialize_with = "text")]
    pub id: Option<Cow<'a, str>>,
    /// Of `tool_use`.
    #[serde(borrow, deserialize_with = "text")]
    pub name: Option<Cow<'a, str>>,
    /// Of `tool_use`.
    #[serde(borrow)]
    pub input: Option<&'a RawValue>,
    /// Of `tool_result`: the call it answers.
    #[serde(borrow, deserialize_with = "text")]
    pub tool_use_id: Option<Cow<'a, str>>,
    /// Of `tool_result`.
    #[serde(borrow)]
    pub content: Option<&'a RawValue>,
    /// Of `tool_result`; `None` if it does not say.
    #[serde(deserialize_with = "maybe_flag")]
    pub is_error: Option<bool>,
}

/// What a tool gave back to the client, as far as it concerns others.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ToolUseResult<'a> {
    /// The skill that was launched.
    #[serde(borrow, deserialize_with = "text")]
    pub command_name: Option<Cow<'a, str>>,
    /// The sub-agent that was launched.
    #[serde(borrow, deserialize_with = "text")]
    pub agent_id: Option<Cow<'a, str>>,
    /// `completed`, `async_launched`, …
    #[serde(borrow, deserialize_with = "text")]
    pub status: Option<Cow<'a, str>>,
    /// The sub-agent goes on by itself.
    #[serde(deserialize_with = "flag")]
    pub is_async: bool,
}

impl ToolUseResult<'_> {
    /// Whether a sub-agent was launched that outlives the tool call.
    pub fn is_background(&self) -> bool {
        self.is_async || self.status.as_deref() == Some("async_launched")
    }
}

impl<'a> Entry<'a> {
    /// Reads a line; `None` if it is no JSON object.
    pub fn parse(line: &'a str) -> Option<Self> {
        // A derived struct would take a list for its fields in order.
        if line.starts_with('{') { serde_json::from_str(line).ok() } else { None }
    }

    /// Written by the user, or for a tool.
    pub fn is_user(&self) -> bool {
        self.kind.as_deref() == Some("user")
    }

    /// Written by a model.
    pub fn is_assistant(&self) -> bool {
        self.kind.as_deref() == Some("assistant")
    }

    /// The message, empty if there is none.
    pub fn message(&self) -> Message<'a> {
        self.message.and_then(object).unwrap_or_default()
    }

    /// What its tool gave back, empty if there is nothing.
    pub fn result(&self) -> ToolUseResult<'a> {
        self.tool_use_result.and_then(object).unwrap_or_default()
    }

    /// The skill whose body the next user entry is.
    pub fn launched_skill(&self) -> Option<Cow<'a, str>> {
        self.result().command_name
    }

    /// Whether it says that the user has stopped the assistant.
    pub fn is_interruption(&self) -> bool {
        self.is_user() && user_text(self.message().content).trim_start().starts_with(INTERRUPTION)
    }

    /// Whether its text is a command of the client's.
    pub fn is_command(&self) -> bool {
        user_text(self.message().content).trim_start().starts_with("<command-")
    }

    /// Whether the user asked something with it. Whether it is the body of a skill, only the entry before it says.
    pub fn is_prompt(&self) -> bool {
        if !self.is_user() || self.is_meta || self.is_compact_summary || is_truthy(self.tool_use_result) {
            return false;
        }
        let content = self.message().content;
        let blocks = blocks(content);
        if blocks.iter().any(|(block, _)| block.kind.as_deref() == Some("tool_result")) {
            return false;
        }
        let text = user_text(content);
        if text.contains("<local-command-stdout>") || text.contains("<local-command-stderr>") {
            return false;
        }
        let shows = blocks.iter().any(|(block, _)| matches!(block.kind.as_deref(), Some("image" | "document")));
        (shows || !text.trim().is_empty()) && !text.trim_start().starts_with(INTERRUPTION)
    }
}

/// The blocks of a content, each with its text as it stands; those of a plain text are none.
pub fn blocks(content: Option<&RawValue>) -> Vec<(Block<'_>, &RawValue)> {
    let list: Vec<&RawValue> = content.and_then(|content| serde_json::from_str(content.get()).ok()).unwrap_or_default();
    list.into_iter().map(|raw| (object(raw).unwrap_or_default(), raw)).collect()
}

/// A content that is plain text.
pub fn plain_text(content: Option<&RawValue>) -> Option<Cow<'_, str>> {
    string(content?)
}

/// The text of a user's content: its text blocks, a line each.
pub fn user_text(content: Option<&RawValue>) -> String {
    if let Some(text) = plain_text(content) {
        return text.into_owned();
    }
    let blocks = blocks(content);
    let texts = blocks.iter().filter(|(block, _)| block.kind.as_deref() == Some("text"));
    texts.filter_map(|(block, _)| block.text.as_deref()).collect::<Vec<_>>().join("\n")
}

/// An object's fields; `None` if it is none.
pub fn object<'a, T: Deserialize<'a>>(raw: &'a RawValue) -> Option<T> {
    if raw.get().starts_with('{') { serde_json::from_str(raw.get()).ok() } else { None }
}

/// A text, borrowed where it stands without escapes.
pub fn string(raw: &RawValue) -> Option<Cow<'_, str>> {
    let text = raw.get();
    if !text.starts_with('"') {
        return None;
    }
    serde_json::from_str::<&str>(text).map(Cow::Borrowed).or_else(|_| serde_json::from_str(text).map(Cow::Owned)).ok()
}

fn is_truthy(raw: Option<&RawValue>) -> bool {
    !matches!(raw.map(RawValue::get), None | Some("null" | "false" | "\"\"" | "{}" | "[]" | "0"))
}

fn text<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Cow<'de, str>>, D::Error> {
    Ok(string(<&'de RawValue>::deserialize(from)?))
}

fn flag<'de, D: Deserializer<'de>>(from: D) -> Result<bool, D::Error> {
    maybe_flag(from).map(|flag| flag.unwrap_or(false))
}

fn maybe_flag<'de, D: Deserializer<'de>>(from: D) -> Result<Option<bool>, D::Error> {
    Ok(match <&'de RawValue>::deserialize(from)?.get() {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    })
}

fn moment<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    let raw = <&'de RawValue>::deserialize(from)?;
    Ok(match string(raw) {
        Some(text) => time::parse(&text).or_else(|| text.parse().ok().and_then(time::of_number)),
        None => raw.get().parse().ok().and_then(time::of_number),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_of_another_type_is_as_good_as_none() {
        let line = r#"{"type":7,"uuid":["x"],"timestamp":{},"isMeta":"yes","isSidechain":1,"message":[1],"toolUseResult":"Error"}"#;
        let entry = Entry::parse(line).expect("an object");
        assert!(entry.kind.is_none() && entry.uuid.is_none() && entry.time_ns.is_none());
        assert!(!entry.is_meta && !entry.is_sidechain && entry.message().content.is_none());
        assert!(entry.result().agent_id.is_none());
    }

    #[test]
    fn what_is_no_object_is_no_entry() {
        for line in ["", "null", "[]", r#"["user"]"#, r#"{"type":"user""#, "{}}"] {
            assert!(Entry::parse(line).is_none(), "{line}");
        }
    }

    #[test]
    fn a_text_is_read_with_its_escapes() {
        let entry = Entry::parse(r#"{"uuid":"na\u00efve","timestamp":1705312245.5}"#).expect("an object");
        assert_eq!((entry.uuid.as_deref(), entry.time_ns), (Some("naïve"), Some(1_705_312_245_500_000_000)));
    }
}
