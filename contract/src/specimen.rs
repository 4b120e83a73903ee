//! Small catalogs for tests.

use crate::catalog::{Attribute, Captured, Catalog, Function, Place, Span};
use crate::lock::Lock;

/// A catalog of these spans.
pub fn catalog(spans: impl IntoIterator<Item = Span>) -> Catalog {
    let mut spans: Vec<Span> = spans.into_iter().collect();
    spans.sort_by(|a, b| (&a.id, &a.place).cmp(&(&b.id, &b.place)));
    Catalog { version: 1, spans, ..Catalog::default() }
}

/// The lock of these spans.
pub fn lock(spans: impl IntoIterator<Item = Span>) -> Lock {
    Lock::of(&catalog(spans), &[]).unwrap()
}

/// A declared node with two attributes, made by one function that captures two inputs as previews.
pub fn declared() -> Span {
    Span {
        id: "home.node.collect".into(),
        name: "collect".into(),
        kind: "node".into(),
        span_type: "CHAIN".into(),
        declared: Some("home::spans::Collect".into()),
        parents: Some(vec!["home.workflow.optimize".into()]),
        attributes: vec![attribute("entity_count", "int", "Entities read."), attribute("home.name", "string", "")],
        doc: "Reads the logbook.".into(),
        cfg: Vec::new(),
        place: Place { file: "home/src/spans.rs".into(), line: 12, column: 9 },
        functions: vec![function("home::collect::collect")],
    }
}

/// A tool without a declaration.
pub fn undeclared() -> Span {
    Span {
        id: "home.devices.Bus.send".into(),
        name: "send".into(),
        kind: "tool".into(),
        span_type: "TOOL".into(),
        declared: None,
        parents: None,
        attributes: Vec::new(),
        doc: "Sends a command.".into(),
        cfg: Vec::new(),
        place: Place { file: "home/src/devices.rs".into(), line: 40, column: 8 },
        functions: vec![function("home::devices::Bus::send")],
    }
}

/// A function that captures previews of `query` and `limit`, and a marker in the place of `pin`.
pub fn function(path: &str) -> Function {
    Function {
        path: path.into(),
        place: Place { file: "home/src/lib.rs".into(), line: 3, column: 4 },
        inputs: "preview".into(),
        output: "preview".into(),
        captured: vec![captured("query", "value"), captured("limit", "value"), captured("pin", "redacted")],
        skipped: Vec::new(),
        facts: vec!["session".into()],
        cfg: Vec::new(),
        doc: String::new(),
    }
}

pub fn captured(name: &str, view: &str) -> Captured {
    Captured { name: name.into(), view: view.into(), cfg: Vec::new() }
}

pub fn attribute(key: &str, ty: &str, doc: &str) -> Attribute {
    Attribute { key: key.into(), ty: ty.into(), doc: doc.into() }
}
