//! The table becomes the typed keys of the runtime.

use proc_macro2::{Ident, Span, TokenStream};
use quote::quote;

use super::{MLFLOW_VERSION, NAMESPACES, Namespace, SCHEMA_URL, Standard, Type, VERSION};
use crate::name::snake_case;

/// Output, in a module that has `Key` and `Json`:
/// ```text
/// pub const VERSION: &str = "…";
/// pub mod gen_ai { pub const REQUEST_TEMPERATURE: Key<f64> = Key::new("gen_ai.request.temperature"); … }
/// ```
pub fn keys() -> TokenStream {
    let modules = NAMESPACES.iter().map(module);
    quote! {
        /// The version of the OpenTelemetry GenAI conventions behind [`gen_ai`].
        pub const VERSION: &str = #VERSION;

        /// The schema of [`VERSION`].
        pub const SCHEMA_URL: &str = #SCHEMA_URL;

        /// The version of MLflow behind [`mlflow`].
        pub const MLFLOW_VERSION: &str = #MLFLOW_VERSION;

        #(#modules)*
    }
}

fn module(Namespace { name, attributes }: &Namespace) -> TokenStream {
    let doc = format!("The attributes `{name}.*`.");
    let module = Ident::new(name, Span::call_site());
    let keys = attributes.iter().map(|Standard { key, ty, brief, stability }| {
        let own = key.strip_prefix(name).unwrap_or(key).trim_start_matches('.');
        let constant = Ident::new(&constant(own), Span::call_site());
        let doc = format!("`{key}`, {}: {brief} Stability: {stability}.", ty.rust());
        let ty = value(*ty);
        quote! {
            #[doc = #doc]
            pub const #constant: Key<#ty> = Key::new(#key);
        }
    });
    quote! {
        #[doc = #doc]
        pub mod #module {
            use super::{Json, Key};

            #(#keys)*
        }
    }
}

/// `chat.tokenUsage` as `CHAT_TOKEN_USAGE`.
fn constant(key: &str) -> String {
    key.split('.').map(snake_case).collect::<Vec<_>>().join("_").to_uppercase()
}

/// The type that stands for it in `Key<…>`.
fn value(ty: Type) -> TokenStream {
    match ty {
        Type::Bool => quote!(bool),
        Type::Int => quote!(i64),
        Type::Double => quote!(f64),
        Type::Text => quote!(str),
        Type::Texts => quote!([&'static str]),
        Type::Any => quote!(Json),
    }
}
