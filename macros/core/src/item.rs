//! The annotated function: signature parsed, body kept as tokens.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use quote::ToTokens;
use syn::parse::discouraged::Speculative;
use syn::parse::{ParseStream, Parser};
use syn::spanned::Spanned;
use syn::{Attribute, FnArg, Ident, Pat, ReceiverKind, Signature, Token, Type, Visibility};

use crate::diag::err;
use crate::kind::Kind;

/// A function as it was written.
#[derive(Clone, Debug)]
pub struct Item {
    /// Everything above the function but our own attribute: docs, `cfg`, lints, other macros.
    pub attrs: Vec<Attribute>,
    /// Visibility.
    pub vis: Visibility,
    /// `default` of a specialised method.
    pub defaultness: Option<Token![default]>,
    /// From `fn` or its qualifiers to the last bound.
    pub sig: Signature,
    /// `#![…]` at the start of the body.
    pub inner_attrs: TokenStream,
    /// The body in its own braces, without the inner attributes.
    pub body: Group,
}

/// Reads a function, or says what stands there instead.
pub(crate) fn parse(kind: Kind, item: TokenStream) -> darling::Result<Item> {
    let parser = |input: ParseStream<'_>| read(kind, input);
    parser.parse2(item).map_err(darling::Error::from)
}

fn read(kind: Kind, input: ParseStream<'_>) -> syn::Result<Item> {
    let attrs = input.call(Attribute::parse_outer)?;
    let vis = input.parse()?;
    let defaultness = if input.peek2(Token![=>]) { None } else { input.parse::<Option<Token![default]>>()? };
    let ahead = input.fork();
    let Ok(sig) = ahead.parse::<Signature>() else { return Err(not_a_function(kind, input)) };
    input.advance_to(&ahead);
    if input.peek(Token![;]) {
        let error = err!(
            sig.ident,
            "`{}` has no body to trace: put {kind} on the functions that implement it, or give it a default body",
            sig.ident
        );
        return Err(error.into());
    }
    let (inner_attrs, body) = split_inner_attributes(block(input)?);
    Ok(Item { attrs, vis, defaultness, sig, inner_attrs, body })
}

fn not_a_function(kind: Kind, input: ParseStream<'_>) -> syn::Error {
    let noun = match input.cursor().token_tree() {
        Some((TokenTree::Ident(word), _)) => match word.to_string().as_str() {
            "struct" => "a struct",
            "enum" => "an enum",
            "union" => "a union",
            "trait" => "a trait: annotate its methods that have a body",
            "impl" | "unsafe" => "an impl block: annotate its methods",
            "mod" => "a module: annotate its functions",
            "const" => "a constant",
            "static" => "a static",
            "type" => "a type alias",
            "use" => "an import",
            "extern" => "an extern block",
            _ => "something else",
        },
        _ => "something else",
    };
    let error = match input.cursor().token_tree() {
        Some((token, _)) => err!(token, "{kind} goes on a function, and this is {noun}"),
        None => err!(input.span(), "{kind} goes on a function"),
    };
    error.into()
}

/// The body in its braces, which a `macro_rules!` may have wrapped in invisible ones.
fn block(input: ParseStream<'_>) -> syn::Result<Group> {
    let mut token: TokenTree = input.parse()?;
    loop {
        match token {
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => return Ok(group),
            TokenTree::Group(group) if group.delimiter() == Delimiter::None => {
                token = syn::parse2(group.stream())?;
            }
            other => return Err(err!(other, "the body of the function is expected here").into()),
        }
    }
}

/// `#![…]` only stands at the very start of a block, where the expansion puts its own first statement.
fn split_inner_attributes(block: Group) -> (TokenStream, Group) {
    let mut attrs = TokenStream::new();
    let mut rest: Vec<TokenTree> = block.stream().into_iter().collect();
    if !matches!(rest.first(), Some(TokenTree::Punct(hash)) if hash.as_char() == '#') {
        return (attrs, block);
    }
    while let [TokenTree::Punct(hash), TokenTree::Punct(bang), TokenTree::Group(group), ..] = rest.as_slice() {
        if hash.as_char() != '#' || bang.as_char() != '!' || group.delimiter() != Delimiter::Bracket {
            break;
        }
        attrs.extend(rest.drain(..3));
    }
    let mut body = Group::new(Delimiter::Brace, rest.into_iter().collect());
    body.set_span(block.span());
    (attrs, body)
}

