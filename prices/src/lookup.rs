//! Which row a provider and a model mean.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::{Cost, Price, PriceTable, Provider, Row, Tokens};

/// Places of providers by their names and aliases.
#[derive(Clone, Debug, Default)]
pub(crate) struct Index {
    providers: HashMap<Box<str>, usize>,
}

/// What a look-up found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Found<'a> {
    /// The row.
    pub row: Row<'a>,
    price: &'a Price,
}

impl Index {
    /// A name stands for the first that has it.
    pub fn of(providers: &[Provider]) -> Self {
        let mut places = HashMap::new();
        for (place, provider) in providers.iter().enumerate() {
            places.insert(provider.name.clone(), place);
        }
        for (place, provider) in providers.iter().enumerate() {
            for alias in &provider.aliases {
                places.entry(alias.clone()).or_insert(place);
            }
        }
        Self { providers: places }
    }
}

impl PriceTable {
    /// What a model costs; `None` if it is not in the table.
    ///
    /// The provider's own rows are looked at first; then what the model's name says of its provider (`openai/gpt-4o`), then the
    /// provider whose family the model is. Without a provider a model that several list has a price only if they agree on it.
    /// Upper and lower case do not matter. Names without a row of their own are looked up without what dates them.
    pub fn price(&self, provider: Option<&str>, model: &str) -> Option<&Price> {
        self.find(provider, model).map(|found| found.price)
    }

    /// What `tokens` of a model cost; `None` if it has no price.
    pub fn cost(&self, provider: Option<&str>, model: &str, tokens: &Tokens) -> Option<Cost> {
        Some(self.price(provider, model)?.cost(tokens))
    }

    /// As [`PriceTable::price`], with the row it comes from.
    pub fn find(&self, provider: Option<&str>, model: &str) -> Option<Found<'_>> {
        let model = lower(model.trim());
        let provider = provider.map(str::trim).filter(|provider| !provider.is_empty());
        let named = provider.and_then(|provider| self.provider(provider));
        named
            .and_then(|provider| provider.find(&model))
            .or_else(|| self.find_by_prefix(&model))
            .or_else(|| self.find_by_family(&model))
            .or_else(|| if provider.is_none() { self.find_agreed(&model) } else { None })
    }

    pub(crate) fn provider(&self, name: &str) -> Option<&Provider> {
        let place = self.index.providers.get(&*lower(name))?;
        self.providers.get(*place)
    }

    /// `openai/gpt-4o`, `vertex_ai/claude-sonnet-4-5`: what stands before a slash names the provider.
    fn find_by_prefix(&self, model: &str) -> Option<Found<'_>> {
        let (before, rest) = model.split_once('/')?;
        self.provider(before).and_then(|provider| provider.find(rest)).or_else(|| self.find_by_prefix(rest))
    }

    fn find_by_family(&self, model: &str) -> Option<Found<'_>> {
        let name = without_region(last_segment(model));
        let is_of = |provider: &&Provider| provider.families.iter().any(|family| name.starts_with(&**family));
        self.providers.iter().filter(is_of).find_map(|provider| provider.find(name))
    }

    fn find_agreed(&self, model: &str) -> Option<Found<'_>> {
        let mut found = self.providers.iter().filter(|provider| !provider.free).filter_map(|one| one.find(model));
        let first = found.next()?;
        found.all(|other| other.price == first.price).then_some(first)
    }
}

impl Provider {
    /// Enters each model under its name, and under the name without what dates it where no row has that: of several the last.
    pub(crate) fn name_models(&mut self) {
        self.by_name.clear();
        for (place, model) in self.models.iter().enumerate() {
            self.by_name.insert(lower(&model.name).into(), place);
        }
        for (place, model) in self.models.iter().enumerate() {
            let name = lower(&model.name);
            let Some(plain) = shorter_names(&name).last() else { continue };
            let is_taken = |at: &usize| *lower(&self.models[*at].name) == *plain;
            if !self.by_name.get(plain).is_some_and(is_taken) {
                self.by_name.insert(plain.into(), place);
            }
        }
    }

    fn find(&self, model: &str) -> Option<Found<'_>> {
        if self.free {
            return Some(Found { row: self.rows().next()?, price: &Price::FREE });
        }
        let segments = [model, last_segment(model)];
        let names = segments.into_iter().flat_map(|name| [name, without_region(name)]);
        let place = names
            .flat_map(|name| std::iter::once(name).chain(shorter_names(name)))
            .find_map(|name| self.by_name.get(name))?;
        let model = &self.models[*place];
        Some(Found { row: self.row(model), price: &model.price })
    }
}

fn lower(name: &str) -> Cow<'_, str> {
    match name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        true => Cow::Owned(name.to_ascii_lowercase()),
        false => Cow::Borrowed(name),
    }
}

fn last_segment(model: &str) -> &str {
    model.rsplit_once('/').map_or(model, |(_, last)| last)
}

/// Bedrock's profiles over several regions name the region first.
fn without_region(model: &str) -> &str {
    const REGIONS: [&str; 8] = ["us.", "eu.", "apac.", "global.", "au.", "jp.", "ca.", "us-gov."];
    REGIONS.iter().find_map(|region| model.strip_prefix(region)).unwrap_or(model)
}

/// A name with less and less of what dates it at its end.
fn shorter_names(name: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(shorter(name), |name| shorter(name))
}

fn shorter(name: &str) -> Option<&str> {
    let bracketed = || name.strip_suffix(']')?.rsplit_once('[').map(|(before, _)| before);
    let at = || name.rsplit_once('@').map(|(before, _)| before);
    let numbered = || name.rsplit_once(':').filter(|(_, number)| is_number(number)).map(|(before, _)| before);
    let versioned = || name.rsplit_once("-v").filter(|(_, number)| is_number(number)).map(|(before, _)| before);
    let latest = || name.strip_suffix("-latest");
    bracketed()
        .or_else(at)
        .or_else(numbered)
        .or_else(versioned)
        .or_else(latest)
        .or_else(|| undated(name))
        .filter(|name| !name.is_empty())
}

