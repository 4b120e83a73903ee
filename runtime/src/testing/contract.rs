//! What was recorded, against what is declared.

use std::collections::HashMap;
use std::fmt;

use crate::conformance::{self, Stray};
use crate::contract::{Contract, DeclaredSpan};
use crate::id::{SpanId, TraceId};
use crate::record::{Source, SpanRecord};
use crate::tree;

use super::Recorded;
use super::report::{self, Line, Mark};

/// A rule that recorded spans keep where they are as their contract says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Rule {
    /// Each span is tied to a declaration of the contract.
    DeclaredSpan,
    /// The attribute that made the span is the one that is declared.
    Kind,
    /// A span stands under one of its declared parents.
    Parent,
    /// Nothing stands under a leaf.
    Leaf,
    /// Each attribute is among the declared ones.
    DeclaredAttribute,
    /// The value of an attribute has the declared type.
    Type,
    /// No id is declared twice.
    UniqueId,
}

/// A place where recorded spans are not as their contract says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Violation {
    /// The rule that is broken.
    pub rule: Rule,
    /// The span; `None` where the contract breaks a rule by itself.
    pub span: Option<(TraceId, SpanId)>,
    /// Display name of the span.
    pub name: String,
    /// Id of the declaration the span is tied to.
    pub declared: Option<String>,
    /// The function that made the span.
    pub source: Source,
    /// What the contract has, in words.
    pub expected: String,
    /// What was recorded, in words.
    pub recorded: String,
    /// What to do about it.
    pub remedy: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.span.is_none() {
            return write!(f, "{}, expected {}; {}", self.recorded, self.expected, self.remedy);
        }
        write!(f, "`{}`: {}, expected {}; {}", self.name, self.recorded, self.expected, self.advice())
    }
}

impl Violation {
    fn advice(&self) -> String {
        let Source { function, file, line } = &self.source;
        match function.is_empty() {
            true => self.remedy.clone(),
            false => format!("fn `{function}` at {file}:{line}: {}", self.remedy),
        }
    }
}

/// Where recorded spans are not as `contracts` say, in the order of their tree; empty where they are.
///
/// A span stands under its nearest ancestor that is declared: a span between the two that is not declared is a violation of its own. Of a
/// span whose parent was not recorded it is not known where it stands. What a kind of span sets by itself, such as `sandbox.exit_code`,
/// need not be declared.
pub fn contract_violations(recorded: &(impl Recorded + ?Sized), contracts: &[Contract]) -> Vec<Violation> {
    let spans = recorded.records();
    Comparison::of(&spans, contracts).violations()
}

/// The assertion behind [`assert_contract!`](crate::assert_contract).
#[doc(hidden)]
#[track_caller]
pub fn check_contract(recorded: &(impl Recorded + ?Sized), contracts: &[Contract]) {
    let spans = recorded.records();
    let violations = Comparison::of(&spans, contracts).violations();
    if !violations.is_empty() {
        panic!("{}", shown(&spans, &violations));
    }
}

fn shown(spans: &[SpanRecord], violations: &[Violation]) -> String {
    let mut by_span: HashMap<Option<(TraceId, SpanId)>, Vec<&Violation>> = HashMap::new();
    for violation in violations {
        by_span.entry(violation.span).or_default().push(violation);
    }
    let mut lines = Vec::new();
    let mut explain = |lines: &mut Vec<Line>, depth: usize, span| {
        for violation in by_span.remove(&span).unwrap_or_default() {
            lines.push(Line::new(Mark::Expected, depth, &violation.expected));
            lines.push(Line::new(Mark::Recorded, depth, &violation.recorded));
            lines.push(Line::new(Mark::Note, depth, format!("= {}", violation.advice())));
        }
    };
    explain(&mut lines, 0, None);
    for line in tree::lines(spans) {
        let span = line.span.map(|span| (spans[span].trace_id, spans[span].span_id));
        let before = lines.len();
        lines.push(Line::new(Mark::Same, line.depth, line.text()));
        if span.is_some() {
            explain(&mut lines, line.depth + 1, span);
        }
        if lines.len() > before + 1 {
            lines[before].mark = Mark::Wrong;
        }
    }
    let places = match violations.len() {
        1 => "one place".to_owned(),
        count => format!("{count} places"),
    };
    format!(
        "the recorded spans are not as their contract says in {places} (- expected, + recorded, ✗ where):\n{}",
        report::text(&lines)
    )
}

struct Comparison<'a> {
    spans: &'a [SpanRecord],
    declared: HashMap<&'a str, &'static DeclaredSpan>,
    by_id: HashMap<(TraceId, SpanId), usize>,
    found: Vec<Violation>,
}

