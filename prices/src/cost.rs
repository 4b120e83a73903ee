//! Prices, tokens, and what they come to. Inside, money is whole pico-dollars, so that sums are exact in any order.

use std::iter::Sum;
use std::ops::{Add, AddAssign};

use serde::de::{Error as _, Unexpected};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

const PICO: f64 = 1e12;
/// A dollar for a million tokens is this much for one of them.
const PICO_PER_TOKEN: f64 = 1e6;
/// Beyond this it is no price but a mistake of units: a million dollars for a million tokens.
const MOST: f64 = 1e6;

/// What tokens of a model cost, in US dollars for a million of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Price {
    input: Rate,
    output: Rate,
    cache_read: Option<Rate>,
    cache_write: Option<Rate>,
    cache_write_1h: Option<Rate>,
}

/// Pico-dollars for one token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rate(u64);

/// Tokens by what they cost. No token is in two of these.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tokens {
    /// Read, without those of the caches below.
    pub input: u64,
    /// Written.
    pub output: u64,
    /// Read from a prompt cache.
    pub cache_read: u64,
    /// Written to a prompt cache for the usual time, five minutes with Anthropic.
    pub cache_write: u64,
    /// Written to a prompt cache for an hour.
    pub cache_write_1h: u64,
}

/// What tokens came to, in US dollars. Sums are exact: each part is kept in whole 10⁻¹² dollars.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    input: u128,
    output: u128,
    cache_read: u128,
    cache_write: u128,
    cache_write_1h: u128,
}

impl Price {
    /// Of a model that costs nothing.
    pub const FREE: Self =
        Self { input: Rate(0), output: Rate(0), cache_read: None, cache_write: None, cache_write_1h: None };

    /// Of tokens read.
    pub fn input(&self) -> f64 {
        self.input.per_million()
    }

    /// Of tokens written.
    pub fn output(&self) -> f64 {
        self.output.per_million()
    }

    /// Of tokens read from a prompt cache: that of the input where the row has none.
    pub fn cache_read(&self) -> f64 {
        self.cache_read.unwrap_or(self.input).per_million()
    }

    /// Of tokens written to a prompt cache: that of the input where the row has none.
    pub fn cache_write(&self) -> f64 {
        self.write().per_million()
    }

    /// Of tokens written to a prompt cache for an hour: that of other writes where the row has none.
    pub fn cache_write_1h(&self) -> f64 {
        self.cache_write_1h.unwrap_or(self.write()).per_million()
    }

    /// What `tokens` cost.
    pub fn cost(&self, tokens: &Tokens) -> Cost {
        let of = |rate: Rate, tokens: u64| u128::from(rate.0) * u128::from(tokens);
        Cost {
            input: of(self.input, tokens.input),
            output: of(self.output, tokens.output),
            cache_read: of(self.cache_read.unwrap_or(self.input), tokens.cache_read),
            cache_write: of(self.write(), tokens.cache_write),
            cache_write_1h: of(self.cache_write_1h.unwrap_or(self.write()), tokens.cache_write_1h),
        }
    }

    fn write(&self) -> Rate {
        self.cache_write.unwrap_or(self.input)
    }
}

impl Rate {
    fn per_million(self) -> f64 {
        self.0 as f64 / PICO_PER_TOKEN
    }
}

impl Tokens {
    /// Tokens as most report them, where what a cache has to do with is part of the input, and writes for an hour are part of the
    /// writes. `cache_write` here is all writes.
    pub fn of_whole_input(input: u64, output: u64, cache_read: u64, cache_write: u64, cache_write_1h: u64) -> Self {
        let for_an_hour = cache_write_1h.min(cache_write);
        Self {
            input: input.saturating_sub(cache_read).saturating_sub(cache_write),
            output,
            cache_read,
            cache_write: cache_write - for_an_hour,
            cache_write_1h: for_an_hour,
        }
    }

    /// All of them.
    pub fn total(&self) -> u64 {
        [self.output, self.cache_read, self.cache_write, self.cache_write_1h]
            .into_iter()
            .fold(self.input, u64::saturating_add)
    }
}

impl Cost {
    /// What somebody else says it came to: all that is not output, and the output. What is no amount of money is none.
    pub fn of_dollars(all_input: f64, output: f64) -> Self {
        Self { input: pico(all_input), output: pico(output), ..Self::default() }
    }

    /// Of tokens read, without those of the caches.
    pub fn input(&self) -> f64 {
        dollars(self.input)
    }

    /// Of tokens written.
    pub fn output(&self) -> f64 {
        dollars(self.output)
    }

    /// Of tokens read from a prompt cache.
    pub fn cache_read(&self) -> f64 {
        dollars(self.cache_read)
    }

    /// Of tokens written to a prompt cache.
    pub fn cache_write(&self) -> f64 {
        dollars(self.cache_write)
    }

    /// Of tokens written to a prompt cache for an hour.
    pub fn cache_write_1h(&self) -> f64 {
        dollars(self.cache_write_1h)
    }

    /// Of all that is not output: what MLflow calls the cost of the input.
    pub fn all_input(&self) -> f64 {
        dollars(Self { output: 0, ..*self }.sum())
    }

