//! The entries of a turn, one after the other, become a turn.

use std::borrow::Cow;
use std::collections::HashMap;

use serde_json::value::RawValue;

use super::{Call, Given, Happening, Launch, Outcome, Part, Tool, Turn, usage};
use crate::transcript::entry::{self, Block, Entry};

/// The model of what the client itself writes in a model's place.
const SYNTHETIC: &str = "<synthetic>";

/// A turn in the making.
pub(super) struct Builder<'a> {
    turn: Turn<'a>,
    has_prompt: bool,
    /// The last time that was read.
    now_ns: Option<u64>,
    otherwise_ns: u64,
    /// What the next call is given.
    given: Vec<Given<'a>>,
    /// What the user typed meanwhile and the model has not been given.
    queued: Vec<Part<'a>>,
    /// The call of a message.
    messages: HashMap<Cow<'a, str>, usize>,
    /// Call and place in it of a tool call that waits for its result.
    waiting: HashMap<Cow<'a, str>, (usize, usize)>,
    /// The call the last entry belonged to.
    open: Option<usize>,
    skill: Option<Cow<'a, str>>,
    is_interrupted: bool,
}

impl<'a> Builder<'a> {
    pub(super) fn new(otherwise_ns: u64) -> Self {
        Self {
            turn: Turn::default(),
            has_prompt: false,
            now_ns: None,
            otherwise_ns,
            given: Vec::new(),
            queued: Vec::new(),
            messages: HashMap::new(),
            waiting: HashMap::new(),
            open: None,
            skill: None,
            is_interrupted: false,
        }
    }

    /// Gives the turn a prompt that stands in no entry.
    pub(super) fn prompt(&mut self, text: String) {
        self.given.push(Given { content: Part::Text(text.clone().into()) });
        self.turn.prompt = text;
        self.has_prompt = true;
    }

    pub(super) fn take(&mut self, entry: &Entry<'a>) {
        let time_ns = self.time(entry);
        self.end_open_call(entry, time_ns);
        self.facts(entry);
        match entry.kind.as_deref() {
            Some("user") => self.user(entry, time_ns),
            Some("assistant") => self.assistant(entry, time_ns),
            Some("system") => self.system(entry, time_ns),
            Some("queue-operation") => self.queue(entry),
            _ => {}
        }
    }

    fn time(&mut self, entry: &Entry<'a>) -> u64 {
        let known = entry.time_ns.or(self.now_ns);
        let is_first = self.now_ns.is_none();
        self.turn.is_estimated |= entry.time_ns.is_none() && (entry.is_user() || entry.is_assistant());
        let time_ns = known.unwrap_or(self.otherwise_ns);
        self.now_ns = entry.time_ns.or(self.now_ns);
        if is_first && self.turn.start_ns == 0 {
            self.turn.start_ns = time_ns;
        }
        self.turn.end_ns = self.turn.end_ns.max(time_ns);
        time_ns
    }

    /// A call has ended by the next entry that has a time and belongs to something else.
    fn end_open_call(&mut self, entry: &Entry<'a>, time_ns: u64) {
        let Some(call) = self.open.and_then(|open| self.turn.calls.get_mut(open)) else { return };
        if entry.time_ns.is_none() || (entry.is_assistant() && call.id.is_some() && entry.message().id == call.id) {
            return;
        }
        call.end_ns = call.end_ns.max(time_ns);
        self.open = None;
    }

    fn facts(&mut self, entry: &Entry<'a>) {
        let turn = &mut self.turn;
        for (known, said) in [
            (&mut turn.session, &entry.session_id),
            (&mut turn.cwd, &entry.cwd),
            (&mut turn.permission_mode, &entry.permission_mode),
        ] {
            if known.is_none() {
                *known = said.as_deref().map(str::to_owned);
            }
        }
    }

    fn user(&mut self, entry: &Entry<'a>, time_ns: u64) {
        let content = entry.message().content;
        if !self.has_prompt && !entry.is_meta {
            self.has_prompt = true;
            self.turn.prompt = entry::user_text(content);
            self.turn.start_ns = time_ns;
        }
        if entry.is_interruption() {
            self.is_interrupted = true;
            self.happened("interruption", time_ns, Vec::new());
            return;
        }
        let Some(content) = content else { return };
        let blocks = entry::blocks(Some(content));
        let results = || blocks.iter().filter(|(block, _)| block.kind.as_deref() == Some("tool_result"));
        let is_only_one = results().count() == 1;
        for (block, _) in results() {
            self.result(entry, block, is_only_one, time_ns);
        }
        self.given.push(Given { content: Part::Raw(content) });
        if let Some(skill) = entry.launched_skill() {
            self.skill = Some(skill);
        }
    }

