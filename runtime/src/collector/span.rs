//! One span under way, and how its entries become a record.

use std::borrow::Cow;

use crate::chunk::NoteKind;
use crate::conformance::RUN_ID;
use crate::id::{SpanId, TraceId, uuid_of};
use crate::record::{
    AttributeValue, Ending, ErrorFacts, Event, Json, ModelFacts, RunFacts, RunMetric, RunRequest, Source, SpanRecord,
    Usage, WorkflowFacts,
};
use crate::tape;

use super::notes::{Note, Notes};
use super::site::{Site, Sites};

/// The kind of the error of a span whose process ended before it did.
pub(super) const ABANDONED: &str = "abandoned";
/// Longest preview of delegated content, in characters.
const CONTENT_CHARS: usize = 500;

/// Room for attributes that a record keeps when it is used again.
const MOST_SPARE_ATTRIBUTES: usize = 32;

#[derive(Clone, Copy, Debug)]
pub(super) struct Begin {
    pub(super) site: u32,
    pub(super) parent: Option<SpanId>,
    pub(super) trace: TraceId,
    pub(super) start_unix_ns: u64,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct End {
    pub(super) end_unix_ns: u64,
    pub(super) ending: Ending,
    pub(super) incomplete: bool,
}

/// What has been read of one span, in whatever order it came.
#[derive(Debug, Default)]
pub(super) struct OpenSpan {
    pub(super) begin: Option<Begin>,
    pub(super) end: Option<End>,
    /// The span as a dead process had written it, before the entries in `notes`.
    pub(super) base: Option<Box<SpanRecord>>,
    /// The sweep that read the first of its entries.
    pub(super) first_sweep: u64,
    notes: Notes,
    /// How many of its notes hold for its whole trace, if it is the root.
    trace_notes: usize,
    /// How many notes, and whether the begin, stand in what was last written of it.
    written: Option<usize>,
    /// How many of those that hold for its whole trace.
    told: Option<usize>,
}

impl OpenSpan {
    /// Makes it ready for another span.
    pub(super) fn clear(&mut self) {
        let mut notes = std::mem::take(&mut self.notes);
        notes.clear();
        *self = Self { notes, ..Self::default() };
    }

    pub(super) fn add(&mut self, note: Note<'_>) {
        self.trace_notes += usize::from(holds_for_trace(note.kind));
        self.notes.push(note);
    }

    /// Whether its start has been read.
    pub(super) fn is_known(&self) -> bool {
        self.begin.is_some() || self.base.is_some()
    }

    /// Whether neither an end nor a note has been read.
    pub(super) fn is_empty(&self) -> bool {
        self.end.is_none() && self.notes.len() == 0
    }

    /// Bytes its notes hold.
    pub(super) fn bytes(&self) -> usize {
        self.notes.bytes()
    }

    /// Whether something has been read since this was last asked.
    pub(super) fn take_unwritten(&mut self) -> bool {
        let now = Some(self.notes.len());
        let is_unwritten = self.is_known() && self.written != now;
        if is_unwritten {
            (self.written, self.told) = (now, Some(self.trace_notes));
        }
        is_unwritten
    }

    /// Whether something that holds for the whole trace, its start included, has been read since it was last written. What is said
    /// of this span alone is not: a long workflow may say a lot.
    pub(super) fn take_news(&mut self) -> bool {
        self.told != Some(self.trace_notes) && self.take_unwritten()
    }

    /// Writes the closed record into one that is needed no longer; false if its start was never read.
    pub(super) fn close(&self, id: SpanId, sites: &Sites, into: &mut SpanRecord) -> bool {
        let Some(draft) = self.draft(id, sites, into) else { return false };
        if let Some(end) = self.end {
            draft.record.end_unix_ns = end.end_unix_ns.max(draft.record.start_unix_ns);
            draft.record.ending = end.ending;
            draft.record.incomplete = end.incomplete;
        }
        draft.finish();
        true
    }

    /// The record as it stands if its process is gone.
    pub(super) fn as_abandoned(&self, id: SpanId, sites: &Sites) -> Option<SpanRecord> {
        let mut record = blank();
        let draft = self.draft(id, sites, &mut record)?;
        let last_seen = self.notes.last_unix_ns();
        draft.record.end_unix_ns = draft.record.end_unix_ns.max(last_seen);
        draft.record.ending = Ending::Abandoned;
        draft.finish();
        Some(record)
    }

