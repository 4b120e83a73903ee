//! What a mistaken attribute becomes: its errors, then the function as it was written, so that no other code fails because of it.

use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::{ToTokens, quote};

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
    // The kind only words the errors of parsing, which nobody reads here.
    let (Some(name), Ok(mut function)) = (handle(args), item::parse(Kind::Node, item.clone())) else { return item };
    if function.named().any(|parameter| *parameter == name) {
        return item;
    }
    let (handle, body) = (expand::handle(&name, &Private::new(None)), function.body.stream());
    let mut block = proc_macro2::Group::new(proc_macro2::Delimiter::Brace, quote!(#handle #body));
    block.set_span(function.body.span());
    function.body = block;
    function.into_token_stream()
}

/// `handle = s` wherever it stands among arguments that did not parse.
fn handle(args: TokenStream) -> Option<Ident> {
    let args: Vec<TokenTree> = args.into_iter().collect();
    args.windows(3).find_map(|window| match window {
        [TokenTree::Ident(key), TokenTree::Punct(equals), TokenTree::Ident(name)]
            if key == "handle" && equals.as_char() == '=' =>
        {
            Some(name.clone())
        }
        _ => None,
    })
}
