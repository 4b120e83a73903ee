//! What a model call takes from the budget of its execution, as the call ends.

use std::sync::Arc;

use serde::Serialize;

use crate::capture;
use crate::chunk::NoteKind;
use crate::diagnostics;
use crate::execution;
use crate::execution::budget::{self, Mark, State, Word};
use crate::id::{SpanId, TraceId};
use crate::outcome::ModelOutcome;
use crate::record::Usage;

use super::{Span, write_note_with};

/// The attributes of an event.
#[derive(Serialize)]
struct Passed {
    percent: u64,
    spent_usd: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit_usd: Option<f64>,
    tokens: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit_tokens: Option<u64>,
}

impl Span {
    /// What the call says as it begins.
    #[inline]
    pub(super) fn ask_budget(&self, word: Word<'_>) {
        if budget::in_use()
            && let Some(state) = state_of(self.trace)
        {
            state.ask(self.id, word);
        }
    }

    /// What the call has used.
    #[inline]
    pub(super) fn spend(&self, model: Option<&str>, provider: Option<&str>, usage: &Usage) {
        if budget::in_use()
            && let Some(state) = state_of(self.trace)
        {
            spend(self.trace, &state, self.id, model, provider, usage);
        }
    }

    /// The same of a reply.
    pub(super) fn spend_reply(&self, reply: &dyn ModelOutcome, usage: &Usage) {
        if budget::in_use() {
            self.spend(reply.model().as_deref(), reply.provider().as_deref(), usage);
        }
    }
}

#[inline(never)]
fn state_of(trace: TraceId) -> Option<Arc<State>> {
    execution::look(trace, |execution| execution.budget.clone())?
}

/// Takes what a call used from a budget, and says on the span of the execution which marks that passes.
#[inline(never)]
pub(crate) fn spend(
    trace: TraceId,
    state: &State,
    call: SpanId,
    model: Option<&str>,
    provider: Option<&str>,
    usage: &Usage,
) {
    for mark in state.add(call, model, provider, usage).into_iter().flatten() {
        say(trace, state, mark);
    }
}

#[cold]
fn say(trace: TraceId, state: &State, mark: Mark) {
    let spent = state.spent();
    let passed = Passed {
        percent: mark.percent(),
        spent_usd: spent.usd,
        limit_usd: spent.limit_usd,
        tokens: spent.tokens,
        limit_tokens: spent.limit_tokens,
    };
    let name = match mark {
        Mark::Near => "budget.near",
        Mark::Over => "budget.exceeded",
    };
    let found = execution::look(trace, |execution| {
        (execution.is_open() && execution.recorder.is_ours()).then_some((
            execution.recorder,
            execution.span,
            execution.site,
        ))
    });
    let Some(Some((recorder, span, site))) = found else { return };
    write_note_with(Some(recorder), span, NoteKind::Event, name, |out| {
        capture::fact(out, &passed, recorder.policy());
    });
    if mark == Mark::Over {
        let limit = spent.limit_usd.map(|limit| format!(" of {limit} US dollars")).unwrap_or_default();
        let tokens = spent.limit_tokens.map(|limit| format!(" of {limit} tokens")).unwrap_or_default();
        diagnostics::of_program().say(format!(
            "the budget of `{}` is used up: {:.6}{limit}, {}{tokens}; nothing is stopped unless it asks `Budget::check`",
            site.name, spent.usd, spent.tokens
        ));
    }
}
