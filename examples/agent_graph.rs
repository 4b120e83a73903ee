//! Two agents that plan a trip together.
//!
//! ```text
//! cargo run --example agent_graph
//! ```
//!
//! The run is one trace, with a span for each turn, each handoff, each tool and each model call; with `MLFLOW_TRACKING_URI` set it stands there. The
//! model is a scripted one on loopback unless `OPENAI_BASE_URL` names another (with `OPENAI_API_KEY` and `OPENAI_MODEL`).
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that talks to people")]

use std::process::ExitCode;
use std::time::Duration;

use spanwright_examples::Result;
use spanwright_examples::agent_graph::trip;
use spanwright_examples::scripted_model::asked_or_scripted;

fn main() -> ExitCode {
    let guard = spanwright::init();
    let tokio = tokio::runtime::Runtime::new().expect("a runtime can be started");
    let outcome = tokio.block_on(plan());
    guard.flush(Duration::from_secs(60));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("agent_graph: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn plan() -> Result<()> {
    let (model, _scripted) = asked_or_scripted().await?;
    let run = trip(model)?.run("two nights in Rome", "ann").await?;
    println!("{}", run.content);
    println!("by way of {}", run.summary.path.join(" -> "));
    for (agent, summary) in &run.nodes {
        let tokens = summary.tokens.unwrap_or_default().total;
        println!("  {agent}: {tokens} tokens, tools {:?}", summary.tool_calls);
    }
    if let Some(trace) = run.tracker.run().trace_id() {
        println!("trace tr-{trace} run {}", run.tracker.run_id());
    }
    Ok(())
}
