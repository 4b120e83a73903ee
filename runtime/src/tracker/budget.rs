//! Budgets: what an execution may cost, asked by whoever wants to stop in time.

use std::fmt;
use std::sync::Arc;

use crate::context;
use crate::execution::{self, budget};
use crate::record::Usage;
use crate::span;

/// What the execution the calling thread or task is in may cost, and has cost so far.
///
/// `#[workflow(budget_usd = 0.50, budget_tokens = 200_000)]` sets it. Each `#[llm]` call of the execution counts as it ends, at the price of its
/// model; a model without a price counts its tokens only. At 80 % of a limit the workflow's span gets the event `budget.near`, at 100 % the
/// event `budget.exceeded`, and one warning is said. Nothing is stopped: whoever wants to stop asks [`Budget::check`].
///
/// ```
/// use spanwright::{Budget, workflow};
///
/// #[workflow(budget_usd = 0.50, budget_tokens = 200_000)]
/// fn research_workflow(questions: &[&str]) -> Result<usize, spanwright::BudgetExceeded> {
///     for question in questions {
///         Budget::check()?;
///         // … ask the model
/// #       let _ = question;
///     }
///     Ok(questions.len())
/// }
/// # assert_eq!(research_workflow(&["why?"]), Ok(1));
/// ```
#[derive(Clone)]
pub struct Budget {
    state: Arc<budget::State>,
}

/// A budget is used up. Comes from [`Budget::check`] only.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct BudgetExceeded {
    /// Spent, in US dollars.
    pub spent_usd: f64,
    /// The limit, in US dollars, if there is one.
    pub limit_usd: Option<f64>,
    /// Tokens used.
    pub tokens: u64,
    /// The limit of tokens, if there is one.
    pub limit_tokens: Option<u64>,
}

impl Budget {
    /// The budget of the current execution; `None` outside of any, and in one without a budget or whose trace is not kept.
    pub fn current() -> Option<Self> {
        if !budget::in_use() {
            return None;
        }
        let trace = context::current().trace;
        let state = execution::look(trace, |execution| execution.budget.clone())??;
        Some(Self { state })
    }

    /// Whether the current execution may go on; it may where there is no budget.
    ///
    /// # Errors
    ///
    /// [`BudgetExceeded`] once a limit is reached by the calls that have ended.
    pub fn check() -> Result<(), BudgetExceeded> {
        let Some(budget) = Self::current() else { return Ok(()) };
        let spent = budget.state.spent();
        match spent.is_exceeded() {
            false => Ok(()),
            true => Err(BudgetExceeded {
                spent_usd: spent.usd,
                limit_usd: spent.limit_usd,
                tokens: spent.tokens,
                limit_tokens: spent.limit_tokens,
            }),
        }
    }

    /// Spent so far, in US dollars.
    pub fn spent_usd(&self) -> f64 {
        self.state.spent().usd
    }

    /// Tokens used so far.
    pub fn tokens(&self) -> u64 {
        self.state.spent().tokens
    }

    /// What is left of the limit, in US dollars; 0 once it is reached, `None` if there is no such limit.
    pub fn remaining_usd(&self) -> Option<f64> {
        let spent = self.state.spent();
        spent.limit_usd.map(|limit| (limit - spent.usd).max(0.0))
    }

    /// Tokens left; 0 once the limit is reached, `None` if there is no such limit.
    pub fn remaining_tokens(&self) -> Option<u64> {
        let spent = self.state.spent();
        spent.limit_tokens.map(|limit| limit.saturating_sub(spent.tokens))
    }

    /// Counts a model call that no `#[llm]` tells of.
    pub fn add(&self, provider: Option<&str>, model: &str, usage: &Usage) {
        span::spend(
            context::current().trace,
            &self.state,
            crate::id::SpanId::from_u64(0),
            Some(model),
            provider,
            usage,
        );
    }
}

impl fmt::Debug for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Budget").field("spent", &self.state.spent()).finish()
    }
}

impl fmt::Display for BudgetExceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the budget of this workflow is used up: ")?;
        let Self { spent_usd, limit_usd, tokens, limit_tokens } = self;
        match limit_usd {
            Some(limit) => write!(f, "{spent_usd:.6} of {limit:.6} US dollars, ")?,
            None => write!(f, "{spent_usd:.6} US dollars, ")?,
        }
        match limit_tokens {
            Some(limit) => write!(f, "{tokens} of {limit} tokens"),
            None => write!(f, "{tokens} tokens"),
        }
    }
}

impl std::error::Error for BudgetExceeded {}

const _: () = {
    const fn shared<T: Send + Sync + Clone + 'static>() {}
    shared::<Budget>();
    shared::<BudgetExceeded>();
};
