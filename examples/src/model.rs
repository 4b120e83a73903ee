//! A client of any OpenAI-compatible chat endpoint.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use spanwright::record::Usage;

use crate::Result;

/// One message of a conversation.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Message {
    /// `system`, `user` or `assistant`.
    pub role: String,
    /// Its text; a reply that calls a tool has none.
    #[serde(default)]
    pub content: Option<String>,
    /// The tools the model wants called.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ToolCall>,
}

impl Message {
    /// What the model is told to be.
    pub fn system(text: impl Into<String>) -> Self {
        Self { role: "system".into(), content: Some(text.into()), tool_calls: Vec::new() }
    }

    /// What the model is asked.
    pub fn user(text: impl Into<String>) -> Self {
        Self { role: "user".into(), ..Self::system(text) }
    }
}

/// A tool the model wants called.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ToolCall {
    /// Id of the call.
    pub id: String,
    /// `function`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What to call.
    pub function: FunctionCall,
}

/// A function and the arguments the model wants it called with.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FunctionCall {
    /// Name of the function.
    pub name: String,
    /// Its arguments: JSON in a string.
    pub arguments: String,
}

/// A tool offered to the model.
#[derive(Clone, Debug, Serialize)]
pub struct ToolDefinition {
    /// `function`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The function.
    pub function: FunctionDefinition,
}

/// What the model is told of a function.
#[derive(Clone, Debug, Serialize)]
pub struct FunctionDefinition {
    /// Name.
    pub name: &'static str,
    /// What it does, for the model.
    pub description: &'static str,
    /// JSON schema of its arguments.
    pub parameters: serde_json::Value,
}

/// The reply of the model, as the endpoint gives it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Completion {
    /// Id of the reply.
    pub id: String,
    /// The model that wrote it.
    pub model: String,
    /// What it wrote.
    pub choices: Vec<Choice>,
    /// Tokens, where the endpoint counts them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<TokenUsage>,
}

/// One of the answers in a reply.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Choice {
    /// Its place among them.
    pub index: u32,
    /// The answer.
    pub message: Message,
    /// Why the model stopped.
    #[serde(default)]
    pub finish_reason: Option<String>,
}

/// Tokens of one call.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct TokenUsage {
    /// Tokens read.
    pub prompt_tokens: u64,
    /// Tokens written.
    pub completion_tokens: u64,
    /// Both.
    pub total_tokens: u64,
}

impl Completion {
    /// The text of the first answer.
    pub fn text(&self) -> Option<&str> {
        self.choices.first()?.message.content.as_deref()
    }

    /// The arguments of the first call of the tool `name`.
    pub fn arguments_of(&self, name: &str) -> Option<&str> {
        let calls = &self.choices.first()?.message.tool_calls;
        calls.iter().find(|call| call.function.name == name).map(|call| call.function.arguments.as_str())
    }
}

/// What stands in the trace as facts of the model call.
impl spanwright::ModelOutcome for Completion {
    fn model(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed(&self.model))
    }

    fn usage(&self) -> Option<Usage> {
        self.usage.map(|usage| Usage {
            input: usage.prompt_tokens,
            output: usage.completion_tokens,
            ..Usage::default()
        })
    }
}

/// A model behind an OpenAI-compatible endpoint. Cheap to clone.
#[derive(Clone)]
pub struct ChatModel {
    http: reqwest::Client,
    endpoint: Arc<Endpoint>,
}

struct Endpoint {
    base_url: String,
    key: Option<String>,
    model: String,
}

#[derive(Serialize)]
struct Request<'a> {
    model: &'a str,
    messages: &'a [Message],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    tools: &'a [ToolDefinition],
}

impl ChatModel {
    /// The model `model` at `base_url`, which ends before `/chat/completions`.
    pub fn new(base_url: &str, key: Option<&str>, model: &str) -> Result<Self> {
        let endpoint = Endpoint {
            base_url: base_url.trim_end_matches('/').to_owned(),
            key: key.map(str::to_owned),
            model: model.to_owned(),
        };
        Ok(Self { http: http_client(&endpoint.base_url)?, endpoint: Arc::new(endpoint) })
    }

    /// The model named by `OPENAI_BASE_URL`, `OPENAI_API_KEY` and `OPENAI_MODEL`; `None` without a base URL, so that a key
    /// that happens to be set is never spent unasked.
    pub fn from_env() -> Result<Option<Self>> {
        let variable = |name| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
        let Some(base_url) = variable("OPENAI_BASE_URL") else { return Ok(None) };
        let model = variable("OPENAI_MODEL").unwrap_or_else(|| "gpt-4o-mini".into());
        Self::new(&base_url, variable("OPENAI_API_KEY").as_deref(), &model).map(Some)
    }

    /// The name of the model that is asked for.
    pub fn name(&self) -> &str {
        &self.endpoint.model
    }

    /// Where it is.
    pub fn base_url(&self) -> &str {
        &self.endpoint.base_url
    }

    /// Lets the model continue the conversation; `tools` are what it may ask to be called.
    #[spanwright::llm(
        span = crate::spans::ModelCall,
        attributes(prompt.characters = characters(messages)),
        model = self.name(),
        provider = "openai",
        tools = tools,
    )]
    pub async fn complete(&self, messages: &[Message], tools: &[ToolDefinition]) -> Result<Completion> {
        let url = format!("{}/chat/completions", self.endpoint.base_url);
        let mut request = self.http.post(&url).json(&Request { model: self.name(), messages, tools });
        if let Some(key) = &self.endpoint.key {
            request = request.bearer_auth(key);
        }
        let reply = request.send().await?;
        let status = reply.status();
        if !status.is_success() {
            let text: String = reply.text().await.unwrap_or_default().chars().take(300).collect();
            return Err(format!("{url} answered {status}: {text}").into());
        }
        Ok(reply.json().await?)
    }
}

/// Characters of all messages together.
fn characters(messages: &[Message]) -> u64 {
    messages.iter().filter_map(|message| message.content.as_deref()).map(|text| text.chars().count() as u64).sum()
}

impl fmt::Debug for ChatModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ChatModel({} at {})", self.name(), self.base_url())
    }
}

fn http_client(base_url: &str) -> Result<reqwest::Client> {
    let mut client =
        reqwest::Client::builder().timeout(Duration::from_secs(120)).tls_backend_preconfigured(tls(base_url)?);
    if ["http://127.0.0.1", "http://localhost", "http://[::1]"].iter().any(|loopback| base_url.starts_with(loopback)) {
        client = client.no_proxy();
    }
    Ok(client.build()?)
}

fn tls(base_url: &str) -> Result<rustls::ClientConfig> {
    let mut roots = rustls::RootCertStore::empty();
    if base_url.starts_with("https://") {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}
