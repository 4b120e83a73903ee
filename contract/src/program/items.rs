//! Tokens become items. Only what names and spans depend on is parsed; bodies stay tokens, unless something in them may be an item.
//!
//! An item ends as the compiler would have it: at its semicolon, or at the braces that stand outside of `<…>`.

use std::rc::Rc;

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use quote::ToTokens as _;
use syn::visit::Visit;

use super::attributes::{self, Attributes, Text, group, is_punct, is_word, plain, position};
use super::syntax::{Import, NamePath, Node, Nodes, Visibility, What};

/// The items in `tokens`, which stand in the file with this text, and the conditions all of them share.
pub(super) fn read(text: &Text, tokens: TokenStream) -> (Nodes, Vec<String>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut at = 0;
    let cfg = attributes::inner_conditions(text, &tokens, &mut at);
    (list(text, &tokens[at..]).into(), cfg)
}

fn list(text: &Text, tokens: &[TokenTree]) -> Vec<Node> {
    let mut nodes = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if is_punct(tokens.get(at), ';') {
            at += 1;
            continue;
        }
        let attributes = attributes::outer(text, tokens, &mut at);
        if at < tokens.len() {
            let item = Item::at(text, &tokens[at..]);
            at += item.length.max(1);
            nodes.push(item.node(attributes));
        }
    }
    nodes
}

/// An item behind its attributes.
struct Item<'a> {
    text: &'a Text,
    tokens: &'a [TokenTree],
    visibility: Visibility,
    /// Where the word stands that says what it is.
    word: usize,
    /// How many tokens it has.
    length: usize,
}

/// Words that may stand before `fn`, `impl`, `trait`, `mod`.
const QUALIFIERS: [&str; 8] = ["unsafe", "async", "const", "extern", "safe", "default", "auto", "gen"];

impl<'a> Item<'a> {
    fn at(text: &'a Text, tokens: &'a [TokenTree]) -> Self {
        let mut word = 0;
        let mut visibility = Visibility::Private;
        if is_word(tokens.first(), "pub") {
            let restricted = group(tokens.get(1), Delimiter::Parenthesis);
            visibility = if restricted.is_some() { Visibility::Crate } else { Visibility::Public };
            word = 1 + usize::from(restricted.is_some());
        }
        word += qualifiers(&tokens[word..]);
        let mut item = Self { text, tokens, visibility, word, length: 0 };
        item.length = item.end();
        item
    }

