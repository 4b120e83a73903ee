//! Source files, each read and parsed once, however many crates have it as a module.

use std::collections::HashMap;
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;

use proc_macro2::{TokenStream, TokenTree};

use super::attributes::{Text, position};
use super::items;
use super::shorten::without_bodies;
use super::syntax::{Nodes, Position};

/// Delimiters that may stand in one another. Deeper ones are nobody's handwriting, and would exhaust the stack.
const NESTING_LIMIT: usize = 100;

/// A file.
#[derive(Debug)]
pub(super) struct Source {
    /// From the workspace's root, with `/`.
    pub name: String,
    /// As it stands in the file.
    pub whole: Rc<str>,
    /// As it was parsed: where bodies are not asked for, without those that may hold no item.
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
    with_bodies: bool,
    pub files: Vec<Source>,
    known: HashMap<PathBuf, Option<usize>>,
}

impl Sources {
    pub fn new(root: &Path, with_bodies: bool) -> Self {
        Self { root: root.to_owned(), with_bodies, files: Vec::new(), known: HashMap::new() }
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
        self.files.push(read(relative(&self.root, path), &whole, self.with_bodies));
        self.known.insert(whole, Some(index));
        Some(index)
    }
}

fn read(name: String, path: &Path, with_bodies: bool) -> Source {
    let start = Position { line: 1, column: 1 };
    let (whole, unreadable) = match fs::read(path).map(String::from_utf8) {
        Ok(Ok(text)) => (written(text), None),
        Ok(Err(_)) => ("".into(), Some("the file is not UTF-8".into())),
        Err(error) => ("".into(), Some(format!("the file cannot be read: {error}"))),
    };
    let short = if with_bodies { None } else { without_bodies(&whole, items::may_hold_items) };
    let text = Text(short.map_or_else(|| whole.clone(), Rc::from));
    let parsed = match unreadable {
        Some(why) => Err(Refused { position: start, why }),
        None => match text.0.parse::<TokenStream>() {
            Ok(tokens) if deepest(&text.0) > NESTING_LIMIT && nesting(&tokens) > NESTING_LIMIT => {
                Err(Refused { position: start, why: format!("the file nests more than {NESTING_LIMIT} delimiters") })
            }
            Ok(tokens) => Ok(items::read(&text, tokens)),
            Err(error) => {
                Err(Refused { position: position(error.span()), why: format!("the file does not parse: {error}") })
            }
        },
    };
    let (parsed, refused) = match parsed {
        Ok(parsed) => (parsed, None),
        Err(refused) => ((Rc::default(), Vec::new()), Some(refused)),
    };
    let (nodes, cfg) = parsed;
    Source { name, whole, text, nodes, cfg, refused }
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
