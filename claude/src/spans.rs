//! A turn becomes the spans of one trace.
//!
//! In: a [`Turn`], and what is known of it besides: its session, its user. Out: closed spans, the root first, with ids that are made of what they
//! name. What is captured, redacted and cut is what the configuration says, as for a traced program. Spans of a sub-agent stand below the tool
//! call that launched it; its file is read here, one at a time.

use std::collections::{HashMap, HashSet};
use std::io;

use serde::Serialize;
use serde::ser::{SerializeSeq, Serializer};
use spanwright::export::names;
use spanwright::record::{
    AttributeValue, Ending, ErrorFacts, Event, Json, ModelFacts, SpanRecord, Usage, WorkflowFacts,
};
use spanwright::{Retelling, SpanId, TraceId};
use spanwright_prices::Tokens;

use crate::agents::Agents;
use crate::ids;
use crate::transcript::Scope;
use crate::turn::{Call, Given, Happening, Outcome, Part, Tool, Turn};

/// Name of the root of a turn.
pub const CONVERSATION: &str = "claude_code_conversation";
/// Sub-agents that launch sub-agents are followed so far.
const DEEPEST: usize = 8;
/// Characters of an error text.
const ERROR_TEXT: usize = 4096;

/// What is known of a turn besides its entries.
#[derive(Clone, Debug, Default)]
pub struct Subject {
    /// The session; that of the entries if `None`.
    pub session: Option<String>,
    /// Who works with the assistant.
    pub user: Option<String>,
    /// Experiment, by name or id; the configured one if `None`.
    pub experiment: Option<String>,
    /// Working folder; that of the entries if `None`.
    pub working_directory: Option<String>,
    /// What the assistant may do unasked; as the entries have it if `None`.
    pub permission_mode: Option<String>,
    /// The sub-agent whose turn it is.
    pub agent: Option<SubAgent>,
}

/// A sub-agent with a trace of its own.
#[derive(Clone, Debug, Default)]
pub struct SubAgent {
    /// Its id.
    pub id: String,
    /// What kind it is, where that is known.
    pub agent_type: Option<String>,
    /// The tool call that launched it.
    pub tool_use_id: String,
}

/// The spans of a turn, and what could not be found for them, a line each.
#[derive(Debug, Default)]
pub struct Told {
    /// The spans, the root first.
    pub spans: Vec<SpanRecord>,
    /// What is missing.
    pub notices: Vec<String>,
}

impl Subject {
    fn session_of(&self, turn: &Turn<'_>) -> String {
        self.session.clone().or_else(|| turn.session.clone()).unwrap_or_else(|| format!("claude-{}", turn.key))
    }

    fn trace_of(&self, turn: &Turn<'_>) -> TraceId {
        self.trace(turn.session.as_deref(), &turn.key)
    }

    /// The trace of a turn that is known by `key`, of a transcript of `session`.
    pub fn trace(&self, session: Option<&str>, key: &str) -> TraceId {
        let agent = self.agent.as_ref().map_or("", |agent| agent.id.as_str());
        ids::trace(self.session.as_deref().or(session).unwrap_or_default(), agent, key)
    }
}

/// The trace of a turn.
pub fn tell(turn: &Turn<'_>, subject: &Subject, agents: Option<&Agents>, retelling: &mut Retelling) -> Told {
    let mut teller = Teller {
        trace: subject.trace_of(turn),
        agents,
        retelling,
        told: Told::default(),
        ways: HashMap::new(),
        rank: 0,
        followed: HashSet::new(),
    };
    let name = match &subject.agent {
        None => CONVERSATION.to_owned(),
        Some(agent) => agent_name(agent.agent_type.as_deref()),
    };
    let mut root = teller.span("root", None, &name, "AGENT", "agent", (turn.start_ns, turn.end_ns));
    root.inputs = teller.retelling.value(&Prompt { prompt: &turn.prompt, description: None });
    root.outputs = teller.outputs(turn);
    root.workflow = Some(Box::new(workflow(turn, subject)));
    if turn.outcome == Outcome::Failed {
        root.ending = Ending::Error;
        root.error = Some(teller.error("ApiError", turn.response.as_deref().unwrap_or_default()));
    }
    let counted = [("skipped_lines", turn.skipped), ("stray_entries", turn.stray_entries)];
    root.attributes.extend(
        counted
            .into_iter()
            .filter(|(_, count)| *count > 0)
            .map(|(name, count)| (name.to_owned(), AttributeValue::Int(i64::try_from(count).unwrap_or(i64::MAX)))),
    );
    teller.tell_into(root, turn, "", 0);
    teller.told
}

