//! `unimplemented-span`: a declared span that nobody makes.

use std::collections::HashSet;

use proc_macro2::{TokenStream, TokenTree};

use super::{Found, Input, Level, Rule};
use crate::program::Program;

pub(super) static RULE: Rule = Rule {
    id: "unimplemented-span",
    level: Level::Deny,
    explanation: "\
A span is declared and no function is tied to it: whoever reads the contract waits for a span that
never comes.

    spanwright::spans! {
        pub node Plan(id = \"home.node.plan\");   // found, unless …
    }
    #[node(span = spans::Plan)]                 // … a function makes it
    fn plan() {}

Counted as made is also a span whose name stands in an attribute that could not be read, or in code
that could not be followed (the body of a `macro_rules!`).

Not seen: functions in generated files and in packages outside of the workspace, so allow it where
those make the span.",
};

pub(super) fn check(input: &Input<'_>) -> Vec<Found> {
    let program = input.program;
    let made: HashSet<_> = program.annotated.iter().filter_map(|annotated| annotated.span).collect();
    let mut found = Vec::new();
    for (at, declared) in program.declared.iter().enumerate() {
        let Ok(declaration) = &declared.declaration else { continue };
        for (index, (span, place)) in declaration.spans.iter().zip(&declared.places).enumerate() {
            let name = span.ident.to_string();
            if made.contains(&(at, index)) || may_be_made(program, &name) {
                continue;
            }
            let message = format!("no function makes the declared span `{name}` (`{}`)", span.id.value());
            let hint = format!("tie a function to it by `#[{}(span = …::{name})]`, or remove it", span.kind.word());
            found.push(Found::named(place, &name, message, hint));
        }
    }
    found
}

/// Whether `name` stands where nothing is known of what it means.
fn may_be_made(program: &Program, name: &str) -> bool {
    let untied = program.annotated.iter().filter(|annotated| annotated.span.is_none());
    let mut unread = program.unresolved.iter().filter_map(|unresolved| {
        let file = program.files.iter().find(|file| file.name == unresolved.place.file)?;
        let lines = (unresolved.last_line + 1).saturating_sub(unresolved.place.line).max(1);
        Some(file.text.lines().skip(unresolved.place.line - 1).take(lines))
    });
    untied.into_iter().any(|annotated| mentions(annotated.args.clone(), name))
        || unread.any(|mut lines| lines.any(|line| has_word(line, name)))
}

fn mentions(tokens: TokenStream, name: &str) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(ident) => ident == name,
        TokenTree::Group(group) => mentions(group.stream(), name),
        _ => false,
    })
}

fn has_word(line: &str, word: &str) -> bool {
    line.split(|c: char| !c.is_alphanumeric() && c != '_').any(|found| found == word)
}
