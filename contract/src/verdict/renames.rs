//! Which span that is gone and which that is new are the same one, and likewise for the attributes of a span.
//!
//! Pairs are scored and taken best first, each side once, ties by id. What agrees counts:
//!
//! | | Points |
//! |---|---|
//! | a function of both; the path of the declaration | 8 |
//! | the doc text | 4 |
//! | the last word of the id, of the declaration or of a function's path | 3 each |
//! | a function's path but for its crate; the last two words of it | 2 each |
//! | without a declaration and docs: the module, the kind and what is captured, if no other there has them or the name is nearly the same | 4 |
//! | the attributes, by the share of those that both have | up to 4 |
//! | the display name; what is captured | 2 each |
//! | the kind; the span type; the parents; the id without its last word | 1 each |
//!
//! From [`ENOUGH`] on it is a rename. Only pairs that agree in something rare are looked at, so that a renamed crate
//! of ten thousand spans costs no more than its size.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::catalog::Attribute;
use crate::lock::LockedSpan;

/// The points from which two spans are the same one.
const ENOUGH: usize = 7;

/// A trait that more pairs than this agree in is nothing rare.
const RARE: usize = 1 << 12;

/// Pairs of indices into `gone` and `new`.
pub fn spans(gone: &[&LockedSpan], new: &[&LockedSpan]) -> BTreeMap<usize, usize> {
    let only_of = |spans: &[&LockedSpan]| {
        let mut seen = HashMap::<String, usize>::new();
        spans.iter().filter_map(|span| shape(span)).for_each(|shape| *seen.entry(shape).or_default() += 1);
        seen.retain(|_, count| *count == 1);
        seen
    };
    let (only_gone, only_new) = (only_of(gone), only_of(new));
    let same_shape = |was: &LockedSpan, is: &LockedSpan| {
        let Some(shape) = shape(was).filter(|was| shape(is).as_ref() == Some(was)) else { return false };
        let is_only = only_gone.contains_key(&shape) && only_new.contains_key(&shape);
        is_only || likeness(last(&was.id), last(&is.id)) > 0
    };
    let points = |was, is| score(was, is) + if same_shape(was, is) { 4 } else { 0 };
    let mut scored: Vec<(usize, usize, usize)> = candidates(gone, new)
        .into_iter()
        .map(|(before, now)| (points(gone[before], new[now]), before, now))
        .filter(|(points, ..)| *points >= ENOUGH)
        .collect();
    best_first(&mut scored)
}

/// Pairs of indices into `gone` and `new`.
pub fn attributes(gone: &[&Attribute], new: &[&Attribute]) -> BTreeMap<usize, usize> {
    let mut scored = Vec::new();
    for (before, old) in gone.iter().enumerate() {
        for (now, fresh) in new.iter().enumerate() {
            if old.ty != fresh.ty {
                continue;
            }
            let same_doc = !old.doc.is_empty() && old.doc == fresh.doc;
            let points = 2 * usize::from(same_doc)
                + 2 * usize::from(last(&old.key) == last(&fresh.key))
                + likeness(&old.key, &fresh.key);
            if points >= 2 {
                scored.push((points, before, now));
            }
        }
    }
    best_first(&mut scored)
}

fn best_first(scored: &mut [(usize, usize, usize)]) -> BTreeMap<usize, usize> {
    scored.sort_by(|a, b| b.0.cmp(&a.0).then((a.1, a.2).cmp(&(b.1, b.2))));
    let (mut pairs, mut taken) = (BTreeMap::new(), BTreeSet::new());
    for &(_, before, now) in &*scored {
        if !pairs.contains_key(&before) && taken.insert(now) {
            pairs.insert(before, now);
        }
    }
    pairs
}

/// Pairs that agree in something that few agree in.
fn candidates(gone: &[&LockedSpan], new: &[&LockedSpan]) -> BTreeSet<(usize, usize)> {
    let mut agreeing: HashMap<String, (Vec<usize>, Vec<usize>)> = HashMap::new();
    for (index, span) in gone.iter().enumerate() {
        traits(span).into_iter().for_each(|key| agreeing.entry(key).or_default().0.push(index));
    }
    for (index, span) in new.iter().enumerate() {
        traits(span).into_iter().for_each(|key| agreeing.entry(key).or_default().1.push(index));
    }
    let mut pairs = BTreeSet::new();
    for (before, now) in agreeing.into_values().filter(|(before, now)| before.len() * now.len() <= RARE) {
        pairs.extend(before.iter().flat_map(|&before| now.iter().map(move |&now| (before, now))));
    }
    pairs
}