    fn rest(&self) -> &'a [TokenTree] {
        self.tokens.get(self.word..self.length).unwrap_or_default()
    }

    fn token(&self, offset: usize) -> Option<&'a TokenTree> {
        self.tokens.get(self.word + offset)
    }

    fn says(&self, word: &str) -> bool {
        is_word(self.token(0), word)
    }

    fn name(&self) -> Option<String> {
        self.token(1).and_then(plain)
    }

    fn is_macro(&self) -> bool {
        attributes::path(&self.tokens[self.word..]).is_some_and(|(_, taken)| is_punct(self.token(taken), '!'))
    }

    /// The tokens up to the item's end.
    fn end(&self) -> usize {
        let until_semicolon = ["use", "static", "const", "type"].iter().any(|word| self.says(word))
            || (self.says("extern") && is_word(self.token(1), "crate"));
        let mut depth = 0_i32;
        for (at, token) in self.tokens.iter().enumerate().skip(self.word) {
            match token {
                TokenTree::Punct(punct) if punct.as_char() == ';' => return at + 1,
                TokenTree::Punct(punct) if punct.as_char() == '<' => depth += 1,
                TokenTree::Punct(punct) if punct.as_char() == '>' && !is_arrow(self.tokens, at) => depth -= 1,
                TokenTree::Group(group) if group.delimiter() == Delimiter::Brace && !until_semicolon && depth <= 0 => {
                    return at + 1;
                }
                _ => {}
            }
        }
        self.tokens.len()
    }

    fn last_line(&self) -> usize {
        self.tokens[..self.length].last().map_or(0, |token| token.span().end().line)
    }

    fn braces(&self) -> Option<&'a Group> {
        group(self.tokens[..self.length].last(), Delimiter::Brace)
    }

    fn node(&self, outer: Attributes) -> Node {
        let named = matches!(self.token(1), Some(TokenTree::Ident(_))) && !self.says("use") && !self.says("impl");
        let start = if named { self.token(1) } else { self.tokens.first() };
        let what = self.what(&outer);
        let is_function = matches!(what, What::Function { .. });
        let item = match is_function || !outer.others.is_empty() {
            true => self.tokens[..self.length].iter().cloned().collect(),
            false => TokenStream::new(),
        };
        let mut cfg = outer.cfg;
        if let (What::Members { .. }, Some(braces)) = (&what, self.braces()) {
            let inside: Vec<TokenTree> = braces.stream().into_iter().collect();
            cfg.extend(attributes::inner_conditions(self.text, &inside, &mut 0));
        }
        Node {
            position: start.map(|token| position(token.span())).unwrap_or_default(),
            cfg,
            visibility: self.visibility,
            attributes: outer.others,
            item,
            written: if is_function { outer.written.into() } else { Rc::default() },
            doc: outer.doc,
            what,
        }
    }

    fn what(&self, outer: &Attributes) -> What {
        let Some(TokenTree::Ident(word)) = self.token(0) else { return self.unknown() };
        match (word.to_string().as_str(), self.name()) {
            ("fn", Some(name)) => self.function(name),
            ("mod", Some(name)) => self.module(name, outer),
            ("use", _) => self.import(),
            ("extern", _) if is_word(self.token(1), "crate") => self.extern_crate(outer),
            ("extern", _) => self.members(Vec::new(), None),
            ("impl", _) => self.implementation(),
            ("trait", Some(name)) => self.members(vec![name.clone()], Some(name)),
            ("struct" | "enum" | "union" | "type", Some(name)) => self.type_definition(name),
            ("const" | "static", _) => self.constant(),
            ("macro_rules", _) if is_punct(self.token(1), '!') => match self.token(2).and_then(plain) {
                Some(name) => self.rules(name, outer.exported),
                None => self.unknown(),
            },
            ("macro", Some(name)) => self.rules(name, true),
            _ if self.is_macro() => self.call(),
            _ => self.unknown(),
        }
    }

    fn function(&self, name: String) -> What {
        let Some(body) = self.braces() else { return What::Function { name, has_body: false, inner: Rc::default() } };
        let mut inner = items_in(self.text, body, &name);
        let header = &self.rest()[..self.rest().len() - 1];
        // `-> [u8; { fn size() … }]`
        if groups(header).any(|group| has_function(self.text.inside(group)))
            && let Ok(signature) = syn::parse2::<syn::Signature>(header.iter().cloned().collect())
        {
            let mut evaluated = Inner { text: self.text, nodes: Vec::new() };
            evaluated.visit_signature(&signature);
            inner.extend(evaluated.nodes);
        }
        What::Function { name, has_body: true, inner: inner.into() }
    }

    fn module(&self, name: String, outer: &Attributes) -> What {
        match self.braces() {
            Some(braces) => {
                let (items, cfg) = read(self.text, braces.stream());
                What::Inline { name, path: outer.paths.first().cloned(), cfg, items }
            }
            None => What::File { name, paths: outer.paths.clone() },
        }
    }

    fn import(&self) -> What {
        let tokens: TokenStream = self.rest().iter().cloned().collect();
        match syn::parse2::<syn::ItemUse>(tokens) {
            Ok(import) => {
                let mut imports = Vec::new();
                let start = NamePath { leading_colon: import.leading_colon.is_some(), segments: Vec::new() };
                flatten(&import.tree, start, &mut imports);
                What::Import(imports)
            }
            Err(error) => self.unreadable(&error),
        }
    }

    fn extern_crate(&self, outer: &Attributes) -> What {
        let Some(name) = self.token(2).and_then(plain) else { return self.unknown() };
        let renamed = is_word(self.token(3), "as").then(|| self.token(4).and_then(plain)).flatten();
        let alias = renamed.unwrap_or_else(|| name.clone());
        What::ExternCrate { name, alias, all_macros: outer.all_macros }
    }

    fn members(&self, prefix: Vec<String>, type_name: Option<String>) -> What {
        match self.braces() {
            Some(braces) => What::Members { prefix, type_name, items: read(self.text, braces.stream()).0 },
            None => What::Other,
        }
    }

    fn implementation(&self) -> What {
        if self.braces().is_none() {
            return self.unknown();
        }
        let header: TokenStream = self.tokens[self.word..self.length - 1].iter().cloned().collect();
        match syn::parse2::<syn::ItemImpl>(quote::quote!(#header {})) {
            Ok(header) => {
                let of_trait = header.trait_.as_ref().and_then(|(path, _)| path.segments.last());
                let mut prefix = vec![type_name(&header.self_ty)];
                prefix.extend(of_trait.map(|segment| unraw(&segment.ident)));
                self.members(prefix, None)
            }
            Err(error) => self.unreadable(&error),
        }
    }

    fn constant(&self) -> What {
        if !groups(self.rest()).any(|group| may_hold_items(self.text.inside(group))) {
            return What::Other;
        }
        // `const _: () = { … };` and what else is evaluated.
        match self.evaluated() {
            Ok(nodes) => What::Block(nodes),
            Err(error) => self.unreadable(&error),
        }
    }

    fn type_definition(&self, name: String) -> What {
        // A discriminant is evaluated: `enum Bits { One = { fn one() … } }`.
        if !self.braces().is_some_and(|braces| has_function(self.text.inside(braces))) {
            return What::Type { name };
        }
        match self.evaluated() {
            Ok(items) => What::Members { prefix: Vec::new(), type_name: Some(name), items },
            Err(error) => self.unreadable(&error),
        }
    }

    /// The items in what the compiler evaluates of this one.
    fn evaluated(&self) -> syn::Result<Nodes> {
        let item: syn::Item = syn::parse2(self.rest().iter().cloned().collect())?;
        let mut inner = Inner { text: self.text, nodes: Vec::new() };
        inner.visit_item(&item);
        Ok(inner.nodes.into())
    }

    fn rules(&self, name: String, exported: bool) -> What {
        let tokens = self.rest().iter().skip(2).cloned().collect();
        What::Rules { name, exported, tokens, last_line: self.last_line() }
    }

    fn call(&self) -> What {
        let Some((path, _)) = attributes::path(self.rest()) else { return self.unknown() };
        let tokens = groups(self.rest()).map(Group::stream).collect();
        What::Call { path, tokens, last_line: self.last_line() }
    }

    /// What no item begins with: the parser may know better.
    fn unknown(&self) -> What {
        let tokens: TokenStream = self.tokens[..self.length].iter().cloned().collect();
        match syn::parse2::<syn::Item>(tokens) {
            Ok(_) => What::Other,
            Err(error) => self.unreadable(&error),
        }
    }

    fn unreadable(&self, error: &syn::Error) -> What {
        What::Unreadable { why: format!("does not parse: {error}"), last_line: self.last_line() }
    }
}

