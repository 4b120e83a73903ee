//! Files of sub-agents: where they are, and which sub-agent was launched by what.

use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

use crate::transcript::entry::{self, Entry};
use crate::transcript::{RawTurn, Scope, Turns};
use crate::turn::Launch;

/// The transcripts of a session's sub-agents.
#[derive(Clone, Debug)]
pub struct Agents {
    folder: PathBuf,
}

/// How a sub-agent came to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The tool call that launched it first.
    pub tool_use_id: String,
    /// It outlives that call.
    pub is_background: bool,
}

impl Agents {
    /// Those beside the transcript of their session: `<session>.jsonl`, `<session>/subagents/agent-<id>.jsonl`.
    pub fn beside(transcript: &Path) -> Self {
        Self { folder: transcript.with_extension("").join("subagents") }
    }

    /// The transcript of one; `None` for an id that is no name of a file.
    pub fn path(&self, agent_id: &str) -> Option<PathBuf> {
        let is_name = !agent_id.is_empty()
            && agent_id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
        is_name.then(|| self.folder.join(format!("agent-{agent_id}.jsonl")))
    }

    /// What the sub-agent did from `start_ns` to `end_ns`; all it did where it worked once only. `None` if there is nothing.
    ///
    /// # Errors
    ///
    /// Those of reading, a missing file among them.
    pub(crate) fn turn_between(&self, agent_id: &str, start_ns: u64, end_ns: u64) -> io::Result<Option<RawTurn>> {
        let Some(path) = self.path(agent_id) else { return Ok(None) };
        let mut found: Option<RawTurn> = None;
        let mut count = 0;
        for turn in Turns::of(BufReader::new(File::open(path)?), Scope::Agent) {
            let turn = turn?;
            let time_ns = turn.lines.lines().next().and_then(Entry::parse).and_then(|first| first.time_ns);
            if time_ns.is_some_and(|time| (start_ns..=end_ns).contains(&time)) {
                return Ok(Some(turn));
            }
            count += 1;
            found = Some(turn);
        }
        Ok(found.filter(|_| count == 1))
    }
}

/// How a sub-agent came to be, by the transcript of its session; `None` if no tool of that has launched it.
///
/// # Errors
///
/// Those of reading.
pub fn origin(transcript: &Path, agent_id: &str) -> io::Result<Option<Origin>> {
    for turn in Turns::of(BufReader::new(File::open(transcript)?), Scope::Session) {
        let turn = turn?;
        if !turn.lines.contains(agent_id) {
            continue;
        }
        if let Some(origin) = turn.lines.lines().filter_map(Entry::parse).find_map(|entry| launch(&entry, agent_id)) {
            return Ok(Some(origin));
        }
    }
    Ok(None)
}

fn launch(entry: &Entry<'_>, agent_id: &str) -> Option<Origin> {
    let result = entry.result();
    if result.agent_id.as_deref() != Some(agent_id) {
        return None;
    }
    let blocks = entry::blocks(entry.message().content);
    let tool_use_id = blocks.into_iter().find_map(|(block, _)| block.tool_use_id)?.into_owned();
    Some(Origin { tool_use_id, is_background: result.is_background() })
}

impl Launch {
    /// Whether what the sub-agent did stands in a file and belongs below the call that launched it.
    pub(crate) fn is_nested(&self) -> bool {
        !self.is_background
    }
}
