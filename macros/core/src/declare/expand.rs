//! A [`Declaration`] becomes items. Cannot fail.
//!
//! Outputs are shown with `p` for the path of the private module.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::Attribute;

use crate::item::plain;
use crate::model::{AttributeType, Declaration, DeclaredAttribute, DeclaredSpan, Parent};
use crate::private::{Private, hidden, place};

use super::check::CONTRACT;

/// Input:  `pub node Collect(id = "…") { … }`, any number of them
/// Output: an item for each, and `pub const CONTRACT: p::Contract = p::Contract { spans: &[<Collect as p::Declared>::SPAN] };`
///
/// The spans in `open_kinds` may be named by any attribute.
pub(super) fn items(declaration: &Declaration, open_kinds: &[usize]) -> TokenStream {
    let p = &Private::new(declaration.facade.as_ref());
    let spans = &declaration.spans;
    let name = |index: usize| plain(&spans[index].ident);
    let is_free = |index: &usize| name(*index) != CONTRACT && !(0..*index).any(|other| name(other) == name(*index));
    let indices: Vec<usize> = (0..spans.len()).filter(is_free).collect();
    let emitted = indices.iter().map(|&index| {
        let emit = Emit { declaration, span: &spans[index], p, cfg: declaration.conditions(index) };
        emit.item(open_kinds.contains(&index))
    });
    let listed = indices.iter().map(|&index| {
        let (cfg, ident) = (declaration.conditions(index), &spans[index].ident);
        hidden!(#(#cfg)* <#ident as #p::Declared>::SPAN)
    });
    let contract = hidden! {
        /// The spans declared here.
        pub const CONTRACT: #p::Contract = #p::Contract { spans: &[#(#listed),*] };
    };
    quote!(#(#emitted)* #contract)
}

struct Emit<'a> {
    declaration: &'a Declaration,
    span: &'a DeclaredSpan,
    p: &'a Private,
    /// Conditions under which it exists.
    cfg: Vec<&'a Attribute>,
}

impl Emit<'_> {
    /// Output: the handle, what it is declared as, its setters, and the questions to parents declared elsewhere
    fn item(&self, any_kind: bool) -> TokenStream {
        let (handle, declared) = (self.handle(), self.declared(any_kind));
        let (setters, questions) = (self.setters(), self.questions());
        let (p, cfg, ident) = (self.p, &self.cfg, &self.span.ident);
        let any = any_kind.then(|| hidden!(#(#cfg)* impl<K> #p::MadeBy<K, #ident> for #ident {}));
        quote!(#handle #declared #setters #(#questions)* #any)
    }

    /// Output:
    /// ```text
    /// #[derive(Clone, Copy, Debug)]
    /// pub struct Collect(p::OpenSpan);
    /// impl Deref for Collect { type Target = p::OpenSpan; … }
    /// ```
    fn handle(&self) -> TokenStream {
        let (p, cfg) = (self.p, &self.cfg);
        let DeclaredSpan { attrs, vis, ident, kind, id, .. } = self.span;
        let own = attrs.iter().filter(|attr| !attr.path().is_ident("cfg"));
        let doc = undocumented(attrs).then(|| {
            let text = format!(" The span `{}`, made by {kind}.", id.value());
            hidden!(#[doc = #text])
        });
        // At the name, where rustc says which span lacks a method.
        let structure = quote_spanned!(ident.span()=> struct #ident(#p::OpenSpan););
        let item = hidden! {
            #[derive(::core::clone::Clone, ::core::marker::Copy, ::core::fmt::Debug)]
            #vis #structure

            #(#cfg)*
            impl ::core::ops::Deref for #ident {
                type Target = #p::OpenSpan;

                fn deref(&self) -> &#p::OpenSpan {
                    &self.0
                }
            }
        };
        quote!(#(#cfg)* #(#own)* #doc #item)
    }

    /// Output: `impl p::Declared for Collect { type Kind = p::kind::NodeSpan; const ID: &'static str = "…"; … }`
    fn declared(&self, any_kind: bool) -> TokenStream {
        let (p, cfg) = (self.p, &self.cfg);
        let DeclaredSpan { kind, ident, id, name, span_type, leaf, attributes, .. } = self.span;
        let (word, span_type) = (kind.word(), span_type.as_deref().unwrap_or(kind.span_type()));
        let marker = kind.marker();
        let of_kind = if any_kind { ident.to_token_stream() } else { hidden!(#p::kind::#marker) };
        let parents = match &self.span.parents {
            None => hidden!(::core::option::Option::None),
            Some(parents) => {
                let ids = parents.iter().map(|parent| self.parent_id(parent));
                hidden!(::core::option::Option::Some(&[#(#ids),*]))
            }
        };
        let attributes = attributes.iter().map(|DeclaredAttribute { attrs, key, ty, .. }| {
            let (cfg, ty) = (attrs.iter().filter(|attr| attr.path().is_ident("cfg")), ty.wire_name());
            hidden!(#(#cfg)* #p::DeclaredAttribute { key: #key, ty: #ty })
        });
        hidden! {
            #(#cfg)*
            impl #p::Declared for #ident {
                type Kind = #of_kind;

                const ID: &'static ::core::primitive::str = #id;
                const LEAF: ::core::primitive::bool = #leaf;
                const SPAN: &'static #p::DeclaredSpan = &#p::DeclaredSpan {
                    id: #id,
                    name: #name,
                    kind: #word,
                    span_type: #span_type,
                    parents: #parents,
                    leaf: #leaf,
                    attributes: &[#(#attributes),*],
                };

                fn of(span: #p::OpenSpan) -> Self {
                    Self(span)
                }
            }
        }
    }

    fn parent_id(&self, parent: &Parent) -> TokenStream {
        let p = self.p;
        match parent {
            Parent::Root => hidden!(""),
            Parent::Here(index) => self.declaration.spans[*index].id.to_token_stream(),
            // At the path, where something that is no declared span is to be reported.
            Parent::Elsewhere(path) => {
                let at = place(path);
                let p = p.at(at);
                quote_spanned!(at=> <#path as #p::Declared>::ID)
            }
        }
    }

    /// Output: `impl Collect { pub fn entity_count(self, value: u64) -> Self { p::attribute(self.0, "entity_count", &value); self } }`
    fn setters(&self) -> Option<TokenStream> {
        let (cfg, ident) = (&self.cfg, &self.span.ident);
        let setters = self.span.attributes.iter().map(|attribute| self.setter(attribute));
        (!self.span.attributes.is_empty()).then(|| {
            hidden! {
                #(#cfg)*
                impl #ident { #(#setters)* }
            }
        })
    }

    fn setter(&self, DeclaredAttribute { attrs, key, setter, ty, .. }: &DeclaredAttribute) -> TokenStream {
        let (p, vis) = (self.p, &self.span.vis);
        let doc = undocumented(attrs).then(|| {
            let text = format!(" Sets `{}`.", key.value());
            hidden!(#[doc = #text])
        });
        let parameter = self.parameter(ty);
        let value = match ty {
            AttributeType::List(item) if **item == AttributeType::Text => hidden!(&#p::Texts(value)),
            _ => hidden!(&value),
        };
        let method = hidden! {
            #vis fn #setter(self, value: #parameter) -> Self {
                #p::attribute(self.0, #key, #value);
                self
            }
        };
        quote!(#(#attrs)* #doc #method)
    }

    /// Output: `u64`, `&str`, `&[u64]`, `&[impl AsRef<str>]`, `&(impl Serialize + ?Sized)`
    fn parameter(&self, ty: &AttributeType) -> TokenStream {
        let p = self.p;
        match ty {
            AttributeType::Bool => hidden!(::core::primitive::bool),
            AttributeType::Int(word) | AttributeType::Float(word) => {
                let word = Ident::new(word, Span::mixed_site());
                hidden!(::core::primitive::#word)
            }
            AttributeType::Text => hidden!(&::core::primitive::str),
            AttributeType::List(item) if **item == AttributeType::Text => {
                hidden!(&[impl ::core::convert::AsRef<::core::primitive::str>])
            }
            AttributeType::List(item) => {
                let item = self.parameter(item);
                hidden!(&[#item])
            }
            AttributeType::Json => hidden!(&(impl #p::Serialize + ?::core::marker::Sized)),
        }
    }

    /// Output: `const _: () = ::core::assert!(!<other::Path as p::Declared>::LEAF, "…");` for each parent declared elsewhere
    fn questions(&self) -> Vec<TokenStream> {
        let (cfg, child) = (&self.cfg, plain(&self.span.ident));
        let parents = self.span.parents.iter().flatten();
        let elsewhere = parents.filter_map(|parent| match parent {
            Parent::Elsewhere(path) => Some(path),
            _ => None,
        });
        elsewhere
            .map(|path| {
                let parent = path.to_token_stream().to_string().replace(' ', "");
                let message =
                    format!("`{child}` cannot stand under `{parent}`, which is a leaf: remove one of the two");
                let at = place(path);
                let p = self.p.at(at);
                quote_spanned!(at=> #(#cfg)* const _: () = ::core::assert!(!<#path as #p::Declared>::LEAF, #message);)
            })
            .collect()
    }
}

fn undocumented(attrs: &[Attribute]) -> bool {
    !attrs.iter().any(|attr| attr.path().is_ident("doc"))
}
