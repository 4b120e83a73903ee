//! Behaviour, and end to end with a real MLflow server.

mod attributes;
mod contract;
mod crash_matrix;
mod crash_repair;
mod declared;
mod degradation;
mod delivery;
mod end_to_end;
mod fixture;
mod invariants;
mod look;
mod mlflow_content;
mod mlflow_endurance;
mod mlflow_faults;
mod mlflow_runs;
mod mlflow_tls;
mod patterns;
mod shapes;
mod unchanged;
