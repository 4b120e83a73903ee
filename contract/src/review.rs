//! What a change does to the telemetry of a program, for the people who review it: changes of the contract, changed
//! expansions and changed trace trees beside each other.
//!
//! In: the source tree before and after. Out: a group for each span, with all that changed about it, and the rest by
//! function and test; as text, as a comment for a pull request, or as a page.
//!
//! - The bodies of functions pass through the attributes unchanged and are not compared: the diff of the source shows
//!   them.
//! - Trees are what tests expect, or what a run recorded and nobody has accepted yet; no test is run.

mod groups;
mod html;
mod lines;
mod markdown;
mod revision;
mod text;
mod trees;

use std::path::Path;

use serde::{Serialize, Serializer};

use crate::Error;
use crate::catalog::{Catalog, Place, catalog};
use crate::expansion::{Bodies, Expansion, expansions};
use crate::lock::Lock;
use crate::program::{Options, read};
use crate::verdict::{Change, Report};

pub use html::html;
pub use markdown::markdown;
pub use revision::{Base, Exported, Repository};
pub use text::{plain, text};
pub use trees::Tree;

/// One of the two source trees, read.
#[derive(Clone, Debug, Default)]
pub struct Side {
    /// Its spans.
    pub catalog: Catalog,
    /// What its attributes become.
    pub expansions: Vec<Expansion>,
    /// What its tests expect.
    pub trees: Vec<Tree>,
}

/// What changed.
#[derive(Clone, Debug, Serialize)]
pub struct Review {
    /// What it is compared with, in words: `merge-base with main, 1a2b3c4d`.
    pub base: String,
    /// The changes of the contract.
    #[serde(flatten)]
    pub report: Report,
    /// All that changed, by span; what belongs to no single span follows.
    pub groups: Vec<Group>,
}

/// What changed about one span, or one function or test.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Group {
    /// The span's id, or the path of the function or test.
    pub title: String,
    /// Where that stands now.
    pub place: Option<Place>,
    /// Changes of the contract, the breaking ones first.
    pub changes: Vec<Change>,
    /// Changed expansions.
    pub expansions: Vec<Changed>,
    /// Changed trees.
    pub trees: Vec<Changed>,
    /// Tests whose changed trees show this span and stand in another group.
    pub seen_in: Vec<String>,
}

/// A text that is another now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// The function, declaration or test.
    pub subject: String,
    /// Where it stands; where it stood, if it is gone.
    pub place: Place,
    /// The text before; `None` if there was none.
    pub before: Option<String>,
    /// The text now; `None` if there is none.
    pub after: Option<String>,
    /// Whether the text now is one that a test run recorded and nobody has accepted.
    pub pending: bool,
}

impl Serialize for Changed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Shown<'a> {
            subject: &'a str,
            place: &'a Place,
            before: &'a Option<String>,
            after: &'a Option<String>,
            pending: bool,
            diff: String,
        }
        let Self { subject, place, before, after, pending } = self;
        Shown { subject, place, before, after, pending: *pending, diff: self.unified() }.serialize(serializer)
    }
}

impl Changed {
    fn unified(&self) -> String {
        lines::unified(self.before.as_deref().unwrap_or_default(), self.after.as_deref().unwrap_or_default())
    }

    fn hunks(&self) -> Vec<Vec<lines::Row<'_>>> {
        lines::hunks(self.before.as_deref().unwrap_or_default(), self.after.as_deref().unwrap_or_default())
    }

    /// What became of it, in a word or two.
    fn fate(&self) -> &'static str {
        match (&self.before, &self.after, self.pending) {
            (_, _, true) => "recorded, not accepted",
            (None, Some(_), _) => "new",
            (Some(_), None, _) => "gone",
            _ => "changed",
        }
    }
}

impl Side {
    /// Reads the workspace.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    pub fn read(options: &Options) -> Result<Self, Error> {
        let program = read(options)?;
        Ok(Self {
            catalog: catalog(&program),
            expansions: expansions(&program, Bodies::Elided),
            trees: trees::trees(&program),
        })
    }
}

/// Reviews the workspace that `options` name against a revision of its git repository: `base`, else where this branch
/// left the default branch, else the last commit. A workspace that was not there yet counts as empty.
///
/// # Errors
///
/// If there is no repository or revision, or one of the trees cannot be read or has mistakes.
pub fn review(options: &Options, base: Option<&str>) -> Result<Review, Error> {
    let here = if options.manifest.as_os_str().is_empty() { Path::new(".") } else { &options.manifest };
    let manifest =
        here.canonicalize().map_err(|error| Error::because(format!("cannot read {}", here.display()), error))?;
    let folder = if manifest.is_file() { manifest.parent().unwrap_or(&manifest) } else { &manifest };
    let repository = Repository::of(folder)?;
    let base = repository.base(base)?;
    let exported = repository.export(&base)?;
    let inside = manifest.strip_prefix(repository.root()).unwrap_or(Path::new(""));
    let former = exported.root().join(inside);
    let before = match former.exists() {
        true => Side::read(&Options { manifest: former, ..options.clone() })?,
        false => Side::default(),
    };
    let after = Side::read(options)?;
    let short = base.commit.get(..10).unwrap_or(&base.commit);
    Review::of(&before, &after, options, format!("{}, {short}", base.name))
}

impl Review {
    /// What changed from `before` to `after`; `base` says in words what that is.
    ///
    /// # Errors
    ///
    /// If one of the catalogs has mistakes.
    pub fn of(before: &Side, after: &Side, options: &Options, base: String) -> Result<Self, Error> {
        let lock = |side: &Side, which: &str| {
            Lock::of(&side.catalog, &options.packages)
                .map_err(|error| Error::because(format!("cannot compare {which}"), error))
        };
        let report = Report::of(&lock(before, "the base")?, &lock(after, "the workspace as it is")?, &after.catalog);
        let groups = groups::groups(before, after, &report);
        Ok(Self { base, report, groups })
    }

    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// What changed, counted: `1 breaking, 2 minor; 3 expansions; 1 trace tree`.
    pub fn summary(&self) -> String {
        let count = |count: usize, noun: &str| match count {
            0 => None,
            1 => Some(format!("1 {noun}")),
            _ => Some(format!("{count} {noun}s")),
        };
        let expansions = self.groups.iter().map(|group| group.expansions.len()).sum();
        let trees = self.groups.iter().map(|group| group.trees.len()).sum();
        let contract = (!self.report.changes.is_empty()).then(|| crate::render::summary(&self.report));
        let parts: Vec<_> =
            [contract, count(expansions, "expansion"), count(trees, "trace tree")].into_iter().flatten().collect();
        if parts.is_empty() { "nothing changed".into() } else { parts.join("; ") }
    }
}

#[cfg(test)]
mod tests;
