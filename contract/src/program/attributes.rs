//! The attributes of an item: its conditions, its documentation, where a module is, and those that may be ours.

use std::rc::Rc;

use proc_macro2::{Delimiter, Group, Span, TokenStream, TokenTree};

use super::syntax::{Attribute, ModulePath, NamePath, Position};

/// The outer attributes of an item.
#[derive(Debug, Default)]
pub(super) struct Attributes {
    pub cfg: Vec<String>,
    pub doc: String,
    pub paths: Vec<ModulePath>,
    pub others: Vec<Attribute>,
    pub written: Vec<TokenStream>,
    /// `#[macro_use]`
    pub all_macros: bool,
    /// `#[macro_export]`
    pub exported: bool,
}

/// Attributes of the language that name no macro and that nobody can name one like.
const BUILT_IN: [&str; 14] = [
    "allow",
    "automatically_derived",
    "cold",
    "deny",
    "deprecated",
    "derive",
    "expect",
    "forbid",
    "inline",
    "must_use",
    "no_mangle",
    "non_exhaustive",
    "repr",
    "warn",
];

/// The text of the file that is being read.
#[derive(Clone, Debug)]
pub(super) struct Text(pub Rc<str>);

impl Text {
    /// What stands between the first and the last of `tokens`, on one line.
    pub fn between(&self, tokens: &[TokenTree]) -> String {
        let (Some(first), Some(last)) = (tokens.first(), tokens.last()) else { return String::new() };
        let range = first.span().byte_range().start..last.span().byte_range().end;
        let text = self.0.get(range).unwrap_or_default();
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// The inside of a group.
    pub fn inside(&self, group: &Group) -> &str {
        let range = group.span_open().byte_range().end..group.span_close().byte_range().start;
        self.0.get(range).unwrap_or_default()
    }
}

pub(super) fn position(span: Span) -> Position {
    let start = span.start();
    Position { line: start.line, column: start.column + 1 }
}

/// A name as the user reads it: without `r#`.
pub(super) fn plain(token: &TokenTree) -> Option<String> {
    let TokenTree::Ident(ident) = token else { return None };
    let written = ident.to_string();
    Some(written.strip_prefix("r#").map_or(written.clone(), str::to_owned))
}

pub(super) fn is_punct(token: Option<&TokenTree>, wanted: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == wanted)
}

pub(super) fn is_word(token: Option<&TokenTree>, wanted: &str) -> bool {
    matches!(token, Some(TokenTree::Ident(ident)) if ident == wanted)
}

pub(super) fn group(token: Option<&TokenTree>, wanted: Delimiter) -> Option<&Group> {
    match token {
        Some(TokenTree::Group(group)) if group.delimiter() == wanted => Some(group),
        _ => None,
    }
}

/// The path at the start of `tokens` and how many of them it takes.
pub(super) fn path(tokens: &[TokenTree]) -> Option<(NamePath, usize)> {
    let colons = |at: usize| is_punct(tokens.get(at), ':') && is_punct(tokens.get(at + 1), ':');
    let mut path = NamePath { leading_colon: colons(0), segments: Vec::new() };
    let mut at = if path.leading_colon { 2 } else { 0 };
    // `$crate` of a macro's body.
    let from_macro = is_punct(tokens.get(at), '$');
    at += usize::from(from_macro);
    loop {
        let mut name = plain(tokens.get(at)?)?;
        if from_macro && path.segments.is_empty() {
            name.insert(0, '$');
        }
        path.segments.push(name);
        at += 1;
        if !colons(at) {
            return Some((path, at));
        }
        at += 2;
    }
}

/// Reads outer attributes from `at` on, which moves behind them.
pub(super) fn outer(text: &Text, tokens: &[TokenTree], at: &mut usize) -> Attributes {
    let mut attributes = Attributes::default();
    let mut lines = Vec::new();
    while is_punct(tokens.get(*at), '#') {
        let Some(brackets) = group(tokens.get(*at + 1), Delimiter::Bracket) else { break };
        let inside: Vec<TokenTree> = brackets.stream().into_iter().collect();
        let index = attributes.written.len();
        attributes.written.push(tokens[*at..*at + 2].iter().cloned().collect());
        one(text, &inside, &[], index, &mut attributes, &mut lines);
        *at += 2;
    }
    attributes.doc = documentation(&lines);
    attributes
}

