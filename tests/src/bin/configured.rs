//! A program that runs the workflow of a file, and traces it as that file says.
//!
//! `configured FILE WORK…`, where the works are done one after another:
//!
//! | Work | What it does |
//! |---|---|
//! | `answer TEXT` | the whole workflow: two nodes that ask a model about the text, the second of which goes on where the first failed |
//! | `named NAME` | a trace of that name |
//! | `spans N` | a trace of so many nodes |
//! | `cost TEXT` | as `answer`, and what it cost |
//! | `fork TEXT` | the first node in a child process |
//!
//! It answers with what it found, and how many microseconds the works took. Exit code 3: the file cannot be used.

use std::process::ExitCode;
use std::time::Instant;

use spanwright::configured::Tracker;
use spanwright::record::Usage;
use spanwright::{ModelOutcome, TraceId, llm, node};

#[derive(serde::Serialize)]
struct Reply {
    text: String,
    #[serde(skip)]
    usage: Usage,
}

impl ModelOutcome for Reply {
    fn model(&self) -> Option<std::borrow::Cow<'_, str>> {
        Some("gpt-4o-mini".into())
    }

    fn usage(&self) -> Option<Usage> {
        Some(self.usage)
    }
}

#[llm(provider = "openai")]
fn ask(question: &str) -> Reply {
    spanwright::handle().event(&format!("asked {question}"));
    Reply { text: format!("about {question}"), usage: Usage { input: 10, output: 3, ..Usage::default() } }
}

#[node(capture = "full", attributes(topic = topic, rounds = 2), handle = span)]
fn research(topic: &str) -> Result<String, String> {
    span.tag("request", topic);
    span.event_with("found", serde_json::json!({ "topic": topic }));
    let reply = ask(topic);
    Err(format!("nothing reliable {}", reply.text))
}

#[node(capture = "full")]
fn write_up(topic: &str) -> Result<String, String> {
    Ok(ask(&topic.to_uppercase()).text)
}

#[node(name = "step")]
fn step(number: u64) -> u64 {
    number + 1
}

fn answer(tracker: &Tracker, text: &str) -> Result<String, String> {
    tracker.trace_workflow().try_call(|| {
        let found = both(text);
        write_up("weather").map_err(|error| error + &found.unwrap_or_default())
    })
}

/// Passes on what failed.
#[node(capture = "none")]
fn both(text: &str) -> Result<String, String> {
    research(text)
}

fn forked(tracker: &Tracker, text: &str) {
    tracker.trace_workflow().call(|| in_child(text));
}

#[node(name = "research")]
#[expect(unsafe_code)]
fn in_child(text: &str) {
    // SAFETY: the child uses nothing of the threads it has not got.
    match unsafe { libc::fork() } {
        0 => {
            let _ = write_up(text);
            std::process::exit(0);
        }
        child => {
            let mut status = 0;
            // SAFETY: it is ours.
            unsafe { libc::waitpid(child, &raw mut status, 0) };
        }
    }
}

#[allow(clippy::print_stdout, clippy::print_stderr)]
fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some((file, works)) = arguments.split_first() else { return ExitCode::FAILURE };
    let tracker = match Tracker::from_config(file) {
        Ok(tracker) => tracker,
        Err(error) => {
            eprintln!("{error:#}");
            return ExitCode::from(3);
        }
    };
    println!("enabled {}", tracker.enabled());
    let started = Instant::now();
    for work in works.chunks(2) {
        match work {
            [work, text] if work == "answer" => println!("{:?}", answer(&tracker, text)),
            [work, name] if work == "named" => println!("{}", tracker.trace(name).attr("answer", 42).call(|| 42)),
            [work, count] if work == "spans" => {
                let count = count.parse().unwrap_or(0);
                let sum: u64 = tracker.trace("workflow_of_many").call(|| (0..count).map(step).sum());
                println!("{sum}");
            }
            [work, text] if work == "cost" => {
                let (_, trace) = spanwright::traced_call(|| answer(&tracker, text));
                let handle = trace.unwrap_or_else(|| TraceId::from_bytes([1; 16]).into());
                let summary = tracker.cost_summary(&handle);
                let said = summary.as_ref().and_then(|summary| serde_json::to_string(summary).ok());
                println!("{}", said.unwrap_or_else(|| "no summary".to_owned()));
                summary.iter().for_each(|summary| tracker.log_summary(summary));
            }
            [work, text] if work == "fork" => forked(&tracker, text),
            other => println!("no work {other:?}"),
        }
    }
    println!("us {}", started.elapsed().as_micros());
    ExitCode::SUCCESS
}