    /// The facts of its function, where they have been read. Its start may have stood in a chunk that has been used again since: then
    /// by what the record says that was written of it.
    pub(super) fn site<'s>(&self, sites: &'s Sites) -> Option<&'s Site> {
        match (self.begin, &self.base) {
            (Some(begin), _) => sites.get(&begin.site),
            (None, Some(base)) => sites.values().find(|site| site.is_of(base)),
            (None, None) => None,
        }
    }

    fn draft<'r>(&self, id: SpanId, sites: &'r Sites, record: &'r mut SpanRecord) -> Option<Draft<'r>> {
        let site = self.site(sites);
        match (&self.base, self.begin) {
            (Some(base), _) => record.clone_from(base),
            (None, Some(begin)) => begin_in(record, id, begin, site),
            (None, None) => return None,
        }
        // What was written of it as it stood was said until then.
        let known_until = self.base.as_ref().map(|base| base.end_unix_ns);
        let mut draft = Draft { record, site, extra_inputs: Vec::new(), known_until };
        if let (None, Some(site)) = (&self.base, site) {
            site.notes.iter().for_each(|(kind, key, body)| draft.apply_standing(*kind, key, body));
        }
        // A thread may go on in a chunk that is read before its former one.
        self.notes.by_time(|note| match note.kind {
            NoteKind::Said => draft.say(note.body, sites),
            _ => draft.apply(&note),
        });
        Some(draft)
    }
}

/// A record that says nothing yet.
pub(super) fn blank() -> SpanRecord {
    SpanRecord::new(TraceId::from_halves(0, 0), SpanId::from_u64(0))
}

/// Whether such a note, on a root, holds for its whole trace.
fn holds_for_trace(kind: NoteKind) -> bool {
    use NoteKind::{Experiment, OpenRun, Session, Tag, User};
    matches!(kind, Tag | Session | User | Experiment | OpenRun)
}

/// Makes it a record of which only the start is known, in the texts and lists it has.
fn begin_in(record: &mut SpanRecord, id: SpanId, begin: Begin, site: Option<&Site>) {
    record.trace_id = begin.trace;
    record.span_id = id;
    record.parent_id = begin.parent;
    let (name, span_type, kind) =
        site.map_or(("unknown", "UNKNOWN", ""), |site| (&*site.name, &*site.span_type, &*site.kind));
    for (text, now) in [(&mut record.name, name), (&mut record.span_type, span_type), (&mut record.kind, kind)] {
        text.clear();
        text.push_str(now);
    }
    record.declared = site.and_then(|site| site.declared.as_ref()).map(|declared| declared.id.clone());
    match site {
        Some(site) => site.source_into(&mut record.source),
        None => record.source = Source::default(),
    }
    record.start_unix_ns = begin.start_unix_ns;
    record.end_unix_ns = begin.start_unix_ns;
    record.ending = Ending::Ok;
    record.incomplete = false;
    record.error = None;
    record.inputs = None;
    record.outputs = None;
    record.attributes.clear();
    record.attributes.shrink_to(MOST_SPARE_ATTRIBUTES);
    if begin.parent.is_none() && matches!(kind, "workflow" | "scheduled") {
        record.attributes.push((RUN_ID.into(), AttributeValue::Text(uuid_of(begin.trace))));
    }
    record.events.clear();
    record.model = None;
    record.workflow = None;
    record.run = None;
}

/// A record being put together from notes.
struct Draft<'r> {
    record: &'r mut SpanRecord,
    site: Option<&'r Site>,
    extra_inputs: Vec<(String, Json)>,
    /// The time of the last note in a record that a dead process had written; `None` if there is no such record.
    known_until: Option<u64>,
}