    /// Of all tokens.
    pub fn total(&self) -> f64 {
        dollars(self.sum())
    }

    /// Of all tokens, in whole 10⁻¹² dollars.
    pub fn pico(&self) -> u128 {
        self.sum()
    }

    fn sum(&self) -> u128 {
        [self.output, self.cache_read, self.cache_write, self.cache_write_1h]
            .into_iter()
            .fold(self.input, u128::saturating_add)
    }
}

fn dollars(pico: u128) -> f64 {
    pico as f64 / PICO
}

/// A cast takes what is no amount of money for none, and what is too much for the most there is.
fn pico(dollars: f64) -> u128 {
    (dollars * PICO).round() as u128
}

impl Add for Cost {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            input: self.input.saturating_add(other.input),
            output: self.output.saturating_add(other.output),
            cache_read: self.cache_read.saturating_add(other.cache_read),
            cache_write: self.cache_write.saturating_add(other.cache_write),
            cache_write_1h: self.cache_write_1h.saturating_add(other.cache_write_1h),
        }
    }
}

impl AddAssign for Cost {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sum for Cost {
    fn sum<I: Iterator<Item = Self>>(costs: I) -> Self {
        costs.fold(Self::default(), Add::add)
    }
}

/// `{"input":…,"output":…,"cache_read":…,"cache_write":…,"cache_write_1h":…,"total":…}` in dollars.
#[derive(Serialize, Deserialize)]
struct InDollars {
    input: f64,
    output: f64,
    #[serde(default)]
    cache_read: f64,
    #[serde(default)]
    cache_write: f64,
    #[serde(default)]
    cache_write_1h: f64,
    total: f64,
}

impl Serialize for Cost {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        InDollars {
            input: self.input(),
            output: self.output(),
            cache_read: self.cache_read(),
            cache_write: self.cache_write(),
            cache_write_1h: self.cache_write_1h(),
            total: self.total(),
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Cost {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let told = InDollars::deserialize(deserializer)?;
        Ok(Self {
            input: pico(told.input),
            output: pico(told.output),
            cache_read: pico(told.cache_read),
            cache_write: pico(told.cache_write),
            cache_write_1h: pico(told.cache_write_1h),
        })
    }
}

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let dollars = f64::deserialize(deserializer)?;
        if !(0.0..=MOST).contains(&dollars) {
            let told = Unexpected::Float(dollars);
            return Err(D::Error::invalid_value(told, &"US dollars for a million tokens, from 0 to 1000000"));
        }
        Ok(Self((dollars * PICO_PER_TOKEN).round() as u64))
    }
}

/// A row of the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PriceRow {
    input: Rate,
    output: Rate,
    cache_read: Option<Rate>,
    cache_write: Option<Rate>,
    cache_write_1h: Option<Rate>,
}

impl From<PriceRow> for Price {
    fn from(row: PriceRow) -> Self {
        let PriceRow { input, output, cache_read, cache_write, cache_write_1h } = row;
        Self { input, output, cache_read, cache_write, cache_write_1h }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn price(row: &str) -> Price {
        toml::from_str::<PriceRow>(row).expect("a row").into()
    }

    #[test]
    fn sums_of_what_floats_cannot_hold_are_exact() {
        let price = price("input = 0.1\noutput = 0.7");
        let one = price.cost(&Tokens { input: 1, output: 3, ..Tokens::default() });
        let sum: Cost = std::iter::repeat_n(one, 1_000_000).sum();
        assert_eq!((sum.input(), sum.output(), sum.total()), (0.1, 2.1, 2.2));
        assert_eq!(sum, price.cost(&Tokens { input: 1_000_000, output: 3_000_000, ..Tokens::default() }));
    }

    #[test]
    fn each_class_of_tokens_has_its_price_and_falls_back_to_the_nearest() {
        let all = Tokens::of_whole_input(1_111, 10, 100, 1_001, 1_000);
        assert_eq!(all, Tokens { input: 10, output: 10, cache_read: 100, cache_write: 1, cache_write_1h: 1_000 });
        assert_eq!(all.total(), 1_121);
        let full = price("input = 3\noutput = 15\ncache_read = 0.3\ncache_write = 3.75\ncache_write_1h = 6").cost(&all);
        assert_eq!(full.all_input(), 0.00003 + 0.00003 + 0.00000375 + 0.006);
        let bare = price("input = 3\noutput = 15").cost(&all);
        assert_eq!(bare.cache_write_1h(), 0.003);
        assert_eq!(bare.total(), 0.00015 + 0.003333);
    }

    #[test]
    fn more_cached_tokens_than_input_leave_no_negative_rest() {
        assert_eq!(Tokens::of_whole_input(5, 0, 9, 2, 7).input, 0);
        assert_eq!(Tokens::of_whole_input(5, 0, 9, 2, 7).cache_write_1h, 2);
        let most = Tokens { input: u64::MAX, output: u64::MAX, ..Tokens::default() };
        assert_eq!(most.total(), u64::MAX);
        assert!(price("input = 1000000\noutput = 1000000").cost(&most).total() > 1e19);
    }
}
