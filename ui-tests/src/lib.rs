//! Reads a source file as the compiler would and expands the attributes and declarations in it, so that the corpus under `pass/` can be looked at.
//!
//! In: the text of a file. Out: each annotated function or `spans!` and its expansion, through prettyplease.

use std::fmt::Write as _;

use proc_macro2::TokenStream;
use quote::ToTokens;
use spanwright_macros_core::{Kind, attribute, compiled_out, spans};
use syn::{Attribute, File, ImplItem, Item, Meta, TraitItem};

/// One annotated function, or one `spans!`.
#[derive(Debug)]
pub struct Annotated {
    /// The function's name, or `spans!`.
    pub name: String,
    /// As written, without our attribute; nothing for a `spans!`.
    pub plain: String,
    /// As expanded.
    pub expanded: String,
    /// As expanded where tracing is compiled out.
    pub compiled_out: String,
}

/// The functions in `source` whose outermost attribute of ours is one of the ten, and the `spans!`, in source order.
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

/// The same where tracing is compiled out.
pub fn expansions_compiled_out(source: &str) -> String {
    let mut text = String::new();
    for Annotated { name, compiled_out, .. } in annotated(source) {
        let _ = writeln!(text, "// {name}\n{compiled_out}");
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
            Item::Mod(module) => {
                expand(&module.attrs, &module.ident, module, Place::Module, found);
                items(module.content.as_ref().map_or(&[], |(_, items)| items), found);
            }
            Item::Struct(item) => expand(&item.attrs, &item.ident, item, Place::Module, found),
            Item::Enum(item) => expand(&item.attrs, &item.ident, item, Place::Module, found),
            Item::Const(item) => expand(&item.attrs, &item.ident, item, Place::Module, found),
            Item::Impl(block) => {
                expand(&block.attrs, &syn::parse_quote!(implementation), block, Place::Module, found);
                for item in &block.items {
                    if let ImplItem::Fn(method) = item {
                        expand(&method.attrs, &method.sig.ident, method, Place::Trait, found);
                    }
                }
            }
            Item::Trait(block) => {
                expand(&block.attrs, &block.ident, block, Place::Module, found);
                for item in &block.items {
                    if let TraitItem::Fn(method) = item {
                        expand(&method.attrs, &method.sig.ident, method, Place::Trait, found);
                    }
                }
            }
            Item::Macro(item) if item.mac.path.segments.last().is_some_and(|last| last.ident == "spans") => {
                let expanded = print(spans(item.mac.tokens.clone()), Place::Module);
                let compiled_out = expanded.clone();
                found.push(Annotated { name: "spans!".to_owned(), plain: String::new(), expanded, compiled_out });
            }
            Item::ForeignMod(block) => {
                for item in &block.items {
                    if let syn::ForeignItem::Fn(function) = item {
                        expand(&function.attrs, &function.sig.ident, function, Place::Foreign, found);
                    }
                }
            }
            _ => {}
        }
    }
}

#[derive(Clone, Copy)]
enum Place {
    Module,
    /// Where a function may say `self` and may have no body.
    Trait,
    Foreign,
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
    let expanded = attribute(kind, args.clone(), plain.clone());
    let compiled_out = compiled_out(kind, args, plain.clone());
    found.push(Annotated {
        name: name.to_string(),
        plain: print(plain, place),
        expanded: print(expanded, place),
        compiled_out: print(compiled_out, place),
    });
}

fn print(tokens: TokenStream, place: Place) -> String {
    let file = match place {
        Place::Module => tokens,
        Place::Trait => quote::quote!(trait Place { #tokens }),
        Place::Foreign => quote::quote!(unsafe extern "C" { #tokens }),
    };
    let file: File = syn::parse2(file).expect("an expansion is valid Rust");
    let text = prettyplease::unparse(&file);
    match place {
        Place::Module => text,
        Place::Trait | Place::Foreign => {
            let lines: Vec<_> = text.lines().collect();
            let inner = lines.get(1..lines.len() - 1).unwrap_or_default();
            inner.iter().map(|line| format!("{}\n", line.strip_prefix("    ").unwrap_or(line))).collect()
        }
    }
}
