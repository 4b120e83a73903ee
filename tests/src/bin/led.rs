//! A traced program that does what it is told: an order a line on standard input, an answer a line on standard output. Its first argument
//! is the function at the root of its one trace.

use std::io::{BufRead as _, Write as _};
use std::time::Duration;

use spanwright::record::Usage;
use spanwright::{ModelOutcome, llm, node, scheduled, workflow};

struct Reply(Usage);

impl ModelOutcome for Reply {
    fn usage(&self) -> Option<Usage> {
        Some(self.0)
    }
}

#[llm(model = "gpt-4o-mini", provider = "openai")]
fn ask(question: &str) -> Reply {
    let input = question.len() as u64;
    Reply(Usage { input, output: 2 * input, ..Usage::default() })
}

#[workflow(session = "evening", user = "anna", tags(team = "ops"), handle = root)]
fn led_workflow(topic: &str) -> Result<u64, String> {
    follow(|key, value| root.tag(key, value))
}

#[scheduled(trigger = "cron", id = "nightly")]
fn led_job() -> Result<u64, String> {
    follow(|_, _| {})
}

#[node]
fn led_node() -> Result<u64, String> {
    follow(|_, _| {})
}

/// Follows orders until one of them ends the trace.
fn follow(tag: impl Fn(&str, &str)) -> Result<u64, String> {
    // One that is not sampled has none.
    let trace = spanwright::current_trace();
    say(&format!("trace {}", trace.map_or_else(|| "none".into(), |trace| trace.to_string())));
    let mut asked = 0;
    for line in std::io::stdin().lock().lines() {
        let line = line.expect("orders are text");
        match line.split_whitespace().collect::<Vec<_>>()[..] {
            ["ask", question] => {
                ask(question);
                asked += 1;
            }
            ["tag", key, value] => tag(key, value),
            ["end"] => return Ok(asked),
            ["fail"] => return Err("told to fail".into()),
            _ => say(&format!("no order `{line}`")),
        }
        say("done");
    }
    Err("no more orders".into())
}

fn main() {
    let guard = spanwright::init();
    let outcome = match std::env::args().nth(1).as_deref() {
        Some("workflow") => led_workflow("the garden"),
        Some("job") => led_job(),
        Some("node") => led_node(),
        other => return say(&format!("no root {other:?}")),
    };
    let flushed = guard.flush(Duration::from_secs(60));
    say(&format!("ended {} delivered {}", outcome.is_ok(), flushed.is_delivered));
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    // A test that has seen enough closes the pipe.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}