/// What a parameter is to the expansion.
pub(crate) enum Parameter<'a> {
    /// `self` in any form.
    Receiver(&'a syn::Receiver),
    /// `a: T` or `mut a: T`.
    Named { ident: &'a Ident, typed: &'a syn::PatType },
    /// `_: T`.
    Ignored(&'a syn::PatType),
    /// Any other pattern.
    Destructured(&'a syn::PatType),
}

impl Item {
    /// The parameters in declaration order.
    pub(crate) fn parameters(&self) -> impl Iterator<Item = Parameter<'_>> {
        self.sig.inputs.iter().map(Parameter::of)
    }

    /// The parameters that are plain names.
    pub(crate) fn named(&self) -> impl Iterator<Item = &Ident> {
        self.parameters().filter_map(|parameter| match parameter {
            Parameter::Named { ident, .. } => Some(ident),
            _ => None,
        })
    }
}

impl<'a> Parameter<'a> {
    pub(crate) fn of(argument: &'a FnArg) -> Self {
        match argument {
            FnArg::Receiver(receiver) => Self::Receiver(receiver),
            FnArg::Typed(typed) => match &*typed.pat {
                Pat::Ident(name) if name.by_ref.is_none() && name.subpat.is_none() => {
                    Self::Named { ident: &name.ident, typed }
                }
                Pat::Wild(_) => Self::Ignored(typed),
                _ => Self::Destructured(typed),
            },
        }
    }

    /// Whether the function drops the argument: a reference is nobody's to drop.
    pub(crate) fn is_owned(&self) -> bool {
        match self {
            Self::Receiver(receiver) => match &receiver.kind {
                ReceiverKind::Value => true,
                ReceiverKind::Typed(_, ty) => !is_reference(ty),
                _ => false,
            },
            Self::Named { typed, .. } | Self::Ignored(typed) | Self::Destructured(typed) => !is_reference(&typed.ty),
        }
    }

    /// The conditions under which the parameter exists.
    pub(crate) fn cfg(&self) -> Vec<Attribute> {
        let attrs = match self {
            Self::Receiver(receiver) => &receiver.attrs,
            Self::Named { typed, .. } | Self::Ignored(typed) | Self::Destructured(typed) => &typed.attrs,
        };
        attrs.iter().filter(|attr| attr.path().is_ident("cfg")).cloned().collect()
    }
}

fn is_reference(ty: &Type) -> bool {
    match ty {
        Type::Reference(_) => true,
        Type::Paren(inner) => is_reference(&inner.elem),
        Type::Group(inner) => is_reference(&inner.elem),
        _ => false,
    }
}

/// The name as the user reads it: without `r#`.
pub(crate) fn plain(ident: &Ident) -> String {
    let written = ident.to_string();
    written.strip_prefix("r#").map_or(written.clone(), str::to_owned)
}

impl ToTokens for Item {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let Self { attrs, vis, defaultness, sig, inner_attrs, body } = self;
        let mut block = Group::new(Delimiter::Brace, [inner_attrs.clone(), body.stream()].into_iter().collect());
        block.set_span(body.span());
        tokens.extend(quote::quote!(#(#attrs)* #vis #defaultness #sig #block));
    }
}

impl Item {
    /// Where the type of the returned value stands, or the name of the function where it returns nothing.
    pub(crate) fn return_span(&self) -> proc_macro2::Span {
        match &self.sig.output {
            syn::ReturnType::Default => self.sig.ident.span(),
            syn::ReturnType::Type(_, ty) => ty.span(),
        }
    }
}
