use spanwright::{node, tool, workflow};

#[node(policy = "standard")]
fn of_sandbox() {}

#[workflow(trigger = "cron")]
fn of_scheduled() {}

#[tool(colour = "red")]
fn of_none() {}

fn main() {}