    fn result(&mut self, entry: &Entry<'a>, block: &Block<'a>, is_only_one: bool, time_ns: u64) {
        let Some(id) = &block.tool_use_id else { return };
        let Some((call, place)) = self.waiting.remove(id) else { return };
        let Some(tool) = self.turn.calls.get_mut(call).and_then(|call| call.tools.get_mut(place)) else { return };
        tool.end_ns = tool.end_ns.max(time_ns);
        tool.result = Some(block.content.map_or(Part::Text("".into()), Part::Raw));
        // Several results in one entry share what the client says of them.
        let said = if is_only_one { entry.tool_use_result.and_then(entry::string) } else { None };
        let is_refused = said.is_some_and(|said| said.starts_with("Error:") || said.starts_with("User rejected"));
        if block.is_error.unwrap_or(is_refused) {
            tool.error = Some(entry::user_text(block.content));
        }
        let result = entry.result();
        if let (true, Some(agent)) = (is_only_one, &result.agent_id) {
            tool.agent = Some(Launch { agent_id: agent.clone().into_owned(), is_background: result.is_background() });
        }
    }

    fn assistant(&mut self, entry: &Entry<'a>, time_ns: u64) {
        let message = entry.message();
        let is_synthetic = message.model.as_deref() == Some(SYNTHETIC);
        if is_synthetic && !entry.is_api_error_message {
            let text = entry::user_text(message.content);
            self.happened("client_message", time_ns, vec![("text", Part::Text(text.into()))]);
            return;
        }
        let known = message.id.as_ref().and_then(|id| self.messages.get(id)).copied();
        let place = known.unwrap_or_else(|| self.begin(message.id.clone(), time_ns));
        let (skill, call) = (self.skill.clone(), &mut self.turn.calls[place]);
        call.end_ns = call.end_ns.max(time_ns);
        call.is_api_error |= entry.is_api_error_message;
        call.model = message.model.or_else(|| call.model.take());
        call.stop_reason = message.stop_reason.or_else(|| call.stop_reason.take());
        if !call.is_api_error {
            call.usage = usage::later(call.usage, message.usage.and_then(usage::read));
        }
        if let Some(text) = entry::plain_text(message.content) {
            call.text.get_or_insert_default().push_str(&text);
            call.blocks.push(Part::Text(text));
        }
        for (block, raw) in entry::blocks(message.content) {
            match block.kind.as_deref() {
                Some("text") => {
                    call.text.get_or_insert_default().push_str(block.text.as_deref().unwrap_or_default());
                }
                Some("tool_use") => {
                    let tool = tool(block, time_ns, skill.clone());
                    self.waiting.insert(tool.id.clone(), (place, call.tools.len()));
                    call.tools.push(tool);
                }
                _ => {}
            }
            call.blocks.push(Part::Raw(raw));
        }
        self.open = Some(place);
        self.is_interrupted = false;
    }

    fn begin(&mut self, id: Option<Cow<'a, str>>, time_ns: u64) -> usize {
        let place = self.turn.calls.len();
        if let Some(id) = &id {
            self.messages.insert(id.clone(), place);
        }
        let mut given = std::mem::take(&mut self.given);
        given.extend(self.queued.drain(..).map(|content| Given { content }));
        let call = Call { id, given, start_ns: time_ns, end_ns: time_ns, skill: self.skill.clone(), ..Call::default() };
        self.turn.calls.push(call);
        place
    }

    fn system(&mut self, entry: &Entry<'a>, time_ns: u64) {
        let facts = |named: &[(&'static str, Option<&'a RawValue>)]| {
            named.iter().filter_map(|(name, value)| Some((*name, Part::Raw((*value)?)))).collect()
        };
        match entry.subtype.as_deref() {
            Some("compact_boundary") => {
                self.happened("compaction", time_ns, facts(&[("compaction", entry.compact_metadata)]));
            }
            Some("api_error") => {
                let named = [("error", entry.error), ("retry_attempt", entry.retry_attempt)];
                self.happened("api_error", time_ns, facts(&named));
            }
            _ => {}
        }
    }

    /// What the user types while the assistant works: it is given to the model on the way, or becomes the next prompt.
    fn queue(&mut self, entry: &Entry<'a>) {
        match (entry.operation.as_deref(), entry.content) {
            (Some("enqueue"), Some(content)) => self.queued.push(Part::Raw(content)),
            (Some("dequeue"), _) if !self.queued.is_empty() => drop(self.queued.remove(0)),
            _ => {}
        }
    }

    fn happened(&mut self, name: &'static str, time_ns: u64, facts: Vec<(&'static str, Part<'a>)>) {
        self.turn.happenings.push(Happening { name, time_ns, facts });
    }

    pub(super) fn finish(self) -> Turn<'a> {
        let mut turn = self.turn;
        if turn.start_ns == 0 {
            turn.start_ns = self.otherwise_ns;
        }
        turn.end_ns = turn.end_ns.max(turn.start_ns);
        turn.response = turn.calls.iter().rev().find_map(|call| call.text.clone());
        turn.outcome = match turn.calls.last() {
            _ if self.is_interrupted => Outcome::Interrupted,
            Some(last) if last.is_api_error => Outcome::Failed,
            _ => Outcome::Completed,
        };
        turn
    }
}

fn tool<'a>(block: Block<'a>, time_ns: u64, skill: Option<Cow<'a, str>>) -> Tool<'a> {
    Tool {
        id: block.id.unwrap_or_default(),
        name: block.name.unwrap_or_default(),
        input: block.input,
        result: None,
        error: None,
        start_ns: time_ns,
        end_ns: time_ns,
        skill,
        agent: None,
        nested: None,
    }
}
