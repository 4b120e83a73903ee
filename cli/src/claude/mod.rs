//! `spanwright claude`: sessions of Claude Code become traces.
//!
//! Its hooks never come here: what the assistant calls is answered before the command line is read.

mod convert;
mod diagnosis;
mod registered;

use std::path::Path;
use std::process::ExitCode;

use spanwright_claude::hook;

use crate::args::{Claude, ClaudeFiles};
use crate::failure::Failure;
use crate::screen::Screen;
use spanwright_claude::settings::Place;

/// Runs the command.
pub fn run(what: &Claude, store: Option<&Path>, screen: &mut Screen) -> Result<ExitCode, Failure> {
    match what {
        Claude::Setup(how) => registered::setup(how, screen),
        Claude::Disable(which) => registered::disable(which, screen),
        Claude::Status => diagnosis::status(screen),
        Claude::Doctor => diagnosis::doctor(screen),
        Claude::Convert(how) => convert::run(how, store, screen),
        // Reached with an option before the command only.
        Claude::StopHook => Ok(hook::answer(spanwright_claude::state::Kind::Stop)),
        Claude::SubagentStopHook => Ok(hook::answer(spanwright_claude::state::Kind::SubagentStop)),
    }
}

impl ClaudeFiles {
    /// The file that is asked for.
    fn place(&self) -> Option<Place> {
        match (self.user, self.project, self.local) {
            (true, ..) => Some(Place::User),
            (_, true, _) => Some(Place::Project),
            (.., true) => Some(Place::Local),
            _ => None,
        }
    }
}
