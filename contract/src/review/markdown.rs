//! A review as a comment on a pull request: the table of the contract's changes, then a fold for each span.

use std::fmt::Write as _;

use super::{Changed, Group, Review};
use crate::render;

/// Comments are limited to 65,536 characters on the usual hosts.
const LIMIT: usize = 65_000;
/// One long text must not push out all others.
const DIFF: usize = 8_000;

/// The review, at most 65,536 characters long; what does not fit is counted.
pub fn markdown(review: &Review) -> String {
    let mut out = match review.report.changes.is_empty() && review.report.unresolved.is_empty() {
        true => String::new(),
        false => render::markdown(&review.report) + "\n",
    };
    let _ = writeln!(out, "### Telemetry review: {}\n\nCompared with {}.", review.summary(), code(&review.base));
    let mut folded = review.groups.iter().filter(|group| !group.expansions.is_empty() || !group.trees.is_empty());
    while let Some(group) = folded.next() {
        let text = fold(group);
        if out.chars().count() + text.chars().count() > LIMIT {
            let more = folded.count() + 1;
            let _ = writeln!(out, "\n…and {more} more; `spanwright review --format html` shows them all.");
            break;
        }
        out += &text;
    }
    out
}

fn fold(group: &Group) -> String {
    let severity = group.changes.first().map(|change| format!(" · {}", change.severity)).unwrap_or_default();
    let counted = |count: usize, noun: &str| match count {
        0 => String::new(),
        1 => format!(" · 1 {noun}"),
        _ => format!(" · {count} {noun}s"),
    };
    let mut text = format!(
        "\n<details><summary><code>{}</code>{severity}{}{}</summary>\n",
        escaped(&group.title),
        counted(group.expansions.len(), "expansion"),
        counted(group.trees.len(), "trace tree")
    );
    for change in &group.changes {
        let _ = write!(text, "\n- **{}** `{}`: {}", change.severity, change.rule.id(), sentence(&change.sentence));
    }
    if !group.changes.is_empty() {
        text.push('\n');
    }
    for (noun, all) in [("Expansion", &group.expansions), ("Trace tree", &group.trees)] {
        all.iter().for_each(|changed| diff(noun, changed, &mut text));
    }
    if !group.seen_in.is_empty() {
        let tests: Vec<_> = group.seen_in.iter().map(|test| code(test)).collect();
        let _ = writeln!(text, "\nSeen in {}.", tests.join(", "));
    }
    text + "\n</details>\n"
}

fn diff(noun: &str, changed: &Changed, out: &mut String) {
    let (subject, place) = (code(&changed.subject), code(&changed.place.to_string()));
    let _ = writeln!(out, "\n{noun} {}: {subject}, {place}\n", changed.fate());
    let mut shown = String::new();
    let whole = changed.unified();
    let mut left = whole.lines();
    for line in left.by_ref() {
        if shown.len() + line.len() > DIFF {
            break;
        }
        shown.push_str(line);
        shown.push('\n');
    }
    let fence = "`".repeat(longest_run(&shown).max(2) + 1);
    let _ = writeln!(out, "{fence}diff\n{shown}{fence}");
    if shown.len() < whole.len() {
        let _ = writeln!(out, "\n…and {} more lines.", whole.lines().count() - shown.lines().count());
    }
}

/// A sentence of ours, in which only what stands in backticks is not; there markup is text anyway.
fn sentence(text: &str) -> String {
    let text = render::line(text, 300);
    let escaped =
        |(index, part): (usize, &str)| if index % 2 == 0 { part.replace('<', "&lt;") } else { part.to_owned() };
    text.split('`').enumerate().map(escaped).collect::<Vec<_>>().join("`")
}

/// Text as code on one line, within a fence longer than any run of backticks in it.
fn code(text: &str) -> String {
    let text = render::line(text, 200);
    let longest = longest_run(&text);
    let (fence, pad) = ("`".repeat(longest + 1), if longest > 0 { " " } else { "" });
    format!("{fence}{pad}{text}{pad}{fence}")
}

fn longest_run(text: &str) -> usize {
    text.split(|character| character != '`').map(str::len).max().unwrap_or(0)
}

fn escaped(text: &str) -> String {
    render::line(text, 200).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
