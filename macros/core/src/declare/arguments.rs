//! What stands in the parentheses after a declared span's name.

use darling::FromMeta;
use darling::ast::NestedMeta;
use proc_macro2::TokenStream;
use syn::LitStr;

use crate::args::{Arg, Flag, Owner, Parents, known};
use crate::diag::Mistakes;

/// `(id = "…", name = "…", span_type = "…", parents(…), leaf)`
#[derive(Debug, Default, FromMeta)]
pub(super) struct Arguments {
    pub id: Option<Arg<LitStr>>,
    /// Whether something stands in its place, mistaken as it may be.
    #[darling(skip)]
    pub names_id: bool,
    pub name: Option<Arg<LitStr>>,
    pub span_type: Option<Arg<LitStr>>,
    pub parents: Option<Arg<Parents>>,
    pub leaf: Option<Arg<Flag>>,
}

/// Reads what it can; an argument that is mistaken is as good as absent.
pub(super) fn read(tokens: TokenStream, mistakes: &mut Mistakes) -> Arguments {
    let Some(written) = mistakes.keep(NestedMeta::parse_meta_list(tokens).map_err(darling::Error::from)) else {
        return Arguments::default();
    };
    let names_id = written.iter().any(|argument| match argument {
        NestedMeta::Meta(meta) => meta.path().is_ident("id"),
        NestedMeta::NameValueInvalidExpr(meta) => meta.path.is_ident("id"),
        NestedMeta::Lit(_) => true,
    });
    let known = known(Owner::Declared, &written, mistakes);
    // One by one, so that a mistake in one does not hide the others.
    let mut read = Arguments { names_id, ..Arguments::default() };
    for argument in known {
        let Some(one) = mistakes.keep(Arguments::from_list(&[argument])) else { continue };
        read = Arguments {
            id: one.id.or(read.id),
            names_id,
            name: one.name.or(read.name),
            span_type: one.span_type.or(read.span_type),
            parents: one.parents.or(read.parents),
            leaf: one.leaf.or(read.leaf),
        };
    }
    read
}
