//! What an execution may cost: any number, a constant, or what the call is given.
#![deny(warnings)]

use spanwright::{Budget, BudgetExceeded, scheduled, workflow};

const MOST: f64 = 0.25;

#[workflow(budget_usd = 0.50, budget_tokens = 200_000)]
fn both() -> Result<(), BudgetExceeded> {
    Budget::check()
}

#[workflow(budget_usd = MOST, skip(tokens), budget_tokens = tokens)]
async fn asked_for(tokens: u64) -> Option<u64> {
    Budget::current().and_then(|budget| budget.remaining_tokens())
}

#[scheduled(budget_usd = 1, trigger = "cron")]
fn whole() -> bool {
    Budget::current().is_some()
}

fn main() {
    // Nothing is installed.
    assert_eq!(both(), Ok(()));
    assert!(!whole());
    drop(asked_for(7));
}
