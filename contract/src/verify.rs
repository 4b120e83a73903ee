//! A catalog held against a build: every span that a build expands must be in the catalog, with the same facts, and
//! the other way round.
//!
//! In: a program and its catalog, and what the build registered. Out: where they differ; nothing means equal. What a
//! condition of compilation left out of the build, and what came out of a place that the catalog lists as unresolved,
//! is no difference and is listed beside it.

mod build;
mod registered;

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;

use crate::catalog::{Catalog, Place, Unresolved};
use crate::program::Program;

pub use build::{Build, build};
pub use registered::{Facts, Registered};

/// What a comparison found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Verification {
    /// Whether there is no difference.
    pub equal: bool,
    /// Annotated functions and declared spans that are the same on both sides.
    pub same: usize,
    /// Where the sides differ, sorted by place.
    pub differences: Vec<Difference>,
    /// Entries of the catalog that a condition kept out of the build, sorted by place.
    pub not_in_build: Vec<NotInBuild>,
    /// Spans of the build that came out of unresolved places, sorted by place.
    pub from_unresolved: Vec<FromUnresolved>,
}

/// A difference.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Difference {
    /// Where the function's or the declared span's name stands.
    pub place: Place,
    /// The function or the declared span.
    pub what: String,
    /// What is different, in words.
    pub why: String,
}

/// An entry that was not compiled.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct NotInBuild {
    /// Where it stands.
    pub place: Place,
    /// The function or the declared span.
    pub what: String,
    /// Its conditions.
    pub cfg: Vec<String>,
}

/// A span of the build that the catalog could not see.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct FromUnresolved {
    /// Where it stands.
    pub place: Place,
    /// The function or the declared span.
    pub what: String,
    /// The unresolved place it came out of.
    pub unresolved: Place,
    /// Why that could not be followed.
    pub why: String,
}

/// A function or declared span of the catalog.
struct Entry {
    path: String,
    place: Place,
    cfg: Vec<String>,
    facts: Facts,
}

/// What makes two mentions the same function: its file, its line, and its own name.
type Key = (String, usize, String);

/// Compares the catalog of `program` with what a build of it registered.
pub fn compare(program: &Program, catalog: &Catalog, registered: &[Registered]) -> Verification {
    let mut found = Verification::default();
    let mut built = by_key(program, registered);
    for (key, entries) in entries(catalog) {
        let records = built.remove(&key).unwrap_or_default();
        one_place(&key, entries, records, &mut found);
    }
    for (key, records) in built {
        for record in records.into_iter().filter(|record| record.is_selected) {
            let place = Place { file: key.0.clone(), ..record.place.clone() };
            match origin(program, catalog, &place, record) {
                Some(Unresolved { place: unresolved, why, .. }) => found.from_unresolved.push(FromUnresolved {
                    place,
                    what: key.2.clone(),
                    unresolved: unresolved.clone(),
                    why: why.clone(),
                }),
                None => {
                    let why = "is in the build and not in the catalog".into();
                    found.differences.push(Difference { place, what: key.2.clone(), why });
                }
            }
        }
    }
    found.differences.sort();
    found.not_in_build.sort();
    found.from_unresolved.sort();
    found.equal = found.differences.is_empty();
    found
}

/// The records of each function, each once, however many targets it was compiled in.
fn by_key<'a>(program: &Program, registered: &'a [Registered]) -> BTreeMap<Key, Vec<&'a Registered>> {
    let mut built: BTreeMap<Key, Vec<&Registered>> = BTreeMap::new();
    let (selected, others): (Vec<_>, Vec<_>) = registered.iter().partition(|record| record.is_selected);
    for record in selected.into_iter().chain(others) {
        let key = (from_root(&program.root, &record.place.file), record.place.line, record.facts.name().to_owned());
        let same = built.entry(key).or_default();
        if !same.iter().any(|other| other.facts == record.facts) {
            same.push(record);
        }
    }
    built
}

