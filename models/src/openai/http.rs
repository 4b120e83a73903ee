//! The connection to one endpoint: TLS, key, time limits, bounded reading, and what a failure means.
//!
//! The key goes to the configured host only: no redirect is followed, and without TLS it passes no proxy of the environment. Requests run on a
//! thread of ours; whoever waits for one is told by a channel, in any async runtime.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION, RETRY_AFTER};
use reqwest::{Client, Response};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::wire;
use crate::error::{ErrorKind, ModelError, shown};
use crate::threads::Thread;

static REQUESTS: Thread = Thread::new("spanwright-models");

const CONNECT: Duration = Duration::from_secs(10);
/// More than a model answers.
const ANSWER_BYTES: usize = 32 << 20;
/// Of an answer that is an error, as much as is read.
const PROBLEM_BYTES: usize = 64 << 10;
/// Pieces of an answer that may wait for their reader.
const AHEAD: usize = 16;

pub(super) struct Http {
    client: Client,
    base_url: String,
    key: Option<String>,
    timeout: Duration,
}

impl Http {
    pub(super) fn new(base_url: &str, key: Option<String>, timeout: Duration) -> Result<Self, ModelError> {
        let base_url = base_url.trim().trim_end_matches('/').to_owned();
        let is_tls = base_url.starts_with("https://");
        if !is_tls && !base_url.starts_with("http://") {
            let text = format!("the model's address `{}` is none: give it as https://host/v1", shown(&base_url, None));
            return Err(ModelError::new(ErrorKind::Config, text));
        }
        if base_url.contains('@') {
            let text = "the model's address holds credentials: give the key by itself";
            return Err(ModelError::new(ErrorKind::Config, text));
        }
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(key) = &key {
            let mut value = HeaderValue::try_from(format!("Bearer {}", key.trim())).map_err(|_| {
                ModelError::new(ErrorKind::Config, "the model's key holds a character that HTTP cannot carry")
            })?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        let mut builder = Client::builder()
            .tls_backend_preconfigured(tls(is_tls)?)
            .user_agent(concat!("spanwright-models/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers)
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT)
            .read_timeout(timeout);
        if is_loopback(&base_url) || (key.is_some() && !is_tls) {
            builder = builder.no_proxy();
        }
        let client = builder.build().map_err(|error| unusable("prepare the HTTP client", &error))?;
        Ok(Self { client, base_url, key, timeout })
    }

    pub(super) fn base_url(&self) -> &str {
        &self.base_url
    }

    /// A text of the endpoint's, without the key.
    pub(super) fn shown(&self, text: &str) -> String {
        shown(text, self.key.as_deref())
    }

    /// Sends a request. The answer has to be complete in time, unless it is streamed.
    pub(super) fn post(&self, body: Vec<u8>, streaming: bool) -> Result<AnswerBody, ModelError> {
        let mut request = self.client.post(format!("{}/chat/completions", self.base_url)).body(body);
        if !streaming {
            request = request.timeout(self.timeout);
        }
        let (to, from) = mpsc::channel(AHEAD);
        let place = Arc::new(Place { base_url: self.base_url.clone(), key: self.key.clone(), timeout: self.timeout });
        let asking = REQUESTS.spawn(async move {
            if let Err(error) = forward(request, &place, &to).await {
                // Whoever asked may have gone.
                let _ = to.send(Err(error)).await;
            }
        })?;
        Ok(AnswerBody { from, asking })
    }
}

/// An answer while it comes. Dropped, the request is given up.
pub(super) struct AnswerBody {
    from: mpsc::Receiver<Result<Vec<u8>, ModelError>>,
    asking: JoinHandle<()>,
}

impl AnswerBody {
    /// The next bytes; `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<u8>>, ModelError> {
        self.from.recv().await.transpose()
    }
}

impl Drop for AnswerBody {
    fn drop(&mut self) {
        self.asking.abort();
    }
}

/// What is needed to say what went wrong.
struct Place {
    base_url: String,
    key: Option<String>,
    timeout: Duration,
}

async fn forward(
    request: reqwest::RequestBuilder,
    place: &Place,
    to: &mpsc::Sender<Result<Vec<u8>, ModelError>>,
) -> Result<(), ModelError> {
    let mut answer = request.send().await.map_err(|error| place.unanswered(error))?;
    if !answer.status().is_success() {
        return Err(place.refused(answer).await);
    }
    let mut read = 0;
    while let Some(bytes) = answer.chunk().await.map_err(|error| place.unanswered(error))? {
        read += bytes.len();
        if read > ANSWER_BYTES {
            let text = format!("read the answer of {}: it is longer than {} MiB", place.base_url, ANSWER_BYTES >> 20);
            return Err(ModelError::new(ErrorKind::Unreadable, text));
        }
        if to.send(Ok(bytes.to_vec())).await.is_err() {
            return Ok(());
        }
    }
    Ok(())
}

impl Place {
    fn unanswered(&self, error: reqwest::Error) -> ModelError {
        let Self { base_url, key, timeout } = self;
        if error.is_timeout() && !error.is_connect() {
            let text =
                format!("ask the model at {base_url}: no answer within {timeout:?}; try again, or allow more time");
            return ModelError::new(ErrorKind::TimedOut, text);
        }
        let advice = if error.is_connect() { "check the address, and that it is running" } else { "try again" };
        let why = shown(&chain(&error.without_url()), key.as_deref());
        ModelError::new(ErrorKind::Unreachable, format!("ask the model at {base_url}: {why}; {advice}"))
    }

