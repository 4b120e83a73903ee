//! A workflow that is traced as a file says: `cargo run --example configured -- examples/workflow.yaml`.
//!
//! What a node is told that says `log_prompts: false` there is in no trace; its numbers are.

use std::process::ExitCode;

use spanwright::configured::Tracker;
use spanwright::{node, tree};

#[node(capture = "full", attributes(nights = 3))]
fn look_up_guest(name: &str) -> String {
    format!("{name}, who likes it warm")
}

#[node(capture = "full")]
fn pack(city: &str) -> Vec<&'static str> {
    if city == "Oslo" { vec!["coat", "gloves"] } else { vec!["sunglasses"] }
}

#[allow(clippy::print_stdout, clippy::print_stderr)]
fn main() -> ExitCode {
    let file = std::env::args().nth(1).unwrap_or_else(|| "examples/workflow.yaml".to_owned());
    let tracker = match Tracker::from_config(file) {
        Ok(tracker) => tracker,
        Err(error) => {
            eprintln!("{error:#}");
            return ExitCode::FAILURE;
        }
    };
    let (packed, trace) = spanwright::traced_call(|| {
        tracker.trace_workflow().attr("city", "Oslo").call(|| {
            look_up_guest("Ann");
            pack("Oslo")
        })
    });
    println!("{packed:?}");

    // What was kept of it, if anything was.
    let flushed = tracker.guard().map(|guard| guard.flush(std::time::Duration::from_secs(5)));
    let store = tracker.guard().and_then(|guard| guard.store());
    if let (Some(_), Some(store), Some(trace)) = (flushed, store, trace) {
        let spans = store.spans(trace.trace_id()).unwrap_or_default();
        print!("{}", tree::render(&spans, tree::Style::drawn()));
        for span in &spans {
            let output = span.outputs.as_ref().map_or("nothing", |output| output.as_str());
            println!("{} returned {output}", span.name);
        }
    }
    ExitCode::SUCCESS
}
