//! Assessments in MLflow's words.

use serde_json::{Map, Value, json};

use super::Mlflow;
use super::text::{LONG, SHORT, bounded};
use crate::export::http::Failure;
use crate::record::{Assessment, AssessmentKind, AssessmentSource, rfc3339};

/// What became of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Landed {
    /// The server has it, from now or before.
    Yes,
    /// The server has no such trace, or not yet.
    NoTrace,
}

impl Mlflow {
    /// Brings an assessment to its trace, once: the server refuses a second one with the same id, and has the first.
    pub(crate) async fn assess(&self, assessment: &Assessment) -> Result<Landed, Failure> {
        const OPERATION: &str = "send an assessment";
        let path = format!("/api/3.0/mlflow/traces/tr-{}/assessments", assessment.trace_id);
        match self.post(OPERATION, &path, &body(assessment)).await {
            Ok(_) => Ok(Landed::Yes),
            Err(failure) if is_missing(&failure) => Ok(Landed::NoTrace),
            // That is also what it says of anything else that goes wrong: it is asked what it has.
            Err(failure) if failure.status == Some(500) => {
                let path = format!("{path}/{}", assessment.id);
                match self.get("look up an assessment", &path).await {
                    Ok(found) if found["assessment"]["assessment_id"] == assessment.id.as_str() => Ok(Landed::Yes),
                    _ => Err(failure),
                }
            }
            Err(failure) => Err(failure),
        }
    }
}

fn is_missing(failure: &Failure) -> bool {
    failure.is_code("RESOURCE_DOES_NOT_EXIST") || failure.is_code("NOT_FOUND")
}

fn body(assessment: &Assessment) -> Value {
    let source = match assessment.source {
        AssessmentSource::Human => "HUMAN",
        AssessmentSource::LlmJudge => "LLM_JUDGE",
        AssessmentSource::Code => "CODE",
    };
    let metadata: Map<String, Value> = assessment
        .metadata
        .iter()
        .map(|(key, value)| (bounded(key, SHORT).into_owned(), bounded(value, SHORT).into_owned().into()))
        .collect();
    let time = rfc3339(assessment.time_unix_ns);
    let mut body = json!({
        "assessment_id": assessment.id,
        "assessment_name": bounded(&assessment.name, SHORT),
        "trace_id": format!("tr-{}", assessment.trace_id),
        "source": { "source_type": source, "source_id": bounded(&assessment.source_id, SHORT) },
        "metadata": metadata,
        "create_time": time,
        "last_update_time": time,
    });
    let value = assessment.value.to_value();
    match assessment.kind {
        AssessmentKind::Feedback => body["feedback"] = json!({ "value": value }),
        // As it is, an object would lose the difference of 1 and 1.0.
        AssessmentKind::Expectation if value.is_object() || value.is_array() => {
            let text = assessment.value.as_str();
            body["expectation"] =
                json!({ "serialized_value": { "serialization_format": "JSON_FORMAT", "value": text } });
        }
        AssessmentKind::Expectation => body["expectation"] = json!({ "value": value }),
    }
    if let Some(rationale) = &assessment.rationale {
        body["rationale"] = bounded(rationale, LONG).into_owned().into();
    }
    if let Some(span) = assessment.span_id {
        body["span_id"] = span.to_string().into();
    }
    json!({ "assessment": body })
}
