//! Source files, each read and parsed once, however many crates have it as a module.

use std::collections::HashMap;
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;

use proc_macro2::{TokenStream, TokenTree};

use super::attributes::{Text, position};
use super::items;
use super::syntax::{Nodes, Position};

/// Delimiters that may stand in one another. Deeper ones are nobody's handwriting, and would exhaust the stack.
const NESTING_LIMIT: usize = 100;

/// A file.
#[derive(Debug)]
pub(super) struct Source {
    /// From the workspace's root, with `/`.
    pub name: String,
    pub text: Text,
    pub nodes: Nodes,
    /// `#![cfg(…)]`
    pub cfg: Vec<String>,
    /// Why it could not be parsed.
    pub refused: Option<Refused>,
}

/// What the parser says of a file.
#[derive(Debug)]
pub(super) struct Refused {
    pub position: Position,
    pub why: String,
}

/// All files read so far.
#[derive(Debug)]
pub(super) struct Sources {
    root: PathBuf,
    pub files: Vec<Source>,
    known: HashMap<PathBuf, Option<usize>>,
}

impl Sources {
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned(), files: Vec::new(), known: HashMap::new() }
    }

    /// The file at `path`; `None` if there is none.
    pub fn load(&mut self, path: &Path) -> Option<usize> {
        if let Some(known) = self.known.get(path) {
            return *known;
        }
        let found = self.open(path);
        self.known.insert(path.to_owned(), found);
        found
    }

    fn open(&mut self, path: &Path) -> Option<usize> {
        let whole = fs::canonicalize(path).ok().filter(|path| path.is_file())?;
        if let Some(known) = self.known.get(&whole) {
            return *known;
        }
        let index = self.files.len();
        self.files.push(read(relative(&self.root, path), &whole));
        self.known.insert(whole, Some(index));
        Some(index)
    }
}

fn read(name: String, path: &Path) -> Source {
    let refused = |text, position, why| Source {
        name: name.clone(),
        text: Text(text),
        nodes: Rc::default(),
        cfg: Vec::new(),
        refused: Some(Refused { position, why }),
    };
    let start = Position { line: 1, column: 1 };
    let text = match fs::read(path).map(String::from_utf8) {
        Ok(Ok(text)) => written(text),
        Ok(Err(_)) => return refused("".into(), start, "the file is not UTF-8".into()),
        Err(error) => return refused("".into(), start, format!("the file cannot be read: {error}")),
    };
    match text.parse::<TokenStream>() {
        Ok(tokens) if deepest(&text) > NESTING_LIMIT && nesting(&tokens) > NESTING_LIMIT => {
            refused(text, start, format!("the file nests more than {NESTING_LIMIT} delimiters"))
        }
        Ok(tokens) => {
            let text = Text(text);
            let (nodes, cfg) = items::read(&text, tokens);
            Source { name, text, nodes, cfg, refused: None }
        }
        Err(error) => refused(text, position(error.span()), format!("the file does not parse: {error}")),
    }
}

/// The text as the compiler reads it: without a byte order mark, and with its `#!` line as a comment.
fn written(mut text: String) -> Rc<str> {
    if text.starts_with('\u{feff}') {
        text.remove(0);
    }
    let is_attribute = |rest: &str| rest.trim_start().starts_with('[');
    if text.strip_prefix("#!").is_some_and(|rest| !is_attribute(rest)) {
        text.replace_range(..2, "//");
    }
    text.into()
}

/// How deep delimiters nest at most: those in texts and comments count too.
fn deepest(text: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    for byte in text.bytes() {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

/// How deep delimiters nest.
fn nesting(tokens: &TokenStream) -> usize {
    let mut deepest = 0;
    let mut left = vec![(tokens.clone(), 0)];
    while let Some((tokens, depth)) = left.pop() {
        deepest = deepest.max(depth);
        left.extend(tokens.into_iter().filter_map(|token| match token {
            TokenTree::Group(group) => Some((group.stream(), depth + 1)),
            _ => None,
        }));
    }
    deepest
}

/// `path` from `root`, with `/`, and with `..` where it is outside.
fn relative(root: &Path, path: &Path) -> String {
    let path = without_dots(path);
    let shared = root.components().zip(path.components()).take_while(|(a, b)| a == b).count();
    let up = root.components().skip(shared).map(|_| "..".to_owned());
    let down = path.components().skip(shared).map(|part| part.as_os_str().to_string_lossy().into_owned());
    up.chain(down).collect::<Vec<_>>().join("/")
}

/// `a/b/../c` as `a/c`.
pub(super) fn without_dots(path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if matches!(clean.components().next_back(), Some(Component::Normal(_))) => {
                clean.pop();
            }
            part => clean.push(part),
        }
    }
    clean
}
