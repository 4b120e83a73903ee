//! Behaviour, and end to end with a real MLflow server.

mod attributes;
mod contract;
mod declared;
mod degradation;
mod delivery;
mod end_to_end;
mod fault_disk;
mod fault_exit;
mod fault_network;
mod fault_overload;
mod fixture;
mod fork;
mod invariants;
mod live;
mod look;
mod mlflow_content;
mod mlflow_endurance;
mod mlflow_faults;
mod mlflow_runs;
mod mlflow_tls;
mod patterns;
mod shapes;
mod unchanged;
