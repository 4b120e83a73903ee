//! Traces as the server keeps them: what an older server must be told beside the spans, and what can be read back.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value, json};

use super::Mlflow;
use super::spans::{LINKED_PROMPTS, linked_prompts, prompt, trace_name, trace_tags, usage_json};
use super::text::{SHORT, bounded};
use crate::export::http::Failure;
use crate::id::{SpanId, TraceId};
use crate::record::{Json, SpanRecord, Usage, WorkflowFacts, rfc3339};

const TOTAL_USAGE: &str = "mlflow.trace.tokenUsage";
/// Characters of a preview.
const PREVIEW: usize = 1000;

/// What StartTraceV3 says of a finished trace: for servers before 3.13 all there is to know of it, for newer ones its metadata.
#[derive(Clone, Debug)]
pub(crate) struct TraceSummary {
    info: Value,
}

impl TraceSummary {
    /// The summary of a trace whose root is among `spans`; `None` without one.
    pub(crate) fn of(experiment: &str, run: Option<&str>, spans: &[SpanRecord]) -> Option<Self> {
        let root = spans.iter().find(|span| span.parent_id.is_none())?;
        let mut metadata = Map::new();
        let mut tags = Map::new();
        tags.insert("mlflow.traceName".into(), trace_name(root).into());
        if let Some(workflow) = &root.workflow {
            for (key, value) in [("mlflow.trace.session", &workflow.session), ("mlflow.trace.user", &workflow.user)] {
                if let Some(value) = value {
                    metadata.insert(key.into(), bounded(value, SHORT).into());
                }
            }
            metadata.extend(
                workflow
                    .metadata
                    .iter()
                    .filter(|(key, _)| !key.is_empty())
                    .map(|(key, value)| (bounded(key, SHORT).into_owned(), bounded(value, SHORT).into())),
            );
            tags.extend(linked_prompts(workflow).map(|prompts| (LINKED_PROMPTS.to_owned(), prompts.into())));
            tags.extend(trace_tags(workflow).into_iter().map(|(key, value)| (key, value.into())));
        }
        if let Some(run) = run {
            metadata.insert("mlflow.sourceRun".into(), run.into());
        }
        if let Some(usage) = total_usage(spans) {
            metadata.insert(TOTAL_USAGE.into(), usage_json(&usage).into());
        }
        let start = spans.iter().map(|span| span.start_unix_ns).min().unwrap_or(root.start_unix_ns);
        let end = spans.iter().map(|span| span.end_unix_ns).max().unwrap_or(root.end_unix_ns);
        let millis = end.saturating_sub(start) / 1_000_000;
        let mut info = json!({
            "trace_id": format!("tr-{}", root.trace_id),
            "trace_location": { "type": "MLFLOW_EXPERIMENT", "mlflow_experiment": { "experiment_id": experiment } },
            "request_time": rfc3339(start),
            "execution_duration": format!("{}.{:03}s", millis / 1000, millis % 1000),
            "state": if root.is_error() { "ERROR" } else { "OK" },
            "trace_metadata": metadata,
            "tags": tags,
        });
        // Left out, they would be emptied.
        for (key, value, text) in
            [("request_preview", &root.inputs, "prompt"), ("response_preview", &root.outputs, "response")]
        {
            if let Some(value) = value {
                info[key] = bounded(&preview(value, text), PREVIEW).into();
            }
        }
        Some(Self { info })
    }

    /// The summary for a server that adds up the tokens itself: what it is told it would hold against spans that come later.
    pub(crate) fn without_totals(mut self) -> Self {
        if let Some(metadata) = self.info["trace_metadata"].as_object_mut() {
            metadata.remove(TOTAL_USAGE);
        }
        self
    }
}

/// What people look for in a value: the text that an object has under `name`, else all of it.
fn preview<'a>(value: &'a Json, name: &str) -> Cow<'a, str> {
    match value.to_value().get_mut(name).map(Value::take) {
        Some(Value::String(text)) => Cow::Owned(text),
        _ => Cow::Borrowed(value.as_str()),
    }
}

