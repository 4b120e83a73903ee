//! Behaviour, and end to end with a real MLflow server.

mod attributes;
mod contract;
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
mod mlflow_usage;
mod patterns;
mod permissions;
mod proxies;
mod redirects;
mod secrets;
mod shapes;
mod unchanged;
