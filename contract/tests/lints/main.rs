//! Each rule on a file that it finds something in, and on one like it where it must not: `<rule>/{fires,silent}.rs`.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use spanwright_contract::lint::{Levels, lint, rules};
use spanwright_contract::program::{self, Options, Program};

const MANIFEST: &str = "\
[package]
name = \"sample\"
version = \"0.1.0\"
edition = \"2024\"

[dependencies]
spanwright = \"0.1\"

[workspace]
";

fn found(program: &Program) -> String {
    let mut text = String::new();
    for finding in lint(program, &Levels::default()) {
        let file = program.files.iter().find(|file| file.name == finding.place.file).expect("a file that was read");
        let line = file.text.lines().nth(finding.place.line - 1).expect("a line of it");
        let covered: String = line.chars().skip(finding.place.column - 1).take(finding.width).collect();
        let (level, rule, place) = (finding.level.word(), finding.rule, &finding.place);
        let _ = writeln!(text, "{place}:{} {level} {rule}: {covered}", place.column);
        let _ = writeln!(text, "  {}\n  {}", finding.message, finding.hint);
    }
    text
}

/// The file as the library of a package of its own.
fn read(rule: &str, file: &str) -> Program {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lints").join(rule).join(file);
    let package = tempfile::tempdir().expect("a folder");
    let root = package.path();
    fs::write(root.join("Cargo.toml"), MANIFEST).expect("a manifest");
    fs::create_dir(root.join("src")).expect("a folder");
    fs::copy(path, root.join("src/lib.rs")).expect("each rule has both files");
    program::read(&Options { manifest: root.to_owned(), packages: Vec::new() }).expect("a package")
}

#[test]
fn each_rule_finds_what_it_is_for() {
    for rule in rules() {
        let found = found(&read(rule.id, "fires.rs"));
        assert!(found.contains(rule.id), "{}: {found}", rule.id);
        insta::assert_snapshot!(rule.id, found);
    }
}

#[test]
fn no_rule_finds_what_only_looks_like_it() {
    for rule in rules() {
        assert_eq!(found(&read(rule.id, "silent.rs")), "", "{}", rule.id);
    }
}
