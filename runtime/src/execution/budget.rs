//! How much an execution may cost, and how much it has cost so far.
//!
//! In: the limits of its attribute, and what its model calls tell as they end. Out: which mark a call has passed, once for each. Nothing here
//! stops anything, and nothing waits.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, TryLockError};

use crate::id::SpanId;
use crate::record::Usage;

const PICO_PER_DOLLAR: f64 = 1e12;
/// Calls whose model is known before they reply; beyond that the oldest is forgotten.
const MOST_ASKED: usize = 256;
const TRIES: u32 = 1000;

/// Whether an execution of this process has or had a budget: while none has, a model call pays one relaxed load.
static IN_USE: AtomicBool = AtomicBool::new(false);

#[inline]
pub(crate) fn in_use() -> bool {
    IN_USE.load(Ordering::Relaxed)
}

/// The prices of this process; the first stay.
#[cfg(feature = "store")]
static PRICES: std::sync::OnceLock<spanwright_prices::PriceTable> = std::sync::OnceLock::new();

#[cfg(feature = "store")]
pub(crate) fn price_with(prices: spanwright_prices::PriceTable) {
    let _ = PRICES.set(prices);
}

/// Reads the prices that come with the library if they are going to be asked for: it takes milliseconds, which are not the caller's.
#[cfg(feature = "store")]
pub(crate) fn read_ahead() {
    if in_use() && PRICES.get().is_none() {
        spanwright_prices::PriceTable::builtin();
    }
}

/// The budget of one execution. Dollars are whole 10⁻¹² of them; a limit of 0 is none.
#[derive(Debug, Default)]
pub(crate) struct State {
    limit_pico: AtomicU64,
    limit_tokens: AtomicU64,
    pico: AtomicU64,
    tokens: AtomicU64,
    /// Marks that have been passed, a bit each.
    passed: AtomicU8,
    /// What calls said of their model as they began.
    asked: Mutex<Vec<Asked>>,
}

#[derive(Debug)]
struct Asked {
    span: SpanId,
    model: Option<Box<str>>,
    provider: Option<Box<str>>,
}

/// What a call says of itself as it begins.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Word<'w> {
    Model(&'w str),
    Provider(&'w str),
}

/// A share of a budget, in percent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    Near = 1,
    Over = 2,
}

impl Mark {
    pub(crate) const fn percent(self) -> u64 {
        match self {
            Self::Near => 80,
            Self::Over => 100,
        }
    }
}

/// Limits and what has been spent.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Spent {
    pub(crate) usd: f64,
    pub(crate) limit_usd: Option<f64>,
    pub(crate) tokens: u64,
    pub(crate) limit_tokens: Option<u64>,
}

impl Spent {
    /// Whether one of the limits is reached.
    pub(crate) fn is_exceeded(&self) -> bool {
        self.share() >= 100.0
    }

    /// Of the limit that is nearer, in percent.
    fn share(&self) -> f64 {
        let dollars = self.limit_usd.map_or(0.0, |limit| self.usd / limit);
        let tokens = self.limit_tokens.map_or(0.0, |limit| self.tokens as f64 / limit as f64);
        dollars.max(tokens) * 100.0
    }
}

impl State {
    pub(crate) fn limit_usd(&self, usd: f64) {
        // A cast takes what is no amount of money for none.
        self.limit_pico.store((usd * PICO_PER_DOLLAR) as u64, Ordering::Relaxed);
        IN_USE.store(true, Ordering::Relaxed);
    }

    pub(crate) fn limit_tokens(&self, tokens: u64) {
        self.limit_tokens.store(tokens, Ordering::Relaxed);
        IN_USE.store(true, Ordering::Relaxed);
    }

    pub(crate) fn spent(&self) -> Spent {
        let some = |limit: &AtomicU64| Some(limit.load(Ordering::Relaxed)).filter(|limit| *limit > 0);
        let dollars = |pico: u64| pico as f64 / PICO_PER_DOLLAR;
        Spent {
            usd: dollars(self.pico.load(Ordering::Relaxed)),
            limit_usd: some(&self.limit_pico).map(dollars),
            tokens: self.tokens.load(Ordering::Relaxed),
            limit_tokens: some(&self.limit_tokens),
        }
    }

    /// Takes what a call says as it begins.
    pub(crate) fn ask(&self, span: SpanId, word: Word<'_>) {
        let Some(mut asked) = self.hold() else { return };
        let place = asked.iter().position(|one| one.span == span).unwrap_or_else(|| {
            if asked.len() == MOST_ASKED {
                asked.remove(0);
            }
            asked.push(Asked { span, model: None, provider: None });
            asked.len() - 1
        });
        match word {
            Word::Model(model) => asked[place].model = Some(model.into()),
            Word::Provider(provider) => asked[place].provider = Some(provider.into()),
        }
    }

