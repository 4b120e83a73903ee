//! Tracing of AI-agent code into MLflow.
//!
//! Annotate the functions of an agent; each call becomes a typed span. A small runtime keeps every finished span on disk before it
//! goes anywhere, and delivers it to an MLflow server where one is configured.
//!
//! ```no_run
//! use spanwright::{node, tool, workflow};
//!
//! #[tool]
//! fn lookup(city: &str) -> u32 {
//!     city.len() as u32
//! }
//!
//! #[node]
//! fn plan(cities: &[&str]) -> u32 {
//!     cities.iter().map(|city| lookup(city)).sum()
//! }
//!
//! #[workflow]
//! fn travel_workflow() -> u32 {
//!     plan(&["Oslo", "Rome"])
//! }
//!
//! let _guard = spanwright::init();
//! assert_eq!(travel_workflow(), 8);
//! ```
//!
//! Three promises, in this order: the program is never changed, slowed or failed by tracing; no span is lost silently; telemetry is
//! a contract.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod callsite;
mod capture;
mod chunk;
mod clock;
mod collector;
pub mod config;
pub mod configured;
mod conformance;
mod contain;
mod context;
mod contract;
#[cfg(feature = "store")]
pub mod cost;
mod diagnostics;
mod error;
mod execution;
#[cfg(feature = "mlflow")]
pub mod export;
mod fork;
mod future;
#[cfg(all(any(test, fuzzing), feature = "mlflow", not(loom)))]
#[doc(hidden)]
pub mod fuzzing;
mod id;
#[cfg(feature = "store")]
mod nearest;
mod outcome;
mod outstanding;
mod pipeline;
#[cfg(all(any(test, fuzzing), feature = "mlflow", not(loom)))]
mod planted;
pub mod record;
mod recorder;
mod retold;
pub mod semconv;
mod session;
mod span;
#[cfg(feature = "store")]
pub mod store;
mod tape;
#[cfg(feature = "testing")]
pub mod testing;
mod traced;
pub mod tracker;
pub mod tree;

#[doc(hidden)]
pub mod __private;

pub use callsite::Capture as CaptureLevel;
pub use capture::{Rules, Secret};
pub use collector::INTERVAL as COLLECTOR_INTERVAL;
pub use context::{Context, ContextGuard, traceparent};
pub use contract::{Contract, DeclaredAttribute, DeclaredSpan};
pub use diagnostics::Diagnostics;
pub use error::Error;
pub use execution::AgentConfig;
pub use future::{InContext, InCurrentSpan};
#[cfg(feature = "tokio")]
pub use future::{spawn, spawn_blocking};
pub use id::{ParseIdError, SpanId, TraceId};
pub use outcome::{ModelOutcome, Observed, Outcome, SandboxOutcome};
pub use outstanding::{Outstanding, outstanding};
pub use pipeline::{Builder, FlushReport, Guard, builder, init};
#[cfg(feature = "store")]
pub use pipeline::{Recovered, recover};
pub use retold::Retelling;
pub use session::{SessionContext, current_session, session_context};
pub use span::{Handle, OpenSpan, handle, kind};
pub use spanwright_macros::{
    agent, delegate, evaluator, llm, node, retriever, sandbox, scheduled, spans, tool, workflow,
};
pub use traced::{TraceHandle, Traced, current_trace, traced, traced_call};
pub use tracker::{Budget, BudgetExceeded, link_prompt, tracker};