/// The sum over the tree, where a span that carries usage stands for everything below it, as newer servers count.
pub(super) fn total_usage(spans: &[SpanRecord]) -> Option<Usage> {
    let by_id: HashMap<SpanId, &SpanRecord> = spans.iter().map(|span| (span.span_id, span)).collect();
    let usage_of = |span: &SpanRecord| span.model.as_ref().and_then(|model| model.usage);
    let is_covered = |span: &SpanRecord| {
        let mut seen = HashSet::from([span.span_id]);
        let mut parent = span.parent_id;
        while let Some(above) = parent.filter(|id| seen.insert(*id)).and_then(|id| by_id.get(&id)) {
            if usage_of(above).is_some() {
                return true;
            }
            parent = above.parent_id;
        }
        false
    };
    let add = |a: Option<u64>, b: Option<u64>| match (a, b) {
        (None, None) => None,
        (a, b) => Some(a.unwrap_or(0).saturating_add(b.unwrap_or(0))),
    };
    spans.iter().filter(|span| !is_covered(span)).filter_map(usage_of).reduce(|sum, usage| Usage {
        input: sum.input.saturating_add(usage.input),
        output: sum.output.saturating_add(usage.output),
        cache_read: add(sum.cache_read, usage.cache_read),
        cache_write: add(sum.cache_write, usage.cache_write),
        cache_write_1h: add(sum.cache_write_1h, usage.cache_write_1h),
        reasoning: add(sum.reasoning, usage.reasoning),
    })
}

/// A trace as the server gives it back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TraceRead {
    /// `OK`, `ERROR`, `IN_PROGRESS`.
    pub(crate) state: String,
    pub(crate) spans: usize,
}

impl TraceRead {
    pub(super) fn of(said: &Value) -> Self {
        Self {
            state: said["trace_info"]["state"].as_str().unwrap_or_default().to_owned(),
            spans: said["spans"].as_array().map_or(0, Vec::len),
        }
    }
}

impl Mlflow {
    /// Tells a server what it does not take from spans.
    pub(crate) async fn start_trace(&self, trace: &TraceSummary) -> Result<(), Failure> {
        let body = json!({ "trace": { "trace_info": trace.info } });
        self.post("complete the trace", "/api/3.0/mlflow/traces", &body).await.map(drop)
    }

    /// Links a trace to versions of prompts; done twice it is as if done once.
    pub(crate) async fn link_prompts(&self, trace: TraceId, workflow: &WorkflowFacts) -> Result<(), Failure> {
        let prompts: Vec<_> = workflow.prompts().map(|(name, version)| prompt(name, version)).collect();
        if prompts.is_empty() {
            return Ok(());
        }
        let body = json!({ "trace_id": format!("tr-{trace}"), "prompt_versions": prompts });
        self.post("link the trace to its prompts", "/api/2.0/mlflow/traces/link-prompts", &body).await.map(drop)
    }

    /// Reads a trace back; `None` if the server has no span of it.
    pub(crate) async fn read_trace(&self, trace: TraceId) -> Result<Option<TraceRead>, Failure> {
        Ok(self.trace(trace).await?.map(|reply| TraceRead::of(&reply["trace"])))
    }

