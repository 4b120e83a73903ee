//! The standard attributes: what the OpenTelemetry GenAI conventions and MLflow call the things a program may say of its spans.
//!
//! One table, read by `spans!`, by the typed keys of the runtime and by the catalog. A name in these namespaces that is not in the table is a mistake.

mod gen_ai;
mod keys;
mod mlflow;

use crate::diag::did_you_mean;
use crate::model::AttributeType;

pub use gen_ai::{SCHEMA_URL, VERSION};
pub use keys::keys;
pub use mlflow::VERSION as MLFLOW_VERSION;

/// A standard attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standard {
    /// Its name on the wire.
    pub key: &'static str,
    /// Its type.
    pub ty: Type,
    /// What it says, in a sentence.
    pub brief: &'static str,
    /// `development`, `release_candidate` or `stable`.
    pub stability: &'static str,
}

/// The type of a standard attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// `boolean`
    Bool,
    /// `int`
    Int,
    /// `double`
    Double,
    /// `string`
    Text,
    /// `string[]`
    Texts,
    /// `any`
    Any,
}

impl Type {
    /// As an attribute of a declared span that does not say more.
    pub fn attribute(self) -> AttributeType {
        match self {
            Self::Bool => AttributeType::Bool,
            Self::Int => AttributeType::Int("i64".into()),
            Self::Double => AttributeType::Float("f64".into()),
            Self::Text => AttributeType::Text,
            Self::Texts => AttributeType::List(Box::new(AttributeType::Text)),
            Self::Any => AttributeType::Json,
        }
    }

    /// As it is written in `spans!`.
    pub const fn rust(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::Int => "i64",
            Self::Double => "f64",
            Self::Text => "str",
            Self::Texts => "[str]",
            Self::Any => "json",
        }
    }
}

/// A namespace of standard attributes.
#[derive(Clone, Copy, Debug)]
pub struct Namespace {
    /// Its name, without the dot.
    pub name: &'static str,
    /// Its attributes, sorted by key.
    pub attributes: &'static [Standard],
}

/// The namespaces that have a table.
pub const NAMESPACES: [Namespace; 2] = [
    Namespace { name: "gen_ai", attributes: gen_ai::ATTRIBUTES },
    Namespace { name: "mlflow", attributes: mlflow::ATTRIBUTES },
];

/// What the name of an attribute is to the conventions.
pub(crate) enum Found {
    /// The user's own.
    Free,
    Standard(&'static Standard),
    /// No user may set it: why, and what to do.
    Refused(String),
}

/// Looks up the name of an attribute.
pub(crate) fn find(key: &str) -> Found {
    if key == "spanwright" || key.starts_with("spanwright.") {
        return Found::Refused(format!("`{key}` is written by the runtime itself: choose another name"));
    }
    if key == "otel.span.type" {
        return Found::Refused(format!("`{key}` is written by the runtime itself: it is the id of the span"));
    }
    let Some((namespace, _)) = key.split_once('.') else { return Found::Free };
    let Some(namespace) = NAMESPACES.into_iter().find(|known| known.name == namespace) else { return Found::Free };
    let templates = gen_ai::TEMPLATES.iter().filter(|template| key.len() > template.key.len());
    let named = namespace.attributes.iter().find(|standard| standard.key == key);
    if let Some(standard) = named.or_else(|| templates.into_iter().find(|template| is_of(key, template.key))) {
        return Found::Standard(standard);
    }
    if let Some((_, instead)) = mlflow::WRITTEN.iter().find(|(written, _)| is_of(key, written)) {
        return Found::Refused(format!("`{key}` is written by the runtime itself: {instead}"));
    }
    let all = namespace.attributes.iter().map(|standard| standard.key);
    Found::Refused(match gen_ai::former(key).or_else(|| did_you_mean(key, all)) {
        Some(meant) => format!("unknown standard attribute `{key}`: did you mean `{meant}`?"),
        None => {
            format!(
                "unknown standard attribute `{key}`: `{}.` is reserved, choose a name outside of it",
                namespace.name
            )
        }
    })
}

/// Whether `key` is `written`, or below it where that ends with a dot.
fn is_of(key: &str, written: &str) -> bool {
    key == written || (written.ends_with('.') && key.starts_with(written))
}

#[cfg(test)]
mod tests {
    use super::{Found, NAMESPACES, find};

    #[test]
    fn the_table_is_sorted_and_each_name_is_in_its_namespace() {
        for namespace in NAMESPACES {
            let keys: Vec<_> = namespace.attributes.iter().map(|standard| standard.key).collect();
            assert!(keys.is_sorted_by(|a, b| a < b), "{}: {keys:?}", namespace.name);
            assert!(keys.iter().all(|key| key.starts_with(&format!("{}.", namespace.name))), "{keys:?}");
        }
    }

    #[test]
    fn a_name_in_a_namespace_of_the_table_is_a_standard_one_or_refused() {
        let said = |key| match find(key) {
            Found::Free => "free".to_owned(),
            Found::Standard(standard) => format!("{:?}", standard.ty),
            Found::Refused(why) => why,
        };
        for (key, expected) in [
            ("entity_count", "free"),
            ("gen_air.request.model", "free"),
            ("gen_ai.request.top_k", "Int"),
            ("gen_ai.prompt.variable.city", "Text"),
            ("gen_ai.prompt.variable.", "did you mean"),
            ("gen_ai.request.temprature", "did you mean `gen_ai.request.temperature`?"),
            ("gen_ai.usage.cache_creation.input_tokens", "did you mean `gen_ai.usage.cache_write.input_tokens`?"),
            ("gen_ai.home", "`gen_ai.` is reserved"),
            ("mlflow.spanInputs", "`inputs(…)`"),
            ("mlflow.traceTag.home", "handle.tag"),
            ("spanwright.outcome", "written by the runtime itself"),
            ("otel.span.type", "the id of the span"),
            ("otel.span.types", "free"),
        ] {
            assert!(said(key).contains(expected), "{key}: {}", said(key));
        }
    }
}
