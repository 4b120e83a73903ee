//! `gen_ai.*`, from the OpenTelemetry GenAI registry.

use super::Standard;
use super::Type::Double;

/// The version of the conventions this table follows.
pub const VERSION: &str = "1.0";

/// Its schema.
pub const SCHEMA_URL: &str = "";

/// Sorted by key.
pub(super) const ATTRIBUTES: &[Standard] =
    &[development("gen_ai.request.temperature", Double, "The temperature setting for the GenAI request.")];

const fn development(key: &'static str, ty: super::Type, brief: &'static str) -> Standard {
    Standard { key, ty, brief, stability: "development" }
}

pub(super) fn former(_: &str) -> Option<&'static str> {
    None
}
