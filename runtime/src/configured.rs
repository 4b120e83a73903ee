//! Tracing for programs that run workflows by a configuration: a [`Tracker`] in place of attributes.
//!
//! In: a workflow file, the environment or code; work to run. Out: the same work, in a span. What is annotated below it is traced as
//! everywhere. This is not [`spanwright::tracker`](crate::tracker()), which measures one execution.

mod sites;

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::path::PathBuf;
#[cfg(feature = "store")]
use std::time::Duration;

use serde::Serialize;

use crate::callsite::Callsite;
use crate::chunk::NoteKind;
use crate::config::Workflow;
use crate::contain::contained;
#[cfg(feature = "store")]
use crate::cost::CostSummary;
use crate::diagnostics;
use crate::error::Error;
use crate::future;
use crate::outcome::Observed;
use crate::pipeline::{self, Builder, Guard};
use crate::span::{self, Span};
#[cfg(feature = "store")]
use crate::traced::TraceHandle;

/// Traces work by what a configuration says. Tracing ends when it is dropped, as with a [`Guard`].
///
/// ```no_run
/// use spanwright::configured::Tracker;
///
/// # fn main() -> Result<(), spanwright::Error> {
/// let tracker = Tracker::from_config("workflow.yaml")?;
/// let answer = tracker.trace("workflow_greeting").attr("topic", "Oslo").call(|| 42);
/// assert_eq!(answer, 42);
/// # Ok(())
/// # }
/// ```
pub struct Tracker {
    guard: Option<Guard>,
    workflow: Workflow,
}

impl Tracker {
    /// Starts tracing as a workflow file has it in `config.observability.mlflow`, or a file like `spanwright.toml`; the environment wins
    /// over either. Without that section, or where it does not say `enabled: true`, nothing is traced.
    ///
    /// # Errors
    ///
    /// [`Error::is_config`] if the file cannot be read, or something in that section cannot be used: the key and what it takes are named.
    pub fn from_config(path: impl Into<PathBuf>) -> Result<Self, Error> {
        Self::start(pipeline::builder().config_file(path))
    }

    /// As [`from_config`](Self::from_config), from the text of a workflow file.
    ///
    /// ```
    /// use spanwright::configured::Tracker;
    ///
    /// let off = Tracker::from_yaml("config: {observability: {mlflow: {enabled: false}}}");
    /// # if cfg!(feature = "yaml") {
    /// assert!(!off?.enabled());
    /// let wrong = "config: {observability: {mlflow: {artifact_level: verbose}}}";
    /// assert!(Tracker::from_yaml(wrong).unwrap_err().to_string().contains("minimal, standard or full"));
    /// # }
    /// # Ok::<(), spanwright::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Likewise.
    pub fn from_yaml(text: impl Into<String>) -> Result<Self, Error> {
        Self::start(pipeline::builder().config_yaml(text))
    }

    /// Starts tracing as the environment and `spanwright.toml` have it.
    ///
    /// # Errors
    ///
    /// Likewise, of a file that `SPANWRIGHT_CONFIG` names: none, what cannot be used there is said.
    pub fn from_env() -> Result<Self, Error> {
        Self::start(pipeline::builder())
    }

    /// Starts tracing as a builder has it. Where tracing cannot be started, that is said, and nothing is traced.
    ///
    /// # Errors
    ///
    /// Likewise.
    pub fn start(builder: Builder) -> Result<Self, Error> {
        let guard = match builder.install() {
            Ok(guard) => guard,
            Err(error) if error.is_config() => return Err(error),
            Err(error) => {
                diagnostics::of_program().say(format!("this tracker traces nothing: {error:#}"));
                return Ok(Self { guard: None, workflow: Workflow::default() });
            }
        };
        let workflow = guard.config().and_then(|config| config.workflow.as_ref()).map(|named| named.value.clone());
        Ok(Self { guard: guard.is_tracing().then_some(guard), workflow: workflow.unwrap_or_default() })
    }

    /// Whether anything is traced.
    pub fn enabled(&self) -> bool {
        self.guard.is_some()
    }

    /// The guard of what is traced, to flush it or to look at its store and configuration.
    pub fn guard(&self) -> Option<&Guard> {
        self.guard.as_ref()
    }

    /// A trace of this name, or a span in the open one: a workflow if "workflow" stands in the name, in whatever case, else an agent.
    #[track_caller]
    pub fn trace(&self, name: &str) -> Trace {
        let site = self.enabled().then(|| sites::site(name, Location::caller()));
        Trace { site, attributes: Vec::new(), labels: Vec::new() }
    }

