//! `spanwright claude status` and `doctor`: what decides, and whether turns arrive.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde::Serialize;
use spanwright::config::{Config, Destination, Experiment};
use spanwright::export::Client;
use spanwright::store::Store;
use spanwright_claude::registration::{Registered, read};
use spanwright_claude::settings::{self, ENABLED, Place, Settings, TRACKING_URI, path};
use spanwright_claude::state::State;
use spanwright_claude::worker::waiting;

use crate::doctor::{Check, Status, word};
use crate::failure::Failure;
use crate::screen::{Screen, Tone};
use crate::text::{self, Align};

/// What `--json` prints of `status`.
#[derive(Serialize)]
struct Shown {
    enabled: bool,
    tracking_uri: Option<String>,
    experiment: Option<String>,
    settings: Vec<Line>,
    hooks: Vec<Hooks>,
}

/// What `--json` prints of `doctor`.
#[derive(Serialize)]
struct Diagnosis {
    healthy: bool,
    checks: Vec<Check>,
}

/// A setting, its value without secrets, and where it stands.
#[derive(Serialize)]
struct Line {
    name: &'static str,
    value: String,
    source: String,
}

/// What is registered in a settings file.
#[derive(Serialize)]
struct Hooks {
    file: PathBuf,
    stop: usize,
    own: usize,
    old: usize,
    commands: Vec<String>,
}

