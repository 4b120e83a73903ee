//! What somebody or something says of a trace after the fact.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Json;
use crate::id::{SpanId, TraceId, uuid_of};

/// One judgement on a trace: feedback or an expectation, by a person, a model or code.
///
/// ```
/// use spanwright::record::Assessment;
///
/// let score = Assessment::feedback("conciseness", 0.75).by_code("word-count").because("31 words");
/// assert_eq!(score.value.as_str(), "0.75");
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Assessment {
    /// `a-` and 32 hexadecimal digits. A second one with the same id is the same assessment, and is kept once.
    pub id: String,
    /// The trace it is about.
    pub trace_id: TraceId,
    /// The span it is about, where it is not the whole trace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub span_id: Option<SpanId>,
    /// What is judged: `user_feedback`, `conciseness`, …
    pub name: String,
    /// Feedback or an expectation.
    pub kind: AssessmentKind,
    /// The judgement: a boolean, a number, a text, or anything that serialises.
    pub value: Json,
    /// Why, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rationale: Option<String>,
    /// What sort of judge it was.
    pub source: AssessmentSource,
    /// Who: a user, a judge's key, the name of a check.
    pub source_id: String,
    /// Facts beside it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub metadata: Vec<(String, String)>,
    /// When it was made, nanoseconds since the Unix epoch.
    pub time_unix_ns: u64,
}

/// Whether something is said of what happened or of what should have happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AssessmentKind {
    /// What happened, judged.
    Feedback,
    /// What should have happened.
    Expectation,
}

/// What sort of judge made an assessment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AssessmentSource {
    /// A person.
    Human,
    /// A model.
    LlmJudge,
    /// A program.
    Code,
}

impl Assessment {
    /// Feedback by code, until it is said who gave it. The trace is filled in by whoever takes it.
    pub fn feedback(name: impl Into<String>, value: impl Serialize) -> Self {
        Self::new(AssessmentKind::Feedback, name.into(), Json::of(&value))
    }

    /// What the trace should have come to. The trace is filled in by whoever takes it.
    pub fn expectation(name: impl Into<String>, value: impl Serialize) -> Self {
        Self::new(AssessmentKind::Expectation, name.into(), Json::of(&value))
    }

    fn new(kind: AssessmentKind, name: String, value: Json) -> Self {
        Self {
            id: String::new(),
            trace_id: TraceId::from_halves(0, 0),
            span_id: None,
            name,
            kind,
            value,
            rationale: None,
            source: AssessmentSource::Code,
            source_id: "spanwright".to_owned(),
            metadata: Vec::new(),
            time_unix_ns: 0,
        }
    }

    /// Made by a person.
    #[must_use]
    pub fn by_human(self, id: impl Into<String>) -> Self {
        Self { source: AssessmentSource::Human, source_id: id.into(), ..self }
    }

    /// Made by a model.
    #[must_use]
    pub fn by_judge(self, id: impl Into<String>) -> Self {
        Self { source: AssessmentSource::LlmJudge, source_id: id.into(), ..self }
    }

    /// Made by a program.
    #[must_use]
    pub fn by_code(self, id: impl Into<String>) -> Self {
        Self { source: AssessmentSource::Code, source_id: id.into(), ..self }
    }

    /// Says why.
    #[must_use]
    pub fn because(self, rationale: impl Into<String>) -> Self {
        Self { rationale: Some(rationale.into()), ..self }
    }

    /// Adds a fact beside it.
    #[must_use]
    pub fn with(mut self, key: impl Into<String>, value: impl fmt::Display) -> Self {
        self.metadata.push((key.into(), value.to_string()));
        self
    }

    /// Says which span it is about.
    #[must_use]
    pub fn on(self, span: SpanId) -> Self {
        Self { span_id: Some(span), ..self }
    }

    /// Gives it the id that belongs to this text and no other: said again, in whatever process, it is the same assessment.
    #[must_use]
    pub fn known_as(self, text: &[&str]) -> Self {
        // FNV-1a, 128 bits. It has to be the same everywhere and to differ for different texts, not to be hard to guess.
        let mut hash = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d_u128;
        for part in text {
            for byte in part.bytes().chain([0xff]) {
                hash = (hash ^ u128::from(byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b);
            }
        }
        let id = uuid_of(TraceId::from_bytes(hash.to_be_bytes()));
        Self { id: format!("a-{}", id.replace('-', "")), ..self }
    }
}
