//! Parts of the example agents.
//!
//! [`home_optimizer`] is a whole agent workflow; the rest is what it stands on. Nothing here is special to tracing: take the
//! attributes away and the same program remains.

pub mod agent_graph;
pub mod feedback;
pub mod home_optimizer;
pub mod judge;
pub mod logbook;
pub mod model;
pub mod sandbox;
pub mod scripted_model;
pub mod spans;

/// Any error, with a text for people.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// The result of a step that can fail.
pub type Result<T> = std::result::Result<T, Error>;
