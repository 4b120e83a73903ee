//! `spanwright push`: delivers what waits in the store.
use std::path::Path;
use std::process::ExitCode;

use crate::args::Push;
use crate::failure::Failure;
use crate::screen::Screen;

/// Runs the command.
pub fn run(_args: &Push, _store: Option<&Path>, _screen: &mut Screen) -> Result<ExitCode, Failure> {
    unimplemented!()
}
