//! Support of the tests: a real MLflow server, servers that misbehave, and programs that are killed.

pub mod crash;
pub mod faults;
pub mod mlflow;
pub mod program;
mod python;
pub mod receiver;
pub mod tls;
pub mod tmpfs;
