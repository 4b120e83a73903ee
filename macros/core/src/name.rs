//! Names: how long they may be, and those that are made of others.

use proc_macro2::Ident;
use syn::LitStr;

use crate::diag::err;

/// The characters a display name may have: what MLflow keeps of a span's name.
const NAME_LIMIT: usize = 250;

/// The mistake that the value of `key` is longer than what is kept.
pub(crate) fn too_long(key: &str, text: &LitStr) -> Option<darling::Error> {
    let length = text.value().chars().count();
    (length > NAME_LIMIT).then(|| err!(text, "`{key}` has {length} characters: {NAME_LIMIT} are kept, shorten it"))
}

/// `CollectBehavioralData` and `collectBehavioralData` as `collect_behavioral_data`, `HTTPFetch` as `http_fetch`.
pub(crate) fn snake_case(name: &str) -> String {
    let letters: Vec<char> = name.chars().collect();
    let mut snake = String::new();
    for (at, letter) in letters.iter().enumerate() {
        let before = at.checked_sub(1).map(|at| letters[at]);
        let begins_word = letter.is_uppercase()
            && before.is_some_and(|before| {
                let ends_acronym = letters.get(at + 1).is_some_and(|after| after.is_lowercase());
                before != '_' && (!before.is_uppercase() || ends_acronym)
            });
        if begins_word {
            snake.push('_');
        }
        snake.extend(letter.to_lowercase());
    }
    snake
}

/// The method that sets the attribute `key`; `None` if the key has characters that no method has.
pub fn setter(key: &LitStr) -> Option<Ident> {
    let name = key.value().split('.').map(snake_case).collect::<Vec<_>>().join("_");
    let raw = || syn::parse_str::<Ident>(&format!("r#{name}"));
    // A keyword since edition 2024, of which syn does not know.
    let word = if name == "gen" { raw() } else { syn::parse_str::<Ident>(&name).or_else(|_| raw()) };
    word.ok().map(|mut word| {
        word.set_span(key.span());
        word
    })
}

/// The methods every span's handle has.
const TAKEN: [&str; 9] =
    ["event", "event_with", "tag", "param", "metric", "metric_at", "run_tag", "trace_id", "span_id"];

/// Whether a setter would stand in the way of a method.
pub(crate) fn is_taken(setter: &Ident) -> bool {
    TAKEN.iter().any(|taken| setter == taken)
}

#[cfg(test)]
mod tests {
    use super::snake_case;

    #[test]
    fn a_word_begins_at_a_capital() {
        for (name, snake) in [
            ("CollectBehavioralData", "collect_behavioral_data"),
            ("HTTPFetch", "http_fetch"),
            ("spanLogLevel", "span_log_level"),
            ("Rag2Node", "rag2_node"),
            ("Ask", "ask"),
            ("entity_count", "entity_count"),
            ("Äpfel", "äpfel"),
        ] {
            assert_eq!(snake_case(name), snake);
        }
    }
}