/// The groups among `tokens`.
fn groups(tokens: &[TokenTree]) -> impl Iterator<Item = &Group> {
    tokens.iter().filter_map(|token| match token {
        TokenTree::Group(group) => Some(group),
        _ => None,
    })
}

/// How many of the first tokens are qualifiers.
fn qualifiers(tokens: &[TokenTree]) -> usize {
    let mut at = 0;
    while let Some(TokenTree::Ident(word)) = tokens.get(at) {
        if !QUALIFIERS.iter().any(|qualifier| word == qualifier) {
            break;
        }
        let next = tokens.get(at + 1);
        let abi = usize::from(word == "extern" && matches!(next, Some(TokenTree::Literal(_))));
        match tokens.get(at + 1 + abi) {
            // `const NAME`, `extern crate`, `extern { … }`, a macro that is called like a qualifier.
            Some(TokenTree::Ident(next)) if is_qualified(next) => at += 1 + abi,
            Some(TokenTree::Group(_)) if abi == 1 => return at,
            _ => break,
        }
    }
    at
}

/// Whether `word` can follow a qualifier.
fn is_qualified(word: &proc_macro2::Ident) -> bool {
    ["fn", "impl", "trait", "mod", "static", "type"].iter().chain(&QUALIFIERS).any(|known| word == known)
}

fn is_arrow(tokens: &[TokenTree], at: usize) -> bool {
    at.checked_sub(1).is_some_and(|before| is_punct(tokens.get(before), '-') || is_punct(tokens.get(before), '='))
}

fn unraw(ident: &syn::Ident) -> String {
    use syn::ext::IdentExt as _;
    ident.unraw().to_string()
}

/// The names of a tree of imports.
fn flatten(tree: &syn::UseTree, before: NamePath, imports: &mut Vec<Import>) {
    let with = |ident: &syn::Ident| {
        let mut path = before.clone();
        path.segments.push(unraw(ident));
        path
    };
    match tree {
        syn::UseTree::Path(path) => flatten(&path.tree, with(&path.ident), imports),
        syn::UseTree::Name(name) if name.ident == "self" => {
            imports.push(Import { name: before.segments.last().cloned(), path: before });
        }
        syn::UseTree::Name(name) => imports.push(Import { path: with(&name.ident), name: Some(unraw(&name.ident)) }),
        syn::UseTree::Rename(renamed) => {
            let path = if renamed.ident == "self" { before.clone() } else { with(&renamed.ident) };
            imports.push(Import { path, name: Some(unraw(&renamed.rename)) });
        }
        syn::UseTree::Glob(_) => imports.push(Import { path: before, name: None }),
        syn::UseTree::Group(group) => group.items.iter().for_each(|tree| flatten(tree, before.clone(), imports)),
    }
}

