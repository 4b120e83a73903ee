//! What is said to a model and what it answers, in the form of OpenAI's chat, which most endpoints speak and MLflow shows as a conversation.

use std::borrow::Cow;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use spanwright::ModelOutcome;
use spanwright::record::Usage;
use spanwright::tracker::{Metrics, Tokens};

/// Who says something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Tells the model what it is.
    System,
    /// Asks.
    User,
    /// The model.
    Assistant,
    /// A tool that the model called.
    Tool,
}

impl Role {
    /// The word of the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
            Self::Tool => "tool",
        }
    }
}

/// One message of a conversation.
///
/// ```
/// use spanwright_models::Message;
///
/// let asked = Message::user("what is the weather?");
/// assert_eq!(serde_json::to_string(&asked).unwrap(), r#"{"role":"user","content":"what is the weather?"}"#);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// Who says it.
    pub role: Role,
    /// What; empty where a model only calls tools.
    #[serde(default, deserialize_with = "text_or_nothing")]
    pub content: String,
    /// The tools the model wants called.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "list_or_nothing")]
    pub tool_calls: Vec<ToolCall>,
    /// Of a tool's answer, the call it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_call_id: Option<String>,
}

impl Message {
    /// What the model is told to be.
    pub fn system(text: impl Into<String>) -> Self {
        Self::of(Role::System, text)
    }

    /// What the model is asked.
    pub fn user(text: impl Into<String>) -> Self {
        Self::of(Role::User, text)
    }

    /// What the model answered.
    pub fn assistant(text: impl Into<String>) -> Self {
        Self::of(Role::Assistant, text)
    }

    /// What the tool answered that was called as `call`.
    pub fn tool(call: impl Into<String>, text: impl Into<String>) -> Self {
        Self { tool_call_id: Some(call.into()), ..Self::of(Role::Tool, text) }
    }

    fn of(role: Role, text: impl Into<String>) -> Self {
        Self { role, content: text.into(), tool_calls: Vec::new(), tool_call_id: None }
    }
}

/// `null` is no text.
fn text_or_nothing<'de, D: serde::Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

fn list_or_nothing<'de, D: serde::Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Vec<T>, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

/// A tool the model wants called.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "WireCall", into = "WireCall")]
pub struct ToolCall {
    /// Names the call, for its answer.
    pub id: String,
    /// The tool.
    pub name: String,
    /// Its arguments: JSON, as the model wrote it, which need not be valid.
    pub arguments: String,
}

#[derive(Serialize, Deserialize)]
struct WireCall {
    #[serde(default)]
    id: String,
    #[serde(rename = "type", default)]
    kind: String,
    function: WireFunction,
}

#[derive(Serialize, Deserialize)]
struct WireFunction {
    name: String,
    #[serde(default)]
    arguments: String,
}

impl From<WireCall> for ToolCall {
    fn from(WireCall { id, function, .. }: WireCall) -> Self {
        Self { id, name: function.name, arguments: function.arguments }
    }
}

impl From<ToolCall> for WireCall {
    fn from(ToolCall { id, name, arguments }: ToolCall) -> Self {
        Self { id, kind: "function".to_owned(), function: WireFunction { name, arguments } }
    }
}

/// A tool the model may want called.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolDefinition {
    /// Names it: letters, digits, `_` and `-`, up to 64.
    pub name: String,
    /// What it does, for the model.
    pub description: String,
    /// JSON schema of its arguments, which are an object.
    pub parameters: Value,
}

impl ToolDefinition {
    /// A tool that takes what `parameters` describes.
    pub fn new(name: impl Into<String>, description: impl Into<String>, parameters: Value) -> Self {
        Self { name: name.into(), description: description.into(), parameters }
    }
}

impl Serialize for ToolDefinition {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let Self { name, description, parameters } = self;
        let function = json!({ "name": name, "description": description, "parameters": parameters });
        json!({ "type": "function", "function": function }).serialize(to)
    }
}

/// The form an answer must have.
#[derive(Clone, Debug, PartialEq)]
pub struct AnswerSchema {
    /// Names the form: letters, digits, `_` and `-`.
    pub name: String,
    /// JSON schema of an object.
    pub schema: Value,
}

