//! An agent workflow, traced: looks at the logbook of a home and suggests what to automate.
//!
//! ```text
//! cargo run --example home_optimizer [LOGBOOK.csv]
//! ```
//!
//! Nothing else has to run: the model is a scripted one on loopback unless `OPENAI_BASE_URL` names another (with
//! `OPENAI_API_KEY` and `OPENAI_MODEL`), and the trace stays in the store beside you unless `MLFLOW_TRACKING_URI` names a server.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that talks to people")]

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use spanwright::config::Destination;
use spanwright::{Guard, TraceHandle, tree};
use spanwright_examples::home_optimizer::{Report, Request, Team, optimization_workflow};
use spanwright_examples::model::ChatModel;
use spanwright_examples::sandbox::Policy;
use spanwright_examples::scripted_model::ScriptedModel;
use spanwright_examples::{Result, logbook};

/// The first request to a server may take it seconds: it looks up what the model's tokens cost.
const DELIVERY: Duration = Duration::from_secs(30);

fn main() -> ExitCode {
    let tracing = spanwright::init();
    let outcome = tokio::runtime::Runtime::new().map_err(Into::into).and_then(|tokio| tokio.block_on(optimize()));
    match outcome {
        Ok((report, trace)) => {
            if let Ok(report) = &report {
                show(report);
            }
            show_trace(&tracing, trace);
            report.map_or_else(failed, |_| ExitCode::SUCCESS)
        }
        Err(error) => failed(error),
    }
}

async fn optimize() -> Result<(Result<Report>, Option<TraceHandle>)> {
    let scripted; // Lives as long as the workflow.
    let model = match ChatModel::from_env()? {
        Some(model) => model,
        None => {
            scripted = ScriptedModel::start().await?;
            ChatModel::new(&scripted.base_url(), None, ScriptedModel::NAME)?
        }
    };
    println!("asking {} at {}", model.name(), model.base_url());

    let team = Team::new(&model, Policy::standard()).telling(|step| println!("- {step}"));
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let request = Request {
        logbook: std::env::args_os().nth(1).map_or_else(logbook::sample, PathBuf::from),
        home: "Maple Street 7".into(),
        user: "anna".into(),
        session: format!("evening-{seconds}"),
    };
    Ok(spanwright::traced(optimization_workflow(&request, &team)).await)
}

fn show(report: &Report) {
    println!("\nAfter {} days, worth automating:", report.days);
    for suggestion in &report.recommended {
        println!("  + {suggestion}");
    }
    if !report.declined.is_empty() {
        println!("\nBetter left alone:");
    }
    for (suggestion, reason) in &report.declined {
        println!("  - {suggestion}\n    {reason}");
    }
}

fn show_trace(tracing: &Guard, trace: Option<TraceHandle>) {
    let flushed = tracing.flush(DELIVERY);
    let (Some(trace), Some(store), Some(config)) = (trace, tracing.store(), tracing.config()) else {
        return println!("\nNot traced: tracing is switched off, or this trace was not sampled.");
    };
    match store.spans(trace.trace_id()) {
        Ok(spans) => println!("\nThe trace {trace}:\n\n{}", tree::render(&spans, tree::Style::drawn()).trim_end()),
        Err(error) => println!("\nThe trace {trace} cannot be read back: {error:#}"),
    }
    println!();
    match &config.destination.value {
        Destination::Http(server) if flushed.is_delivered => println!("It stands in MLflow at {server}, under Traces."),
        Destination::Http(server) => println!("It has not reached {server} yet; deliver it with:  spanwright push"),
        _ => println!(
            "To see it in MLflow, run this again with MLFLOW_TRACKING_URI=http://… set, or:  spanwright push --to http://…"
        ),
    }
    match store.path() {
        Some(path) => println!("It is kept in {}; look at it again with:  spanwright tree --last", path.display()),
        None => println!("It is kept in memory only: SPANWRIGHT_STORE=off."),
    }
}

fn failed(error: spanwright_examples::Error) -> ExitCode {
    eprintln!("error: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        eprintln!("  because: {error}");
        cause = error.source();
    }
    ExitCode::FAILURE
}
