//! A finished span as MLflow understands it: which attribute carries what.

use std::collections::HashMap;

use super::names::MESSAGE_FORMAT;
use super::text::{Encoded, LONG, SHORT, attribute, bounded, json, name, readable, text};
use crate::export::wire::{self, Head, Scope, SpanBody, Status, Value};
use crate::record::{
    Ending, Event, ModelFacts, PROMPT_TAG, SiteView, SpanRecord, SpanView, Usage, ValueView, WorkflowFacts,
};

const SPAN_TYPE: &str = "mlflow.spanType";
const INPUTS: &str = "mlflow.spanInputs";
const OUTPUTS: &str = "mlflow.spanOutputs";
const FUNCTION: &str = "mlflow.spanFunctionName";
const USAGE: &str = "mlflow.chat.tokenUsage";
const TOOLS: &str = "mlflow.chat.tools";
const MODEL: &str = "mlflow.llm.model";
const PROVIDER: &str = "mlflow.llm.provider";
const COST: &str = "mlflow.llm.cost";
const TRACE_TAG: &str = "mlflow.traceTag.";
/// Tag: a list of names and versions, as JSON.
pub(super) const LINKED_PROMPTS: &str = "mlflow.linkedPrompts";
const TRACE_NAME: &str = "mlflow.traceTag.mlflow.traceName";
const SESSION: &str = "session.id";
const CONVERSATION: &str = "gen_ai.conversation.id";
const USER: &str = "user.id";
pub(super) const SERVICE: &str = "service.name";
/// Where the identity of a span stands until OTLP's own field for it is on the wire.
const IDENTITY: &str = "otel.span.type";
/// Where an attribute goes whose name would make MLflow misread the span.
const DISPLACED: &str = "spanwright.attribute.";

/// Functions remembered at once.
const MOST_SITES: usize = 64;
/// Attributes that are compared with each other.
const MANY: usize = 16;

/// What every span of a trace says about its trace.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct TraceFacts<'a> {
    pub(crate) session: Option<&'a str>,
    pub(crate) user: Option<&'a str>,
}

/// The request that carries `spans`, in the order given. An empty service name is left out.
pub(crate) fn request<'a>(service: &str, spans: impl IntoIterator<Item = (&'a SpanRecord, TraceFacts<'a>)>) -> Vec<u8> {
    let mut encoder = Encoder::new(service);
    spans.into_iter().for_each(|(record, trace)| encoder.add(&record.into(), trace));
    let encoded = encoder.encoded;
    request_of(service, encoded.len(), |to| to.extend_from_slice(&encoded))
}

/// Spans as they stand in a request, one after the other.
pub(crate) struct Encoder<'s> {
    /// What they say of their service is said by their request too.
    service: &'s str,
    pub(crate) encoded: Vec<u8>,
    sites: Vec<Site>,
}

/// What all spans of one function say, encoded once.
struct Site {
    span_type: String,
    declared: Option<String>,
    function: String,
    file: String,
    line: u32,
    attributes: Vec<u8>,
}

impl<'s> Encoder<'s> {
    pub(crate) fn new(service: &'s str) -> Self {
        Self { service, encoded: Vec::new(), sites: Vec::new() }
    }

    /// Appends one span.
    #[inline(never)]
    pub(crate) fn add(&mut self, span: &SpanView<'_>, trace: TraceFacts<'_>) {
        let site = &span.site;
        let found = self.sites.iter().position(|known| known.is(site));
        let place = found.unwrap_or_else(|| {
            if self.sites.len() == MOST_SITES {
                self.sites.clear();
            }
            self.sites.push(Site::of(site));
            self.sites.len() - 1
        });
        let attributes = &self.sites[place].attributes;
        wire::span(&mut self.encoded, &head(span), |to| {
            to.encoded(attributes);
            Writer { to, span, trace }.write(self.service);
        });
    }
}

impl Site {
    fn of(site: &SiteView<'_>) -> Self {
        Self {
            span_type: site.span_type.to_owned(),
            declared: site.declared.map(str::to_owned),
            function: site.function.to_owned(),
            file: site.file.to_owned(),
            line: site.line,
            attributes: site_attributes(site),
        }
    }

    fn is(&self, site: &SiteView<'_>) -> bool {
        self.line == site.line
            && self.function == site.function
            && self.span_type == site.span_type
            && self.file == site.file
            && self.declared.as_deref() == site.declared
    }
}