    /// What the server says of a trace; `None` if it has no span of it.
    pub(super) async fn trace(&self, trace: TraceId) -> Result<Option<Value>, Failure> {
        let path = format!("/api/3.0/mlflow/traces/get?trace_id=tr-{trace}&allow_partial=true");
        match self.get("read the trace back", &path).await {
            Ok(reply) => Ok(Some(reply)),
            Err(failure) if failure.is_code("RESOURCE_DOES_NOT_EXIST") || failure.is_code("NOT_FOUND") => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// Which of the spans of these traces the server has.
    pub(crate) async fn stored_spans(&self, traces: &HashSet<TraceId>) -> Result<HashSet<(TraceId, SpanId)>, Failure> {
        let traces: Vec<_> = traces.iter().collect();
        let mut stored = HashSet::new();
        for part in traces.chunks(TRACES_A_REQUEST) {
            let query: Vec<_> = part.iter().map(|trace| format!("trace_ids=tr-{trace}")).collect();
            let path = format!("/api/3.0/mlflow/traces/batchGet?{}", query.join("&"));
            let reply = self.get("look up what has arrived", &path).await?;
            stored.extend(spans_in(&reply));
        }
        Ok(stored)
    }

    /// Deletes one trace.
    pub(crate) async fn delete_trace(&self, experiment: &str, trace: TraceId) -> Result<(), Failure> {
        let body = json!({ "experiment_id": experiment, "request_ids": [format!("tr-{trace}")] });
        self.post("delete the trace", "/api/2.0/mlflow/traces/delete-traces", &body).await.map(drop)
    }
}

const TRACES_A_REQUEST: usize = 10;

/// The spans of all traces in a reply; those whose ids cannot be read are passed over.
pub(super) fn spans_in(reply: &Value) -> impl Iterator<Item = (TraceId, SpanId)> {
    let traces = reply["traces"].as_array().into_iter().flatten();
    traces.flat_map(|trace| trace["spans"].as_array()).flatten().filter_map(|span| {
        let (trace, span) = (bytes_of(span["trace_id"].as_str()?)?, bytes_of(span["span_id"].as_str()?)?);
        Some((TraceId::from_bytes(trace), SpanId::from_bytes(span)))
    })
}

/// A trace id as the server writes it, `tr-` and hexadecimal; `None` for one that no OpenTelemetry client has made.
pub(super) fn id_of(text: &str) -> Option<TraceId> {
    text.strip_prefix("tr-")?.parse().ok()
}

/// An id as protobuf's JSON has it, base64, or as OTLP's JSON has it, hexadecimal.
pub(super) fn bytes_of<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.trim_end_matches('=').bytes();
    let mut bytes = Vec::with_capacity(N);
    if text.len() == 2 * N {
        for pair in text.as_bytes().chunks(2) {
            bytes.push(u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok()?);
        }
    } else {
        let (mut word, mut bits) = (0u32, 0);
        for digit in digits {
            let value = match digit {
                b'A'..=b'Z' => digit - b'A',
                b'a'..=b'z' => digit - b'a' + 26,
                b'0'..=b'9' => digit - b'0' + 52,
                b'+' | b'-' => 62,
                b'/' | b'_' => 63,
                _ => return None,
            };
            word = word << 6 | u32::from(value);
            bits += 6;
            if bits >= 8 {
                bits -= 8;
                bytes.push((word >> bits) as u8);
                word &= (1 << bits) - 1;
            }
        }
    }
    bytes.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{ModelFacts, WorkflowFacts};

    #[test]
    fn times_are_written_as_the_calendar_has_them() {
        for (seconds, written) in [
            (0, "1970-01-01T00:00:00.441Z"),
            (951_782_400, "2000-02-29T00:00:00.441Z"),
            (1_795_207_387, "2026-11-20T20:43:07.441Z"),
            (4_102_444_799, "2099-12-31T23:59:59.441Z"),
        ] {
            assert_eq!(rfc3339(seconds * 1_000_000_000 + 441_000_000), written);
        }
    }

    #[test]
    fn a_summary_has_the_metadata_and_shows_the_prompt_and_the_response_as_text() {
        let json = |value: Value| Some(Json::of(&value));
        let usage = Usage { input: 3, output: 4, ..Usage::default() };
        let metadata = vec![("folder".to_owned(), "/home".to_owned()), (String::new(), "dropped".to_owned())];
        let root = SpanRecord {
            inputs: json(json!({"prompt": "naïve?"})),
            outputs: json(json!({"status": "interrupted"})),
            model: Some(ModelFacts { usage: Some(usage), ..ModelFacts::default() }),
            workflow: Some(Box::new(WorkflowFacts { metadata, ..WorkflowFacts::default() })),
            ..SpanRecord::new(TraceId::from_halves(1, 2), SpanId::from_u64(3))
        };
        let summary = TraceSummary::of("7", None, &[root]).expect("it has a root");
        assert_eq!(summary.info["request_preview"], "naïve?");
        assert_eq!(summary.info["response_preview"], r#"{"status":"interrupted"}"#);
        assert_eq!(summary.info["trace_metadata"]["folder"], "/home");
        assert!(summary.info["trace_metadata"][TOTAL_USAGE].is_string());
        assert_eq!(summary.without_totals().info["trace_metadata"], json!({"folder": "/home"}));
    }

    #[test]
    fn ids_are_read_in_both_spellings() {
        let id = [0xfb, 0xff, 0, 1, 2, 3, 4, 5];
        assert_eq!(bytes_of("+/8AAQIDBAU="), Some(id));
        assert_eq!(bytes_of("fbff000102030405"), Some(id));
        assert_eq!(bytes_of::<8>("fbff"), None);
        assert_eq!(bytes_of::<8>("not an id!!="), None);
    }
}
