//! A transcript, a line at a time, cut into turns.
//!
//! In: the lines of a session's file, or of a sub-agent's, which may be written to while they are read. Out: one [`RawTurn`] after the other, each with
//! its own lines. Holds the lines of one turn and no others. A line that is no entry is left out and counted; nothing in a line stops the
//! reader. Not done here: what the lines of a turn mean (`turn`).

pub mod entry;
pub mod time;

use std::io::{self, BufRead};

use crate::ids;
use entry::Entry;

/// A longer line is left out: no entry of an assistant is so long.
const LONGEST_LINE: usize = 64 << 20;

/// Whose transcript it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// A session's. Entries of sub-agents that stand in it start no turn.
    Session,
    /// A sub-agent's own.
    Agent,
}

/// The lines from one prompt to the next.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RawTurn {
    /// The entries, a line each; the first is the prompt.
    pub lines: String,
    /// Lines that were left out because they are no entry, those right before the prompt aside.
    pub skipped: u64,
    /// Version of the assistant, as the first entry of the file that has one says it.
    pub version: Option<String>,
    /// The prompt is a command such as `/model`, and no model has answered it.
    pub is_unanswered_command: bool,
}

impl RawTurn {
    /// The session, as the prompt has it.
    pub fn session(&self) -> Option<String> {
        let first = self.lines.lines().next().and_then(Entry::parse)?;
        first.session_id.map(std::borrow::Cow::into_owned)
    }

    /// What the turn is known by: the id of its prompt, else a hash of that.
    pub fn key(&self) -> String {
        let first = self.lines.lines().next().and_then(Entry::parse).unwrap_or_default();
        match first.uuid {
            Some(uuid) => uuid.into_owned(),
            None => {
                let prompt = entry::user_text(first.message().content);
                format!("{:016x}", ids::hash(&[&prompt, &first.time_ns.unwrap_or_default().to_string()]))
            }
        }
    }
}

/// The turns of a transcript, the first one first.
#[derive(Debug)]
pub struct Turns<R> {
    lines: Lines<R>,
    scope: Scope,
    version: Option<String>,
    turn: Option<RawTurn>,
    follows_skill: bool,
}

impl<R: BufRead> Turns<R> {
    /// Reads `from` to its end, as the transcript of `scope`.
    pub fn of(from: R, scope: Scope) -> Self {
        Self { lines: Lines { from, line: Vec::new() }, scope, version: None, turn: None, follows_skill: false }
    }

    fn take(&mut self, line: &str) -> Option<RawTurn> {
        let Some(entry) = Entry::parse(line) else {
            if let Some(turn) = &mut self.turn {
                turn.skipped += 1;
            }
            return None;
        };
        if self.version.is_none() {
            self.version = entry.version.as_deref().map(str::to_owned);
        }
        let mut finished = None;
        let is_own = self.scope == Scope::Agent || !entry.is_sidechain;
        if is_own && entry.is_user() {
            if entry.is_prompt() && !self.follows_skill {
                let next = RawTurn { is_unanswered_command: entry.is_command(), ..RawTurn::default() };
                finished = self.turn.replace(next);
            }
            self.follows_skill = entry.launched_skill().is_some();
        }
        if let Some(turn) = &mut self.turn {
            turn.is_unanswered_command &= !(is_own && entry.is_assistant());
            turn.lines.push_str(line);
            turn.lines.push('\n');
        }
        finished.map(|turn| self.told(turn))
    }

    fn told(&self, turn: RawTurn) -> RawTurn {
        RawTurn { version: self.version.clone(), ..turn }
    }
}

impl<R: BufRead> Iterator for Turns<R> {
    type Item = io::Result<RawTurn>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let line = match self.lines.advance() {
                Err(error) => return Some(Err(error)),
                Ok(false) => {
                    let last = self.turn.take();
                    return last.map(|turn| Ok(self.told(turn)));
                }
                Ok(true) => std::mem::take(&mut self.lines.line),
            };
            let text = String::from_utf8_lossy(&line);
            let finished = if text.trim().is_empty() { None } else { self.take(text.trim()) };
            drop(text);
            self.lines.line = line;
            if let Some(finished) = finished {
                return Some(Ok(finished));
            }
        }
    }
}

/// The last turn that asks for a trace: commands that no model answered are passed over.
///
/// # Errors
///
/// Those of reading.
pub fn last_turn(from: impl BufRead, scope: Scope) -> io::Result<Option<RawTurn>> {
    let mut last = None;
    for turn in Turns::of(from, scope) {
        let turn = turn?;
        if !turn.is_unanswered_command {
            last = Some(turn);
        }
    }
    Ok(last)
}

/// Lines of bounded length.
#[derive(Debug)]
struct Lines<R> {
    from: R,
    line: Vec<u8>,
}

