//! What a trace cost: tokens and dollars, by span, provider and model.
//!
//! In: the spans of one trace, as they are stored, and prices. Out: a [`CostSummary`]. Nothing is written here, and nothing of it is on the
//! path of a call.
//!
//! | Question | Answer |
//! |---|---|
//! | which spans count | those that tell tokens, unless a span below them tells some too: it would count twice what they repeat |
//! | what a span costs | what it says itself, else its tokens at the price of its model |
//! | a model without a price | its cost is unknown, not nothing: its tokens count, and the model is listed |

mod summary;
#[cfg(all(test, not(loom)))]
mod tests;
mod told;

use spanwright_prices::PriceTable;

use crate::error::{Error, Kind};
use crate::id::TraceId;
use crate::store::Store;

pub use spanwright_prices as prices;
pub use summary::{CostSummary, Figures, ModelCost, NodeCost, ProviderCost, ServerFigures, TokenCounts};
pub use told::{ATTRIBUTES, Told};

impl CostSummary {
    /// What exactly this trace cost, as far as its spans are in the store. What has not been stored yet is not in it; see
    /// [`TraceHandle::cost_summary`](crate::TraceHandle::cost_summary) for what waits for that.
    ///
    /// # Errors
    ///
    /// [`Error::is_state`] if the store has no span of it, [`Error::is_store`] if the store cannot be read.
    pub fn of_stored(store: &Store, trace: TraceId, prices: &PriceTable) -> Result<Self, Error> {
        let spans = store.spans(trace)?;
        Self::of(&spans, prices).ok_or_else(|| not_there(trace))
    }
}

#[cold]
pub(crate) fn not_there(trace: TraceId) -> Error {
    Error::new(
        Kind::State,
        format!(
            "cannot sum up trace tr-{trace}: none of its spans is in the store yet; flush first (`Guard::flush`), once its workflow has \
             ended"
        ),
    )
}
