//! Support of the tests: a real MLflow server, and servers that misbehave.

pub mod faults;
pub mod mlflow;
mod python;
pub mod tls;