    /// The trace of the whole workflow of the file: `workflow_` and its name, with `workflow_name`, `workflow_version` and `node_count`.
    #[track_caller]
    pub fn trace_workflow(&self) -> Trace {
        let Workflow { name, version, node_count, .. } = &self.workflow;
        let mut trace = self.trace(&format!("workflow_{name}")).attr("node_count", node_count);
        let attributes = [("workflow_name", name), ("workflow_version", version)];
        // Its totals are told by its tags.
        let tags = [("workflow", name), ("workflow_version", version)];
        let attributes = attributes.map(|(key, text)| (NoteKind::Attribute, key, text.clone()));
        trace.labels =
            attributes.into_iter().chain(tags.map(|(key, text)| (NoteKind::Tag, key, text.clone()))).collect();
        trace
    }

    /// What exactly this trace cost, by node, provider and model, once everything of it that had ended is stored: see
    /// [`TraceHandle::cost_summary`]. Nothing where nothing is traced, or nothing of the trace is kept; the latter is said.
    ///
    /// ```no_run
    /// use spanwright::configured::Tracker;
    ///
    /// # fn plan() {}
    /// # fn main() -> Result<(), spanwright::Error> {
    /// let tracker = Tracker::from_config("workflow.yaml")?;
    /// let (_, trace) = spanwright::traced_call(|| tracker.trace_workflow().call(plan));
    /// if let Some(summary) = trace.and_then(|trace| tracker.cost_summary(&trace)) {
    ///     tracker.log_summary(&summary);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "store")]
    pub fn cost_summary(&self, trace: &TraceHandle) -> Option<CostSummary> {
        self.guard.as_ref()?;
        trace.cost_summary().map_err(|error| diagnostics::of_program().say(format!("{error:#}"))).ok()
    }

    /// Delivers what there is of it, no longer than 5 s, and says what it comes to in one line. Its figures reach the server with their
    /// trace, as assessments, as `cost_summary.json` and as metrics of its run. Nothing where nothing is traced.
    #[cfg(feature = "store")]
    pub fn log_summary(&self, summary: &CostSummary) {
        let Some(guard) = &self.guard else { return };
        guard.flush(PATIENCE);
        let cost = summary.total_cost_usd.map_or_else(|| "cost unknown".to_owned(), |cost| format!("${cost:.6}"));
        let tokens = summary.total_tokens.total_tokens;
        diagnostics::of_program().say(format!("workflow summary logged: {tokens} tokens, {cost}"));
    }
}

/// How long is waited for delivery.
#[cfg(feature = "store")]
const PATIENCE: Duration = Duration::from_secs(5);

impl fmt::Debug for Tracker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tracker").field("enabled", &self.enabled()).field("workflow", &self.workflow).finish()
    }
}

/// Work to be traced. Where nothing is, it is run as it is.
#[must_use = "nothing is run yet"]
#[derive(Debug)]
pub struct Trace {
    /// `None` if nothing is traced.
    site: Option<&'static Callsite>,
    attributes: Vec<(String, serde_json::Value)>,
    /// Texts that name it, and are no content.
    labels: Vec<(NoteKind, &'static str, String)>,
}

impl Trace {
    /// An attribute; of two of one name the later one holds.
    pub fn attr(mut self, key: impl Into<String>, value: impl Serialize) -> Self {
        if self.site.is_some() {
            let value = contained(|| serde_json::to_value(value).ok()).flatten();
            self.attributes.push((key.into(), value.unwrap_or_else(|| "<not serialisable>".into())));
        }
        self
    }

    /// Runs a future in the span, which ends with it.
    pub async fn run<F: Future>(self, work: F) -> F::Output {
        match self.begin() {
            Some(span) => future::future(span, work, |_| Observed::ok()).await,
            None => work.await,
        }
    }

    /// As [`run`](Self::run); an error is the span's too.
    ///
    /// # Errors
    ///
    /// Those of `work`.
    pub async fn try_run<T, E: fmt::Display, F: Future<Output = Result<T, E>>>(self, work: F) -> Result<T, E> {
        match self.begin() {
            Some(span) => future::future(span, work, of_result).await,
            None => work.await,
        }
    }

    /// Runs `work` in the span.
    pub fn call<R>(self, work: impl FnOnce() -> R) -> R {
        match self.begin() {
            Some(span) => span::call(span, work, |_| Observed::ok()),
            None => work(),
        }
    }

    /// As [`call`](Self::call); an error is the span's too.
    ///
    /// # Errors
    ///
    /// Those of `work`.
    pub fn try_call<T, E: fmt::Display>(self, work: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        match self.begin() {
            Some(span) => span::call(span, work, of_result),
            None => work(),
        }
    }

    fn begin(self) -> Option<Span> {
        let span = span::start(self.site?, &[]);
        for (key, value) in &self.attributes {
            span::attribute(span.opened(), key, value);
        }
        self.labels.iter().for_each(|(kind, key, text)| span.label(*kind, key, text));
        Some(span)
    }
}

fn of_result<T, E: fmt::Display>(result: &Result<T, E>) -> Observed<'_> {
    match result {
        Ok(_) => Observed::ok(),
        Err(error) => Observed::error(error),
    }
}