/// Shows what decides.
pub fn status(screen: &mut Screen) -> Result<ExitCode, Failure> {
    let settings = Settings::here();
    let config = config(&settings);
    let (hooks, problems) = hooks(settings.project());
    let shown = Shown {
        enabled: settings.enabled().0,
        tracking_uri: server(&config),
        experiment: experiment(&settings).map(|(text, _)| text),
        settings: lines(&settings, &config),
        hooks,
    };
    if screen.json {
        screen.object(&shown)?;
        return Ok(ExitCode::SUCCESS);
    }
    let (tone, words) = if shown.enabled { (Tone::Good, "on") } else { (Tone::Doubtful, "off") };
    screen.line(format!("tracing of Claude Code is {}", screen.paint(tone, words)))?;
    let rows: Vec<_> =
        shown.settings.iter().map(|line| [line.name.to_owned(), line.value.clone(), line.source.clone()]).collect();
    for [name, value, source] in text::table([Align::Left; 3], &rows) {
        screen.line(format!("  {name}  {value}  {}", screen.paint(Tone::Faint, &source)))?;
    }
    if shown.hooks.is_empty() {
        screen.line("no hook is registered; `spanwright claude setup` does that")?;
    }
    for hooks in &shown.hooks {
        screen.line(format!("{} in {}", text::count(hooks.own as u64, "hook"), hooks.file.display()))?;
    }
    for problem in settings.problems.iter().chain(&problems) {
        screen.line(screen.paint(Tone::Bad, problem))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn config(settings: &Settings) -> Config {
    settings.config(&settings::state_folder().unwrap_or_default()).0
}

fn server(config: &Config) -> Option<String> {
    match &config.destination.value {
        Destination::Http(uri) | Destination::Unsupported(uri) => Some(uri.to_string()),
        Destination::StoreOnly => None,
    }
}

fn experiment(settings: &Settings) -> Option<(String, String)> {
    settings.experiment().map(|(experiment, origin)| match experiment {
        Experiment::Id(id) => (format!("id {id}"), origin.to_string()),
        Experiment::Name(name) => (name, origin.to_string()),
    })
}

fn lines(settings: &Settings, config: &Config) -> Vec<Line> {
    let line = |name, value: Option<String>, source: Option<String>| Line {
        name,
        value: value.unwrap_or_else(|| "-".into()),
        source: source.unwrap_or_else(|| "default".into()),
    };
    let enabled = settings.enabled().1;
    let uri = settings.find(TRACKING_URI);
    let (experiment, named_by) = experiment(settings).unzip();
    vec![
        line(ENABLED, enabled.as_ref().map(|found| found.value.clone()), enabled.map(|found| found.origin.to_string())),
        line(TRACKING_URI, server(config), uri.map(|found| found.origin.to_string())),
        line("experiment", experiment, named_by),
    ]
}

/// What is registered, file by file, and the files that cannot be read.
fn hooks(project: &Path) -> (Vec<Hooks>, Vec<String>) {
    let (mut found, mut problems, mut seen) = (Vec::new(), Vec::new(), Vec::new());
    for file in [Place::User, Place::Project, Place::Local].into_iter().filter_map(|place| path(place, project)) {
        if seen.contains(&file) {
            continue;
        }
        seen.push(file.clone());
        match read(&file).and_then(|text| text.map(|text| Registered::of(&text)).transpose()) {
            Ok(Some(Registered { own, stop, old, commands })) if own + old > 0 => {
                found.push(Hooks { file, stop, own, old, commands });
            }
            Ok(_) => {}
            Err(problem) => problems.push(format!("{}: {problem}", file.display())),
        }
    }
    (found, problems)
}

/// Checks whether turns become traces and arrive.
pub fn doctor(screen: &mut Screen) -> Result<ExitCode, Failure> {
    let settings = Settings::here();
    let mut checks = vec![switch(&settings), registration(settings.project())];
    checks.extend(
        settings
            .problems
            .iter()
            .map(|problem| Check::failed("settings", problem.clone(), Some("correct the file by hand".into()))),
    );
    let state = settings::state_folder().map(State::at);
    checks.extend(delivery(&settings, state.as_ref()));
    if let Some(state) = &state {
        checks.push(spooled(state));
        checks.push(match state.last_failure() {
            None => Check::ok("log", format!("no failure in {}", state.log().display())),
            Some(line) => Check::warning("log", line, format!("see {}", state.log().display())),
        });
    }
    let healthy = checks.iter().all(|check| check.status != Status::Failed);
    if screen.json {
        screen.object(&Diagnosis { healthy, checks })?;
    } else {
        for check in &checks {
            let (name, tone) = word(check.status);
            let detail = text::clip(&check.detail, 400);
            screen.line(format!("  {}  {:<10}  {detail}", screen.paint(tone, &format!("{name:<6}")), check.name))?;
            if let Some(remedy) = &check.remedy {
                screen.line(format!("                      {}", text::clip(remedy, 400)))?;
            }
        }
    }
    Ok(if healthy { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn switch(settings: &Settings) -> Check {
    let remedy = "set MLFLOW_CLAUDE_TRACING_ENABLED=true, or run `spanwright claude setup --enable`";
    match settings.enabled() {
        (true, Some(found)) => Check::ok("switch", format!("{ENABLED}={} by {}", found.value, found.origin)),
        (_, Some(found)) => Check::failed(
            "switch",
            format!("{ENABLED}={} by {} switches tracing off", found.value, found.origin),
            Some(remedy.into()),
        ),
        (_, None) => Check::failed("switch", format!("{ENABLED} is not set anywhere"), Some(remedy.into())),
    }
}

fn registration(project: &Path) -> Check {
    const SETUP: &str = "run `spanwright claude setup`";
    let (hooks, problems) = hooks(project);
    if let Some(problem) = problems.first() {
        return Check::failed("hooks", problem.clone(), Some("correct the file by hand".into()));
    }
    let (stop, old) = hooks.iter().fold((0, 0), |(stop, old), hooks| (stop + hooks.stop, old + hooks.old));
    let files: Vec<_> = hooks.iter().map(|hooks| hooks.file.display().to_string()).collect();
    let commands = hooks.iter().flat_map(|hooks| &hooks.commands);
    let gone = commands.filter_map(|command| program(command)).find(|program| !program.exists());
    match (stop, old, gone) {
        (0, 0, _) => Check::failed("hooks", "no Stop hook is registered", Some(SETUP.into())),
        (_, 1.., _) => Check::warning("hooks", format!("{old} of MLflow's own are registered too"), SETUP),
        (_, _, Some(gone)) => {
            Check::failed("hooks", format!("{} is not there any more", gone.display()), Some(SETUP.into()))
        }
        (1, ..) => Check::ok("hooks", format!("registered once, in {}", files.join(", "))),
        _ => Check::warning(
            "hooks",
            format!("registered {stop} times, in {}", files.join(", ")),
            "a turn is traced once all the same; run `spanwright claude disable` for all but one",
        ),
    }
}

/// The program of one of our commands.
fn program(command: &str) -> Option<PathBuf> {
    let (program, _) = command.rsplit_once(" claude ")?;
    let program = program.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')).unwrap_or(program);
    Some(PathBuf::from(program.replace(r"'\''", "'")))
}

fn delivery(settings: &Settings, state: Option<&State>) -> Vec<Check> {
    let Some(state) = state else {
        return vec![Check::failed(
            "state",
            "there is no folder for the store",
            Some("set HOME or XDG_STATE_HOME".into()),
        )];
    };
    let (config, warnings) = settings.config(state.folder());
    let mut checks: Vec<_> =
        warnings.iter().map(|warning| Check::warning("settings", warning.clone(), "correct it")).collect();
    if server(&config).is_none() {
        checks.push(Check::warning("server", "no server is named: turns stay in the store", "set MLFLOW_TRACKING_URI"));
        return checks;
    }
    let asked = Client::connect(&config).and_then(|client| client.probe().map(|info| (client, info)));
    let (client, info) = match asked {
        Ok(answered) => answered,
        Err(error) => {
            checks.push(Check::failed("server", format!("{error:#}"), None));
            return checks;
        }
    };
    let version =
        info.version.map_or_else(|| "MLflow of unknown version".into(), |version| format!("MLflow {version}"));
    checks.push(Check::ok("server", format!("{} is {version}", client.server())));
    let by = experiment(settings).map_or_else(|| "by default".into(), |(name, origin)| format!("{name}, by {origin}"));
    checks.push(match client.experiment() {
        Ok(id) => Check::ok("experiment", format!("{id} ({by})")),
        Err(error) => Check::failed("experiment", format!("{error:#}"), None),
    });
    checks
}

fn spooled(state: &State) -> Check {
    let (events, _) = waiting(state);
    let statistics =
        Store::open_existing(state.folder()).and_then(|store| store.map(|store| store.statistics()).transpose());
    let backlog = match statistics {
        Ok(statistics) => statistics.map(|statistics| statistics.backlog).unwrap_or_default(),
        Err(error) => return Check::failed("store", format!("{error:#}"), None),
    };
    let traces: u64 =
        backlog.iter().filter(|backlog| backlog.destination.is_some()).map(|backlog| backlog.pending.traces).sum();
    let detail = format!("{} and {} wait", text::count(traces, "turn"), text::count(events as u64, "event"));
    match traces + events as u64 {
        0 => Check::ok("spooled", detail),
        _ => Check::warning(
            "spooled",
            detail,
            format!("the next hook delivers them, or `spanwright push --store {}`", state.folder().display()),
        ),
    }
}
