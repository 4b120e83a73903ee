//! Which setting decides, and where it stands: the environment of this process, then the assistant's settings of the project (local before shared), then
//! the user's.
//!
//! This is the only room of this crate that reads the environment. Nothing here fails: a settings file that cannot be read is a problem that is named, and
//! holds nothing.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use spanwright::config::{Config, Experiment, Overrides, StorePlace, Variable};

use crate::registration;

/// The switch.
pub const ENABLED: &str = "MLFLOW_CLAUDE_TRACING_ENABLED";
/// Where traces go.
pub const TRACKING_URI: &str = "MLFLOW_TRACKING_URI";
/// The experiment, by number.
pub const EXPERIMENT_ID: &str = "MLFLOW_EXPERIMENT_ID";
/// The experiment, by name.
pub const EXPERIMENT_NAME: &str = "MLFLOW_EXPERIMENT_NAME";
/// What `setup` writes and `disable` takes away.
pub const WRITTEN: [&str; 4] = [ENABLED, TRACKING_URI, EXPERIMENT_ID, EXPERIMENT_NAME];

const CEILING: &str = "SPANWRIGHT_CLAUDE_CEILING_S";
const CEILING_DEFAULT: Duration = Duration::from_secs(30);

/// Every environment variable that this crate reads beside those of `spanwright`.
pub const VARIABLES: [Variable; 2] = [
    Variable {
        name: ENABLED,
        key: "",
        default: "false",
        meaning: "`true`, `1` or `yes`: sessions of Claude Code become traces, once `spanwright claude setup` has registered the hook",
    },
    Variable {
        name: CEILING,
        key: "",
        default: "30",
        meaning: "longest time that what a hook of Claude Code leaves behind may run, seconds",
    },
];

/// A settings file of the assistant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// `~/.claude/settings.json`.
    User,
    /// `.claude/settings.json` of the project.
    Project,
    /// `.claude/settings.local.json` of the project.
    Local,
}

/// Where a value stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The environment of this process.
    Environment,
    /// A settings file.
    File(PathBuf),
}

/// A value, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The value.
    pub value: String,
    /// Where it stands.
    pub origin: Origin,
}

/// What decides for one project.
#[derive(Clone, Debug)]
pub struct Settings {
    project: PathBuf,
    /// The first wins.
    files: Vec<(PathBuf, HashMap<String, String>)>,
    /// What is wrong with settings files, a line each.
    pub problems: Vec<String>,
}

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    env: HashMap<String, serde_json::Value>,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Environment => f.write_str("environment"),
            Self::File(path) => write!(f, "{}", path.display()),
        }
    }
}

impl Settings {
    /// What decides here: for the project the assistant names, else the working folder.
    pub fn here() -> Self {
        Self::of(&project())
    }

    /// What decides for `project`.
    pub fn of(project: &Path) -> Self {
        let mut problems = Vec::new();
        let places = [Place::Local, Place::Project, Place::User].into_iter().filter_map(|place| path(place, project));
        let files = places.filter_map(|path| match registration::read(&path) {
            Ok(text) => match serde_json::from_str::<File>(&text?) {
                Ok(file) => Some((path, variables(file))),
                Err(error) => {
                    problems.push(format!("{} is not read: {error}", path.display()));
                    None
                }
            },
            Err(problem) => {
                problems.push(problem);
                None
            }
        });
        let files = files.collect();
        Self { project: project.to_owned(), files, problems }
    }

    /// The project.
    pub fn project(&self) -> &Path {
        &self.project
    }

    /// The value that is in force; one that is blank is as good as none.
    pub fn find(&self, name: &str) -> Option<Found> {
        self.layers().find_map(|layer| {
            let value = layer.get(name).filter(|value| !value.is_empty())?;
            Some(Found { value, origin: layer.origin() })
        })
    }

    /// Whether turns become traces, and what says so. A switch that is there and blank is off.
    pub fn enabled(&self) -> (bool, Option<Found>) {
        let found = self.layers().find_map(|layer| Some(Found { value: layer.get(ENABLED)?, origin: layer.origin() }));
        (found.as_ref().is_some_and(|found| is_truthy(&found.value)), found)
    }

