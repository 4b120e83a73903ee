//! What nobody can follow without expanding macros: tokens that mention our attributes or `spans!`.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use spanwright_macros_core::Kind;

use super::attributes::{group, is_punct, is_word, path, plain};
use super::syntax::NamePath;

/// A mention of something that may be ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Mention {
    /// `#[path …]`, also within `cfg_attr`.
    Attribute(NamePath),
    /// `path!`
    Macro(NamePath),
}

impl Mention {
    pub fn path(&self) -> &NamePath {
        match self {
            Self::Attribute(path) | Self::Macro(path) => path,
        }
    }

    /// Whether its last word is one of ours.
    pub fn says_ours(&self) -> bool {
        match self {
            Self::Attribute(path) => Kind::ALL.into_iter().any(|kind| kind.word() == path.last()),
            Self::Macro(path) => path.last() == "spans",
        }
    }
}

impl std::fmt::Display for Mention {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Attribute(path) => write!(f, "`#[{path}]`"),
            Self::Macro(path) => write!(f, "`{path}!`"),
        }
    }
}

/// All attributes and macro calls in `tokens`, however deep.
pub(super) fn mentions(tokens: TokenStream) -> Vec<Mention> {
    let mut found = Vec::new();
    let mut left = vec![tokens];
    while let Some(tokens) = left.pop() {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        for (at, token) in tokens.iter().enumerate() {
            match token {
                TokenTree::Group(inner) => left.push(inner.stream()),
                TokenTree::Punct(punct) if punct.as_char() == '#' => {
                    if let Some(brackets) = group(tokens.get(at + 1), Delimiter::Bracket) {
                        let inside: Vec<TokenTree> = brackets.stream().into_iter().collect();
                        attribute(&inside, &mut found);
                    }
                }
                TokenTree::Ident(_) if !at.checked_sub(1).is_some_and(|before| is_punct(tokens.get(before), ':')) => {
                    if let Some((path, taken)) = path(&tokens[at..])
                        && is_punct(tokens.get(at + taken), '!')
                        && matches!(tokens.get(at + taken + 1), Some(TokenTree::Group(_)))
                    {
                        found.push(Mention::Macro(path));
                    }
                }
                _ => {}
            }
        }
    }
    found
}

/// The names of `mod name;` in `tokens`, however deep.
pub(super) fn modules(tokens: TokenStream) -> Vec<String> {
    let mut found = Vec::new();
    let mut left = vec![tokens];
    while let Some(tokens) = left.pop() {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        for (at, token) in tokens.iter().enumerate() {
            if let TokenTree::Group(inner) = token {
                left.push(inner.stream());
            } else if is_word(Some(token), "mod") && is_punct(tokens.get(at + 2), ';') {
                found.extend(tokens.get(at + 1).and_then(plain));
            }
        }
    }
    found
}

fn attribute(inside: &[TokenTree], found: &mut Vec<Mention>) {
    let Some((path, taken)) = path(inside) else { return };
    if path.segments == ["cfg_attr"]
        && let Some(list) = group(inside.get(taken), Delimiter::Parenthesis)
    {
        let inside: Vec<TokenTree> = list.stream().into_iter().collect();
        inside.split(|token| is_punct(Some(token), ',')).skip(1).for_each(|part| attribute(part, found));
    } else {
        found.push(Mention::Attribute(path));
    }
}