/// What a span stands under.
enum Place<'a> {
    Root,
    Unknown,
    Under(&'a SpanRecord),
}

impl<'a> Comparison<'a> {
    fn of(spans: &'a [SpanRecord], contracts: &[Contract]) -> Self {
        let mut comparison = Self {
            spans,
            declared: HashMap::new(),
            by_id: spans.iter().enumerate().map(|(n, span)| ((span.trace_id, span.span_id), n)).collect(),
            found: Vec::new(),
        };
        for span in contracts.iter().flat_map(|contract| contract.spans) {
            comparison.declare(span);
        }
        comparison
    }

    /// Takes a declaration. The same one may come twice, as with a contract that is given twice.
    fn declare(&mut self, span: &'static DeclaredSpan) {
        let earlier = *self.declared.entry(span.id).or_insert(span);
        if earlier != span {
            self.found.push(Violation {
                rule: Rule::UniqueId,
                span: None,
                name: span.name.to_owned(),
                declared: Some(span.id.to_owned()),
                source: Source::default(),
                expected: format!("one declaration with the id `{}`", span.id),
                recorded: format!("`{}` is the id of both `{}` and `{}`", span.id, earlier.name, span.name),
                remedy: "give one of them another `id`".to_owned(),
            });
        }
    }

    fn violations(mut self) -> Vec<Violation> {
        for line in tree::lines(self.spans) {
            let Some(span) = line.span.map(|span| &self.spans[span]) else { continue };
            if let Place::Under(parent) = self.parent(span) {
                self.check_leaf(span, parent);
            }
            match self.declaration(span) {
                None => self.say_undeclared(span),
                Some(declared) => {
                    self.check_kind(span, declared);
                    self.check_parent(span, declared);
                    self.check_attributes(span, declared);
                }
            }
        }
        self.found
    }

