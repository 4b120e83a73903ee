//! The facts of a callsite, as its announcement says them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::record::{Source, SpanRecord};

/// What is known of callsites, by their numbers.
pub(super) type Sites = BTreeMap<u32, Site>;

/// What a chunk says of an annotated function.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub(super) struct Site {
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) span_type: String,
    pub(super) values: Vec<String>,
    /// Keys of the values that its spans say when they start.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) attributes: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) declared: Option<Declared>,
    function: String,
    file: String,
    line: u32,
    /// What is said of each of its spans, before what the call says: kind, key and body of notes.
    pub(super) notes: Vec<(u8, String, Vec<u8>)>,
}

/// The declared span a function is tied to.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Declared {
    pub(super) id: String,
    /// Key and type of each attribute.
    pub(super) attributes: Vec<(String, String)>,
}

impl Declared {
    /// The type declared for an attribute.
    pub(super) fn type_of(&self, key: &str) -> Option<&str> {
        self.attributes.iter().find(|(declared, _)| declared == key).map(|(_, ty)| ty.as_str())
    }
}

impl Site {
    /// Whether a record is of this function.
    pub(super) fn is_of(&self, record: &SpanRecord) -> bool {
        let Source { function, file, line } = &record.source;
        (self.line, &self.file, &self.function) == (*line, file, function)
            && (&self.kind, &self.name) == (&record.kind, &record.name)
    }

    /// Writes where the function stands into a place that held another.
    pub(super) fn source_into(&self, source: &mut Source) {
        source.function.clone_from(&self.function);
        source.file.clone_from(&self.file);
        source.line = self.line;
    }
}
