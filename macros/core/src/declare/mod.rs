//! `spans!`: declared spans become Rust items.
//!
//! ```text
//! tokens ─► written ─► check ─► lower ─► Declaration ─► expand ─► items
//!            spans,     rules             typed          cannot fail
//!            arguments
//! ```
//!
//! A span or attribute that cannot be read is left out, a wrong part of one is left open, and both are mistakes: so the items of a mistaken declaration
//! still exist, and their uses are no mistakes of their own.

mod arguments;
mod check;
mod expand;
mod kinds;
mod lower;
mod name;
mod types;
mod written;

pub use name::setter;
pub(crate) use name::{is_taken, snake_case};

use proc_macro2::TokenStream;
use quote::quote;

use crate::diag::{Errors, Mistakes};
use crate::model::Declaration;

/// What is declared, without any mistake.
pub(crate) fn parse(tokens: TokenStream) -> Result<Declaration, Errors> {
    let (declaration, _, mistakes) = read(tokens);
    mistakes.finish().map(|()| declaration)
}

/// The mistakes, then the items of what could be read.
pub(crate) fn expand(tokens: TokenStream) -> TokenStream {
    let (declaration, open_kinds, mistakes) = read(tokens);
    let items = expand::items(&declaration, &open_kinds);
    match mistakes.finish() {
        Ok(()) => items,
        Err(errors) => {
            let errors = errors.into_compile_errors();
            quote!(#errors #items)
        }
    }
}

/// What could be read, the spans of unknown kind by index, and the mistakes.
fn read(tokens: TokenStream) -> (Declaration, Vec<usize>, Mistakes) {
    let mut mistakes = Mistakes::default();
    let written = written::read(tokens, &mut mistakes);
    mistakes.add(check::all(&written));
    let open_kinds = written.spans.iter().enumerate().filter(|(_, span)| span.kind.is_none()).map(|(index, _)| index);
    let open_kinds = open_kinds.collect();
    (lower::declaration(written), open_kinds, mistakes)
}
