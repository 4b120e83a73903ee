//! A catalog against a real build of the same workspace: equal, and unequal where one of the two says something else.

#![allow(clippy::unwrap_used, reason = "a test that unwraps says what it expects")]

use std::fs;
use std::path::{Path, PathBuf};

use spanwright_contract::catalog::{Catalog, catalog};
use spanwright_contract::program::{Options, Program, read};
use spanwright_contract::verify::{Build, Registered, Verification, build, compare};

/// A copy of the workspace `name` in `fixtures` that stays where it is between runs; what its copies depend on is
/// built once for all.
fn workspace(name: &str) -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let all = Path::new(env!("CARGO_TARGET_TMPDIR")).join("verify");
    fs::create_dir_all(all.join(".cargo")).unwrap();
    fs::write(all.join(".cargo/config.toml"), format!("[build]\ntarget-dir = {:?}\n", all.join("target"))).unwrap();
    let folder = all.join(name);
    let _ = fs::remove_dir_all(&folder);
    let runtime = here.join("../runtime").canonicalize().unwrap();
    copy(&here.join("tests/fixtures").join(name), &folder, runtime.to_str().unwrap());
    // The versions that are here already.
    fs::copy(here.join("../Cargo.lock"), folder.join("Cargo.lock")).unwrap();
    folder.canonicalize().unwrap()
}

fn copy(from: &Path, to: &Path, runtime: &str) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (entry, name) = entry.map(|entry| (entry.path(), entry.file_name())).unwrap();
        if !entry.is_dir() {
            let text = fs::read_to_string(&entry).unwrap();
            let text = text.replace("../../../../../runtime", runtime).replace("../../../../runtime", runtime);
            fs::write(to.join(name), text).unwrap();
        } else if name != "target" {
            copy(&entry, &to.join(name), runtime);
        }
    }
}

struct Ground {
    program: Program,
    catalog: Catalog,
    registered: Vec<Registered>,
}

impl Ground {
    /// Reads before it builds, as the command does.
    fn of(root: &Path, features: &[&str], packages: &[&str]) -> Self {
        let packages: Vec<String> = packages.iter().map(|package| (*package).to_owned()).collect();
        let program = read(&Options { manifest: root.to_owned(), packages: packages.clone() }).unwrap();
        let catalog = catalog(&program);
        assert_eq!(catalog.mistakes, []);
        let features = features.iter().map(|feature| (*feature).to_owned()).collect();
        let how = Build { manifest: root.to_owned(), packages, features, offline: true, ..Build::default() };
        let registered = build(&how).unwrap_or_else(|error| panic!("{error:#}"));
        Self { program, catalog, registered }
    }

    fn compare(&self) -> Verification {
        compare(&self.program, &self.catalog, &self.registered)
    }
}

fn differences(found: &Verification) -> Vec<String> {
    assert_eq!(found.equal, found.differences.is_empty());
    found.differences.iter().map(|one| format!("{} {} {}", one.place, one.what, one.why)).collect()
}

#[test]
fn a_catalog_is_what_a_build_registers() {
    let root = workspace("built");
    let mut ground = Ground::of(&root, &[], &[]);
    let found = ground.compare();
    assert_eq!(differences(&found), Vec::<String>::new());
    let absent: Vec<_> = found.not_in_build.iter().map(|one| (one.what.as_str(), one.cfg.join(", "))).collect();
    assert_eq!(absent, [("home::Post::deliver", "feature = \"mail\"".to_owned())]);
    let hidden: Vec<_> =
        found.from_unresolved.iter().map(|one| (one.what.as_str(), one.unresolved.to_string())).collect();
    assert_eq!(
        hidden,
        [
            ("generated", "home/src/lib.rs:65".to_owned()),
            ("made", "kit/src/lib.rs:7".to_owned()),
            ("shared", "home/src/lib.rs:63".to_owned()),
        ]
    );
    // `judge` is compiled for the library's tests only, `plan` for them and for the library.
    assert_eq!(found.same, 12);

    // Nothing was asked of `kit`, which is built with `home`; the macro in it is an unresolved place of this catalog
    // all the same, for `home` has what it makes.
    let one = Ground::of(&root, &[], &["home"]).compare();
    assert_eq!(differences(&one), Vec::<String>::new());
    assert!(one.from_unresolved.iter().any(|hidden| hidden.what == "made"), "{:?}", one.from_unresolved);
    assert_eq!(one.same, 11);

    // A catalog that says something else of a function, and one that has forgotten one and made up another.
    let honest = ground.catalog.clone();
    let collect = ground.catalog.spans.iter_mut().find(|span| span.id == "home.node.collect").unwrap();
    collect.functions[0].captured[1].view = "value".into();
    collect.name = "collect".into();
    assert_eq!(
        differences(&ground.compare()),
        [
            "home/src/lib.rs:15 home::spans::Collect name is `collect` in the catalog and `collect all` in the build",
            "home/src/lib.rs:30 home::collect what is captured is `name, token, length (expression)` in the catalog \
             and `name, token (redacted), length (expression)` in the build",
        ]
    );
    ground.catalog = honest;
    let add =
        ground.catalog.spans.iter_mut().find(|span| span.functions.iter().any(|one| one.path == "kit::add")).unwrap();
    add.functions[0].path = "kit::subtract".into();
    assert_eq!(
        differences(&ground.compare()),
        [
            "kit/src/lib.rs:16 add is in the build and not in the catalog",
            "kit/src/lib.rs:16 kit::subtract is in the catalog and not in the build",
        ]
    );

    // With the feature the function is there; and the build has put another function where the source was read.
    fs::write(root.join("home/late.txt"), "#[spanwright::node]\n#[allow(dead_code)]\nfn late() {}\n").unwrap();
    let found = Ground::of(&root, &["home/mail"], &[]).compare();
    assert_eq!(found.not_in_build, []);
    assert_eq!(
        differences(&found),
        [
            "home/src/late.rs:3 home::late::early is in the catalog and not in the build",
            "home/src/late.rs:3 late is in the build and not in the catalog",
        ]
    );

    // What does not compile is said, not compared.
    fs::write(root.join("kit/src/lib.rs"), "pub use nothing::at_all;\n").unwrap();
    let how = Build { manifest: root, offline: true, ..Build::default() };
    assert!(build(&how).unwrap_err().to_string().contains("does not build"));
}

#[test]
fn everything_a_catalog_can_meet_is_the_same_in_a_build() {
    let root = workspace("three");
    for features in [&[][..], &["home/mail"]] {
        let found = Ground::of(&root, features, &[]).compare();
        assert_eq!(differences(&found), Vec::<String>::new(), "{features:?}");
        let absent: Vec<_> = found.not_in_build.iter().map(|one| one.what.as_str()).collect();
        let hidden: Vec<_> = found.from_unresolved.iter().map(|one| one.what.as_str()).collect();
        insta::assert_debug_snapshot!(format!("three_{}", features.len()), (found.same, absent, hidden));
    }
}
