//! A [`Plan`] becomes tokens. Cannot fail.
//!
//! Every name of the output is absolute or `mixed_site`, so neither the user's names nor a missing prelude can change its meaning; the user's tokens
//! keep their own spans. Outputs are shown with `p` for the path of the private module.

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Attribute, Expr, ExprReference, Path, Token, Type};

use crate::kind::Kind;
use crate::model::{
    Callsite, Captured, Fact, FactName, FactValue, Hold, Level, Mention, Plan, Rebind, Returned, Shaped, View,
};
use crate::name::setter;
use crate::private::{Private, hidden, place};

/// Input:  `async fn f(a: A) -> R { body }`
/// Output: the same function with the body handed to the runtime:
/// ```text
/// async fn f(a: A) -> R {
///     let span = { … };
///     p::future(span, async move { body }, |r| p::ret(r).ok().get()).await
/// }
/// ```
pub(crate) fn function(plan: &Plan) -> TokenStream {
    let emit = Emit { plan, p: &plan.private };
    let traced = if plan.shape.is_async { emit.awaited() } else { emit.called() };
    emit.with_body(&traced, &TokenStream::new())
}

/// Input:  `async fn f(a: A) -> R { body }`
/// Output: the same function in a build that leaves tracing out. What tracing would be told is checked all the same, so that nothing becomes
/// unused or wrong in one build alone, and nothing is left of it:
/// ```text
/// async fn f(a: A) -> R {
///     let _ = { … };
///     p::checked::<R>(|r| p::ret(r).ok().get());
///     body
/// }
/// ```
pub(crate) fn untraced(plan: &Plan) -> TokenStream {
    let emit = Emit { plan, p: &plan.private };
    let (start, observed) = (emit.start(), emit.only_checked(&plan.shape.returned));
    emit.with_body(&hidden!(let _ = #start; #observed), &emit.statements(TokenStream::new()))
}

/// The first statement of a function that sees its span: `let s = p::handle();`, or `let s = p::declared::<path>();`
pub(crate) fn handle(name: &Ident, span: Option<&Path>, p: &Private) -> TokenStream {
    match span {
        Some(path) => hidden!(let #name = #p::declared::<#path>();),
        None => hidden!(let #name = #p::handle();),
    }
}

struct Emit<'a> {
    plan: &'a Plan,
    p: &'a Private,
}

impl Emit<'_> {
    /// The function with another body, whose braces are the user's.
    fn with_body(&self, first: &TokenStream, then: &TokenStream) -> TokenStream {
        let item = &self.plan.item;
        let inner = &item.inner_attrs;
        let block = braced(item.body.span(), quote!(#inner #first #then));
        let (attrs, vis, defaultness, sig) = (&item.attrs, &item.vis, &item.defaultness, &item.sig);
        quote!(#(#attrs)* #vis #defaultness #sig #block)
    }

    /// Output: `p::checked::<X>(|r| p::ret(r).ok().get());`, or nothing where `X` cannot be written
    fn only_checked(&self, Shaped { what, ty }: &Shaped) -> Option<TokenStream> {
        let (ty, observe) = match what {
            Returned::Future { output, .. } => return self.only_checked(output),
            Returned::Stream { item, .. } => (&**item, self.observe_checked(None)),
            Returned::Value { .. } => (ty, self.observe(what, None)),
            _ => return None,
        };
        let p = self.p;
        (!is_inferred(ty)).then(|| hidden!(#p::checked::<#ty>(#observe);))
    }

    /// Input:  `fn f(a: A, b: B) -> R { body }`
    /// Output: `p::call({ … }, move || -> R { let _ = (&b, &a); body }, |r| p::ret(r).ok().get())`
    fn called(&self) -> TokenStream {
        let Shaped { ty, .. } = &*self.plan.shape.returned;
        let body = self.body(TokenStream::new());
        // A closure gives up its type to inference where the signature says only `impl …`.
        let annotation = if matches!(ty, Type::Infer(_)) { TokenStream::new() } else { hidden!(-> #ty) };
        let start = match self.plan.shape.returned.what {
            Returned::Value { .. } | Returned::Opaque | Returned::Never => self.entered(),
            _ => self.start(),
        };
        self.traced(&start, &hidden!(move || #annotation #body), &self.plan.shape.returned)
    }

    /// Input:  `async fn f(a: A, b: B) -> R { body }`
    /// Output:
    /// ```text
    /// let span = { … };
    /// p::future(span, async move { let _ = (&b, &a); if let Some(r) = None::<R> { return r; } body }, |r| p::ret(r).ok().get()).await
    /// ```
    /// `start` stands alone because its `&dyn` temporaries must not live across the await, where they would cost the future its `Send`.
    fn awaited(&self) -> TokenStream {
        let (p, start) = (self.p, self.start());
        let returned = &*self.plan.shape.returned;
        let body = self.body(self.hint(returned));
        let future = match &returned.what {
            Returned::Future { .. } | Returned::Stream { .. } | Returned::Fallible(_) => {
                self.then(&hidden!(span), &hidden!(move || async move #body), returned)
            }
            what => {
                let observe = self.observe(what, None);
                hidden!(#p::future(span, async move #body, #observe))
            }
        };
        hidden!(let span = #start; #future.await)
    }

    /// Input:  how to start the span, a closure that does the work, what it returns
    /// Output: the expression that does the work inside the span and ends it when the work is done: now, with the future, or with the stream
    fn traced(&self, span: &TokenStream, work: &TokenStream, returned: &Shaped) -> TokenStream {
        let p = self.p;
        match &returned.what {
            what @ (Returned::Value { .. } | Returned::Opaque | Returned::Never) => {
                let observe = self.observe(what, None);
                hidden!(#p::call(#span, #work, #observe))
            }
            Returned::Future { hold, output } => {
                let future = match &output.what {
                    what @ (Returned::Value { .. } | Returned::Opaque | Returned::Never) => {
                        let observe = self.observe(what, Some(&output.ty));
                        if is_inferred(&output.ty) {
                            hidden!(#p::future_from(#span, #work, #observe))
                        } else {
                            hidden!(#p::promised_future(#span, #work, #observe))
                        }
                    }
                    _ => self.then(span, work, output),
                };
                self.held(*hold, future)
            }
            Returned::Stream { hold, item } => {
                let observe = self.observe_checked(Some(item));
                self.held(*hold, hidden!(#p::stream(#span, #work, #observe)))
            }
            Returned::Fallible(good) => self.fallible(span, work, good),
        }
    }

    /// Input:  work whose future resolves to a future or stream
    /// Output: `p::future_then(span, work, |span, r: X| -> X { p::stream(span, move || r, …) })`
    fn then(&self, span: &TokenStream, work: &TokenStream, output: &Shaped) -> TokenStream {
        let (p, ty) = (self.p, &output.ty);
        let rest = self.traced(&hidden!(span), &hidden!(move || r), output);
        hidden!(#p::future_then(#span, #work, |span, r: #ty| -> #ty { #rest }))
    }

    /// Input:  work that returns `Result<impl Stream<Item = X>, E>`
    /// Output: `p::try_stream(span, work, |r: &X| p::ret(r).ok().get(), |e| p::error(e).get())`, each good side boxed again where it was
    fn fallible(&self, span: &TokenStream, work: &TokenStream, good: &Shaped) -> TokenStream {
        let (p, error) = (self.p, self.observe_error());
        let (hold, traced) = match &good.what {
            Returned::Stream { hold, item } => {
                let observe = self.observe_checked(Some(item));
                (*hold, hidden!(#p::try_stream(#span, #work, #observe, #error)))
            }
            Returned::Future { hold, output } => {
                let observe = self.observe(&output.what, Some(&output.ty));
                (*hold, hidden!(#p::try_future(#span, #work, #observe, #error)))
            }
            what => {
                return {
                    let observe = self.observe(what, None);
                    hidden!(#p::call(#span, #work, #observe))
                };
            }
        };
        if hold == Hold::Bare {
            return traced;
        }
        let (ty, held) = (&good.ty, self.held(hold, hidden!(r)));
        hidden!(::core::result::Result::map(#traced, |r| -> #ty { #held }))
    }

    fn held(&self, hold: Hold, traced: TokenStream) -> TokenStream {
        let p = self.p;
        match hold {
            Hold::Bare => traced,
            Hold::Box => hidden!(#p::Box::new(#traced)),
            Hold::Pin => hidden!(#p::Box::pin(#traced)),
        }
    }

    /// Output: `{ p::site!(…); __SITE.start(&[__SITE.arg(&a).get(), …]) }.with(|f| { … })`, and where attributes are
    /// [said so](Plan::said_of) `__SITE.say(&[…], |f| f.say(&[p::simple(&v).said(), …]))` in place of `start`
    ///
    /// The user's other expressions stand outside of the block, where the static is not in scope.
    fn start(&self) -> TokenStream {
        self.starting("start", "say")
    }

    /// As [`start`](Self::start), of a call that ends with its body: `enter` and `tell` in place of `start` and `say`, unless more facts are
    /// to be asked outside of the span's context
    fn entered(&self) -> TokenStream {
        if self.facts().is_some() { self.start() } else { self.starting("enter", "tell") }
    }

    fn starting(&self, start: &str, say: &str) -> TokenStream {
        let (p, site, facts) = (self.p, self.callsite(), self.facts());
        let [start, say] = [start, say].map(|name| Ident::new(name, Span::mixed_site()));
        let values = self.plan.callsite.values.iter().map(|value| {
            let (cfg, view) = (&value.cfg, view(&hidden!(__SITE.), value));
            hidden!(#(#cfg)* #view)
        });
        let said: Vec<_> = self.plan.said().map(|(_, written)| borrowed(written)).collect();
        let start = if said.is_empty() {
            hidden!(#start(&[#(#values),*]))
        } else {
            hidden!(#say(&[#(#values),*], |f| f.say(&[#(#p::simple(#said).said()),*])))
        };
        hidden!({ #site __SITE.#start } #facts)
    }

    /// Output: `p::site!("f", Node, ["a", "b"]);`, which is `static __SITE: p::Callsite = p::Callsite::new("f", p::Kind::Node, &["a", "b"]);`, and
    /// where more is said `p::site!("f", Node, ["a", "b"], .named("…"));`
    fn callsite(&self) -> TokenStream {
        let p = self.p;
        let Callsite { function, name, span_type, workflow, values, inputs, output } = &self.plan.callsite;
        let kind = Ident::new(self.plan.kind.variant(), Span::mixed_site());
        let values = values.iter().map(|Captured { name, cfg, .. }| hidden!(#(#cfg)* #name));
        let text = |call: &str, text: &Option<String>| {
            let call = Ident::new(call, Span::mixed_site());
            text.as_ref().map(|text| hidden!(.#call(#text)))
        };
        let level = |call: &str, level: Option<Level>| {
            let call = Ident::new(call, Span::mixed_site());
            level.map(|level| {
                let level = Ident::new(level.variant(), Span::mixed_site());
                hidden!(.#call(#p::Level::#level))
            })
        };
        let calls = [
            text("named", name),
            text("span_type", span_type),
            text("workflow", workflow),
            level("inputs", *inputs),
            level("output", *output),
        ];
        let declared = self.plan.span.as_ref().map(|path| self.declaration(path));
        let keys: Vec<_> = self.plan.said().map(|(key, _)| key).collect();
        let attributes = (!keys.is_empty()).then(|| hidden!(.attributes(&[#(#keys),*])));
        let calls: TokenStream = declared.into_iter().chain(calls.into_iter().flatten()).chain(attributes).collect();
        let calls = (!calls.is_empty()).then(|| hidden!(, #calls));
        hidden!(#p::site!(#function, #kind, [#(#values),*] #calls);)
    }

    /// Output: `.declared(p::declaration::<path, p::kind::NodeSpan>())`, whose argument stands at the path, where another kind is to be reported
    fn declaration(&self, path: &Path) -> TokenStream {
        let at = place(path);
        let (p, marker) = (self.p.at(at), self.plan.kind.marker());
        let declaration = quote_spanned!(at=> #p::declaration::<#path, #p::kind::#marker>());
        hidden!(.declared(#declaration))
    }

    /// Output: `.with(|f| { f.tag("k", &v); f.input("k", p::arg(&v).get()); })`, or nothing where nothing is asked at each call
    fn facts(&self) -> Option<TokenStream> {
        let facts = self.plan.facts.iter().filter(|fact| self.plan.said_of(fact).is_none());
        let mut facts = facts.map(|fact| self.fact(fact)).peekable();
        facts.peek().is_some().then(|| hidden!(.with(|f| { #(#facts)* })))
    }

    fn fact(&self, Fact { name, value }: &Fact) -> TokenStream {
        let p = self.p;
        if let (FactName::Attribute(key), Some(path), Some(FactValue::Written(value))) = (name, &self.plan.span, value)
            && let Some(setter) = setter(key)
        {
            return hidden!(f.declared::<#path>().#setter(#value););
        }
        let (method, key) = method(name);
        let method = Ident::new(method, Span::mixed_site());
        let key = key.map(|key| hidden!(#key,));
        let value = value.as_ref().map(|value| match value {
            FactValue::Parameter(parameter) => view(&hidden!(#p::), parameter),
            FactValue::Written(written) => {
                let written = borrowed(written);
                match name {
                    FactName::Content | FactName::Tools | FactName::Input(_) | FactName::Attribute(_) => {
                        hidden!(#p::arg(#written).get())
                    }
                    _ => written.to_token_stream(),
                }
            }
        });
        hidden!(f.#method(#key #value);)
    }

    /// Input:  `{ body }`
    /// Output: `{ let s = p::handle(); let _ = (&b, &a); body }` in the user's own braces
    fn body(&self, hint: TokenStream) -> TokenTree {
        braced(self.plan.item.body.span(), self.statements(hint))
    }

    fn statements(&self, hint: TokenStream) -> TokenStream {
        let handle = self.plan.handle.as_ref().map(|name| handle(name, self.plan.span.as_ref(), self.p));
        let (moved, body) = (self.moved(), self.plan.item.body.stream());
        quote!(#handle #moved #hint #body)
    }

    /// Output: `let _ = (&b, &a);`, or `let a = a; let arg1 = arg1; let (x, y) = arg1;` where a pattern takes one apart
    ///
    /// A closure captures what the body uses, in the order of use, and drops it in that order; the plain function drops its parameters whole, the last
    /// first.
    fn moved(&self) -> TokenStream {
        let arguments = &self.plan.arguments;
        let mentions = arguments.mentions.iter().map(|Mention { ident, cfg }| hidden!(#(#cfg)* &#ident));
        // The lint is about the user's own uses of such a name.
        let silent = arguments.mentions.iter().any(|mention| mention.ident.to_string().starts_with('_'));
        let allow = silent.then(|| hidden!(#[allow(clippy::used_underscore_binding)]));
        let mentioned = (!arguments.mentions.is_empty()).then(|| hidden!(#allow let _ = (#(#mentions,)*);));
        let rebound = arguments.rebinds.iter().map(|Rebind { ident, mutable, pattern, cfg }| {
            let mutable = mutable.then(|| Token![mut](ident.span()));
            let pattern = pattern.as_ref().map(|pattern| hidden!(#(#cfg)* let #pattern = #ident;));
            hidden!(#(#cfg)* let #mutable #ident = #ident; #pattern)
        });
        quote!(#mentioned #(#rebound)*)
    }

    /// Output: `if let ::core::option::Option::Some(r) = ::core::option::Option::None::<R> { return r; }`
    ///
    /// Tells an async block its type, so that `?`, early returns and coercions are inferred as in the signature. `!` cannot be named there, and a bare
    /// `impl …` says nothing.
    fn hint(&self, returned: &Shaped) -> TokenStream {
        match (&returned.what, &returned.ty) {
            (Returned::Never, _) | (_, Type::Infer(_)) => TokenStream::new(),
            (_, ty) => {
                // At the return type, to which rustc then points.
                let at = self.plan.return_span.resolved_at(Span::mixed_site());
                quote_spanned!(at=>
                    if let ::core::option::Option::Some(r) = ::core::option::Option::None::<#ty> { return r; }
                )
            }
        }
    }

    /// Output: `|r| p::ret(r).ok().get()`, or `|r: &X| …` where the body alone may not say what it is
    ///
    /// The dispatch must know the type: of an unknown one every trait counts as implemented.
    fn observe(&self, what: &Returned, ty: Option<&Type>) -> TokenStream {
        let p = self.p;
        match what {
            Returned::Never => hidden!(#p::unreached),
            Returned::Value { checked: false } => self.observed(ty, &hidden!(#p::value(r).ok().get())),
            Returned::Opaque if self.plan.kind != Kind::Sandbox => self.observed(None, &hidden!(#p::opaque(r))),
            _ => self.observe_checked(ty),
        }
    }

    /// As [`Emit::observe`]; the tokens stand at the return type, where a missing trait is to be reported.
    fn observe_checked(&self, ty: Option<&Type>) -> TokenStream {
        let p = self.p;
        let dispatch = match self.plan.kind {
            Kind::Llm => "model",
            Kind::Sandbox => "sandbox",
            _ => "ret",
        };
        let at = self.plan.return_span.resolved_at(Span::mixed_site());
        let dispatch = Ident::new(dispatch, at);
        let r = Ident::new("r", Span::mixed_site());
        self.observed(ty, &quote_spanned!(at=> #p::#dispatch(#r).ok().get()))
    }

    /// Output: `|r: &X| … .expected(::core::matches!(r, ::core::result::Result::Err(E { .. })))`
    fn observed(&self, ty: Option<&Type>, dispatched: &TokenStream) -> TokenStream {
        let ty = ty.filter(|ty| !matches!(ty, Type::Infer(_))).map(|ty| hidden!(: &#ty));
        let expected = self.expected(&hidden!(r), |paths| hidden!(::core::result::Result::Err(#paths)));
        hidden!(|r #ty| #dispatched #expected)
    }

    /// Output: `|e| p::error(e).get().expected(::core::matches!(e, E { .. }))`
    fn observe_error(&self) -> TokenStream {
        let p = self.p;
        let expected = self.expected(&hidden!(e), |paths| paths);
        hidden!(|e| #p::error(e).get() #expected)
    }

    fn expected(&self, value: &TokenStream, pattern: impl Fn(TokenStream) -> TokenStream) -> Option<TokenStream> {
        let paths = &self.plan.expected;
        (!paths.is_empty()).then(|| {
            let pattern = pattern(hidden!(#(#paths { .. })|*));
            hidden!(.expected(::core::matches!(#value, #pattern)))
        })
    }
}

/// Output: `__SITE.arg(&a).get()`, `__SITE.debug(&a).get()` or `__SITE.redacted("a").get()`
fn view(on: &TokenStream, Captured { ident, name, view, .. }: &Captured) -> TokenStream {
    match view {
        View::Value => hidden!(#on arg(&#ident).get()),
        View::Debug => {
            let at = ident.span().resolved_at(Span::mixed_site());
            quote_spanned!(at=> #on debug(&#ident).get())
        }
        View::Redacted => hidden!(#on redacted(#name).get()),
    }
}

/// The method of `Facts` and its first argument.
fn method(name: &FactName) -> (&'static str, Option<&syn::LitStr>) {
    match name {
        FactName::Tag(key) => ("tag", Some(key)),
        FactName::Session => ("session", None),
        FactName::User => ("user", None),
        FactName::Experiment => ("experiment", None),
        FactName::Run => ("run", None),
        FactName::RunNamed => ("run_named", None),
        FactName::Param(key) => ("param", Some(key)),
        FactName::Config => ("config", None),
        FactName::BudgetUsd => ("budget_usd", None),
        FactName::BudgetTokens => ("budget_tokens", None),
        FactName::Trigger => ("trigger", None),
        FactName::Schedule => ("schedule", None),
        FactName::From => ("from", None),
        FactName::To => ("to", None),
        FactName::Content => ("content", None),
        FactName::Policy => ("policy", None),
        FactName::Model => ("model", None),
        FactName::Provider => ("provider", None),
        FactName::Tools => ("tools", None),
        FactName::Input(key) => ("input", Some(key)),
        FactName::Attribute(key) => ("attribute", Some(key)),
    }
}

/// `&expr`, with parentheses where its operators need them; all of it at the expression, where a missing trait is to be reported.
fn borrowed(expr: &Expr) -> Expr {
    let and_token = Token![&](expr.span());
    Expr::Reference(ExprReference {
        attrs: Vec::<Attribute>::new(),
        and_token,
        mutability: None,
        expr: Box::new(expr.clone()),
    })
}

/// Whether a part of the type is left to inference.
fn is_inferred(ty: &Type) -> bool {
    fn holds_infer(tokens: TokenStream) -> bool {
        tokens.into_iter().any(|token| match token {
            TokenTree::Group(group) => holds_infer(group.stream()),
            TokenTree::Ident(ident) => ident == "_",
            TokenTree::Punct(_) | TokenTree::Literal(_) => false,
        })
    }
    holds_infer(ty.to_token_stream())
}

fn braced(span: Span, tokens: TokenStream) -> TokenTree {
    let mut group = Group::new(Delimiter::Brace, tokens);
    group.set_span(span);
    TokenTree::Group(group)
}
