//! What belongs together: the changes of a span, the expansions of its functions, and the trees whose changed lines
//! name it.

use std::collections::{BTreeMap, BTreeSet};

use super::{Changed, Group, Side, Tree, lines};
use crate::catalog::{Catalog, Span};
use crate::expansion::Expansion;
use crate::verdict::Report;

/// One group a span in the order of the report, then those without a change of the contract by title.
pub fn groups(before: &Side, after: &Side, report: &Report) -> Vec<Group> {
    let mut all = Groups::default();
    for change in &report.changes {
        let group = all.of(&change.span);
        group.place = group.place.take().or_else(|| change.place.clone());
        group.changes.push(change.clone());
    }
    let renamed: BTreeMap<&str, &str> =
        report.changes.iter().filter_map(|change| Some((change.former.as_deref()?, change.span.as_str()))).collect();
    let contract = all.groups.len();
    for (changed, span) in expansions(before, after, &renamed) {
        let group = all.of(span.as_deref().unwrap_or(&changed.subject));
        group.place = group.place.take().or_else(|| Some(changed.place.clone()));
        group.expansions.push(changed);
    }
    for changed in trees(&before.trees, &after.trees) {
        let subject = changed.subject.clone();
        let concerned = all.concerned(&changed, before, after);
        match concerned.split_first() {
            Some((first, others)) => {
                all.groups[*first].trees.push(changed);
                others.iter().for_each(|other| all.groups[*other].seen_in.push(subject.clone()));
            }
            None => {
                let group = all.of(&subject);
                group.place = Some(changed.place.clone());
                group.trees.push(changed);
            }
        }
    }
    all.groups[contract..].sort_by(|a, b| a.title.cmp(&b.title));
    all.groups
}

#[derive(Default)]
struct Groups {
    groups: Vec<Group>,
}

impl Groups {
    fn of(&mut self, title: &str) -> &mut Group {
        let index = self.groups.iter().position(|group| group.title == title).unwrap_or_else(|| {
            self.groups.push(Group { title: title.to_owned(), ..Group::default() });
            self.groups.len() - 1
        });
        &mut self.groups[index]
    }

    /// The groups of spans that a changed line of the tree shows, in their order.
    fn concerned(&self, tree: &Changed, before: &Side, after: &Side) -> Vec<usize> {
        let (old, new) = (tree.before.as_deref().unwrap_or_default(), tree.after.as_deref().unwrap_or_default());
        let rows = lines::hunks(old, new);
        let changed = rows.iter().flatten().filter(|row| !row.same).flat_map(|row| [row.before, row.after]).flatten();
        let shown: BTreeSet<&str> = changed.filter_map(|line| Some(line.text.trim().split_once(" [")?.0)).collect();
        let shows = |group: &Group| {
            let former = group.changes.iter().find_map(|change| change.former.as_deref());
            let ids = [Some(group.title.as_str()), former];
            let named = |catalog: &Catalog| {
                let of_group = |span: &&Span| ids.contains(&Some(span.id.as_str()));
                catalog.spans.iter().filter(of_group).any(|span| shown.contains(span.name.as_str()))
            };
            named(&before.catalog) || named(&after.catalog)
        };
        (0..self.groups.len()).filter(|index| shows(&self.groups[*index])).collect()
    }
}