/// The name of a type in a path: generic arguments dropped, references looked through.
fn type_name(ty: &syn::Type) -> String {
    match ty {
        syn::Type::Path(path) => path.path.segments.last().map_or_else(|| "type".into(), |last| unraw(&last.ident)),
        syn::Type::Reference(inner) => type_name(&inner.elem),
        syn::Type::Paren(inner) => type_name(&inner.elem),
        syn::Type::Group(inner) => type_name(&inner.elem),
        syn::Type::Slice(_) => "slice".into(),
        syn::Type::Array(_) => "array".into(),
        syn::Type::Tuple(tuple) if tuple.elems.is_empty() => "unit".into(),
        syn::Type::Tuple(_) => "tuple".into(),
        syn::Type::Ptr(_) => "pointer".into(),
        syn::Type::Never(_) => "never".into(),
        syn::Type::FnPtr(_) => "fn".into(),
        syn::Type::TraitObject(object) => object
            .bounds
            .iter()
            .find_map(|bound| match bound {
                syn::TypeParamBound::Trait(bound) => bound.path.segments.last().map(|last| unraw(&last.ident)),
                _ => None,
            })
            .unwrap_or_else(|| "dyn".into()),
        _ => "type".into(),
    }
}

/// Whether a body has to be parsed because an item, or a macro with one, may stand in it.
pub(super) fn may_hold_items(body: &str) -> bool {
    let is_gap = |rest: &str, wanted: &[char]| rest.trim_start().starts_with(wanted);
    // Of `{:#?}` and `include_str!` there are many, and they hold none.
    has_function(body)
        || has_word(body, "#", |rest| is_gap(rest, &['[', '/']))
        || has_word(body, "include", |rest| is_gap(rest, &['!', '/']))
        || has_word(body, "macro_rules", |_| true)
        || has_word(body, "spans", |_| true)
        // A declaration, whatever the name that `spans!` has here.
        || has_word(body, "id", |rest| rest.trim_start().strip_prefix('=').is_some_and(|rest| is_gap(rest, &['"', 'r', '/'])))
}

/// Whether a function may stand in `text`: `fn(u8)` is a type.
fn has_function(text: &str) -> bool {
    has_word(text, "fn", |rest| !rest.starts_with('('))
}

/// Whether `word` stands in `text` by itself, before what `is_before` accepts.
fn has_word(text: &str, word: &str, is_before: impl Fn(&str) -> bool) -> bool {
    let is_part = |letter: char| letter.is_alphanumeric() || letter == '_';
    let is_name = word.starts_with(is_part);
    text.match_indices(word).any(|(at, _)| {
        let rest = &text[at + word.len()..];
        let is_whole = !is_name || !(text[..at].ends_with(is_part) || rest.starts_with(is_part));
        is_whole && is_before(rest)
    })
}

/// The items in a body, in blocks as they share names.
fn items_in(text: &Text, body: &Group, name: &str) -> Vec<Node> {
    if !may_hold_items(text.inside(body)) {
        return Vec::new();
    }
    match syn::parse2::<syn::Block>(TokenTree::Group(body.clone()).into()) {
        Ok(block) => {
            let mut inner = Inner { text, nodes: Vec::new() };
            inner.visit_block(&block);
            inner.nodes
        }
        Err(error) => {
            let what = What::Unreadable {
                why: format!("the body of `{name}` does not parse: {error}"),
                last_line: body.span_close().end().line,
            };
            vec![bare(body.span_open(), what)]
        }
    }
}

fn bare(span: proc_macro2::Span, what: What) -> Node {
    Node {
        position: position(span),
        cfg: Vec::new(),
        visibility: Visibility::Private,
        attributes: Vec::new(),
        item: TokenStream::new(),
        written: Rc::default(),
        doc: String::new(),
        what,
    }
}

/// Collects the blocks that have items.
struct Inner<'a> {
    text: &'a Text,
    nodes: Vec<Node>,
}

impl Visit<'_> for Inner<'_> {
    fn visit_block(&mut self, block: &syn::Block) {
        let mut items = TokenStream::new();
        let outside = std::mem::take(&mut self.nodes);
        for statement in &block.stmts {
            match statement {
                syn::Stmt::Item(item) => item.to_tokens(&mut items),
                other => self.visit_stmt(other),
            }
        }
        let nested = std::mem::replace(&mut self.nodes, outside);
        let tokens: Vec<TokenTree> = items.into_iter().collect();
        let mut nodes = list(self.text, &tokens);
        nodes.extend(nested);
        if !nodes.is_empty() {
            self.nodes.push(bare(block.brace_token.span.open(), What::Block(nodes.into())));
        }
    }

    fn visit_macro(&mut self, call: &syn::Macro) {
        let path = NamePath {
            leading_colon: call.path.leading_colon.is_some(),
            segments: call.path.segments.iter().map(|segment| unraw(&segment.ident)).collect(),
        };
        let span = call.delimiter.span();
        let what = What::Call { path, tokens: call.tokens.clone(), last_line: span.close().end().line };
        let start = call.path.segments.first().map_or(span.open(), |segment| segment.ident.span());
        self.nodes.push(bare(start, what));
    }
}
