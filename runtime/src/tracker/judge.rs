//! What a judge found.

use serde::Serialize;

use super::{RunTracker, TrackData, TrackOutcome};
use crate::record::Assessment;

/// The result of one evaluation of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JudgeResult {
    /// Whether the judge was asked; it may be asked about a share of the runs only.
    pub sampled: bool,
    /// Whether it gave a score.
    pub success: bool,
    /// What is scored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metric_key: Option<String>,
    /// The score.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub score: Option<f64>,
    /// Why, in the judge's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<String>,
    /// The judge's configuration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub judge_config_key: Option<String>,
    /// Why there is no score.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_message: Option<String>,
    /// Whether it is a program that judged, and not a model.
    #[serde(skip)]
    pub by_code: bool,
}

impl RunTracker {
    /// A judge scored this run. Counts if the judge was asked and gave a score for a metric; it becomes an event named as the metric, and an
    /// assessment of the run's trace by a model, or by code.
    pub fn track_judge_result(&self, result: &JudgeResult) -> TrackOutcome {
        let (true, true, Some(metric), Some(score)) =
            (result.sampled, result.success, result.metric_key.as_deref().filter(|key| !key.is_empty()), result.score)
        else {
            self.say_without_score(result);
            return TrackOutcome::Ignored;
        };
        let judge = result.judge_config_key.as_deref().filter(|key| !key.is_empty());
        self.emit_with(metric.into(), TrackData { judge_config_key: judge, ..self.track_data() }, score);
        let scored = Assessment::feedback(metric, score);
        let who = judge.unwrap_or(if result.by_code { metric } else { "judge" });
        let scored = if result.by_code { scored.by_code(who) } else { scored.by_judge(who) };
        self.assess(match &result.reasoning {
            Some(reasoning) => scored.because(reasoning),
            None => scored,
        });
        TrackOutcome::Recorded
    }

    /// A judge that was not asked is no news; one that was and has no score is.
    fn say_without_score(&self, result: &JudgeResult) {
        if result.sampled && !result.success {
            let judge = result.judge_config_key.as_deref().unwrap_or("a judge");
            let why = result.error_message.as_deref().unwrap_or("it did not say why");
            self.warn_of(&format!("no score of run {} by {judge}: {why}", self.run_id()));
        }
    }
}
