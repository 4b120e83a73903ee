//! What is wrong in an argument is shown at the argument.

use spanwright::{llm, tool, workflow};

struct NotText;

#[workflow(session = NotText)]
fn not_a_text(n: u32) {}

#[workflow(tags(home = missing))]
fn unknown_name(n: u32) {}

#[tool(debug(value))]
fn no_debug(value: NotText) {}

#[tool(expected(Missing))]
fn unknown_error() -> Result<u32, String> {
    Ok(1)
}

#[llm(model = self.name)]
fn no_self(prompt: &str) {}

fn main() {}
