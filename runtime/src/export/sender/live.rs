//! Running traces, shown on the server while their root is open.
//!
//! Never in the way of delivery: a few requests at the end of a round, none for a while after one that failed, and no word about it.
//!
//! Shown is what is open in the store, by whoever holds the lease: nobody can have sent that root already, nor send it meanwhile. What
//! can still come too late is the request itself: one that got no answer may reach the server after the root has ended and arrived, and put
//! the open root in its place. So each is noted in the store until its answer is there, and where a note stays, the root is sent once more
//! when no request can be under way any longer.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use super::{Sender, concerns_experiment, is_root};
use crate::clock::now_unix_ns;
use crate::error::Error;
use crate::export::http::Failure;
use crate::export::mlflow::{Shown, TraceFacts, Trouble, spans_request};
use crate::id::TraceId;
use crate::record::WorkflowFacts;
use crate::store::TraceContext;

/// Between two looks for running traces.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);
/// Shown in one round; the others follow in the next ones.
const SHOWN_AT_ONCE: usize = 8;
/// Shown in all.
const MOST_RUNNING: usize = 1000;
/// How long delivery may wait for an answer to what is only shown.
const ANSWER: Duration = Duration::from_secs(5);
/// After one that failed.
const REST: Duration = Duration::from_secs(10);
/// After so long a request without an answer is not under way any longer: MLflow gives up on its database after 20 s.
const LATEST_MS: u64 = 60_000;

/// What this sender has shown.
#[derive(Debug)]
pub(super) struct Live {
    shown: HashMap<TraceId, Shown>,
    next_look: Instant,
}

impl Default for Live {
    fn default() -> Self {
        Self { shown: HashMap::new(), next_look: Instant::now() }
    }
}

impl Live {
    /// What comes back after an outage need not be what went away.
    pub(super) fn forget(&mut self) {
        self.shown.clear();
    }
}

impl Sender {
    /// Shows traces that have been running for `after`, unless `is_hurried`. Says when to come back, where that cannot wait for new spans.
    pub(in crate::export) async fn show_running(
        &mut self,
        after: Duration,
        is_hurried: impl Fn() -> bool,
    ) -> Option<Duration> {
        let early = self.live.next_look.saturating_duration_since(Instant::now());
        if !early.is_zero() {
            return Some(early);
        }
        self.live.next_look = Instant::now() + LOOK_INTERVAL;
        self.look(after, is_hurried).await.unwrap_or_else(|_| {
            self.live.next_look = Instant::now() + REST;
            Some(REST)
        })
    }

    async fn look(&mut self, after: Duration, is_hurried: impl Fn() -> bool) -> Result<Option<Duration>, Trouble> {
        let running = self.store.running(&self.route.destination, MOST_RUNNING)?;
        let known: HashSet<_> = running.iter().map(|(trace, _)| *trace).collect();
        self.live.shown.retain(|trace, _| known.contains(trace));
        let (mut again, mut requests) = (None, 0);
        for (trace, context) in running {
            let age = Duration::from_nanos(now_unix_ns().saturating_sub(context.start_unix_ns));
            let shown = Shown::of(&context.name, &context.facts);
            if age < after {
                // The oldest come first.
                again = Some(again.unwrap_or(Duration::MAX).min(after - age));
            } else if self.live.shown.get(&trace) != Some(&shown) {
                if requests == SHOWN_AT_ONCE || is_hurried() {
                    return Ok(Some(LOOK_INTERVAL));
                }
                if !self.server().await?.shows_running() {
                    return Ok(None);
                }
                requests += 1;
                self.show(trace, &context, &shown).await?;
                self.live.shown.insert(trace, shown);
            }
        }
        Ok(again)
    }

