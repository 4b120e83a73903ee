//! `// spanwright: allow(rule) reason`: findings somebody has looked at.

use std::cell::Cell;
use std::ops::RangeInclusive;

use proc_macro2::{TokenStream, TokenTree};
use spanwright_macros_core::did_you_mean;

use super::files::{File, Files};
use super::{Finding, Found, Level, Rule, rule};
use crate::catalog::Place;
use crate::program::Program;

pub(super) const RULES: [&Rule; 2] = [&WITHOUT_REASON, &UNUSED];

static WITHOUT_REASON: Rule = Rule {
    id: "allow-without-reason",
    level: Level::Deny,
    explanation: "\
A comment allows a finding and does not say why.

    // spanwright: allow(lost-context)                                   // found
    // spanwright: allow(lost-context) the log line may come late       // fine

The comment stands on the line of the finding, or above it: above a statement it counts for all of it, above a function and its attributes
for the whole function.",
};

static UNUSED: Rule = Rule {
    id: "unused-allow",
    level: Level::Warn,
    explanation: "\
A comment allows what is not found there: the code has changed, the comment stands in the wrong place, or it names a rule that there is not.

    // spanwright: allow(lost-contxt) the log line may come late        // found: did you mean `lost-context`?

A comment is read where it stands alone on its line or after code; one within the text of a macro counts for its line, and the one above for
the next.",
};

/// What every comment to us begins with.
const ADDRESS: &str = "spanwright:";

/// A comment that allows.
struct Allow {
    /// Where the rule's name stands in it.
    place: Place,
    rule: &'static str,
    lines: RangeInclusive<usize>,
    used: Cell<bool>,
}

/// Takes away what comments allow, and adds what is wrong with the comments.
pub(super) fn apply(program: &Program, files: &Files<'_>, findings: &mut Vec<Finding>) {
    let mut wrong = Vec::new();
    let mut allows = Vec::new();
    for file in &program.files {
        if let Some(indexed) = files.get(&file.name).filter(|file| file.text.contains(ADDRESS)) {
            in_file(&file.name, indexed, &mut allows, &mut wrong);
        }
    }
    findings.retain(|finding| {
        let allowing = allows.iter().filter(|allow| {
            allow.rule == finding.rule
                && allow.place.file == finding.place.file
                && allow.lines.contains(&finding.place.line)
        });
        allowing.inspect(|allow| allow.used.set(true)).count() == 0
    });
    let unused = allows.iter().filter(|allow| !allow.used.get()).map(|allow| {
        let message = format!("nothing here is found by `{}`", allow.rule);
        Found::named(&allow.place, allow.rule, message, "remove the comment".to_owned()).under(&UNUSED)
    });
    findings.extend(unused);
    findings.append(&mut wrong);
}

fn in_file(name: &str, file: &File<'_>, allows: &mut Vec<Allow>, wrong: &mut Vec<Finding>) {
    let lines: Vec<&str> = file.text.lines().collect();
    let candidates: Vec<_> = (0..lines.len()).filter_map(|at| Some((at, comment(lines[at])?))).collect();
    if candidates.is_empty() {
        return;
    }
    let texts = texts(file.text);
    for (at, (start, said)) in candidates {
        let (line, column) = (at + 1, lines[at][..start].chars().count());
        if texts.iter().any(|text| text.contains(&(line, column))) {
            continue;
        }
        let place = |within: usize| Place {
            file: name.to_owned(),
            line,
            column: lines[at][..start + within].chars().count() + 1,
        };
        let Some((names, reason)) = parts(said) else {
            if is_meant(said) {
                let message = "this comment is not understood".to_owned();
                let hint = "write `// spanwright: allow(rule) reason`".to_owned();
                wrong.push(Found::named(&place(0), ADDRESS, message, hint).under(&UNUSED));
            }
            continue;
        };
        let covered = covered(file, &lines, at, start);
        for name in names.split(',').map(str::trim) {
            let place = place(name.as_ptr().addr() - lines[at][start..].as_ptr().addr());
            match rule(name) {
                Ok(rule) => {
                    allows.push(Allow { place, rule: rule.id, lines: covered.clone(), used: Cell::new(false) });
                }
                Err(unknown) => {
                    wrong.push(Found::named(&place, name, unknown, "name a rule".to_owned()).under(&UNUSED));
                }
            }
        }
        if !reason.chars().any(char::is_alphanumeric) {
            let message = format!("`allow({})` does not say why", names.trim());
            let hint = format!("write the reason behind it: `// spanwright: allow({}) …`", names.trim());
            wrong.push(Found::named(&place(0), ADDRESS, message, hint).under(&WITHOUT_REASON));
        }
    }
}

