//! A report for a pull request.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::{SEVERITIES, line, of_severity, summary, values};
use crate::verdict::{Change, Report, Rule, Severity};

/// The longest value in a cell.
const CELL: usize = 120;

/// Comments are limited to 65,536 characters on the usual hosts; a table of this many rows stays below.
const ROWS: usize = 100;

/// A heading, a table of the changes, and folded up what the rules mean and which places could not be followed.
pub fn markdown(report: &Report) -> String {
    let mut out = format!("### Telemetry contract: {}\n", summary(report));
    if report.severity == Some(Severity::Breaking) {
        out += "\nDashboards, evaluations or what is known of users change with this. Once it is agreed, \
                `spanwright catalog --accept` renews the lock.\n";
    } else if report.severity.is_some() || report.moved {
        out += "\nNobody who reads these spans is in the way. `spanwright catalog --accept` renews the lock.\n";
    }
    if !report.changes.is_empty() {
        out += "\n| | Rule | Span | Before | After | Where |\n|---|---|---|---|---|---|\n";
        let changes = SEVERITIES.into_iter().flat_map(|severity| of_severity(report, severity));
        for change in changes.take(ROWS) {
            row(change, &mut out);
        }
        if let Some(more @ 1..) = report.changes.len().checked_sub(ROWS) {
            let _ = writeln!(out, "\n…and {more} more; `spanwright catalog --check` shows them all.");
        }
        details("What these rules are", &rules(report), &mut out);
    }
    if !report.unresolved.is_empty() {
        let places = report.unresolved.iter().take(ROWS);
        let mut list: String =
            places.map(|place| format!("- {}: {}\n", code(&place.place.to_string()), code(&place.why))).collect();
        if let Some(more @ 1..) = report.unresolved.len().checked_sub(ROWS) {
            let _ = writeln!(list, "- and {more} more");
        }
        details(&format!("Places that could not be followed ({})", report.unresolved.len()), &list, &mut out);
    }
    out
}

fn row(change: &Change, out: &mut String) {
    let severity = match change.severity {
        Severity::Breaking => "**breaking**".to_owned(),
        severity => severity.to_string(),
    };
    let span = match &change.part {
        Some(part) => format!("{} {}", code(&change.span), code(part)),
        None => code(&change.span),
    };
    let place = change.place.as_ref().map(|place| code(&place.to_string())).unwrap_or_default();
    let [before, after] = values(change, CELL).map(|value| value.as_deref().map(code).unwrap_or_default());
    let _ = writeln!(out, "| {severity} | `{}` | {span} | {before} | {after} | {place} |", change.rule);
}

/// What is of the rules that occur.
fn rules(report: &Report) -> String {
    let occurring: BTreeSet<Rule> = report.changes.iter().map(|change| change.rule).collect();
    let say = |rule: Rule| format!("- `{rule}`: {} {} *To do: {}*\n", rule.what(), rule.why(), rule.remedy());
    occurring.into_iter().map(say).collect()
}

fn details(title: &str, text: &str, out: &mut String) {
    let _ = write!(out, "\n<details><summary>{title}</summary>\n\n{text}\n</details>\n");
}

/// Text as code in a cell: on one line, within a fence longer than any run of backticks in it, the cell's borders
/// escaped.
fn code(text: &str) -> String {
    let text = line(text, CELL).replace('|', "\\|");
    let longest = text.split(|character| character != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    let pad = if longest > 0 || text.is_empty() { " " } else { "" };
    format!("{fence}{pad}{text}{pad}{fence}")
}
