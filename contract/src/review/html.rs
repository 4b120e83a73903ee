//! A review as a page: before and after in two columns, in one file that needs nothing else.

use std::fmt::Write as _;

use super::lines::{Line, Row};
use super::{Changed, Group, Review};
use crate::verdict::{Change, Severity};

const STYLE: &str = include_str!("page.css");

/// The review as one HTML file, without scripts and without anything from elsewhere; light or dark as the reader's
/// system is.
pub fn html(review: &Review) -> String {
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>Telemetry review: {summary}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n\
         <header><h1>Telemetry review</h1>\n<p class=\"summary\">{summary}</p>\n\
         <p class=\"faint\">Compared with {base}</p></header>\n<main>\n",
        summary = escaped(&review.summary()),
        base = escaped(&review.base),
    );
    for group in &review.groups {
        section(group, &mut page);
    }
    if review.groups.is_empty() {
        page += "<p>Spans, expansions and expected trace trees are as they were.</p>\n";
    }
    unresolved(review, &mut page);
    page + "</main>\n</body>\n</html>\n"
}

fn section(group: &Group, page: &mut String) {
    let place =
        group.place.as_ref().map(|place| format!("<span class=\"faint\">{}</span>", escaped(&place.to_string())));
    let badge = group.changes.first().map(|change| badge(change.severity)).unwrap_or_default();
    let _ = writeln!(
        page,
        "<section>\n<h2><code>{}</code>{badge}{}</h2>",
        escaped(&group.title),
        place.unwrap_or_default()
    );
    if !group.changes.is_empty() {
        *page +=
            "<table class=\"changes\">\n<tr><th></th><th>Rule</th><th>Change</th><th>Before</th><th>After</th></tr>\n";
        group.changes.iter().for_each(|change| row_of(change, page));
        *page += "</table>\n";
    }
    for (noun, all) in [("Expansion", &group.expansions), ("Trace tree", &group.trees)] {
        all.iter().for_each(|changed| diff(noun, changed, page));
    }
    if !group.seen_in.is_empty() {
        let tests: Vec<_> = group.seen_in.iter().map(|test| format!("<code>{}</code>", escaped(test))).collect();
        let _ = writeln!(page, "<p class=\"faint\">Seen in {}</p>", tests.join(", "));
    }
    *page += "</section>\n";
}

fn badge(severity: Severity) -> String {
    format!("<span class=\"badge {severity}\">{severity}</span>")
}

fn row_of(change: &Change, page: &mut String) {
    let cell = |value: &Option<String>, class: &str| match value {
        Some(value) => format!("<td><code class=\"{class}\">{}</code></td>", escaped(value)),
        None => "<td></td>".to_owned(),
    };
    let _ = writeln!(
        page,
        "<tr><td>{}</td><td><code>{}</code></td><td>{}</td>{}{}</tr>",
        badge(change.severity),
        change.rule.id(),
        sentence(&change.sentence),
        cell(&change.before, "before"),
        cell(&change.after, "after"),
    );
}

fn diff(noun: &str, changed: &Changed, page: &mut String) {
    let _ = writeln!(
        page,
        "<details open>\n<summary>{noun} {}: <code>{}</code> <span class=\"faint\">{}</span></summary>\n\
         <div class=\"scroll\"><table class=\"diff\">\n\
         <colgroup><col class=\"number\"><col><col class=\"number\"><col></colgroup>\n\
         <tr><th colspan=\"2\">Before</th><th colspan=\"2\">{}</th></tr>",
        changed.fate(),
        escaped(&changed.subject),
        escaped(&changed.place.to_string()),
        if changed.pending { "Recorded" } else { "After" },
    );
    for (index, hunk) in changed.hunks().iter().enumerate() {
        if index > 0 {
            *page += "<tr class=\"gap\"><td colspan=\"4\">⋯</td></tr>\n";
        }
        hunk.iter().for_each(|row| beside(row, page));
    }
    *page += "</table></div>\n</details>\n";
}

fn beside(row: &Row<'_>, page: &mut String) {
    let side = |line: Option<Line<'_>>, class: &str| match line {
        Some(Line { number, text }) => {
            let class = if row.same { "" } else { class };
            format!("<td class=\"number\">{number}</td><td class=\"line {class}\">{}</td>", escaped(text))
        }
        None => "<td class=\"number\"></td><td class=\"line none\"></td>".to_owned(),
    };
    let _ = writeln!(page, "<tr>{}{}</tr>", side(row.before, "before"), side(row.after, "after"));
}

fn unresolved(review: &Review, page: &mut String) {
    let places = &review.report.unresolved;
    if places.is_empty() {
        return;
    }
    let _ = writeln!(page, "<details>\n<summary>Places that could not be followed ({})</summary>\n<ul>", places.len());
    for one in places {
        let _ = writeln!(page, "<li><code>{}</code> {}</li>", escaped(&one.place.to_string()), escaped(&one.why));
    }
    *page += "</ul>\n</details>\n";
}

/// A sentence, with what stands in backticks as code.
fn sentence(text: &str) -> String {
    let piece = |(index, part): (usize, &str)| match index % 2 {
        0 => escaped(part),
        _ => format!("<code>{}</code>", escaped(part)),
    };
    text.split('`').enumerate().map(piece).collect()
}

/// Text as text, with nothing in it that could be markup or hide something.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\t' | '\n' => safe.push(c),
            c if c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') => safe.push('·'),
            c => safe.push(c),
        }
    }
    safe
}
