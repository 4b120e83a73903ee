//! What a returned value says of itself beyond its content: the facts of a sandboxed run or of a model call.

use serde::Serialize;

use crate::callsite::Capture as Level;
use crate::capture;
use crate::chunk::NoteKind;
use crate::outcome::{FactsOf, ModelOutcome, SandboxOutcome};
use crate::recorder::Recorder;

use super::{MAX_TEXT_CHARS, Span};

const STDOUT_CHARS: usize = 4096;
const STDERR_CHARS: usize = 2048;

impl Span {
    pub(super) fn note_facts(&self, recorder: &Recorder, facts: FactsOf<'_>) {
        match facts {
            FactsOf::None => {}
            FactsOf::Model(model) => self.note_model(recorder, model),
            FactsOf::Sandbox(run) => self.note_run(recorder, run),
        }
    }

    fn note_run(&self, recorder: &Recorder, run: &dyn SandboxOutcome) {
        let attribute = |key: &str, value: &dyn capture::Value| {
            self.note_with(NoteKind::DefaultAttribute, key, |out| {
                capture::fact(out, value, recorder.policy());
            });
        };
        attribute("sandbox.exit_code", &run.exit_code());
        attribute("sandbox.timed_out", &run.timed_out());
        attribute("sandbox.artifact_count", &run.artifact_count());
        attribute("sandbox.artifacts_rejected", &run.artifacts_rejected());
        if let Some(duration) = run.duration() {
            attribute("sandbox.duration_s", &duration.as_secs_f64());
        }
        if let Some(limit) = run.time_limit() {
            attribute("sandbox.time_limit_s", &limit.as_secs_f64());
        }
        let text = |key: &str, text: &str, chars: usize| {
            self.note_with(NoteKind::DefaultAttribute, key, |out| capture::text(out, text, chars, recorder.policy()));
        };
        if let Some(policy) = run.policy() {
            text("sandbox.policy", &policy, MAX_TEXT_CHARS);
        }
        // Output is content: a policy that keeps content out keeps it out here too.
        if recorder.policy().cap >= Level::Preview {
            text("sandbox.stdout_preview", &run.stdout(), STDOUT_CHARS);
            text("sandbox.stderr_preview", &run.stderr(), STDERR_CHARS);
        }
    }

    fn note_model(&self, recorder: &Recorder, model: &dyn ModelOutcome) {
        if let Some(name) = model.model() {
            self.note_with(NoteKind::Model, "model", |out| {
                capture::text(out, &name, MAX_TEXT_CHARS, recorder.policy())
            });
        }
        if let Some(name) = model.provider() {
            self.note_with(NoteKind::Model, "provider", |out| {
                capture::text(out, &name, MAX_TEXT_CHARS, recorder.policy());
            });
        }
        if let Some(usage) = model.usage() {
            let counts = [
                ("input", Some(usage.input)),
                ("output", Some(usage.output)),
                ("cache_read", usage.cache_read),
                ("cache_write", usage.cache_write),
                ("cache_write_1h", usage.cache_write_1h),
                ("reasoning", usage.reasoning),
            ];
            for (key, count) in counts {
                if let Some(count) = count {
                    self.note_plain(NoteKind::Model, key, &count);
                }
            }
            self.spend_reply(model, &usage);
        }
        if let Some(time) = model.time_to_first_token() {
            self.note_plain(NoteKind::Model, "time_to_first_token_ns", &(time.as_nanos() as u64));
        }
        if let Some(tools) = model.tools() {
            self.note_with(NoteKind::Model, "tools", |out| capture::value(out, &tools, Level::Full, recorder.policy()));
        }
    }

    /// Writes a measure of our own, whatever the policy says of content.
    pub(super) fn note_plain(&self, kind: NoteKind, key: &str, value: &impl Serialize) {
        if let Some(recorder) = self.recorder() {
            self.note_with(kind, key, |out| capture::fact(out, value, recorder.policy()));
        }
    }
}
