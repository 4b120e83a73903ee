//! Futures and streams that run in a span, and those that run in a context.
//!
//! Each poll enters the context and leaves it again. A future ends its span when it is ready, panics or is dropped; a stream
//! when it is exhausted, fails, panics or is dropped. What is inside is dropped before the span ends, within its context.

use std::future::Future;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll, ready};

use futures_core::Stream;
use pin_project_lite::pin_project;

use crate::context::{self, Context};
use crate::outcome::Observed;
use crate::span::{Items, Span};

pin_project! {
    /// A future whose polls run in the context of a span.
    #[must_use = "futures do nothing unless polled"]
    pub struct Instrumented<X, F, O> {
        // Before the span, so that it is dropped before it. An `Option` to empty would cost every level of futures 8 bytes.
        #[pin]
        inner: F,
        span: Span,
        observe: O,
        output: PhantomData<fn() -> X>,
    }

    impl<X, F, O> PinnedDrop for Instrumented<X, F, O> {
        fn drop(this: Pin<&mut Self>) {
            this.project().span.enter_until_dropped();
        }
    }
}

/// Runs `inner` in the context of `span`, which ends with it.
#[inline]
pub fn future<F, O>(span: Span, inner: F, observe: O) -> Instrumented<F::Output, F, O>
where
    F: Future,
    O: for<'r> Fn(&'r F::Output) -> Observed<'r>,
{
    Instrumented { inner, span, observe, output: PhantomData }
}

/// Makes a future with `body` and runs both in the context of `span`, where the output is known from the body alone.
#[inline]
pub fn future_from<X, F, B, O>(span: Span, body: B, observe: O) -> Instrumented<X, F, O>
where
    F: Future<Output = X>,
    B: FnOnce() -> F,
    O: for<'r> Fn(&'r X) -> Observed<'r>,
{
    promised_future(span, body, observe)
}

/// As [`future_from`], where the signature says the output, `X`. That the body's is the same is asked where the future is used as
/// one, so that a mistake in it is reported there and nowhere else, as in the plain function.
#[inline]
pub fn promised_future<X, F, B, O>(mut span: Span, body: B, observe: O) -> Instrumented<X, F, O>
where
    F: Future,
    B: FnOnce() -> F,
    O: for<'r> Fn(&'r X) -> Observed<'r>,
{
    let inner = span.enter_body(body);
    Instrumented { inner, span, observe, output: PhantomData }
}

/// As [`future_from`], where the body may fail before there is a future: `observe_error` says how.
#[inline]
pub fn try_future<X, F, E, B, O, M>(
    mut span: Span,
    body: B,
    observe: O,
    observe_error: M,
) -> Result<Instrumented<X, F, O>, E>
where
    F: Future<Output = X>,
    B: FnOnce() -> Result<F, E>,
    O: for<'r> Fn(&'r X) -> Observed<'r>,
    M: for<'r> FnOnce(&'r E) -> Observed<'r>,
{
    match span.enter_body(body) {
        Ok(inner) => Ok(Instrumented { inner, span, observe, output: PhantomData }),
        Err(error) => {
            span.finish(|| observe_error(&error));
            Err(error)
        }
    }
}

impl<X, F, O> Future for Instrumented<X, F, O>
where
    F: Future<Output = X>,
    O: for<'r> Fn(&'r X) -> Observed<'r>,
{
    type Output = X;

    #[inline]
    fn poll(self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<F::Output> {
        let this = self.project();
        let inner = this.inner;
        let Some(context) = this.span.context() else { return inner.poll(task) };
        let _entered = context::enter(context);
        match catch_unwind(AssertUnwindSafe(|| inner.poll(task))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(output)) => {
                this.span.finish_returned(&output, &*this.observe);
                Poll::Ready(output)
            }
            Err(payload) => {
                this.span.finish_panicked(&*payload);
                resume_unwind(payload)
            }
        }
    }
}

pin_project! {
    /// A future whose span goes on in what it makes.
    #[must_use = "futures do nothing unless polled"]
    pub struct Then<F, G> {
        #[pin]
        inner: Option<F>,
        rest: Option<(Span, G)>,
    }

    impl<F, G> PinnedDrop for Then<F, G> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            let _entered = this.rest.as_ref().and_then(|(span, _)| span.context()).map(context::enter);
            this.inner.set(None);
        }
    }
}

/// Makes a future with `body`, runs both in the context of `span`, and hands the span on to `then` with the output.
#[inline]
pub fn future_then<X, F, B, G, Y>(mut span: Span, body: B, then: G) -> Then<F, G>
where
    F: Future<Output = X>,
    B: FnOnce() -> F,
    G: FnOnce(Span, X) -> Y,
{
    let inner = span.enter_body(body);
    Then { inner: Some(inner), rest: Some((span, then)) }
}

impl<F, G, Y> Future for Then<F, G>
where
    F: Future,
    G: FnOnce(Span, F::Output) -> Y,
{
    type Output = Y;

    fn poll(self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<Y> {
        let this = self.project();
        let Some(inner) = this.inner.as_pin_mut() else { return Poll::Pending };
        let output = match this.rest.as_mut() {
            Some((span, _)) => ready!(span.enter_body(|| inner.poll(task))),
            // Polled after its end, it does what the plain future does then.
            None => ready!(inner.poll(task)),
        };
        match this.rest.take() {
            Some((span, then)) => Poll::Ready(then(span, output)),
            None => Poll::Pending,
        }
    }
}

pin_project! {
    /// A stream whose polls run in the context of a span.
    #[must_use = "streams do nothing unless polled"]
    pub struct InstrumentedStream<S, O> {
        #[pin]
        inner: Option<S>,
        span: Span,
        items: Items,
        observe: O,
    }

    impl<S, O> PinnedDrop for InstrumentedStream<S, O> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            let _entered = this.span.context().map(context::enter);
            this.inner.set(None);
            this.items.finish_dropped(this.span);
        }
    }
}

