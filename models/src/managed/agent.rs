//! An agent that calls tools and measures itself.

use spanwright::AgentConfig;
use spanwright::tracker::{Reporting, Subject};

use super::{Run, Runs};
use crate::chat::{Message, Request};
use crate::error::ModelError;
use crate::evaluation::Evaluator;
use crate::model::Model;
use crate::talk::{Ended, Handoffs, MOST_TURNS, Tally, talk};
use crate::tools::Tools;

/// A model that calls tools until it has an answer. Each run has a run id and a tracker of its own, with the tokens of all its model calls and the tools
/// in the order in which they were called.
///
/// ```
/// use spanwright::AgentConfig;
/// use spanwright_models::{ManagedAgent, Model, ModelError, Tools};
///
/// # async fn example(model: impl Model, tools: Tools) -> Result<(), ModelError> {
/// let Some(agent) = ManagedAgent::new(AgentConfig::new("weather"), model, tools) else { return Ok(()) };
/// let run = agent.run("is it cold in Oslo?", "ann").await?;
/// println!("{} by way of {:?}", run.content, run.summary.tool_calls);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct ManagedAgent<M> {
    runs: Runs,
    model: M,
    tools: Tools,
    prompt: Request,
    most_turns: usize,
}

impl<M: Model> ManagedAgent<M> {
    /// `model` with `tools` as `config` has it, which takes the names of model and provider from there unless it says them. `None` if it is not to be
    /// used.
    pub fn new(config: AgentConfig, model: M, tools: Tools) -> Option<Self> {
        let runs = Runs::of(config, &model)?;
        Some(Self { runs, model, tools, prompt: Request::default(), most_turns: MOST_TURNS })
    }

    /// What each run begins with: instructions, the form of the answer, and so on.
    #[must_use]
    pub fn prompt(self, prompt: Request) -> Self {
        Self { prompt, ..self }
    }

    /// How often a run may ask the model; 10 times unless said otherwise.
    #[must_use]
    pub fn most_turns(self, most_turns: usize) -> Self {
        Self { most_turns, ..self }
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

    /// Works on `input`, for `subject`.
    ///
    /// # Errors
    ///
    /// Those of the model, and [`ErrorKind::Endless`](crate::ErrorKind::Endless) if it has not answered after as many calls as it may make,
    /// or [`ErrorKind::OverBudget`](crate::ErrorKind::OverBudget) as soon as the budget of the workflow is used up. A tool that fails is no error: the
    /// model is told, and goes on.
    pub async fn run(&self, input: impl Into<String>, subject: impl Into<Subject>) -> Result<Run, ModelError> {
        self.run_messages(vec![Message::user(input)], subject).await
    }

    /// As [`run`](Self::run), with a conversation so far.
    ///
    /// # Errors
    ///
    /// Those of [`run`](Self::run).
    pub async fn run_messages(&self, messages: Vec<Message>, subject: impl Into<Subject>) -> Result<Run, ModelError> {
        let work = |_, messages| async move {
            let (mut request, mut tally, nobody) = (self.prompt.clone(), Tally::default(), Handoffs::none());
            request.messages.extend::<Vec<Message>>(messages);
            let talking = talk(&self.model, request, &self.tools, &nobody, self.most_turns, &mut tally);
            let reply = match talking.await? {
                Ended::Answered(reply) => reply,
                Ended::HandsOn(_, message) => crate::Reply::text(message),
            };
            Ok((reply, tally.metrics()))
        };
        self.runs.run(messages, subject.into(), work).await
    }
}
