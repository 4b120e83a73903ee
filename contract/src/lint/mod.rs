//! What looks wrong in a program's telemetry, read from its source: one file per rule.
//!
//! In: a [`Program`] and the [`Levels`] of the rules. Out: [`Finding`]s, sorted by place. A rule decides from names and
//! syntax, without types, and stays silent where that is not enough; what a rule does not see stands in its
//! explanation.
//!
//! `files` indexes the source (imports, extents), `names` resolves paths through it, `locals` knows what a local name
//! holds; the rules stand on these, and `allow` takes away what a comment allows.

mod allow;
mod captured_lock;
mod cfg;
mod duplicate_id;
mod files;
mod guard_across_await;
mod implemented_twice;
mod levels;
mod locals;
mod lost_context;
mod names;
mod secret_captured;
mod uncovered_function;
mod unimplemented_span;

use proc_macro2::Span;
use serde::Serialize;

pub use levels::{Level, Levels};

use crate::catalog::Place;
use crate::program::Program;
use files::Files;
use names::Names;

/// A rule.
#[derive(Debug)]
pub struct Rule {
    /// Its name: `lost-context`.
    pub id: &'static str,
    /// Its level where nothing else is said: contradictions are denied, suspicions are warned of.
    pub level: Level,
    /// What it finds and why that is wrong, an example of each, and what it does not see; Markdown.
    pub explanation: &'static str,
}

/// Something a rule found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The rule's name.
    pub rule: &'static str,
    /// `warn` or `deny`.
    pub level: Level,
    /// Where.
    pub place: Place,
    /// How much of the line is meant, in characters from the place; at least 1.
    pub width: usize,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: String,
}

type Check = fn(&Input<'_>) -> Vec<Found>;

const CHECKS: [(&Rule, Check); 8] = [
    (&captured_lock::RULE, captured_lock::check),
    (&duplicate_id::RULE, duplicate_id::check),
    (&guard_across_await::RULE, guard_across_await::check),
    (&implemented_twice::RULE, implemented_twice::check),
    (&lost_context::RULE, lost_context::check),
    (&secret_captured::RULE, secret_captured::check),
    (&uncovered_function::RULE, uncovered_function::check),
    (&unimplemented_span::RULE, unimplemented_span::check),
];

/// All rules, sorted by name.
pub fn rules() -> Vec<&'static Rule> {
    let mut rules: Vec<_> = CHECKS.iter().map(|(rule, _)| *rule).chain(allow::RULES).collect();
    rules.sort_by_key(|rule| rule.id);
    rules
}

/// The rule of that name, else the name that was most likely meant.
///
/// # Errors
///
/// In words, which rules there are.
pub fn rule(name: &str) -> Result<&'static Rule, String> {
    let rules = rules();
    if let Some(rule) = rules.iter().find(|rule| rule.id == name) {
        return Ok(rule);
    }
    let ids = rules.iter().map(|rule| rule.id);
    Err(match spanwright_macros_core::did_you_mean(name, ids.clone()) {
        Some(meant) => format!("there is no rule `{name}`; did you mean `{meant}`?"),
        None => format!("there is no rule `{name}`; the rules are {}", ids.collect::<Vec<_>>().join(", ")),
    })
}

/// Everything the rules find in `program` that no comment allows, sorted by place, then by rule. Rules at
/// [`Level::Allow`] find nothing.
pub fn lint(program: &Program, levels: &Levels) -> Vec<Finding> {
    let files = Files::of(program);
    let input = Input { program, names: Names::new(program, &files) };
    let mut found = Vec::new();
    for (rule, check) in CHECKS {
        found.extend(check(&input).into_iter().map(|found| found.under(rule)));
    }
    allow::apply(program, &files, &mut found);
    for finding in &mut found {
        finding.level = levels.of(finding.rule);
    }
    found.retain(|finding| finding.level != Level::Allow);
    found.sort_by(|a, b| (&a.place, a.rule, &a.message).cmp(&(&b.place, b.rule, &b.message)));
    found.dedup();
    found
}

/// What the rules look at.
struct Input<'a> {
    program: &'a Program,
    names: Names<'a>,
}

/// What a rule found, before its level is known.
struct Found {
    place: Place,
    width: usize,
    message: String,
    hint: String,
}

impl Found {
    /// At tokens of `file`.
    fn at(file: &str, span: Span, message: String, hint: String) -> Self {
        let (start, end) = (span.start(), span.end());
        let width = if start.line == end.line { end.column.saturating_sub(start.column).max(1) } else { 1 };
        let place = Place { file: file.to_owned(), line: start.line, column: start.column + 1 };
        Self { place, width, message, hint }
    }

    /// At a name of which only the place is known.
    fn named(place: &Place, name: &str, message: String, hint: String) -> Self {
        Self { place: place.clone(), width: name.chars().count().max(1), message, hint }
    }

    fn under(self, rule: &Rule) -> Finding {
        let Self { place, width, message, hint } = self;
        Finding { rule: rule.id, level: rule.level, place, width, message, hint }
    }
}

/// The last segment of a path: the name itself.
fn last_name(path: &str) -> &str {
    path.rsplit("::").next().unwrap_or(path)
}

/// The crate a path begins with.
fn crate_of(path: &str) -> &str {
    path.split("::").next().unwrap_or(path)
}
