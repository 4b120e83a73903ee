//! A model that judges what another one answered.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};
use spanwright::tracker::{JudgeResult, Reporting, Subject};
use spanwright::{__private as p, AgentConfig, Context, InCurrentSpan as _};

use crate::chat::{Message, Request, Role};
use crate::evaluation::{Evaluate, Evaluated, Judging};
use crate::model::Model;
use crate::named;
use crate::said::say;
use crate::score::Score;

/// Names that stand for what is judged, in messages of an older form.
const RESERVED: [&str; 2] = ["message_history", "response_to_evaluate"];

/// What a judge is.
///
/// ```
/// use spanwright_models::{JudgeConfig, Message};
///
/// let relevance = JudgeConfig::new("relevance-judge", "relevance")
///     .message(Message::system("Does the answer help with {{topic}}? 1 is a full answer, 0 is beside the point."))
///     .variable("topic", "receipts");
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct JudgeConfig {
    /// What it runs as; its key is `judgeConfigKey` of the score.
    pub agent: AgentConfig,
    /// What it scores.
    pub metric_key: Option<String>,
    /// What it scores where that is not said; the first one counts.
    pub metric_keys: Vec<String>,
    /// What it is told. `{{name}}` stands for a variable.
    pub messages: Vec<Message>,
    /// Values of variables.
    pub variables: Vec<(String, String)>,
    /// How freely it answers; the endpoint's own choice if `None`.
    pub temperature: Option<f64>,
}

impl JudgeConfig {
    /// A judge of `metric` that has not been told anything.
    pub fn new(key: impl Into<String>, metric: impl Into<String>) -> Self {
        Self { agent: AgentConfig::new(key), metric_key: Some(metric.into()), ..Self::default() }
    }

    /// Tells it something.
    #[must_use]
    pub fn message(mut self, message: Message) -> Self {
        self.messages.push(message);
        self
    }

    /// Gives a variable its value. `message_history` and `response_to_evaluate` are reserved: they are left out, with a warning.
    #[must_use]
    pub fn variable(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let name = name.into();
        if RESERVED.contains(&name.as_str()) {
            let judge = &self.agent.key;
            say(&format!("the variable `{name}` of the judge {judge} is reserved and left out; give it another name"));
        } else {
            self.variables.push((name, value.into()));
        }
        self
    }

    /// What is scored, where anything is.
    fn metric(&self) -> Option<&str> {
        let first = || self.metric_keys.first().map(String::as_str);
        self.metric_key.as_deref().filter(|key| !key.is_empty()).or_else(first).filter(|key| !key.is_empty())
    }

    /// What it is told, with the variables in their places. Messages of the older form, in which what is judged has a place, are left out: it comes by
    /// itself.
    fn told(&self) -> Vec<Message> {
        let is_older = |message: &&Message| {
            message.role != Role::System
                && RESERVED.iter().any(|name| message.content.contains(&format!("{{{{{name}}}}}")))
        };
        let told = self.messages.iter().filter(|message| !is_older(message)).cloned();
        told.map(|message| Message { content: self.filled(message.content), ..message }).collect()
    }

    fn filled(&self, text: String) -> String {
        self.variables.iter().fold(text, |text, (name, value)| text.replace(&format!("{{{{{name}}}}}"), value))
    }
}

/// A model that judges answers: one call each, in a trace of its own, with a run id and tokens of its own. The score is for the run that is judged:
/// [`Evaluator`](crate::Evaluator) puts it there, or `tracker.track_judge_result(&result)`.
///
/// ```no_run
/// use spanwright_models::{Judge, JudgeConfig, Message, OpenAi};
///
/// # async fn example() -> Result<(), spanwright_models::ModelError> {
/// let config = JudgeConfig::new("relevance-judge", "relevance").message(Message::system("Is the answer to the point?"));
/// let judge = Judge::new(config, OpenAi::from_env()?).sampling(0.3);
/// let result = judge.evaluate("where is my receipt?", "It is under Orders.").await;
/// assert!(!result.sampled || result.score.is_some() || result.error_message.is_some());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Judge<M> {
    config: JudgeConfig,
    model: M,
    rate: f64,
    draws: Draws,
    reporting: Reporting,
}

impl<M: Model> Judge<M> {
    /// A judge that is asked about every run.
    pub fn new(config: JudgeConfig, model: M) -> Self {
        let draws = Draws::from_seed(RandomState::new().hash_one(0));
        let mut judge = Self { config, model, rate: 1.0, draws, reporting: Reporting::default() };
        let agent = &mut judge.config.agent;
        if agent.model.is_empty() {
            agent.model = judge.model.name().to_owned();
        }
        if agent.provider.is_empty() {
            agent.provider = judge.model.provider().to_owned();
        }
        judge
    }

    /// The share of runs it is asked about, from 0.0 to 1.0.
    #[must_use]
    pub fn sampling(self, rate: f64) -> Self {
        Self { rate, ..self }
    }

    /// Has it choose the same runs each time.
    #[must_use]
    pub fn seeded(self, seed: u64) -> Self {
        Self { draws: Draws::from_seed(seed), ..self }
    }

    /// Where measurements of the judge's own calls go.
    #[must_use]
    pub fn reporting(self, reporting: Reporting) -> Self {
        Self { reporting, ..self }
    }

    /// What it is.
    pub fn config(&self) -> &JudgeConfig {
        &self.config
    }

    /// Judges an answer. What goes wrong stands in the result.
    pub async fn evaluate(&self, input: &str, output: &str) -> JudgeResult {
        self.evaluate_run(&Evaluated::new(input, output), self.rate).await
    }