impl Draft<'_> {
    /// Applies a note that stands in the facts of the callsite.
    fn apply_standing(&mut self, kind: u8, key: &str, body: &[u8]) {
        if let Some(kind) = NoteKind::from_code(kind.into()) {
            self.apply(&Note { kind, time_unix_ns: 0, key, body });
        }
    }

    fn apply(&mut self, note: &Note<'_>) {
        let Note { key, body, .. } = *note;
        if self.is_outdated(note) {
            return;
        }
        match note.kind {
            // Without the begin the names are not known; the record has the values already, with their names.
            NoteKind::Inputs if self.site.is_none() && self.record.inputs.is_some() => {}
            NoteKind::Inputs => {
                let values = self.site.map_or(&[][..], |site| &site.values);
                let node = (self.record.kind == "node").then_some(self.record.name.as_str());
                let read = tape::inputs(body, values, node);
                // What was added to the inputs may have stood in a chunk that has been used again since.
                let kept = self.record.inputs.take().filter(|_| self.known_until.is_some());
                self.record.inputs = match kept {
                    Some(kept) => Some(joined(read, &kept)),
                    None => read,
                };
            }
            NoteKind::Input => self.extra_inputs.extend(tape::output(body, false).map(|value| (key.into(), value))),
            NoteKind::Output => self.record.outputs = tape::output(body, false),
            NoteKind::Items => self.record.outputs = tape::output(body, true),
            NoteKind::Attribute => self.set(key, tape::attribute(body)),
            NoteKind::Attributes => {
                tape::attributes(body).into_iter().for_each(|(key, value)| self.set(key, Some(value)));
            }
            // Its keys stand in the facts of a callsite.
            NoteKind::Said => {}
            NoteKind::DefaultAttribute if self.record.attribute(key).is_none() => self.set(key, tape::attribute(body)),
            NoteKind::DefaultAttribute => {}
            NoteKind::Content => self.set(key, Some(AttributeValue::Text(preview(&tape::text(body))))),
            NoteKind::Error => self.record.error = Some(ErrorFacts { kind: key.into(), message: tape::text(body) }),
            NoteKind::Event => push(&mut self.record.events, event(note), self.known_until.is_some()),
            NoteKind::Model => apply_model(self.record.model.get_or_insert_default(), key, body),
            NoteKind::Tag => replace(&mut self.workflow().tags, key, tape::text(body)),
            NoteKind::Session => self.workflow().session = Some(tape::text(body)),
            NoteKind::User => self.workflow().user = Some(tape::text(body)),
            NoteKind::Experiment => self.workflow().experiment = Some(tape::text(body)),
            NoteKind::OpenRun => {
                self.workflow().opens_run =
                    Some(RunRequest { name: Some(tape::text(body)).filter(|name| !name.is_empty()) });
            }
            NoteKind::RunParam => replace(&mut self.run().params, key, tape::text(body)),
            NoteKind::RunTag => replace(&mut self.run().tags, key, tape::text(body)),
            NoteKind::RunMetric => {
                if let Some((value, step)) = metric(body) {
                    let time_unix_ns = note.time_unix_ns;
                    let metric = RunMetric { key: key.into(), value, time_unix_ns, step };
                    let resumed = self.known_until.is_some();
                    push(&mut self.run().metrics, metric, resumed);
                }
            }
            // Of a trace, and taken before it gets here.
            NoteKind::Assessment => {}
        }
    }

    /// Applies what the span said when it started: the number of its callsite, then values of which that has the keys. What a dead
    /// process had written of it may have been said later, and holds.
    fn say(&mut self, body: &[u8], sites: &Sites) {
        let Some((number, words)) =
            body.split_first_chunk().map(|(number, words)| (u64::from_le_bytes(*number), words))
        else {
            return;
        };
        let site = u32::try_from(number).ok().and_then(|number| sites.get(&number));
        for (place, value) in tape::said(words).enumerate() {
            let unknown = || format!("attribute.{place}");
            let key = site.and_then(|site| site.attributes.get(place)).map_or_else(|| Cow::Owned(unknown()), Cow::from);
            if self.known_until.is_none() || self.record.attribute(&key).is_none() {
                self.set(&key, Some(value));
            }
        }
    }

    /// Whether the record of a dead process says the same already, or what was said later: that may stand in a chunk that is gone.
    fn is_outdated(&self, note: &Note) -> bool {
        fn has<T>(pairs: &[(String, T)], key: &str) -> bool {
            pairs.iter().any(|(known, _)| known == key)
        }
        if !note.kind.has_time() || self.known_until.is_none_or(|until| until < note.time_unix_ns) {
            return false;
        }
        let (workflow, run) = (self.record.workflow.as_deref(), self.record.run.as_deref());
        match note.kind {
            NoteKind::Attribute => has(&self.record.attributes, note.key),
            NoteKind::Tag => workflow.is_some_and(|workflow| has(&workflow.tags, note.key)),
            NoteKind::RunParam => run.is_some_and(|run| has(&run.params, note.key)),
            NoteKind::RunTag => run.is_some_and(|run| has(&run.tags, note.key)),
            NoteKind::Error => self.record.error.is_some(),
            // Of events and metrics each counts; those that are met again are known by what they say.
            _ => false,
        }
    }

    fn set(&mut self, key: &str, value: Option<AttributeValue>) {
        if let Some(value) = value {
            replace(&mut self.record.attributes, key, value);
        }
    }

    fn workflow(&mut self) -> &mut WorkflowFacts {
        self.record.workflow.get_or_insert_default()
    }

    fn run(&mut self) -> &mut RunFacts {
        self.record.run.get_or_insert_default()
    }

    fn finish(self) {
        if !self.extra_inputs.is_empty() {
            self.record.inputs = Some(merged(self.record.inputs.take(), &self.extra_inputs));
        }
        self.record.events.sort_by_key(|event| event.time_unix_ns);
        let failed = self.record.is_error();
        match self.record.ending {
            Ending::Cancelled if failed && self.record.error.is_none() => {
                let message = "dropped before it was done".into();
                self.record.error = Some(ErrorFacts { kind: "cancelled".into(), message });
            }
            // An error that it had told of is why it would have ended.
            Ending::Abandoned if self.record.error.is_none() => {
                let message = "its process ended before it did".into();
                self.record.error = Some(ErrorFacts { kind: ABANDONED.into(), message });
            }
            _ => {}
        }
    }
}

