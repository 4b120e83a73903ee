//! The syntax of a declaration: tokens become spans and attributes as they stand, in the order of the source.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::spanned::Spanned;
use syn::{Attribute, Ident, LitStr, Path, Token, Type, Visibility, braced, parenthesized, token};

use super::arguments::{self, Arguments};
use super::kinds;
use crate::diag::{Mistakes, err};
use crate::item::plain;
use crate::kind::Kind;
use crate::name::setter;

/// A declaration as it stands.
#[derive(Debug, Default)]
pub(super) struct Written {
    /// `crate = ::path;`
    pub facade: Option<Path>,
    pub spans: Vec<WrittenSpan>,
}

/// `pub node Collect(id = "…") { … }`
#[derive(Debug)]
pub(super) struct WrittenSpan {
    pub attrs: Vec<Attribute>,
    pub vis: Visibility,
    /// `None` where the word is unknown.
    pub kind: Option<Kind>,
    pub ident: Ident,
    pub arguments: Arguments,
    /// The span whose braces it stands in, by index.
    pub nested_in: Option<usize>,
    pub attributes: Vec<WrittenAttribute>,
}

/// `home.name: str`
#[derive(Debug)]
pub(super) struct WrittenAttribute {
    pub attrs: Vec<Attribute>,
    pub key: LitStr,
    pub setter: Ident,
    pub ty: Option<Type>,
}

impl WrittenSpan {
    /// The name of the item as the user reads it.
    pub(super) fn item(&self) -> String {
        plain(&self.ident)
    }
}

/// Reads what it can.
pub(super) fn read(tokens: TokenStream, mistakes: &mut Mistakes) -> Written {
    let mut written = Written::default();
    let parser = |input: ParseStream<'_>| {
        if input.peek(Token![crate]) && input.peek2(Token![=]) {
            match facade(input) {
                Ok(path) => written.facade = Some(path),
                Err(error) => recover(error, input, mistakes),
            }
        }
        entries(input, None, &mut written, mistakes);
        Ok(())
    };
    // Every token is read or skipped, so there is nothing left to complain about.
    let _ = parser.parse2(tokens);
    written
}

fn facade(input: ParseStream<'_>) -> syn::Result<Path> {
    input.parse::<Token![crate]>()?;
    input.parse::<Token![=]>()?;
    let path = input.call(Path::parse_mod_style)?;
    if !input.peek(Token![;]) {
        return Err(err!(path, "a `;` is missing after the path of the crate").into());
    }
    input.parse::<Token![;]>()?;
    Ok(path)
}

/// What stands between two braces, or in the whole declaration.
fn entries(input: ParseStream<'_>, within: Option<usize>, written: &mut Written, mistakes: &mut Mistakes) {
    while !input.is_empty() {
        if let Err(error) = entry(input, within, written, mistakes) {
            recover(error, input, mistakes);
        }
    }
}

/// Keeps the mistake and goes on behind the next `,`, `;` or `{ … }`.
fn recover(error: syn::Error, input: ParseStream<'_>, mistakes: &mut Mistakes) {
    mistakes.push(error.into());
    while let Ok(token) = input.parse::<TokenTree>() {
        match token {
            TokenTree::Punct(punct) if [',', ';'].contains(&punct.as_char()) => return,
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => return,
            _ => {}
        }
    }
}

fn entry(
    input: ParseStream<'_>,
    within: Option<usize>,
    written: &mut Written,
    mistakes: &mut Mistakes,
) -> syn::Result<()> {
    let attrs = input.call(Attribute::parse_outer)?;
    let vis: Visibility = input.parse()?;
    if input.is_empty() {
        let message = "nothing follows: write what this documents, or remove it";
        let at = attrs.last().map_or_else(|| vis.span(), Spanned::span);
        return Err(syn::Error::new(at, message));
    }
    let opens_item = input.peek(Ident::peek_any) && (input.peek2(Ident::peek_any) || input.peek2(token::Paren));
    match within {
        Some(index) if !opens_item => {
            let attribute = attribute(input, attrs, &vis, mistakes)?;
            written.spans[index].attributes.extend(attribute);
            Ok(())
        }
        _ => span(input, attrs, vis, within, written, mistakes),
    }
}

