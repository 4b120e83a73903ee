//! The traces that are judged: of the store, or of a server.

use std::collections::HashSet;
use std::path::Path;

use serde_json::Value;
use spanwright::TraceId;
use spanwright::config::Destination;
use spanwright::export::Client;
use spanwright::record::{Assessment, Batch, Json, Remains};
use spanwright::store::{ProcessId, Store, TraceFilter, TraceState};
use spanwright_models::Evaluated;

use crate::failure::Failure;
use crate::place::Place;

/// Root of the traces of judges, which are not judged.
const JUDGE: &str = "EVALUATOR";

/// One trace that has an answer.
pub(super) struct Subject {
    pub(super) trace: TraceId,
    pub(super) name: String,
    pub(super) evaluated: Evaluated,
    /// Ids of what has been said of it.
    pub(super) known: HashSet<String>,
    /// Where it goes.
    destination: Option<String>,
}

/// Where traces are.
pub(super) enum Source {
    Stored(Store),
    Served(Box<Client>),
}

impl Source {
    pub(super) fn open(place: &Place, from: Option<&str>) -> Result<Self, Failure> {
        if from.is_none() {
            return place.store_with_traces().map(Self::Stored);
        }
        place.check_destination(from)?;
        if place.config.destination.value == Destination::StoreOnly {
            return Err(Failure::said("--from names no server", "give --from http://…"));
        }
        let client = Client::connect(&place.config)?;
        client.probe()?;
        Ok(Self::Served(Box::new(client)))
    }

    /// For people.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Stored(store) => store.folder().unwrap_or(Path::new("memory")).display().to_string(),
            Self::Served(client) => client.server().to_owned(),
        }
    }

    /// The folder of the store.
    pub(super) fn folder(&self) -> Option<&Path> {
        match self {
            Self::Stored(store) => store.folder(),
            Self::Served(_) => None,
        }
    }

    /// Whether what is kept may have to be delivered.
    pub(super) fn waits(&self) -> bool {
        matches!(self, Self::Stored(_))
    }

    /// The newest traces that have an answer, at most so many.
    pub(super) fn newest(&self, count: usize) -> Result<Vec<Subject>, Failure> {
        match self {
            Self::Stored(store) => stored(store, count),
            Self::Served(client) => served(client, count),
        }
    }

    /// Keeps a score with its trace.
    pub(super) fn keep(&self, subject: &Subject, assessment: Assessment) -> Result<(), Failure> {
        match self {
            Self::Stored(store) => {
                let batch = Batch { assessments: vec![assessment], remains: Remains::Nothing, ..Batch::default() };
                let process = ProcessId(u64::from(std::process::id()) | 1 << 62);
                store.append(&batch, process, subject.destination.as_deref())?;
            }
            Self::Served(client) => client.assess(&assessment)?,
        }
        Ok(())
    }
}

fn stored(store: &Store, count: usize) -> Result<Vec<Subject>, Failure> {
    let mut subjects = Vec::new();
    // Traces of judges stand among them, and others without an answer.
    let mut limit = count.saturating_mul(3).max(100);
    let mut seen = 0;
    loop {
        let traces = store.traces(&TraceFilter { limit, ..TraceFilter::default() })?;
        let is_all = traces.len() < limit;
        for trace in traces.iter().skip(seen).filter(|trace| trace.state != TraceState::Running) {
            if subjects.len() == count {
                return Ok(subjects);
            }
            let spans = store.spans(trace.trace_id)?;
            let Some(root) = spans.iter().find(|span| span.parent_id.is_none()) else { continue };
            let Some(output) = root.outputs.as_ref().filter(|_| root.span_type != JUDGE) else { continue };
            let known = store.assessments(trace.trace_id)?.into_iter().map(|said| said.id).collect();
            let input = root.inputs.as_ref().map(Json::to_value);
            subjects.push(Subject {
                trace: trace.trace_id,
                name: trace.name.clone(),
                evaluated: evaluated(trace.trace_id, input.as_ref(), &output.to_value()),
                known,
                destination: trace.destination.clone(),
            });
        }
        if is_all || subjects.len() == count {
            return Ok(subjects);
        }
        seen = traces.len();
        limit = limit.saturating_mul(4);
    }
}

fn served(client: &Client, count: usize) -> Result<Vec<Subject>, Failure> {
    let mut subjects = Vec::new();
    for trace in client.newest_traces(count.saturating_mul(3).max(100))? {
        if subjects.len() == count {
            break;
        }
        let Some(read) = client.answered(trace)?.filter(|read| read.state != "IN_PROGRESS") else { continue };
        let Some(output) = read.outputs.as_ref().filter(|_| read.root_type != JUDGE) else { continue };
        subjects.push(Subject {
            trace,
            evaluated: evaluated(trace, read.inputs.as_ref(), output),
            name: read.name,
            known: read.assessments.into_iter().collect(),
            destination: None,
        });
    }
    Ok(subjects)
}

fn evaluated(trace: TraceId, input: Option<&Value>, output: &Value) -> Evaluated {
    let input = input.map(text_of).unwrap_or_default();
    Evaluated::new(input, text_of(output)).of_trace(trace)
}

/// What people would read of a value: a text as it is, messages as a conversation, of an object with one value that value.
fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Object(object) if object.len() == 1 => object.values().map(text_of).collect(),
        Value::Array(messages) if !messages.is_empty() => {
            let line =
                |message: &Value| Some(format!("{}: {}", message["role"].as_str()?, message["content"].as_str()?));
            let lines: Option<Vec<String>> = messages.iter().map(line).collect();
            lines.map_or_else(|| value.to_string(), |lines| lines.join("\n"))
        }
        _ => value.to_string(),
    }
}
