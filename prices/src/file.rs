//! The form of the file: strict, since a row that is silently not read is a wrong bill.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};

use crate::cost::PriceRow;
use crate::lookup::Index;
use crate::{Model, PriceTable, Provider};

/// A table that could not be read. The message names the line and what was expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error(String);

impl fmt::Display for Error {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "cannot read the table of prices: {}", self.0)
    }
}

impl std::error::Error for Error {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    as_of: Option<Date>,
    #[serde(default)]
    providers: BTreeMap<String, ProviderPart>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ProviderPart {
    #[serde(default)]
    aliases: Vec<String>,
    #[serde(default)]
    families: Vec<String>,
    #[serde(default)]
    free: bool,
    #[serde(default)]
    models: BTreeMap<String, PriceRow>,
}

pub(crate) fn read(text: &str) -> Result<PriceTable, Error> {
    let file: File = toml::from_str(text).map_err(|error| Error(on_one_line(&error, text)))?;
    let as_of = file.as_of.map(|date| Arc::<str>::from(date.0));
    let providers =
        file.providers.into_iter().map(|(name, part)| part.named(&name, as_of.as_ref())).collect::<Vec<_>>();
    Ok(PriceTable { index: Index::of(&providers), as_of, providers })
}

impl ProviderPart {
    fn named(self, name: &str, as_of: Option<&Arc<str>>) -> Provider {
        let lower = |names: Vec<String>| names.into_iter().map(|name| name.to_ascii_lowercase().into()).collect();
        let models = self.models.into_iter().map(|(model, row)| Model {
            name: model.into(),
            price: row.into(),
            as_of: as_of.cloned(),
        });
        let mut provider = Provider {
            name: name.to_ascii_lowercase().into(),
            aliases: lower(self.aliases),
            families: lower(self.families),
            free: self.free,
            models: models.collect(),
            ..Provider::default()
        };
        provider.name_models();
        provider
    }
}

fn on_one_line(error: &toml::de::Error, text: &str) -> String {
    let message = error.message().trim().replace('\n', ", ");
    match error.span().and_then(|span| text.get(..span.start)) {
        Some(before) => {
            let line = before.matches('\n').count() + 1;
            let source = text.lines().nth(line - 1).unwrap_or("").trim();
            format!("line {line} (`{source}`): {message}")
        }
        None => message,
    }
}

/// `2026-01-31`, as text or as TOML's own date.
struct Date(String);

impl<'de> Deserialize<'de> for Date {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Date;

            fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
                to.write_str("the date of these prices, such as \"2026-01-31\"")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Date, E> {
                let form = text.bytes().enumerate().all(|(at, byte)| match at {
                    4 | 7 => byte == b'-',
                    _ => byte.is_ascii_digit(),
                });
                match form && text.len() == 10 {
                    true => Ok(Date(text.to_owned())),
                    false => Err(E::invalid_value(serde::de::Unexpected::Str(text), &self)),
                }
            }

            /// TOML's own dates come as a map of one text.
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Date, A::Error> {
                let text = map.next_entry::<IgnoredAny, String>()?.ok_or_else(|| A::Error::missing_field("date"))?.1;
                self.visit_str(&text)
            }
        }
        deserializer.deserialize_any(Either)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        read(text).expect_err("this is no table").to_string()
    }

    #[test]
    fn an_error_names_the_line_and_what_was_expected() {
        let table = |row: &str| format!("as_of = \"2026-01-31\"\n\n[providers.own.models]\n{row}\n");
        let unknown = refusal(&table("m = { input = 1, output = 2, chache_read = 3 }"));
        assert!(unknown.contains("line 4 (`m = {"), "{unknown}");
        assert!(unknown.contains("`chache_read`") && unknown.contains("`cache_read`"), "{unknown}");
        let negative = refusal(&table("m = { input = -1.5, output = 2 }"));
        assert!(negative.contains("line 4") && negative.contains("US dollars for a million tokens"), "{negative}");
        let missing = refusal(&table("m = { input = 1 }"));
        assert!(missing.contains("line 4") && missing.contains("`output`"), "{missing}");
        let date = refusal("as_of = \"yesterday\"\n");
        assert!(date.contains("line 1") && date.contains("2026-01-31"), "{date}");
        let syntax = refusal("\n\n[providers.own\n");
        assert!(syntax.contains("line 3"), "{syntax}");
    }

    #[test]
    fn a_date_may_be_text_or_a_date_of_the_file() {
        for text in ["as_of = \"2026-01-31\"", "as_of = 2026-01-31"] {
            assert_eq!(read(text).expect("a table").as_of(), Some("2026-01-31"));
        }
        assert_eq!(read("").expect("an empty file is a table").as_of(), None);
    }
}
