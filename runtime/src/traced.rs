//! Learning which trace a piece of work made.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};

use pin_project_lite::pin_project;

use crate::context::{self, Watch};
use crate::id::TraceId;

/// One trace, to be looked up, linked or waited for later.
///
/// Prints as MLflow names it: `tr-` and 32 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TraceHandle {
    trace_id: TraceId,
}

impl TraceHandle {
    /// The id of the trace.
    pub fn trace_id(&self) -> TraceId {
        self.trace_id
    }
}

impl From<TraceId> for TraceHandle {
    fn from(trace_id: TraceId) -> Self {
        Self { trace_id }
    }
}

impl fmt::Display for TraceHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tr-{}", self.trace_id)
    }
}

/// The trace the calling thread or task is in; `None` outside of any, and in one that is not sampled.
pub fn current_trace() -> Option<TraceHandle> {
    context::Context::current().trace_id().map(|trace_id| TraceHandle { trace_id })
}

/// Runs a future and says which trace it made: the first one it started, else the one it ran in.
///
/// ```
/// use spanwright::workflow;
///
/// #[workflow]
/// async fn nightly_workflow() -> u32 {
///     42
/// }
///
/// # async fn example() {
/// let (out, trace) = spanwright::traced(nightly_workflow()).await;
/// assert_eq!(out, 42);
/// assert!(trace.is_none(), "nothing is installed in this example");
/// # }
/// ```
pub fn traced<F: Future>(future: F) -> Traced<F> {
    Traced { inner: future, started: None, around: context::Context::current().trace_id() }
}

/// As [`traced`], for work that is not a future.
pub fn traced_call<R>(work: impl FnOnce() -> R) -> (R, Option<TraceHandle>) {
    let mut seen = context::Context::current().trace_id();
    let out = watch(&mut seen, work);
    (out, seen.map(|trace_id| TraceHandle { trace_id }))
}

/// Runs `work` and notes in `seen` the first trace that starts meanwhile.
fn watch<R>(seen: &mut Option<TraceId>, work: impl FnOnce() -> R) -> R {
    struct Restore(Watch);
    impl Drop for Restore {
        fn drop(&mut self) {
            context::replace_watch(self.0);
        }
    }
    let mut restore = Restore(context::replace_watch(Watch::Waiting));
    let out = work();
    if let Watch::Saw(trace) = context::replace_watch(Watch::Off) {
        *seen = Some(trace);
        // Whoever watches from further out has seen it too.
        if let Watch::Waiting = restore.0 {
            restore.0 = Watch::Saw(trace);
        }
    }
    out
}

pin_project! {
    /// The future of [`traced`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct Traced<F> {
        #[pin]
        inner: F,
        started: Option<TraceId>,
        around: Option<TraceId>,
    }
}

impl<F: Future> Future for Traced<F> {
    type Output = (F::Output, Option<TraceHandle>);

    fn poll(self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut seen = None;
        let polled = watch(&mut seen, || this.inner.poll(task));
        *this.started = this.started.or(seen);
        polled.map(|out| (out, this.started.or(*this.around).map(|trace_id| TraceHandle { trace_id })))
    }
}
