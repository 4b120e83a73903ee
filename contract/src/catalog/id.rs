//! Identities of spans that are not declared: from the path of their function, in the grammar of OTLP span types
//! (a letter, then at most 254 letters, digits, `_`, `.`, `-`, `/`).

use std::collections::HashSet;

const LIMIT: usize = 255;

/// The id of the function at `path`, `crate::module::Type::function`; a second one of the same path gets `-2`, and so on.
pub(super) fn unique(path: &str, taken: &mut HashSet<String>) -> String {
    let id = of_path(path);
    let numbered = (2..).map(|number: usize| {
        let end = format!("-{number}");
        let start = &id[..id.len().min(LIMIT - end.len())];
        format!("{start}{end}")
    });
    let free = std::iter::once(id.clone()).chain(numbered).find(|id| !taken.contains(id)).unwrap_or(id);
    taken.insert(free.clone());
    free
}

fn of_path(path: &str) -> String {
    let mut id = String::new();
    for letter in path.replace("::", ".").chars() {
        match letter {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '_' | '.' => id.push(letter),
            other => id.push_str(&format!("u{:x}", u32::from(other))),
        }
    }
    if !id.starts_with(|first: char| first.is_ascii_alphabetic()) {
        id.insert(0, 'x');
    }
    id.truncate(LIMIT);
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_in_the_grammar_and_each_is_there_once() {
        let mut taken = HashSet::from(["app.taken".to_owned()]);
        let mut id = |path: &str| unique(path, &mut taken);
        assert_eq!(id("app::plan::Planner::run"), "app.plan.Planner.run");
        assert_eq!(id("app::plan::Planner::run"), "app.plan.Planner.run-2");
        assert_eq!(id("app::plan::Planner::run"), "app.plan.Planner.run-3");
        assert_eq!(id("app::taken"), "app.taken-2");
        assert_eq!(id("_app::größe"), "x_app.gru f6u dfe".replace(' ', ""));
        let long = format!("app::{}", "a".repeat(300));
        assert_eq!((id(&long).len(), id(&long).len()), (255, 255));
        assert!(id(&long).ends_with("a-3"));
    }
}
