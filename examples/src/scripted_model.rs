//! A chat endpoint on loopback that follows a script, so that the examples run without a key, a network or a bill.
//!
//! It speaks enough HTTP/1.1 and enough of the chat completions API for a real client: what it is sent is read, what it
//! answers is derived from that, and the tokens are counted.

mod agents;
mod replies;

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Deserialize;
use serde_json::{Value, json};
use spanwright_models::OpenAi;
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Bytes a request may have; one that is longer ends its connection.
const REQUEST_LIMIT: usize = 4 * 1024 * 1024;

/// The endpoint; gone when dropped.
#[derive(Debug)]
pub struct ScriptedModel {
    address: SocketAddr,
    accepting: JoinHandle<()>,
}

/// What is read of a request.
#[derive(Debug, Deserialize)]
struct Request {
    model: String,
    messages: Vec<crate::model::Message>,
    #[serde(default)]
    tools: Vec<Value>,
    #[serde(default)]
    stream: bool,
}

impl ScriptedModel {
    /// The name of the model.
    pub const NAME: &'static str = "scripted-analyst";

    /// Starts it on a free port of the loopback interface, on the running tokio runtime.
    pub async fn start() -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let accepting = tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                tokio::spawn(async move {
                    // A client that goes away in the middle is its own business.
                    let _ = serve(connection).await;
                });
            }
        });
        Ok(Self { address, accepting })
    }

    /// Where it is, up to `/chat/completions`.
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }
}

/// The model that `OPENAI_BASE_URL` names, and without that, so that a key that happens to be set is never spent unasked, a scripted one, which lasts as
/// long as what is beside it.
///
/// # Errors
///
/// If neither can be.
pub async fn asked_or_scripted() -> crate::Result<(OpenAi, Option<ScriptedModel>)> {
    if std::env::var_os("OPENAI_BASE_URL").is_some_and(|url| !url.is_empty()) {
        return Ok((OpenAi::from_env()?, None));
    }
    let scripted = ScriptedModel::start().await?;
    let model = OpenAi::at(scripted.base_url(), ScriptedModel::NAME).build()?;
    Ok((model, Some(scripted)))
}

impl Drop for ScriptedModel {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn serve(connection: TcpStream) -> io::Result<()> {
    let mut connection = BufReader::new(connection);
    while let Some((target, body)) = read_request(&mut connection).await? {
        let (status, kind, text) = answer(&target, &body);
        let head = format!("HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n", text.len());
        connection.write_all((head + &text).as_bytes()).await?;
    }
    Ok(())
}

/// The next request of a connection: `POST /path` and its body. `None` at its end.
async fn read_request(connection: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Option<(String, Vec<u8>)>> {
    let mut head = Vec::new();
    let mut length = 0;
    let mut connection = connection.take(REQUEST_LIMIT as u64);
    loop {
        let mut line = String::new();
        if connection.read_line(&mut line).await? == 0 {
            return Ok(None);
        }
        let line = line.trim_end();
        if line.is_empty() && !head.is_empty() {
            break;
        }
        if let Some((name, value)) =
            line.split_once(':').filter(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        {
            length = value.trim().parse().map_err(|_| io::Error::other(format!("bad {name}")))?;
        }
        head.push(line.to_owned());
    }
    if length > REQUEST_LIMIT {
        return Err(io::Error::other("request too long"));
    }
    let mut body = vec![0; length];
    connection.read_exact(&mut body).await?;
    let target = head[0].split(' ').take(2).collect::<Vec<_>>().join(" ");
    Ok(Some((target, body)))
}

const JSON: &str = "application/json";

/// Status, type and body of the answer.
fn answer(target: &str, body: &[u8]) -> (&'static str, &'static str, String) {
    let problem = |status, message: &str| (status, JSON, problem(message).to_string());
    if target != "POST /v1/chat/completions" {
        return problem("404 Not Found", &format!("no such route: {target}"));
    }
    let request: Request = match serde_json::from_slice(body) {
        Ok(request) => request,
        Err(error) => return problem("400 Bad Request", &error.to_string()),
    };
    match replies::reply(&request) {
        Some(message) if request.stream => ("200 OK", "text/event-stream", events(&completion(&request, message))),
        Some(message) => ("200 OK", JSON, completion(&request, message).to_string()),
        None => problem(
            "400 Bad Request",
            "the scripted model has no part for this prompt; set OPENAI_BASE_URL to ask a real one",
        ),
    }
}

/// The text of a completion, a word an event, and then its tokens.
fn events(completion: &Value) -> String {
    let text = completion["choices"][0]["message"]["content"].as_str().unwrap_or_default();
    let chunk = |choices: Value, usage: &Value| json!({"id": completion["id"], "object": "chat.completion.chunk", "model": completion["model"], "choices": choices, "usage": usage});
    let word = |word: &str| chunk(json!([{"index": 0, "delta": {"content": word}}]), &Value::Null);
    let end = chunk(json!([{"index": 0, "delta": {}, "finish_reason": "stop"}]), &Value::Null);
    let chunks = text.split_inclusive(' ').map(word).chain([end, chunk(json!([]), &completion["usage"])]);
    let events: String = chunks.map(|chunk| format!("data: {chunk}\n\n")).collect();
    events + "data: [DONE]\n\n"
}

fn completion(request: &Request, message: Value) -> Value {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let read: usize =
        request.messages.iter().map(|message| tokens(message.content.as_deref().unwrap_or_default())).sum();
    let read = read + request.tools.iter().map(|tool| tokens(&tool.to_string())).sum::<usize>();
    let written = tokens(message["content"].as_str().unwrap_or_default())
        + tokens(message["tool_calls"][0]["function"]["arguments"].as_str().unwrap_or_default());
    let finish_reason = if message["tool_calls"].is_array() { "tool_calls" } else { "stop" };
    json!({
        "id": format!("chatcmpl-scripted-{}", NEXT.fetch_add(1, Ordering::Relaxed)),
        "object": "chat.completion",
        "model": request.model,
        "choices": [{"index": 0, "message": message, "finish_reason": finish_reason}],
        "usage": {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written},
    })
}

/// About as many as a tokenizer would count: four characters each.
fn tokens(text: &str) -> usize {
    text.chars().count().div_ceil(4)
}

fn problem(message: &str) -> Value {
    json!({"error": {"message": message, "type": "invalid_request_error"}})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ChatModel, Message};

    #[tokio::test]
    async fn several_calls_on_one_connection_are_answered_and_counted() {
        let server = ScriptedModel::start().await.unwrap();
        let model = ChatModel::new(&server.base_url(), Some("unused"), ScriptedModel::NAME).unwrap();
        let messages =
            [Message::system("Extract suggestions."), Message::user("habit light.porch on 17:48 28\ndays 28")];
        for _ in 0..3 {
            let completion = model.complete(&messages, &[]).await.unwrap();
            assert!(completion.text().unwrap().contains("light.porch"), "{completion:?}");
            let usage = completion.usage.unwrap();
            assert!(usage.prompt_tokens > 0 && usage.total_tokens == usage.prompt_tokens + usage.completion_tokens);
        }
    }

    #[tokio::test]
    async fn a_prompt_without_a_part_is_refused_in_words() {
        let server = ScriptedModel::start().await.unwrap();
        let model = ChatModel::new(&server.base_url(), None, ScriptedModel::NAME).unwrap();
        let error = model.complete(&[Message::user("Tell me a joke.")], &[]).await.unwrap_err().to_string();
        assert!(error.contains("400") && error.contains("OPENAI_BASE_URL"), "{error}");
    }
}
