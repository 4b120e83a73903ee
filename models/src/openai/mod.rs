//! Models behind an OpenAI-compatible endpoint: chat, tools, streaming, usage.
//!
//! In: a [`Request`]. Out: a [`Reply`], or a [`ModelError`] that says what to do. Not done here: trying again, which only the caller knows the
//! price of; [`ModelError::is_temporary`] and [`ModelError::retry_after`] say whether and when.

mod http;
mod sse;
mod wire;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::chat::{Reply, Request};
use crate::environment::Endpoint;
use crate::error::{ErrorKind, ModelError};
use crate::model::{Model, Pieces};
use http::Http;

/// Time for a whole answer, and for each silence of a streamed one, unless said otherwise.
const TIMEOUT: Duration = Duration::from_secs(120);

/// A model behind an OpenAI-compatible endpoint. Clones share their connections; it can be asked from any async runtime, or none.
///
/// ```no_run
/// use spanwright_models::{Message, Model as _, OpenAi, Request};
///
/// # async fn example() -> Result<(), spanwright_models::ModelError> {
/// let model = OpenAi::from_env()?;
/// let reply = model.ask(&Request::new([Message::user("Where is my receipt?")])).await?;
/// println!("{}", reply.content);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct OpenAi {
    http: Arc<Http>,
    model: String,
    provider: String,
}

/// How to reach a model. See [`OpenAi::at`].
#[derive(Clone)]
#[must_use = "nothing is asked before `build`"]
pub struct OpenAiBuilder {
    base_url: String,
    key: Option<String>,
    model: String,
    provider: String,
    timeout: Duration,
}

impl OpenAi {
    /// The model `model` at `base_url`, which ends before `/chat/completions`.
    pub fn at(base_url: impl Into<String>, model: impl Into<String>) -> OpenAiBuilder {
        OpenAiBuilder {
            base_url: base_url.into(),
            key: None,
            model: model.into(),
            provider: "openai".to_owned(),
            timeout: TIMEOUT,
        }
    }

    /// The model that `OPENAI_MODEL` names, at `OPENAI_BASE_URL` (OpenAI's own if that is not set), with the key in `OPENAI_API_KEY`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] if no model is named, or one of them cannot be used.
    pub fn from_env() -> Result<Self, ModelError> {
        Self::from_env_or(None, None)
    }

    /// As [`from_env`](Self::from_env), at `base_url` if that is given, and the model `model` if that is. The key goes to the address of the environment
    /// and no other.
    ///
    /// # Errors
    ///
    /// Those of [`from_env`](Self::from_env).
    pub fn from_env_or(base_url: Option<&str>, model: Option<&str>) -> Result<Self, ModelError> {
        let Endpoint { base_url: known, key, model: named } = Endpoint::read();
        let Some(model) = model.map(str::to_owned).or(named) else {
            return Err(ModelError::new(ErrorKind::Config, "no model is named: set OPENAI_MODEL"));
        };
        let is_known = |url: &str| url.trim_end_matches('/') == known.trim_end_matches('/');
        let key = key.filter(|_| base_url.is_none_or(is_known));
        let builder = Self::at(base_url.unwrap_or(&known), model);
        OpenAiBuilder { key, ..builder }.build()
    }

    /// Where it is, without credentials.
    pub fn base_url(&self) -> &str {
        self.http.base_url()
    }
}

impl OpenAiBuilder {
    /// The key that is sent as a bearer token, to this endpoint and nowhere else.
    pub fn key(self, key: impl Into<String>) -> Self {
        Self { key: Some(key.into()), ..self }
    }

    /// What the trace names as the provider; `openai` unless said otherwise.
    pub fn provider(self, provider: impl Into<String>) -> Self {
        Self { provider: provider.into(), ..self }
    }

    /// Longest time for a whole answer, and for each silence of one that is streamed; 120 seconds unless said otherwise.
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// The model. Nothing is asked yet.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] if the address is none, or the key holds a character that HTTP cannot carry.
    pub fn build(self) -> Result<OpenAi, ModelError> {
        let http = Http::new(&self.base_url, self.key, self.timeout)?;
        Ok(OpenAi { http: Arc::new(http), model: self.model, provider: self.provider })
    }
}

impl Model for OpenAi {
    fn name(&self) -> &str {
        &self.model
    }

    fn provider(&self) -> &str {
        &self.provider
    }

    async fn complete(&self, request: &Request) -> Result<Reply, ModelError> {
        let body = wire::body(&self.model, request, false);
        let mut answer = self.http.post(body, false)?;
        let mut whole = Vec::new();
        while let Some(bytes) = answer.next().await? {
            whole.extend_from_slice(&bytes);
        }
        wire::reply(&whole).map_err(|why| self.unreadable(&why))
    }

    async fn stream(&self, request: &Request, pieces: &mut Pieces<'_>) -> Result<Reply, ModelError> {
        let started = Instant::now();
        let mut answer = self.http.post(wire::body(&self.model, request, true), true)?;
        let (mut events, mut said) = (sse::Events::default(), wire::Streamed::default());
        let mut first = None;
        while let Some(bytes) = answer.next().await? {
            events.push(&bytes);
            while let Some(event) = events.next_event() {
                let piece = said.take(&event).map_err(|why| self.failed_midway(&why))?;
                if piece.is_some() || said.has_begun() {
                    first.get_or_insert_with(|| started.elapsed());
                }
                piece.into_iter().for_each(|text| pieces(&text));
            }
        }
        if !said.is_complete() {
            let broken = "the connection ended in the middle of the answer: try again";
            return Err(ModelError::new(
                ErrorKind::Unreachable,
                format!("read the answer of {}: {broken}", self.base_url()),
            ));
        }
        Ok(Reply { time_to_first_token: first, ..said.into_reply() })
    }
}

impl OpenAi {
    fn unreadable(&self, why: &str) -> ModelError {
        let text = format!(
            "read the answer of {}: {}; check that this is the address of an OpenAI-compatible endpoint",
            self.base_url(),
            self.http.shown(why)
        );
        ModelError::new(ErrorKind::Unreadable, text)
    }

    /// What an endpoint says in the middle of a stream is an error of its own, or no event of a chat.
    fn failed_midway(&self, why: &wire::Midway) -> ModelError {
        match why {
            wire::Midway::Unreadable(why) => self.unreadable(why),
            wire::Midway::Failed(why) => {
                let text = format!("read the answer of {}: it gave up: {}", self.base_url(), self.http.shown(why));
                ModelError::new(ErrorKind::Overloaded, text)
            }
        }
    }
}

impl fmt::Debug for OpenAi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OpenAi({} at {})", self.model, self.base_url())
    }
}

impl fmt::Debug for OpenAiBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OpenAiBuilder({})", self.model)
    }
}
