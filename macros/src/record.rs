//! What a build registers when it is asked to: the facts of every attribute and declaration that is expanded, for
//! `spanwright catalog --verify`.
//!
//! Asked by the variable `SPANWRIGHT_EXPANSIONS`, the folder in which each compiler process writes a file of its own,
//! a JSON object a line. Without it an expansion costs one look at a remembered answer. The expansion itself is the
//! same either way, and a line that cannot be written fails no build: the span is missing from the folder, and the
//! comparison says so.

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::{Mutex, OnceLock, PoisonError};

use proc_macro2::{Span, TokenStream};
use spanwright_macros_core::facts::{self, Value};
use spanwright_macros_core::{Kind, declaration, plan};

/// Registers an attribute on a function.
pub fn attribute(kind: Kind, args: &TokenStream, item: &TokenStream) {
    let Some(record) = Record::of_this_compiler() else { return };
    // A mistake fails the build, which says more.
    let Ok(plan) = plan(kind, args.clone(), item.clone()) else { return };
    let facts = facts::function(&plan);
    let mut line = Object::placed(plan.item.sig.ident.span());
    let mut body = Object::default();
    body.text("kind", facts.kind);
    body.text("function", &facts.function);
    body.maybe("span", facts.span.as_deref());
    body.maybe("name", facts.name.as_deref());
    body.maybe("span_type", facts.span_type.as_deref());
    body.text("inputs", facts.inputs);
    body.text("output", facts.output);
    body.list("captured", facts.captured.iter().map(|value| captured(value).finish()));
    body.list("skipped", facts.skipped.iter().map(|name| quoted(name)));
    body.list("facts", facts.facts.iter().map(|fact| quoted(fact)));
    body.list("attributes", facts.attributes.iter().map(|key| quoted(key)));
    line.raw("annotated", &body.finish());
    record.append(&line.finish());
}

/// Registers the spans of a `spans!`.
pub fn spans(tokens: &TokenStream) {
    let Some(record) = Record::of_this_compiler() else { return };
    let Ok(declaration) = declaration(tokens.clone()) else { return };
    for (span, facts) in declaration.spans.iter().zip(facts::declared(&declaration)) {
        let mut line = Object::placed(span.ident.span());
        let mut body = Object::default();
        body.text("item", &facts.item);
        body.text("id", &facts.id);
        body.text("kind", facts.kind);
        body.text("name", &facts.name);
        body.text("span_type", &facts.span_type);
        if let Some(parents) = &facts.parents {
            body.list("parents", parents.iter().map(|parent| quoted(parent)));
        }
        body.list("attributes", facts.attributes.iter().map(|(key, ty)| format!("[{},{}]", quoted(key), quoted(ty))));
        line.raw("declared", &body.finish());
        record.append(&line.finish());
    }
}

fn captured(value: &Value) -> Object {
    let mut object = Object::default();
    object.text("name", &value.name);
    object.text("view", value.view);
    object.list("cfg", value.cfg.iter().map(|condition| quoted(condition)));
    object
}

/// The file of this compiler process.
struct Record(Mutex<File>);

impl Record {
    fn of_this_compiler() -> Option<&'static Self> {
        static RECORD: OnceLock<Option<Record>> = OnceLock::new();
        RECORD.get_or_init(Self::open).as_ref()
    }

    fn open() -> Option<Self> {
        let folder = PathBuf::from(std::env::var_os("SPANWRIGHT_EXPANSIONS").filter(|folder| !folder.is_empty())?);
        let name = format!("{}-{}.jsonl", variable("CARGO_CRATE_NAME"), std::process::id());
        let file = OpenOptions::new().create(true).append(true).open(folder.join(name)).ok()?;
        Some(Self(Mutex::new(file)))
    }

    fn append(&self, line: &str) {
        let mut file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = file.write_all(format!("{line}\n").as_bytes());
    }
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_default()
}

/// A JSON object in the making. Written by hand, because a JSON crate would be built with every program that traces.
#[derive(Default)]
struct Object(String);

impl Object {
    /// What every line begins with: whose code is compiled, and where it stands.
    fn placed(name: Span) -> Self {
        let mut object = Self::default();
        object.text("package", &variable("CARGO_MANIFEST_DIR"));
        object.text("crate", &variable("CARGO_CRATE_NAME"));
        object.raw("place", &place(name));
        // In the expansion of a `macro_rules!` the name may come from its caller; the attribute then stands in its
        // body.
        object.raw("attribute", &place(Span::call_site()));
        object
    }

    fn raw(&mut self, key: &str, value: &str) {
        let separator = if self.0.is_empty() { "{" } else { "," };
        let _ = write!(self.0, "{separator}{}:{value}", quoted(key));
    }

    fn text(&mut self, key: &str, value: &str) {
        self.raw(key, &quoted(value));
    }

    fn maybe(&mut self, key: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.text(key, value);
        }
    }

    fn list(&mut self, key: &str, items: impl Iterator<Item = String>) {
        self.raw(key, &format!("[{}]", items.collect::<Vec<_>>().join(",")));
    }

    fn finish(self) -> String {
        self.0 + "}"
    }
}

/// The file as an absolute path, line and column from 1.
fn place(span: Span) -> String {
    let span = span.unwrap();
    // What rustc is given may be relative to where cargo starts it.
    let file = std::env::current_dir().unwrap_or_default().join(span.file());
    let mut object = Object::default();
    object.text("file", &file.to_string_lossy());
    object.raw("line", &span.line().to_string());
    object.raw("column", &span.column().to_string());
    object.finish()
}

fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => {
                let _ = write!(quoted, "\\u{:04x}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted + "\""
}
