//! `spans!`: declared spans become Rust items.

use proc_macro2::TokenStream;

use crate::diag::Errors;
use crate::model::Declaration;

pub(crate) fn parse(_: TokenStream) -> Result<Declaration, Errors> {
    Ok(Declaration { spans: Vec::new(), facade: None })
}

pub(crate) fn expand(_: TokenStream) -> TokenStream {
    TokenStream::new()
}