    /// Shows one trace. What the server refuses is done too: it will refuse it again.
    async fn show(&mut self, trace: TraceId, context: &TraceContext, shown: &Shown) -> Result<(), Trouble> {
        let Some(root) = self.store.open_root(trace)? else { return Ok(()) };
        let wanted = self.experiment_of(&context.facts);
        let experiment = match self.experiment(&wanted).await {
            Ok(_) if self.refusals.contains_key(&wanted) => return Ok(()),
            Err(trouble) if concerns_experiment(&trouble) => return Ok(()),
            experiment => experiment?,
        };
        let body = shown.request(&self.route.service, &root, facts_of(&context.facts), context.end_unix_ns);
        let note = (trace, now_unix_ns() / 1_000_000);
        self.note_late(|late| late.push(note))?;
        let answer = in_time(self.mlflow.send_spans(&experiment, None, body)).await;
        if is_answered(&answer) {
            self.note_late(|late| late.retain(|noted| *noted != note))?;
        }
        accepted_or_refused(answer)?;
        accepted_or_refused(in_time(self.mlflow.name_trace(trace, shown)).await)
    }

    /// Sends the roots once more that a late request may have replaced. What fails now is left for the next round.
    pub(super) async fn repair_shown(&mut self) {
        let now_ms = now_unix_ns() / 1_000_000;
        let Ok(late) = self.late() else { return };
        for (trace, noted_ms) in late {
            // Either way: a clock may have been set back.
            if now_ms.abs_diff(noted_ms) > LATEST_MS && matches!(self.repair(trace).await, Ok(true)) {
                drop(self.note_late(|late| late.retain(|noted| *noted != (trace, noted_ms))));
            }
        }
    }

    /// True if nothing more is to be done for this trace.
    async fn repair(&mut self, trace: TraceId) -> Result<bool, Trouble> {
        let Some(summary) = self.store.trace(trace)? else { return Ok(true) };
        if summary.ending.is_none() || summary.destination.as_deref() != Some(&self.route.destination) {
            return Ok(true);
        }
        if summary.undelivered > 0 {
            return Ok(false);
        }
        let spans = self.store.spans(trace)?;
        let Some(root) = spans.iter().find(|span| is_root(span, trace)) else { return Ok(true) };
        let facts = root.workflow.as_deref().cloned().unwrap_or_default();
        let experiment = self.experiment(&self.experiment_of(&facts)).await?;
        let body = spans_request(&self.route.service, [(root, facts_of(&facts))]);
        accepted_or_refused(self.mlflow.send_spans(&experiment, None, body).await).map(|()| true)
    }

    /// Traces that were shown by a request without an answer, and when, milliseconds since the Unix epoch.
    fn late(&self) -> Result<Vec<(TraceId, u64)>, Error> {
        let kept = self.store.meta_get(&self.late_key())?.unwrap_or_default();
        let noted = kept.split_whitespace().filter_map(|noted| noted.split_once('@'));
        Ok(noted.filter_map(|(trace, at)| Some((trace.parse().ok()?, at.parse().ok()?))).collect())
    }

    fn note_late(&self, change: impl FnOnce(&mut Vec<(TraceId, u64)>)) -> Result<(), Error> {
        let mut late = self.late()?;
        change(&mut late);
        let text: Vec<_> = late.iter().map(|(trace, at)| format!("{trace}@{at}")).collect();
        self.store.meta_set(&self.late_key(), &text.join(" "))
    }

    fn late_key(&self) -> String {
        format!("shown:{}", self.route.destination)
    }
}

fn facts_of(facts: &WorkflowFacts) -> TraceFacts<'_> {
    TraceFacts { session: facts.session.as_deref(), user: facts.user.as_deref() }
}

async fn in_time(request: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    tokio::time::timeout(ANSWER, request).await.unwrap_or_else(|_| {
        let detail = format!("no answer within {} s", ANSWER.as_secs());
        Err(Failure { operation: "show the running trace", detail, timed_out: true, ..Failure::default() })
    })
}

/// Whether nothing of the request can happen any longer. What a gateway says of a server behind it is no answer of the server's.
fn is_answered(answer: &Result<(), Failure>) -> bool {
    answer.as_ref().err().is_none_or(|failure| matches!(failure.status, Some(400..=499)))
}

fn accepted_or_refused(answer: Result<(), Failure>) -> Result<(), Trouble> {
    match answer {
        Err(failure) if !is_refusal(&failure) => Err(failure.into()),
        _ => Ok(()),
    }
}

/// Whether asking again would change nothing.
fn is_refusal(failure: &Failure) -> bool {
    matches!(failure.status, Some(400 | 403 | 404 | 405 | 413 | 422))
}