/// What is asked of a model.
///
/// ```
/// use spanwright_models::{Message, Request};
///
/// let request = Request::new([Message::system("be brief"), Message::user("why?")]).temperature(0.0);
/// assert_eq!(request.messages.len(), 2);
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Request {
    /// The conversation so far.
    pub messages: Vec<Message>,
    /// What the model may want called.
    pub tools: Vec<ToolDefinition>,
    /// The form the answer must have; any text if `None`.
    pub answer: Option<AnswerSchema>,
    /// How freely it answers, from 0; the endpoint's own choice if `None`.
    pub temperature: Option<f64>,
    /// Most tokens of the answer; the endpoint's own choice if `None`.
    pub max_tokens: Option<u64>,
}

impl Request {
    /// Asks with these messages and nothing else.
    pub fn new(messages: impl IntoIterator<Item = Message>) -> Self {
        Self { messages: messages.into_iter().collect(), ..Self::default() }
    }

    /// Offers tools.
    #[must_use]
    pub fn tools(self, tools: impl IntoIterator<Item = ToolDefinition>) -> Self {
        Self { tools: tools.into_iter().collect(), ..self }
    }

    /// Asks for an object that `schema` describes.
    #[must_use]
    pub fn answer(self, name: impl Into<String>, schema: Value) -> Self {
        Self { answer: Some(AnswerSchema { name: name.into(), schema }), ..self }
    }

    /// Says how freely to answer.
    #[must_use]
    pub fn temperature(self, temperature: f64) -> Self {
        Self { temperature: Some(temperature), ..self }
    }

    /// Limits the answer.
    #[must_use]
    pub fn max_tokens(self, tokens: u64) -> Self {
        Self { max_tokens: Some(tokens), ..self }
    }
}

/// What a model answered.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Reply {
    /// What it wrote; empty if it only called tools.
    pub content: String,
    /// The tools it wants called, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ToolCall>,
    /// The model that answered, as the endpoint names it; empty if it did not.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub model: String,
    /// Why it stopped: `stop`, `tool_calls`, `length`, …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finish_reason: Option<String>,
    /// Tokens, where the endpoint counts them.
    #[serde(skip)]
    pub usage: Option<Usage>,
    /// From the request to the first piece of a streamed answer.
    #[serde(skip)]
    pub time_to_first_token: Option<Duration>,
}

impl Reply {
    /// An answer of text, of which nothing else is known.
    pub fn text(content: impl Into<String>) -> Self {
        Self { content: content.into(), ..Self::default() }
    }

    /// Says how many tokens it took.
    #[must_use]
    pub fn used(self, usage: Usage) -> Self {
        Self { usage: Some(usage), ..self }
    }

    /// Adds a tool that is to be called.
    #[must_use]
    pub fn calling(mut self, id: impl Into<String>, name: impl Into<String>, arguments: impl Into<String>) -> Self {
        self.tool_calls.push(ToolCall { id: id.into(), name: name.into(), arguments: arguments.into() });
        self
    }

    /// The message it is in a conversation that goes on.
    pub fn into_message(self) -> Message {
        Message { tool_calls: self.tool_calls, ..Message::assistant(self.content) }
    }

    /// What it says of the call it came from, for a tracker.
    pub fn metrics(&self) -> Metrics {
        let names = || self.tool_calls.iter().map(|call| call.name.clone()).collect();
        Metrics {
            success: true,
            tokens: self.usage.map(Tokens::from),
            tool_calls: (!self.tool_calls.is_empty()).then(names),
            ..Metrics::default()
        }
    }
}

/// What stands in the trace as facts of the model call.
impl ModelOutcome for Reply {
    fn model(&self) -> Option<Cow<'_, str>> {
        (!self.model.is_empty()).then_some(Cow::Borrowed(&self.model))
    }

    fn usage(&self) -> Option<Usage> {
        self.usage
    }

    fn time_to_first_token(&self) -> Option<Duration> {
        self.time_to_first_token
    }
}