    /// The experiment; within one place the number beats the name.
    pub fn experiment(&self) -> Option<(Experiment, Origin)> {
        self.layers().find_map(|layer| {
            let said = |name| layer.get(name).filter(|value| !value.is_empty());
            let id = said(EXPERIMENT_ID).map(Experiment::Id);
            Some((id.or_else(|| said(EXPERIMENT_NAME).map(Experiment::Name))?, layer.origin()))
        })
    }

    /// The configuration of the delivery, with the store in `state`; and what is wrong with it, a line each.
    pub fn config(&self, state: &Path) -> (Config, Vec<String>) {
        let env = |name: &str| self.find(name).map(|found| found.value);
        let overrides = Overrides {
            store: Some(StorePlace::At(state.to_owned())),
            experiment: self.experiment().map(|(experiment, _)| experiment),
            // A turn is over before it is told.
            live_after: Some(None),
            ..Overrides::default()
        };
        Config::load(overrides, &env, state)
    }

    fn layers(&self) -> impl Iterator<Item = Layer<'_>> {
        std::iter::once(Layer::Environment).chain(self.files.iter().map(|(path, env)| Layer::File(path, env)))
    }
}

/// One place in which a setting is looked up.
#[derive(Clone, Copy)]
enum Layer<'a> {
    Environment,
    File(&'a Path, &'a HashMap<String, String>),
}

impl Layer<'_> {
    fn get(self, name: &str) -> Option<String> {
        match self {
            Self::Environment => variable(name).map(|value| value.trim().to_owned()),
            Self::File(_, env) => env.get(name).map(|value| value.trim().to_owned()),
        }
    }

    fn origin(self) -> Origin {
        match self {
            Self::Environment => Origin::Environment,
            Self::File(path, _) => Origin::File(path.to_owned()),
        }
    }
}

/// Where a settings file is; `None` if there is no home folder.
pub fn path(place: Place, project: &Path) -> Option<PathBuf> {
    match place {
        Place::User => Some(home()?.join(".claude/settings.json")),
        Place::Project => Some(project.join(".claude/settings.json")),
        Place::Local => Some(project.join(".claude/settings.local.json")),
    }
}

/// Whether a switch is on: `true`, `1` or `yes`, in any case.
pub fn is_truthy(value: &str) -> bool {
    ["true", "1", "yes"].iter().any(|word| value.trim().eq_ignore_ascii_case(word))
}

/// Where the store of all sessions is, and the log: `$XDG_STATE_HOME/spanwright`, else `~/.local/state/spanwright`. `None` if there is neither.
pub fn state_folder() -> Option<PathBuf> {
    let state = variable("XDG_STATE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    state.or_else(|| Some(home()?.join(".local/state"))).map(|folder| folder.join("spanwright"))
}

/// A path as the assistant writes it, with the home folder for `~`.
pub fn expanded(path: &str) -> PathBuf {
    match (path.strip_prefix("~/"), home()) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => PathBuf::from(path),
    }
}

/// Who works here.
pub fn user() -> Option<String> {
    ["USER", "USERNAME"].into_iter().find_map(|name| variable(name).filter(|user| !user.is_empty()))
}

/// Longest time a worker may run.
pub fn ceiling() -> Duration {
    let seconds = variable(CEILING).and_then(|text| text.trim().parse().ok()).filter(|seconds| *seconds > 0.0);
    seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()).unwrap_or(CEILING_DEFAULT)
}

fn project() -> PathBuf {
    let named = variable("CLAUDE_PROJECT_DIR").map(PathBuf::from).filter(|path| path.is_absolute());
    named.or_else(|| std::env::current_dir().ok()).unwrap_or_else(|| PathBuf::from("."))
}

fn home() -> Option<PathBuf> {
    variable("HOME").map(PathBuf::from).filter(|path| path.is_absolute())
}

fn variable(name: &str) -> Option<String> {
    std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
}

/// What a settings file says of the environment: texts, and what can be read as one.
fn variables(file: File) -> HashMap<String, String> {
    let text = |value: serde_json::Value| match value {
        serde_json::Value::String(text) => Some(text),
        serde_json::Value::Bool(_) | serde_json::Value::Number(_) => Some(value.to_string()),
        _ => None,
    };
    file.env.into_iter().filter_map(|(name, value)| Some((name, text(value)?))).collect()
}
