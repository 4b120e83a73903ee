//! What a server has of a trace, for somebody who is to judge it.

use serde_json::{Value, json};

use super::Mlflow;
use super::traces::bytes_of;
use crate::export::http::Failure;
use crate::id::TraceId;

/// Traces the server lists in one answer.
const MOST_LISTED: usize = 500;

/// A trace as a server has it: what its root was asked and what it answered.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Answered {
    /// Its name.
    pub name: String,
    /// `OK`, `ERROR` or `IN_PROGRESS`.
    pub state: String,
    /// Span type of the root; empty if the server does not have it.
    pub root_type: String,
    /// What the root was asked.
    pub inputs: Option<Value>,
    /// What it answered.
    pub outputs: Option<Value>,
    /// Ids of the assessments it has.
    pub assessments: Vec<String>,
}

impl Answered {
    fn of(trace: &Value) -> Self {
        let info = &trace["trace_info"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let listed = info["assessments"].as_array().into_iter().flatten();
        let mut answered = Self {
            name: text(&info["tags"]["mlflow.traceName"]),
            state: text(&info["state"]),
            assessments: listed.map(|one| text(&one["assessment_id"])).collect(),
            ..Self::default()
        };
        let is_root =
            |span: &&Value| span["parent_span_id"].as_str().is_none_or(|parent| bytes_of::<8>(parent).is_none());
        if let Some(root) = trace["spans"].as_array().into_iter().flatten().find(is_root) {
            answered.root_type = attribute(root, "mlflow.spanType").map(|value| text(&value)).unwrap_or_default();
            answered.inputs = attribute(root, "mlflow.spanInputs");
            answered.outputs = attribute(root, "mlflow.spanOutputs");
        }
        answered
    }
}

/// The value of an attribute.
fn attribute(span: &Value, key: &str) -> Option<Value> {
    let attributes = span["attributes"].as_array()?;
    any_value(&attributes.iter().find(|attribute| attribute["key"] == key)?["value"])
}

/// A value as OTLP's JSON has it, in either spelling of the names. A text may be JSON itself: as which it counts.
fn any_value(typed: &Value) -> Option<Value> {
    let (kind, value) = typed.as_object()?.iter().next()?;
    let listed = || value["values"].as_array().into_iter().flatten();
    Some(match kind.replace('_', "").to_lowercase().as_str() {
        "stringvalue" => {
            let text = value.as_str()?;
            serde_json::from_str(text).unwrap_or_else(|_| Value::from(text))
        }
        // 64 bits are a text there.
        "intvalue" => {
            value.as_str().and_then(|text| text.parse().ok()).map_or_else(|| value.clone(), |int: i64| int.into())
        }
        "arrayvalue" => listed().filter_map(any_value).collect(),
        "kvlistvalue" => {
            let pair = |pair: &Value| Some((pair["key"].as_str()?.to_owned(), any_value(&pair["value"])?));
            Value::Object(listed().filter_map(pair).collect())
        }
        _ => value.clone(),
    })
}

impl Mlflow {
    /// The newest traces of an experiment, the newest first.
    pub(crate) async fn newest_traces(&self, experiment: &str, limit: usize) -> Result<Vec<TraceId>, Failure> {
        let body = json!({
            "locations": [{ "type": "MLFLOW_EXPERIMENT", "mlflow_experiment": { "experiment_id": experiment } }],
            "max_results": limit.clamp(1, MOST_LISTED),
            "order_by": ["timestamp_ms DESC"],
        });
        let reply = self.post("list the traces", "/api/3.0/mlflow/traces/search", &body).await?;
        let ids = reply["traces"].as_array().into_iter().flatten().filter_map(|trace| trace["trace_id"].as_str());
        Ok(ids.filter_map(|id| id.parse().ok()).collect())
    }

    /// What the server has of a trace; `None` if it has no span of it.
    pub(crate) async fn answered(&self, trace: TraceId) -> Result<Option<Answered>, Failure> {
        let reply = self.trace(trace).await?;
        Ok(reply.map(|reply| Answered::of(&reply["trace"])))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_of_a_trace_says_what_was_asked_and_answered_however_it_is_typed() {
        let text = |text: &str| json!({ "string_value": text });
        let asked = json!({ "kvlist_value": { "values": [
            { "key": "n", "value": { "int_value": "7" } },
            { "key": "words", "value": { "array_value": { "values": [text("a"), { "bool_value": true }] } } },
        ] } });
        let attributes = |asked: Value, answered: Value| {
            json!([
                { "key": "mlflow.spanType", "value": text("AGENT") },
                { "key": "mlflow.spanInputs", "value": asked },
                { "key": "mlflow.spanOutputs", "value": answered },
            ])
        };
        let trace = json!({
            "trace_info": { "state": "OK", "tags": { "mlflow.traceName": "support" }, "assessments": [{ "assessment_id": "a-1" }] },
            "spans": [
                { "parent_span_id": "AAAAAAAAAAE=", "attributes": attributes(text("no root"), text("no root")) },
                { "parent_span_id": "", "attributes": attributes(asked, text("under Orders")) },
            ],
        });
        let read = Answered::of(&trace);
        assert_eq!((read.name.as_str(), read.state.as_str(), read.root_type.as_str()), ("support", "OK", "AGENT"));
        assert_eq!(read.inputs, Some(json!({ "n": 7, "words": ["a", true] })));
        assert_eq!((read.outputs, read.assessments), (Some(json!("under Orders")), vec!["a-1".to_owned()]));

        let camel =
            json!([{ "attributes": [{ "key": "mlflow.spanInputs", "value": { "stringValue": "{\"q\":1}" } }] }]);
        let read = Answered::of(&json!({ "spans": camel }));
        assert_eq!((read.inputs, read.outputs), (Some(json!({ "q": 1 })), None));
    }
}
