//! `cargo spanwright …`: cargo gives the name of the subcommand as the first argument.

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments: Vec<_> = std::env::args_os().collect();
    if arguments.get(1).is_some_and(|first| first == "spanwright") {
        arguments.remove(1);
    }
    spanwright_cli::run(arguments)
}