    /// Counts a call that ends; which marks that passes for the first time.
    pub(crate) fn add(
        &self,
        span: SpanId,
        model: Option<&str>,
        provider: Option<&str>,
        usage: &Usage,
    ) -> [Option<Mark>; 2] {
        let asked = self.hold().and_then(|mut asked| {
            let place = asked.iter().position(|one| one.span == span)?;
            Some(asked.swap_remove(place))
        });
        let asked = asked.as_ref();
        let model = model.or_else(|| asked?.model.as_deref());
        let provider = provider.or_else(|| asked?.provider.as_deref());
        self.spend(pico_of(provider, model, usage), usage.total())
    }

    fn spend(&self, pico: u64, tokens: u64) -> [Option<Mark>; 2] {
        let add = |to: &AtomicU64, more: u64| {
            let _ = to.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |sum| Some(sum.saturating_add(more)));
        };
        add(&self.pico, pico);
        add(&self.tokens, tokens);
        let share = self.spent().share();
        [Mark::Near, Mark::Over].map(|mark| {
            let is_passed = share >= mark.percent() as f64;
            let bit = mark as u8;
            (is_passed && self.passed.fetch_or(bit, Ordering::Relaxed) & bit == 0).then_some(mark)
        })
    }

    fn hold(&self) -> Option<MutexGuard<'_, Vec<Asked>>> {
        (0..TRIES).find_map(|_| match self.asked.try_lock() {
            Ok(held) => Some(held),
            // Nothing of what is done while it is held leaves anything half done.
            Err(TryLockError::Poisoned(held)) => Some(held.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        })
    }
}

/// What tokens cost; nothing where their model has no price.
#[cfg(feature = "store")]
fn pico_of(provider: Option<&str>, model: Option<&str>, usage: &Usage) -> u64 {
    use spanwright_prices::PriceTable;
    let prices = PRICES.get().unwrap_or_else(|| PriceTable::builtin());
    let tokens = crate::record::priced_tokens(usage);
    let cost = model.and_then(|model| prices.cost(provider, model, &tokens));
    cost.map_or(0, |cost| u64::try_from(cost.pico()).unwrap_or(u64::MAX))
}

#[cfg(not(feature = "store"))]
fn pico_of(_: Option<&str>, _: Option<&str>, _: &Usage) -> u64 {
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(input: u64) -> Usage {
        Usage { input, ..Usage::default() }
    }

    fn spend(state: &State, tokens: u64) -> Vec<Mark> {
        state.add(SpanId::from_u64(9), None, None, &usage(tokens)).into_iter().flatten().collect()
    }

    #[test]
    fn each_mark_is_passed_once_whatever_comes_after() {
        let state = State::default();
        state.limit_tokens(1_000);
        assert_eq!(spend(&state, 799), []);
        assert_eq!(spend(&state, 1), [Mark::Near]);
        assert_eq!(spend(&state, 100), []);
        assert!(!state.spent().is_exceeded());
        assert_eq!(spend(&state, 100), [Mark::Over]);
        assert_eq!(spend(&state, u64::MAX), []);
        assert!(state.spent().is_exceeded());
        let state = State::default();
        state.limit_tokens(10);
        assert_eq!(spend(&state, 10), [Mark::Near, Mark::Over]);
    }

    #[test]
    fn without_a_limit_nothing_is_passed_and_what_is_no_amount_is_no_limit() {
        let state = State::default();
        for usd in [f64::NAN, -1.0, 0.0] {
            state.limit_usd(usd);
        }
        assert_eq!(spend(&state, u64::MAX), []);
        assert!(!state.spent().is_exceeded());
    }

    #[cfg(feature = "store")]
    #[test]
    fn a_model_named_as_the_call_begins_prices_it_as_it_ends() {
        let state = State::default();
        state.limit_usd(0.002);
        let span = SpanId::from_u64(3);
        state.ask(span, Word::Model("gpt-4o"));
        state.ask(span, Word::Provider("openai"));
        assert_eq!(state.add(span, None, None, &usage(1_000)), [Some(Mark::Near), Some(Mark::Over)]);
        assert_eq!(state.spent().usd, 0.0025);
        state.add(span, None, None, &usage(1_000));
        assert_eq!(state.spent().usd, 0.0025, "what was said of a call holds for that call");
    }
}
