use proptest::prelude::*;
use serde::Deserialize;
use spanwright_macros_core::semconv;

use super::yaml::Node;
use super::{Doc, UNPUBLISHED, registry};
use crate::catalog::Span;
use crate::specimen::{attribute, declared, lock, undeclared};

/// The manifest and the definitions as Weaver's syntax for `definition/2` has them, as far as spans need it.
mod syntax {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct Manifest {
        pub schema_url: String,
        #[serde(rename = "description")]
        _description: String,
        #[serde(rename = "stability")]
        _stability: Stability,
        #[serde(default)]
        pub dependencies: Vec<Dependency>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct Dependency {
        pub schema_url: String,
        pub registry_path: String,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct Definitions {
        pub file_format: String,
        #[serde(default)]
        pub attributes: Vec<Attribute>,
        #[serde(default)]
        pub spans: Vec<Span>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct Attribute {
        pub key: String,
        #[serde(rename = "type")]
        pub ty: Type,
        pub brief: String,
        pub note: Option<String>,
        pub stability: Stability,
        #[serde(rename = "deprecated")]
        _deprecated: Option<Deprecated>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct Span {
        #[serde(rename = "type")]
        pub ty: String,
        pub kind: Kind,
        pub name: Name,
        pub brief: String,
        #[serde(rename = "note")]
        _note: Option<String>,
        #[serde(rename = "stability")]
        _stability: Stability,
        #[serde(rename = "deprecated")]
        _deprecated: Option<Deprecated>,
        #[serde(default)]
        pub attributes: Vec<Reference>,
        pub annotations: BTreeMap<String, serde_yaml::Value>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct Name {
        pub note: String,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct Reference {
        #[serde(rename = "ref")]
        pub key: String,
        #[serde(rename = "requirement_level")]
        _requirement_level: RequirementLevel,
        pub brief: Option<String>,
        #[serde(rename = "note")]
        _note: Option<String>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(tag = "reason", rename_all = "snake_case", deny_unknown_fields)]
    pub enum Deprecated {
        Uncategorized {
            #[serde(rename = "note")]
            _note: String,
        },
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "snake_case")]
    pub enum RequirementLevel {
        Required,
        Recommended,
        OptIn,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "snake_case")]
    pub enum Kind {
        Internal,
        Client,
        Server,
        Producer,
        Consumer,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "snake_case")]
    pub enum Stability {
        Stable,
        Development,
        Alpha,
        Beta,
        ReleaseCandidate,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "lowercase")]
    pub enum Type {
        Boolean,
        Int,
        Double,
        String,
        Any,
        #[serde(rename = "boolean[]")]
        Booleans,
        #[serde(rename = "int[]")]
        Ints,
        #[serde(rename = "double[]")]
        Doubles,
        #[serde(rename = "string[]")]
        Strings,
    }
}

fn read<T: for<'de> Deserialize<'de>>(text: &str) -> T {
    serde_yaml::from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn ask() -> Span {
    let mut span = declared();
    span.id = "home.llm.ask".into();
    (span.name, span.kind, span.span_type) = ("ask".into(), "llm".into(), "CHAT_MODEL".into());
    span.doc =
        "Asks the model.\nIn one turn.\n\nThe prompt is *not* cut: see `limits`.\n\n- one\n- two\n\nStability: beta."
            .into();
    span.attributes = vec![
        attribute("gen_ai.request.temperature", "double", ""),
        attribute("entity_count", "int", "Entities in the prompt."),
        attribute("scores", "double[]", "Deprecated by `rank`. Stability: deprecated."),
        attribute("ok", "bool", "Stability: stable."),
        attribute("extra", "any", "yes: # no"),
    ];
    span
}

#[test]
fn a_registry_has_the_syntax_of_weaver() {
    let files = registry(&lock([declared(), undeclared(), ask()]), UNPUBLISHED).unwrap();
    let texts: Vec<String> = files.iter().map(|file| format!("# {}\n{}", file.name, file.text)).collect();
    insta::assert_snapshot!(texts.join("---\n"));

    let manifest: syntax::Manifest = read(&files[0].text);
    assert_eq!(manifest.schema_url, UNPUBLISHED);
    let [gen_ai] = &manifest.dependencies[..] else { panic!("{manifest:?}") };
    assert_eq!(gen_ai.schema_url, semconv::SCHEMA_URL);
    assert_eq!(
        semconv::SCHEMA_URL,
        "https://opentelemetry.io/schemas/gen-ai-dev/1.42.0-dev",
        "the commit that is named has another: name the one that the table follows"
    );
    assert!(gen_ai.registry_path.ends_with("[model]"), "{gen_ai:?}");

    let read: syntax::Definitions = read(&files[1].text);
    assert_eq!(read.file_format, "definition/2");
    let keys: Vec<&str> = read.attributes.iter().map(|attribute| attribute.key.as_str()).collect();
    assert_eq!(keys, ["entity_count", "extra", "home.name", "ok", "scores"], "standard ones are only referred to");
    for span in &read.spans {
        assert!(!span.brief.is_empty() && !span.name.note.is_empty() && span.annotations.contains_key("spanwright"));
        for reference in &span.attributes {
            assert!(keys.contains(&reference.key.as_str()) || reference.key.starts_with("gen_ai."), "{reference:?}");
        }
    }
    let ask = &read.spans[1];
    assert_eq!((ask.ty.as_str(), &ask.kind), ("home.llm.ask", &syntax::Kind::Client));
    assert_eq!(ask.attributes[0].brief, None, "as in the definition, which takes the first doc");
    assert_eq!(read.spans[2].attributes[0].brief.as_deref(), Some("Entities read."));
    assert!(read.attributes.iter().all(|attribute| !attribute.brief.is_empty()));
    assert_eq!(read.attributes[3].stability, syntax::Stability::Stable);
}

#[test]
fn a_registry_without_standard_attributes_depends_on_nothing() {
    let files = registry(&lock([undeclared()]), UNPUBLISHED).unwrap();
    assert!(read::<syntax::Manifest>(&files[0].text).dependencies.is_empty());
    assert!(read::<syntax::Definitions>(&files[1].text).attributes.is_empty());
    assert!(read::<syntax::Definitions>(&registry(&lock([]), UNPUBLISHED).unwrap()[1].text).spans.is_empty());
}

#[test]
fn one_key_has_one_type_and_one_id_one_span() {
    let (mut linux, mut other) = (declared(), declared());
    linux.cfg = vec!["unix".into()];
    other.cfg = vec!["not(unix)".into()];
    other.attributes = vec![attribute("entity_count", "string", ""), attribute("rooms", "int", "")];
    let files = registry(&lock([linux, other]), UNPUBLISHED).unwrap();
    let read: syntax::Definitions = read(&files[1].text);
    assert_eq!(read.attributes[0].ty, syntax::Type::Any);
    let note = read.attributes[0].note.as_deref().unwrap();
    assert!(note.contains("`int` on `home.node.collect`") && note.contains("`string`"), "{note}");
    let [span] = &read.spans[..] else { panic!("{read:?}") };
    assert_eq!(span.attributes.len(), 3);
}

#[test]
fn a_schema_url_has_a_host_a_path_and_a_version() {
    for wrong in
        ["", "example.com/a/1.0.0", "https://example.com/1.0.0", "https://example.com/a/", "https://e.com/a b/1"]
    {
        let error = registry(&lock([]), wrong).unwrap_err().to_string();
        assert!(error.contains("https://host/path/version"), "{error}");
    }
    assert!(registry(&lock([]), "http://localhost:80/home/1.2.3").is_ok());
}

#[test]
fn a_doc_becomes_brief_note_and_stability() {
    let doc = |text: &str| {
        let doc = Doc::of(text);
        (doc.brief, doc.note, doc.stability)
    };
    let is = |brief: &str, note: &str, stability| (brief.to_owned(), note.to_owned(), stability);
    assert_eq!(doc("Days. Unit: `d`. Stability: stable."), is("Days. Unit: `d`.", "", "stable"));
    assert_eq!(doc("Stability: `Release candidate`. Days\nin all."), is("Days in all.", "", "release_candidate"));
    assert_eq!(doc("Days.\n\nMore.\n\nStability: alpha"), is("Days.", "More.", "alpha"));
    assert_eq!(doc("Days.\n\nStability: unheard-of."), is("Days.", "", "development"));
}

fn node() -> impl Strategy<Value = Node> {
    let text = prop_oneof![
        "[a-z:#\"\\\\'\n\t |>&*!%@`{}\\[\\]-]{0,16}",
        "(true|Null|1e3|0x1|~|\\.inf|12:30|2026-01-01)",
        any::<String>()
    ];
    text.prop_map(Node::Text).prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Node::List),
            prop::collection::vec(inner, 0..3)
                .prop_map(|nodes| Node::Map(["a", "b", "c"].into_iter().zip(nodes).collect())),
        ]
    })
}

fn value(node: &Node) -> serde_yaml::Value {
    match node {
        Node::Text(text) => text.as_str().into(),
        Node::List(nodes) => nodes.iter().map(value).collect::<Vec<_>>().into(),
        Node::Map(entries) => {
            serde_yaml::Value::Mapping(entries.iter().map(|(key, node)| ((*key).into(), value(node))).collect())
        }
    }
}

proptest! {
    #[test]
    fn what_is_written_as_yaml_is_read_as_it_was(node in node()) {
        let text = node.to_string();
        let read = serde_yaml::from_str::<serde_yaml::Value>(&text);
        prop_assert_eq!(read.as_ref().ok(), Some(&value(&node)), "{:?}\n{}", read, text);
    }
}
