//! Spans whose name is known only when the program runs: agents and judges by their key, tools by their name.
//!
//! An attribute gives each annotated function a static callsite; here one is made for each name, once, up to a limit. Beyond it spans are named
//! by their kind, so that names that come from outside cannot fill the memory.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use spanwright::__private as p;

/// Names a program may have.
const MOST: usize = 1024;
/// Longest name, in characters.
const NAME_CHARS: usize = 250;

type Known = HashMap<(p::Kind, String), &'static p::Callsite>;

static KNOWN: LazyLock<Mutex<Known>> = LazyLock::new(Mutex::default);

static AGENT: p::Callsite = p::Callsite::new("agent", p::Kind::Agent, AGENT_VALUES);
static TOOL: p::Callsite = p::Callsite::new("tool", p::Kind::Tool, TOOL_VALUES);
static JUDGE: p::Callsite = p::Callsite::new("judge", p::Kind::Evaluator, JUDGE_VALUES);

const AGENT_VALUES: &[&str] = &["messages"];
const TOOL_VALUES: &[&str] = &["arguments"];
const JUDGE_VALUES: &[&str] = &["input", "output"];

/// The callsite of an agent, which takes messages.
pub(crate) fn agent(key: &str) -> &'static p::Callsite {
    callsite(p::Kind::Agent, key, AGENT_VALUES, &AGENT)
}

/// The callsite of a tool, which takes arguments.
pub(crate) fn tool(name: &str) -> &'static p::Callsite {
    callsite(p::Kind::Tool, name, TOOL_VALUES, &TOOL)
}

/// The callsite of a judge, which takes an input and an output.
pub(crate) fn judge(key: &str) -> &'static p::Callsite {
    callsite(p::Kind::Evaluator, key, JUDGE_VALUES, &JUDGE)
}

fn callsite(
    kind: p::Kind,
    name: &str,
    values: &'static [&'static str],
    beyond: &'static p::Callsite,
) -> &'static p::Callsite {
    let name: String = name.chars().take(NAME_CHARS).collect();
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if name.is_empty() || (known.len() >= MOST && !known.contains_key(&(kind, name.clone()))) {
        return beyond;
    }
    known.entry((kind, name)).or_insert_with_key(|(_, name)| {
        let name: &'static str = Box::leak(name.clone().into_boxed_str());
        Box::leak(Box::new(p::Callsite::new(name, kind, values)))
    })
}
