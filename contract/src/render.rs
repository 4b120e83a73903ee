//! A report for people: as text on a terminal, as a table for a pull request. For programs it is itself, as JSON.

mod markdown;
mod text;

pub use markdown::markdown;
pub use text::{Ink, explanation, plain, text};

use crate::lock::is_hidden;
use crate::verdict::{Change, Report, Severity};

/// From the gravest on.
const SEVERITIES: [Severity; 3] = [Severity::Breaking, Severity::Minor, Severity::Patch];

/// `2 breaking, 1 minor, 3 patch`, without those that are none; `no change`.
pub fn summary(report: &Report) -> String {
    let counted = SEVERITIES.map(|severity| (report.count(severity), severity));
    let counts: Vec<String> = counted
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, severity)| format!("{count} {severity}"))
        .collect();
    if counts.is_empty() { "no change".into() } else { counts.join(", ") }
}

fn of_severity(report: &Report, severity: Severity) -> impl Iterator<Item = &Change> {
    report.changes.iter().filter(move |change| change.severity == severity)
}

/// What was and what is, each on a line of at most `width` characters, from shortly before where they begin to differ.
fn values(change: &Change, width: usize) -> [Option<String>; 2] {
    let show = |text: &str, from: usize| {
        let rest = &text[from..];
        if from == 0 { line(rest, width) } else { line(&format!("…{rest}"), width) }
    };
    let (before, after) = (change.before.as_deref(), change.after.as_deref());
    let from = match (before, after) {
        (Some(before), Some(after)) if before.chars().count().max(after.chars().count()) > width => {
            let same = before.char_indices().zip(after.chars()).take_while(|((_, was), is)| was == is);
            let lead: Vec<usize> = same.map(|((at, _), _)| at).collect();
            lead[..lead.len().saturating_sub(width / 4)].last().copied().unwrap_or(0)
        }
        _ => 0,
    };
    [before, after].map(|text| text.map(|text| show(text, from)))
}

/// At most `width` characters of `text`, on one line; what could drive a terminal or hide something is shown as `·`.
pub(crate) fn line(text: &str, width: usize) -> String {
    let mut clean = String::new();
    let mut spaced = false;
    for character in text.chars() {
        match character {
            ' ' | '\n' | '\t' | '\r' => spaced = true,
            character => {
                if std::mem::take(&mut spaced) && !clean.is_empty() {
                    clean.push(' ');
                }
                clean.push(if is_hidden(character) { '·' } else { character });
            }
        }
    }
    if clean.chars().count() > width {
        clean = clean.chars().take(width - 1).collect();
        clean.push('…');
    }
    clean
}
