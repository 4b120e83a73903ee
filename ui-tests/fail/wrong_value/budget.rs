use spanwright::{node, workflow};

#[workflow(budget_usd)]
fn no_value() {}

#[workflow(budget_usd = 0.5, budget_usd = 1.0)]
fn twice() {}

#[node(budget_tokens = 1_000)]
fn of_a_node() {}

#[workflow(budget = 0.5)]
fn misspelled() {}

fn main() {}
