//! A review on a terminal: a block for each span, the summary last, where the eye is.

use std::fmt::Write as _;

use super::{Changed, Group, Review};
use crate::render::{Ink, line};

const WIDTH: usize = 200;

/// The review as lines, each piece of it through `paint`.
pub fn text(review: &Review, paint: &dyn Fn(Ink, &str) -> String) -> String {
    let mut out = format!("{}\n\n", paint(Ink::Faint, &format!("compared with {}", line(&review.base, WIDTH))));
    for group in &review.groups {
        block(group, paint, &mut out);
        out.push('\n');
    }
    for place in &review.report.unresolved {
        let _ = writeln!(out, "{} {}: {}", paint(Ink::Faint, "unresolved"), place.place, line(&place.why, WIDTH));
    }
    let ink = review.report.severity.map_or(Ink::Strong, Ink::Severity);
    let _ = writeln!(out, "{}", paint(ink, &review.summary()));
    out
}

/// The review as plain text.
pub fn plain(review: &Review) -> String {
    text(review, &|_, text| text.to_owned())
}

fn block(group: &Group, paint: &dyn Fn(Ink, &str) -> String, out: &mut String) {
    let place = group.place.as_ref().map(|place| format!("  {place}")).unwrap_or_default();
    let _ = writeln!(out, "{}{}", paint(Ink::Strong, &line(&group.title, WIDTH)), paint(Ink::Faint, &place));
    for change in &group.changes {
        let severity = paint(Ink::Severity(change.severity), &change.severity.to_string());
        let _ = writeln!(out, "  {severity} {}: {}", change.rule.id(), line(&change.sentence, WIDTH));
    }
    for (noun, all) in [("expansion", &group.expansions), ("trace tree", &group.trees)] {
        all.iter().for_each(|changed| diff(noun, changed, paint, out));
    }
    if !group.seen_in.is_empty() {
        let _ = writeln!(out, "  {}", paint(Ink::Faint, &format!("seen in {}", group.seen_in.join(", "))));
    }
}

fn diff(noun: &str, changed: &Changed, paint: &dyn Fn(Ink, &str) -> String, out: &mut String) {
    let Changed { subject, place, .. } = changed;
    let place = paint(Ink::Faint, &place.to_string());
    let _ = writeln!(out, "  {noun} {}: {}  {place}", changed.fate(), line(subject, WIDTH));
    for row in changed.unified().lines() {
        let ink = match row.as_bytes().first() {
            Some(b'-') => Ink::Before,
            Some(b'+') => Ink::After,
            _ => Ink::Faint,
        };
        // Control characters could drive the terminal; the indentation is to stay.
        let clean: String = row.chars().map(|c| if c.is_control() { '·' } else { c }).collect();
        let _ = writeln!(out, "    {}", paint(ink, &clean));
    }
}
