//! Checks in `cargo test`, for those who want no command line: of the contract,
//! [`assert_catalog!`](crate::assert_catalog), and of what the attributes become,
//! [`assert_expansions!`](crate::assert_expansions).
//!
//! The snapshot is insta's, so `cargo insta review` accepts a change; its text is a lock's. Where it differs, the
//! verdicts are printed before insta's own difference.

use std::path::PathBuf;
use std::sync::Arc;

pub use insta;
use insta::comparator::{Comparator, DefaultComparator};
use insta::{Settings, Snapshot};

use crate::catalog::{self, Catalog};
use crate::expansion::{self, Bodies};
use crate::lock::Lock;
use crate::program::{self, Options};
use crate::verdict::Report;
use crate::{Error, render};

/// The contract of the calling package equals its snapshot.
///
/// The snapshot is `snapshots/…__spans.snap` beside the test. Nothing is built; the package's source is read as
/// `spanwright catalog` reads it. `assert_catalog!(workspace)` takes the whole workspace.
///
/// ```no_run
/// spanwright_contract::assert_catalog!();
/// ```
///
/// # Panics
/// The source cannot be read or does not compile, or the contract differs from the snapshot; then the verdicts say what
/// that means.
#[macro_export]
macro_rules! assert_catalog {
    () => {
        $crate::__assert_catalog!(::core::option::Option::Some(::core::env!("CARGO_PKG_NAME")))
    };
    (workspace) => {
        $crate::__assert_catalog!(::core::option::Option::None)
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __assert_catalog {
    ($package:expr) => {{
        let contract = $crate::snapshot::Contract::read(::core::env!("CARGO_MANIFEST_DIR"), $package);
        contract.settings().bind(|| $crate::snapshot::insta::assert_snapshot!("spans", contract.text()))
    }};
}

/// What the attributes and declarations of the calling package become equals its snapshot.
///
/// The snapshot is `snapshots/…__expansions.snap` beside the test. The bodies of functions are shown as `..`: they
/// pass through unchanged, so the text changes only with an attribute, a signature, or the version of spanwright.
///
/// ```no_run
/// spanwright_contract::assert_expansions!();
/// ```
///
/// # Panics
/// The source cannot be read, or the expansions differ from the snapshot.
#[macro_export]
macro_rules! assert_expansions {
    () => {
        $crate::snapshot::expansion_settings().bind(|| {
            $crate::snapshot::insta::assert_snapshot!(
                "expansions",
                $crate::snapshot::expansions(::core::env!("CARGO_MANIFEST_DIR"), ::core::env!("CARGO_PKG_NAME"))
            );
        })
    };
}

/// What insta says of this depends on how it runs; on a build server it says nothing.
const ACCEPT: &str = "if it is meant, accept it by `cargo insta review`, or by `INSTA_UPDATE=always cargo test`";

/// Insta's settings for expansions.
pub fn expansion_settings() -> Settings {
    let mut settings = Settings::clone_current();
    settings.set_omit_expression(true);
    settings.set_comparator(Box::new(Expansions));
    settings
}

/// Says what to do about expansions that differ.
struct Expansions;

impl Comparator for Expansions {
    #[allow(clippy::print_stdout, reason = "the test harness shows it with the failure")]
    fn matches(&self, reference: &Snapshot, test: &Snapshot) -> bool {
        let same = DefaultComparator.matches(reference, test);
        if !same {
            println!("the expansions changed; {ACCEPT}\n");
        }
        same
    }

    fn dyn_clone(&self) -> Box<dyn Comparator> {
        Box::new(Self)
    }
}

/// The expansions of the package `name` in `folder`, as a text.
///
/// # Panics
/// Its source cannot be read.
#[track_caller]
pub fn expansions(folder: &str, name: &str) -> String {
    let options = Options { manifest: PathBuf::from(folder), packages: vec![name.to_owned()] };
    match program::outline(&options) {
        Ok(program) => expansion::text(&expansion::expansions(&program, Bodies::Elided)),
        Err(error) => panic!("{error:#}"),
    }
}

/// The contract of a source tree, to be compared with a snapshot.
#[derive(Clone, Debug)]
pub struct Contract(Arc<(Catalog, Lock)>);

impl Contract {
    /// Reads the workspace of the package in `folder`; all of it, or one package.
    ///
    /// # Panics
    /// It cannot be read, or does not compile.
    #[track_caller]
    pub fn read(folder: &str, package: Option<&str>) -> Self {
        let packages: Vec<String> = package.into_iter().map(str::to_owned).collect();
        match Self::of(&Options { manifest: PathBuf::from(folder), packages }) {
            Ok(contract) => contract,
            Err(error) => panic!("{error:#}"),
        }
    }

    fn of(options: &Options) -> Result<Self, Error> {
        let catalog = catalog::catalog(&program::outline(options)?);
        let lock = Lock::of(&catalog, &options.packages)?;
        Ok(Self(Arc::new((catalog, lock))))
    }

    /// The lock.
    pub fn text(&self) -> String {
        self.0.1.to_string()
    }

    /// Insta's settings, with the verdicts in them.
    pub fn settings(&self) -> Settings {
        let mut settings = Settings::clone_current();
        settings.set_omit_expression(true);
        settings.set_comparator(Box::new(self.clone()));
        settings
    }

    /// What changed since that snapshot, in words.
    fn verdicts(&self, before: &str) -> String {
        let (catalog, now) = &*self.0;
        match Lock::parse(before, "the snapshot") {
            // The advice for a lock is not that for a snapshot.
            Ok(before) => render::plain(&Report { moved: false, ..Report::of(&before, now, catalog) }),
            Err(error) => format!("{error}\n"),
        }
    }
}

impl Comparator for Contract {
    #[allow(clippy::print_stdout, reason = "the test harness shows it with the failure")]
    fn matches(&self, reference: &Snapshot, test: &Snapshot) -> bool {
        let same = DefaultComparator.matches(reference, test);
        if let (false, Some(before)) = (same, reference.as_text()) {
            let verdicts = self.verdicts(&before.to_string());
            println!("the telemetry contract changed:\n\n{verdicts}\n{ACCEPT}\n");
        }
        same
    }

    fn dyn_clone(&self) -> Box<dyn Comparator> {
        Box::new(self.clone())
    }
}
