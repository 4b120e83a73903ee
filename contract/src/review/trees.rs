//! The trace trees that tests expect: in the texts of `assert_span_tree!` and in insta's snapshots.

use std::fs;
use std::path::Path;

use proc_macro2::{TokenStream, TokenTree};
use syn::LitStr;
use syn::visit::Visit;

use crate::catalog::Place;
use crate::program::Program;

/// A tree that a test expects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tree {
    /// Path of the test function, or the snapshot's file from the workspace's root; a second one in a function ends in
    /// `#2`.
    pub key: String,
    /// Where the test function, or the snapshot, stands.
    pub place: Place,
    /// A line a span, without common indentation.
    pub text: String,
    /// What a test run recorded instead and nobody has accepted yet.
    pub pending: Option<String>,
}

/// All trees of a program, sorted by key.
pub fn trees(program: &Program) -> Vec<Tree> {
    let mut found = Vec::new();
    for body in &program.bodies {
        let mut asserted = Asserted(Vec::new());
        asserted.visit_block(&body.block);
        for (index, text) in asserted.0.into_iter().enumerate() {
            let suffix = if index == 0 { String::new() } else { format!("#{}", index + 1) };
            let (key, place) = (format!("{}{suffix}", body.path), body.place.clone());
            found.push(Tree { key, place, text: dedent(&text.value()), pending: None });
        }
    }
    snapshots(&program.root, &program.root, &mut found);
    found.sort_by(|a, b| (&a.key, &a.place).cmp(&(&b.key, &b.place)));
    found
}

/// The expected texts in a body, without those of functions nested in it, which are bodies of their own.
struct Asserted(Vec<LitStr>);

impl<'ast> Visit<'ast> for Asserted {
    fn visit_item(&mut self, _: &'ast syn::Item) {}

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        if call.path.segments.last().is_some_and(|last| last.ident == "assert_span_tree") {
            self.0.extend(first_text(call.tokens.clone()));
        }
    }
}

/// The first text among the arguments, not within them.
fn first_text(tokens: TokenStream) -> Option<LitStr> {
    tokens.into_iter().find_map(|token| match token {
        TokenTree::Literal(literal) => syn::parse2(TokenTree::Literal(literal).into()).ok(),
        _ => None,
    })
}

/// Insta's snapshots below `folder` that hold a tree.
fn snapshots(root: &Path, folder: &Path, found: &mut Vec<Tree>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        // A link could lead out of the tree, or in a circle.
        let Ok(kind) = entry.file_type() else { continue };
        if kind.is_dir() && !name.starts_with('.') && name != "target" && name != "node_modules" {
            snapshots(root, &path, found);
        } else if kind.is_file() && name.ends_with(".snap") {
            let pending = content(&path.with_file_name(format!("{name}.new")));
            let accepted = content(&path).filter(|text| is_tree(text));
            if let Some(text) = accepted {
                found.push(snapshot(root, &path, text, pending));
            }
        } else if kind.is_file() && name.ends_with(".snap.new") {
            // Beside an accepted one it is part of that.
            let accepted = path.with_file_name(name.trim_end_matches(".new"));
            if let Some(text) = content(&path).filter(|text| is_tree(text) && !accepted.exists()) {
                found.push(snapshot(root, &accepted, String::new(), Some(text)));
            }
        }
    }
}

fn snapshot(root: &Path, path: &Path, text: String, pending: Option<String>) -> Tree {
    let inside = path.strip_prefix(root).unwrap_or(path);
    let parts: Vec<_> = inside.iter().map(|part| part.to_string_lossy()).collect();
    let key = parts.join("/");
    Tree { place: Place { file: key.clone(), line: 1, column: 1 }, key, text, pending }
}

/// What stands below the header of a snapshot.
fn content(path: &Path) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let rest = text.strip_prefix("---\n")?;
    let (_, content) = rest.split_once("\n---\n")?;
    Some(dedent(content))
}

/// Whether every line is a span: `name [TYPE]`, and what follows.
fn is_tree(text: &str) -> bool {
    let is_span = |line: &str| {
        let kind = line.split_once(" [").and_then(|(_, rest)| rest.split_once(']')).map(|(kind, _)| kind);
        kind.is_some_and(|kind| !kind.is_empty() && kind.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_'))
    };
    !text.is_empty() && text.lines().filter(|line| !line.trim().is_empty()).all(is_span)
}

fn dedent(text: &str) -> String {
    let lines: Vec<_> = text.lines().map(str::trim_end).skip_while(|line| line.is_empty()).collect();
    let indent = |line: &&str| line.len() - line.trim_start().len();
    let common = lines.iter().filter(|line| !line.is_empty()).map(indent).min().unwrap_or(0);
    let lines: Vec<_> = lines.iter().map(|line| line.get(common..).unwrap_or_default()).collect();
    lines.join("\n").trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_is_a_tree_if_every_line_is_a_span() {
        assert!(is_tree("plan [WORKFLOW]\n  llm [LLM] ERROR: no [key]"));
        assert!(is_tree("Data team [CHAIN]"));
        for other in ["", "fn main() {}", "plan [WORKFLOW]\nnote", "list [a, b]"] {
            assert!(!is_tree(other), "{other}");
        }
    }

    #[test]
    fn the_first_text_of_an_assertion_is_its_tree() {
        let block: syn::Block = syn::parse_quote!({
            spanwright::assert_span_tree!(
                recording.of("x"),
                "
                plan [WORKFLOW]
                  llm [LLM]
                "
            );
            if deep {
                assert_span_tree!(recording, "ask [LLM]");
            }
            fn nested() {
                assert_span_tree!(recording, "nested [LLM]");
            }
            assert_eq!(recording, "other [LLM]");
        });
        let mut asserted = Asserted(Vec::new());
        asserted.visit_block(&block);
        let texts: Vec<_> = asserted.0.iter().map(|text| dedent(&text.value())).collect();
        assert_eq!(texts, ["plan [WORKFLOW]\n  llm [LLM]", "ask [LLM]"]);
    }
}