fn entries(catalog: &Catalog) -> BTreeMap<Key, Vec<Entry>> {
    let mut listed: BTreeMap<Key, Vec<Entry>> = BTreeMap::new();
    let mut add = |place: &Place, entry: Entry| {
        let key = (place.file.clone(), place.line, entry.facts.name().to_owned());
        let same = listed.entry(key).or_default();
        // A file that two targets share is two functions to the catalog and one place to the build.
        if !same.iter().any(|other: &Entry| other.facts == entry.facts && other.cfg == entry.cfg) {
            same.push(entry);
        }
    };
    for span in &catalog.spans {
        if let Some(path) = &span.declared {
            let facts = Facts::of_declared(span, path);
            add(&span.place, Entry { path: path.clone(), place: span.place.clone(), cfg: span.cfg.clone(), facts });
        }
        for function in &span.functions {
            let facts = Facts::of_function(span, function);
            add(
                &function.place,
                Entry { path: function.path.clone(), place: function.place.clone(), cfg: function.cfg.clone(), facts },
            );
        }
    }
    listed
}

/// What the two sides say of one name in one line.
fn one_place(key: &Key, entries: Vec<Entry>, records: Vec<&Registered>, found: &mut Verification) {
    let mut left = records;
    let mut unmatched = Vec::new();
    for entry in entries {
        match left.iter().position(|record| record.facts.agrees_with(&entry.facts)) {
            Some(same) => {
                left.remove(same);
                found.same += 1;
            }
            None => unmatched.push(entry),
        }
    }
    for entry in unmatched {
        let (what, place) = (entry.path, entry.place);
        if let Some(record) = left.pop() {
            let why = entry.facts.difference(&record.facts);
            found.differences.push(Difference { place, what, why });
        } else if entry.cfg.is_empty() {
            let why = "is in the catalog and not in the build".into();
            found.differences.push(Difference { place, what, why });
        } else {
            found.not_in_build.push(NotInBuild { place, what, cfg: entry.cfg });
        }
    }
    for record in left {
        let why = "is in the build once more than in the catalog".into();
        let place = Place { file: key.0.clone(), ..record.place.clone() };
        found.differences.push(Difference { place, what: key.2.clone(), why });
    }
}

/// The unresolved place that a span of the build came out of: one it, or its attribute, stands in, or one that names
/// the file it stands in.
fn origin<'a>(program: &Program, catalog: &'a Catalog, place: &Place, record: &Registered) -> Option<&'a Unresolved> {
    let attribute = from_root(&program.root, &record.attribute.file);
    let holds = |unresolved: &&Unresolved| {
        let lines = unresolved.place.line..=unresolved.last_line.max(unresolved.place.line);
        (unresolved.place.file == place.file && lines.contains(&place.line))
            || (unresolved.place.file == attribute && lines.contains(&record.attribute.line))
    };
    let was_read = program.files.iter().any(|file| file.name == place.file);
    let names = |unresolved: &&Unresolved| !was_read && names_file(program, unresolved, &place.file);
    catalog.unresolved.iter().find(holds).or_else(|| catalog.unresolved.iter().find(names))
}

/// Whether the text of the place says `…/file.rs"` or `mod file;`.
fn names_file(program: &Program, unresolved: &Unresolved, file: &str) -> bool {
    let Some(source) = program.files.iter().find(|source| source.name == unresolved.place.file) else { return false };
    let lines = unresolved.last_line.max(unresolved.place.line) + 1 - unresolved.place.line;
    let text: Vec<_> = source.text.lines().skip(unresolved.place.line.saturating_sub(1)).take(lines).collect();
    let text = text.join(" ");
    let path = Path::new(file);
    let part =
        |part: Option<&std::ffi::OsStr>| part.map(|part| part.to_string_lossy().into_owned()).unwrap_or_default();
    let (name, stem, folder) =
        (part(path.file_name()), part(path.file_stem()), part(path.parent().and_then(Path::file_name)));
    let module = if stem == "mod" { folder } else { stem };
    text.contains(&format!("{name}\"")) || text.contains(&format!("mod {module};"))
}

/// `file` from the root with `/`; as it is, where it lies elsewhere.
fn from_root(root: &Path, file: &str) -> String {
    let path = Path::new(file);
    let inside = path.strip_prefix(root).unwrap_or(path);
    let parts: Vec<_> = inside.iter().map(|part| part.to_string_lossy()).collect();
    if inside.is_absolute() { file.to_owned() } else { parts.join("/") }
}