/// Reads inner attributes from `at` on, which moves behind them; the conditions among them are left.
pub(super) fn inner_conditions(text: &Text, tokens: &[TokenTree], at: &mut usize) -> Vec<String> {
    let mut attributes = Attributes::default();
    while is_punct(tokens.get(*at), '#') && is_punct(tokens.get(*at + 1), '!') {
        let Some(brackets) = group(tokens.get(*at + 2), Delimiter::Bracket) else { break };
        let inside: Vec<TokenTree> = brackets.stream().into_iter().collect();
        one(text, &inside, &[], 0, &mut attributes, &mut Vec::new());
        *at += 3;
    }
    attributes.cfg
}

/// One attribute, by what stands between its brackets.
fn one(
    text: &Text,
    inside: &[TokenTree],
    cfg: &[String],
    index: usize,
    attributes: &mut Attributes,
    lines: &mut Vec<String>,
) {
    let Some((path, taken)) = path(inside) else { return };
    let rest = &inside[taken..];
    let list = group(rest.first(), Delimiter::Parenthesis);
    let word = if path.segments.len() == 1 && !path.leading_colon { path.last() } else { "" };
    match word {
        "doc" => lines.extend(value(rest).filter(|_| cfg.is_empty())),
        "cfg" => {
            if let Some(list) = list {
                let tokens: Vec<TokenTree> = list.stream().into_iter().collect();
                let condition = text.between(trimmed(&tokens));
                attributes.cfg.push(match cfg {
                    [] => condition,
                    [only] => format!("any(not({only}), {condition})"),
                    all => format!("any(not(all({})), {condition})", all.join(", ")),
                });
            }
        }
        "cfg_attr" => {
            let Some(list) = list else { return };
            let inside: Vec<TokenTree> = list.stream().into_iter().collect();
            let mut parts = inside.split(|token| is_punct(Some(token), ','));
            let condition = text.between(parts.next().unwrap_or_default());
            let cfg: Vec<String> = cfg.iter().cloned().chain([condition]).collect();
            for part in parts {
                one(text, part, &cfg, index, attributes, lines);
            }
        }
        "path" => attributes.paths.push(ModulePath { text: value(rest), cfg: cfg.to_vec() }),
        "macro_use" => attributes.all_macros = true,
        "macro_export" => attributes.exported = true,
        word if BUILT_IN.contains(&word) => {}
        _ => {
            // `#[node[…]]` and `#[node{…}]` are `#[node(…)]`.
            let args = match rest {
                [TokenTree::Group(list)] => list.stream(),
                rest => rest.iter().cloned().collect(),
            };
            let position = position(inside[0].span());
            attributes.others.push(Attribute { path, position, args, cfg: cfg.to_vec(), index });
        }
    }
}

/// Without a comma at the end.
fn trimmed(tokens: &[TokenTree]) -> &[TokenTree] {
    match tokens {
        [rest @ .., last] if is_punct(Some(last), ',') => rest,
        all => all,
    }
}

/// The text after `=`.
fn value(rest: &[TokenTree]) -> Option<String> {
    let [TokenTree::Punct(equals), literal @ TokenTree::Literal(_)] = rest else { return None };
    if equals.as_char() != '=' {
        return None;
    }
    syn::parse2::<syn::LitStr>(literal.clone().into()).ok().map(|text| text.value())
}

/// The lines of `///` and `/** */` as one text.
fn documentation(lines: &[String]) -> String {
    let mut text = Vec::new();
    for line in lines {
        if line.contains('\n') {
            let starred = line.lines().skip(1).all(|line| line.trim_start().starts_with('*') || line.trim().is_empty());
            let clean = |line: &str| match line.trim().strip_prefix('*') {
                Some(rest) if starred => rest.trim().to_owned(),
                _ => line.trim().to_owned(),
            };
            text.extend(line.lines().map(clean));
        } else {
            text.push(line.strip_prefix(' ').unwrap_or(line).trim_end().to_owned());
        }
    }
    text.join("\n").trim_matches('\n').to_owned()
}
