//! The names of the runtime's private interface, `spanwright::__private`: all that an expansion names besides `::core`.
//!
//! ```text
//! Callsite::new(name, Kind, &[names]).named(n).span_type(t).workflow(w).inputs(Level).output(Level)      const
//! Callsite::declared(self, declaration::<Item, kind::NodeSpan>())                                        const, of a declared span
//! Callsite::start(&'static self, &[&dyn Value]) -> Span       Span::with(self, FnOnce(&Facts)) -> Span       handle() -> Handle
//! Callsite::attributes(self, &[keys])                                                                    const, of what is said at the start
//! Callsite::say(&'static self, &[&dyn Value], |f| f.say(&[simple(&x).said()])) -> Span     start, with a value for each of these keys
//! Callsite::enter(..), tell(..) -> Inside                as these two, for a sync call, which is within its span from then on
//! declared::<Item>() -> Item       Facts::declared(&self) -> Item       the typed handle of a declared span
//! Callsite::{arg(&x), debug(&x), redacted("x")}.get() | arg(&x).get() -> &dyn Value
//!
//! call(span or Inside, FnOnce() -> R, observe) -> R
//! future(span, F, observe)                                       -> impl Future<Output = F::Output>
//! future_from(span, FnOnce() -> F, observe)                      -> impl Future<Output = F::Output>
//! promised_future(span, FnOnce() -> F, observe: Fn(&X) -> _)     -> impl Future<Output = X> where F: Future<Output = X>
//! future_then(span, FnOnce() -> F, FnOnce(Span, F::Output) -> Y) -> impl Future<Output = Y>
//! try_future(span, FnOnce() -> Result<F, E>, observe, error)     -> Result<impl Future<Output = F::Output>, E>
//! stream(span, FnOnce() -> S, observe)                           -> impl Stream<Item = S::Item>
//! try_stream(span, FnOnce() -> Result<S, E>, observe, error)     -> Result<impl Stream<Item = S::Item>, E>
//! checked::<R>(observe)                                          nothing, in a build that leaves tracing out
//! Box::new | Box::pin                                            of the standard library
//!
//! observe: Fn(&R) -> Observed, of the value, of what the future resolves to, or of each item
//!   ret(r).ok().get()      outcome by trait; a future or stream that the signature does not show is a compile error
//!   model(r).ok().get()    facts of a model's answer where the value has them, else as `ret`
//!   sandbox(r).ok().get()  demands `SandboxOutcome`
//!   value(r).ok().get()    as `ret` without the check for futures and streams: `returns = "value"`
//!   opaque(r)         type name only: a bare `impl Trait` is not known well enough to be asked for its traits
//!   unreached         of `!`
//! error: FnOnce(&E) -> Observed
//!   error(e).get()    the error of a `Result` whose other side is a future or a stream
//! Observed::expected(self, bool) -> Observed
//!
//! Declared, MadeBy<kind, Item>, kind::{NodeSpan, …} what an item of `spans!` is      DeclaredSpan, DeclaredAttribute, Contract      as constants
//! OpenSpan                                          what its handle holds            attribute(OpenSpan, "key", &dyn Value), Texts, Serialize
//! ```

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote_spanned};

use crate::diag::err;

/// `quote!` whose own names are invisible to the user's code.
macro_rules! hidden {
    ($($tokens:tt)*) => { ::quote::quote_spanned!(::proc_macro2::Span::mixed_site()=> $($tokens)*) };
}
pub(crate) use hidden;

/// The path of the private module.
#[derive(Clone, Debug)]
pub(crate) struct Private(Option<syn::Path>, Span);

impl Private {
    /// Under the facade's own name, or the path the user gave for it.
    pub(crate) fn new(facade: Option<&syn::Path>) -> Self {
        Self(facade.cloned(), Span::mixed_site())
    }

    /// The same path at a user's token, where a mistake is to be reported.
    pub(crate) fn at(&self, place: Span) -> Self {
        Self(self.0.clone(), place.resolved_at(Span::mixed_site()))
    }
}

impl ToTokens for Private {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        tokens.extend(match self {
            Self(Some(path), site) => quote_spanned!(*site=> #path::__private),
            Self(None, site) => quote_spanned!(*site=> ::spanwright::__private),
        });
    }
}

/// Where rustc is to point for a path: its last name, as the spans of tokens cannot be joined.
pub(crate) fn place(path: &syn::Path) -> Span {
    let last = path.segments.last().map_or_else(Span::call_site, |last| last.ident.span());
    last.resolved_at(Span::mixed_site())
}

/// The mistake that the path of the facade leads elsewhere in another module.
pub(crate) fn relative(path: &syn::Path) -> Option<darling::Error> {
    let absolute = path.leading_colon.is_some()
        || path.segments.first().is_some_and(|first| first.ident == "crate" || first.ident == "$crate");
    if absolute {
        return None;
    }
    let written = quote::ToTokens::to_token_stream(path).to_string().replace(' ', "");
    Some(err!(
        path,
        "`crate` takes an absolute path: write `::{written}` for a dependency, or `crate::…` for a module of this crate"
    ))
}
