//! What a mistaken attribute becomes: its errors, then the function as it was written, so that no other code fails because of it.

use proc_macro2::{Delimiter, Group, Ident, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::Path;

use crate::diag::Errors;
use crate::expand;
use crate::item;
use crate::kind::Kind;
use crate::private::Private;

/// The errors and the item.
pub(crate) fn untouched(errors: Errors, args: TokenStream, item: TokenStream) -> TokenStream {
    let errors = errors.into_compile_errors();
    let item = with_handle(args, item);
    quote!(#errors #item)
}

/// The body still uses the name that `handle = s` would have bound; without it each use would be an error of its own.
fn with_handle(args: TokenStream, item: TokenStream) -> TokenStream {
    let name = after_equals(args.clone(), "handle").and_then(|tokens| syn::parse2::<Ident>(tokens).ok());
    // The kind only words the errors of parsing, which nobody reads here.
    let (Some(name), Ok(mut function)) = (name, item::parse(Kind::Node, item.clone())) else { return item };
    if function.named().any(|parameter| *parameter == name) {
        return item;
    }
    let facade = after_equals(args.clone(), "crate").and_then(|tokens| syn::parse2::<Path>(tokens).ok());
    let facade = facade.filter(|path| path.leading_colon.is_some());
    let span = after_equals(args, "span").and_then(|tokens| syn::parse2::<Path>(tokens).ok());
    let (handle, body) = (expand::handle(&name, span.as_ref(), &Private::new(facade.as_ref())), function.body.stream());
    let mut block = Group::new(Delimiter::Brace, quote!(#handle #body));
    block.set_span(function.body.span());
    function.body = block;
    function.into_token_stream()
}

/// What stands between `key =` and the next comma, among arguments that may not parse as a whole.
fn after_equals(args: TokenStream, key: &str) -> Option<TokenStream> {
    let args: Vec<TokenTree> = args.into_iter().collect();
    args.split(|token| matches!(token, TokenTree::Punct(comma) if comma.as_char() == ',')).find_map(|argument| {
        match argument {
            [TokenTree::Ident(name), TokenTree::Punct(equals), value @ ..]
                if name == key && equals.as_char() == '=' =>
            {
                Some(value.iter().cloned().collect())
            }
            _ => None,
        }
    })
}
