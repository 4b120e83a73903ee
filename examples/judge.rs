//! Answers that are judged as they are given.
//!
//! ```text
//! cargo run --example judge
//! ```
//!
//! Two questions are answered; beside the program a model and a function judge each answer, in traces of their own. With `MLFLOW_TRACKING_URI`
//! set, each answer's trace has both scores there. The model is a scripted one on loopback unless `OPENAI_BASE_URL` names another (with
//! `OPENAI_API_KEY` and `OPENAI_MODEL`).
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that talks to people")]

use std::process::ExitCode;
use std::time::Duration;

use spanwright_examples::Result;
use spanwright_examples::judge::{ask, support};
use spanwright_examples::scripted_model::asked_or_scripted;

fn main() -> ExitCode {
    let guard = spanwright::init();
    let tokio = tokio::runtime::Runtime::new().expect("a runtime can be started");
    let outcome = tokio.block_on(answers());
    // Waits for the judges as well.
    guard.flush(Duration::from_secs(60));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("judge: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn answers() -> Result<()> {
    let (model, _scripted) = asked_or_scripted().await?;
    let support = support(model)?;
    for question in ["where do I find my receipt?", "when does my parcel arrive?"] {
        println!("> {question}");
        let run = ask(&support, question, "ann", |piece| print!("{piece}")).await?;
        println!();
        if let Some(trace) = run.tracker.trace_id() {
            println!("  trace tr-{trace}");
        }
        for result in run.evaluations.results().await {
            let (metric, reasoning) = (result.metric_key.unwrap_or_default(), result.reasoning.unwrap_or_default());
            match result.score {
                Some(score) => println!("  {metric} {score}: {reasoning}"),
                None => println!("  {metric}: {}", result.error_message.unwrap_or_default()),
            }
        }
    }
    Ok(())
}
