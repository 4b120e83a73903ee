//! The folder of all sessions: the store, the events that wait, who works for which session, and the log.
//!
//! | File | Holds |
//! |---|---|
//! | `store.db`, … | the store, as everywhere |
//! | `claude/<session>-<time>-<process>.json` | an event that waits for a worker |
//! | `claude/<session>.lock` | locked while a worker works for the session |
//! | `claude.log`, `claude.log.1` | what went wrong, and what became of each turn |

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use spanwright::record::rfc3339;

use crate::ids;

/// A longer log is put aside, and the one before it is given up.
const LONGEST_LOG: u64 = 1 << 20;

/// The folder.
#[derive(Clone, Debug)]
pub struct State {
    folder: PathBuf,
}

/// Which hook was called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The assistant is done.
    Stop,
    /// A sub-agent is done.
    SubagentStop,
}

/// An event of the assistant, as far as it concerns us.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Event {
    /// Which hook was called.
    pub kind: Kind,
    /// The project the assistant works in.
    pub project: PathBuf,
    /// Experiment of its traces.
    pub experiment: Option<String>,
    /// What the assistant said.
    pub said: Said,
}

/// What the assistant says to a hook.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Said {
    /// The session.
    pub session_id: Option<String>,
    /// The session's transcript.
    pub transcript_path: Option<String>,
    /// Working folder.
    pub cwd: Option<String>,
    /// What the assistant may do unasked.
    pub permission_mode: Option<String>,
    /// What the assistant said last.
    pub last_assistant_message: Option<String>,
    /// The sub-agent.
    pub agent_id: Option<String>,
    /// What kind it is.
    pub agent_type: Option<String>,
    /// Its transcript.
    pub agent_transcript_path: Option<String>,
}

impl Event {
    /// Its session, as file names have it.
    pub fn session(&self) -> String {
        let said = &self.said;
        let name = said.session_id.as_deref().or(said.transcript_path.as_deref()).unwrap_or_default();
        format!("{:016x}", ids::hash(&[name]))
    }
}

impl State {
    /// The one in `folder`; nothing is made yet.
    pub fn at(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The log.
    pub fn log(&self) -> PathBuf {
        self.folder.join("claude.log")
    }

    fn events_folder(&self) -> PathBuf {
        self.folder.join("claude")
    }

    fn prepare(&self) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(self.events_folder())
    }

    /// Keeps an event until a worker has seen to it.
    pub(crate) fn keep(&self, event: &Event) -> io::Result<()> {
        self.prepare()?;
        let name = format!("{}-{:020}-{}", event.session(), now_ns(), std::process::id());
        let (fresh, place) = [".new", ".json"].map(|end| self.events_folder().join(format!("{name}{end}"))).into();
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
        file.write_all(&serde_json::to_vec(event)?)?;
        drop(file);
        fs::rename(fresh, place)
    }

    /// The events that wait, the oldest first, of `session` or of all.
    pub fn events(&self, session: Option<&str>) -> Vec<PathBuf> {
        let files = fs::read_dir(self.events_folder()).into_iter().flatten().flatten().map(|file| file.path());
        let mut waiting: Vec<_> = files
            .filter(|path| {
                let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
                name.ends_with(".json") && session.is_none_or(|session| name.starts_with(session))
            })
            .collect();
        waiting.sort_by_key(|path| {
            path.file_name().map(|name| name.to_string_lossy().split_once('-').map(|(_, time)| time.to_owned()))
        });
        waiting
    }

    /// The right to work for a session; `None` while another worker does.
    pub(crate) fn lock(&self, session: &str) -> io::Result<Option<File>> {
        self.prepare()?;
        let path = self.events_folder().join(format!("{session}.lock"));
        let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(fs::TryLockError::WouldBlock) => Ok(None),
            Err(fs::TryLockError::Error(error)) => Err(error),
        }
    }

    /// Removes the lock files of sessions nobody works for.
    pub(crate) fn tidy(&self) {
        for file in fs::read_dir(self.events_folder()).into_iter().flatten().flatten() {
            let old = file
                .metadata()
                .and_then(|known| known.modified())
                .is_ok_and(|time| time.elapsed().is_ok_and(|age| age.as_secs() > 24 * 60 * 60));
            if old && file.path().extension().is_some_and(|end| end == "lock" || end == "new") {
                let _ = fs::remove_file(file.path());
            }
        }
    }

    /// Writes a line to the log. Where that cannot be written, nothing can be said.
    pub fn say(&self, level: Level, line: &str) {
        let write = || -> io::Result<()> {
            self.prepare()?;
            let path = self.log();
            if fs::metadata(&path).is_ok_and(|log| log.len() > LONGEST_LOG) {
                fs::rename(&path, path.with_extension("log.1"))?;
            }
            let line = line.replace(['\n', '\r'], " ");
            let line = format!("{} - spanwright.claude - {} - {line}\n", rfc3339(now_ns()), level.as_str());
            OpenOptions::new().append(true).create(true).mode(0o600).open(path)?.write_all(line.as_bytes())
        };
        let _ = write();
    }

    /// The last line of the log that says that something went wrong.
    pub fn last_failure(&self) -> Option<String> {
        let text = fs::read(self.log()).ok()?;
        let text = String::from_utf8_lossy(&text);
        let is_failure = |line: &&str| {
            [Level::Warning, Level::Error].iter().any(|level| line.contains(&format!(" - {} - ", level.as_str())))
        };
        text.lines().rev().find(is_failure).map(str::to_owned)
    }
}

/// How much a line of the log matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// As it should be.
    Info,
    /// A turn is delayed, or not traced.
    Warning,
    /// Something does not work.
    Error,
}

impl Level {
    fn as_str(self) -> &'static str {
        match self {
            Self::Info => "INFO",
            Self::Warning => "WARNING",
            Self::Error => "ERROR",
        }
    }
}

pub(crate) fn now_ns() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}
