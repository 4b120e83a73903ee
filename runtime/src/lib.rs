//! Tracing of AI-agent code into MLflow.
mod callsite;
mod capture;
mod clock;
pub mod diagnostics;
mod error;
mod id;
mod outcome;
pub mod record;
mod tape;
pub use capture::{Policy, Rules, Secret, Text};
pub use error::Error;
pub use id::{SpanId, TraceId};
pub use outcome::{ModelOutcome, Observed, Outcome, SandboxOutcome};
