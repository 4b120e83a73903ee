//! The two agents: what each tells the model, and how each reads its answer.

use serde::{Deserialize, Serialize};
use serde_json::json;
use spanwright::node;

use crate::Result;
use crate::logbook::LogbookStats;
use crate::model::{ChatModel, FunctionDefinition, Message, ToolDefinition};
use crate::sandbox::Execution;
use crate::spans;

/// Finds out what the logbook says, by scripts it writes itself.
#[derive(Debug)]
pub struct DataScientist {
    model: ChatModel,
}

impl DataScientist {
    /// One that thinks with `model`.
    pub fn new(model: ChatModel) -> Self {
        Self { model }
    }

    /// A shell script that looks for things worth automating.
    #[node(span = spans::GenerateScript, handle = span, output = "preview")]
    pub async fn generate_script(&self, stats: &LogbookStats) -> Result<String> {
        let system = "Write a shell script (POSIX sh and awk, no network) that looks for things worth automating in logbook.csv. \
                      Its columns are time (2026-02-01T17:49:00), entity, state, source; the source `automation` or `device` is no person. \
                      Print the findings, one a line; leave tables as CSV files in the folder artifacts. Call run_script with the script.";
        let messages = [Message::system(system), Message::user(serde_json::to_string(stats)?)];
        let reply = self.model.complete(&messages, &[run_script()]).await?;

        #[derive(Deserialize)]
        struct Arguments {
            script: String,
        }
        let script = match reply.arguments_of("run_script") {
            Some(arguments) => serde_json::from_str::<Arguments>(arguments)?.script,
            None => fenced(reply.text().unwrap_or_default()).ok_or("the model wrote no script")?,
        };
        span.script_lines(script.lines().count() as u64);
        Ok(script)
    }

    /// What follows from the findings of the script: one suggestion each.
    #[node(span = spans::ExtractInsights, output = "preview")]
    pub async fn extract_insights(&self, findings: &Execution) -> Result<Vec<String>> {
        let system = "Extract suggestions for home automation from these findings of a script. \
                      One suggestion a line, each beginning with `- `, with the numbers that speak for it. Nothing else.";
        let messages = [Message::system(system), Message::user(findings.stdout.as_str())];
        let reply = self.model.complete(&messages, &[]).await?;

        let lines = reply.text().unwrap_or_default().lines();
        let suggestions: Vec<String> =
            lines.filter_map(|line| line.trim().strip_prefix("- ")).map(str::to_owned).collect();
        if suggestions.is_empty() {
            return Err("the model found nothing to suggest".into());
        }
        Ok(suggestions)
    }
}

/// Decides which suggestions the home should follow.
#[derive(Debug)]
pub struct Architect {
    model: ChatModel,
}

/// What the architect says of a suggestion.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "verdict", rename_all = "lowercase")]
pub enum Review {
    /// Worth doing.
    Accepted {
        /// Why.
        reason: String,
    },
    /// Better left alone.
    Declined {
        /// Why.
        reason: String,
    },
}

impl Architect {
    /// One that thinks with `model`.
    pub fn new(model: ChatModel) -> Self {
        Self { model }
    }

    /// A review of each suggestion, in their order.
    #[node(span = spans::ReceiveSuggestion, handle = span, output = "preview")]
    pub async fn receive_suggestion(&self, suggestions: &[String]) -> Result<Vec<Review>> {
        let system = "Review suggestions for home automation: are they safe, and easily undone? \
                      Answer each on a line of its own, as `<number>. accept: <reason>` or `<number>. decline: <reason>`. Nothing else.";
        let numbered: Vec<String> =
            suggestions.iter().enumerate().map(|(index, text)| format!("{}. {text}", index + 1)).collect();
        let messages = [Message::system(system), Message::user(numbered.join("\n"))];
        let reply = self.model.complete(&messages, &[]).await?;

        let verdicts = reply.text().unwrap_or_default();
        let reviews: Vec<Review> = (1..=suggestions.len()).map(|number| verdict_on(number, verdicts)).collect();
        let declined = reviews.iter().filter(|review| matches!(review, Review::Declined { .. }));
        span.declined_count(declined.count() as u64);
        Ok(reviews)
    }
}

/// The verdict on suggestion `number`; what was not reviewed is not recommended.
fn verdict_on(number: usize, verdicts: &str) -> Review {
    let prefix = format!("{number}. ");
    let verdict =
        verdicts.lines().find_map(|line| line.trim().strip_prefix(&prefix)).and_then(|line| line.split_once(':'));
    match verdict.map(|(word, reason)| (word.trim().to_lowercase(), reason.trim().to_owned())) {
        Some((word, reason)) if word == "accept" => Review::Accepted { reason },
        Some((_, reason)) => Review::Declined { reason },
        None => Review::Declined { reason: "not reviewed".into() },
    }
}

fn run_script() -> ToolDefinition {
    let parameters = json!({
        "type": "object",
        "properties": {"script": {"type": "string", "description": "the text of the script"}},
        "required": ["script"],
    });
    let description =
        "Runs a POSIX shell script in a sandbox; logbook.csv and a folder artifacts are in its working folder.";
    ToolDefinition { kind: "function", function: FunctionDefinition { name: "run_script", description, parameters } }
}

/// The first fenced block of a text, for models that answer in prose where a tool was offered.
fn fenced(text: &str) -> Option<String> {
    let (_, block) = text.split_once("```")?;
    let (_language, rest) = block.split_once('\n')?;
    let (script, _) = rest.split_once("```")?;
    Some(script.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_as_models_write_them() {
        assert_eq!(fenced("Here it is:\n```sh\necho hi\n```\nEnjoy."), Some("echo hi\n".into()));
        assert_eq!(fenced("I cannot do that."), None);
        let verdicts = "1. Accept: fine\n 2. decline: doors\nsomething else";
        assert_eq!(verdict_on(1, verdicts), Review::Accepted { reason: "fine".into() });
        assert_eq!(verdict_on(2, verdicts), Review::Declined { reason: "doors".into() });
        assert_eq!(verdict_on(3, verdicts), Review::Declined { reason: "not reviewed".into() });
    }
}
