//! A trace that is still running, as MLflow can show it without its end being changed by that.
//!
//! The open root is sent as a span below a parent nobody has. To MLflow it is no root then: the trace stays IN_PROGRESS, and the real
//! root, which has the same id, replaces it. Its tags travel as attributes of the resource, which MLflow makes tags of the trace at once.
//! StartTraceV3 would do all of this in one request and spoil the end: it freezes tokens and cost at what the first spans after it say,
//! and the duration at nothing.

use reqwest::Method;
use serde_json::json;

use super::Mlflow;
use super::spans::{SERVICE, TraceFacts, Writer, head, scope, site_attributes, trace_tags};
use super::text::{LONG, bounded};
use crate::export::http::{Failure, Request};
use crate::export::wire::{self, Head, Status, Value};
use crate::id::{SpanId, TraceId};
use crate::record::{Ending, SpanRecord, SpanView, ValueView, WorkflowFacts};

/// What is shown of a running trace.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Shown {
    name: String,
    tags: Vec<(String, String)>,
}

impl Shown {
    /// What the open root says of its trace.
    pub(crate) fn of(name: &str, facts: &WorkflowFacts) -> Self {
        Self { name: bounded(name, LONG).into_owned(), tags: trace_tags(facts) }
    }

    /// The request that shows the trace, with its root as running from its start to `seen_unix_ns`.
    pub(crate) fn request(
        &self,
        service: &str,
        root: &SpanRecord,
        trace: TraceFacts<'_>,
        seen_unix_ns: u64,
    ) -> Vec<u8> {
        let mut resource: Vec<_> = self.tags.iter().map(|(key, value)| (key.as_str(), Value::Text(value))).collect();
        if !service.is_empty() {
            resource.insert(0, (SERVICE, Value::Text(service)));
        }
        // Only what cannot be told otherwise at the end: MLflow adds up what spans say of tokens and cost.
        let running = SpanView {
            parent_id: Some(nobody(root.span_id)),
            end_unix_ns: seen_unix_ns.max(root.start_unix_ns),
            ending: Ending::Ok,
            error: None,
            outputs: None,
            attributes: vec![("spanwright.running", ValueView::Bool(true))],
            events: (&[]).into(),
            model: None,
            workflow: None,
            run: None,
            ..root.into()
        };
        let head = Head { status: Status::Unset, ..head(&running) };
        let mut span = Vec::new();
        wire::span(&mut span, &head, |to| {
            to.encoded(&site_attributes(&running.site));
            Writer { to, span: &running, trace }.write(service);
        });
        wire::request(&resource, scope(), span.len(), |to| to.extend_from_slice(&span))
    }
}

/// A parent that is no span: the root's own id, each bit the other way round.
fn nobody(root: SpanId) -> SpanId {
    SpanId::from_u64(Some(!root.to_u64()).filter(|id| *id != 0).unwrap_or(1))
}

impl Mlflow {
    /// Gives a trace that the server has the name by which it is listed and found.
    pub(crate) async fn name_trace(&self, trace: TraceId, shown: &Shown) -> Result<(), Failure> {
        const OPERATION: &str = "name the running trace";
        let request = Request {
            method: Method::PATCH,
            path: format!("/api/3.0/mlflow/traces/tr-{trace}/tags"),
            headers: vec![("content-type", "application/json".to_owned())],
            body: json!({ "key": "mlflow.traceName", "value": shown.name }).to_string().into_bytes(),
        };
        self.http.send(OPERATION, request).await.map(drop)
    }
}
