//! Behaviour, and end to end with a real MLflow server.

mod attributes;
mod degradation;
mod fixture;
mod invariants;
mod look;
mod shapes;