/// The first `// spanwright: …` of a line: where its text begins, and the text.
fn comment(line: &str) -> Option<(usize, &str)> {
    let mut from = 0;
    while let Some(slashes) = line[from..].find("//") {
        let after = &line[from + slashes + 2..];
        let said = after.trim_start();
        let start = line.len() - said.len();
        if said.starts_with(ADDRESS) {
            return Some((start, said));
        }
        from += slashes + 2;
    }
    None
}

/// `spanwright: allow(a, b) reason` as `a, b` and `reason`.
fn parts(said: &str) -> Option<(&str, &str)> {
    let inner = said.strip_prefix(ADDRESS)?.trim_start().strip_prefix("allow")?.trim_start().strip_prefix('(')?;
    inner.split_once(')')
}

/// Whether a comment that is not understood wants to allow something.
fn is_meant(said: &str) -> bool {
    let rest = said.strip_prefix(ADDRESS).unwrap_or_default().trim_start();
    let word: String = rest.chars().take_while(|c| c.is_alphanumeric()).collect();
    let named = rest[word.len()..].trim_start().starts_with(['(', '[', '=']);
    word == "allow" || (named && did_you_mean(&word, ["allow", "ignore", "expect", "disable"]).is_some())
}

/// The lines for which a comment in line `at` (from 0) counts, whose text begins at `start`.
fn covered(file: &File<'_>, lines: &[&str], at: usize, start: usize) -> RangeInclusive<usize> {
    let after_code = !lines[at][..start].trim_start().trim_end().trim_end_matches('/').trim().is_empty();
    if after_code {
        return at + 1..=at + 1;
    }
    let is_plain = |line: &str| line.starts_with("//") && !line.starts_with("///") && !line.starts_with("//!");
    let next = |from: usize, passed: &dyn Fn(&str) -> bool| {
        (from..lines.len()).find(|at| !lines[*at].trim().is_empty() && !passed(lines[*at].trim()))
    };
    let Some(target) = next(at + 1, &is_plain) else { return at + 1..=at + 1 };
    let target = target + 1;
    let begins = |extent: &&super::files::Extent| extent.first <= target && target <= extent.head;
    if let Some(last) = file.extents.iter().filter(begins).map(|extent| extent.last).max() {
        return target..=last;
    }
    // Within a macro, nothing tells where the thing below ends: its docs and attributes, and its line.
    let code = next(target - 1, &|line| line.starts_with("//") || line.starts_with("#["));
    target..=code.map_or(target, |code| code + 1)
}

/// From where to where a text literal reaches: line from 1 and column from 0.
struct Text((usize, usize), (usize, usize));

impl Text {
    fn contains(&self, place: &(usize, usize)) -> bool {
        self.0 <= *place && *place < self.1
    }
}

/// The literals of a source text, doc comments among them: what looks like a comment in one is none.
fn texts(source: &str) -> Vec<Text> {
    fn collect(tokens: TokenStream, texts: &mut Vec<Text>) {
        for token in tokens {
            match token {
                TokenTree::Literal(literal) => {
                    let (start, end) = (literal.span().start(), literal.span().end());
                    texts.push(Text((start.line, start.column), (end.line, end.column)));
                }
                TokenTree::Group(group) => collect(group.stream(), texts),
                _ => {}
            }
        }
    }
    let mut texts = Vec::new();
    if let Ok(tokens) = source.parse() {
        collect(tokens, &mut texts);
    }
    texts
}
