//! Behaviour, and end to end with a real MLflow server.

mod attributes;
mod delivery;
mod fixture;
mod invariants;
mod look;
mod mlflow_content;
mod mlflow_faults;
mod mlflow_runs;
mod shapes;