impl<R: BufRead> Lines<R> {
    /// Reads the next line; false at the end. One that is too long is no JSON any longer: its middle is left out.
    fn advance(&mut self) -> io::Result<bool> {
        self.line.clear();
        let mut any = false;
        loop {
            let buffered = match self.from.fill_buf() {
                Ok(buffered) => buffered,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if buffered.is_empty() {
                return Ok(any);
            }
            any = true;
            let end = buffered.iter().position(|byte| *byte == b'\n');
            let taken = end.map_or(buffered.len(), |end| end + 1);
            if self.line.len() + taken <= LONGEST_LINE {
                self.line.extend_from_slice(&buffered[..taken]);
            } else {
                self.line.truncate(1);
                self.line.resize(LONGEST_LINE.min(2), b'!');
            }
            self.from.consume(taken);
            if end.is_some() {
                return Ok(true);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turns(text: &str, scope: Scope) -> Vec<RawTurn> {
        Turns::of(text.as_bytes(), scope).collect::<io::Result<_>>().expect("memory is readable")
    }

    const PROMPT: &str = r#"{"type":"user","message":{"role":"user","content":"one"}}"#;
    const ANSWER: &str = r#"{"type":"assistant","version":"2.1","message":{"content":[{"type":"text","text":"Hi"}]}}"#;

    #[test]
    fn a_turn_goes_from_its_prompt_to_the_next() {
        let text = format!("{ANSWER}\n{PROMPT}\n{ANSWER}\nno entry\n{PROMPT}\n{ANSWER}");
        let turns = turns(&text, Scope::Session);
        assert_eq!(turns.iter().map(|turn| turn.skipped).collect::<Vec<_>>(), [1, 0]);
        assert_eq!(turns[1].lines, format!("{PROMPT}\n{ANSWER}\n"));
        assert!(turns.iter().all(|turn| turn.version.as_deref() == Some("2.1")));
    }

    #[test]
    fn what_is_no_prompt_starts_no_turn() {
        let no_prompts = [
            r#"{"type":"user","message":{"content":"Caveat: …"},"isMeta":true}"#,
            r#"{"type":"user","message":{"content":"summary"},"isCompactSummary":true}"#,
            r#"{"type":"user","message":{"content":"inner"},"isSidechain":true}"#,
            r#"{"type":"user","message":{"content":[{"type":"tool_result","tool_use_id":"t","content":"x"}]}}"#,
            r#"{"type":"user","message":{"content":"x"},"toolUseResult":{"stdout":"x"}}"#,
            r#"{"type":"user","message":{"content":"<local-command-stdout>x</local-command-stdout>"}}"#,
            r#"{"type":"user","message":{"content":[{"type":"text","text":"[Request interrupted by user for tool use]"}]}}"#,
            r#"{"type":"user","message":{"content":"  "}}"#,
            r#"{"type":"user","message":{"content":[]}}"#,
            r#"{"type":"summary","summary":"x"}"#,
            r#"{"type":"attachment","message":"x"}"#,
        ];
        for line in no_prompts {
            assert_eq!(turns(line, Scope::Session), [], "{line}");
        }
        assert_eq!(turns(no_prompts[2], Scope::Agent).len(), 1, "a sub-agent's own prompt");
        let skill = r#"{"type":"user","message":{"content":"Launching"},"toolUseResult":{"commandName":"s"}}"#;
        let body = r#"{"type":"user","message":{"content":"Base directory for this skill"}}"#;
        assert_eq!(turns(&[PROMPT, skill, body, skill, body].join("\n"), Scope::Session).len(), 1);
    }

    #[test]
    fn a_command_no_model_answered_is_not_the_last_turn() {
        let command = r#"{"type":"user","message":{"content":"<command-name>/cost</command-name>"}}"#;
        let last = |text: String| last_turn(text.as_bytes(), Scope::Session).expect("readable").expect("a turn").lines;
        assert_eq!(last([PROMPT, ANSWER, command].join("\n")), format!("{PROMPT}\n{ANSWER}\n"));
        assert_eq!(last([PROMPT, ANSWER, command, ANSWER].join("\n")), format!("{command}\n{ANSWER}\n"));
    }

    #[test]
    fn a_line_without_end_is_bounded() {
        struct Endless(u64);
        impl io::Read for Endless {
            fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
                if self.0 == 0 {
                    return Ok(0);
                }
                self.0 -= 1;
                to.fill(b'[');
                Ok(to.len())
            }
        }
        let endless = io::BufReader::with_capacity(1 << 20, Endless(80));
        let mut lines = Lines { from: endless, line: Vec::new() };
        assert!(lines.advance().expect("readable"));
        assert!(lines.line.len() <= LONGEST_LINE && Entry::parse(&String::from_utf8_lossy(&lines.line)).is_none());
    }
}
