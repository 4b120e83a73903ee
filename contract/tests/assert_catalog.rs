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
";

/// A package in a folder of its own; its build folder outlives it, so that a second run builds only the package.
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
            target: Path::new(env!("CARGO_TARGET_TMPDIR")).join("assert_catalog"),
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
            .env("CARGO_PROFILE_DEV_DEBUG", "0")
            .env("CARGO_INCREMENTAL", "0")
            .env_remove("INSTA_FORCE_PASS")
            .env_remove("RUSTFLAGS")
            .output()
            .unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.success(), text(output.stdout) + &text(output.stderr))
    }
}

#[test]
fn a_change_fails_the_test_with_its_verdict_before_the_difference() {
    let package = Package::new("sums");
    let (passed, said) = package.test("always");
    assert!(passed, "{said}");
    let snapshot = package.folder.path().join("tests/snapshots/contract__spans.snap");
    let accepted = fs::read_to_string(&snapshot).unwrap();
    assert!(accepted.contains("id = \"sums.sum\"") && accepted.contains("packages = [\n  \"sums\","), "{accepted}");
    let (passed, said) = package.test("no");
    assert!(passed, "{said}");

    package.write("src/lib.rs", &SOURCE.replace("name = \"sum\"", "name = \"total\""));
    let (passed, said) = package.test("no");
    assert!(!passed, "{said}");
    let place = |part: &str| said.find(part).unwrap_or_else(|| panic!("no {part}: {said}"));
    assert!(place("name-changed") < place("Snapshot Summary"), "{said}");
    assert!(said.contains("1 breaking") && said.contains("src/lib.rs:4"), "{said}");
    assert_eq!(fs::read_to_string(&snapshot).unwrap(), accepted);
}

#[test]
fn an_expansion_fails_the_test_if_the_attribute_changes_and_not_if_the_body_does() {
    let package = Package::new("totals");
    package.write("tests/contract.rs", &TEST.replace("assert_catalog", "assert_expansions"));
    let (passed, said) = package.test("always");
    assert!(passed, "{said}");
    let snapshot = package.folder.path().join("tests/snapshots/contract__expansions.snap");
    let accepted = fs::read_to_string(&snapshot).unwrap();
    assert!(accepted.contains("// totals::sum\n"), "{accepted}");
    assert!(accepted.contains(".named(\"sum\")") && !accepted.contains("numbers.iter()"), "{accepted}");

    package.write("src/lib.rs", &SOURCE.replace("numbers.iter().sum()", "numbers.into_iter().sum()"));
    let (passed, said) = package.test("no");
    assert!(passed, "{said}");
    package.write("src/lib.rs", &SOURCE.replace("name = \"sum\"", "name = \"total\""));
    let (passed, said) = package.test("no");
    assert!(!passed && said.contains(".named(\"total\")"), "{said}");
}
