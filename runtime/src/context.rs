//! The current span of a thread or task, as a cheap owned value.
//!
//! A thread has one current context. Entering another one restores the former when the guard goes; a future enters its own at
//! each poll. Nothing here is ever held across a thread: what travels is a [`Context`] by value.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use crate::id::{SpanId, TraceId};
use crate::recorder::{self, Recorder};

/// What a thread is in. `trace` without `span` is a trace that is not sampled; `recorder` alone is a scope without a trace.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Current {
    pub(crate) recorder: Option<&'static Recorder>,
    pub(crate) trace: TraceId,
    pub(crate) span: SpanId,
}

impl Current {
    pub(crate) const NONE: Self = Self { recorder: None, trace: TraceId::from_halves(0, 0), span: SpanId::from_u64(0) };

    /// A recorder to start traces in, without a trace.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) const fn scope(recorder: &'static Recorder) -> Self {
        Self { recorder: Some(recorder), ..Self::NONE }
    }

    /// The span new spans are children of.
    #[inline]
    pub(crate) fn open(self) -> Option<(&'static Recorder, TraceId, SpanId)> {
        self.recorder.filter(|_| self.span.is_valid()).map(|recorder| (recorder, self.trace, self.span))
    }
}

thread_local! {
    static CURRENT: Cell<Current> = const { Cell::new(Current::NONE) };
    static SESSION: RefCell<Option<Arc<str>>> = const { RefCell::new(None) };
    static FIRST_TRACE: Cell<Watch> = const { Cell::new(Watch::Off) };
}

/// Whether somebody waits to learn which trace starts next on this thread.
#[derive(Clone, Copy)]
pub(crate) enum Watch {
    Off,
    Waiting,
    Saw(TraceId),
}

#[inline]
pub(crate) fn current() -> Current {
    CURRENT.try_with(Cell::get).unwrap_or(Current::NONE)
}

/// Makes `current` the thread's and returns the former one.
#[inline]
pub(crate) fn replace(current: Current) -> Current {
    CURRENT.try_with(|cell| cell.replace(current)).unwrap_or(Current::NONE)
}

/// Goes on in a child of the thread's span.
#[inline(always)]
pub(crate) fn go_below(span: SpanId) {
    let _ = CURRENT.try_with(|cell| cell.set(Current { span, ..cell.get() }));
}

/// Exchanges the thread's context with the one that is held; `false` at the end of a thread that has none any more.
pub(crate) fn exchange(held: &mut Current) -> bool {
    CURRENT.try_with(|cell| *held = cell.replace(*held)).is_ok()
}

/// Restores the former context when it goes.
#[must_use = "the context is left as soon as the guard is dropped"]
pub(crate) struct Entered {
    former: Current,
    _not_send: PhantomData<*const ()>,
}

#[inline]
pub(crate) fn enter(current: Current) -> Entered {
    Entered { former: replace(current), _not_send: PhantomData }
}

impl Drop for Entered {
    #[inline]
    fn drop(&mut self) {
        replace(self.former);
    }
}

/// The session new traces of this thread belong to.
pub(crate) fn session() -> Option<Arc<str>> {
    SESSION.try_with(|cell| cell.try_borrow().ok().and_then(|session| session.clone())).ok().flatten()
}

/// Makes `session` the thread's and returns the former one.
pub(crate) fn replace_session(session: Option<Arc<str>>) -> Option<Arc<str>> {
    SESSION
        .try_with(|cell| cell.try_borrow_mut().ok().and_then(|mut held| std::mem::replace(&mut *held, session)))
        .ok()
        .flatten()
}

/// Says that a trace has started on this thread.
pub(crate) fn saw_trace(trace: TraceId) {
    let _ = FIRST_TRACE.try_with(|cell| {
        if let Watch::Waiting = cell.get() {
            cell.set(Watch::Saw(trace));
        }
    });
}

pub(crate) fn replace_watch(watch: Watch) -> Watch {
    FIRST_TRACE.try_with(|cell| cell.replace(watch)).unwrap_or(Watch::Off)
}

/// The span a piece of work belongs to, and its session: carry it to where the work is done.
///
/// ```
/// let context = spanwright::Context::current();
/// std::thread::spawn(move || {
///     context.run(|| { /* annotated functions called here are children of the span that was current above */ })
/// });
/// ```
#[derive(Clone)]
pub struct Context {
    pub(crate) current: Current,
    pub(crate) session: Option<Arc<str>>,
}

