//! The lock as a registry of OpenTelemetry Weaver: `weaver registry check`, `diff`, `live-check` and `generate` work
//! on it.
//!
//! In: a lock. Out: a manifest and one file of definitions in Weaver's format `definition/2`, as YAML, deterministic.
//!
//! - A span's id is its Weaver type, its display name the note of its name. What Weaver has no word for (kind, MLflow
//!   span type, parents, conditions) is under the annotation `spanwright`.
//! - Standard `gen_ai.*` attributes are references into the GenAI registry, which the manifest names; all others are
//!   defined here. Weaver knows one type for a key: where spans disagree it is `any`, and the note says who says
//!   what.
//! - The first paragraph of a doc is the brief, the rest the note. `Stability: stable.` in it sets the stability,
//!   which is `development` otherwise.

mod yaml;

use std::collections::BTreeMap;

use spanwright_macros_core::semconv;

use crate::Error;
use crate::catalog::Attribute;
use crate::lock::{Lock, LockedSpan};
use yaml::Node;

/// The schema URL of a registry that is not published: Weaver wants one, with a version at its end.
pub const UNPUBLISHED: &str = "https://example.com/schemas/spans/0.0.0";

/// The GenAI registry at the commit whose manifest has the schema URL of the table of standard attributes.
const GEN_AI: &str = "https://github.com/open-telemetry/semantic-conventions-genai/archive/\
                      67dff024110be5bd9f318006e733f4078e0f4c97.zip[model]";

/// A file of a registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Its name in the registry's folder.
    pub name: &'static str,
    /// YAML.
    pub text: String,
}

/// The registry of these spans. `schema_url` is its own, with a version as the last part of the path.
///
/// # Errors
/// The schema URL is none.
pub fn registry(lock: &Lock, schema_url: &str) -> Result<Vec<File>, Error> {
    let rest = schema_url.strip_prefix("https://").or_else(|| schema_url.strip_prefix("http://"));
    let parts: Vec<&str> = rest.unwrap_or_default().split('/').collect();
    if parts.len() < 3 || parts.iter().any(|part| part.is_empty() || part.contains(char::is_whitespace)) {
        return Err(Error::new(format!(
            "cannot write a registry for `{schema_url}`: a schema URL is `https://host/path/version`, \
             as in {UNPUBLISHED}"
        )));
    }
    let definitions = Definitions::of(lock);
    let manifest = File { name: "manifest.yaml", text: manifest(lock, schema_url, &definitions).to_string() };
    let mut file = vec![("file_format", Node::text("definition/2"))];
    if !definitions.own.is_empty() {
        let own = definitions.own.iter().map(|(key, definition)| definition.node(key));
        file.push(("attributes", Node::List(own.collect())));
    }
    if !lock.spans.is_empty() {
        file.push(("spans", Node::List(spans(lock, &definitions))));
    }
    Ok(vec![manifest, File { name: "spans.yaml", text: Node::Map(file).to_string() }])
}

fn manifest(lock: &Lock, schema_url: &str, definitions: &Definitions) -> Node {
    let description = format!("The spans of {}, written by `spanwright catalog --format weaver`.", lock.coverage());
    let mut manifest = vec![
        ("schema_url", Node::text(schema_url)),
        ("description", Node::text(description)),
        ("stability", Node::text("development")),
    ];
    if definitions.refers_to_gen_ai {
        let gen_ai = vec![("schema_url", Node::text(semconv::SCHEMA_URL)), ("registry_path", Node::text(GEN_AI))];
        manifest.push(("dependencies", Node::List(vec![Node::Map(gen_ai)])));
    }
    Node::Map(manifest)
}

/// The attributes that are defined here, by key.
#[derive(Default)]
struct Definitions {
    own: BTreeMap<String, Definition>,
    refers_to_gen_ai: bool,
}

struct Definition {
    ty: &'static str,
    doc: Doc,
}

