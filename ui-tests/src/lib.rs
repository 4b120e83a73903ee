//! Reads a source file as the compiler would and expands the attributes in it, so that the corpus under `pass/` can be looked at.
//!
//! In: the text of a file. Out: each annotated function and its expansion, through prettyplease.

use std::fmt::Write as _;

use proc_macro2::TokenStream;
use quote::ToTokens;
use spanwright_macros_core::{Kind, attribute};
use syn::{Attribute, File, ImplItem, Item, Meta, TraitItem};

/// One annotated function.
#[derive(Debug)]
pub struct Annotated {
    /// The function's name.
    pub name: String,
    /// As written, without our attribute.
    pub plain: String,
    /// As expanded.
    pub expanded: String,
}

/// The functions in `source` whose outermost attribute of ours is one of the ten, in source order.
pub fn annotated(source: &str) -> Vec<Annotated> {
    let file = syn::parse_file(source).expect("the corpus is valid Rust");
    let mut found = Vec::new();
    items(&file.items, &mut found);
    found
}

/// All expansions of a file as one text.
pub fn expansions(source: &str) -> String {
    let mut text = String::new();
    for Annotated { name, expanded, .. } in annotated(source) {
        let _ = writeln!(text, "// {name}\n{expanded}");
    }
    text
}

fn items(list: &[Item], found: &mut Vec<Annotated>) {
    for item in list {
        match item {
            Item::Fn(function) => {
                expand(&function.attrs, &function.sig.ident, function, Place::Module, found);
                let nested = function.block.stmts.iter().filter_map(|statement| match statement {
                    syn::Stmt::Item(item) => Some(item.clone()),
                    _ => None,
                });
                items(&nested.collect::<Vec<_>>(), found);
            }
            Item::Mod(module) => items(module.content.as_ref().map_or(&[], |(_, items)| items), found),
            Item::Impl(block) => block.items.iter().for_each(|item| {
                if let ImplItem::Fn(method) = item {
                    expand(&method.attrs, &method.sig.ident, method, Place::Impl, found);
                }
            }),
            Item::Trait(block) => block.items.iter().for_each(|item| {
                if let TraitItem::Fn(method) = item {
                    expand(&method.attrs, &method.sig.ident, method, Place::Impl, found);
                }
            }),
            _ => {}
        }
    }
}

#[derive(Clone, Copy)]
enum Place {
    Module,
    /// A method may say `self`, which only stands in an `impl`.
    Impl,
}

fn expand(attrs: &[Attribute], name: &syn::Ident, item: &impl ToTokens, place: Place, found: &mut Vec<Annotated>) {
    let ours = attrs.iter().find_map(|attr| Some((Kind::of_path(attr.path())?, attr)));
    let Some((kind, ours)) = ours else { return };
    let args = match &ours.meta {
        Meta::List(list) => list.tokens.clone(),
        _ => TokenStream::new(),
    };
    // Only our attribute goes; the compiler hands over the others with the item.
    let written = ours.to_token_stream().to_string();
    let plain: TokenStream = item.to_token_stream().to_string().replacen(&written, "", 1).parse().expect("tokens");
    let expanded = attribute(kind, args, plain.clone());
    found.push(Annotated { name: name.to_string(), plain: print(plain, place), expanded: print(expanded, place) });
}

fn print(tokens: TokenStream, place: Place) -> String {
    let file: File = match place {
        Place::Module => syn::parse2(tokens),
        Place::Impl => syn::parse2(quote::quote!(impl Type { #tokens })),
    }
    .expect("an expansion is valid Rust");
    let text = prettyplease::unparse(&file);
    match place {
        Place::Module => text,
        Place::Impl => text
            .trim_start_matches("impl Type {\n")
            .trim_end_matches("}\n")
            .lines()
            .map(|line| format!("{}\n", line.strip_prefix("    ").unwrap_or(line)))
            .collect(),
    }
}
