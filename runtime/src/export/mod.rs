//! Delivery: store → MLflow.

mod http;
mod mlflow;
mod wire;