/// Changed expansions and the id of the span each belongs to.
fn expansions(before: &Side, after: &Side, renamed: &BTreeMap<&str, &str>) -> Vec<(Changed, Option<String>)> {
    let (was, is) = (spans_by_path(&before.catalog), spans_by_path(&after.catalog));
    // A function that is known by another path now is known by its span.
    let present = |path: &str| -> Option<String> {
        let id = was.get(path)?;
        let id = renamed.get(id).copied().unwrap_or(id);
        let mut same = is.iter().filter(|(_, other)| **other == id).map(|(path, _)| *path);
        same.next().filter(|_| same.next().is_none()).map(str::to_owned)
    };
    let here: BTreeSet<&str> = after.expansions.iter().map(|one| one.path.as_str()).collect();
    let mut pairs: BTreeMap<String, (Vec<&Expansion>, Vec<&Expansion>)> = BTreeMap::new();
    for one in &before.expansions {
        let path = if here.contains(one.path.as_str()) { None } else { present(&one.path) };
        pairs.entry(path.unwrap_or_else(|| one.path.clone())).or_default().0.push(one);
    }
    for one in &after.expansions {
        pairs.entry(one.path.clone()).or_default().1.push(one);
    }
    let mut found = Vec::new();
    for (path, (old, new)) in pairs {
        for index in 0..old.len().max(new.len()) {
            let (old, new) = (old.get(index), new.get(index));
            let (code, place) = (|one: &&Expansion| one.code.clone(), |one: &&Expansion| one.place.clone());
            let changed = Changed {
                subject: path.clone(),
                place: new.or(old).map(place).unwrap_or_default(),
                before: old.map(code),
                after: new.map(code),
                pending: false,
            };
            if changed.before != changed.after {
                let former = old.and_then(|one| was.get(one.path.as_str()));
                let id = is.get(path.as_str()).copied();
                let id = id.or_else(|| former.map(|id| renamed.get(id).copied().unwrap_or(id)));
                found.push((changed, id.map(str::to_owned)));
            }
        }
    }
    found
}

fn spans_by_path(catalog: &Catalog) -> BTreeMap<&str, &str> {
    catalog
        .spans
        .iter()
        .flat_map(|span| span.functions.iter().map(|function| (function.path.as_str(), span.id.as_str())))
        .collect()
}

/// What a test expected and what it expects, by key.
type TreesByKey<'a> = BTreeMap<&'a str, (Option<&'a Tree>, Option<&'a Tree>)>;

/// Changed trees: what a test expected and expects, or expects and recorded.
fn trees(before: &[Tree], after: &[Tree]) -> Vec<Changed> {
    let mut keys = TreesByKey::new();
    for tree in before {
        keys.entry(&tree.key).or_default().0 = Some(tree);
    }
    for tree in after {
        keys.entry(&tree.key).or_default().1 = Some(tree);
    }
    same_tests(&mut keys);
    let mut found = Vec::new();
    for (key, (old, new)) in keys {
        let text = |tree: Option<&Tree>| tree.map(|tree| tree.text.clone()).filter(|text| !text.is_empty());
        let place = new.or(old).map(|tree| tree.place.clone()).unwrap_or_default();
        let recorded = new.and_then(|tree| tree.pending.clone());
        let pending = recorded.is_some();
        let accepted = text(new).filter(|_| pending);
        let changed = Changed {
            subject: key.to_owned(),
            place,
            before: text(old).or(accepted),
            after: recorded.or_else(|| text(new)),
            pending,
        };
        if changed.before != changed.after {
            found.push(changed);
        }
    }
    found
}

/// Pairs the trees of a test that is in another file, module or crate now: those of one name and text, then those whose
/// name no other has.
fn same_tests(keys: &mut TreesByKey<'_>) {
    for by_text in [true, false] {
        let mut alike: BTreeMap<_, (Vec<&Tree>, Vec<&Tree>)> = BTreeMap::new();
        for pair in keys.values() {
            let (tree, is_gone) = match *pair {
                (Some(old), None) => (old, true),
                (None, Some(new)) => (new, false),
                _ => continue,
            };
            let name = tree.key.rsplit(['/', ':']).next().unwrap_or_default();
            let (gone, new) = alike.entry((name, by_text.then_some(tree.text.as_str()))).or_default();
            if is_gone { gone } else { new }.push(tree);
        }
        for (gone, new) in alike.into_values().filter(|(gone, new)| by_text || (gone.len() == 1 && new.len() == 1)) {
            for (old, tree) in gone.into_iter().zip(new) {
                keys.remove(old.key.as_str());
                keys.insert(&tree.key, (Some(old), Some(tree)));
            }
        }
    }
}
