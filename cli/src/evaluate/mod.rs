//! `spanwright evaluate`: judges score the newest traces, each trace once for each judge.

mod judges;
mod traces;

use std::path::Path;
use std::process::ExitCode;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;
use spanwright::TraceId;
use spanwright::record::Assessment;
use spanwright::tracker::JudgeResult;

use crate::args::Evaluate;
use crate::failure::Failure;
use crate::place::Place;
use crate::screen::{Screen, Tone};
use crate::text;
use judges::NamedJudge;
use traces::{Source, Subject};

/// What `--json` prints.
#[derive(Serialize)]
struct Evaluation {
    source: String,
    judged: usize,
    known: usize,
    skipped: usize,
    failed: usize,
    results: Vec<Verdict>,
}

/// What one judge says of one trace.
#[derive(Serialize)]
struct Verdict {
    trace_id: String,
    name: String,
    judge: String,
    metric: String,
    status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    score: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Status {
    /// There is a score now.
    Judged,
    /// There was one.
    Known,
    /// The judge is asked about other traces.
    Skipped,
    /// There is no score, and why.
    Failed,
    /// It would be judged.
    Due,
}

/// Runs the command.
pub fn run(args: &Evaluate, store: Option<&Path>, screen: &mut Screen) -> Result<ExitCode, Failure> {
    let judges = args.judge.iter().map(|file| NamedJudge::read(file)).collect::<Result<Vec<_>, _>>()?;
    if let Some(twice) = judges.iter().enumerate().find(|(at, judge)| judges[..*at].iter().any(|other| other.is(judge)))
    {
        let name = &twice.1.name;
        return Err(Failure::said(
            format!("two judges are `{name}`"),
            "give each a name of its own, or another metric",
        ));
    }
    let place = Place::here(store, args.from.as_deref());
    let source = Source::open(&place, args.from.as_deref())?;
    let subjects = source.newest(usize::try_from(args.last).unwrap_or(usize::MAX))?;
    if subjects.is_empty() {
        return Err(Failure::said(
            format!("no trace in {} has an answer to be judged", source.name()),
            "run your program, or look with `spanwright list`",
        ));
    }
    // The judges' own calls are traced as a program's are, where there is a store.
    let tracing = match source.folder() {
        _ if args.dry_run => None,
        Some(folder) => place.traced(folder),
        None => Place::untraced(),
    };
    let results = judge_all(&subjects, &judges, &source, args, screen)?;
    drop(tracing);

    let of = |status| results.iter().filter(|verdict| verdict.status == status).count();
    let (judged, known, skipped, failed) =
        (of(Status::Judged), of(Status::Known), of(Status::Skipped), of(Status::Failed));
    if screen.json {
        screen.object(&Evaluation { source: source.name(), judged, known, skipped, failed, results })?;
    } else {
        results.iter().try_for_each(|verdict| show(verdict, screen))?;
        let counts = [
            (judged, "judged"),
            (of(Status::Due), "to be judged"),
            (known, "known before"),
            (skipped, "not sampled"),
            (failed, "failed"),
        ];
        let counts = counts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}"));
        let tone = if failed > 0 { Tone::Bad } else { Tone::Good };
        screen.line(screen.paint(tone, &counts.collect::<Vec<_>>().join(", ")))?;
        if judged > 0 && source.waits() {
            screen.line("scores of traces that a server has wait for it: `spanwright push` delivers them")?;
        }
    }
    Ok(if failed > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn judge_all(
    subjects: &[Subject],
    judges: &[NamedJudge],
    source: &Source,
    args: &Evaluate,
    screen: &Screen,
) -> Result<Vec<Verdict>, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let bar = bar(screen.json || args.dry_run, subjects.len() * judges.len());
    let mut verdicts = Vec::new();
    for subject in subjects {
        for judge in judges {
            let id = judge.assessment_id(subject.trace);
            let status = match () {
                () if subject.known.contains(&id) => Some(Status::Known),
                () if !judge.is_asked_about(subject.trace) => Some(Status::Skipped),
                () if args.dry_run => Some(Status::Due),
                () => None,
            };
            verdicts.push(match status {
                Some(status) => Verdict::of(subject, judge, status),
                None => {
                    let result = runtime.block_on(judge.evaluate(subject));
                    keep(source, subject, judge, id, result)?
                }
            });
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    Ok(verdicts)
}

/// Keeps what a judge found, at once: what comes after it may fail.
fn keep(
    source: &Source,
    subject: &Subject,
    judge: &NamedJudge,
    id: String,
    result: JudgeResult,
) -> Result<Verdict, Failure> {
    let Some(score) = result.score.filter(|_| result.success) else {
        let why = result.error_message.or_else(|| Some("the judge gave no score".into()));
        return Ok(Verdict { why, ..Verdict::of(subject, judge, Status::Failed) });
    };
    let mut assessment = Assessment::feedback(&judge.metric, score)
        .by_judge(&judge.name)
        .with("judge_version", judge.version)
        .with("judge_model", judge.model());
    (assessment.id, assessment.trace_id, assessment.time_unix_ns) = (id, subject.trace, now_unix_ns());
    assessment.rationale.clone_from(&result.reasoning);
    source.keep(subject, assessment)?;
    Ok(Verdict { score: Some(score), reasoning: result.reasoning, ..Verdict::of(subject, judge, Status::Judged) })
}

fn now_unix_ns() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

impl Verdict {
    fn of(subject: &Subject, judge: &NamedJudge, status: Status) -> Self {
        Self {
            trace_id: mlflow_id(subject.trace),
            name: subject.name.clone(),
            judge: judge.name.clone(),
            metric: judge.metric.clone(),
            status,
            score: None,
            reasoning: None,
            why: None,
        }
    }
}

fn mlflow_id(trace: TraceId) -> String {
    format!("tr-{trace}")
}

fn show(verdict: &Verdict, screen: &mut Screen) -> Result<(), Failure> {
    let (what, tone) = match verdict.status {
        Status::Judged => (format!("{:.2}", verdict.score.unwrap_or_default()), Tone::Good),
        Status::Due => ("due".to_owned(), Tone::Doubtful),
        Status::Known => ("known".to_owned(), Tone::Faint),
        Status::Skipped => ("not sampled".to_owned(), Tone::Faint),
        Status::Failed => ("failed".to_owned(), Tone::Bad),
    };
    let short = &verdict.trace_id[3..15];
    let said = verdict.reasoning.as_deref().or(verdict.why.as_deref()).unwrap_or_default();
    let line = format!(
        "{short}  {}  {} {}  {}",
        text::clip(&verdict.name, 40),
        verdict.metric,
        screen.paint(tone, &what),
        text::clip(said, 200)
    );
    screen.line(line.trim_end())?;
    Ok(())
}

/// Drawn on standard error if that is a terminal, else nowhere.
fn bar(hidden: bool, of: usize) -> ProgressBar {
    let target = if hidden { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
    let bar = ProgressBar::with_draw_target(Some(of as u64), target);
    match ProgressStyle::with_template("{bar:32} {pos} of {len} judged, {eta} left") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
