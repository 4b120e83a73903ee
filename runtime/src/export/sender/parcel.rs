//! Spans that can share a request.

use std::sync::Arc;

use super::Sender;
use super::waiting::Waiting;
use crate::export::mlflow::ExperimentRef;
use crate::id::TraceId;
use crate::store::TraceContext;

/// Spans that travel together.
pub(super) struct Parcel {
    pub(super) experiment: ExperimentRef,
    pub(super) run: Run,
    pub(super) spans: Vec<Waiting>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Run {
    None,
    /// The user's own.
    Given,
    /// One that is opened for this trace.
    Opened(TraceId),
}

impl Sender {
    /// Groups spans that can share a request, in the order of the queue, roots after the rest.
    pub(super) fn parcels(&self, queued: Vec<Waiting>) -> Vec<Parcel> {
        let mut parcels: Vec<(Parcel, Vec<Waiting>)> = Vec::new();
        let mut last: Option<(Arc<TraceContext>, usize)> = None;
        for span in queued {
            let place = match &last {
                // The spans of a trace stand together.
                Some((trace, place)) if Arc::ptr_eq(trace, &span.trace) => *place,
                _ => {
                    let (experiment, run) = (self.experiment_of(&span.trace.facts), self.run_of(&span));
                    let found = parcels.iter().position(|(to, _)| to.experiment == experiment && to.run == run);
                    let place = found.unwrap_or(parcels.len());
                    if found.is_none() {
                        parcels.push((Parcel { experiment, run, spans: Vec::new() }, Vec::new()));
                    }
                    last = Some((Arc::clone(&span.trace), place));
                    place
                }
            };
            let (parcel, roots) = &mut parcels[place];
            if span.is_root { roots.push(span) } else { parcel.spans.push(span) }
        }
        let joined = parcels.into_iter().map(|(parcel, roots)| {
            let spans = parcel.spans.into_iter().chain(roots).collect();
            Parcel { spans, ..parcel }
        });
        joined.collect()
    }

    fn run_of(&self, span: &Waiting) -> Run {
        match &span.trace.facts.opens_run {
            Some(_) if span.trace.root_ended => Run::Opened(span.trace_id),
            Some(_) => Run::None,
            None if self.route.run.is_some() => Run::Given,
            None => Run::None,
        }
    }
}
