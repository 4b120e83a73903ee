//! A model that measures itself.

use spanwright::tracker::{Reporting, Subject};
use spanwright::{AgentConfig, Budget};

use super::{Run, Runs};
use crate::chat::{Message, Request};
use crate::error::ModelError;
use crate::evaluation::Evaluator;
use crate::model::{Model, Pieces};

/// A model behind a configuration. Each run has a run id and a tracker of its own: duration, success or error, tokens, time to the first one.
///
/// ```
/// use spanwright::AgentConfig;
/// use spanwright_models::{ManagedModel, Message, Model, ModelError, Request};
///
/// # async fn example(model: impl Model) -> Result<(), ModelError> {
/// let prompt = Request::new([Message::system("Answer in one sentence.")]);
/// let Some(support) = ManagedModel::new(AgentConfig::new("support"), model) else { return Ok(()) };
/// let run = support.prompt(prompt).run("where is my receipt?", "ann").await?;
/// println!("{} took {:?} ms, feedback to {}", run.content, run.summary.duration_ms, run.tracker.resumption_token());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct ManagedModel<M> {
    runs: Runs,
    model: M,
    prompt: Request,
}

impl<M: Model> ManagedModel<M> {
    /// `model` as `config` has it, which takes the names of model and provider from there unless it says them. `None` if it is not to be used.
    pub fn new(config: AgentConfig, model: M) -> Option<Self> {
        Some(Self { runs: Runs::of(config, &model)?, model, prompt: Request::default() })
    }

    /// What each run begins with: instructions, the form of the answer, and so on.
    #[must_use]
    pub fn prompt(self, prompt: Request) -> Self {
        Self { prompt, ..self }
    }

    /// Has each run judged, beside the program.
    #[must_use]
    pub fn evaluated_by(mut self, evaluator: Evaluator) -> Self {
        self.runs.evaluator = evaluator;
        self
    }

    /// Where measurements go.
    #[must_use]
    pub fn reporting(mut self, reporting: Reporting) -> Self {
        self.runs.reporting = reporting;
        self
    }

    /// What it runs as.
    pub fn config(&self) -> &AgentConfig {
        &self.runs.config
    }

    /// The model.
    pub fn model(&self) -> &M {
        &self.model
    }

    /// Asks the model, for `subject`.
    ///
    /// # Errors
    ///
    /// Those of the model, and [`ErrorKind::OverBudget`](crate::ErrorKind::OverBudget) without asking it; the run has then failed.
    pub async fn run(&self, input: impl Into<String>, subject: impl Into<Subject>) -> Result<Run, ModelError> {
        self.run_messages(vec![Message::user(input)], subject).await
    }

    /// As [`run`](Self::run), with a conversation so far.
    ///
    /// # Errors
    ///
    /// Those of the model, and [`ErrorKind::OverBudget`](crate::ErrorKind::OverBudget) without asking it; the run has then failed.
    pub async fn run_messages(&self, messages: Vec<Message>, subject: impl Into<Subject>) -> Result<Run, ModelError> {
        let ask = |_, messages| async move {
            Budget::check()?;
            let reply = self.model.ask(&self.request(messages)).await?;
            let metrics = reply.metrics();
            Ok((reply, metrics))
        };
        self.runs.run(messages, subject.into(), ask).await
    }

    /// As [`run`](Self::run), and hands each piece of the answer to `pieces` as it comes.
    ///
    /// # Errors
    ///
    /// Those of the model, and [`ErrorKind::OverBudget`](crate::ErrorKind::OverBudget) without asking it; the run has then failed.
    pub async fn run_streaming(
        &self,
        input: impl Into<String>,
        subject: impl Into<Subject>,
        pieces: &mut Pieces<'_>,
    ) -> Result<Run, ModelError> {
        let ask = |tracker: spanwright::tracker::RunTracker, messages| async move {
            Budget::check()?;
            let reply = self.model.ask_streaming(&self.request(messages), pieces).await?;
            if let Some(first) = reply.time_to_first_token {
                tracker.track_time_to_first_token(first);
            }
            let metrics = reply.metrics();
            Ok((reply, metrics))
        };
        self.runs.run(vec![Message::user(input)], subject.into(), ask).await
    }

    fn request(&self, messages: Vec<Message>) -> Request {
        let mut request = self.prompt.clone();
        request.messages.extend(messages);
        request
    }
}
