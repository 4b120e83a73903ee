//! Tokens of a message, as each of its entries repeats them.

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use spanwright::record::Usage;

use crate::transcript::entry;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Written<'a> {
    #[serde(deserialize_with = "count")]
    input_tokens: Option<u64>,
    #[serde(deserialize_with = "count")]
    output_tokens: Option<u64>,
    #[serde(deserialize_with = "count")]
    cache_read_input_tokens: Option<u64>,
    #[serde(deserialize_with = "count")]
    cache_creation_input_tokens: Option<u64>,
    #[serde(borrow)]
    cache_creation: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct CacheCreation {
    #[serde(deserialize_with = "count")]
    ephemeral_1h_input_tokens: Option<u64>,
}

/// The usage that stands in an entry. Tokens of caches are not among the input; what is not said is left out.
pub(super) fn read(raw: &RawValue) -> Option<Usage> {
    let written: Written<'_> = entry::object(raw)?;
    if written.input_tokens.is_none() && written.output_tokens.is_none() {
        return None;
    }
    let creation: CacheCreation = written.cache_creation.and_then(entry::object).unwrap_or_default();
    Some(Usage {
        input: written.input_tokens.unwrap_or(0),
        output: written.output_tokens.unwrap_or(0),
        cache_read: written.cache_read_input_tokens,
        cache_write: written.cache_creation_input_tokens,
        cache_write_1h: creation.ephemeral_1h_input_tokens.filter(|tokens| *tokens > 0),
        reasoning: None,
    })
}

/// Of two usages of one message the one that counts: what is written grows, so the larger one, else the later.
pub(super) fn later(before: Option<Usage>, now: Option<Usage>) -> Option<Usage> {
    match (before, now) {
        (Some(before), Some(now)) if now.output < before.output => Some(before),
        (before, now) => now.or(before),
    }
}

fn count<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    Ok(serde_json::from_str(<&RawValue>::deserialize(from)?.get()).ok())
}
