//! Turns into the store, each once.
//!
//! In: the lines of a turn. Out: its spans in the store, and a word in the ledger by session and prompt, so that a turn is told once however often it is
//! read. A turn that has gone on meanwhile, as after a hook that kept the assistant going, is given the spans that are new.

use std::io;

use spanwright::config::{Config, Destination};
use spanwright::record::{Batch, Remains};
use spanwright::store::{ProcessId, Store};
use spanwright::{Error, Retelling, TraceId};

use crate::agents::Agents;
use crate::spans::{Subject, Told, tell};
use crate::transcript::{RawTurn, Scope};
use crate::turn::Turn;

/// Keeps turns in a store, for the configured server.
#[derive(Debug)]
pub struct Keeper<'a> {
    store: &'a Store,
    destination: Option<String>,
    retelling: Retelling,
    process: ProcessId,
}

/// What became of a turn.
#[derive(Debug)]
pub struct Kept {
    /// Its spans, and what was missing for them.
    pub told: Told,
    /// Nothing of it was new.
    pub was_known: bool,
}

/// Why turns could not be kept.
#[derive(Debug)]
pub enum Trouble {
    /// The transcript cannot be read.
    Transcript(io::Error),
    /// The store cannot be used.
    Store(Error),
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::Transcript(error)
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

impl<'a> Keeper<'a> {
    /// Keeps turns in `store`; where `config` has a server, they wait for it there.
    pub fn new(store: &'a Store, config: &Config) -> Self {
        let destination = match &config.destination.value {
            Destination::Http(uri) => Some(uri.as_str().to_owned()),
            _ => None,
        };
        Self { store, destination, retelling: Retelling::new(config), process: ProcessId(std::process::id().into()) }
    }

    /// Whether the turn has been told before.
    ///
    /// # Errors
    ///
    /// [`Error::is_store`] if the store cannot be read.
    pub fn knows(&self, raw: &RawTurn, subject: &Subject) -> Result<bool, Error> {
        let trace = subject.trace(raw.session().as_deref(), &raw.key());
        Ok(self.store.meta_get(&ledger(trace))?.is_some())
    }

    /// Whether the turn is among those that the sampling ratio leaves out.
    pub fn leaves_out(&self, raw: &RawTurn, subject: &Subject) -> bool {
        !self.retelling.keeps(subject.trace(raw.session().as_deref(), &raw.key()))
    }

    /// Keeps a turn.
    ///
    /// # Errors
    ///
    /// [`Error::is_store`] if the store cannot be written; keeping it again is safe.
    pub fn keep(
        &mut self,
        raw: &RawTurn,
        scope: Scope,
        subject: &Subject,
        agents: &Agents,
        otherwise_ns: u64,
    ) -> Result<Kept, Error> {
        let turn = Turn::of(raw, scope, otherwise_ns);
        let mut told = tell(&turn, subject, Some(agents), &mut self.retelling);
        let Some(trace) = told.spans.first().map(|root| root.trace_id) else {
            return Ok(Kept { told, was_known: true });
        };
        let (key, count) = (ledger(trace), told.spans.len().to_string());
        if self.store.meta_get(&key)?.as_deref() == Some(&*count) {
            return Ok(Kept { told, was_known: true });
        }
        let batch = Batch { finished: told.spans, remains: Remains::Nothing, ..Batch::default() };
        self.store.append(&batch, self.process, self.destination.as_deref())?;
        self.store.meta_set(&key, &count)?;
        told.spans = batch.finished;
        Ok(Kept { told, was_known: false })
    }
}

/// The last turn of a transcript, and every one before it that came after a turn that is known: nobody has called for those, because the user
/// stopped the assistant.
///
/// # Errors
///
/// Those of reading the transcript, and of the store.
pub fn each_due_turn(
    turns: impl Iterator<Item = io::Result<RawTurn>>,
    mut knows: impl FnMut(&RawTurn) -> Result<bool, Error>,
    mut due: impl FnMut(&RawTurn) -> Result<(), Error>,
) -> Result<bool, Trouble> {
    let (mut last, mut follows_known) = (None, false);
    for turn in turns {
        let turn = turn?;
        if turn.is_unanswered_command {
            continue;
        }
        if let Some(before) = last.replace(turn) {
            if knows(&before)? {
                follows_known = true;
            } else if follows_known {
                due(&before)?;
            }
        }
    }
    last.as_ref().map(due).transpose()?;
    Ok(last.is_some())
}

fn ledger(trace: TraceId) -> String {
    format!("claude:{trace}")
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn due(known: &[&str], transcript: &str) -> Vec<String> {
        let known: HashSet<_> = known.iter().map(|key| (*key).to_owned()).collect();
        let turns = transcript.chars().map(|key| {
            let line = format!(r#"{{"uuid":"{}"}}"#, key.to_ascii_lowercase());
            Ok(RawTurn { lines: line, is_unanswered_command: key.is_ascii_uppercase(), ..RawTurn::default() })
        });
        let mut found = Vec::new();
        let ended = each_due_turn(
            turns,
            |turn| Ok(known.contains(&turn.key())),
            |turn| {
                found.push(turn.key());
                Ok(())
            },
        );
        assert_eq!(ended.expect("readable"), !transcript.chars().all(|key| key.is_ascii_uppercase()));
        found
    }

    #[test]
    fn a_turn_nobody_called_for_is_told_by_the_next_and_what_came_before_us_is_not() {
        assert_eq!(due(&[], "abc"), ["c"], "tracing has just been switched on");
        assert_eq!(due(&["b"], "abcd"), ["c", "d"], "the user stopped the assistant in c");
        assert_eq!(due(&["a", "b", "c"], "abcd"), ["d"]);
        assert_eq!(due(&["d"], "abcD"), ["c"], "a command is no turn");
        assert_eq!(due(&[], "AB"), [""; 0]);
        assert_eq!(due(&[], ""), [""; 0]);
    }
}
