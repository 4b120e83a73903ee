//! Feedback that comes later, from another process.
//!
//! ```text
//! cargo run --example feedback
//! cargo run --example feedback -- give TOKEN --positive "helped"
//! ```
//!
//! The first answers a question and prints a token, which in a real program stands in a link. The second gives feedback on that answer:
//! with `MLFLOW_TRACKING_URI` set for both, its trace has one assessment of a person there, however often it is given.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that talks to people")]

use std::process::ExitCode;

use spanwright_examples::Result;
use spanwright_examples::feedback::{give, support_workflow};

const USAGE: &str = "usage: feedback [give TOKEN (--positive|--negative) [COMMENT]]";

fn main() -> ExitCode {
    let _guard = spanwright::init();
    let words: Vec<_> = std::env::args().skip(1).collect();
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    match run(&words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("feedback: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(words: &[&str]) -> Result<()> {
    match words {
        [] => {
            let answer = support_workflow("where is my receipt?")?;
            println!("{}", answer.text);
            if let (Some(token), Some(trace)) = (answer.token, answer.trace) {
                println!(
                    "\ntrace {trace}\nDid this help?\n  cargo run --example feedback -- give {token} --positive \"helped\""
                );
            }
        }
        ["give", token, how @ ("--positive" | "--negative"), comment @ ..] if comment.len() < 2 => {
            let trace = give(token, *how == "--positive", comment.first().copied(), "user")?;
            println!("thank you; your word stands on trace {trace}");
        }
        _ => return Err(USAGE.into()),
    }
    Ok(())
}
