//! Judging what a run came to, beside the program.
//!
//! In: what was asked, what was answered, and the tracker of that run. Out: scores on that run. The work is on a thread of ours, outside of any
//! trace, so that neither the run nor its tokens know of it; a flush waits for it.

use std::fmt;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;

use spanwright::tracker::{JudgeResult, RunTracker};
use spanwright::{Context, InCurrentSpan as _, TraceId, outstanding};
use tokio::sync::oneshot;

use crate::chat::{Message, Role};
use crate::said::say;
use crate::score::Score;
use crate::threads::Thread;

static EVALUATIONS: Thread = Thread::new("spanwright-evaluations");

/// What is judged.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Evaluated {
    /// What was asked: a question as it stands, of a conversation each message as `role: content`, a line each.
    pub input: String,
    /// What was answered.
    pub output: String,
    /// The run that answered, if there is one.
    pub run_id: Option<String>,
    /// Its trace, if there is one: `tr-…`.
    pub trace_id: Option<String>,
}

impl Evaluated {
    /// A question and its answer.
    pub fn new(input: impl Into<String>, output: impl Into<String>) -> Self {
        Self { input: input.into(), output: output.into(), ..Self::default() }
    }

    /// What a run was given, as it is judged.
    pub(crate) fn asked(messages: &[Message]) -> String {
        match messages {
            [Message { role: Role::User, content, .. }] => content.clone(),
            _ => Self::input_of(messages),
        }
    }

    /// A conversation, as it is judged.
    pub fn input_of(messages: &[Message]) -> String {
        let lines = messages.iter().map(|message| format!("{}: {}", message.role.as_str(), message.content));
        lines.collect::<Vec<_>>().join("\n")
    }

    /// What this trace recorded.
    #[must_use]
    pub fn of_trace(self, trace: TraceId) -> Self {
        Self { trace_id: Some(format!("tr-{trace}")), ..self }
    }

    /// What this tracker measured.
    #[must_use]
    pub fn of_run(self, tracker: &RunTracker) -> Self {
        let trace_id = tracker.trace_id().map(|trace| format!("tr-{trace}"));
        Self { run_id: Some(tracker.run_id().to_owned()), trace_id, ..self }
    }
}

/// The future of a judge.
pub type Judging<'e> = Pin<Box<dyn Future<Output = JudgeResult> + Send + 'e>>;

/// Judges a run: a [`Judge`](crate::Judge), or anything else that comes to a score.
pub trait Evaluate: Send + Sync {
    /// Judges it. What goes wrong stands in the result.
    fn evaluate<'e>(&'e self, evaluated: &'e Evaluated) -> Judging<'e>;
}

/// Judges, each of which is asked about each run, one after the other.
///
/// ```
/// use spanwright::evaluator;
/// use spanwright_models::{Evaluated, Evaluator, Score};
///
/// #[evaluator]
/// fn is_short(evaluated: &Evaluated) -> Score {
///     let words = evaluated.output.split_whitespace().count();
///     Score::from(words < 50).because(format!("{words} words"))
/// }
///
/// let evaluator = Evaluator::new().check("is_short", is_short);
/// ```
#[derive(Clone, Default)]
pub struct Evaluator(Vec<Arc<dyn Evaluate>>);

impl Evaluator {
    /// Nobody.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a judge.
    #[must_use]
    pub fn judge(mut self, judge: impl Evaluate + 'static) -> Self {
        self.0.push(Arc::new(judge));
        self
    }

    /// Adds a function that scores `metric`. Its scores are those of code, not of a model.
    #[must_use]
    pub fn check<S: Into<Score>>(
        self,
        metric: impl Into<String>,
        check: impl Fn(&Evaluated) -> S + Send + Sync + 'static,
    ) -> Self {
        self.judge(Check { metric: metric.into(), check })
    }

    /// Has a run judged, from now on and beside the program. Each score goes to `tracker` as it is there.
    pub fn start(&self, tracker: &RunTracker, evaluated: Evaluated) -> Evaluations {
        if self.0.is_empty() {
            return Evaluations(None);
        }
        let (judges, tracker, evaluated) = (self.0.clone(), tracker.clone(), evaluated.of_run(tracker));
        let evaluated_run = tracker.run_id().to_owned();
        let (to, from) = oneshot::channel();
        let outstanding = outstanding();
        let work = async move {
            let mut results = Vec::new();
            for judge in &judges {
                let result = contained(judge.evaluate(&evaluated)).await;
                tracker.track_judge_result(&result);
                results.push(result);
            }
            drop(outstanding);
            // Nobody has to want them.
            let _ = to.send(results);
        };
        if let Err(error) = EVALUATIONS.spawn(work.in_context(Context::current().apart())) {
            let run_id = evaluated_run.as_str();
            say(&format!("run {run_id} is not judged: {error}"));
        }
        Evaluations(Some(from))
    }
}

impl fmt::Debug for Evaluator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Evaluator({} judges)", self.0.len())
    }
}

/// What judges say of a run. It goes on whether this is kept or not.
#[derive(Debug)]
pub struct Evaluations(Option<oneshot::Receiver<Vec<JudgeResult>>>);

impl Evaluations {
    /// The results, in the order of the judges, when all of them are there and have been recorded.
    pub async fn results(self) -> Vec<JudgeResult> {
        match self.0 {
            Some(from) => from.await.unwrap_or_default(),
            None => Vec::new(),
        }
    }
}

/// Waits for a judge, which may panic: its loss, and nobody else's.
async fn contained(mut judging: Judging<'_>) -> JudgeResult {
    std::future::poll_fn(|task| {
        let polled = std::panic::catch_unwind(AssertUnwindSafe(|| judging.as_mut().poll(task)));
        polled.unwrap_or_else(|payload| {
            // What was thrown may throw again.
            std::mem::forget(payload);
            std::task::Poll::Ready(failed("it panicked"))
        })
    })
    .await
}

fn failed(why: &str) -> JudgeResult {
    JudgeResult { sampled: true, error_message: Some(why.to_owned()), ..JudgeResult::default() }
}

struct Check<F> {
    metric: String,
    check: F,
}

impl<S: Into<Score>, F: Fn(&Evaluated) -> S + Send + Sync> Evaluate for Check<F> {
    fn evaluate<'e>(&'e self, evaluated: &'e Evaluated) -> Judging<'e> {
        Box::pin(async move {
            let Score { score, reasoning } = (self.check)(evaluated).into();
            let metric_key = Some(self.metric.clone());
            let judge_config_key = metric_key.clone();
            let known =
                JudgeResult { sampled: true, metric_key, judge_config_key, by_code: true, ..JudgeResult::default() };
            if !score.is_finite() {
                return JudgeResult { error_message: Some(format!("the score {score} is no number")), ..known };
            }
            JudgeResult { success: true, score: Some(score), reasoning, ..known }
        })
    }
}
