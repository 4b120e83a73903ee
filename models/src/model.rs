//! A model, whoever speaks to it.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use spanwright::llm;

use crate::chat::{Reply, Request};
use crate::error::ModelError;

/// Takes the pieces of a streamed answer as they come.
pub type Pieces<'p> = dyn FnMut(&str) + Send + 'p;

/// Answers a conversation: an endpoint behind any HTTP client, a model in this process, a script for tests.
///
/// What is to be written is [`complete`](Model::complete), and [`stream`](Model::stream) where the endpoint streams. What is to be called is
/// [`ask`](Model::ask) or [`ask_streaming`](Model::ask_streaming): they make the call a span, with what the reply says of it. So an implementation
/// needs no attribute, and with one there would be two spans.
///
/// ```
/// use spanwright_models::{Model, ModelError, Reply, Request};
///
/// struct Echo;
///
/// impl Model for Echo {
///     fn name(&self) -> &str {
///         "echo-1"
///     }
///     fn provider(&self) -> &str {
///         "example"
///     }
///     async fn complete(&self, request: &Request) -> Result<Reply, ModelError> {
///         let last = request.messages.last().ok_or_else(|| ModelError::other("there is nothing to echo"))?;
///         Ok(Reply::text(&last.content))
///     }
/// }
/// ```
pub trait Model: Send + Sync {
    /// The model that is asked, as its provider names it.
    fn name(&self) -> &str;

    /// Its provider: `openai`, `anthropic`, …
    fn provider(&self) -> &str;

    /// Answers a request.
    fn complete(&self, request: &Request) -> impl Future<Output = Result<Reply, ModelError>> + Send;

    /// Answers a request, and hands each piece of the text to `pieces` as it comes; the reply has all of them, and the time to the first.
    /// Default: one piece, when the answer is complete.
    fn stream(
        &self,
        request: &Request,
        pieces: &mut Pieces<'_>,
    ) -> impl Future<Output = Result<Reply, ModelError>> + Send {
        async move {
            let reply = self.complete(request).await?;
            if !reply.content.is_empty() {
                pieces(&reply.content);
            }
            Ok(reply)
        }
    }

    /// Answers a request, as a span with model, provider, messages, tools and tokens.
    fn ask(&self, request: &Request) -> impl Future<Output = Result<Reply, ModelError>> + Send {
        asked(self, request)
    }

    /// As [`ask`](Model::ask), streaming; the span has the time to the first token as well.
    fn ask_streaming(
        &self,
        request: &Request,
        pieces: &mut Pieces<'_>,
    ) -> impl Future<Output = Result<Reply, ModelError>> + Send {
        asked_streaming(self, request, pieces)
    }
}

#[llm(
    name = "llm",
    skip(model, request),
    inputs(messages = &request.messages, temperature = &request.temperature, max_tokens = &request.max_tokens),
    model = model.name(),
    provider = model.provider(),
    tools = &request.tools,
)]
async fn asked<M: Model + ?Sized>(model: &M, request: &Request) -> Result<Reply, ModelError> {
    model.complete(request).await
}

#[llm(
    name = "llm",
    skip(model, request, pieces),
    inputs(messages = &request.messages, temperature = &request.temperature, max_tokens = &request.max_tokens),
    model = model.name(),
    provider = model.provider(),
    tools = &request.tools,
)]
async fn asked_streaming<M: Model + ?Sized>(
    model: &M,
    request: &Request,
    pieces: &mut Pieces<'_>,
) -> Result<Reply, ModelError> {
    model.stream(request, pieces).await
}

macro_rules! through_pointers {
    ($($pointer:ty),*) => {$(
        impl<M: Model + ?Sized> Model for $pointer {
            fn name(&self) -> &str {
                (**self).name()
            }
            fn provider(&self) -> &str {
                (**self).provider()
            }
            fn complete(&self, request: &Request) -> impl Future<Output = Result<Reply, ModelError>> + Send {
                (**self).complete(request)
            }
            fn stream(
                &self,
                request: &Request,
                pieces: &mut Pieces<'_>,
            ) -> impl Future<Output = Result<Reply, ModelError>> + Send {
                (**self).stream(request, pieces)
            }
        }
    )*};
}

through_pointers!(&M, Box<M>, Arc<M>);

type Answering<'a> = Pin<Box<dyn Future<Output = Result<Reply, ModelError>> + Send + 'a>>;

/// [`Model`] without its types.
trait Erased: Send + Sync {
    fn name(&self) -> &str;
    fn provider(&self) -> &str;
    fn complete<'a>(&'a self, request: &'a Request) -> Answering<'a>;
    fn stream<'a>(&'a self, request: &'a Request, pieces: &'a mut Pieces<'_>) -> Answering<'a>;
}

impl<M: Model> Erased for M {
    fn name(&self) -> &str {
        Model::name(self)
    }
    fn provider(&self) -> &str {
        Model::provider(self)
    }
    fn complete<'a>(&'a self, request: &'a Request) -> Answering<'a> {
        Box::pin(Model::complete(self, request))
    }
    fn stream<'a>(&'a self, request: &'a Request, pieces: &'a mut Pieces<'_>) -> Answering<'a> {
        Box::pin(Model::stream(self, request, pieces))
    }
}

/// Any model, where several kinds of them stand side by side. Clones are the same one.
///
/// ```
/// # use spanwright_models::{AnyModel, OpenAi};
/// # fn example() -> Result<(), spanwright_models::ModelError> {
/// let judges: Vec<AnyModel> = vec![AnyModel::new(OpenAi::at("http://127.0.0.1:8000/v1", "small").build()?)];
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct AnyModel(Arc<dyn Erased>);

impl AnyModel {
    /// That one.
    pub fn new(model: impl Model + 'static) -> Self {
        Self(Arc::new(model))
    }
}

impl Model for AnyModel {
    fn name(&self) -> &str {
        self.0.name()
    }
    fn provider(&self) -> &str {
        self.0.provider()
    }
    async fn complete(&self, request: &Request) -> Result<Reply, ModelError> {
        self.0.complete(request).await
    }
    async fn stream(&self, request: &Request, pieces: &mut Pieces<'_>) -> Result<Reply, ModelError> {
        self.0.stream(request, pieces).await
    }
}

impl fmt::Debug for AnyModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AnyModel({} of {})", self.0.name(), self.0.provider())
    }
}