/// Makes a stream with `body` and runs both in the context of `span`, which ends with the stream.
#[inline]
pub fn stream<X, S, B, O>(mut span: Span, body: B, observe: O) -> InstrumentedStream<S, O>
where
    S: Stream<Item = X>,
    B: FnOnce() -> S,
    O: for<'r> Fn(&'r X) -> Observed<'r>,
{
    let inner = span.enter_body(body);
    InstrumentedStream { inner: Some(inner), items: Items::of(&span), span, observe }
}

/// As [`stream`], where the body may fail before there is a stream: `observe_error` says how.
#[inline]
pub fn try_stream<X, S, E, B, O, M>(
    mut span: Span,
    body: B,
    observe: O,
    observe_error: M,
) -> Result<InstrumentedStream<S, O>, E>
where
    S: Stream<Item = X>,
    B: FnOnce() -> Result<S, E>,
    O: for<'r> Fn(&'r X) -> Observed<'r>,
    M: for<'r> FnOnce(&'r E) -> Observed<'r>,
{
    match span.enter_body(body) {
        Ok(inner) => Ok(InstrumentedStream { inner: Some(inner), items: Items::of(&span), span, observe }),
        Err(error) => {
            span.finish(|| observe_error(&error));
            Err(error)
        }
    }
}

impl<S, O> Stream for InstrumentedStream<S, O>
where
    S: Stream,
    O: for<'r> Fn(&'r S::Item) -> Observed<'r>,
{
    type Item = S::Item;

    fn poll_next(self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<Option<S::Item>> {
        let this = self.project();
        let Some(inner) = this.inner.as_pin_mut() else { return Poll::Pending };
        let Some(context) = this.span.context() else { return inner.poll_next(task) };
        let _entered = context::enter(context);
        match catch_unwind(AssertUnwindSafe(|| inner.poll_next(task))) {
            Ok(polled) => {
                let next = ready!(polled);
                match &next {
                    Some(item) => this.items.add(this.span, || (this.observe)(item)),
                    None => this.items.finish(this.span),
                }
                Poll::Ready(next)
            }
            Err(payload) => {
                this.items.write(this.span);
                this.span.finish_panicked(&*payload);
                resume_unwind(payload)
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.inner.as_ref().map_or((0, None), Stream::size_hint)
    }
}

pin_project! {
    /// A future or stream whose polls run in a [`Context`]. See [`InCurrentSpan`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct InContext<F> {
        #[pin]
        inner: Option<F>,
        context: Context,
    }

    impl<F> PinnedDrop for InContext<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            let _entered = this.context.enter();
            this.inner.set(None);
        }
    }
}

impl<F> InContext<F> {
    pub(crate) fn new(inner: F, context: Context) -> Self {
        Self { inner: Some(inner), context }
    }
}

impl<F: Future> Future for InContext<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<F::Output> {
        let this = self.project();
        let Some(inner) = this.inner.as_pin_mut() else { return Poll::Pending };
        let _entered = this.context.enter();
        inner.poll(task)
    }
}

impl<S: Stream> Stream for InContext<S> {
    type Item = S::Item;

    fn poll_next(self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<Option<S::Item>> {
        let this = self.project();
        let Some(inner) = this.inner.as_pin_mut() else { return Poll::Pending };
        let _entered = this.context.enter();
        inner.poll_next(task)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.inner.as_ref().map_or((0, None), Stream::size_hint)
    }
}

/// Carries the current span into a future or stream that is polled elsewhere: in a spawned task, a join set, a channel.
///
/// ```
/// use spanwright::InCurrentSpan as _;
///
/// # async fn fetch(_: &str) {}
/// # async fn example() {
/// let left = tokio::spawn(fetch("left").in_current_span());
/// let right = tokio::spawn(fetch("right").in_current_span());
/// let _ = (left.await, right.await);
/// # }
/// ```
pub trait InCurrentSpan: Sized {
    /// Polls `self` in the context that is current now.
    fn in_current_span(self) -> InContext<Self> {
        InContext::new(self, Context::current())
    }

    /// Polls `self` in the given context.
    fn in_context(self, context: Context) -> InContext<Self> {
        InContext::new(self, context)
    }
}

impl<F> InCurrentSpan for F {}

/// Spawns a tokio task in the current span. Panics where `tokio::spawn` does: outside of a runtime.
#[cfg(feature = "tokio")]
#[track_caller]
pub fn spawn<F>(future: F) -> tokio::task::JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    tokio::spawn(future.in_current_span())
}

/// Runs blocking work on tokio's blocking threads in the current span. Panics where `tokio::task::spawn_blocking` does.
#[cfg(feature = "tokio")]
#[track_caller]
pub fn spawn_blocking<R>(work: impl FnOnce() -> R + Send + 'static) -> tokio::task::JoinHandle<R>
where
    R: Send + 'static,
{
    let context = Context::current();
    tokio::task::spawn_blocking(move || context.run(work))
}
