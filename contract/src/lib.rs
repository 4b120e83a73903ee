//! The telemetry contract of a source tree, read without building it.
//!
//! ```text
//! workspace ─► program ─► catalog ─► lock ─► verdict
//!  packages,    modules,    every      what is   what a change
//!  crates       names,      span,      checked   means
//!               functions   sorted     in
//!                  ├─► lint         what looks wrong
//!                  └─► expansion    what the attributes become
//! ```
//!
//! - `program` is the only room that reads source files; everything after it is data.
//! - The attributes and declarations are read by the same parser the macros use, so the catalog and the compiler see the same spans.
//! - What cannot be followed (`macro_rules!` bodies, `include!`, generated files) is listed, never left out.
//! - The same source gives the same output, byte for byte. Nothing here uses the network.

pub mod catalog;
mod error;
pub mod expansion;
pub mod lock;
pub mod program;
pub mod render;
pub mod verdict;
pub mod verify;

pub use error::Error;

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that unwraps says what it expects")]
mod specimen;
