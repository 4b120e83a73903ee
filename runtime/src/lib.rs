//! Tracing of AI-agent code into MLflow.
pub mod diagnostics;
mod callsite;
mod chunk;
mod clock;
mod error;
mod id;
pub mod record;
pub use error::Error;
pub use id::{SpanId, TraceId};