/// Without `-20250929` or `-2024-08-06`.
fn undated(name: &str) -> Option<&str> {
    let (before, last) = name.rsplit_once('-')?;
    if last.len() == 8 && is_number(last) {
        return Some(before);
    }
    let (before, month) = before.rsplit_once('-')?;
    let (before, year) = before.rsplit_once('-')?;
    let is_date =
        [(year, 4), (month, 2), (last, 2)].iter().all(|(part, digits)| part.len() == *digits && is_number(part));
    is_date.then_some(before)
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(provider: impl Into<Option<&'static str>>, model: &str) -> String {
        match PriceTable::builtin().find(provider.into(), model) {
            Some(found) => format!("{}/{}", found.row.provider, found.row.model),
            None => "none".to_owned(),
        }
    }

    #[test]
    fn a_name_is_found_however_it_is_dated_and_whoever_passes_it_on() {
        assert_eq!(row("openai", "gpt-4o"), "openai/gpt-4o");
        assert_eq!(row("OpenAI", "GPT-4o-2024-08-06"), "openai/gpt-4o");
        assert_eq!(row("openai", "gpt-4o-2024-05-13"), "openai/gpt-4o-2024-05-13", "that one cost more");
        assert_eq!(row("anthropic", "claude-sonnet-4-5-20250929"), "anthropic/claude-sonnet-4-5");
        assert_eq!(row("anthropic", "claude-sonnet-4-5[1m]"), "anthropic/claude-sonnet-4-5");
        assert_eq!(row("anthropic", "claude-3-haiku"), "anthropic/claude-3-haiku-20240307");
        assert_eq!(row("gcp.vertex_ai", "claude-sonnet-4-5@20250929"), "vertex_ai/claude-sonnet-4-5");
        assert_eq!(row("google", "models/gemini-2.5-flash"), "gemini/gemini-2.5-flash");
        assert_eq!(row(None, "openai/gpt-4o-mini"), "openai/gpt-4o-mini");
        assert_eq!(row("openrouter", "anthropic/claude-haiku-4-5"), "anthropic/claude-haiku-4-5");
        assert_eq!(row("some-gateway", "claude-haiku-4-5-20251001"), "anthropic/claude-haiku-4-5");
        assert_eq!(
            row("aws.bedrock", "anthropic.claude-haiku-4-5-20251001-v1:0"),
            "bedrock/anthropic.claude-haiku-4-5-20251001-v1:0"
        );
        let profile = "arn:aws:bedrock:eu-west-1:1:inference-profile/eu.amazon.nova-lite-v1:0";
        assert_eq!(row("bedrock", profile), "bedrock/eu.amazon.nova-lite-v1:0");
    }

    #[test]
    fn what_nobody_knows_has_no_price_and_what_is_local_costs_nothing() {
        assert_eq!(row("openai", "a-model-of-tomorrow"), "none");
        assert_eq!(
            row("acme", "llama-3.3-70b-versatile"),
            "none",
            "another provider's price says nothing of this one's"
        );
        assert_eq!(row(None, ""), "none");
        assert_eq!(row("ollama", "llama3:8b"), "local/*");
        assert_eq!(row(None, "ollama/llama3:8b"), "local/*");
        assert_eq!(row("vLLM", "anything"), "local/*");
    }

    #[test]
    fn the_same_name_at_several_prices_is_no_price_without_a_provider() {
        let table = |price: &str| {
            let text =
                format!("[providers.a.models]\nm = {{ input = 1, output = 2 }}\n[providers.b.models]\nm = {price}");
            PriceTable::from_toml(&text).expect("a table")
        };
        assert!(table("{ input = 1, output = 2 }").price(None, "m").is_some());
        assert!(table("{ input = 3, output = 2 }").price(None, "m").is_none());
        assert!(table("{ input = 3, output = 2 }").price(Some("b"), "m").is_some());
    }

    #[test]
    fn rows_laid_over_the_table_win_and_the_others_stay() {
        let own = "as_of = \"2030-01-01\"\n[providers.openai.models]\ngpt-4o = { input = 1, output = 1 }\nours = { input = 7, output = 7 }\n\
                   [providers.acme]\naliases = [\"ollama\"]\n[providers.acme.models]\nllama = { input = 9, output = 9 }";
        let table = PriceTable::builtin().overlaid(&PriceTable::from_toml(own).expect("a table"));
        let input = |provider, model| table.price(Some(provider), model).map(Price::input);
        assert_eq!(input("openai", "gpt-4o-2024-08-06"), Some(1.0));
        assert_eq!(input("openai", "gpt-4o-2024-05-13"), Some(5.0));
        assert_eq!(input("openai", "ours"), Some(7.0));
        assert_eq!(input("ollama", "llama"), Some(9.0), "a name given by the user's file comes first");
        assert_eq!(table.find(Some("openai"), "ours").expect("a row").row.as_of, Some("2030-01-01"));
        assert_eq!(table.as_of(), PriceTable::builtin().as_of());
    }

    #[test]
    fn the_table_that_comes_with_the_crate_can_be_read_and_finds_each_of_its_rows() {
        let table = PriceTable::builtin();
        assert!(table.as_of().is_some());
        assert!(table.prices().count() > 500);
        for row in table.prices().filter(|row| row.model != "*") {
            assert_eq!(table.find(Some(row.provider), row.model).map(|found| found.row), Some(row));
        }
    }
}
