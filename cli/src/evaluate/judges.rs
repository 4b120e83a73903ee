//! Judges, as files say them.

use std::path::Path;

use serde::Deserialize;
use spanwright::record::Assessment;
use spanwright::tracker::JudgeResult;
use spanwright::{AgentConfig, TraceId};
use spanwright_models::{Evaluate, Judge, JudgeConfig, Message, Model as _, OpenAi};

use super::traces::Subject;
use crate::failure::Failure;

/// What stands in a file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: String,
    metric: String,
    prompt: String,
    model: Option<String>,
    endpoint: Option<String>,
    #[serde(default = "all")]
    sampling: f64,
    temperature: Option<f64>,
    #[serde(default = "first")]
    version: i64,
}

fn all() -> f64 {
    1.0
}

fn first() -> i64 {
    1
}

/// A judge, and by what its scores are known.
pub(super) struct NamedJudge {
    pub(super) name: String,
    pub(super) metric: String,
    pub(super) version: i64,
    sampling: f64,
    model: String,
    judge: Judge<OpenAi>,
}

const KEYS: &str = "`spanwright evaluate --help` shows the keys of a judge's file";

impl NamedJudge {
    pub(super) fn read(file: &Path) -> Result<Self, Failure> {
        let shown = file.display();
        let text = std::fs::read_to_string(file)
            .map_err(|error| Failure::said(format!("cannot read the judge in {shown}: {error}"), KEYS))?;
        let said: File = toml::from_str(&text)
            .map_err(|error| Failure::said(format!("{shown} is no judge: {}", error.to_string().trim_end()), KEYS))?;
        let unusable = |what: &str| Failure::said(format!("the judge in {shown} cannot be used: {what}"), KEYS);
        if said.name.trim().is_empty() || said.metric.trim().is_empty() {
            return Err(unusable("`name` and `metric` need a text"));
        }
        if !(0.0..=1.0).contains(&said.sampling) {
            return Err(unusable("`sampling` is a share, from 0.0 to 1.0"));
        }
        let model = OpenAi::from_env_or(said.endpoint.as_deref(), said.model.as_deref());
        let model = model.map_err(|error| unusable(&error.to_string()))?;
        let mut config = JudgeConfig::new(&said.name, &said.metric).message(Message::system(said.prompt));
        config.agent = AgentConfig { version: said.version, ..config.agent };
        config.temperature = said.temperature;
        Ok(Self {
            name: said.name,
            metric: said.metric,
            version: said.version,
            sampling: said.sampling,
            model: model.name().to_owned(),
            judge: Judge::new(config, model),
        })
    }

    /// Whether their scores would be the same ones.
    pub(super) fn is(&self, other: &Self) -> bool {
        (&self.name, &self.metric, self.version) == (&other.name, &other.metric, other.version)
    }

    pub(super) fn model(&self) -> &str {
        &self.model
    }

    /// The id of its score of a trace, in whatever process it is made.
    pub(super) fn assessment_id(&self, trace: TraceId) -> String {
        let (trace, version) = (trace.to_string(), self.version.to_string());
        Assessment::feedback("", 0).known_as(&["evaluate", &trace, &self.name, &self.metric, &version]).id
    }

    /// Whether the trace is among its share: each time the same ones, and of two judges not the same ones.
    pub(super) fn is_asked_about(&self, trace: TraceId) -> bool {
        let id = self.assessment_id(trace);
        let digits: String = id.chars().filter(char::is_ascii_hexdigit).collect();
        // The hash is not as even in its first digits as in its last ones.
        let drawn = digits.get(digits.len() - 12..).and_then(|last| u64::from_str_radix(last, 16).ok()).unwrap_or(0);
        (drawn as f64) < self.sampling * (1_u64 << 48) as f64
    }

    pub(super) async fn evaluate(&self, subject: &Subject) -> JudgeResult {
        Evaluate::evaluate(&self.judge, &subject.evaluated).await
    }
}