impl Context {
    /// The context of the calling thread or task.
    pub fn current() -> Self {
        Self { current: current(), session: session() }
    }

    /// The context a [W3C `traceparent`](https://www.w3.org/TR/trace-context/#traceparent-header) names: spans started in it
    /// continue the caller's trace, whatever its sampled flag says. `None` if the text is not a valid one, or nothing is installed.
    pub fn from_traceparent(text: &str) -> Option<Self> {
        let (trace, span) = read_traceparent(text)?;
        let recorder = current().recorder.map_or_else(recorder::installed, Recorder::ours)?;
        Some(Self { current: Current { recorder: Some(recorder), trace, span }, session: session() })
    }

    /// The same place to record, outside of any trace and session: what starts in it is a trace of its own.
    ///
    /// ```
    /// let apart = spanwright::Context::current().apart();
    /// apart.run(|| assert!(spanwright::current_trace().is_none()));
    /// ```
    #[must_use]
    pub fn apart(&self) -> Self {
        Self { current: Current { recorder: self.current.recorder, ..Current::NONE }, session: None }
    }

    /// The trace this context is in; `None` outside of any, and in one that is not sampled.
    pub fn trace_id(&self) -> Option<TraceId> {
        self.current.open().map(|(_, trace, _)| trace)
    }

    /// The span this context is in.
    pub fn span_id(&self) -> Option<SpanId> {
        self.current.open().map(|(_, _, span)| span)
    }

    /// This context as a W3C `traceparent`.
    pub fn traceparent(&self) -> Option<String> {
        self.current.open().map(|(_, trace, span)| format!("00-{trace}-{span}-01"))
    }

    /// Enters this context until the guard goes.
    pub fn enter(&self) -> ContextGuard {
        ContextGuard { _current: enter(self.current), former_session: replace_session(self.session.clone()) }
    }

    /// Runs `work` in this context.
    pub fn run<R>(&self, work: impl FnOnce() -> R) -> R {
        let _entered = self.enter();
        work()
    }

    /// A function that runs `work` in this context wherever it is called: for `std::thread::spawn`, rayon, and the like.
    pub fn wrap<R>(self, work: impl FnOnce() -> R) -> impl FnOnce() -> R {
        move || self.run(work)
    }
}

/// The trace and the span a `traceparent` names; `None` if it is not a valid one.
pub(crate) fn read_traceparent(text: &str) -> Option<(TraceId, SpanId)> {
    let mut parts = text.trim().split('-');
    let mut hex = |digits: usize| {
        let is_digit = |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        parts.next().filter(|part| part.len() == digits && part.bytes().all(is_digit))
    };
    let (version, trace, span, _flags) = (hex(2)?, hex(32)?, hex(16)?, hex(2)?);
    // A later version may append fields; version 00 has exactly four.
    if version == "ff" || (version == "00" && parts.next().is_some()) {
        return None;
    }
    let (trace, span): (TraceId, SpanId) = (trace.parse().ok()?, span.parse().ok()?);
    (trace.is_valid() && span.is_valid()).then_some((trace, span))
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("traceparent", &self.traceparent()).field("session", &self.session).finish()
    }
}

/// Restores the context that was current before when it is dropped.
///
/// It belongs to its thread, and so cannot be held across an await of a future that moves between threads:
///
/// ```compile_fail,E0277
/// fn is_send<T: Send>(_: T) {}
/// is_send(spanwright::Context::current().enter());
/// ```
#[must_use = "the context is left as soon as the guard is dropped"]
pub struct ContextGuard {
    _current: Entered,
    former_session: Option<Arc<str>>,
}

impl Drop for ContextGuard {
    fn drop(&mut self) {
        replace_session(self.former_session.take());
    }
}

impl fmt::Debug for ContextGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ContextGuard")
    }
}

/// The current span as a [W3C `traceparent`](https://www.w3.org/TR/trace-context/#traceparent-header), for a child process
/// (`TRACEPARENT`) or a request header; `None` outside of any span.
pub fn traceparent() -> Option<String> {
    Context::current().traceparent()
}
