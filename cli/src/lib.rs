//! `spanwright`: look at stored traces, deliver them, find out what is wrong, and read what a source tree will trace.
//!
//! One module per subcommand: it gathers a plain value first (what `--json` prints), then shows it to people. Nothing here keeps
//! state of its own; everything stands in the store, on the server, or in the source tree.

mod args;
mod catalog;
mod claude;
mod doctor;
mod evaluate;
mod expand;
mod failure;
mod lint;
mod list;
mod place;
mod prices;
mod push;
mod registry;
mod report;
mod review;
mod screen;
mod source;
mod text;
mod tree;
mod verdicts;
mod verify;

use std::ffi::OsString;
use std::io;
use std::process::ExitCode;

use clap::Parser as _;

use args::{Args, Command};
use failure::Failure;
use screen::Screen;

/// Runs the command line `arguments`, the first of which is the program's name.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    // A hook is answered whatever its command line looks like.
    if let Some(code) = spanwright_claude::hook::called(&arguments) {
        return code;
    }
    let args = match Args::try_parse_from(&arguments) {
        Ok(args) => args,
        Err(error) => return misread(&error, &arguments),
    };
    let mut screen = Screen::new(args.json);
    let ended = match &args.command {
        Command::Tree(which) => tree::run(which, args.place(), &mut screen),
        Command::List(which) => list::run(which, args.place(), &mut screen),
        Command::Push(to) => push::run(to, args.place(), &mut screen),
        Command::Evaluate(what) => evaluate::run(what, args.place(), &mut screen),
        Command::Doctor(how) => doctor::run(how, args.place(), &mut screen),
        Command::Catalog(which) => catalog::run(which, &mut screen),
        Command::Lint(how) => lint::run(how, &mut screen),
        Command::Report { what } => report::run(what, args.place(), &mut screen),
        Command::Prices(which) => prices::run(which, &mut screen),
        Command::Expand(what) => expand::run(what, &mut screen),
        Command::Review(what) => review::run(what, &mut screen),
        Command::Claude { what } => claude::run(what, args.place(), &mut screen),
    };
    let ended = ended.and_then(|code| screen.flush().map(|()| code).map_err(Failure::from));
    match ended {
        Ok(code) => code,
        // Whoever read our output has seen enough: `spanwright list | head`.
        Err(Failure::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(failure) => screen.fail(&failure),
    }
}

/// Says what is wrong with the command line, or the help that was asked for.
fn misread(error: &clap::Error, arguments: &[OsString]) -> ExitCode {
    // With neither output left, the exit code has to do.
    let _ = error.print();
    let checks = arguments.iter().filter_map(|argument| argument.to_str()).any(|word| word.starts_with("--check"));
    match error.use_stderr() {
        false => ExitCode::SUCCESS,
        // 2 would be a verdict.
        true if checks => ExitCode::from(verdicts::UNCHECKED),
        true => ExitCode::from(2),
    }
}
