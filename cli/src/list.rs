//! `spanwright list`: the stored traces, newest first.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde::Serialize;
use spanwright::store::{TraceFilter, TraceState, TraceSummary};

use crate::args::List;
use crate::failure::Failure;
use crate::place::Place;
use crate::screen::{Screen, Tone};
use crate::text::{self, Align};

/// What `--json` prints.
#[derive(Serialize)]
struct Listing {
    store: Option<PathBuf>,
    traces: Vec<Line>,
}

/// One trace, as `list` and `tree` print it in JSON. Its field names are kept.
#[derive(Debug, Serialize)]
pub struct Line {
    trace_id: String,
    name: String,
    state: TraceState,
    started: String,
    duration_ms: Option<f64>,
    spans: u64,
    errors: u64,
    tokens: u64,
    workflow: Option<String>,
    session: Option<String>,
    user: Option<String>,
    experiment: Option<String>,
    destination: Option<String>,
    delivery: Delivery,
    undelivered: u64,
    rejected: u64,
}

/// How far the delivery of a trace is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Delivery {
    /// It has no destination: it stays here.
    Local,
    /// Some of it waits.
    Pending,
    /// Nothing waits, but the server refused some of it.
    PartlyRejected,
    /// The server has it.
    Delivered,
}

impl Delivery {
    /// How far the delivery of this trace is.
    pub fn of(trace: &TraceSummary) -> Self {
        match trace {
            TraceSummary { destination: None, .. } => Self::Local,
            TraceSummary { undelivered: 1.., .. } => Self::Pending,
            TraceSummary { rejected: 1.., .. } => Self::PartlyRejected,
            _ => Self::Delivered,
        }
    }
}

impl Line {
    /// What is said of this trace.
    pub fn of(trace: &TraceSummary) -> Self {
        let trace = trace.clone();
        Self {
            trace_id: format!("tr-{}", trace.trace_id),
            state: trace.state,
            started: text::rfc3339(trace.start_unix_ns),
            duration_ms: duration_ns(&trace).map(|ns| ns as f64 / 1e6),
            spans: trace.spans,
            errors: trace.errors,
            tokens: trace.tokens,
            delivery: Delivery::of(&trace),
            undelivered: trace.undelivered,
            rejected: trace.rejected,
            name: trace.name,
            workflow: trace.workflow,
            session: trace.session,
            user: trace.user,
            experiment: trace.experiment,
            destination: trace.destination,
        }
    }
}

/// Runs the command.
pub fn run(args: &List, store: Option<&Path>, screen: &mut Screen) -> Result<ExitCode, Failure> {
    let place = Place::here(store, None);
    let Some(store) = place.store()? else {
        if screen.json {
            screen.object(&Listing { store: place.folder(), traces: Vec::new() })?;
            return Ok(ExitCode::SUCCESS);
        }
        return place.store_with_traces().map(|_| ExitCode::SUCCESS);
    };
    let filter = TraceFilter {
        limit: usize::try_from(args.limit).unwrap_or(usize::MAX),
        session: args.session.clone(),
        workflow: args.workflow.clone(),
    };
    let traces = store.traces(&filter)?;
    if screen.json {
        let traces = traces.iter().map(Line::of).collect();
        screen.object(&Listing { store: store.folder().map(Path::to_owned), traces })?;
    } else if traces.is_empty() && args.session.is_none() && args.workflow.is_none() {
        return Err(Place::empty(&store));
    } else if traces.is_empty() {
        screen.line("no stored trace matches")?;
    } else {
        show(&traces, screen)?;
        let shown = traces.len() as u64;
        let stored = store.statistics()?.stored.traces;
        if shown == args.limit && stored > shown {
            let note = format!("{shown} of {stored} traces; more with -n {stored}");
            screen.line(screen.paint(Tone::Faint, &note))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

const HEADINGS: [&str; 8] = ["TRACE", "STARTED (UTC)", "NAME", "STATE", "DURATION", "SPANS", "TOKENS", "DELIVERY"];

fn show(traces: &[TraceSummary], screen: &mut Screen) -> Result<(), Failure> {
    use Align::{Left, Right};
    let mut rows = vec![HEADINGS.map(str::to_owned)];
    rows.extend(traces.iter().map(row));
    let table = text::table([Left, Left, Left, Left, Right, Right, Right, Left], &rows);
    for (index, mut cells) in table.into_iter().enumerate() {
        match index.checked_sub(1).map(|index| &traces[index]) {
            None => cells = cells.map(|cell| screen.paint(Tone::Strong, &cell)),
            Some(trace) => {
                cells[3] = screen.paint(tone_of(trace.state), &cells[3]);
                cells[7] = screen.paint(delivery_tone(Delivery::of(trace)), &cells[7]);
            }
        }
        screen.line(cells.join("  ").trim_end())?;
    }
    Ok(())
}

fn row(trace: &TraceSummary) -> [String; 8] {
    [
        trace.trace_id.to_string()[..12].to_owned(),
        text::time(trace.start_unix_ns),
        text::clip(&trace.name, 40).into_owned(),
        state(trace).to_owned(),
        duration_ns(trace).map_or_else(|| "-".into(), text::duration),
        trace.spans.to_string(),
        if trace.tokens == 0 { "-".into() } else { trace.tokens.to_string() },
        delivery(trace),
    ]
}

/// The state of a trace, a word.
pub fn state(trace: &TraceSummary) -> &'static str {
    match trace.state {
        TraceState::Running => "running",
        TraceState::Ok => "ok",
        TraceState::Error => "error",
    }
}

/// The colour of that word.
pub fn tone_of(state: TraceState) -> Tone {
    match state {
        TraceState::Running => Tone::Doubtful,
        TraceState::Ok => Tone::Good,
        TraceState::Error => Tone::Bad,
    }
}

/// From the first start to the last end; none while it is running.
pub fn duration_ns(trace: &TraceSummary) -> Option<u64> {
    (trace.state != TraceState::Running).then(|| trace.end_unix_ns.saturating_sub(trace.start_unix_ns))
}

/// How far the delivery of a trace is, in words.
pub fn delivery(trace: &TraceSummary) -> String {
    match Delivery::of(trace) {
        Delivery::Local => "local".into(),
        Delivery::Pending => format!("{} waiting", text::count(trace.undelivered, "span")),
        Delivery::PartlyRejected => format!("{} refused", text::count(trace.rejected, "span")),
        Delivery::Delivered => "delivered".into(),
    }
}

/// The colour of those words.
fn delivery_tone(delivery: Delivery) -> Tone {
    match delivery {
        Delivery::Local => Tone::Faint,
        Delivery::Pending => Tone::Doubtful,
        Delivery::PartlyRejected => Tone::Bad,
        Delivery::Delivered => Tone::Good,
    }
}