/// The attributes that say what function made a span, encoded.
pub(super) fn site_attributes(site: &SiteView<'_>) -> Vec<u8> {
    wire::attributes(|to| {
        to.attribute(SPAN_TYPE, text(&bounded(site.span_type, SHORT)).as_value());
        if let Some(id) = site.declared {
            to.attribute(IDENTITY, text(id).as_value());
        }
        if !site.function.is_empty() {
            to.attribute(FUNCTION, text(site.function).as_value());
            to.attribute("code.function.name", text(site.function).as_value());
            to.attribute("code.file.path", text(site.file).as_value());
            to.attribute("code.line.number", Value::Int(site.line.into()));
        }
    })
}

/// The request that carries encoded spans of so many bytes, which `put` appends. An empty service name is left out.
#[inline(never)]
pub(crate) fn request_of(service: &str, bytes: usize, put: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let resource = [(SERVICE, Value::Text(service))];
    wire::request(if service.is_empty() { &[] } else { &resource }, scope(), bytes, put)
}

pub(super) fn scope() -> Scope<'static> {
    Scope { name: "spanwright", version: env!("CARGO_PKG_VERSION") }
}

pub(super) fn head<'a>(span: &SpanView<'a>) -> Head<'a> {
    // A time beyond 63 bits is refused with a 500 that no repeat cures.
    let start_unix_ns = span.start_unix_ns.min(i64::MAX as u64);
    Head {
        trace_id: span.trace_id.to_bytes(),
        span_id: span.span_id.to_bytes(),
        parent_id: span.parent_id.map(|id| id.to_bytes()),
        name: span.site.name,
        start_unix_ns,
        end_unix_ns: span.end_unix_ns.clamp(start_unix_ns, i64::MAX as u64),
        status: match (&span.error, span.is_error()) {
            (_, false) if span.ending == Ending::Unknown => Status::Unset,
            (_, false) => Status::Ok,
            (Some(error), true) => Status::Error(error.message),
            (None, true) => Status::Error(span.ending.as_str()),
        },
    }
}

/// Writes what belongs to one span, and not to all of its function.
pub(super) struct Writer<'a, 'b> {
    pub(super) to: &'a mut SpanBody<'b>,
    pub(super) span: &'a SpanView<'a>,
    pub(super) trace: TraceFacts<'a>,
}

