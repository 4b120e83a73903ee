//! `spanwright claude setup` and `disable`: our hooks in the assistant's settings.

use std::path::PathBuf;
use std::process::ExitCode;

use serde::Serialize;
use spanwright::config::Experiment;
use spanwright_claude::hook;
use spanwright_claude::registration::{edit, register, unregister};
use spanwright_claude::settings::{
    ENABLED, EXPERIMENT_ID, EXPERIMENT_NAME, Place, Settings, TRACKING_URI, WRITTEN, path,
};

use crate::args::{ClaudeFiles, ClaudeSetup};
use crate::failure::Failure;
use crate::screen::{Screen, Tone};

/// What `--json` prints.
#[derive(Serialize)]
struct Changed {
    enabled: bool,
    changed: Vec<PathBuf>,
}

const ENABLE: &str = "set MLFLOW_CLAUDE_TRACING_ENABLED=true and run this again, or give --enable";

/// Registers the hooks, if tracing is wanted.
pub fn setup(args: &ClaudeSetup, screen: &mut Screen) -> Result<ExitCode, Failure> {
    let settings = Settings::here();
    if !args.enable && !settings.enabled().0 {
        if screen.json {
            screen.object(&Changed { enabled: false, changed: Vec::new() })?;
        } else {
            screen.line(format!("nothing is written: tracing of Claude Code is not switched on; {ENABLE}"))?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let place = args.files.place().unwrap_or(Place::User);
    let file = path(place, settings.project()).ok_or_else(no_home)?;
    let hooks = hook::commands().map_err(|error| {
        Failure::said(format!("cannot tell where this program is: {error}"), "start it by its absolute path")
    })?;
    let variables = variables(args, &settings);
    let uri = variables.iter().find(|(name, _)| *name == TRACKING_URI).and_then(|(_, value)| value.clone());
    if place == Place::Project && uri.as_deref().is_some_and(|uri| uri.contains('@')) {
        return Err(Failure::said(
            "the tracking URI has a password, and the settings of a project are shared",
            "use --local or --user, or MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD",
        ));
    }
    let changed = edit(&file, |text| register(text, &hooks, &variables)).map_err(unusable)?;
    if screen.json {
        screen.object(&Changed { enabled: true, changed: changed.then_some(file).into_iter().collect() })?;
        return Ok(ExitCode::SUCCESS);
    }
    let shown = file.display();
    screen.line(match changed {
        true => screen.paint(Tone::Good, &format!("registered the Stop hooks in {shown}")),
        false => format!("the Stop hooks are registered in {shown} already"),
    })?;
    if uri.is_none() {
        screen.line("no server is named: turns stay in the store until MLFLOW_TRACKING_URI names one")?;
    }
    screen.line("`spanwright claude doctor` checks whether turns arrive")?;
    Ok(ExitCode::SUCCESS)
}

/// What is written beside the switch: what was given, else what is in force. The other name of the experiment goes.
fn variables(args: &ClaudeSetup, settings: &Settings) -> Vec<(&'static str, Option<String>)> {
    let mut variables = vec![(ENABLED, Some("true".to_owned()))];
    let uri = args.tracking_uri.clone().or_else(|| settings.find(TRACKING_URI).map(|found| found.value));
    variables.extend(uri.map(|uri| (TRACKING_URI, Some(uri))));
    let given = args.experiment_id.clone().map(Experiment::Id);
    let given = given.or_else(|| args.experiment_name.clone().map(Experiment::Name));
    match given.or_else(|| settings.experiment().map(|(experiment, _)| experiment)) {
        Some(Experiment::Id(id)) => variables.extend([(EXPERIMENT_ID, Some(id)), (EXPERIMENT_NAME, None)]),
        Some(Experiment::Name(name)) => variables.extend([(EXPERIMENT_NAME, Some(name)), (EXPERIMENT_ID, None)]),
        None => {}
    }
    variables
}

/// Takes our hooks and variables out again, and those of earlier ways to trace the assistant.
pub fn disable(which: &ClaudeFiles, screen: &mut Screen) -> Result<ExitCode, Failure> {
    let settings = Settings::here();
    let places = which.place().map_or_else(|| vec![Place::User, Place::Project, Place::Local], |place| vec![place]);
    let mut changed = Vec::new();
    for file in places.into_iter().filter_map(|place| path(place, settings.project())) {
        if !changed.contains(&file) && edit(&file, |text| unregister(text, &WRITTEN)).map_err(unusable)? {
            changed.push(file);
        }
    }
    if screen.json {
        screen.object(&Changed { enabled: false, changed })?;
        return Ok(ExitCode::SUCCESS);
    }
    if changed.is_empty() {
        screen.line("nothing to remove: tracing of Claude Code was not enabled")?;
    }
    for file in changed {
        screen.line(format!("removed the hooks from {}", file.display()))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn unusable(what: String) -> Failure {
    Failure::said(what, "nothing was changed")
}

fn no_home() -> Failure {
    Failure::said(
        "there is no home folder to find the assistant's settings in",
        "set HOME, or give --project or --local",
    )
}
