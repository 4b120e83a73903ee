//! Reports over traces: what they cost, where the time goes, how they end, and how two of them differ.
//!
//! ```text
//! store or server ─► TraceBrief ─► sums by name ─► report ─► page, CSV, JSON
//!                    one at a time   nothing of a             └► gates
//!                                    trace is kept
//! ```
//!
//! In: traces as [`Store::briefs`](spanwright::store::Store::briefs) and
//! [`Client::briefs`](spanwright::export::Client::briefs) show them, in any order, each once. Out: sums that serialise as JSON, rows of
//! CSV, and pages for people. Opens nothing, writes nothing and knows no clock: what day it is says the caller.
//!
//! A run is one trace. Tokens count once: a span's own only where no span below it has any. A model without a price costs `null`, is
//! listed, and fails nothing. Days, weeks and months are those of UTC.

mod by_name;
mod calendar;
mod calls;
pub mod costs;
pub mod diff;
pub mod figures;
pub mod gate;
pub mod page;
pub mod period;
pub mod profile;
mod show;
pub mod status;
pub mod tally;
mod words;

pub use calendar::Day;
pub use show::gates;
pub use words::duration;
