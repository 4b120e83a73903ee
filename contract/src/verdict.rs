//! What the difference of two locks means for those who read the spans.
//!
//! In: the checked-in lock and that of the code as it is. Out: changes, each with a rule, whose severity says what it
//! asks of them.
//!
//! - A span that has another id is the same span if enough else of it agrees (`renames`); what else changed of it is
//!   said too. Where `parents` names a renamed span, that is no change of its own.
//! - A declared span is known by its id. A function without a declaration is known by its display name: what the lock
//!   has as its id follows from its path and is never sent, so neither to move it nor to declare it breaks anybody.
//! - That functions or declarations moved to another file, module or crate is no change as long as the ids are kept.
//! - A new span's attributes and captures are part of it, and no changes of their own; likewise of one that is gone.

mod compare;
mod renames;
mod rule;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::catalog::{Catalog, Place, Unresolved};
use crate::lock::{Lock, LockedSpan};

pub use rule::{Rule, Severity};

/// One change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// What kind of change it is.
    pub rule: Rule,
    /// How much it asks of those who read the spans.
    pub severity: Severity,
    /// Id of the span; the former one if it is gone.
    pub span: String,
    /// Its former id, where that was another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub former: Option<String>,
    /// The attribute, input or fact, where it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub part: Option<String>,
    /// What it was, where there was something.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// What it is, where there is something.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// Where the span stands now, or its function, where it is about what that captures.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// All that in a sentence: lower case, no full stop.
    pub sentence: String,
}

/// What a check has found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The greatest severity; `None` without a change.
    pub severity: Option<Severity>,
    /// The breaking ones first, then by span.
    pub changes: Vec<Change>,
    /// Places that may hold spans and could not be followed: what is gone may be there.
    pub unresolved: Vec<Unresolved>,
    /// Whether the lock names functions or declarations that are elsewhere now: nothing anybody reads.
    pub moved: bool,
}

impl Report {
    /// What became of `before`, by the lock `now` of `catalog`.
    pub fn of(before: &Lock, now: &Lock, catalog: &Catalog) -> Self {
        let changes = compare(before, now);
        Self {
            severity: changes.first().map(|change| change.severity),
            moved: changes.is_empty() && before.to_string() != now.to_string(),
            changes,
            unresolved: catalog.unresolved.clone(),
        }
    }

    /// How many changes are of that severity.
    pub fn count(&self, severity: Severity) -> usize {
        self.changes.iter().filter(|change| change.severity == severity).count()
    }

    /// The exit code of a check: 0 without a change or with patches only, 1 with a minor one, 2 with a breaking one.
    pub fn exit_code(&self) -> u8 {
        match self.severity {
            None | Some(Severity::Patch) => 0,
            Some(Severity::Minor) => 1,
            Some(Severity::Breaking) => 2,
        }
    }
}

/// The changes from one lock to the next, the breaking ones first, then by span and rule.
pub fn compare(before: &Lock, now: &Lock) -> Vec<Change> {
    let (mut pairs, gone, new) = matched(before, now);
    let renamed = renames::spans(&gone, &new);
    let present_ids: BTreeMap<&str, &str> =
        renamed.iter().map(|(&gone_at, &new_at)| (gone[gone_at].id.as_str(), new[new_at].id.as_str())).collect();
    pairs.extend(renamed.iter().map(|(&gone_at, &new_at)| (gone[gone_at], new[new_at])));

    let taken: BTreeSet<usize> = renamed.values().copied().collect();
    let removed =
        (0..gone.len()).filter(|index| !renamed.contains_key(index)).map(|index| compare::removed(gone[index]));
    let added = (0..new.len()).filter(|index| !taken.contains(index)).map(|index| compare::added(new[index]));
    let mut changes: Vec<Change> = removed.chain(added).collect();
    for (was, is) in pairs {
        compare::span(was, is, &present_ids, &mut changes);
    }
    changes.sort_by(|a, b| {
        let order = |change: &Change| (std::cmp::Reverse(change.severity), change.span.clone(), change.rule);
        order(a).cmp(&order(b)).then_with(|| (&a.part, &a.before).cmp(&(&b.part, &b.before)))
    });
    changes
}

type Pairs<'a> = Vec<(&'a LockedSpan, &'a LockedSpan)>;

/// Spans of one id, paired: those of the same conditions first, then the rest in turn; and what is left of either side.
fn matched<'a>(before: &'a Lock, now: &'a Lock) -> (Pairs<'a>, Vec<&'a LockedSpan>, Vec<&'a LockedSpan>) {
    let mut by_id: BTreeMap<&str, (Vec<&LockedSpan>, Vec<&LockedSpan>)> = BTreeMap::new();
    for span in &before.spans {
        by_id.entry(&span.id).or_default().0.push(span);
    }
    for span in &now.spans {
        by_id.entry(&span.id).or_default().1.push(span);
    }
    let (mut pairs, mut gone, mut new) = (Vec::new(), Vec::new(), Vec::new());
    for (mut was, mut is) in by_id.into_values() {
        was.retain(|span| {
            let Some(same) = is.iter().position(|other| other.cfg == span.cfg) else { return true };
            pairs.push((*span, is.remove(same)));
            false
        });
        let both = was.len().min(is.len());
        pairs.extend(was.drain(..both).zip(is.drain(..both)));
        gone.extend(was);
        new.extend(is);
    }
    (pairs, gone, new)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that unwraps says what it expects")]
mod tests;