/// `node Collect(id = "…");` or `node Collect(id = "…") { … }`
fn span(
    input: ParseStream<'_>,
    attrs: Vec<Attribute>,
    vis: Visibility,
    within: Option<usize>,
    written: &mut Written,
    mistakes: &mut Mistakes,
) -> syn::Result<()> {
    let (word, ident) = heading(input, within)?;
    let arguments;
    parenthesized!(arguments in input);
    let arguments = arguments::read(arguments.parse()?, mistakes);
    let index = written.spans.len();
    let kind = mistakes.keep(kinds::read(&word));
    let attributes = Vec::new();
    written.spans.push(WrittenSpan { attrs, vis, kind, ident, arguments, nested_in: within, attributes });
    if input.peek(token::Brace) {
        let content;
        braced!(content in input);
        entries(&content, Some(index), written, mistakes);
        return Ok(());
    }
    if input.peek(Token![;]) {
        input.parse::<Token![;]>()?;
        return Ok(());
    }
    let span = &written.spans[index];
    mistakes.push(err!(span.ident, "a `;` or `{{ … }}` is missing after the span `{}`", span.item()));
    Ok(())
}

/// `node Collect`, up to the parentheses.
fn heading(input: ParseStream<'_>, within: Option<usize>) -> syn::Result<(Ident, Ident)> {
    const FORM: &str =
        "write a span as `node Name(id = \"…\");`, or with `{ … }` around its attributes and the spans under it";
    let word = input.call(Ident::parse_any).map_err(|error| syn::Error::new(error.span(), FORM))?;
    let is_kind = Kind::of_word(&plain(&word)).is_some();
    if !input.peek(Ident::peek_any) {
        return Err(match (is_kind, input.peek(token::Paren)) {
            (true, _) => err!(word, "the name of the span is missing: write `{word} Name(id = \"…\")`"),
            (false, true) => err!(word, "the kind of the span is missing: write `node {word}(…)`, or another kind"),
            (false, false) => err!(word, "an attribute stands in the braces of its span: move `{word}` there"),
        }
        .into());
    }
    let ident: Ident = input.parse()?;
    if !input.peek(token::Paren) {
        return Err(match within {
            Some(_) if !is_kind => err!(word, "write an attribute as `{word}: {ident}`"),
            _ if is_kind => err!(ident, "`{ident}` has no id: write `{word} {ident}(id = \"…\")`"),
            _ => err!(word, "{FORM}"),
        }
        .into());
    }
    Ok((word, ident))
}

/// `home.name: str`, `gen_ai.request.temperature`
fn attribute(
    input: ParseStream<'_>,
    attrs: Vec<Attribute>,
    vis: &Visibility,
    mistakes: &mut Mistakes,
) -> syn::Result<Option<WrittenAttribute>> {
    const FORM: &str = "write an attribute as `name: type`, a nested span as `node Name(id = \"…\");`";
    let first = input.call(Ident::parse_any).map_err(|error| syn::Error::new(error.span(), FORM))?;
    let mut name = plain(&first);
    while input.parse::<Option<Token![.]>>()?.is_some() {
        let word = input.call(Ident::parse_any);
        let word =
            word.map_err(|error| syn::Error::new(error.span(), "a word of the name is missing after its `.`"))?;
        name.push('.');
        name.push_str(&plain(&word));
    }
    let key = LitStr::new(&name, first.span());
    let ty = match input.parse::<Option<Token![:]>>()? {
        Some(colon) if input.is_empty() || input.peek(Token![,]) => {
            return Err(err!(colon, "`{name}` has no type after its `:`: write `{name}: str`, or another type").into());
        }
        Some(_) => Some(input.parse::<Type>()?),
        None => None,
    };
    if !input.is_empty() && !input.peek(Token![,]) {
        let what = if input.peek(Token![;]) { "an attribute ends with `,`" } else { FORM };
        return Err(syn::Error::new(input.span(), what));
    }
    input.parse::<Option<Token![,]>>()?;
    // The attribute has been read to its end: what is wrong with it takes no other one along.
    if !matches!(vis, Visibility::Inherited) {
        mistakes.push(err!(vis, "an attribute is as visible as its span: remove this"));
    }
    let setter = setter(&key);
    if setter.is_none() {
        mistakes.push(err!(key, "`{name}` is no name for an attribute: no method can be called so"));
    }
    Ok(setter.map(|setter| WrittenAttribute { attrs, key, setter, ty }))
}
