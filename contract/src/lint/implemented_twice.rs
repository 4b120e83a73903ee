//! `implemented-twice`: one declared span, two functions.

use std::collections::BTreeMap;

use super::{Found, Input, Level, Rule, cfg, last_name};
use crate::program::Annotated;

pub(super) static RULE: Rule = Rule {
    id: "implemented-twice",
    level: Level::Deny,
    explanation: "\
Two functions are tied to one declared span: in a trace, nobody can tell which of them ran, and the
contract promises one set of inputs and outputs for two.

    #[node(span = spans::Plan)]
    fn plan() {}
    #[node(span = spans::Plan)]      // found
    fn plan_again() {}

Fine are two functions of which the program never has both: their conditions are `x` and `not(x)`,
or two values of `target_os` and the like. Where several implementations of a trait are meant to
make the same span, allow it with that as the reason.

Not seen: conditions that exclude each other in any other way, such as two features of which one is
chosen.",
};

pub(super) fn check(input: &Input<'_>) -> Vec<Found> {
    let program = input.program;
    let mut tied: BTreeMap<(usize, usize), Vec<&Annotated>> = BTreeMap::new();
    for annotated in &program.annotated {
        let Some(span) = annotated.span else { continue };
        let functions = tied.entry(span).or_default();
        // A file that two targets share is one function.
        if functions.iter().all(|function| function.place != annotated.place) {
            functions.push(annotated);
        }
    }
    let mut found = Vec::new();
    for ((declared, index), functions) in tied {
        let Ok(declaration) = &program.declared[declared].declaration else { continue };
        let span = &declaration.spans[index].ident;
        for (at, function) in functions.iter().enumerate() {
            let mut before = functions[..at].iter();
            let Some(other) = before.find(|other| !cfg::exclude(&other.cfg, &function.cfg)) else { continue };
            let (name, other_name) = (last_name(&function.path), last_name(&other.path));
            let message = format!("`{name}` makes the span `{span}`, and so does `{other_name}` ({})", other.place);
            let hint = "declare a span for each of them, or put what they share into one function".to_owned();
            found.push(Found::named(&function.place, name, message, hint));
        }
    }
    found
}
