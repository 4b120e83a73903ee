//! `spanwright claude convert`: a transcript as traces, shown, stored, delivered.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::UNIX_EPOCH;

use serde::Serialize;
use spanwright::config::{Config, Destination};
use spanwright::export::Client;
use spanwright::record::SpanRecord;
use spanwright::store::{Adopt, Store};
use spanwright::tree::{Style, render};
use spanwright::{Retelling, TraceId};
use spanwright_claude::agents::Agents;
use spanwright_claude::keeping::{Keeper, Kept};
use spanwright_claude::settings::{self, Settings};
use spanwright_claude::spans::{Subject, tell};
use spanwright_claude::transcript::{RawTurn, Scope, Turns, last_turn};
use spanwright_claude::turn::Turn;

use crate::args::ClaudeConvert;
use crate::failure::Failure;
use crate::place::folder_of;
use crate::screen::{Screen, Tone};
use crate::text;

/// What `--json` prints.
#[derive(Serialize)]
struct Converted {
    store: Option<PathBuf>,
    traces: Vec<Trace>,
    delivered: Option<u64>,
}

#[derive(Serialize)]
struct Trace {
    trace_id: String,
    was_known: bool,
    notices: Vec<String>,
    spans: Vec<SpanRecord>,
}

/// Runs the command.
pub fn run(args: &ClaudeConvert, store: Option<&Path>, screen: &mut Screen) -> Result<ExitCode, Failure> {
    let settings = Settings::here();
    let folder = store.map(folder_of).or_else(settings::state_folder).ok_or_else(|| {
        Failure::said("there is no folder for the store", "give --store PATH, or set HOME or XDG_STATE_HOME")
    })?;
    let (config, _) = settings.config(&folder);
    if args.push && !matches!(config.destination.value, Destination::Http(_)) {
        return Err(Failure::said("there is no server to deliver to", "set MLFLOW_TRACKING_URI"));
    }
    let kept = if args.dry_run { None } else { Some(Store::open(&folder)?) };
    let mut telling = Telling {
        file: &args.file,
        written_ns: written_ns(&args.file),
        agents: Agents::beside(&args.file),
        subject: Subject {
            user: settings::user(),
            experiment: settings.experiment().map(|(experiment, _)| match experiment {
                spanwright::config::Experiment::Id(text) | spanwright::config::Experiment::Name(text) => text,
            }),
            ..Subject::default()
        },
        keeper: kept.as_ref().map(|store| Keeper::new(store, &config)),
        retelling: Retelling::new(&config),
        scope: if is_agent(&args.file) { Scope::Agent } else { Scope::Session },
    };
    let mut traces = Vec::new();
    telling.each(args.all_turns, |kept| {
        let trace = trace(kept);
        if screen.json {
            traces.push(trace);
            return Ok(());
        }
        show(&trace, args.dry_run, screen)
    })?;
    let delivered = match &kept {
        Some(store) if args.push => Some(push(store, &config)?),
        _ => None,
    };
    if screen.json {
        screen.object(&Converted { store: kept.map(|_| folder), traces, delivered })?;
    } else if let Some(spans) = delivered {
        screen.line(screen.paint(Tone::Good, &format!("delivered {}", text::count(spans, "span"))))?;
    }
    Ok(ExitCode::SUCCESS)
}

struct Telling<'a> {
    file: &'a Path,
    written_ns: u64,
    agents: Agents,
    subject: Subject,
    keeper: Option<Keeper<'a>>,
    retelling: Retelling,
    scope: Scope,
}

impl Telling<'_> {
    /// Tells the last turn, or each.
    fn each(&mut self, all: bool, mut on: impl FnMut(Kept) -> Result<(), Failure>) -> Result<(), Failure> {
        let shown = self.file.display().to_string();
        let failed = |error: std::io::Error| {
            Failure::said(format!("cannot read {shown}: {error}"), "give the transcript of a session")
        };
        let file = BufReader::with_capacity(1 << 16, File::open(self.file).map_err(failed)?);
        let mut any = false;
        if all {
            for raw in Turns::of(file, self.scope) {
                let raw = raw.map_err(failed)?;
                if !raw.is_unanswered_command {
                    any = true;
                    on(self.tell(&raw)?)?;
                }
            }
        } else if let Some(raw) = last_turn(file, self.scope).map_err(failed)? {
            any = true;
            on(self.tell(&raw)?)?;
        }
        if any {
            Ok(())
        } else {
            Err(Failure::said(format!("nobody has asked anything in {shown}"), "give the transcript of a session"))
        }
    }

    fn tell(&mut self, raw: &RawTurn) -> Result<Kept, Failure> {
        match &mut self.keeper {
            Some(keeper) => Ok(keeper.keep(raw, self.scope, &self.subject, &self.agents, self.written_ns)?),
            None => {
                let turn = Turn::of(raw, self.scope, self.written_ns);
                let told = tell(&turn, &self.subject, Some(&self.agents), &mut self.retelling);
                Ok(Kept { told, was_known: false })
            }
        }
    }
}

/// Files of sub-agents are named so.
fn is_agent(file: &Path) -> bool {
    file.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with("agent-"))
}

fn written_ns(file: &Path) -> u64 {
    let written = file.metadata().and_then(|known| known.modified()).ok();
    let since = written.and_then(|time| time.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

fn trace(kept: Kept) -> Trace {
    let id: Option<TraceId> = kept.told.spans.first().map(|root| root.trace_id);
    let trace_id = id.map(|id| format!("tr-{id}")).unwrap_or_default();
    Trace { trace_id, was_known: kept.was_known, notices: kept.told.notices, spans: kept.told.spans }
}

fn show(trace: &Trace, is_dry: bool, screen: &mut Screen) -> Result<(), Failure> {
    let what = match (is_dry, trace.was_known) {
        (true, _) => "not stored",
        (false, true) => "known already",
        (false, false) => "stored",
    };
    screen.line(format!("{}  {}  {what}", trace.trace_id, text::count(trace.spans.len() as u64, "span")))?;
    for line in render(&trace.spans, Style::drawn()).lines() {
        screen.line(text::clip(line, 1000))?;
    }
    for notice in &trace.notices {
        screen.line(screen.paint(Tone::Doubtful, notice))?;
    }
    Ok(())
}

/// Delivers what waits for the server, and what was stored before there was one.
fn push(store: &Store, config: &Config) -> Result<u64, Failure> {
    let client = Client::connect(config)?;
    client.probe()?;
    let pushed = client.push(store, Adopt::Undirected, |_| {})?;
    match (pushed.rejected.first(), pushed.blocked.first()) {
        (Some(why), _) | (None, Some(why)) => Err(Failure::said(why.clone(), "`spanwright push` repeats it")),
        (None, None) => Ok(pushed.delivered),
    }
}
