//! Looks at how a home is used and suggests what to automate.
//!
//! Two agents work on it: a data scientist, who writes a script, has it run in a sandbox and says what follows from its
//! findings; and an architect, who decides what of that the home should do. The functions with an attribute are the spans of
//! the trace; [`crate::spans`] declares them, and what each may stand under.

mod agents;

use std::path::PathBuf;

use serde::Serialize;
use spanwright::{node, workflow};

pub use self::agents::{Architect, DataScientist, Review};
use crate::Result;
use crate::logbook::{LogbookStats, get_logbook_stats};
use crate::model::ChatModel;
use crate::sandbox::{Policy, execute};
use crate::spans;

/// What the workflow is asked to look at, for whom.
#[derive(Clone, Debug, Serialize)]
pub struct Request {
    /// The logbook of the home.
    pub logbook: PathBuf,
    /// Which home it is.
    pub home: String,
    /// Who asks.
    pub user: String,
    /// The conversation this belongs to.
    pub session: String,
}

/// Who does the work, and with what.
#[derive(Debug)]
pub struct Team {
    scientist: DataScientist,
    architect: Architect,
    policy: Policy,
    progress: fn(&str),
}

impl Team {
    /// A team whose agents think with `model` and whose scripts run under `policy`.
    pub fn new(model: &ChatModel, policy: Policy) -> Self {
        let (scientist, architect) = (DataScientist::new(model.clone()), Architect::new(model.clone()));
        Self { scientist, architect, policy, progress: |_| {} }
    }

    /// Tells `progress` one line before each step.
    #[must_use]
    pub fn telling(mut self, progress: fn(&str)) -> Self {
        self.progress = progress;
        self
    }
}

/// What the nodes know so far; each adds its part.
#[derive(Debug, Default, Serialize)]
struct State {
    logbook: PathBuf,
    stats: LogbookStats,
    suggestions: Vec<String>,
    reviews: Vec<Review>,
}

/// What comes out.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Days that were looked at.
    pub days: usize,
    /// Worth doing.
    pub recommended: Vec<String>,
    /// Better left alone, and why.
    pub declined: Vec<(String, String)>,
}

/// The workflow, from the logbook to the recommendations.
#[workflow(
    span = spans::Optimization,
    handle = span,
    kind = "optimization",
    tags(home = request.home),
    session = request.session,
    user = request.user,
    skip(team),
)]
pub async fn optimization_workflow(request: &Request, team: &Team) -> Result<Report> {
    let mut state = State { logbook: request.logbook.clone(), ..State::default() };

    (team.progress)("reading the logbook");
    state.stats = collect_behavioral_data(&state).await?;

    (team.progress)("looking for habits");
    state.suggestions = analyze_and_suggest(&state, team).await?;

    (team.progress)("reviewing the suggestions");
    state.reviews = architect_review(&state, team).await?;

    let report = present_recommendations(&state);
    span.recommended_count(report.recommended.len() as u64);
    Ok(report)
}

#[node(span = spans::CollectBehavioralData, handle = span)]
async fn collect_behavioral_data(state: &State) -> Result<LogbookStats> {
    let stats = get_logbook_stats(&state.logbook)?;
    span.entry_count(stats.entries as u64).day_count(stats.days as u64);
    Ok(stats)
}

#[node(span = spans::AnalyzeAndSuggest, skip(team))]
async fn analyze_and_suggest(state: &State, team: &Team) -> Result<Vec<String>> {
    let script = team.scientist.generate_script(&state.stats).await?;

    (team.progress)("running the data scientist's script in the sandbox");
    let findings = execute(&team.policy, &script, &[("logbook.csv", &state.logbook)]).await;
    if !findings.succeeded() {
        return Err(format!("the script failed: {}; {}", findings.verdict(), findings.stderr.trim()).into());
    }

    team.scientist.extract_insights(&findings).await
}

#[node(span = spans::ArchitectReview, skip(team))]
async fn architect_review(state: &State, team: &Team) -> Result<Vec<Review>> {
    team.architect.receive_suggestion(&state.suggestions).await
}

#[node(span = spans::PresentRecommendations)]
fn present_recommendations(state: &State) -> Report {
    let mut report = Report { days: state.stats.days, recommended: Vec::new(), declined: Vec::new() };
    for (suggestion, review) in state.suggestions.iter().zip(&state.reviews) {
        match review {
            Review::Accepted { .. } => report.recommended.push(suggestion.clone()),
            Review::Declined { reason } => report.declined.push((suggestion.clone(), reason.clone())),
        }
    }
    report
}

#[cfg(test)]
mod tests {
    use spanwright::testing::Recording;
    use spanwright::{assert_contract, assert_span_tree};

    use super::*;
    use crate::logbook;
    use crate::scripted_model::ScriptedModel;

    async fn optimize(logbook: PathBuf) -> (Result<Report>, Recording) {
        let server = ScriptedModel::start().await.unwrap();
        let model = ChatModel::new(&server.base_url(), None, ScriptedModel::NAME).unwrap();
        let team = Team::new(&model, Policy::standard());
        let request = Request { logbook, home: "test".into(), user: "anna".into(), session: "evening".into() };
        let recording = Recording::new();
        let report = recording.scope(optimization_workflow(&request, &team)).await;
        (report, recording)
    }

    #[tokio::test]
    async fn the_sample_home_gets_recommendations_that_stand_on_its_logbook() {
        let (report, recording) = optimize(logbook::sample()).await;
        let report = report.unwrap();
        assert_eq!(report.days, 28);
        let says = |what: &str| report.recommended.iter().any(|line| line.contains(what));
        assert!(says("light.porch") && says("switch.dishwasher") && says("climate.bedroom"), "{report:#?}");
        assert!(
            report.declined.iter().any(|(line, why)| line.contains("lock.front_door") && !why.is_empty()),
            "{report:#?}"
        );
        assert_span_tree!(
            recording,
            "
            optimization_workflow [WORKFLOW]
              collect_behavioral_data [CHAIN]
                ha.get_logbook_stats [RETRIEVER]
              analyze_and_suggest [CHAIN]
                DataScientist.generate_script [CHAIN]
                  llm [LLM]
                sandbox.execute [TOOL]
                DataScientist.extract_insights [CHAIN]
                  llm [LLM]
              architect_review [CHAIN]
                Architect.receive_suggestion [CHAIN]
                  llm [LLM]
              present_recommendations [CHAIN]
            "
        );
        assert_contract!(recording, spans::CONTRACT);
        let collected = recording.span("collect_behavioral_data");
        assert_eq!(collected.attribute("day_count"), Some(&spanwright::record::AttributeValue::Int(28)));
    }

    #[tokio::test]
    async fn a_missing_logbook_is_named_and_ends_the_workflow_there() {
        let (report, recording) = optimize("/no/such/logbook.csv".into()).await;
        assert!(report.unwrap_err().to_string().contains("/no/such/logbook.csv"));
        assert_span_tree!(
            recording,
            "
            optimization_workflow [WORKFLOW] ERROR: read /no/such/logbook.csv: No such file or directory (os error 2)
              collect_behavioral_data [CHAIN] ERROR: read /no/such/logbook.csv: No such file or directory (os error 2)
                ha.get_logbook_stats [RETRIEVER] ERROR: read /no/such/logbook.csv: No such file or directory (os error 2)
            "
        );
    }
}