/// `inputs` as an object with `extra` added; what is no object becomes the member `inputs`.
fn merged(inputs: Option<Json>, extra: &[(String, Json)]) -> Json {
    let mut members = match inputs.map(|inputs| inputs.to_value()) {
        None => serde_json::Map::new(),
        Some(serde_json::Value::Object(members)) => members,
        Some(other) => serde_json::Map::from_iter([("inputs".to_owned(), other)]),
    };
    members.extend(extra.iter().map(|(key, value)| (key.clone(), value.to_value())));
    Json::of(&members)
}

/// `read`, with the members of `kept` it lacks.
fn joined(read: Option<Json>, kept: &Json) -> Json {
    match (read.map(|read| read.to_value()), kept.to_value()) {
        (Some(serde_json::Value::Object(mut read)), serde_json::Value::Object(kept)) => {
            for (key, value) in kept {
                read.entry(key).or_insert(value);
            }
            Json::of(&read)
        }
        _ => kept.clone(),
    }
}

/// Adds `new`, unless a resumed span has it already: what was written as it stood may be met again in a chunk.
fn push<T: PartialEq>(list: &mut Vec<T>, new: T, resumed: bool) {
    if !resumed || !list.contains(&new) {
        list.push(new);
    }
}

fn replace<T>(pairs: &mut Vec<(String, T)>, key: &str, value: T) {
    match pairs.iter_mut().find(|(existing, _)| existing == key) {
        Some((_, slot)) => *slot = value,
        None => pairs.push((key.to_owned(), value)),
    }
}

/// The first 500 characters; the last one is `…` if there are more.
fn preview(text: &str) -> String {
    match text.char_indices().nth(CONTENT_CHARS - 1) {
        Some((at, last)) if at + last.len_utf8() < text.len() => format!("{}…", &text[..at]),
        _ => text.to_owned(),
    }
}

fn count(body: &[u8]) -> Option<u64> {
    match tape::attribute(body) {
        Some(AttributeValue::Int(value)) => value.try_into().ok(),
        _ => None,
    }
}

fn event(note: &Note<'_>) -> Event {
    let attributes = match tape::output(note.body, false).map(|attributes| attributes.to_value()) {
        Some(serde_json::Value::Object(members)) => {
            members.into_iter().map(|(key, value)| (key, attribute_of(value))).collect()
        }
        _ => Vec::new(),
    };
    Event { name: note.key.to_owned(), time_unix_ns: note.time_unix_ns, attributes }
}

fn attribute_of(value: serde_json::Value) -> AttributeValue {
    match value {
        serde_json::Value::Bool(value) => AttributeValue::Bool(value),
        serde_json::Value::String(text) => AttributeValue::Text(text),
        serde_json::Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(value), _) => AttributeValue::Int(value),
            (None, Some(value)) if !number.is_u64() => AttributeValue::Float(value),
            // An integer beyond i64 is exact as text only.
            (None, _) => AttributeValue::Text(number.to_string()),
        },
        other => AttributeValue::Json(Json::of(&other)),
    }
}

/// The value of a metric and its step: `[value, step]`.
fn metric(body: &[u8]) -> Option<(f64, i64)> {
    let pair = tape::output(body, false)?.to_value();
    // What JSON has no number for stands there as text.
    let value = pair.get(0)?;
    let value = value.as_f64().or_else(|| value.as_str()?.parse().ok())?;
    Some((value, pair.get(1)?.as_i64()?))
}

fn apply_model(model: &mut ModelFacts, key: &str, body: &[u8]) {
    let usage = |model: &mut ModelFacts, set: fn(&mut Usage, u64)| {
        if let Some(count) = count(body) {
            set(model.usage.get_or_insert_default(), count);
        }
    };
    match key {
        "model" => model.model = Some(tape::text(body)),
        "provider" => model.provider = Some(tape::text(body)),
        "tools" => model.tools = tape::output(body, false),
        "time_to_first_token_ns" => model.time_to_first_token_ns = count(body),
        "input" => usage(model, |usage, count| usage.input = count),
        "output" => usage(model, |usage, count| usage.output = count),
        "cache_read" => usage(model, |usage, count| usage.cache_read = Some(count)),
        "cache_write" => usage(model, |usage, count| usage.cache_write = Some(count)),
        "cache_write_1h" => usage(model, |usage, count| usage.cache_write_1h = Some(count)),
        "reasoning" => usage(model, |usage, count| usage.reasoning = Some(count)),
        _ => {}
    }
}
