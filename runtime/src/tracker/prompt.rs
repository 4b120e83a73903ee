//! Prompts a trace was made with, by name and version.

use std::fmt;

use crate::capture;
use crate::chunk::NoteKind;
use crate::context;
use crate::execution;
use crate::record::PROMPT_TAG;
use crate::span::{MAX_TEXT_CHARS, write_note_with};

/// Says that the current span uses version `version` of the prompt `name`: on the span, and on its trace, which the server then links to that
/// version of the prompt. Nothing outside of a span.
///
/// The prompt itself is registered elsewhere, with MLflow's own client for instance. The trace is linked by way of its workflow, so that of the
/// workflow that starts the trace.
///
/// ```
/// use spanwright::{llm, prompt};
///
/// #[llm(capture = "none")]
/// fn greet(name: &str) -> String {
///     prompt!("greeting", 3);
///     format!("Say hello to {name}.")
/// }
/// # greet("Ann");
/// ```
#[macro_export]
macro_rules! prompt {
    ($name:expr, $version:expr $(,)?) => {
        $crate::link_prompt($name, $version)
    };
}

/// What [`prompt!`](macro@crate::prompt) does.
pub fn link_prompt(name: &str, version: impl fmt::Display) {
    let Some((recorder, trace, span)) = context::current().open() else { return };
    let version = version.to_string();
    for (key, value) in [("gen_ai.prompt.name", name), ("gen_ai.prompt.version", version.as_str())] {
        write_note_with(Some(recorder), span, NoteKind::Attribute, key, |out| {
            capture::named_display(out, key, &value, MAX_TEXT_CHARS, recorder.policy());
        });
    }
    let workflow = execution::look(trace, |execution| {
        (execution.is_open() && execution.recorder.is_ours()).then_some((execution.recorder, execution.span))
    });
    let (recorder, span) = workflow.flatten().unwrap_or((recorder, span));
    let key = format!("{PROMPT_TAG}{name}/{version}");
    write_note_with(Some(recorder), span, NoteKind::Tag, &key, |out| {
        capture::text(out, "", MAX_TEXT_CHARS, recorder.policy());
    });
}
