//! `spanwright push`: delivers what waits in the store.

use std::path::Path;
use std::process::ExitCode;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;
use spanwright::config::Destination;
use spanwright::export::{Client, Progress, PushReport};
use spanwright::store::{Adopt, Counts};

use crate::args::Push;
use crate::failure::Failure;
use crate::place::Place;
use crate::screen::{Screen, Tone};
use crate::text;

/// What `--json` prints.
#[derive(Serialize)]
struct Pushed<'a> {
    destination: &'a str,
    delivered: u64,
    pending: u64,
    adopted: Counts,
    rejected: &'a [String],
    blocked: &'a [String],
}

/// Runs the command.
pub fn run(args: &Push, store: Option<&Path>, screen: &mut Screen) -> Result<ExitCode, Failure> {
    let place = Place::here(store, args.to.as_deref());
    place.check_destination(args.to.as_deref())?;
    if place.config.destination.value == Destination::StoreOnly {
        return Err(Failure::said(
            "there is no server to deliver to",
            "give --to http://…, or set MLFLOW_TRACKING_URI",
        ));
    }
    let store = place.store_with_traces()?;
    let client = Client::connect(&place.config)?;
    // A push repeats what fails, patiently; a server that is away from the start is said at once, and the store left as it is.
    client.probe()?;

    // What a person names is meant for everything; what a configuration names is meant for what had nowhere to go.
    let which = if args.to.is_some() { Adopt::All } else { Adopt::Undirected };
    let bar = bar(screen.json);
    let pushed = client.push(&store, which, |Progress { total, done, .. }| {
        if total > 0 {
            bar.set_length(total);
            bar.set_position(done);
        }
    });
    bar.finish_and_clear();
    let pushed = pushed?;

    if screen.json {
        screen.object(&Pushed {
            destination: client.server(),
            delivered: pushed.delivered,
            pending: pushed.pending,
            adopted: pushed.adopted,
            rejected: &pushed.rejected,
            blocked: &pushed.blocked,
        })?;
    } else {
        show(&pushed, client.server(), screen)?;
    }
    let complete = pushed.pending == 0 && pushed.rejected.is_empty();
    Ok(if complete { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn show(pushed: &PushReport, server: &str, screen: &mut Screen) -> Result<(), Failure> {
    let PushReport { delivered, pending, rejected, blocked, .. } = pushed;
    if *delivered > 0 {
        let delivered = format!("delivered {} to {server}", text::count(*delivered, "span"));
        screen.line(screen.paint(Tone::Good, &delivered))?;
    } else if *pending == 0 && rejected.is_empty() {
        screen.line(format!("nothing waits for {server}"))?;
    }
    for cause in rejected {
        screen.line(screen.paint(Tone::Bad, &format!("refused for good: {}", text::clip(cause, 500))))?;
    }
    if *pending > 0 {
        let until = if blocked.is_empty() { "repeat to go on" } else { "repeat when this has been seen to:" };
        let waiting = format!("{} still wait for {server}; {until}", text::count(*pending, "span"));
        screen.line(screen.paint(Tone::Doubtful, &waiting))?;
    }
    for what in blocked {
        screen.line(format!("  {}", text::clip(what, 500)))?;
    }
    Ok(())
}

/// Drawn on standard error if that is a terminal, else nowhere.
fn bar(hidden: bool) -> ProgressBar {
    let target = if hidden { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
    let bar = ProgressBar::with_draw_target(Some(0), target);
    match ProgressStyle::with_template("{bar:32} {pos} of {len} spans, {per_sec}, {eta} left") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