impl Definitions {
    fn of(lock: &Lock) -> Self {
        let mut definitions = Self::default();
        let mut uses: BTreeMap<&str, Vec<(&LockedSpan, &Attribute)>> = BTreeMap::new();
        for span in &lock.spans {
            for attribute in &span.attributes {
                uses.entry(&attribute.key).or_default().push((span, attribute));
            }
        }
        for (key, uses) in uses {
            if is_gen_ai(key) {
                definitions.refers_to_gen_ai = true;
            } else {
                definitions.own.insert(key.to_owned(), Definition::of(key, &uses));
            }
        }
        definitions
    }
}

impl Definition {
    fn of(key: &str, uses: &[(&LockedSpan, &Attribute)]) -> Self {
        let said = uses.iter().map(|(_, attribute)| attribute.doc.as_str()).find(|doc| !doc.is_empty());
        let brief = standard(key).map_or_else(|| format!("The attribute `{key}`."), |known| known.brief.to_owned());
        let mut doc = Doc::of(said.unwrap_or_default()).or(&brief);
        let first = wire_type(&uses[0].1.ty);
        if uses.iter().all(|(_, attribute)| wire_type(&attribute.ty) == first) {
            return Self { ty: first, doc };
        }
        let said = uses.iter().map(|(span, attribute)| format!("`{}` on `{}`", wire_type(&attribute.ty), span.id));
        doc.add(&format!("Spans disagree on its type: {}.", said.collect::<Vec<_>>().join(", ")));
        Self { ty: "any", doc }
    }

    fn node(&self, key: &str) -> Node {
        let mut node = vec![("key", Node::text(key)), ("type", Node::text(self.ty))];
        self.doc.write(&mut node);
        Node::Map(node)
    }
}

/// Spans of one id, which exist under different conditions, are one to Weaver: the first, with the attributes of all.
fn spans(lock: &Lock, definitions: &Definitions) -> Vec<Node> {
    let mut by_id: BTreeMap<&str, Vec<&LockedSpan>> = BTreeMap::new();
    lock.spans.iter().for_each(|span| by_id.entry(&span.id).or_default().push(span));
    by_id.into_values().map(|variants| span(&variants, definitions)).collect()
}

fn span(variants: &[&LockedSpan], definitions: &Definitions) -> Node {
    let span = variants[0];
    let mut node = vec![
        ("type", Node::text(&*span.id)),
        ("kind", Node::text(wire_kind(&span.span_type))),
        ("name", Node::Map(vec![("note", Node::text(&*span.name))])),
    ];
    Doc::of(&span.doc).or(&format!("The {} `{}`.", span.kind, span.name)).write(&mut node);
    let mut attributes: BTreeMap<&str, &Attribute> = BTreeMap::new();
    for attribute in variants.iter().flat_map(|variant| &variant.attributes) {
        attributes.entry(&attribute.key).or_insert(attribute);
    }
    if !attributes.is_empty() {
        let references = attributes.into_values().map(|attribute| reference(attribute, definitions));
        node.push(("attributes", Node::List(references.collect())));
    }
    node.push(("annotations", Node::Map(vec![("spanwright", annotation(span))])));
    Node::Map(node)
}

/// An attribute on a span: what it says there, where that is more than its definition says.
fn reference(attribute: &Attribute, definitions: &Definitions) -> Node {
    let mut node = vec![("ref", Node::text(&*attribute.key)), ("requirement_level", Node::text("recommended"))];
    let doc = Doc::of(&attribute.doc);
    let defined = definitions.own.get(&attribute.key);
    if !doc.brief.is_empty() && defined.is_none_or(|definition| definition.doc.brief != doc.brief) {
        node.push(("brief", Node::text(doc.brief)));
        if !doc.note.is_empty() {
            node.push(("note", Node::text(doc.note)));
        }
    }
    Node::Map(node)
}

fn annotation(span: &LockedSpan) -> Node {
    let list = |words: &[String]| Node::List(words.iter().map(Node::text).collect());
    let mut node = vec![("kind", Node::text(&*span.kind)), ("span_type", Node::text(&*span.span_type))];
    if let Some(parents) = &span.parents {
        node.push(("parents", list(parents)));
    }
    if !span.cfg.is_empty() {
        node.push(("cfg", list(&span.cfg)));
    }
    Node::Map(node)
}

