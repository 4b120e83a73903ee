//! What tracing costs, side by side with peers in the same run.
//!
//! ```text
//! cargo bench -p spanwright-benches --bench compile [-- --rounds 7 --release --json]
//! cargo bench -p spanwright-benches --bench cost [-- --quick --json --only caller]
//! ```
//!
//! | Bench | Question | Fails if |
//! |---|---|---|
//! | `compile` | What do 600 annotated functions add to `cargo check`? | more than 2.5 ms a function, or half of what `tracing::instrument(ret, err)` adds |
//! | `cost` | What does a span cost the program, and what becomes of it? | more instructions, allocations, memory or client CPU than its limit, or a span neither delivered nor counted |
//!
//! Each bench is a folder here: `main.rs` reads as the flow of the run. Peers are dependencies of packages that have a manifest and a lock file of their
//! own, in the folder, and never of the workspace. A bench says on standard error what it does, prints its tables on standard output, and
//! exits with 1 if a limit is broken, with 2 if it cannot measure. Results worth keeping stand in `RESULTS.md` with the commit, the toolchain and the
//! machine they come from.
//!
//! This crate holds what the benches share: [`cpu`], [`Facts`], [`Samples`], and [`Section`] with its [`Cell`]s.

pub mod cpu;
mod facts;
mod samples;
mod table;

pub use facts::Facts;
pub use samples::Samples;
pub use table::{Cell, Section, Spread, Unit};
