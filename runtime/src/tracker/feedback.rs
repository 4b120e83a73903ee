//! What is said of a run afterwards: feedback, expectations, scores.
//!
//! An assessment goes into the chunk of the calling thread as a span does, and from there to the store and the server: it survives the
//! process from the moment this returns, and is delivered once.

use crate::capture;
use crate::chunk::{MAX_BODY_BYTES, NoteKind};
use crate::clock::now_unix_ns;
use crate::context;
use crate::id::{SpanId, TraceId, next_uuid};
use crate::record::{Assessment, Json};
use crate::recorder::{self, Recorder};
use crate::span::{MAX_TEXT_CHARS, write_note};
use crate::tape::{self, Tape};

use super::{FEEDBACK, RunTracker, Slot, TrackOutcome, name};

/// The name under which feedback of users stands on a trace.
const USER_FEEDBACK: &str = "user_feedback";
/// Facts beside an assessment, and characters of one.
const MOST_FACTS: usize = 32;
const FACT_CHARS: usize = 250;
/// Longest name and longest id of who judges, in characters.
const NAME_CHARS: usize = 250;

/// What a user thinks of a run.
///
/// ```
/// use spanwright::tracker::Feedback;
///
/// let feedback = Feedback::positive().because("it found the receipt").by("ann");
/// assert!(feedback.is_positive());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feedback {
    is_positive: bool,
    comment: Option<String>,
    by: Option<String>,
    span: Option<SpanId>,
    metadata: Vec<(String, String)>,
}

impl Feedback {
    /// Content.
    pub const fn positive() -> Self {
        Self::of(true)
    }

    /// Not content.
    pub const fn negative() -> Self {
        Self::of(false)
    }

    const fn of(is_positive: bool) -> Self {
        Self { is_positive, comment: None, by: None, span: None, metadata: Vec::new() }
    }

    /// Whether the user is content.
    pub const fn is_positive(&self) -> bool {
        self.is_positive
    }

    /// Says why.
    #[must_use]
    pub fn because(self, comment: impl Into<String>) -> Self {
        Self { comment: Some(comment.into()), ..self }
    }

    /// Says who; without it, that is whom the run is for.
    #[must_use]
    pub fn by(self, user: impl Into<String>) -> Self {
        Self { by: Some(user.into()), ..self }
    }

    /// Says which span it is about, where it is not the whole run.
    #[must_use]
    pub fn on(self, span: SpanId) -> Self {
        Self { span: Some(span), ..self }
    }

    /// Adds a fact beside it.
    #[must_use]
    pub fn with(mut self, key: impl Into<String>, value: impl std::fmt::Display) -> Self {
        self.metadata.push((key.into(), value.to_string()));
        self
    }
}

impl RunTracker {
    /// What the user thinks of the run. Counts once, also where several processes tell it to the server; nobody's mind changes.
    ///
    /// It becomes an event, and the assessment `user_feedback` of the run's trace by a person: `true` or `false`, with the comment as its
    /// rationale. Without a trace it is an event only.
    pub fn track_feedback(&self, feedback: Feedback) -> TrackOutcome {
        let is_first = self.inner.slots.record(Slot::Feedback, feedback.is_positive.into());
        self.once(FEEDBACK, is_first, || {
            self.emit(if feedback.is_positive { name::POSITIVE } else { name::NEGATIVE }, 1.0);
            let by = feedback.by.as_deref().or(Some(self.context().key.as_str())).filter(|by| !by.is_empty());
            let mut said = Assessment::feedback(USER_FEEDBACK, feedback.is_positive)
                .by_human(by.unwrap_or("anonymous"))
                .known_as(&[self.run_id(), self.track_data().config_key, USER_FEEDBACK]);
            (said.rationale, said.span_id, said.metadata) = (feedback.comment, feedback.span, feedback.metadata);
            self.assess(said);
        })
    }

    /// Says something of the run's trace, any number of times: feedback of another name, a score of a check, an expectation. Nothing comes
    /// of it without a trace.
    ///
    /// ```
    /// use spanwright::AgentConfig;
    /// use spanwright::record::Assessment;
    ///
    /// let tracker = AgentConfig::new("agent").create_tracker("ann");
    /// tracker.assess(Assessment::expectation("answer", "42"));
    /// tracker.assess(Assessment::feedback("is_json", true).by_code("schema-check"));
    /// ```
    pub fn assess(&self, mut assessment: Assessment) {
        let Some(trace) = self.trace_id() else { return };
        let data = self.track_data();
        let version = data.version.to_string();
        let facts = [
            ("run_id", data.run_id),
            ("config_key", data.config_key),
            ("version", version.as_str()),
            ("variation_key", data.variation_key),
            ("graph_key", data.graph_key.unwrap_or_default()),
        ];
        for (key, value) in facts {
            if !value.is_empty() && !assessment.metadata.iter().any(|(known, _)| known == key) {
                assessment.metadata.push((key.to_owned(), value.to_owned()));
            }
        }
        let own = self.inner.execution.as_ref().map(|execution| execution.recorder);
        keep(own, trace, assessment);
    }
}

/// Says something of a trace, whoever made it and when. Nothing comes of it while nothing is installed.
///
/// ```no_run
/// use spanwright::record::Assessment;
///
/// let trace = "tr-0af7651916cd43dd8448eb211c80319c".parse().unwrap();
/// spanwright::tracker::assess(trace, Assessment::feedback("relevance", 0.5).by_code("nightly-check"));
/// ```
pub fn assess(trace: TraceId, assessment: Assessment) {
    keep(None, trace, assessment);
}

/// Writes an assessment where spans are written.
fn keep(own: Option<&'static Recorder>, trace: TraceId, mut assessment: Assessment) {
    let current = || context::current().recorder;
    let Some(recorder) = own.or_else(current).map_or_else(recorder::installed, Recorder::ours) else {
        return recorder::nothing_installed();
    };
    assessment.trace_id = trace;
    if assessment.id.is_empty() {
        assessment.id = format!("a-{}", next_uuid().replace('-', ""));
    }
    if assessment.time_unix_ns == 0 {
        assessment.time_unix_ns = now_unix_ns();
    }
    let clean = |text: &str, chars| cleaned(text, chars, recorder);
    assessment.name = clean(&assessment.name, NAME_CHARS);
    assessment.source_id = clean(&assessment.source_id, NAME_CHARS);
    assessment.rationale = assessment.rationale.map(|text| clean(&text, MAX_TEXT_CHARS));
    assessment.metadata.truncate(MOST_FACTS);
    for (key, value) in &mut assessment.metadata {
        *key = clean(key, FACT_CHARS);
        *value = clean(value, FACT_CHARS);
    }
    if let Ok(text) = serde_json::from_str::<String>(assessment.value.as_str()) {
        assessment.value = Json::of(&clean(&text, MAX_TEXT_CHARS));
    }
    match serde_json::to_vec(&assessment) {
        Ok(json) if json.len() <= MAX_BODY_BYTES => {
            write_note(Some(recorder), context::Current::NONE.span, NoteKind::Assessment, "", &json);
        }
        _ => crate::diagnostics::of_program().say(format!(
            "the assessment `{}` of trace tr-{trace} is left out: it is longer than {MAX_BODY_BYTES} bytes",
            assessment.name
        )),
    }
}

/// A text of at most so many characters, without credentials.
fn cleaned(text: &str, chars: usize, recorder: &Recorder) -> String {
    let mut tape = Tape::default();
    capture::text(&mut tape, text, chars, recorder.policy());
    tape::text(&tape)
}
