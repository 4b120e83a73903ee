//! What happened in one turn: from what the user asked to what the assistant answered.
//!
//! In: the lines of a [`RawTurn`]. Out: a [`Turn`], which borrows from them: the prompt, every model call once, the tools each of them
//! called with what they gave back, sub-agents whose entries stand among the lines, and what happened beside. Not done here: files of sub-agents
//! (`agents`), spans (`spans`).

mod build;
mod side;
mod usage;

use std::borrow::Cow;

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::value::RawValue;
use spanwright::record::Usage;

use crate::transcript::entry::Entry;
use crate::transcript::{RawTurn, Scope};

/// One turn.
#[derive(Debug, Default)]
pub struct Turn<'a> {
    /// What the turn is known by; empty where its entries stand among those of another.
    pub key: String,
    /// What the user asked.
    pub prompt: String,
    /// What the assistant answered, if it did.
    pub response: Option<String>,
    /// How it ended.
    pub outcome: Outcome,
    /// When it was asked.
    pub start_ns: u64,
    /// The last that is known of it; never before the start.
    pub end_ns: u64,
    /// Some time was missing and taken from its neighbours.
    pub is_estimated: bool,
    /// Lines that were no entry.
    pub skipped: u64,
    /// Entries of sub-agents that belong to no tool call of this turn.
    pub stray_entries: u64,
    /// Session, as the entries have it.
    pub session: Option<String>,
    /// Version of the assistant.
    pub version: Option<String>,
    /// Working folder.
    pub cwd: Option<String>,
    /// What the assistant may do unasked.
    pub permission_mode: Option<String>,
    /// The model calls in the order in which they began.
    pub calls: Vec<Call<'a>>,
    /// What happened beside them.
    pub happenings: Vec<Happening<'a>>,
}

/// How a turn ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Outcome {
    /// The assistant was done.
    #[default]
    Completed,
    /// The user stopped it.
    Interrupted,
    /// The last call of a model failed.
    Failed,
}

impl Outcome {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Interrupted => "interrupted",
            Self::Failed => "error",
        }
    }
}

/// One call of a model: all entries of one message.
#[derive(Debug, Default)]
pub struct Call<'a> {
    /// Id of the message.
    pub id: Option<Cow<'a, str>>,
    /// The model.
    pub model: Option<Cow<'a, str>>,
    /// What it was given since the call before, whose answer stands before that.
    pub given: Vec<Given<'a>>,
    /// What it answered.
    pub blocks: Vec<Part<'a>>,
    /// The text of that.
    pub text: Option<String>,
    /// Tokens, as the last entry counts them.
    pub usage: Option<Usage>,
    /// Why the model stopped.
    pub stop_reason: Option<Cow<'a, str>>,
    /// The client says with it that the call failed.
    pub is_api_error: bool,
    /// First entry.
    pub start_ns: u64,
    /// The entry after the last one, else the last one.
    pub end_ns: u64,
    /// The skill the assistant followed.
    pub skill: Option<Cow<'a, str>>,
    /// The tools it called.
    pub tools: Vec<Tool<'a>>,
}

/// A message given to a model.
#[derive(Debug)]
pub struct Given<'a> {
    content: Part<'a>,
}

/// A content, or a block of one.
#[derive(Clone, Debug)]
pub enum Part<'a> {
    /// As it stands in the transcript.
    Raw(&'a RawValue),
    /// Text.
    Text(Cow<'a, str>),
}

/// One call of a tool.
#[derive(Debug)]
pub struct Tool<'a> {
    /// Id of the call; empty if it has none.
    pub id: Cow<'a, str>,
    /// The tool.
    pub name: Cow<'a, str>,
    /// What it was given.
    pub input: Option<&'a RawValue>,
    /// What it gave back; `None` if nobody wrote that down.
    pub result: Option<Part<'a>>,
    /// What went wrong.
    pub error: Option<String>,
    /// When it was called.
    pub start_ns: u64,
    /// When its result was written down.
    pub end_ns: u64,
    /// The skill the assistant followed.
    pub skill: Option<Cow<'a, str>>,
    /// The sub-agent it launched.
    pub agent: Option<Launch>,
    /// What that did, where its entries stand among those of the turn.
    pub nested: Option<Box<Turn<'a>>>,
}

/// A sub-agent that a tool call launched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Launch {
    /// The sub-agent.
    pub agent_id: String,
    /// It outlives the tool call.
    pub is_background: bool,
}

/// Something beside the calls.
#[derive(Debug)]
pub struct Happening<'a> {
    /// What.
    pub name: &'static str,
    /// When.
    pub time_ns: u64,
    /// More of it.
    pub facts: Vec<(&'static str, Part<'a>)>,
}

fn read<'a>(lines: &'a str, scope: Scope, otherwise_ns: u64) -> Turn<'a> {
    let entries: Vec<Entry<'a>> = lines.lines().filter_map(Entry::parse).collect();
    let (main, side): (Vec<_>, Vec<_>) =
        entries.into_iter().partition(|entry| scope == Scope::Agent || !entry.is_sidechain);
    let mut side = side::Groups::of(&side);
    let mut builder = build::Builder::new(otherwise_ns);
    for entry in &main {
        if entry.kind.as_deref() == Some("progress") && side.take_progress(entry) {
            continue;
        }
        builder.take(entry);
    }
    let mut turn = builder.finish();
    side.attach(&mut turn, otherwise_ns);
    turn
}

impl<'a> Turn<'a> {
    /// What happened in `raw`. Where no entry has a time, it is `otherwise_ns`.
    pub fn of(raw: &'a RawTurn, scope: Scope, otherwise_ns: u64) -> Self {
        let mut turn = read(&raw.lines, scope, otherwise_ns);
        turn.key = raw.key();
        turn.skipped = raw.skipped;
        turn.version.clone_from(&raw.version);
        turn
    }

    /// Every tool call.
    pub fn tools(&self) -> impl Iterator<Item = &Tool<'a>> {
        self.calls.iter().flat_map(|call| &call.tools)
    }
}

impl<'a> Tool<'a> {
    /// A text among what it was given.
    pub fn input_text(&self, key: &str) -> Option<Cow<'a, str>> {
        let input: serde_json::Map<String, serde_json::Value> = serde_json::from_str(self.input?.get()).ok()?;
        input.get(key)?.as_str().map(|text| Cow::Owned(text.to_owned()))
    }

    /// Whether it is one that launches sub-agents.
    pub fn launches_agents(&self) -> bool {
        matches!(&*self.name, "Task" | "Agent")
    }
}

impl Serialize for Part<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Raw(raw) => raw.serialize(to),
            Self::Text(text) => to.serialize_str(text),
        }
    }
}

impl Serialize for Given<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut message = to.serialize_map(Some(2))?;
        message.serialize_entry("role", "user")?;
        message.serialize_entry("content", &self.content)?;
        message.end()
    }
}
