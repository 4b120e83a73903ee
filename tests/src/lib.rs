//! Support of the tests: a real MLflow server, and servers that misbehave.

pub mod faults;
pub mod mlflow;
pub mod program;
mod python;
pub mod receiver;
pub mod tls;
pub mod tmpfs;