fn agent_name(agent_type: Option<&str>) -> String {
    agent_type.map_or_else(|| "subagent".to_owned(), |agent_type| format!("subagent_{agent_type}"))
}

fn workflow(turn: &Turn<'_>, subject: &Subject) -> WorkflowFacts {
    let metadata = [
        (names::WORKING_DIRECTORY, subject.working_directory.clone().or_else(|| turn.cwd.clone())),
        (names::CLAUDE_CODE_VERSION, turn.version.clone()),
        (names::PERMISSION_MODE, subject.permission_mode.clone().or_else(|| turn.permission_mode.clone())),
    ];
    let tags = subject.agent.iter().flat_map(|agent| {
        [
            ("agent_id", Some(agent.id.clone())),
            ("agent_type", agent.agent_type.clone()),
            ("parent_tool_use_id", Some(agent.tool_use_id.clone())),
        ]
    });
    let said = |(name, value): (&str, Option<String>)| Some((name.to_owned(), value?));
    WorkflowFacts {
        tags: tags.filter_map(said).collect(),
        metadata: metadata.into_iter().filter_map(said).collect(),
        session: Some(subject.session_of(turn)),
        user: subject.user.clone(),
        experiment: subject.experiment.clone(),
        opens_run: None,
    }
}

struct Teller<'t> {
    trace: TraceId,
    agents: Option<&'t Agents>,
    retelling: &'t mut Retelling,
    told: Told,
    /// How often a way has been taken: what has no id of its own is told apart by its place.
    ways: HashMap<String, usize>,
    /// Of the span that is told next.
    rank: u8,
    /// Sub-agents above the one that is told, so that none is followed into itself.
    followed: HashSet<String>,
}

#[derive(Serialize)]
struct Prompt<'a> {
    prompt: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
}

#[derive(Serialize)]
struct Answer<'a> {
    status: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    response: Option<&'a str>,
}

#[derive(Serialize)]
struct Asked<'a> {
    model: Option<&'a str>,
    messages: Messages<'a>,
}

/// What a model was given: what it had answered last, and everything since then.
struct Messages<'a> {
    before: Option<&'a Call<'a>>,
    given: &'a [Given<'a>],
}

#[derive(Serialize)]
struct Answered<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    role: &'static str,
    content: &'a [Part<'a>],
}

#[derive(Serialize)]
struct ToolResult<'a> {
    result: &'a Part<'a>,
}

impl Serialize for Messages<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Assistant<'a> {
            role: &'static str,
            content: &'a [Part<'a>],
        }
        let mut list = to.serialize_seq(Some(self.given.len() + usize::from(self.before.is_some())))?;
        if let Some(call) = self.before {
            list.serialize_element(&Assistant { role: "assistant", content: &call.blocks })?;
        }
        self.given.iter().try_for_each(|given| list.serialize_element(given))?;
        list.end()
    }
}

