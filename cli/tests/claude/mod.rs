//! `spanwright claude`, as the assistant and its user meet it.

mod files;
mod hooks;
mod server;
mod session;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use spanwright::record::SpanRecord;
use spanwright::store::{Store, TraceFilter, TraceSummary};

use crate::ground::{Ground, Run};

const ENABLED: &str = "MLFLOW_CLAUDE_TRACING_ENABLED";

/// A recorded transcript, or what the assistant says of one.
pub fn recorded(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../claude/tests/data/transcripts").join(name)
}

/// What the assistant says to a hook.
pub fn event(name: &str) -> Value {
    serde_json::from_str(&fs::read_to_string(recorded(name)).unwrap()).unwrap()
}

/// A user with sessions of the assistant.
pub struct User {
    pub ground: Ground,
}

impl User {
    pub fn new() -> Self {
        Self { ground: Ground::new() }
    }

    pub fn home(&self) -> &Path {
        self.ground.folder.path()
    }

    pub fn state(&self) -> PathBuf {
        self.home().join(".local/state/spanwright")
    }

    /// Puts a recorded transcript, and those of its sub-agents, where the assistant keeps that session.
    pub fn session(&self, recording: &str, session: &str) -> PathBuf {
        let folder = self.home().join(".claude/projects/-home-dev-shop");
        let agents = recorded(recording).join("subagents");
        fs::create_dir_all(folder.join(session).join("subagents")).unwrap();
        for agent in fs::read_dir(agents).into_iter().flatten().flatten() {
            fs::copy(agent.path(), folder.join(session).join("subagents").join(agent.file_name())).unwrap();
        }
        let transcript = folder.join(format!("{session}.jsonl"));
        fs::copy(recorded(&format!("{recording}.jsonl")), &transcript).unwrap();
        transcript
    }

    /// The hook as the assistant calls it, tracing switched on.
    pub fn hook(&self, word: &str) -> Command {
        let mut command = self.ground.command(&["claude", word]);
        command
            .env(ENABLED, "true")
            .env("USER", "dev")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    pub fn stop(&self, event: &Value) {
        answered(&mut self.hook("stop-hook"), event);
    }

    pub fn store(&self) -> Option<Store> {
        Store::open_existing(&self.state()).unwrap()
    }

    pub fn traces(&self) -> Vec<TraceSummary> {
        self.store().map(|store| store.traces(&TraceFilter::default()).unwrap()).unwrap_or_default()
    }

    /// Waits until so many traces are stored, and no event waits.
    pub fn wait_for_traces(&self, count: usize) -> Vec<TraceSummary> {
        wait_for_or(
            || format!("{count} traces: {:?}; the log: {}", self.traces(), self.log()),
            || {
                let traces = self.traces();
                (traces.len() >= count && self.is_at_rest()).then_some(traces)
            },
        )
    }

    /// No event waits, and nobody works.
    pub fn is_at_rest(&self) -> bool {
        let files = fs::read_dir(self.state().join("claude")).into_iter().flatten().flatten().map(|file| file.path());
        let files: Vec<_> = files.collect();
        let ending = |end: &'static str| files.iter().filter(move |path| path.extension().is_some_and(|is| is == end));
        // A lock is tried only where nobody can want it: a worker that finds it taken leaves its event to the one who has it.
        let is_free = |path: &PathBuf| fs::File::open(path).is_ok_and(|file| file.try_lock().is_ok());
        ending("json").next().is_none() && ending("lock").all(is_free)
    }

    pub fn spans(&self, name: &str) -> Vec<SpanRecord> {
        let store = self.store().unwrap();
        let traces = store.traces(&TraceFilter::default()).unwrap();
        let trace = traces.iter().find(|trace| trace.name == name).unwrap();
        store.spans(trace.trace_id).unwrap()
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.state().join("claude.log")).unwrap_or_default()
    }
}

/// Calls a hook with an event and checks what is always so.
pub fn answered(command: &mut Command, event: &Value) {
    answered_text(command, &event.to_string());
}

pub fn answered_text(command: &mut Command, event: &str) {
    let mut child = command.spawn().unwrap();
    // A hook that is switched off need not read.
    let _ = child.stdin.take().unwrap().write_all(event.as_bytes());
    let run = Run::of(child.wait_with_output().unwrap());
    assert_eq!((run.code, run.out.as_str(), run.err.as_str()), (Some(0), "{\"continue\": true}\n", ""));
}

pub fn wait_for<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    wait_for_or(|| what.to_owned(), look)
}

/// As [`wait_for`]; what is missing is said as it stands at the end.
pub fn wait_for_or<T>(what: impl Fn() -> String, mut look: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(started.elapsed() < Duration::from_secs(60), "not there after 60 s: {}", what());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// An event of a session whose transcript is at `transcript`.
pub fn stop_event(session: &str, transcript: &Path) -> Value {
    json!({"session_id": session, "transcript_path": transcript, "cwd": "/home/dev/shop", "hook_event_name": "Stop", "news": [1]})
}
