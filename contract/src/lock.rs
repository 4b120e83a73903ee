//! The lock: what of a catalog is contract, as a text that is checked in and reviewed as a diff.
//!
//! In: a catalog without mistakes. Out: `spans.lock`, TOML with one `[[span]]` a span, sorted by id, one line a fact.
//! The same catalog gives the same text.
//!
//! - Files, lines and columns are left out, so moving code changes nothing. `declared` and `functions` are there only
//!   so that a span that gets another id is recognised.
//! - Capture is what happens, not what is written: at level `none` no name is listed, at `keys` each is a `key`.
//!   Where several functions make one span, each fact is that of the one that captures most.
//! - Spans and functions that are compiled for tests only are no contract.
//! - A span declared more than once, each time under other conditions of compilation, has an entry for each.

mod file;
mod read;
mod write;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::Error;
use crate::catalog::{Attribute, Catalog, Function, Place, Span};

/// The file that is checked in, beside the workspace's `Cargo.toml`.
pub const FILE: &str = "spans.lock";

/// The version of the format that is written.
pub const VERSION: u32 = 1;

/// The contract of a workspace, or of some of its packages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lock {
    /// The packages it covers, sorted; empty: all members of the workspace, whichever those are.
    pub packages: Vec<String>,
    /// Sorted by id, then by conditions.
    pub spans: Vec<LockedSpan>,
}

/// One span, as far as it is contract.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedSpan {
    /// Its id.
    pub id: String,
    /// Conditions under which it exists: those of its declaration, and those that all its functions share.
    #[serde(default)]
    pub cfg: Vec<String>,
    /// Display name.
    pub name: String,
    /// The word of the attribute.
    pub kind: String,
    /// MLflow span type.
    pub span_type: String,
    /// Path of its declaration; `None` for an annotated function without one, whose path is in its id.
    pub declared: Option<String>,
    /// Paths of the functions that make a declared span, sorted.
    #[serde(default)]
    pub functions: Vec<String>,
    /// Ids of the spans it may stand under, sorted; `None`: anywhere.
    pub parents: Option<Vec<String>>,
    /// Sorted by key.
    #[serde(default)]
    pub attributes: Vec<Attribute>,
    /// The text of its doc comment.
    #[serde(default)]
    pub doc: String,
    /// How much of the inputs is captured; `None` where no function makes it.
    pub inputs: Option<Level>,
    /// How much of the output is captured; `None` where no function makes it.
    pub output: Option<Level>,
    /// Inputs by name, sorted.
    #[serde(default)]
    pub captured: Vec<LockedInput>,
    /// What else is said at each call, sorted.
    #[serde(default)]
    pub facts: Vec<String>,
    /// Where it stands; not in the text, so `None` where the lock was read from one.
    #[serde(skip)]
    pub place: Option<Place>,
    /// Where the first of its functions stands; likewise not in the text.
    #[serde(skip)]
    pub made_at: Option<Place>,
}

/// An input that is captured.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedInput {
    /// Its name in the span's inputs.
    pub name: String,
    /// What is captured of it.
    pub view: View,
}

/// How much is captured, least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Nothing.
    None,
    /// Names.
    Keys,
    /// Values, cut at 2 KiB.
    Preview,
    /// Values.
    Full,
}

/// What is captured of one input, least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum View {
    /// Its name.
    Key,
    /// A marker in its place.
    Redacted,
    /// Its `Debug` text.
    Debug,
    /// The value of an expression.
    Expression,
    /// Its value.
    Value,
}

impl Level {
    const ALL: [Self; 4] = [Self::None, Self::Keys, Self::Preview, Self::Full];

    /// The word in attributes and in the lock.
    pub fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Keys => "keys",
            Self::Preview => "preview",
            Self::Full => "full",
        }
    }

    /// Whether content is captured, not only names.
    pub fn has_values(self) -> bool {
        self >= Self::Preview
    }
}

impl View {
    const ALL: [Self; 5] = [Self::Key, Self::Redacted, Self::Debug, Self::Expression, Self::Value];

    /// The word in the lock.
    pub fn word(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Redacted => "redacted",
            Self::Debug => "debug",
            Self::Expression => "expression",
            Self::Value => "value",
        }
    }

    /// Whether its content is captured.
    pub fn is_clear(self) -> bool {
        self >= Self::Debug
    }
}

impl Lock {
    /// The contract in `catalog`, which covers `packages` (empty: the whole workspace).
    ///
    /// # Errors
    /// The catalog has mistakes, or one id stands for two spans.
    pub fn of(catalog: &Catalog, packages: &[String]) -> Result<Self, Error> {
        sound(catalog)?;
        let mut spans = Vec::with_capacity(catalog.spans.len());
        for span in &catalog.spans {
            if !span.cfg.iter().any(|cfg| is_test_only(cfg)) {
                spans.push(LockedSpan::of(span)?);
            }
        }
        spans.sort_by(|a, b| (&a.id, &a.cfg).cmp(&(&b.id, &b.cfg)));
        if let Some((a, b)) = spans.iter().zip(spans.iter().skip(1)).find(|(a, b)| (&a.id, &a.cfg) == (&b.id, &b.cfg)) {
            let place = |span: &LockedSpan| span.place.clone().unwrap_or_default();
            return Err(Error::new(format!(
                "cannot lock two spans with the id `{}`, at {} and {}: give one of them another id",
                a.id,
                place(a),
                place(b)
            )));
        }
        let packages: BTreeSet<String> = packages.iter().cloned().collect();
        Ok(Self { packages: packages.into_iter().collect(), spans })
    }

