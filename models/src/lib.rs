//! Models, managed agents and judges on top of [`spanwright`].
//!
//! A [`Model`] answers conversations: [`OpenAi`] speaks to any OpenAI-compatible endpoint, and any other client is a model after two
//! methods. What is asked through [`Model::ask`] is a span with model, provider, messages, tools, tokens and, streamed, the time to the first token.
//!
//! ```
//! use spanwright_models::{Message, Model, ModelError, Reply, Request};
//!
//! struct Parrot;
//!
//! impl Model for Parrot {
//!     fn name(&self) -> &str {
//!         "parrot"
//!     }
//!     fn provider(&self) -> &str {
//!         "example"
//!     }
//!     async fn complete(&self, _: &Request) -> Result<Reply, ModelError> {
//!         Ok(Reply::text("hello"))
//!     }
//! }
//!
//! # async fn example() -> Result<(), ModelError> {
//! let reply = Parrot.ask(&Request::new([Message::user("say hello")])).await?;
//! assert_eq!(reply.content, "hello");
//! # Ok(())
//! # }
//! ```

mod chat;
mod environment;
mod error;
mod evaluation;
mod judge;
mod managed;
mod model;
mod named;
mod openai;
mod said;
mod score;
mod talk;
mod threads;
mod tools;

pub use chat::{AnswerSchema, Message, Reply, Request, Role, ToolCall, ToolDefinition};
pub use environment::VARIABLES;
pub use error::{ErrorKind, ModelError};
pub use evaluation::{Evaluate, Evaluated, Evaluations, Evaluator, Judging};
pub use judge::{Judge, JudgeConfig};
pub use managed::{GraphNode, GraphRun, ManagedAgent, ManagedAgentGraph, ManagedModel, Run};
pub use model::{AnyModel, Model, Pieces};
pub use openai::{OpenAi, OpenAiBuilder};
pub use score::Score;
pub use tools::Tools;
