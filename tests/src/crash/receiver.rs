//! A server that takes spans as MLflow 3.15 and newer do: each once, however often it is sent.
//!
//! It is read by the OpenTelemetry project's own types, which are no part of what is tested.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hasher as _};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver as Inbox, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use prost::Message as _;

use crate::faults::{Act, Faulty, Seen};

/// Trace id and span id.
pub type Key = (Vec<u8>, Vec<u8>);

/// A span as the server has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Got {
    /// `flow` or `step`.
    pub name: String,
    /// The span above it.
    pub parent: Vec<u8>,
    /// Which call it is: victim, worker, number. A call whose process died right after it began may not have said so yet.
    pub call: Option<(u64, u64, u64)>,
    /// Its process died before it ended.
    pub is_abandoned: bool,
    /// Status ERROR.
    pub is_error: bool,
    /// Bytes of its inputs.
    pub input_bytes: usize,
    /// Hash of the whole span as it was sent.
    content: u64,
    /// How often it was sent.
    pub sent: u32,
}

/// How the server answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// At once.
    Prompt,
    /// After a while.
    Slow(Duration),
    /// At once, and it says so to whoever kills.
    Telling,
}

#[derive(Debug, Default)]
struct Kept {
    spans: HashMap<Key, Got>,
    complaints: Vec<String>,
}

/// The server.
#[derive(Debug)]
pub struct Receiver {
    server: Faulty,
    kept: Arc<Mutex<Kept>>,
    manner: Arc<Mutex<Manner>>,
    in_flight: Arc<AtomicUsize>,
    answered: Mutex<Inbox<()>>,
}

/// What the server's threads share.
struct Desk {
    kept: Arc<Mutex<Kept>>,
    manner: Arc<Mutex<Manner>>,
    in_flight: Arc<AtomicUsize>,
    answered: Mutex<Sender<()>>,
    /// Of a real server that gets every request too.
    port: Option<u16>,
}

impl Receiver {
    /// A server that is all there is; or, with a port, one that stands in front of a real one.
    pub fn start(port: Option<u16>) -> Self {
        let (kept, in_flight) = (Arc::<Mutex<Kept>>::default(), Arc::<AtomicUsize>::default());
        let manner = Arc::new(Mutex::new(Manner::Prompt));
        let (answered, inbox) = channel();
        let desk = Desk {
            kept: kept.clone(),
            manner: manner.clone(),
            in_flight: in_flight.clone(),
            answered: Mutex::new(answered),
            port,
        };
        let server = Faulty::start(move |seen, _| desk.answer(seen));
        Self { server, kept, manner, in_flight, answered: Mutex::new(inbox) }
    }

    /// Where it listens.
    pub fn uri(&self) -> String {
        self.server.uri()
    }

    /// How it answers from now on.
    pub fn behave(&self, manner: Manner) {
        *lock(&self.manner) = manner;
        while lock(&self.answered).try_recv().is_ok() {}
    }

    /// Waits until a request has been answered; false if none was by then.
    pub fn wait_for_answer(&self, patience: Duration) -> bool {
        lock(&self.answered).recv_timeout(patience).is_ok()
    }

    /// Requests with spans that have come in and are not answered.
    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Acquire)
    }

    /// Every span it has.
    pub fn spans(&self) -> HashMap<Key, Got> {
        lock(&self.kept).spans.clone()
    }

    /// Whether it has this span.
    pub fn has(&self, key: &Key) -> bool {
        lock(&self.kept).spans.contains_key(key)
    }

    /// Spans that were sent more than once.
    pub fn sent_again(&self) -> usize {
        lock(&self.kept).spans.values().filter(|span| span.sent > 1).count()
    }

    /// What no correct sender does: bytes that are no spans, and a span sent again with other content.
    pub fn complaints(&self) -> Vec<String> {
        lock(&self.kept).complaints.clone()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Desk {
    fn answer(&self, seen: &Seen) -> Act {
        match seen.path.as_str() {
            "/v1/traces" => self.take(seen),
            _ if self.port.is_some() => self.forward(seen),
            "/version" => Act::Answer(200, vec![], "3.17.2".into()),
            path if path.starts_with("/api/2.0/mlflow/experiments/") => {
                Act::json(200, r#"{"experiment":{"experiment_id":"7","name":"n","lifecycle_stage":"active"}}"#)
            }
            _ => Act::json(200, "{}"),
        }
    }

    fn forward(&self, seen: &Seen) -> Act {
        self.port.map_or(Act::Hang, |port| Act::Forward(port, Box::new(seen.clone())))
    }

    fn take(&self, seen: &Seen) -> Act {
        self.in_flight.fetch_add(1, Ordering::AcqRel);
        match ExportTraceServiceRequest::decode(seen.body.as_slice()) {
            Ok(request) => {
                let spans = request.resource_spans.into_iter().flat_map(|of| of.scope_spans).flat_map(|of| of.spans);
                let mut kept = lock(&self.kept);
                spans.for_each(|span| kept.take(&span));
            }
            Err(error) => lock(&self.kept).complaints.push(format!("a request that is no spans: {error}")),
        }
        let manner = *lock(&self.manner);
        if let Manner::Slow(delay) = manner {
            std::thread::sleep(delay);
        }
        let answer = match self.port {
            Some(_) => self.forward(seen),
            None => Act::status(200),
        };
        self.in_flight.fetch_sub(1, Ordering::AcqRel);
        if manner == Manner::Telling {
            let _ = lock(&self.answered).send(());
        }
        answer
    }
}

impl Kept {
    fn take(&mut self, span: &Span) {
        let mut content = DefaultHasher::new();
        content.write(&span.encode_to_vec());
        let content = content.finish();
        let key = (span.trace_id.clone(), span.span_id.clone());
        if let Some(known) = self.spans.get_mut(&key) {
            known.sent += 1;
            if known.content != content {
                self.complaints.push(format!("{} {:?} was sent again with other content", span.name, known.call));
            }
            return;
        }
        match got(span, content) {
            Some(got) => drop(self.spans.insert(key, got)),
            None => self.complaints.push(format!("a span that is no call of a victim: {span:?}")),
        }
    }
}

fn text<'s>(span: &'s Span, key: &str) -> Option<&'s str> {
    let attribute = span.attributes.iter().find(|attribute| attribute.key == key)?;
    match attribute.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => Some(text),
        _ => None,
    }
}

fn got(span: &Span, content: u64) -> Option<Got> {
    let outcome = text(span, "spanwright.outcome");
    let is_abandoned = outcome.is_some_and(|outcome| outcome.contains("abandoned"));
    let inputs = text(span, "mlflow.spanInputs").unwrap_or_default();
    let values: serde_json::Value = serde_json::from_str(inputs).unwrap_or_default();
    let number = |key: &str| values.get(key)?.as_u64();
    let call = (|| Some((number("victim")?, number("worker")?, number("number")?)))();
    if call.is_none() && !(is_abandoned && inputs.is_empty()) {
        return None;
    }
    Some(Got {
        name: span.name.clone(),
        parent: span.parent_span_id.clone(),
        call,
        is_abandoned,
        is_error: span.status.as_ref().is_some_and(|status| status.code() == StatusCode::Error),
        input_bytes: inputs.len(),
        content,
        sent: 1,
    })
}