    /// What it covers, in words.
    pub fn coverage(&self) -> String {
        match &self.packages[..] {
            [] => "the whole workspace".into(),
            packages => packages.iter().map(|package| format!("`{package}`")).collect::<Vec<_>>().join(", "),
        }
    }

    /// That the two cover the same packages.
    ///
    /// # Errors
    /// They do not; the message says what to do with the lock in `file`.
    pub fn covers_as(&self, now: &Self, file: &str) -> Result<(), Error> {
        if self.packages == now.packages {
            return Ok(());
        }
        let ask = if self.packages.is_empty() {
            "leave out `--package`".to_owned()
        } else {
            format!("give `--package {}`", self.packages.join(" --package "))
        };
        Err(Error::new(format!(
            "{} is not what {file} covers, which is {}: {ask}, or name another lock",
            now.coverage(),
            self.coverage()
        )))
    }
}

/// That a catalog says what the compiler would.
fn sound(catalog: &Catalog) -> Result<(), Error> {
    const SHOWN: usize = 8;
    let [first, ..] = &catalog.mistakes[..] else { return Ok(()) };
    if catalog.mistakes.len() == 1 {
        return Err(Error::new(format!(
            "cannot read the contract of what does not compile: {}: {}",
            first.place, first.message
        )));
    }
    let shown = catalog.mistakes.iter().take(SHOWN);
    let mut lines: Vec<String> = shown.map(|mistake| format!("{}: {}", mistake.place, mistake.message)).collect();
    if let Some(more @ 1..) = catalog.mistakes.len().checked_sub(SHOWN) {
        lines.push(format!("and {more} more"));
    }
    Err(Error::new(format!("cannot read the contract of what does not compile:\n  {}", lines.join("\n  "))))
}

impl LockedSpan {
    fn of(span: &Span) -> Result<Self, Error> {
        let functions: Vec<&Function> =
            span.functions.iter().filter(|function| !function.cfg.iter().any(|cfg| is_test_only(cfg))).collect();
        let mut locked = Self {
            id: span.id.clone(),
            cfg: span.cfg.clone(),
            name: span.name.clone(),
            kind: span.kind.clone(),
            span_type: span.span_type.clone(),
            declared: span.declared.clone(),
            functions: Vec::new(),
            parents: span.parents.as_ref().map(sorted),
            attributes: span.attributes.clone(),
            doc: span.doc.clone(),
            inputs: None,
            output: None,
            captured: Vec::new(),
            facts: Vec::new(),
            place: Some(span.place.clone()),
            made_at: functions.first().map(|function| function.place.clone()),
        };
        if span.declared.is_some() {
            locked.functions = sorted(functions.iter().map(|function| &function.path));
            locked.exists_as(&functions);
        }
        locked.attributes.sort_by(|a, b| a.key.cmp(&b.key));
        locked.captures(&functions)?;
        Ok(locked)
    }

    /// A span is there only where one of its functions is.
    fn exists_as(&mut self, functions: &[&Function]) {
        let Some((first, others)) = functions.split_first() else { return };
        let everywhere = |cfg: &&String| others.iter().all(|function| function.cfg.contains(cfg));
        for cfg in first.cfg.iter().filter(everywhere) {
            if !self.cfg.contains(cfg) {
                self.cfg.push(cfg.clone());
            }
        }
    }

    /// What the functions capture, each fact as that of the one that captures most.
    fn captures(&mut self, functions: &[&Function]) -> Result<(), Error> {
        let mut captured: BTreeMap<&str, View> = BTreeMap::new();
        for function in functions {
            let level = |said: &str| {
                Level::ALL.into_iter().find(|level| level.word() == said).ok_or_else(|| unknown(function, said))
            };
            let inputs = level(&function.inputs)?;
            self.inputs = self.inputs.max(Some(inputs));
            self.output = self.output.max(Some(level(&function.output)?));
            for input in &function.captured {
                let said = View::ALL.into_iter().find(|view| view.word() == input.view);
                let view = match inputs {
                    Level::None => continue,
                    Level::Keys => View::Key,
                    _ => said.ok_or_else(|| unknown(function, &input.view))?,
                };
                let most = captured.entry(&input.name).or_insert(view);
                *most = view.max(*most);
            }
        }
        self.captured = captured.into_iter().map(|(name, view)| LockedInput { name: name.to_owned(), view }).collect();
        self.facts = sorted(functions.iter().flat_map(|function| &function.facts));
        Ok(())
    }
}

fn unknown(function: &Function, word: &str) -> Error {
    Error::new(format!("cannot lock `{}`: the catalog says `{word}` of its capture, which is no level", function.path))
}

fn sorted<'a>(words: impl IntoIterator<Item = &'a String>) -> Vec<String> {
    let words: BTreeSet<&String> = words.into_iter().collect();
    words.into_iter().cloned().collect()
}

/// Whether a character could deceive who reads it: controls, what has no width, and what turns the direction of text.
pub(crate) fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// Whether a condition holds in tests only: `test`, or an `all` or `any` that comes to it.
fn is_test_only(cfg: &str) -> bool {
    fn only(meta: &syn::Meta) -> bool {
        let syn::Meta::List(list) = meta else { return meta.path().is_ident("test") };
        let parser = syn::punctuated::Punctuated::<syn::Meta, syn::Token![,]>::parse_terminated;
        let Ok(inner) = list.parse_args_with(parser) else { return false };
        match () {
            () if list.path.is_ident("all") => inner.iter().any(only),
            () if list.path.is_ident("any") => !inner.is_empty() && inner.iter().all(only),
            () => false,
        }
    }
    cfg.contains("test") && syn::parse_str(cfg).is_ok_and(|meta| only(&meta))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that unwraps says what it expects")]
mod tests;
