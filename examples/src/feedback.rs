//! A support agent whose users say hours later, in another process, whether it helped.

use spanwright::record::Usage;
use spanwright::tracker::{Feedback, Metrics, ResumptionToken};
use spanwright::{AgentConfig, ModelOutcome, TraceHandle, llm, tool, workflow};

use crate::Result;

/// What the agent runs as. Served by a configuration service, it would come from there.
fn support_agent() -> AgentConfig {
    AgentConfig {
        variation: "short-answers".into(),
        version: 3,
        model: "scripted".into(),
        provider: "example".into(),
        ..AgentConfig::new("support-agent")
    }
}

/// What a user gets: the answer, and what a later word on it needs.
#[derive(Debug)]
pub struct Answer {
    /// The answer.
    pub text: String,
    /// Goes into the link `Did this help?`; `None` if nothing is traced.
    pub token: Option<String>,
    /// Where the answer came from; `None` if nothing is traced.
    pub trace: Option<TraceHandle>,
}

/// Answers a question, measured as one execution of the agent.
#[workflow(config = support_agent())]
pub fn support_workflow(question: &str) -> Result<Answer> {
    let answered = match spanwright::tracker() {
        Some(tracker) => tracker.track_metrics_of(measured, || answer(question)),
        None => answer(question),
    };
    let token = spanwright::tracker().map(|tracker| tracker.resumption_token().to_string());
    Ok(Answer { text: answered?.text, token, trace: spanwright::current_trace() })
}

fn answer(question: &str) -> Result<Reply> {
    let article = find_article(question).ok_or("no article is about this")?;
    Ok(summarise(article))
}

fn measured(reply: &Reply) -> Metrics {
    Metrics {
        success: true,
        tokens: reply.usage().map(Into::into),
        tool_calls: Some(vec!["find_article".into()]),
        ..Metrics::default()
    }
}

#[tool]
fn find_article(question: &str) -> Option<&'static str> {
    const ARTICLES: [(&str, &str); 2] = [
        ("receipt", "Receipts are under Orders. Open the order and choose Print receipt. They are kept for ten years."),
        ("return", "Parcels come back free of charge within 30 days. Print the label under Orders."),
    ];
    ARTICLES.iter().find(|(word, _)| question.contains(word)).map(|(_, article)| *article)
}

/// A reply of the scripted model.
#[derive(Debug, serde::Serialize)]
struct Reply {
    text: String,
    prompt_tokens: u64,
    completion_tokens: u64,
}

impl ModelOutcome for Reply {
    fn usage(&self) -> Option<Usage> {
        Some(Usage { input: self.prompt_tokens, output: self.completion_tokens, ..Usage::default() })
    }
}

#[llm(model = "scripted", provider = "example")]
fn summarise(article: &str) -> Reply {
    let text = article.split_inclusive('.').take(2).collect::<String>();
    let words = |text: &str| text.split_whitespace().count() as u64;
    Reply { prompt_tokens: words(article), completion_tokens: words(&text), text }
}

/// What a user thinks of the answer a token belongs to, said from wherever that user is.
///
/// # Errors
///
/// If the token is none, or has no trace.
pub fn give(token: &str, is_positive: bool, comment: Option<&str>, user: &str) -> Result<TraceHandle> {
    let token: ResumptionToken = token.trim().parse()?;
    let trace = token.trace_id.ok_or("this token belongs to an answer that was not traced")?;
    let feedback = if is_positive { Feedback::positive() } else { Feedback::negative() };
    let feedback = match comment {
        Some(comment) => feedback.because(comment),
        None => feedback,
    };
    token.resume(user).track_feedback(feedback);
    Ok(TraceHandle::from(trace))
}
