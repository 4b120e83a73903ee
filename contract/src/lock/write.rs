//! A lock as text.

use std::fmt::{self, Display, Write as _};

use super::{Lock, LockedSpan, VERSION, is_hidden};

const HEADER: &str = "\
# The telemetry contract: every span this code makes, with what dashboards, evaluations and privacy depend on.
# Written by `spanwright catalog --accept` and meant to be checked in. `spanwright catalog --check` compares the
# code with it and says of each change whether it breaks somebody; after a change that is meant, run
# `spanwright catalog --accept` again and commit the difference.
";

/// The text that is checked in.
impl Display for Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEADER}version = {VERSION}")?;
        list(f, "packages", self.packages.iter().map(|package| quoted(package)))?;
        for span in &self.spans {
            f.write_str("\n[[span]]\n")?;
            write_span(f, span)?;
        }
        Ok(())
    }
}

fn write_span(f: &mut fmt::Formatter<'_>, span: &LockedSpan) -> fmt::Result {
    let one = |f: &mut fmt::Formatter<'_>, key: &str, value: &str| writeln!(f, "{key} = {}", quoted(value));
    one(f, "id", &span.id)?;
    list(f, "cfg", span.cfg.iter().map(|cfg| quoted(cfg)))?;
    one(f, "name", &span.name)?;
    one(f, "kind", &span.kind)?;
    one(f, "span_type", &span.span_type)?;
    if let Some(declared) = &span.declared {
        one(f, "declared", declared)?;
    }
    list(f, "functions", span.functions.iter().map(|path| quoted(path)))?;
    match span.parents.as_deref() {
        None => {}
        // Without a parent it can stand nowhere, which is not the same as anywhere.
        Some([]) => f.write_str("parents = []\n")?,
        Some(parents) => list(f, "parents", parents.iter().map(|id| quoted(id)))?,
    }
    if !span.doc.is_empty() {
        writeln!(f, "doc = {}", paragraph(&span.doc))?;
    }
    let attribute = |attribute: &crate::catalog::Attribute| {
        let mut row = format!("{{ key = {}, type = {}", quoted(&attribute.key), quoted(&attribute.ty));
        if !attribute.doc.is_empty() {
            row += &format!(", doc = {}", quoted(&attribute.doc));
        }
        row + " }"
    };
    list(f, "attributes", span.attributes.iter().map(attribute))?;
    if let Some(level) = span.inputs {
        one(f, "inputs", level.word())?;
    }
    let input = |input: &super::LockedInput| {
        format!("{{ name = {}, view = {} }}", quoted(&input.name), quoted(input.view.word()))
    };
    list(f, "captured", span.captured.iter().map(input))?;
    if let Some(level) = span.output {
        one(f, "output", level.word())?;
    }
    list(f, "facts", span.facts.iter().map(|fact| quoted(fact)))
}

/// A list with a line for each entry, so that one that comes or goes is one line of the difference; nothing if it is
/// empty.
fn list(f: &mut fmt::Formatter<'_>, key: &str, rows: impl Iterator<Item = String>) -> fmt::Result {
    let mut rows = rows.peekable();
    if rows.peek().is_none() {
        return Ok(());
    }
    writeln!(f, "{key} = [")?;
    for row in rows {
        writeln!(f, "  {row},")?;
    }
    f.write_str("]\n")
}

/// A string on one line.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for character in text.chars() {
        match character {
            '\n' => out.push_str("\\n"),
            '"' => out.push_str("\\\""),
            character => escaped(character, &mut out),
        }
    }
    out.push('"');
    out
}

/// A string that keeps its lines, where it has several.
fn paragraph(text: &str) -> String {
    if !text.contains('\n') {
        return quoted(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    out.push_str("\"\"\"\n");
    let mut before = ' ';
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            '\n' => out.push('\n'),
            // Three in a row, or one at the end, would close the string.
            '"' if before == '"' || rest.peek().is_none() => out.push_str("\\\""),
            '"' => out.push('"'),
            character => escaped(character, &mut out),
        }
        before = character;
    }
    out.push_str("\"\"\"");
    out
}

fn escaped(character: char, out: &mut String) {
    match character {
        '\\' => out.push_str("\\\\"),
        hidden if is_hidden(hidden) => {
            let _ = write!(out, "\\u{:04X}", u32::from(hidden));
        }
        character => out.push(character),
    }
}