    fn declaration(&self, span: &SpanRecord) -> Option<&'static DeclaredSpan> {
        self.declared.get(span.declared.as_deref()?).copied()
    }

    fn parent(&self, span: &SpanRecord) -> Place<'a> {
        match span.parent_id {
            None => Place::Root,
            Some(parent) => match self.by_id.get(&(span.trace_id, parent)) {
                Some(parent) => Place::Under(&self.spans[*parent]),
                None => Place::Unknown,
            },
        }
    }

    /// The nearest ancestor that is declared; where there is none, what the span stands under.
    fn place(&self, span: &SpanRecord) -> Place<'a> {
        let mut place = self.parent(span);
        // No chain is longer than there are spans, unless it is a circle.
        for _ in 0..self.spans.len() {
            match place {
                Place::Under(above) if self.declaration(above).is_none() => match self.parent(above) {
                    Place::Root => return self.parent(span),
                    next => place = next,
                },
                known => return known,
            }
        }
        Place::Unknown
    }

    fn say(&mut self, rule: Rule, span: &SpanRecord, expected: String, recorded: String, remedy: String) {
        self.found.push(Violation {
            rule,
            span: Some((span.trace_id, span.span_id)),
            name: span.name.clone(),
            declared: span.declared.clone(),
            source: span.source.clone(),
            expected,
            recorded,
            remedy,
        });
    }

    fn say_undeclared(&mut self, span: &SpanRecord) {
        let (recorded, remedy) = match &span.declared {
            None => {
                let remedy =
                    "declare it in `spans!` and tie it to its declaration by `span = …`, or take its attribute off";
                ("a span that is tied to no declaration".to_owned(), remedy.to_owned())
            }
            Some(id) => {
                let remedy = "give the `CONTRACT` it is declared in to this assertion too";
                (format!("a span declared elsewhere, as `{id}`"), remedy.to_owned())
            }
        };
        self.say(Rule::DeclaredSpan, span, "a span of the contract".to_owned(), recorded, remedy);
    }

    fn check_kind(&mut self, span: &SpanRecord, declared: &DeclaredSpan) {
        if span.kind != declared.kind {
            let expected = format!("a span made by `#[{}]`, as `{}` is declared", declared.kind, declared.id);
            let recorded = format!("a span made by `#[{}]`", span.kind);
            let remedy = format!("annotate it with `#[{}]`, or change the kind of the declaration", declared.kind);
            self.say(Rule::Kind, span, expected, recorded, remedy);
        }
    }

    fn check_leaf(&mut self, span: &SpanRecord, parent: &SpanRecord) {
        let Some(leaf) = self.declaration(parent).filter(|declared| declared.leaf) else { return };
        let expected = format!("nothing under `{}` (`{}`), which is declared a leaf", leaf.name, leaf.id);
        let remedy = format!("take `leaf` off the declaration of `{}`, or make this call elsewhere", leaf.id);
        self.say(Rule::Leaf, span, expected, format!("under `{}`", parent.name), remedy);
    }

    fn check_parent(&mut self, span: &SpanRecord, declared: &DeclaredSpan) {
        let Some(allowed) = declared.parents else { return };
        let (recorded, permit) = match self.place(span) {
            Place::Unknown => return,
            Place::Root if allowed.contains(&"") => return,
            Place::Root => ("as the root of a trace".to_owned(), "root".to_owned()),
            Place::Under(above) => match self.declaration(above) {
                Some(parent) if allowed.contains(&parent.id) => return,
                Some(parent) => {
                    (format!("under `{}` (`{}`)", above.name, parent.id), format!("the item of `{}`", parent.id))
                }
                None => (format!("under `{}`, which is not declared", above.name), "its declaration".to_owned()),
            },
        };
        let places: Vec<_> = allowed.iter().map(|id| self.allowed_place(id)).collect();
        let expected = match places.as_slice() {
            [] => "under nothing: its declaration allows no parent".to_owned(),
            places => places.join(" or "),
        };
        let remedy =
            format!("call it where it is declared to stand, or add {permit} to `parents(…)` of `{}`", declared.id);
        self.say(Rule::Parent, span, expected, recorded, remedy);
    }

    fn allowed_place(&self, id: &str) -> String {
        match (id, self.declared.get(id)) {
            ("", _) => "as the root of a trace".to_owned(),
            (id, Some(parent)) => format!("under `{}` (`{id}`)", parent.name),
            (id, None) => format!("under `{id}`"),
        }
    }

    fn check_attributes(&mut self, span: &SpanRecord, declared: &DeclaredSpan) {
        for (key, value) in &span.attributes {
            let attribute = declared.attributes.iter().find(|attribute| attribute.key == key);
            match conformance::stray(&span.kind, key, value, attribute.map(|attribute| attribute.ty)) {
                None => {}
                Some(Stray::Undeclared) => {
                    let remedy = match similar(key, declared) {
                        Some(meant) => format!("did you mean `{meant}`? set it by its typed setter"),
                        None => format!("declare `{key}` on `{}`, or do not set it", declared.id),
                    };
                    let expected = attributes_of(declared);
                    self.say(Rule::DeclaredAttribute, span, expected, format!("attribute `{key}`"), remedy);
                }
                Some(Stray::Mistyped(ty)) => {
                    let expected = format!("attribute `{key}` of type `{ty}`");
                    let recorded = format!("attribute `{key}` of type `{}`", conformance::type_of(value));
                    let remedy = "set it by its typed setter, or change its declared type".to_owned();
                    self.say(Rule::Type, span, expected, recorded, remedy);
                }
            }
        }
    }
}

fn attributes_of(declared: &DeclaredSpan) -> String {
    let keys: Vec<_> = declared.attributes.iter().map(|attribute| format!("`{}`", attribute.key)).collect();
    match keys.as_slice() {
        [] => format!("no attribute: `{}` declares none", declared.id),
        keys => format!("one of {}", keys.join(", ")),
    }
}

/// A declared key that `key` is a misspelling of.
fn similar(key: &str, declared: &DeclaredSpan) -> Option<&'static str> {
    let near = |declared: &str| edits(key, declared) * 3 <= declared.chars().count().max(3);
    let keys = declared.attributes.iter().map(|attribute| attribute.key);
    keys.filter(|declared| near(declared)).min_by_key(|declared| edits(key, declared))
}

/// How many characters must be added, taken away, replaced, or exchanged with the next one.
fn edits(from: &str, to: &str) -> usize {
    let (from, to): (Vec<char>, Vec<char>) = (from.chars().collect(), to.chars().collect());
    let mut rows: Vec<Vec<usize>> = vec![(0..=to.len()).collect()];
    for n in 1..=from.len() {
        let mut row = vec![n];
        for m in 1..=to.len() {
            let above = &rows[n - 1];
            let replaced = above[m - 1] + usize::from(from[n - 1] != to[m - 1]);
            let mut least = replaced.min(above[m] + 1).min(row[m - 1] + 1);
            if n > 1 && m > 1 && from[n - 1] == to[m - 2] && from[n - 2] == to[m - 1] {
                least = least.min(rows[n - 2][m - 2] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[from.len()][to.len()]
}