    /// As [`evaluate`](Self::evaluate), about this share of the runs instead of its own.
    pub async fn evaluate_sampled(&self, rate: f64, input: &str, output: &str) -> JudgeResult {
        self.evaluate_run(&Evaluated::new(input, output), rate).await
    }

    /// Judges the answer to a conversation.
    pub async fn evaluate_messages(&self, messages: &[Message], output: &str) -> JudgeResult {
        self.evaluate(&Evaluated::input_of(messages), output).await
    }

    async fn evaluate_run(&self, evaluated: &Evaluated, rate: f64) -> JudgeResult {
        let judge_config_key = Some(self.config.agent.key.clone());
        let Some(metric) = self.config.metric() else {
            let why = "Judge configuration is missing required evaluationMetricKey";
            return JudgeResult { judge_config_key, error_message: Some(why.to_owned()), ..JudgeResult::default() };
        };
        let known = JudgeResult { metric_key: Some(metric.to_owned()), judge_config_key, ..JudgeResult::default() };
        if self.draws.next() >= rate {
            return known;
        }
        let known = JudgeResult { sampled: true, ..known };
        match self.asked(evaluated).in_context(Context::current().apart()).await {
            Ok(Score { score, reasoning }) => JudgeResult { success: true, score: Some(score), reasoning, ..known },
            Err(why) => JudgeResult { error_message: Some(why), ..known },
        }
    }

    /// The judge's own call: a trace of its own.
    async fn asked(&self, evaluated: &Evaluated) -> Result<Score, String> {
        let site = named::judge(&self.config.agent.key);
        let span = site.start(&[site.arg(&evaluated.input).get(), site.arg(&evaluated.output).get()]);
        let asking = async {
            let tracker = self.config.agent.create_tracker_reporting(Subject::anonymous(), self.reporting.clone());
            let span = spanwright::handle();
            span.set("run_id", tracker.run_id());
            let known = [("evaluated.run_id", &evaluated.run_id), ("evaluated.trace_id", &evaluated.trace_id)];
            known.into_iter().for_each(|(key, value)| value.iter().for_each(|value| span.set(key, value)));
            let request = self.request(evaluated);
            let asking = self.model.ask(&request);
            let reply = tracker.track_metrics_of_async(crate::Reply::metrics, asking).await;
            read(&reply.map_err(|error| error.to_string())?.content)
        };
        p::future(span, asking, |r: &Result<Score, String>| p::ret(r).ok().get()).await
    }

    fn request(&self, evaluated: &Evaluated) -> Request {
        let Evaluated { input, output, .. } = evaluated;
        let judged = format!("MESSAGE HISTORY:\n{input}\n\nRESPONSE TO EVALUATE:\n{output}");
        let mut messages = self.config.told();
        messages.push(Message::user(judged));
        let request = Request::new(messages).answer("EvaluationResponse", schema());
        Request { temperature: self.config.temperature, ..request }
    }
}

impl<M: Model> Evaluate for Judge<M> {
    fn evaluate<'e>(&'e self, evaluated: &'e Evaluated) -> Judging<'e> {
        Box::pin(self.evaluate_run(evaluated, self.rate))
    }
}

/// The form of a judge's answer.
fn schema() -> Value {
    json!({
        "title": "EvaluationResponse",
        "type": "object",
        "properties": {
            "score": { "type": "number", "minimum": 0, "maximum": 1, "description": "Score between 0.0 and 1.0." },
            "reasoning": { "type": "string", "description": "Why this score." },
        },
        "required": ["score", "reasoning"],
        "additionalProperties": false,
    })
}

/// Reads a judge's answer. Beside what was asked for it may say more; without it, or with a score that is none, there is no score.
fn read(content: &str) -> Result<Score, String> {
    let answer: Value =
        serde_json::from_str(content.trim()).map_err(|error| format!("the judge's answer is not JSON: {error}"))?;
    let Value::Object(answer) = answer else { return Err("the judge's answer is no object".to_owned()) };
    let score = match answer.get("score") {
        Some(Value::Number(score)) => score.as_f64().filter(|score| (0.0..=1.0).contains(score)),
        Some(_) => None,
        None => return Err("the judge's answer has no score".to_owned()),
    };
    let score = score.ok_or("the judge's score is no number from 0 to 1")?;
    let Some(Value::String(reasoning)) = answer.get("reasoning") else {
        return Err("the judge's answer has no reasoning".to_owned());
    };
    Ok(Score { score, reasoning: Some(reasoning.clone()) })
}

/// Numbers from 0 to below 1, evenly spread (SplitMix64).
#[derive(Debug)]
struct Draws(AtomicU64);

impl Draws {
    fn from_seed(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    fn next(&self) -> f64 {
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut bits = self.0.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^= bits >> 31;
        (bits >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One seed in 370 gives a count beyond three standard deviations, in whatever generator; of many seeds few do, and their mean is near.
    #[test]
    fn draws_are_spread_evenly_whatever_the_seed() {
        const DRAWS: u32 = 10_000;
        let sigma = (f64::from(DRAWS) * 0.3 * 0.7).sqrt();
        let off = |seed| {
            let draws = Draws::from_seed(seed);
            let below = (0..DRAWS).filter(|_| draws.next() < 0.3).count();
            (below as f64 - f64::from(DRAWS) * 0.3) / sigma
        };
        let off: Vec<f64> = (0..200).map(off).collect();
        assert!(off.iter().filter(|off| off.abs() > 3.0).count() <= 2, "{off:?}");
        let mean = off.iter().sum::<f64>() / off.len() as f64;
        assert!(mean.abs() <= 3.0 / (off.len() as f64).sqrt(), "{mean}");
    }
}
