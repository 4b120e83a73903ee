//! `assert_catalog!` and `assert_expansions!` as their users have them: in a package of their own, run by `cargo test`.

#![allow(clippy::unwrap_used, reason = "a test that unwraps says what it expects")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const SOURCE: &str = r#"
/// Adds up.
#[spanwright::node(name = "sum")]
pub fn sum(numbers: Vec<u64>) -> u64 {
    numbers.iter().sum()
}
"#;

const TEST: &str = "
#[test]
fn the_contract_is_as_agreed() {
    spanwright_contract::assert_catalog!();
}

#[test]
fn the_expansions_are_as_agreed() {
    spanwright_contract::assert_expansions!();
}
";

/// A package in a folder of its own, built where this test was: what is built of the registry there serves both.
struct Package {
    folder: tempfile::TempDir,
    target: PathBuf,
}

impl Package {
    /// `name` is its own: to cargo, packages of one name in one build folder are the same, wherever they lie.
    fn new(name: &str) -> Self {
        let ours = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let package = Self {
            folder: tempfile::tempdir().unwrap(),
            target: Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().to_owned(),
        };
        let dependency = |folder: &str| format!("{:?}", ours.join(folder));
        package.write(
            "Cargo.toml",
            &format!(
                "[package]\nname = \"{name}\"\nedition = \"2024\"\n\n[dependencies]\n\
                 spanwright = {{ path = {}, default-features = false }}\n\n[dev-dependencies]\n\
                 spanwright-contract = {{ path = {}, features = [\"insta\"] }}\n\n[workspace]\n",
                dependency("runtime"),
                dependency("contract")
            ),
        );
        package.write("src/lib.rs", SOURCE);
        package.write("tests/contract.rs", TEST);
        // The versions that are built here are there already, so that nothing has to be fetched.
        fs::copy(ours.join("Cargo.lock"), package.folder.path().join("Cargo.lock")).unwrap();
        package
    }

    fn write(&self, name: &str, text: &str) {
        let file = self.folder.path().join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }

    /// Whether its tests pass, and what they print.
    fn test(&self, update: &str) -> (bool, String) {
        let output = Command::new(env!("CARGO"))
            .args(["test", "--quiet", "--offline", "--test", "contract"])
            .current_dir(self.folder.path())
            .env("CARGO_TARGET_DIR", &self.target)
            .env("INSTA_UPDATE", update)
            .env("CARGO_INCREMENTAL", "0")
            .env_remove("INSTA_FORCE_PASS")
            .output()
            .unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.success(), text(output.stdout) + &text(output.stderr))
    }
}

#[test]
fn a_change_fails_the_tests_with_what_it_means_and_how_to_accept_it() {
    let package = Package::new("sums");
    let (passed, said) = package.test("always");
    assert!(passed, "{said}");
    let snapshot = |name: &str| {
        let file = package.folder.path().join(format!("tests/snapshots/contract__{name}.snap"));
        fs::read_to_string(file).unwrap()
    };
    let (spans, expansions) = (snapshot("spans"), snapshot("expansions"));
    assert!(spans.contains("id = \"sums.sum\"") && spans.contains("packages = [\n  \"sums\","), "{spans}");
    assert!(expansions.contains("// sums::sum\n") && expansions.contains(".named(\"sum\")"), "{expansions}");
    assert!(!expansions.contains("numbers.iter()"), "{expansions}");

    // A body is no part of either.
    package.write("src/lib.rs", &SOURCE.replace("numbers.iter().sum()", "numbers.into_iter().sum()"));
    let (passed, said) = package.test("no");
    assert!(passed, "{said}");

    package.write("src/lib.rs", &SOURCE.replace("name = \"sum\"", "name = \"total\""));
    let (passed, said) = package.test("no");
    assert!(!passed && said.contains("2 failed"), "{said}");
    let agreed = &said[said.find("the telemetry contract changed").unwrap()..];
    let place = |part: &str| agreed.find(part).unwrap_or_else(|| panic!("no {part}: {said}"));
    assert!(
        place("name-changed") < place("cargo insta review") && place("cargo insta review") < place("Snapshot Summary")
    );
    assert!(said.contains("1 breaking") && said.contains("src/lib.rs:4"), "{said}");
    assert!(said.contains(".named(\"total\")") && said.contains("the expansions changed; if it is meant"), "{said}");
    assert_eq!((snapshot("spans"), snapshot("expansions")), (spans, expansions));
}
