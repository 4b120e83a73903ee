//! The names of the runtime's private interface, `spanwright::__private`: all that an expansion names besides `::core`.
//!
//! ```text
//! Callsite::new(name, Kind, &[names]).named(n).span_type(t).workflow(w).inputs(Level).output(Level)      const
//! start(&'static Callsite, &[&dyn Value]) -> Span          Span::with(self, FnOnce(&Facts)) -> Span      handle() -> Handle
//! arg(&x).get() | debug(&x).get() | redacted("x").get() -> &dyn Value
//!
//! call(span, FnOnce() -> R, observe) -> R
//! future(span, F, observe) -> impl Future<Output = F::Output>
//! future_from::<X, _, _, _>(span, FnOnce() -> F, observe)                      -> impl Future<Output = X>
//! future_then::<X, _, _, _, _>(span, FnOnce() -> F, FnOnce(Span, X) -> Y)      -> impl Future<Output = Y>
//! try_future::<X, _, _, _, _, _>(span, FnOnce() -> Result<F, E>, observe, observe_error)   -> Result<impl Future<Output = X>, E>
//! stream::<X, _, _, _>(span, FnOnce() -> S, observe_item)                      -> impl Stream<Item = X>
//! try_stream::<X, _, _, _, _, _>(span, FnOnce() -> Result<S, E>, observe_item, observe_error)  -> Result<impl Stream<Item = X>, E>
//! Box::new | Box::pin                                                          of the standard library
//!
//! observe: FnOnce(&R) -> Observed
//!   ret(r).get()      outcome by trait; a Future or Stream that the signature does not show is a compile error
//!   model(r).get()    facts of a model's answer where the value has them, else as `ret`
//!   sandbox(r).get()  demands `SandboxOutcome`
//!   value(r).get()    as `ret` without the check for futures and streams (`returns = "value"`)
//!   opaque(r)         type name only: `-> impl Trait` is not known well enough to be asked for its traits
//!   error(e).get()    the error of a `Result` whose other side is a future or a stream
//!   unreached         of `!`
//! ```

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote_spanned};

/// The path of the private module.
#[derive(Clone, Debug)]
pub(crate) struct Private(TokenStream);

impl Private {
    /// Under the facade's own name, or the path the user gave for it.
    pub(crate) fn new(facade: Option<&syn::Path>) -> Self {
        let site = Span::mixed_site();
        Self(match facade {
            Some(path) => quote_spanned!(site=> #path::__private),
            None => quote_spanned!(site=> ::spanwright::__private),
        })
    }
}

impl ToTokens for Private {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        self.0.to_tokens(tokens);
    }
}
