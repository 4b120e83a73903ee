//! The word before a declared span's name.

use proc_macro2::Ident;

use crate::diag::{did_you_mean, err};
use crate::kind::Kind;

/// What people write for a kind that is called otherwise.
const SYNONYMS: &[(&str, &str)] = &[
    ("step", "node"),
    ("chain", "node"),
    ("task", "node"),
    ("span", "node"),
    ("job", "scheduled"),
    ("cron", "scheduled"),
    ("flow", "workflow"),
    ("model", "llm"),
    ("chat", "llm"),
    ("retrieval", "retriever"),
    ("function", "tool"),
    ("delegation", "delegate"),
    ("scorer", "evaluator"),
    ("judge", "evaluator"),
];

/// `node Collect(…)`: which attribute makes the span. (`declared_kind`)
pub(super) fn read(word: &Ident) -> darling::Result<Kind> {
    let written = word.to_string();
    if let Some(kind) = Kind::of_word(&written) {
        return Ok(kind);
    }
    let synonym = SYNONYMS.iter().find(|(said, _)| *said == written).map(|(_, meant)| *meant);
    let words = Kind::ALL.map(Kind::word);
    Err(match synonym.or_else(|| did_you_mean(&written, words)) {
        Some(meant) => err!(word, "unknown kind `{written}`: did you mean `{meant}`?"),
        None => {
            let all = words.map(|word| format!("`{word}`")).join(", ");
            err!(word, "unknown kind `{written}`: a span is one of {all}")
        }
    })
}
