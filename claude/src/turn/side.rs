//! Entries of sub-agents that stand among those of the turn, as older assistants wrote them: marked as a side chain, or wrapped as progress of
//! the tool call that launched the sub-agent.

use std::borrow::Cow;
use std::collections::HashMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::Turn;
use super::build::Builder;
use crate::transcript::entry::{self, Entry};

/// Entries by sub-agent.
pub(super) struct Groups<'a, 'e> {
    chains: Vec<Vec<&'e Entry<'a>>>,
    /// By tool call.
    progress: HashMap<Cow<'a, str>, Progress<'a>>,
}

#[derive(Default)]
struct Progress<'a> {
    prompt: Option<String>,
    entries: Vec<Entry<'a>>,
}

/// What a progress entry of a sub-agent carries.
#[derive(Deserialize)]
struct Data<'a> {
    #[serde(rename = "type", borrow)]
    kind: Option<&'a RawValue>,
    #[serde(borrow)]
    message: Option<&'a RawValue>,
    #[serde(borrow)]
    prompt: Option<&'a RawValue>,
}

impl<'a, 'e> Groups<'a, 'e> {
    /// The side chains: by sub-agent where they name it, else by who follows whom.
    pub(super) fn of(side: &'e [Entry<'a>]) -> Self {
        let mut chains: Vec<Vec<&'e Entry<'a>>> = Vec::new();
        let mut by_agent: HashMap<&str, usize> = HashMap::new();
        let mut by_entry: HashMap<&str, usize> = HashMap::new();
        for entry in side {
            let agent = entry.agent_id.as_deref();
            let known = match agent {
                Some(agent) => by_agent.get(agent),
                None => entry.parent_uuid.as_deref().and_then(|parent| by_entry.get(parent)),
            };
            let chain = known.copied().unwrap_or_else(|| {
                chains.push(Vec::new());
                chains.len() - 1
            });
            if let Some(agent) = agent {
                by_agent.insert(agent, chain);
            }
            if let Some(uuid) = entry.uuid.as_deref() {
                by_entry.insert(uuid, chain);
            }
            chains[chain].push(entry);
        }
        Self { chains, progress: HashMap::new() }
    }

    /// Takes a progress entry; false if it is not one of a sub-agent.
    pub(super) fn take_progress(&mut self, entry: &Entry<'a>) -> bool {
        let (Some(data), Some(tool)) = (entry.data.and_then(entry::object::<Data<'a>>), &entry.parent_tool_use_id)
        else {
            return false;
        };
        if data.kind.and_then(entry::string).as_deref() != Some("agent_progress") {
            return false;
        }
        let progress = self.progress.entry(tool.clone()).or_default();
        if progress.prompt.is_none() {
            progress.prompt = data.prompt.and_then(entry::string).map(Cow::into_owned);
        }
        if let Some(mut message) = data.message.and_then(|raw| Entry::parse(raw.get())) {
            message.time_ns = message.time_ns.or(entry.time_ns);
            progress.entries.push(message);
        }
        true
    }

    /// Puts what each sub-agent did below the tool call that launched it.
    pub(super) fn attach(self, turn: &mut Turn<'a>, otherwise_ns: u64) {
        let Self { chains, mut progress } = self;
        for tool in turn.calls.iter_mut().flat_map(|call| &mut call.tools) {
            if let Some(progress) = progress.remove(&tool.id) {
                tool.nested = Some(Box::new(of_progress(progress, otherwise_ns)));
            }
        }
        for chain in chains {
            let mut nested = Builder::new(otherwise_ns);
            chain.iter().for_each(|entry| nested.take(entry));
            let nested = nested.finish();
            let agent = chain.first().and_then(|first| first.agent_id.as_deref());
            let tools = turn.calls.iter_mut().flat_map(|call| &mut call.tools);
            let mut free = tools.filter(|tool| tool.launches_agents() && tool.nested.is_none());
            let launcher = free.find(|tool| match (&tool.agent, agent) {
                (Some(launch), Some(agent)) => launch.agent_id == agent,
                _ => tool.input_text("prompt").is_some_and(|prompt| prompt.trim() == nested.prompt.trim()),
            });
            match launcher {
                Some(tool) => tool.nested = Some(Box::new(nested)),
                None => turn.stray_entries += chain.len() as u64,
            }
        }
        turn.stray_entries += progress.values().map(|lost| lost.entries.len() as u64).sum::<u64>();
    }
}

fn of_progress(progress: Progress<'_>, otherwise_ns: u64) -> Turn<'_> {
    let mut nested = Builder::new(otherwise_ns);
    let mut entries = progress.entries.iter().peekable();
    match (progress.prompt, entries.peek()) {
        (Some(prompt), first) if first.is_none_or(|first| !first.is_prompt()) => nested.prompt(prompt),
        _ => {}
    }
    entries.for_each(|entry| nested.take(entry));
    nested.finish()
}
