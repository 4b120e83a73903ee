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

The comment stands on the line of the finding, or above it: above a statement it counts for all of
it, above a function and its attributes for the whole function.",
};

static UNUSED: Rule = Rule {
    id: "unused-allow",
    level: Level::Warn,
    explanation: "\
A comment allows what is not found there: the code has changed, the comment stands in the wrong
place, or it names a rule that there is not.

    // spanwright: allow(lost-contxt) the log line may come late        // found: did you mean `lost-context`?

A comment is read where it stands alone on its line or after code; one within the text of a macro
counts for its line, and the one above for the next.",
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
    let comments: Vec<_> = lines.iter().enumerate().filter_map(|(at, text)| Comment::in_line(name, at, text)).collect();
    if comments.is_empty() {
        return;
    }
    let texts = texts(file.text);
    for comment in comments.iter().filter(|comment| !texts.iter().any(|text| text.contains(comment))) {
        let Some((names, reason)) = comment.parts() else {
            wrong.extend(comment.misspelled());
            continue;
        };
        let lines = covered(file, &lines, comment);
        for name in names.split(',').map(str::trim) {
            let place = comment.place_of(name);
            match rule(name) {
                Ok(rule) => allows.push(Allow { place, rule: rule.id, lines: lines.clone(), used: Cell::new(false) }),
                Err(unknown) => {
                    wrong.push(Found::named(&place, name, unknown, "name a rule".to_owned()).under(&UNUSED));
                }
            }
        }
        if !reason.chars().any(char::is_alphanumeric) {
            let message = format!("`allow({})` does not say why", names.trim());
            let hint = format!("write the reason behind it: `// spanwright: allow({}) …`", names.trim());
            wrong.push(Found::named(&comment.place_of(comment.said), ADDRESS, message, hint).under(&WITHOUT_REASON));
        }
    }
}

/// A comment to us.
struct Comment<'a> {
    file: &'a str,
    /// Its line, from 0.
    at: usize,
    line: &'a str,
    /// What follows the slashes, from [`ADDRESS`] on.
    said: &'a str,
}

impl<'a> Comment<'a> {
    fn in_line(file: &'a str, at: usize, line: &'a str) -> Option<Self> {
        let mut slashes = line.match_indices("//").map(|(slashes, _)| line[slashes + 2..].trim_start());
        let said = slashes.find(|said| said.starts_with(ADDRESS))?;
        Some(Self { file, at, line, said })
    }

    /// Where `part`, a piece of the line, stands.
    fn place_of(&self, part: &str) -> Place {
        let before = part.as_ptr().addr() - self.line.as_ptr().addr();
        let column = self.line[..before].chars().count() + 1;
        Place { file: self.file.to_owned(), line: self.at + 1, column }
    }

    fn follows_code(&self) -> bool {
        let before = &self.line[..self.line.len() - self.said.len()];
        !before.trim_end().trim_end_matches('/').trim().is_empty()
    }

    /// `spanwright: allow(a, b) reason` as `a, b` and `reason`.
    fn parts(&self) -> Option<(&'a str, &'a str)> {
        let list =
            self.said.strip_prefix(ADDRESS)?.trim_start().strip_prefix("allow")?.trim_start().strip_prefix('(')?;
        list.split_once(')')
    }

    /// That it is not understood, if it wants to allow something.
    fn misspelled(&self) -> Option<Finding> {
        let rest = self.said.strip_prefix(ADDRESS)?.trim_start();
        let word: String = rest.chars().take_while(|c| c.is_alphanumeric()).collect();
        let named = rest[word.len()..].trim_start().starts_with(['(', '[', '=']);
        let near = || did_you_mean(&word, ["allow", "ignore", "expect", "disable"]).is_some();
        let message = "this comment is not understood".to_owned();
        let hint = "write `// spanwright: allow(rule) reason`".to_owned();
        let found = Found::named(&self.place_of(self.said), ADDRESS, message, hint).under(&UNUSED);
        (word == "allow" || (named && near())).then_some(found)
    }
}

/// The lines for which `comment` counts.
fn covered(file: &File<'_>, lines: &[&str], comment: &Comment<'_>) -> RangeInclusive<usize> {
    let own = comment.at + 1..=comment.at + 1;
    if comment.follows_code() {
        return own;
    }
    let is_plain = |line: &str| line.starts_with("//") && !line.starts_with("///") && !line.starts_with("//!");
    let next = |from: usize, passed: &dyn Fn(&str) -> bool| {
        (from..lines.len()).find(|at| !lines[*at].trim().is_empty() && !passed(lines[*at].trim()))
    };
    let Some(target) = next(comment.at + 1, &is_plain) else { return own };
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
    fn contains(&self, comment: &Comment<'_>) -> bool {
        let place = comment.place_of(comment.said);
        let place = (place.line, place.column - 1);
        self.0 <= place && place < self.1
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
