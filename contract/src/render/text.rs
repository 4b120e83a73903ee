//! A report on a terminal, the gravest changes last, where the eye is.

use super::{SEVERITIES, line, of_severity, summary, values};
use crate::verdict::{Change, Report, Rule, Severity};

const WIDTH: usize = 160;

/// What a piece of text is; on a terminal it has a colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ink {
    /// A change of that severity.
    Severity(Severity),
    /// What was.
    Before,
    /// What is.
    After,
    /// Less important than the rest.
    Faint,
    /// A heading.
    Strong,
}

/// The report as lines, each piece of it through `paint`.
pub fn text(report: &Report, paint: &dyn Fn(Ink, &str) -> String) -> String {
    let mut out = String::new();
    let mut say = |line: String| {
        out.push_str(line.trim_end());
        out.push('\n');
    };
    for place in &report.unresolved {
        say(format!("{} {}: {}", paint(Ink::Faint, "unresolved"), place.place, line(&place.why, WIDTH)));
    }
    for severity in SEVERITIES.into_iter().rev() {
        let mut changes = of_severity(report, severity).peekable();
        if changes.peek().is_none() {
            continue;
        }
        if !report.unresolved.is_empty() || severity != lowest(report) {
            say(String::new());
        }
        say(paint(Ink::Strong, &format!("{severity} ({})", report.count(severity))));
        changes.for_each(|change| self::change(change, paint, &mut say));
    }
    if !report.changes.is_empty() || !report.unresolved.is_empty() {
        say(String::new());
    }
    match report.severity {
        Some(severity) => {
            let first = report.changes[0].rule;
            let more = format!("; `spanwright catalog --explain {first}` says more");
            say(format!("{}{}", paint(Ink::Severity(severity), &summary(report)), paint(Ink::Faint, &more)));
        }
        None if report.moved => {
            say(paint(Ink::Strong, "no change"));
            say("  the lock names functions or declarations that have moved; `spanwright catalog --accept` renews it"
                .into());
        }
        None => say(paint(Ink::Strong, "no change")),
    }
    out
}

/// The report as plain text.
pub fn plain(report: &Report) -> String {
    text(report, &|_, text| text.to_owned())
}

fn lowest(report: &Report) -> Severity {
    report.changes.iter().map(|change| change.severity).min().unwrap_or(Severity::Patch)
}

fn change(change: &Change, paint: &dyn Fn(Ink, &str) -> String, say: &mut impl FnMut(String)) {
    let place = change.place.as_ref().map(|place| format!("  {place}")).unwrap_or_default();
    let rule = paint(Ink::Severity(change.severity), change.rule.id());
    say(format!("  {rule}  {}{}", line(&change.sentence, WIDTH), paint(Ink::Faint, &place)));
    let [before, after] = values(change, WIDTH);
    if let Some(before) = before {
        say(format!("    {}", paint(Ink::Before, &format!("- {before}"))));
    }
    if let Some(after) = after {
        say(format!("    {}", paint(Ink::After, &format!("+ {after}"))));
    }
}

/// What a rule is, whom it breaks and what to do.
pub fn explanation(rule: Rule) -> String {
    let (id, severity) = (rule.id(), rule.severity());
    format!("{id} ({severity})\n\n{}\n\nWhy: {}\n\nWhat to do: {}\n", rule.what(), rule.why(), rule.remedy())
}