impl Teller<'_> {
    fn span(
        &mut self,
        way: &str,
        parent_id: Option<SpanId>,
        name: &str,
        span_type: &str,
        kind: &str,
        (start_ns, end_ns): (u64, u64),
    ) -> SpanRecord {
        let taken = self.ways.entry(way.to_owned()).or_default();
        *taken += 1;
        let id = match *taken {
            1 => ids::span(self.trace, way, self.rank),
            nth => ids::span(self.trace, &format!("{way}#{nth}"), self.rank),
        };
        SpanRecord {
            parent_id,
            name: name.to_owned(),
            span_type: span_type.to_owned(),
            kind: kind.to_owned(),
            start_unix_ns: start_ns,
            // A clock may have been set back meanwhile.
            end_unix_ns: end_ns.max(start_ns),
            ..SpanRecord::new(self.trace, id)
        }
    }

    fn outputs(&mut self, turn: &Turn<'_>) -> Option<Json> {
        self.retelling.value(&Answer { status: turn.outcome.as_str(), response: turn.response.as_deref() })
    }

    fn error(&mut self, kind: &str, message: &str) -> ErrorFacts {
        ErrorFacts { kind: kind.to_owned(), message: self.retelling.text(message, ERROR_TEXT) }
    }

    /// Everything below `top`, and then that itself, which lasts as long as the longest of them, in its place. Returns its end.
    fn tell_into(&mut self, mut top: SpanRecord, turn: &Turn<'_>, way: &str, depth: usize) -> u64 {
        top.events = turn.happenings.iter().map(|happening| self.event(happening)).collect();
        if turn.is_estimated {
            top.attributes.push(("timestamps_estimated".into(), AttributeValue::Bool(true)));
        }
        let (parent, place) = (top.span_id, self.told.spans.len());
        let mut end_ns = top.end_unix_ns;
        self.told.spans.push(top);
        let mut before = None;
        for call in &turn.calls {
            self.rank = 0;
            end_ns = end_ns.max(self.call(call, before, parent, way));
            for (place, tool) in call.tools.iter().enumerate() {
                self.rank = u8::try_from(place + 1).unwrap_or(u8::MAX);
                end_ns = end_ns.max(self.tool(tool, parent, way, depth));
            }
            before = Some(call);
        }
        self.told.spans[place].end_unix_ns = end_ns;
        end_ns
    }

    fn event(&mut self, happening: &Happening<'_>) -> Event {
        let facts = happening.facts.iter().filter_map(|(name, value)| {
            let json = self.retelling.value(value)?;
            let value = match json.to_value() {
                serde_json::Value::String(text) => AttributeValue::Text(text),
                _ => AttributeValue::Json(json),
            };
            Some(((*name).to_owned(), value))
        });
        Event { name: happening.name.to_owned(), time_unix_ns: happening.time_ns, attributes: facts.collect() }
    }

    fn call(&mut self, call: &Call<'_>, before: Option<&Call<'_>>, parent: SpanId, way: &str) -> u64 {
        let own = call.id.as_deref().unwrap_or_default();
        let times = (call.start_ns, call.end_ns);
        let mut span = self.span(&format!("{way}/llm:{own}"), Some(parent), "llm", "LLM", "llm", times);
        let model = call.model.as_deref();
        span.inputs = self.retelling.value(&Asked { model, messages: Messages { before, given: &call.given } });
        let answered = Answered { kind: "message", role: "assistant", content: &call.blocks };
        span.outputs = self.retelling.value(&answered);
        let named = [
            ("model", model),
            (names::MESSAGE_FORMAT, Some("anthropic")),
            ("message_id", call.id.as_deref()),
            ("stop_reason", call.stop_reason.as_deref()),
            ("skill", call.skill.as_deref()),
        ];
        span.attributes.extend(texts(&named));
        if call.is_api_error {
            span.ending = Ending::Error;
            span.error = Some(self.error("ApiError", call.text.as_deref().unwrap_or_default()));
        } else if model.is_some() || call.usage.is_some() {
            let provider = model.filter(|model| model.contains("claude")).map(|_| "anthropic");
            let tokens = call.usage.as_ref().map(tokens);
            span.model = Some(ModelFacts {
                model: model.map(str::to_owned),
                provider: provider.map(str::to_owned),
                usage: call.usage,
                // From the usage alone a server would take the tokens of caches off the input.
                cost: model.zip(tokens).and_then(|(model, tokens)| self.retelling.cost(provider, model, &tokens)),
                ..ModelFacts::default()
            });
        }
        let end_ns = span.end_unix_ns;
        self.told.spans.push(span);
        end_ns
    }

    fn tool(&mut self, tool: &Tool<'_>, parent: SpanId, way: &str, depth: usize) -> u64 {
        let way = format!("{way}/tool:{}", tool.id);
        let times = (tool.start_ns, tool.end_ns);
        let mut span = self.span(&way, Some(parent), &format!("tool_{}", tool.name), "TOOL", "tool", times);
        span.inputs = tool.input.and_then(|input| self.retelling.value(&input));
        span.outputs = tool.result.as_ref().and_then(|result| self.retelling.value(&ToolResult { result }));
        let named = [("tool_name", Some(&*tool.name)), ("tool_id", Some(&*tool.id)), ("skill", tool.skill.as_deref())];
        span.attributes.extend(texts(&named));
        match (&tool.error, &tool.result) {
            (Some(message), _) => {
                span.ending = Ending::Error;
                span.error = Some(self.error("ToolError", message));
            }
            (None, Some(_)) => {}
            (None, None) => {
                span.ending = Ending::Unknown;
                span.attributes.extend(texts(&[("note", Some("no result in transcript"))]));
            }
        }
        if let Some(launch) = &tool.agent {
            span.attributes.extend(texts(&[("agent_id", Some(&launch.agent_id))]));
            if launch.is_background {
                span.attributes.push(("background".into(), AttributeValue::Bool(true)));
            }
        }
        let (id, place, mut end_ns) = (span.span_id, self.told.spans.len(), span.end_unix_ns);
        self.told.spans.push(span);
        if depth < DEEPEST {
            end_ns = end_ns.max(self.agent(tool, id, &way, depth + 1));
            self.told.spans[place].end_unix_ns = end_ns;
        }
        end_ns
    }

    /// What the sub-agent of a tool call did. Returns when it was done; 0 if nothing of it belongs here.
    fn agent(&mut self, tool: &Tool<'_>, parent: SpanId, way: &str, depth: usize) -> u64 {
        if let Some(nested) = &tool.nested {
            return self.tell_agent(tool, nested, parent, way, depth);
        }
        let Some(launch) = tool.agent.as_ref().filter(|launch| launch.is_nested()) else { return 0 };
        let Some(agents) = self.agents else { return 0 };
        if !self.followed.insert(launch.agent_id.clone()) {
            return 0;
        }
        let found = agents.turn_between(&launch.agent_id, tool.start_ns, tool.end_ns);
        let end_ns = match found {
            Ok(Some(raw)) => {
                let nested = Turn::of(&raw, Scope::Agent, tool.start_ns);
                self.tell_agent(tool, &nested, parent, way, depth)
            }
            Ok(None) => 0,
            Err(error) => {
                let path = agents.path(&launch.agent_id).unwrap_or_default();
                let why = match error.kind() {
                    io::ErrorKind::NotFound => String::new(),
                    _ => format!(" ({error})"),
                };
                self.told.notices.push(format!("sub-agent transcript not found: {}{why}", path.display()));
                0
            }
        };
        self.followed.remove(&launch.agent_id);
        end_ns
    }

    fn tell_agent(&mut self, tool: &Tool<'_>, nested: &Turn<'_>, parent: SpanId, way: &str, depth: usize) -> u64 {
        let (agent_type, description) = (tool.input_text("subagent_type"), tool.input_text("description"));
        let name = agent_name(agent_type.as_deref());
        let way = format!("{way}/agent");
        let mut span = self.span(&way, Some(parent), &name, "AGENT", "agent", (nested.start_ns, nested.end_ns));
        let prompt = Prompt { prompt: &nested.prompt, description: description.as_deref() };
        span.inputs = self.retelling.value(&prompt);
        span.outputs = self.outputs(nested);
        let agent_id = tool.agent.as_ref().map(|launch| launch.agent_id.as_str());
        span.attributes.extend(texts(&[("subagent_type", agent_type.as_deref()), ("agent_id", agent_id)]));
        self.tell_into(span, nested, &way, depth)
    }
}

fn texts(named: &[(&str, Option<&str>)]) -> Vec<(String, AttributeValue)> {
    let said =
        |(name, value): &(&str, Option<&str>)| Some(((*name).to_owned(), AttributeValue::Text((*value)?.to_owned())));
    named.iter().filter_map(said).collect()
}

/// Tokens by what they cost. Those of caches are not among the input that a transcript tells.
fn tokens(usage: &Usage) -> Tokens {
    let written = usage.cache_write.unwrap_or(0);
    let for_an_hour = usage.cache_write_1h.unwrap_or(0).min(written);
    Tokens {
        input: usage.input,
        output: usage.output,
        cache_read: usage.cache_read.unwrap_or(0),
        cache_write: written - for_an_hour,
        cache_write_1h: for_an_hour,
    }
}