fn traits(span: &LockedSpan) -> BTreeSet<String> {
    let mut traits: BTreeSet<String> = paths(span).into_iter().map(|path| format!("function {path}")).collect();
    for path in &paths(span) {
        traits.insert(format!("last {}", last(path)));
        traits.insert(format!("method {}", method(path)));
        traits.insert(format!("inside {}", inside(path)));
    }
    traits.insert(format!("last {}", last(&span.id)));
    traits.insert(format!("name {}", span.name));
    if let Some(declared) = &span.declared {
        traits.insert(format!("declared {declared}"));
        traits.insert(format!("item {}", last(declared)));
    }
    if !span.doc.is_empty() {
        traits.insert(format!("doc {}", span.doc));
    }
    traits.extend(shape(span));
    if !span.attributes.is_empty() {
        let keys: Vec<&str> = span.attributes.iter().map(|attribute| attribute.key.as_str()).collect();
        traits.insert(format!("attributes {}", keys.join(" ")));
    }
    traits
}

/// What tells a function without a declaration and without docs from its neighbours, but for its name.
fn shape(span: &LockedSpan) -> Option<String> {
    let is_bare = span.declared.is_none() && span.doc.is_empty();
    is_bare.then(|| format!("shape {} {} {:?}", stem(&span.id), span.kind, span.captured))
}

fn score(gone: &LockedSpan, new: &LockedSpan) -> usize {
    let (paths_before, paths_now) = (paths(gone), paths(new));
    let functions = |path: fn(&str) -> &str| {
        let now: BTreeSet<&str> = paths_now.iter().map(|is| path(is)).collect();
        paths_before.iter().any(|was| now.contains(path(was)))
    };
    let mut points = 0;
    let mut agree = |agrees: bool, worth: usize| points += if agrees { worth } else { 0 };
    agree(functions(|path| path), 8);
    agree(functions(inside), 2);
    agree(functions(method), 2);
    agree(functions(last), 3);
    if let (Some(was), Some(is)) = (&gone.declared, &new.declared) {
        agree(was == is, 8);
        agree(last(was) == last(is), 3);
    }
    agree(last(&gone.id) == last(&new.id), 3);
    agree(stem(&gone.id) == stem(&new.id), 1);
    agree(!gone.doc.is_empty() && gone.doc == new.doc, 4);
    agree(gone.name == new.name, 2);
    agree(!gone.captured.is_empty() && gone.captured == new.captured, 2);
    agree(gone.kind == new.kind, 1);
    agree(gone.span_type == new.span_type, 1);
    agree(gone.parents.is_some() && gone.parents == new.parents, 1);
    points + shared(&gone.attributes, &new.attributes)
}

/// Four times the share of attributes, by key and type, that both have.
fn shared(gone: &[Attribute], new: &[Attribute]) -> usize {
    let set = |attributes: &[Attribute]| -> BTreeSet<(String, String)> {
        attributes.iter().map(|attribute| (attribute.key.clone(), attribute.ty.clone())).collect()
    };
    let (was, is) = (set(gone), set(new));
    let all = was.union(&is).count();
    (4 * was.intersection(&is).count()).checked_div(all).unwrap_or(0)
}

/// Paths of its functions with dots, as they are in the id of a span without a declaration.
fn paths(span: &LockedSpan) -> Vec<String> {
    match span.declared {
        Some(_) => span.functions.iter().map(|path| path.replace("::", ".")).collect(),
        None => vec![span.id.clone()],
    }
}

/// What stands behind the last dot, slash or colon.
pub(super) fn last(path: &str) -> &str {
    path.rsplit(['.', '/', ':']).next().unwrap_or(path)
}

/// The last two words of a path with dots: a type or module, and a function.
fn method(path: &str) -> &str {
    path.rmatch_indices('.').nth(1).map_or(path, |(at, _)| &path[at + 1..])
}

/// A path with dots without its first word, the crate.
fn inside(path: &str) -> &str {
    path.split_once('.').map_or(path, |(_, inside)| inside)
}

/// What stands before it.
fn stem(path: &str) -> &str {
    path.strip_suffix(last(path)).unwrap_or_default()
}

/// 2 if at most a third of the longer key has to be edited to get the other, else 0.
fn likeness(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.iter().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, to) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(from != to);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(diagonal + 1).min(row[j] + 1);
        }
    }
    if 3 * row[b.len()] <= a.len().max(b.len()) { 2 } else { 0 }
}
