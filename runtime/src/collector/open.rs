//! The spans under way, found by their ids.
//!
//! What a span held is used again by one that begins later, its buffer included: a span costs no allocation.

use std::collections::HashMap;

use crate::id::{SpanId, SpanIdHash};

use super::span::OpenSpan;

/// Spans kept for later use while nothing is under way.
const MOST_SPARE: usize = 4096;

#[derive(Debug, Default)]
pub(super) struct OpenSpans {
    places: HashMap<SpanId, usize, SpanIdHash>,
    spans: Vec<OpenSpan>,
    free: Vec<usize>,
    /// The span asked for last: what is said of a span stands together.
    last: Option<(SpanId, usize)>,
}

impl OpenSpans {
    /// The span, begun as one of which nothing is known if it is not there: something of it has been read by this sweep.
    pub(super) fn entry(&mut self, id: SpanId, sweep: u64) -> &mut OpenSpan {
        let place = match self.last {
            Some((last, place)) if last == id => place,
            _ => self.place(id, sweep),
        };
        self.last = Some((id, place));
        &mut self.spans[place]
    }

    fn place(&mut self, id: SpanId, sweep: u64) -> usize {
        *self.places.entry(id).or_insert_with(|| {
            let place = self.free.pop().unwrap_or_else(|| {
                self.spans.push(OpenSpan::default());
                self.spans.len() - 1
            });
            self.spans[place].first_sweep = sweep;
            place
        })
    }

    pub(super) fn get(&self, id: SpanId) -> Option<&OpenSpan> {
        self.places.get(&id).map(|place| &self.spans[*place])
    }

    pub(super) fn get_mut(&mut self, id: SpanId) -> Option<&mut OpenSpan> {
        self.places.get(&id).map(|place| &mut self.spans[*place])
    }

    #[cfg(feature = "store")]
    pub(super) fn iter(&self) -> impl Iterator<Item = (SpanId, &OpenSpan)> {
        self.places.iter().map(|(id, place)| (*id, &self.spans[*place]))
    }

    /// Ends a span: `with` sees it for the last time.
    pub(super) fn remove<T>(&mut self, id: SpanId, with: impl FnOnce(&mut OpenSpan) -> T) -> Option<T> {
        let place = self.places.remove(&id)?;
        self.last = None;
        self.free.push(place);
        let span = &mut self.spans[place];
        let seen = with(span);
        span.clear();
        if self.places.is_empty() && self.spans.len() > MOST_SPARE {
            *self = Self::default();
        }
        Some(seen)
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (SpanId, &mut OpenSpan)> {
        let mut in_use: Vec<_> = self.places.iter().map(|(id, place)| (*place, *id)).collect();
        in_use.sort_unstable();
        let mut in_use = in_use.into_iter().peekable();
        let spans = self.spans.iter_mut().enumerate();
        spans.filter_map(move |(at, span)| in_use.next_if(|(place, _)| *place == at).map(|(_, id)| (id, span)))
    }

    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }
}
