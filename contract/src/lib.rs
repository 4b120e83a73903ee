//! The telemetry contract of a source tree, read without building it.
//!
//! ```text
//! workspace ─► program ─► catalog ─► lock ─► verdict ─► render
//!  packages,    modules,    every     what is  what a     text,
//!  crates       names,      span,     checked  change     markdown
//!               functions   sorted    in       means
//!                                     └─► weaver  a registry of OpenTelemetry
//!                  ├─► lint         what looks wrong
//!                  ├─► verify       what a build says to it
//!                  └─► expansion    what the attributes become ─► review   all that a change does, beside each other
//! ```
//!
//! - `program` is the only room that reads source files; everything after it is data.
//! - The attributes and declarations are read by the same parser the macros use, so the catalog and the compiler see the same spans.
//! - What cannot be followed (`macro_rules!` bodies, `include!`, generated files) is listed, never left out.
//! - The same source gives the same output, byte for byte. Nothing here uses the network.

pub mod catalog;
mod error;
pub mod expansion;
pub mod lint;
pub mod lock;
mod place;
pub mod program;
pub mod render;
pub mod review;
#[cfg(feature = "insta")]
pub mod snapshot;
pub mod verdict;
pub mod verify;
pub mod weaver;
mod workspace;

pub use error::Error;
pub use spanwright_macros_core::did_you_mean;

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that unwraps says what it expects")]
mod specimen;