impl Writer<'_, '_> {
    pub(super) fn write(&mut self, service: &str) {
        let record = self.span;
        for (key, value) in [(INPUTS, record.inputs), (OUTPUTS, record.outputs)] {
            if let Some(value) = value.and_then(json) {
                self.to.attribute(key, value.as_value());
            }
        }
        if let Some(model) = record.model.as_deref() {
            self.model(model);
        }
        for (key, value) in [(SESSION, self.trace.session), (USER, self.trace.user)] {
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                self.text(key, &bounded(value, SHORT));
            }
        }
        if record.ending != Ending::Ok {
            self.text("spanwright.outcome", record.ending.as_str());
        }
        if record.incomplete {
            self.to.attribute("spanwright.incomplete", Value::Bool(true));
        }
        match (record.workflow.as_deref(), record.parent_id) {
            (workflow, None) => self.root(workflow, service),
            (Some(workflow), Some(_)) => {
                for (key, value) in &workflow.tags {
                    self.text(&format!("spanwright.tag.{}", bounded(key, SHORT)), &bounded(value, LONG));
                }
            }
            (None, Some(_)) => {}
        }
        self.own_attributes(service);
        self.events();
    }

    fn text(&mut self, key: &str, value: &str) {
        self.to.attribute(key, text(value).as_value());
    }

    fn model(&mut self, model: &ModelFacts) {
        for (key, value) in [(MODEL, &model.model), (PROVIDER, &model.provider)] {
            if let Some(value) = value {
                self.text(key, &bounded(value, SHORT));
            }
        }
        if let Some(usage) = &model.usage {
            self.to.attribute(USAGE, Value::Text(&usage_json(usage)));
            if let Some(reasoning) = usage.reasoning {
                self.to.attribute("gen_ai.usage.reasoning.output_tokens", Value::Int(countable(reasoning)));
            }
        }
        if let Some(cost) = model.cost.filter(|cost| [cost.input, cost.output].iter().all(|part| part.is_finite())) {
            let cost = serde_json::json!({
                "input_cost": cost.input, "output_cost": cost.output, "total_cost": cost.input + cost.output,
            });
            self.to.attribute(COST, Value::Text(&cost.to_string()));
        }
        if let Some(waited_ns) = model.time_to_first_token_ns {
            self.to.attribute("gen_ai.response.time_to_first_chunk", Value::Float(waited_ns as f64 / 1e9));
        }
        if let Some(tools) = model.tools.as_ref().and_then(|tools| chat_tools(tools.as_str())) {
            self.to.attribute(TOOLS, Value::Text(&tools));
        }
    }

    fn root(&mut self, workflow: Option<&WorkflowFacts>, service: &str) {
        // MLflow takes the name of a trace from here only, never from its root span.
        self.text(TRACE_NAME, &bounded(self.span.site.name, LONG));
        if !service.is_empty() {
            self.text(SERVICE, service);
        }
        for (key, value) in workflow.map(trace_tags).unwrap_or_default() {
            self.text(&format!("{TRACE_TAG}{key}"), &value);
        }
        if let Some(prompts) = workflow.and_then(linked_prompts) {
            self.to.attribute(&format!("{TRACE_TAG}{LINKED_PROMPTS}"), Value::Text(&prompts));
        }
    }

    /// The user's attributes, the last of each name.
    fn own_attributes(&mut self, service: &str) {
        let attributes = &self.span.attributes;
        // A table pays off for many only.
        let last: HashMap<&str, usize> = match attributes.len() {
            ..=MANY => HashMap::new(),
            _ => attributes.iter().enumerate().map(|(at, (key, _))| (*key, at)).collect(),
        };
        for (at, (key, value)) in attributes.iter().enumerate() {
            let is_last = match attributes.len() {
                ..=MANY => attributes[at + 1..].iter().all(|(later, _)| later != key),
                _ => last.get(key) == Some(&at),
            };
            if key.is_empty() || !is_last {
                continue;
            }
            if let Some(shaped) = shaped(key, *value).filter(|_| !self.is_taken(key, service)) {
                self.to.attribute(key, shaped.as_value());
            } else if let (true, Some(plain)) = (is_reserved(key), attribute(*value)) {
                self.to.attribute(&format!("{DISPLACED}{key}"), plain.as_value());
            }
        }
    }

    /// Whether the span says this of itself already, and better.
    fn is_taken(&self, key: &str, service: &str) -> bool {
        let model = self.span.model.as_deref();
        match key {
            SERVICE => self.span.parent_id.is_none() && !service.is_empty(),
            SESSION | CONVERSATION => self.trace.session.is_some(),
            USER => self.trace.user.is_some(),
            IDENTITY => self.span.site.declared.is_some(),
            MODEL => model.is_some_and(|model| model.model.is_some()),
            PROVIDER => model.is_some_and(|model| model.provider.is_some()),
            TOOLS => model.is_some_and(|model| model.tools.is_some()),
            USAGE => model.is_some_and(|model| model.usage.is_some()),
            COST => model.is_some_and(|model| model.cost.is_some()),
            _ => false,
        }
    }

    fn events(&mut self) {
        let record = self.span;
        for event in record.events.iter() {
            self.event(event);
        }
        let is_told = record.events.iter().any(|event| event.name == "exception");
        if let (Some(error), true, false) = (&record.error, record.is_error(), is_told) {
            self.to.event("exception", head(record).end_unix_ns, |event| {
                event.attribute("exception.type", text(error.kind).as_value());
                event.attribute("exception.message", text(error.message).as_value());
            });
        }
    }

    fn event(&mut self, event: &Event) {
        self.to.event(&event.name, event.time_unix_ns.min(i64::MAX as u64), |to| {
            for (key, value) in &event.attributes {
                if let Some(value) = attribute(value.into()).filter(|_| !key.is_empty()) {
                    to.attribute(key, value.as_value());
                }
            }
        });
    }
}

/// The name of a trace, which is its root's.
pub(super) fn trace_name(root: &SpanRecord) -> String {
    bounded(&root.name, LONG).into_owned()
}

/// The tags of a trace that MLflow accepts, the last of each name.
pub(super) fn trace_tags(workflow: &WorkflowFacts) -> Vec<(String, String)> {
    let mut tags: Vec<(String, String)> = Vec::with_capacity(workflow.tags.len());
    for (key, value) in &workflow.tags {
        let Some(key) = name(key).filter(|_| !key.starts_with(PROMPT_TAG)) else { continue };
        tags.retain(|(earlier, _)| *earlier != key);
        tags.push((key.into_owned(), bounded(value, LONG).into_owned()));
    }
    tags
}

/// The prompts a trace was made with, as its tag says them; `None` if none is known.
pub(super) fn linked_prompts(workflow: &WorkflowFacts) -> Option<String> {
    let prompts: Vec<_> = workflow.prompts().map(|(name, version)| prompt(name, version)).collect();
    (!prompts.is_empty()).then(|| serde_json::Value::Array(prompts).to_string())
}

