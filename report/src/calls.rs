//! The model calls of a trace, each counted once and each with its price.

use std::collections::HashMap;

use spanwright::cost::Told;
use spanwright::record::{Usage, priced_tokens};
use spanwright::store::{SpanBrief, TraceBrief};
use spanwright_prices::{Cost, Price, PriceTable};

use crate::tally::Pico;

/// A model call that counts.
#[derive(Clone, Copy, Debug)]
pub struct Call<'t> {
    /// Place of its span among those of the trace.
    pub place: usize,
    /// Its span.
    pub span: &'t SpanBrief<'t>,
    /// Model, if it says which.
    pub model: Option<&'t str>,
    /// Provider, if it says which.
    pub provider: Option<&'t str>,
    /// Tokens.
    pub usage: Usage,
    /// What they cost; `None` where the model has no price.
    pub cost: Option<Pico>,
}

/// Spans of one trace, each with the place of its parent.
#[derive(Debug, Default)]
pub struct Parents {
    places: Vec<(u64, usize)>,
    parents: Vec<Option<usize>>,
}

impl Parents {
    /// Of these spans. What was in it before is gone; only its memory is used again.
    pub fn read(&mut self, spans: &[SpanBrief<'_>]) {
        self.places.clear();
        self.places.extend(spans.iter().enumerate().map(|(place, span)| (span.span_id.to_u64(), place)));
        self.places.sort_unstable();
        self.parents.clear();
        for span in spans {
            let parent = span.parent_id.and_then(|id| self.place(id.to_u64()));
            self.parents.push(parent);
        }
    }

    fn place(&self, id: u64) -> Option<usize> {
        let at = self.places.binary_search_by_key(&id, |(id, _)| *id).ok()?;
        Some(self.places[at].1)
    }

    /// The place of the span that encloses the one at `place`.
    pub fn of(&self, place: usize) -> Option<usize> {
        self.parents.get(place).copied().flatten()
    }

    /// The places of all that enclose the one at `place`, from the nearest outwards; they end where spans name each other in a ring.
    pub fn above(&self, place: usize) -> impl Iterator<Item = usize> {
        std::iter::successors(self.of(place), |above| self.of(*above)).take(self.parents.len())
    }
}

/// Prices, looked up once for each model.
#[derive(Debug)]
pub struct Prices<'p> {
    table: &'p PriceTable,
    /// By model, and of each by provider.
    known: HashMap<Box<str>, Vec<OfProvider>>,
}

/// A provider's price of a model, where it has one.
type OfProvider = (Option<Box<str>>, Option<Price>);

impl<'p> Prices<'p> {
    /// Of this table.
    pub fn new(table: &'p PriceTable) -> Self {
        Self { table, known: HashMap::new() }
    }

    fn price(&mut self, provider: Option<&str>, model: &str) -> Option<Price> {
        if let Some(of_model) = self.known.get(model)
            && let Some((_, price)) = of_model.iter().find(|(known, _)| known.as_deref() == provider)
        {
            return *price;
        }
        let price = self.table.price(provider, model).copied();
        self.known.entry(model.into()).or_default().push((provider.map(Into::into), price));
        price
    }
}

/// Which model calls of a trace count.
#[derive(Debug)]
pub struct Calls<'p> {
    prices: Prices<'p>,
    covered: Vec<bool>,
}

impl<'p> Calls<'p> {
    /// With prices from this table.
    pub fn new(table: &'p PriceTable) -> Self {
        Self { prices: Prices::new(table), covered: Vec::new() }
    }

    /// Shows the calls of a trace: the spans with tokens that have none with tokens below them. An agent that repeats what its model
    /// calls used is not counted again. The same spans count as in a [`CostSummary`](spanwright::cost::CostSummary).
    pub fn each(&mut self, trace: &TraceBrief<'_>, parents: &Parents, mut show: impl FnMut(Call<'_>)) {
        let told = |span: &SpanBrief<'_>| span.whole.as_ref().and_then(|whole| Told::of(whole));
        let tells = |span: &SpanBrief<'_>| span.model.as_ref().is_some_and(|model| model.usage.is_some());
        self.covered.clear();
        self.covered.resize(trace.spans.len(), false);
        for (place, span) in trace.spans.iter().enumerate() {
            if tells(span) || told(span).is_some() {
                for above in parents.above(place) {
                    // What encloses that one has been seen to.
                    if std::mem::replace(&mut self.covered[above], true) {
                        break;
                    }
                }
            }
        }
        for (place, span) in trace.spans.iter().enumerate().filter(|(place, _)| !self.covered[*place]) {
            if let Some(told) = told(span) {
                let cost = told.cost(self.prices.table).map(|cost| cost.pico());
                let (model, provider) = (told.model.as_deref(), told.provider.as_deref());
                show(Call { place, span, model, provider, usage: told.usage, cost });
                continue;
            }
            let Some(asked) = &span.model else { continue };
            let Some(usage) = asked.usage else { continue };
            let (model, provider) = (asked.model.as_deref(), asked.provider.as_deref());
            let cost = match asked.cost {
                Some(cost) => Some(Cost::of_dollars(cost.input, cost.output)),
                None => model
                    .and_then(|model| self.prices.price(provider, model))
                    .map(|price| price.cost(&priced_tokens(&usage))),
            };
            show(Call { place, span, model, provider, usage, cost: cost.map(|cost| cost.pico()) });
        }
    }
}

/// The place of the span that made a model call: the nearest one above that is none itself.
pub fn caller(trace: &TraceBrief<'_>, parents: &Parents, place: usize) -> usize {
    let is_model_call =
        |span: &SpanBrief<'_>| span.kind == "llm" || matches!(&*span.span_type, "LLM" | "CHAT_MODEL" | "EMBEDDING");
    parents.above(place).find(|above| !is_model_call(&trace.spans[*above])).unwrap_or(place)
}
