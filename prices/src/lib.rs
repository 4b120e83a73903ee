//! What tokens of language models cost: a dated table of prices, as data, and the arithmetic on it.
//!
//! The table is `prices.toml` beside this crate's sources; a program lays a file of its own over it. Prices are list prices in US
//! dollars. A model that is not in the table has no price, which is not the price nothing: [`PriceTable::cost`] is `None` then.
//!
//! ```
//! use spanwright_prices::{PriceTable, Tokens};
//!
//! let prices = PriceTable::builtin();
//! let tokens = Tokens { input: 1_000, output: 200, ..Tokens::default() };
//! let cost = prices.cost(Some("openai"), "gpt-4o-mini-2024-07-18", &tokens).expect("a known model");
//! assert_eq!(cost.total(), 0.00027);
//! assert_eq!(prices.cost(Some("openai"), "a-model-of-tomorrow", &tokens), None);
//! ```

mod cost;
mod file;
mod lookup;

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

pub use cost::{Cost, Price, Tokens};
pub use file::Error;
pub use lookup::Found;

use lookup::Index;

/// Prices of models, by provider.
#[derive(Clone, Debug)]
pub struct PriceTable {
    as_of: Option<Arc<str>>,
    providers: Vec<Provider>,
    index: Index,
}

/// A provider's part of the table.
#[derive(Clone, Debug, Default)]
struct Provider {
    name: Box<str>,
    aliases: Vec<Box<str>>,
    families: Vec<Box<str>>,
    free: bool,
    models: Vec<Model>,
    /// Place in `models` by the name in the row, and by the name without what dates it.
    by_name: HashMap<Box<str>, usize>,
}

#[derive(Clone, Debug)]
struct Model {
    name: Box<str>,
    price: Price,
    as_of: Option<Arc<str>>,
}

/// A row of the table.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row<'a> {
    /// Provider, by the name the table gives it: `openai`, `anthropic`, `bedrock`, …
    pub provider: &'a str,
    /// Model, as the row names it; `*` where all models of the provider are free.
    pub model: &'a str,
    /// What it costs.
    pub price: Price,
    /// Date of the file the row stands in, `2026-01-31`; `None` if that file says none.
    pub as_of: Option<&'a str>,
}

impl PriceTable {
    /// The table that comes with this crate. Read at the first call, then the same one.
    pub fn builtin() -> &'static Self {
        static BUILTIN: OnceLock<PriceTable> = OnceLock::new();
        BUILTIN.get_or_init(|| Self::from_toml(include_str!("../prices.toml")).unwrap_or_else(|_| Self::empty()))
    }

    /// A table without a row.
    pub fn empty() -> Self {
        Self { as_of: None, providers: Vec::new(), index: Index::default() }
    }

    /// A table from the text of a file in the form of `prices.toml`; `as_of` and each part of a provider may be left out.
    ///
    /// ```
    /// use spanwright_prices::PriceTable;
    ///
    /// let own = PriceTable::from_toml(r#"
    ///     [providers.openai.models]
    ///     "gpt-4o" = { input = 2.0, output = 8.0 }
    /// "#)?;
    /// let prices = PriceTable::builtin().overlaid(&own);
    /// assert_eq!(prices.price(Some("openai"), "gpt-4o").expect("a row").input(), 2.0);
    /// # Ok::<_, spanwright_prices::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// What is wrong, and the line.
    pub fn from_toml(text: &str) -> Result<Self, Error> {
        file::read(text)
    }

    /// This table with the rows of another over it: a row of `other` takes the place of one with the same provider and model, and its
    /// names of providers come first. The date stays that of this table; each row keeps the date of the file it stands in.
    #[must_use]
    pub fn overlaid(&self, other: &Self) -> Self {
        let mut table = self.clone();
        for over in &other.providers {
            match table.providers.iter_mut().find(|under| under.name == over.name) {
                Some(under) => under.take(over),
                None => table.providers.insert(0, over.clone()),
            }
        }
        table.as_of = table.as_of.or_else(|| other.as_of.clone());
        table.index = Index::of(&table.providers);
        table
    }

    /// When these prices were read, `2026-01-31`; `None` if the file says no date.
    pub fn as_of(&self) -> Option<&str> {
        self.as_of.as_deref()
    }

    /// Names of the providers, without their aliases.
    pub fn providers(&self) -> impl Iterator<Item = &str> {
        self.providers.iter().map(|provider| &*provider.name)
    }

    /// The rows of one provider, by its name or an alias.
    pub fn provider_prices(&self, name: &str) -> impl Iterator<Item = Row<'_>> {
        self.provider(name).into_iter().flat_map(Provider::rows)
    }

    /// All rows, providers and models by name; what was laid over the table last.
    pub fn prices(&self) -> impl Iterator<Item = Row<'_>> {
        self.providers.iter().flat_map(Provider::rows)
    }
}

impl Provider {
    /// Puts a row where one of the same name stands, else at the end.
    fn set(&mut self, model: Model) {
        match self.models.iter_mut().find(|row| row.name == model.name) {
            Some(row) => *row = model,
            None => self.models.push(model),
        }
    }

    fn take(&mut self, over: &Self) {
        self.free |= over.free;
        for (names, more) in [(&mut self.aliases, &over.aliases), (&mut self.families, &over.families)] {
            names.extend(more.iter().cloned());
        }
        over.models.iter().for_each(|model| self.set(model.clone()));
        self.name_models();
    }

    fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        let all = self.free.then_some(Row { provider: &self.name, model: "*", price: Price::FREE, as_of: None });
        all.into_iter().chain(self.models.iter().map(|model| self.row(model)))
    }

    fn row<'a>(&'a self, model: &'a Model) -> Row<'a> {
        Row { provider: &self.name, model: &model.name, price: model.price, as_of: model.as_of.as_deref() }
    }
}
