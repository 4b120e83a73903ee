//! A report for a pull request.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::{SEVERITIES, line, of_severity, summary, values};
use crate::catalog::Unresolved;
use crate::verdict::{Change, Report, Rule, Severity};

/// The longest value in a cell.
const CELL: usize = 120;

const ROWS: usize = 100;

/// Comments are limited to 65,536 characters on the usual hosts: what the rows of the table may take of them, and the
/// places that could not be followed.
const TABLE: usize = 32_000;
const PLACES: usize = 12_000;

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
        let (rows, more) = fitting(changes.map(row), TABLE);
        out += &rows;
        if more > 0 {
            let _ = writeln!(out, "\n…and {more} more; `spanwright catalog --check` shows them all.");
        }
        details("What these rules are", &rules(report), &mut out);
    }
    if !report.unresolved.is_empty() {
        let places = report.unresolved.iter();
        let place = |at: &Unresolved| format!("- {}: {}\n", code(&at.place.to_string()), code(&at.why));
        let (mut list, more) = fitting(places.map(place), PLACES);
        if more > 0 {
            let _ = writeln!(list, "- and {more} more");
        }
        details(&format!("Places that could not be followed ({})", report.unresolved.len()), &list, &mut out);
    }
    out
}

/// As many of the rows, [`ROWS`] at most, as have room in that many characters, and how many are left.
fn fitting(rows: impl Iterator<Item = String>, room: usize) -> (String, usize) {
    let (mut text, mut used, mut left) = (String::new(), 0, 0);
    for (index, row) in rows.enumerate() {
        used += row.chars().count();
        if index < ROWS && used <= room {
            text += &row;
        } else {
            left += 1;
        }
    }
    (text, left)
}

fn row(change: &Change) -> String {
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
    format!("| {severity} | `{}` | {span} | {before} | {after} | {place} |\n", change.rule)
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
