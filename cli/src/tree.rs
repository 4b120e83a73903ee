//! `spanwright tree`: one trace as a tree of its spans.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde::Serialize;
use spanwright::record::{Assessment, AssessmentKind, AssessmentSource, SpanRecord};
use spanwright::store::{Store, TraceSummary};
use spanwright::tree::{Style, render};

use crate::args::Tree;
use crate::failure::Failure;
use crate::list::{self, Line};
use crate::place::Place;
use crate::screen::{Screen, Tone};
use crate::text;

/// What `--json` prints.
#[derive(Serialize)]
struct Shown {
    store: Option<PathBuf>,
    trace: Line,
    spans: Vec<SpanRecord>,
    assessments: Vec<Assessment>,
}

/// Runs the command.
pub fn run(args: &Tree, store: Option<&Path>, screen: &mut Screen) -> Result<ExitCode, Failure> {
    let store = Place::here(store, None).store_with_traces()?;
    let trace = match &args.trace {
        Some(id) => named(&store, id)?,
        None => store.last_trace()?.ok_or_else(|| Place::empty(&store))?,
    };
    let (spans, assessments) = (store.spans(trace.trace_id)?, store.assessments(trace.trace_id)?);
    if screen.json {
        let folder = store.folder().map(Path::to_owned);
        screen.object(&Shown { store: folder, trace: Line::of(&trace), spans, assessments })?;
        return Ok(ExitCode::SUCCESS);
    }
    show(&trace, &spans, screen)?;
    for said in &assessments {
        show_assessment(said, screen)?;
    }
    for cause in store.rejections(trace.trace_id)? {
        screen.line(screen.paint(Tone::Bad, &format!("refused by the server: {}", text::clip(&cause, 300))))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The one trace whose id begins like this.
pub fn named(store: &Store, id: &str) -> Result<TraceSummary, Failure> {
    const LIST: &str = "`spanwright list` shows the stored traces";
    let digits = id.strip_prefix("tr-").unwrap_or(id).to_ascii_lowercase();
    if digits.is_empty() || digits.len() > 32 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(Failure::said(format!("`{id}` is not a trace id: that is up to 32 hexadecimal digits"), LIST));
    }
    let mut found = store.traces_by_prefix(&digits)?;
    match found.len() {
        0 => Err(Failure::said(format!("no trace in this store begins with `{id}`"), LIST)),
        1 => Ok(found.remove(0)),
        _ => {
            let ids: Vec<String> = found.iter().map(|trace| format!("{} {}", trace.trace_id, trace.name)).collect();
            Err(Failure::said(format!("several traces begin with `{id}`; give more of the id"), ids.join("\n  ")))
        }
    }
}

fn show(trace: &TraceSummary, spans: &[SpanRecord], screen: &mut Screen) -> Result<(), Failure> {
    let state = screen.paint(list::tone_of(trace.state), list::state(trace));
    let mut facts = vec![format!("tr-{}", trace.trace_id), format!("{} UTC", text::time(trace.start_unix_ns)), state];
    facts.extend(list::duration_ns(trace).map(text::duration));
    facts.push(text::count(trace.spans, "span"));
    if trace.tokens > 0 {
        facts.push(text::count(trace.tokens, "token"));
    }
    facts.push(list::delivery(trace));
    screen.line(facts.join("  "))?;
    for line in render(spans, Style::drawn()).lines() {
        screen.line(text::clip(line, 1000))?;
    }
    Ok(())
}

/// What somebody said of the trace: `relevance 0.9 by relevance-judge (a model): to the point`.
fn show_assessment(said: &Assessment, screen: &mut Screen) -> Result<(), Failure> {
    let who = match said.source {
        AssessmentSource::Human => "a person",
        AssessmentSource::LlmJudge => "a model",
        AssessmentSource::Code => "code",
    };
    let expected = if said.kind == AssessmentKind::Expectation { "expected " } else { "" };
    let value = text::clip(said.value.as_str(), 100);
    let mut line =
        format!("{expected}{} {value}  by {} ({who})", screen.paint(Tone::Strong, &said.name), said.source_id);
    if let Some(rationale) = &said.rationale {
        line = format!("{line}: {}", text::clip(rationale, 300));
    }
    screen.line(line)?;
    Ok(())
}
