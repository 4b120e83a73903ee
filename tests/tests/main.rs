//! Behaviour, and end to end with a real MLflow server.

mod attributes;
mod degradation;
mod end_to_end;
mod fixture;
mod invariants;
mod look;
mod shapes;