pub(super) fn prompt(name: &str, version: &str) -> serde_json::Value {
    serde_json::json!({ "name": bounded(name, SHORT), "version": bounded(version, SHORT) })
}

fn countable(tokens: u64) -> i64 {
    i64::try_from(tokens).unwrap_or(i64::MAX)
}

/// Usage in MLflow's words. Without the total MLflow stores 0 for it.
pub(super) fn usage_json(usage: &Usage) -> String {
    let mut object = serde_json::Map::new();
    let counts = [
        ("input_tokens", Some(usage.input)),
        ("output_tokens", Some(usage.output)),
        ("total_tokens", Some(usage.total())),
        ("cache_read_input_tokens", usage.cache_read),
        ("cache_creation_input_tokens", usage.cache_write),
        ("cache_creation_input_tokens_above_1hr", usage.cache_write_1h),
    ];
    for (key, count) in counts {
        if let Some(count) = count {
            object.insert(key.to_owned(), countable(count).into());
        }
    }
    serde_json::Value::Object(object).to_string()
}

/// Tool definitions in the one shape MLflow's tool view reads, made from the shapes providers use.
fn chat_tools(tools: &str) -> Option<String> {
    let Ok(serde_json::Value::Array(tools)) = serde_json::from_str(tools) else { return None };
    let tools: Vec<_> = tools.into_iter().map(chat_tool).collect();
    (!tools.is_empty()).then(|| readable(&serde_json::Value::Array(tools).to_string()).into_owned())
}

fn chat_tool(mut tool: serde_json::Value) -> serde_json::Value {
    let Some(object) = tool.as_object_mut() else { return tool };
    if object.get("function").is_some_and(serde_json::Value::is_object) {
        object.entry("type").or_insert_with(|| "function".into());
        return tool;
    }
    if !object.contains_key("name") {
        return tool;
    }
    let mut function = serde_json::Map::new();
    for (key, spellings) in [
        ("name", &["name"][..]),
        ("description", &["description"]),
        ("parameters", &["parameters", "input_schema", "inputSchema"]),
    ] {
        if let Some(value) = spellings.iter().find_map(|spelling| object.get(*spelling)) {
            function.insert(key.to_owned(), value.clone());
        }
    }
    serde_json::json!({ "type": "function", "function": function })
}

/// Names that mean something to MLflow whatever their value.
fn is_reserved(key: &str) -> bool {
    key.starts_with("mlflow.") || matches!(key, SESSION | CONVERSATION | USER | SERVICE)
}

/// The value of a user's attribute as it may stand under its own name: in a reserved one, only what MLflow can read; one usage
/// that is not a number would fail the whole request.
fn shaped<'a>(key: &str, value: ValueView<'a>) -> Option<Encoded<'a>> {
    match (key, value) {
        (USAGE, ValueView::Json(json)) => with_total(json, ["input_tokens", "output_tokens"], "total_tokens"),
        (COST, ValueView::Json(json)) => with_total(json, ["input_cost", "output_cost"], "total_cost"),
        (TOOLS, ValueView::Json(tools)) => chat_tools(tools).map(|tools| Encoded::Text(tools.into())),
        (SESSION | CONVERSATION | USER, ValueView::Text(value)) => {
            Some(Encoded::Text(text(&bounded(value, SHORT)).into_text().into()))
        }
        (MODEL | PROVIDER | SERVICE | MESSAGE_FORMAT, ValueView::Text(_)) => attribute(value),
        ("mlflow.spanLogLevel", ValueView::Int(_)) => attribute(value),
        (key, value) if !is_reserved(key) => attribute(value),
        _ => None,
    }
}

/// An object of numbers, with its total: MLflow stores 0 for a total that is not sent.
fn with_total(json: &str, parts: [&str; 2], total: &str) -> Option<Encoded<'static>> {
    let Ok(serde_json::Value::Object(mut object)) = serde_json::from_str(json) else { return None };
    // A count beyond 63 bits would make the trace unreadable.
    let countable = |value: &serde_json::Value| value.is_i64() || value.is_f64();
    if object.is_empty() || !object.values().all(countable) {
        return None;
    }
    if !object.contains_key(total) {
        let values = parts.map(|part| object.get(part).cloned().unwrap_or_else(|| 0.into()));
        let sum = match values.each_ref().map(serde_json::Value::as_i64) {
            [Some(a), Some(b)] => a.saturating_add(b).into(),
            _ => values.iter().filter_map(serde_json::Value::as_f64).sum::<f64>().into(),
        };
        object.insert(total.to_owned(), sum);
    }
    Some(Encoded::Text(serde_json::Value::Object(object).to_string().into()))
}
