//! A workspace of three crates with everything in it (`tests/fixtures/three`), which compiles: the catalog lists what is there, and nothing else.

use std::path::{Path, PathBuf};

use spanwright_contract::catalog::{Catalog, catalog};
use spanwright_contract::program::{Options, Program, outline, read};

use crate::ground::lines;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/three")
}

fn three(packages: &[&str]) -> Catalog {
    catalog(
        &outline(&Options { manifest: folder(), packages: packages.iter().map(|name| (*name).into()).collect() })
            .unwrap(),
    )
}

#[test]
fn it_lists_what_is_there() {
    insta::assert_snapshot!("three_lines", lines(&three(&[])).join("\n"));
}

#[test]
fn it_says_everything_of_each() {
    insta::assert_snapshot!("three_json", serde_json::to_string_pretty(&three(&[])).unwrap());
}

#[test]
fn one_package_has_its_own_and_the_declarations_it_implements() {
    insta::assert_snapshot!("three_home", lines(&three(&["home"])).join("\n"));
}

#[test]
fn bodies_change_nothing() {
    let options = Options { manifest: folder(), packages: Vec::new() };
    let (whole, outline) = (read(&options).unwrap(), outline(&options).unwrap());
    assert_eq!(catalog(&whole), catalog(&outline));
    let texts = |program: &Program| program.files.iter().map(|file| file.text.clone()).collect::<Vec<_>>();
    assert_eq!(texts(&whole), texts(&outline));
}
