//! Assessments of traces, after the spans: a trace they are about may be among those.

use std::time::Duration;

use super::{Event, Sender};
use crate::clock::now_unix_ns;
use crate::export::http::{Failure, Verdict};
use crate::export::mlflow::{Landed, Trouble};
use crate::store::QueuedAssessment;

const AT_ONCE: usize = 100;
/// The trace may come from another process, or another machine, later: it is asked for again after so long, twice as long, and so on.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);
/// As long as spans are kept.
const TRACE_PATIENCE: Duration = Duration::from_secs(14 * 24 * 3600);
/// What the server calls its own fault so often is not taken.
const MOST_TRIES_AT_500: u32 = 5;

impl Sender {
    /// Sends the assessments whose time has come. True if some stay: the server does not know their trace, or does not take them now.
    pub(super) async fn send_assessments(&mut self, on: &mut dyn FnMut(Event)) -> Result<bool, Trouble> {
        let mut stay = false;
        loop {
            let queued = self.store.pending_assessments(&self.route.destination, AT_ONCE)?;
            if queued.is_empty() {
                return Ok(stay);
            }
            self.server().await?;
            for one in queued {
                stay |= !self.send_assessment(&one, on).await?;
            }
        }
    }

    /// Whether the server has it now, or never will.
    async fn send_assessment(&self, queued: &QueuedAssessment, on: &mut dyn FnMut(Event)) -> Result<bool, Trouble> {
        if !self.put_summary_beside(queued, on).await? {
            return self.put_off(queued);
        }
        let age = now_unix_ns().saturating_sub(queued.assessment.time_unix_ns);
        match self.mlflow.assess(&queued.assessment).await {
            Ok(Landed::Yes) => self.store.ack_assessment(queued.number)?,
            Ok(Landed::NoTrace) if u128::from(age) < TRACE_PATIENCE.as_nanos() => return self.put_off(queued),
            Ok(Landed::NoTrace) => self.give_up(queued, "the server has no such trace".to_owned(), on)?,
            Err(failure) => match failure.verdict() {
                Verdict::Split => self.give_up(queued, failure.to_string(), on)?,
                Verdict::AgainAFewTimes if queued.tries >= MOST_TRIES_AT_500 => {
                    self.give_up(queued, failure.to_string(), on)?;
                }
                Verdict::AgainAFewTimes => return self.put_off(queued),
                // Of this trace; others may be taken.
                Verdict::Hold if failure.status != Some(401) => return self.hold(queued, failure, on),
                _ => return Err(failure.into()),
            },
        }
        Ok(true)
    }

    fn put_off(&self, queued: &QueuedAssessment) -> Result<bool, Trouble> {
        let pause = FIRST_PAUSE.saturating_mul(1 << queued.tries.min(20)).min(LONGEST_PAUSE);
        self.store.put_off_assessment(queued.number, now_unix_ns() + pause.as_nanos() as u64)?;
        Ok(false)
    }

    fn hold(&self, queued: &QueuedAssessment, failure: Failure, on: &mut dyn FnMut(Event)) -> Result<bool, Trouble> {
        let error = failure.into_error(self.mlflow.base());
        on(Event::Blocked(format!("{error:#}; assessments meant for it are kept in the store")));
        self.put_off(queued)
    }

    fn give_up(&self, queued: &QueuedAssessment, cause: String, on: &mut dyn FnMut(Event)) -> Result<(), Trouble> {
        self.store.reject_assessment(queued.number, &cause)?;
        let assessment = &queued.assessment;
        on(Event::Rejected { trace: assessment.trace_id, name: format!("assessment {}", assessment.name), cause });
        Ok(())
    }
}
