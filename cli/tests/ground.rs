//! A working folder of its own for each test, stores made by hand, and the binary run there.

use std::process::{Command, Output, Stdio};

use serde_json::Value;
use spanwright::record::{Batch, Ending, ErrorFacts, ModelFacts, Source, SpanRecord, Usage, WorkflowFacts};
use spanwright::store::{ProcessId, Store};
use spanwright::{SpanId, TraceId};
use tempfile::TempDir;

/// 2026-11-20 23:49:06 UTC.
pub const START: u64 = 1_795_218_546_000_000_000;
pub const SERVER: &str = "http://127.0.0.1:9";

/// A working folder with an empty environment but for `PATH`.
pub struct Ground {
    pub folder: TempDir,
}

impl Ground {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub fn store(&self) -> Store {
        Store::open(&self.folder.path().join(".spanwright")).unwrap()
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_spanwright"));
        command.args(args).current_dir(self.folder.path()).env_clear().stdin(Stdio::null());
        // A `.spanwright` above the temporary folder would be found otherwise.
        command.env("HOME", self.folder.path());
        command
    }

    pub fn run(&self, args: &[&str]) -> Run {
        Run::of(self.command(args).output().unwrap())
    }
}

pub struct Run {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Run {
    pub fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}\n{}", self.out, self.err))
    }
}

fn span(trace: u64, id: u64, parent: Option<u64>, name: &str, span_type: &str) -> SpanRecord {
    SpanRecord {
        parent_id: parent.map(SpanId::from_u64),
        name: name.into(),
        span_type: span_type.into(),
        kind: "node".into(),
        source: Source { function: name.into(), file: "main.rs".into(), line: 1 },
        start_unix_ns: START + trace * 1_000_000_000 + id * 1_000_000,
        end_unix_ns: START + trace * 1_000_000_000 + 500_000_000,
        ..SpanRecord::new(TraceId::from_halves(trace << 32, 7), SpanId::from_u64(id))
    }
}

/// A workflow with a model call that used 30 tokens.
pub fn workflow(trace: u64, name: &str) -> Vec<SpanRecord> {
    let mut root = span(trace, 1, None, name, "WORKFLOW");
    root.workflow = Some(Box::new(WorkflowFacts {
        tags: vec![("workflow".into(), "planning".into())],
        session: Some(format!("session-{trace}")),
        ..WorkflowFacts::default()
    }));
    let mut model = span(trace, 3, Some(2), "llm", "LLM");
    let usage = Usage { input: 20, output: 10, ..Usage::default() };
    model.model = Some(ModelFacts { usage: Some(usage), ..ModelFacts::default() });
    vec![root, span(trace, 2, Some(1), "plan", "CHAIN"), model]
}

pub fn keep(store: &Store, spans: Vec<SpanRecord>, destination: Option<&str>) {
    let batch = Batch { finished: spans, ..Batch::default() };
    store.append(&batch, ProcessId(1), destination).unwrap();
}

pub fn failing(trace: u64) -> Vec<SpanRecord> {
    let mut spans = workflow(trace, "sad_workflow");
    spans[0].ending = Ending::Error;
    spans[0].error = Some(ErrorFacts { kind: "Error".into(), message: "no luck".into() });
    spans
}
