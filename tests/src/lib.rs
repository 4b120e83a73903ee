//! Support of the tests: a real MLflow server, servers that misbehave, and programs that are killed.

pub mod crash;
pub mod faults;
pub mod mlflow;
mod python;
pub mod tls;
