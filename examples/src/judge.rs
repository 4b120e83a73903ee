//! A support agent whose answers are judged as they are given: by a model, and by a function.

use spanwright::{AgentConfig, evaluator};
use spanwright_models::{Evaluated, Evaluator, Judge, JudgeConfig, ManagedModel, Message, Model, Request, Run, Score};

use crate::Result;

/// Asks a model about each answer.
fn relevance<M: Model>(model: M) -> Judge<M> {
    let told = "Judge whether the response answers what was asked: 1 is a full answer, 0 has nothing to do with it.";
    Judge::new(JudgeConfig::new("relevance-judge", "relevance").message(Message::system(told)), model)
}

/// Needs no model.
#[evaluator]
fn is_short(evaluated: &Evaluated) -> Score {
    let words = evaluated.output.split_whitespace().count();
    Score::from(words <= 20).because(format!("{words} words"))
}

/// The agent, on a model that is its own judge as well.
pub fn support<M: Model + Clone + 'static>(model: M) -> Result<ManagedModel<M>> {
    let evaluator = Evaluator::new().judge(relevance(model.clone())).check("is_short", is_short);
    let managed = ManagedModel::new(AgentConfig::new("support-agent"), model).ok_or("the agent is switched off")?;
    let told = Message::system("Answer customers of a shop in one sentence.");
    Ok(managed.prompt(Request::new([told])).evaluated_by(evaluator))
}

/// One question, answered a piece at a time. What its judges say may come later.
pub async fn ask<M: Model>(
    support: &ManagedModel<M>,
    question: &str,
    user: &str,
    mut say: impl FnMut(&str) + Send,
) -> Result<Run> {
    Ok(support.run_streaming(question, user, &mut say).await?)
}
