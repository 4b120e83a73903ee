//! `spanwright …`

use std::process::ExitCode;

fn main() -> ExitCode {
    spanwright_cli::run(std::env::args_os())
}
