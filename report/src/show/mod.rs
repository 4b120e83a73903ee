//! Each report as a page for people, and as rows for programs.

mod costs;
mod csv;
mod diff;
mod profile;
mod status;

use crate::figures::Figures;
use crate::gate::{Checked, Verdict};
use crate::page::{Cell, Tone};
use crate::tally::{Tally, dollars};
use crate::words;

/// Rows of a table; what is beyond them is added up in one.
const MOST_ROWS: usize = 20;

/// `$12.43 and 1,204,332 tokens in 42 runs (2 failed), $0.30 a run`.
fn headline(figures: &Figures) -> Cell {
    let total = &figures.total;
    if total.runs == 0 {
        return Cell::toned(Tone::Strong, "$0.0000 and 0 tokens in 0 runs");
    }
    let mut told = Vec::new();
    if total.failed > 0 {
        told.push(format!("{} failed", words::count(total.failed)));
    }
    if total.running > 0 {
        told.push(format!("{} running", words::count(total.running)));
    }
    let told = if told.is_empty() { String::new() } else { format!(" ({})", told.join(", ")) };
    let tokens = words::counted(total.tokens(), "token");
    let runs = words::counted(total.runs, "run");
    let each = match total.known_cost() {
        Some(cost) if total.runs > 1 && total.unpriced_calls == 0 => {
            format!(", {} a run", words::money(cost / u128::from(total.runs)))
        }
        _ => String::new(),
    };
    Cell::toned(Tone::Strong, format!("{} and {tokens} in {runs}{told}{each}", words::cost(total)))
}

/// What has to be said of figures that leave something out.
fn caveats(figures: &Figures) -> Vec<Cell> {
    let mut notes = Vec::new();
    if figures.unreadable_spans > 0 {
        let spans = words::counted(figures.unreadable_spans, "span");
        notes.push(Cell::toned(
            Tone::Bad,
            format!("{spans} could not be read: the store is damaged, and what they used is missing here"),
        ));
    }
    if let Some(server) = figures.other_opinion() {
        let text = format!(
            "the server says otherwise: ${:.6} and {}; here prices are those of `spanwright prices`, and tokens count where nothing below repeats them",
            server.cost_usd,
            words::counted(server.total_tokens, "token"),
        );
        notes.push(Cell::toned(Tone::Doubtful, text));
    }
    notes
}

/// The lines that say what has become of gates.
pub fn gates(checked: &[Checked]) -> Vec<Cell> {
    checked
        .iter()
        .map(|checked| {
            let (tone, word) = match checked.verdict {
                Verdict::Pass => (Tone::Good, "passed"),
                Verdict::Warn => (Tone::Doubtful, "warning"),
                Verdict::Fail => (Tone::Bad, "failed"),
                Verdict::NoRuns => (Tone::Faint, "no runs"),
                Verdict::Unknown => (Tone::Doubtful, "unknown"),
            };
            Cell::toned(tone, format!("gate {word}: {}", checked.in_words()))
        })
        .collect()
}

/// The part of the whole that a sum is: of the money, where that is known, else of the tokens.
fn share(part: &Tally, whole: &Tally) -> f64 {
    let of = |part: f64, whole: f64| if whole > 0.0 { part / whole } else { 0.0 };
    if whole.cost > 0 {
        return of(dollars(part.cost), dollars(whole.cost));
    }
    of(part.tokens() as f64, whole.tokens() as f64)
}