    /// The error that a status stands for.
    async fn refused(&self, mut answer: Response) -> ModelError {
        let status = answer.status();
        let retry_after = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
        let location = answer.headers().get(LOCATION).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let mut body = Vec::new();
        // What is missing of it changes the message only.
        while let Ok(Some(bytes)) = answer.chunk().await {
            body.extend_from_slice(&bytes);
            if body.len() >= PROBLEM_BYTES {
                break;
            }
        }
        let said = match location.filter(|_| status.is_redirection()) {
            // A location may carry a session in its query.
            Some(to) => format!("it redirects to {}", to.split(['?', '#']).next().unwrap_or_default()),
            None => wire::problem(&body),
        };
        let (kind, advice) = verdict(status.as_u16());
        let said = shown(&said, self.key.as_deref());
        let said = if said.is_empty() { said } else { format!(" ({said})") };
        ModelError::new(kind, format!("ask the model at {}: {status}{said}; {advice}", self.base_url))
            .with_status(status.as_u16())
            .with_retry_after(retry_after.map(Duration::from_secs))
    }
}

/// What sort of failure a status is, and what to do.
fn verdict(status: u16) -> (ErrorKind, &'static str) {
    match status {
        401 | 403 => (ErrorKind::Unauthorized, "check the key (OPENAI_API_KEY) and what it may be used for"),
        404 | 405 | 300..=399 => (ErrorKind::Rejected, "check the address (OPENAI_BASE_URL) and the name of the model"),
        408 => (ErrorKind::TimedOut, "try again"),
        413 => (ErrorKind::Rejected, "the conversation is too long for this model"),
        429 => (ErrorKind::RateLimited, "wait before the next request, or ask for a higher limit"),
        500..=599 => (ErrorKind::Overloaded, "try again later"),
        _ => (ErrorKind::Rejected, "the endpoint does not take this request as it is"),
    }
}

/// The whole TLS setup as one value, so that no process-wide provider is installed in somebody's program.
fn tls(needed: bool) -> Result<rustls::ClientConfig, ModelError> {
    let mut roots = rustls::RootCertStore::empty();
    if needed {
        // Certificates the system has and rustls does not understand are its own affair.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable("prepare TLS", &error))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

fn unusable(what: &str, error: &dyn std::error::Error) -> ModelError {
    ModelError::new(ErrorKind::Config, format!("{what}: {}", chain(error)))
}

/// An error and its causes, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(because) = cause {
        let because_text = because.to_string();
        if !text.contains(&because_text) {
            text = format!("{text}: {because_text}");
        }
        cause = because.source();
    }
    text
}

fn is_loopback(base_url: &str) -> bool {
    let authority = base_url.split("://").nth(1).unwrap_or_default().split('/').next().unwrap_or_default();
    let host = match authority.strip_prefix('[') {
        Some(bracketed) => bracketed.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http").field("base_url", &self.base_url).finish_non_exhaustive()
    }
}