/// Weaver's word for a type of ours.
fn wire_type(ty: &str) -> &'static str {
    match ty {
        "bool" => "boolean",
        "int" => "int",
        "double" => "double",
        "string" => "string",
        "bool[]" => "boolean[]",
        "int[]" => "int[]",
        "double[]" => "double[]",
        "string[]" => "string[]",
        _ => "any",
    }
}

/// The OpenTelemetry span kind of an MLflow span type: what asks a service outside is a client, by the GenAI
/// conventions.
fn wire_kind(span_type: &str) -> &'static str {
    match span_type {
        "LLM" | "CHAT_MODEL" | "EMBEDDING" | "RETRIEVER" | "RERANKER" | "MEMORY" => "client",
        _ => "internal",
    }
}

fn standard(key: &str) -> Option<&'static semconv::Standard> {
    semconv::NAMESPACES.iter().flat_map(|namespace| namespace.attributes).find(|standard| standard.key == key)
}

fn is_gen_ai(key: &str) -> bool {
    key.starts_with("gen_ai.") && standard(key).is_some()
}

/// A doc comment in Weaver's parts.
struct Doc {
    brief: String,
    note: String,
    stability: &'static str,
    deprecated: bool,
}

impl Doc {
    fn of(doc: &str) -> Self {
        let (text, stability) = without_stability(doc);
        let (brief, note) = text.split_once("\n\n").unwrap_or((&text, ""));
        let brief = brief.split_whitespace().collect::<Vec<_>>().join(" ");
        let (stability, deprecated) = match stability.as_str() {
            "stable" => ("stable", false),
            "alpha" => ("alpha", false),
            "beta" => ("beta", false),
            "release_candidate" => ("release_candidate", false),
            "deprecated" => ("development", true),
            _ => ("development", false),
        };
        Self { brief, note: note.trim().to_owned(), stability, deprecated }
    }

    /// With that brief, where it has none.
    fn or(mut self, brief: &str) -> Self {
        if self.brief.is_empty() {
            brief.clone_into(&mut self.brief);
        }
        self
    }

    fn add(&mut self, paragraph: &str) {
        if !self.note.is_empty() {
            self.note += "\n\n";
        }
        self.note += paragraph;
    }

    fn write(&self, node: &mut Vec<(&'static str, Node)>) {
        node.push(("brief", Node::text(&*self.brief)));
        if !self.note.is_empty() {
            node.push(("note", Node::text(&*self.note)));
        }
        node.push(("stability", Node::text(self.stability)));
        if self.deprecated {
            let reason = vec![("reason", Node::text("uncategorized")), ("note", Node::text(&*self.brief))];
            node.push(("deprecated", Node::Map(reason)));
        }
    }
}

/// A doc without its `Stability: word.`, and the word in lower case; empty where it says none.
fn without_stability(doc: &str) -> (String, String) {
    const MARK: &str = "Stability:";
    let Some(at) = doc.find(MARK) else { return (doc.to_owned(), String::new()) };
    let rest = &doc[at + MARK.len()..];
    let said = rest.trim_start_matches([' ', '`']);
    let length = said.find(|c: char| !c.is_ascii_alphabetic() && !"_- ".contains(c)).unwrap_or(said.len());
    let word = said[..length].trim().to_ascii_lowercase().replace([' ', '-'], "_");
    let after = said[length..].trim_start_matches('`');
    let after = after.strip_prefix('.').unwrap_or(after);
    let (before, after) = (doc[..at].trim_end_matches(' '), after.trim_start_matches(' '));
    let gap = if before.is_empty() || after.is_empty() || before.ends_with('\n') || after.starts_with('\n') {
        ""
    } else {
        " "
    };
    (format!("{before}{gap}{after}").trim().to_owned(), word)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that unwraps says what it expects")]
mod tests;
