//! `spanwright doctor`: is everything in place for traces to be recorded and to reach their destination?
//!
//! Each check looks at one thing and depends on those before it; the first that failed is the verdict.

mod checks;

use std::path::Path;
use std::process::ExitCode;

use serde::Serialize;
use spanwright::config::Source;
use spanwright::store::Statistics;

use crate::args::Doctor;
use crate::failure::Failure;
use crate::place::Place;
use crate::screen::{Screen, Tone};
use crate::text::{self, Align};

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Diagnosis {
    healthy: bool,
    summary: String,
    checks: Vec<Check>,
    settings: Vec<Setting>,
    /// How much of what has ended may go with a traced program that is killed, in milliseconds; null if it was not looked at.
    window_ms: Option<u64>,
    store: Option<Statistics>,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    pub name: &'static str,
    pub status: Status,
    pub detail: String,
    pub remedy: Option<String>,
}

/// How it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// As it should be.
    Ok,
    /// It works, and something about it should be known.
    Warning,
    /// It does not work.
    Failed,
    /// It was not looked at, because of something before it.
    Skipped,
}

/// A setting and where it came from.
#[derive(Debug, Serialize)]
struct Setting {
    name: String,
    value: String,
    source: String,
}

impl Check {
    pub fn ok(name: &'static str, detail: impl Into<String>) -> Self {
        Self { name, status: Status::Ok, detail: detail.into(), remedy: None }
    }

    fn skipped(name: &'static str, detail: impl Into<String>) -> Self {
        Self { name, status: Status::Skipped, detail: detail.into(), remedy: None }
    }

    pub fn warning(name: &'static str, detail: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { name, status: Status::Warning, detail: detail.into(), remedy: Some(remedy.into()) }
    }

    pub fn failed(name: &'static str, detail: impl Into<String>, remedy: Option<String>) -> Self {
        Self { name, status: Status::Failed, detail: detail.into(), remedy }
    }
}

/// Runs the command.
pub fn run(args: &Doctor, store: Option<&Path>, screen: &mut Screen) -> Result<ExitCode, Failure> {
    let diagnosis = examine(&Place::here(store, args.to.as_deref()), args.to.as_deref());
    if screen.json {
        screen.object(&diagnosis)?;
    } else {
        show(&diagnosis, screen)?;
    }
    Ok(if diagnosis.healthy { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn examine(place: &Place, to: Option<&str>) -> Diagnosis {
    let mut checks = vec![checks::configuration(place)];
    let (store, statistics) = checks::store(place);
    checks.extend(store);
    let (server, works) = checks::server(place, to);
    checks.extend(server);
    let failed = checks.iter().find(|check| check.status == Status::Failed);
    let doubtful = checks.iter().find(|check| check.status == Status::Warning);
    let summary = match (failed, doubtful) {
        (Some(check), _) => said(check),
        (None, Some(check)) => format!("{works}; but {}", said(check)),
        (None, None) => works,
    };
    let window_ms = checks.iter().find(|check| check.name == checks::CHUNKS).map(checks::window_ms);
    let settings = place.config.settings().into_iter();
    let without_effect = place.config.without_effect.iter().map(|variable| Setting {
        name: variable.name.to_owned(),
        value: variable.value.clone(),
        source: format!("no effect: {}", variable.why),
    });
    Diagnosis {
        healthy: failed.is_none(),
        summary,
        settings: settings
            .map(|shown| Setting { name: shown.name.to_owned(), value: shown.value, source: source(&shown.source) })
            .chain(without_effect)
            .collect(),
        window_ms,
        store: statistics,
        checks,
    }
}

fn said(check: &Check) -> String {
    match &check.remedy {
        Some(remedy) => format!("{}: {}; {remedy}", check.name, check.detail),
        None => format!("{}: {}", check.name, check.detail),
    }
}

fn source(source: &Source) -> String {
    match source {
        Source::Default => "default".into(),
        Source::File(file, Some(line)) => format!("{}:{line}", file.display()),
        Source::File(file, None) => file.display().to_string(),
        Source::Env(name) => format!("environment {name}"),
        Source::Code => "command line".into(),
    }
}

fn show(diagnosis: &Diagnosis, screen: &mut Screen) -> Result<(), Failure> {
    screen.line(screen.paint(Tone::Strong, "Settings"))?;
    let rows: Vec<[String; 3]> = diagnosis
        .settings
        .iter()
        .map(|setting| [setting.name.clone(), shown(&setting.value), setting.source.clone()])
        .collect();
    for [name, value, source] in text::table([Align::Left; 3], &rows) {
        screen.line(format!("  {name}  {value}  {}", screen.paint(Tone::Faint, &source)))?;
    }

    screen.line("")?;
    screen.line(screen.paint(Tone::Strong, "Checks"))?;
    let rows: Vec<[String; 3]> = diagnosis
        .checks
        .iter()
        .map(|check| {
            [word(check.status).0.to_owned(), check.name.to_owned(), text::clip(&check.detail, 400).into_owned()]
        })
        .collect();
    for (row, check) in text::table([Align::Left; 3], &rows).iter().zip(&diagnosis.checks) {
        let [status, name, detail] = row;
        screen.line(format!("  {}  {name}  {detail}", screen.paint(word(check.status).1, status)))?;
    }

    screen.line("")?;
    let tone = if diagnosis.healthy { Tone::Good } else { Tone::Bad };
    let summary = text::clip(&diagnosis.summary, 1000);
    screen.line(screen.paint(tone, &summary))?;
    Ok(())
}

/// A value as one cell.
fn shown(value: &str) -> String {
    if value.is_empty() { "-".into() } else { text::clip(value, 60).into_owned() }
}

/// The word for a status.
pub fn word(status: Status) -> (&'static str, Tone) {
    match status {
        Status::Ok => ("ok", Tone::Good),
        Status::Warning => ("look", Tone::Doubtful),
        Status::Failed => ("FAILED", Tone::Bad),
        Status::Skipped => ("-", Tone::Faint),
    }
}
