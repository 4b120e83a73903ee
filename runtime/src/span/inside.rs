//! A sync call: it is in the context of its span from its start to its end.

use std::any::Any;
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::callsite::Callsite;
use crate::capture::Value;
use crate::context::{self, Current};
use crate::id::SpanId;
use crate::outcome::Observed;
use crate::recorder::{self, Recorder};

use super::opening::{self, Opened, Opening};
use super::{Span, finish_call};

/// A call within the context of its span. What it is given to, [`call`], leaves that again.
///
/// Of a child that was started the short way no more is kept than is needed in any case: the context the call came from tells where its entries
/// go.
#[must_use = "the context of the span is entered"]
#[derive(Debug)]
pub struct Inside {
    site: &'static Callsite,
    former: Current,
    /// Whether there is a context to leave: that of a span, or of a trace that is not sampled.
    recorder: Option<&'static Recorder>,
    /// Invalid if no span is recorded.
    id: SpanId,
    /// The span, if it was started the long way.
    long: Option<ManuallyDrop<Span>>,
}

/// What a sync call can be made with.
pub trait Begun {
    /// Enters the context, unless that is done.
    fn enter(self) -> Inside;
}

impl Begun for Inside {
    #[inline(always)]
    fn enter(self) -> Inside {
        self
    }
}

impl Begun for Span {
    #[inline(always)]
    fn enter(self) -> Inside {
        let site = self.site;
        Inside::enter(site, |_| Opened::Span(self))
    }
}

/// Starts a span for a call of the function at `site`, and enters its context.
#[inline(always)]
pub(super) fn enter(site: &'static Callsite, values: &[&dyn Value]) -> Inside {
    if !recorder::any() {
        return Inside::nowhere(site);
    }
    Inside::enter(site, |site| opening::open_silently(site, values))
}

/// As [`enter`]; `say` is run only if there is a recorder, and says the values of the callsite's attributes.
#[inline(always)]
pub(super) fn tell(
    site: &'static Callsite,
    values: &[&dyn Value],
    say: impl FnOnce(Opening<'_>) -> Option<SpanId>,
) -> Inside {
    if !recorder::any() {
        return Inside::nowhere(site);
    }
    Inside::enter(site, |site| opening::open(site, values, say))
}

impl Inside {
    #[inline(always)]
    fn nowhere(site: &'static Callsite) -> Self {
        recorder::nothing_installed();
        Self { site, former: Current::NONE, recorder: None, id: Current::NONE.span, long: None }
    }

    #[inline(always)]
    fn enter(site: &'static Callsite, open: impl FnOnce(&'static Callsite) -> Opened) -> Self {
        match open(site) {
            Opened::Child(id) => {
                let former = context::current();
                context::go_below(id);
                Self { site, former, recorder: former.recorder, id, long: None }
            }
            Opened::Span(span) => {
                let former = context::current();
                if let Some(context) = span.context() {
                    context::replace(context);
                }
                let span = ManuallyDrop::new(span);
                Self { site, former, recorder: span.recorder, id: span.id, long: Some(span) }
            }
        }
    }

    #[inline(always)]
    fn finish<'r, R>(&self, recorder: &'static Recorder, returned: &'r R, observe: impl FnOnce(&'r R) -> Observed<'r>) {
        if self.id.is_valid() {
            let trace = || self.long.as_ref().map_or(self.former.trace, |span| span.trace);
            finish_call(recorder, self.site, self.id, self.long.is_none(), trace, returned, observe);
        }
        context::replace(self.former);
    }
}

/// Ends the span of a call that panicked, leaves its context, and lets the panic go on.
#[cold]
#[inline(never)]
fn rethrow(inside: &Inside, payload: Box<dyn Any + Send>) -> ! {
    let Inside { site, former, recorder, id, ref long } = *inside;
    let trace = long.as_ref().map_or(former.trace, |span| span.trace);
    let mut span = ManuallyDrop::new(Span { recorder, site, trace, id });
    span.finish_panicked(&*payload);
    context::replace(former);
    std::panic::resume_unwind(payload)
}

/// Runs a sync body in the context of its span and ends the span with what it returns.
#[inline]
pub fn call<R>(begun: impl Begun, body: impl FnOnce() -> R, observe: impl for<'r> FnOnce(&'r R) -> Observed<'r>) -> R {
    let inside = begun.enter();
    let Some(recorder) = inside.recorder else { return body() };
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(returned) => {
            inside.finish(recorder, &returned, observe);
            returned
        }
        Err(payload) => {
            let Inside { site, former, recorder, id, long } = inside;
            // A copy, so that what is kept in registers elsewhere needs no address.
            rethrow(&Inside { site, former, recorder, id, long }, payload)
        }
    }
}
