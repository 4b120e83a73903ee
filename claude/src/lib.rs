//! Sessions of Claude Code as traces.
//!
//! ```text
//! hook event ─► events ─► worker ─► transcript ─► turn ─► spans ─► store ─► MLflow
//!  captured,     a file     one a      lines of     what      closed    as everything
//!  answered      each       session    one turn     happened  records   else gets there
//! ```
//!
//! `transcript` cuts a file into turns and holds one at a time; `turn` says what happened in one; `spans` makes the trace of it, with ids that are
//! made of what they name. `hook` answers the assistant within milliseconds and never fails; the `worker` it leaves behind reads, stores and
//! delivers, within a hard limit. `settings` is the only room that reads the environment or the assistant's settings; `registration` is the
//! only one that writes those.

pub mod agents;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
pub mod hook;
mod ids;
pub mod keeping;
pub mod registration;
pub mod settings;
pub mod spans;
pub mod state;
pub mod transcript;
pub mod turn;
pub mod worker;
