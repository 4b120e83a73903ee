//! Source trees made for a test, and their catalogs as lines.

use std::fs;

use spanwright_contract::catalog::{Catalog, catalog};
use spanwright_contract::program::{Options, outline};
use tempfile::TempDir;

/// A package `app` that depends on spanwright and on `rmcp`, which has attributes of the same names.
pub const MANIFEST: &str = "
    [package]
    name = \"app\"
    edition = \"2024\"
    [dependencies]
    spanwright = \"0.1\"
    rmcp = \"1\"
";

/// A folder with these files.
pub fn tree(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

/// The catalog of a workspace of these files.
pub fn workspace(files: &[(&str, &str)]) -> Catalog {
    let folder = tree(files);
    catalog(&outline(&Options { manifest: folder.path().into(), packages: Vec::new() }).unwrap())
}

/// The catalog of the package `app` with these files.
pub fn app(files: &[(&str, &str)]) -> Catalog {
    workspace(&[&[("Cargo.toml", MANIFEST)], files].concat())
}

/// The ids of the package `app` whose library is `text`.
pub fn ids(text: &str) -> Vec<String> {
    let found = app(&[("src/lib.rs", text)]);
    assert!(found.mistakes.is_empty(), "{:?}", found.mistakes);
    assert!(found.unresolved.is_empty(), "{:?}", found.unresolved);
    found.spans.into_iter().map(|span| span.id).collect()
}

/// Each span, unresolved place and mistake on a line.
pub fn lines(catalog: &Catalog) -> Vec<String> {
    let cfg = |cfg: &[String]| if cfg.is_empty() { String::new() } else { format!(" if {}", cfg.join(", ")) };
    let spans = catalog.spans.iter().map(|span| {
        let conditions = span.functions.first().map_or(&span.cfg, |function| &function.cfg);
        format!("{} {}{}", span.id, span.place, cfg(conditions))
    });
    let unresolved = catalog.unresolved.iter().map(|found| format!("? {}: {}", found.place, found.why));
    let mistakes = catalog.mistakes.iter().map(|found| format!("! {}: {}", found.place, found.message));
    spans.chain(unresolved).chain(mistakes).collect()
}
