//! What every library under measurement is asked to do, written once.
//!
//! A subject is a program whose `main` is [`run`] with its own [`Subject`]. Arguments are words of the form `name=value`; answers are lines of JSON on
//! standard output. The first argument says what for:
//!
//! | Command | What it does |
//! |---|---|
//! | `once` | carries one load inside of [`meter::measured`], for callgrind to count its instructions |
//! | `rounds` | reads a load a line from standard input and answers each with CPU time or allocations |
//! | `flood` | threads that make spans flat out |
//! | `stall` | many spans while the exporter stands still |
//! | `latency` | the time of every single span, for its far percentiles |

mod allocations;
mod arguments;
pub mod exporter;
mod flood;
mod latency;
mod loads;
pub mod meter;
mod report;

use std::future::Future;
use std::process::ExitCode;

use serde::Serialize;

pub use allocations::{Counting, counted};
pub use arguments::Arguments;
pub use loads::Yield;
pub use report::Report;

/// The text attribute of every span that has attributes.
pub const ROOM: &str = "living room";

/// A library under measurement. Each method makes one tree: a root and, one after another, as many children.
pub trait Subject: Send + Sync + Sized + 'static {
    /// Installs the library.
    fn start(setup: &Setup) -> Self;

    /// Whether it can be asked for this kind of tree.
    fn can(_tree: Tree) -> bool {
        true
    }

    /// Spans with a name and a kind.
    fn empty(&self, children: u32);

    /// Each with a text and a number beside.
    fn attributes(&self, children: u32);

    /// Each child takes the report in and gives it back.
    fn report(&self, children: u32, report: Report) -> Report;

    /// As `empty`; each child yields once.
    fn empty_async(&self, children: u32) -> impl Future<Output = ()> + Send;

    /// As `attributes`; each child yields once.
    fn attributes_async(&self, children: u32) -> impl Future<Output = ()> + Send;

    /// Delivers all that has ended and says what became of it since the start.
    fn flush(&self) -> Fate;
}

/// How a subject is to be installed.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    /// Whether spans are recorded.
    pub state: State,
    /// The exporter only counts, and may stand still; else what the library does by default, where it knows more.
    pub counts_only: bool,
    /// Room for all spans of the load, so that none is dropped; else the library's default.
    pub ample_queue: bool,
}

/// Whether spans are recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// They are.
    Recording,
    /// The library is installed and told to record nothing.
    SwitchedOff,
    /// Nothing is installed.
    Absent,
}

/// Kinds of trees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tree {
    /// [`Subject::empty`]
    Empty,
    /// [`Subject::attributes`]
    Attributes,
    /// [`Subject::report`]
    Report,
    /// [`Subject::empty_async`]
    EmptyAsync,
    /// [`Subject::attributes_async`]
    AttributesAsync,
}

/// What became of all spans since the start.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Fate {
    /// Taken by the exporter.
    pub delivered: u64,
    /// Kept where the next process finds them.
    pub kept: u64,
    /// Lost, as the library itself says; `None` if it does not say.
    pub counted: Option<u64>,
}

/// The whole of a subject's `main`.
pub fn run<S: Subject>() -> ExitCode {
    let arguments = Arguments::of_process();
    let ran = match arguments.command() {
        "once" => loads::once::<S>(&arguments),
        "rounds" => loads::rounds::<S>(&arguments),
        "flood" => flood::flood::<S>(&arguments),
        "stall" => flood::stall::<S>(&arguments),
        "latency" => latency::latency::<S>(&arguments),
        other => Err(format!("no command `{other}`")),
    };
    match ran {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            #[allow(clippy::print_stderr)]
            {
                eprintln!("{error}");
            }
            ExitCode::FAILURE
        }
    }
}

/// Says an answer to whoever runs the measurement.
#[allow(clippy::print_stdout)]
fn answer(answer: &impl Serialize) -> Result<(), String> {
    let text = serde_json::to_string(answer).map_err(|error| error.to_string())?;
    println!("{text}");
    Ok(())
}
