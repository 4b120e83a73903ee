//! Tracing of AI-agent code into MLflow.
mod callsite;
mod clock;
pub mod diagnostics;
mod error;
mod id;
mod nearest;
pub mod record;
pub use error::Error;
pub use id::{SpanId, TraceId};
pub mod config;
#[cfg(feature = "store")]
pub mod store;
pub mod tree;
