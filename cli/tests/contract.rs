//! `spanwright catalog` with the lock: what is checked in, what changed, and the exit code a build goes by.

use std::fs;
use std::path::Path;

use serde_json::json;

use crate::ground::{Ground, Run};

const HOME: &str = r#"
use spanwright::{node, tool};

pub mod spans {
    spanwright::spans! {
        /// Reads the logbook.
        pub node Collect(id = "home.node.collect") {
            /// Entities read. Stability: stable.
            entity_count: u64,
            gen_ai.request.temperature,
        }
    }
}

#[node(span = spans::Collect, capture = "preview")]
pub fn collect(query: &str, #[allow(unused)] pin: &str) {}

/// Rings.
#[tool(skip(bell))]
pub fn ring(bell: u32, times: u32) {}
"#;

const BUS: &str = "
/// Sends a command.
#[spanwright::tool]
pub fn send(command: &str) {}
";

/// A workspace of two packages; nothing of it is built.
fn workspace() -> Ground {
    let ground = Ground::new();
    let write = |name: &str, text: &str| {
        let file = ground.folder.path().join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    };
    write("Cargo.toml", "[workspace]\nresolver = \"3\"\nmembers = [\"home\", \"bus\"]\n");
    for (package, source) in [("home", HOME), ("bus", BUS)] {
        let manifest = format!(
            "[package]\nname = \"{package}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n\
             [dependencies]\nspanwright = \"0.1\"\n"
        );
        write(&format!("{package}/Cargo.toml"), &manifest);
        write(&format!("{package}/src/lib.rs"), source);
    }
    ground
}

fn catalog(ground: &Ground, args: &[&str]) -> Run {
    let mut command = ground.command(&["catalog"]);
    // It asks Cargo about the workspace.
    for name in ["PATH", "CARGO", "CARGO_HOME", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    Run::of(command.args(args).output().unwrap())
}

fn edit(ground: &Ground, from: &str, to: &str) {
    let file = ground.folder.path().join("home/src/lib.rs");
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains(from), "{text}");
    fs::write(file, text.replace(from, to)).unwrap();
}

#[test]
fn the_exit_code_says_what_a_change_is() {
    let ground = workspace();
    let missing = catalog(&ground, &["--check"]);
    assert_eq!(missing.code, Some(3), "{}{}", missing.out, missing.err);
    assert!(missing.err.contains("spans.lock") && missing.err.contains("--accept"), "{}", missing.err);

    let accepted = catalog(&ground, &["--accept"]);
    assert_eq!(accepted.code, Some(0), "{}", accepted.err);
    assert!(accepted.out.contains("wrote spans.lock: 3 spans"), "{}", accepted.out);
    let lock = fs::read_to_string(ground.folder.path().join("spans.lock")).unwrap();
    for id in ["bus.send", "home.node.collect", "home.ring"] {
        assert!(lock.contains(&format!("id = \"{id}\"")), "{lock}");
    }
    let same = catalog(&ground, &["--check", "spans.lock"]);
    assert_eq!((same.code, same.out.as_str()), (Some(0), "no change\n"), "{}", same.err);
    assert!(catalog(&ground, &["--accept"]).out.contains("as it was"));

    let changes = [
        ("/// Rings.", "/// Rings the bell.", 0, "doc-changed"),
        ("entity_count: u64,", "entity_count: u64, rooms: [str],", 1, "attribute-added"),
        ("skip(bell)", "skip(times)", 2, "more-captured"),
        ("home.node.collect", "home.node.gather", 2, "span-renamed"),
    ];
    for (from, to, code, rule) in changes {
        edit(&ground, from, to);
        let run = catalog(&ground, &["--check"]);
        assert!(run.code == Some(code) && run.out.contains(rule), "{rule}: {:?} {}{}", run.code, run.out, run.err);
    }
    assert!(!catalog(&ground, &["--check"]).out.contains('\x1b'), "no colours in a pipe");
    let accepted = catalog(&ground, &["--accept"]);
    assert!(accepted.code == Some(0) && accepted.out.contains("span-renamed"), "{}{}", accepted.out, accepted.err);
    assert_eq!(catalog(&ground, &["--check"]).code, Some(0));
}

#[test]
fn verdicts_are_for_people_pull_requests_and_programs() {
    let ground = workspace();
    catalog(&ground, &["--accept"]);
    edit(&ground, "capture = \"preview\"", "capture = \"full\"");

    let markdown = catalog(&ground, &["--check", "--format", "markdown"]);
    assert_eq!(markdown.code, Some(2), "{}", markdown.err);
    assert!(markdown.out.starts_with("### Telemetry contract: 2 breaking\n"), "{}", markdown.out);
    assert!(
        markdown.out.contains("| **breaking** | `more-captured` | `home.node.collect` `inputs` | `preview` | `full` |")
    );

    for args in [&["--check", "--format", "json"][..], &["--check", "--json"]] {
        let object = catalog(&ground, args).json();
        let change = &object["changes"][0];
        assert_eq!(
            [&object["lock"], &object["severity"], &object["spans"], &object["accepted"], &change["rule"]],
            [&json!("spans.lock"), &json!("breaking"), &json!(3), &json!(false), &json!("more-captured")],
        );
        assert_eq!(change["place"], json!({"file": "home/src/lib.rs", "line": 16, "column": 8}), "of the function");
    }

    let rule = catalog(&ground, &["--explain", "more-captured"]);
    assert!(rule.code == Some(0) && rule.out.contains("Why: "), "{}{}", rule.out, rule.err);
    assert_eq!(catalog(&ground, &["--explain", "doc-changed", "--json"]).json()["severity"], "patch");
    assert!(catalog(&ground, &["--explain"]).out.lines().count() > 20);
    let unknown = catalog(&ground, &["--explain", "more-caught"]);
    assert!(unknown.code == Some(1) && unknown.err.contains("more-caught"), "{}", unknown.err);
}

#[test]
fn what_cannot_be_checked_is_no_verdict() {
    let ground = workspace();
    let lock = ground.folder.path().join("spans.lock");
    catalog(&ground, &["--accept"]);
    let unchecked = |args: &[&str], parts: &[&str]| {
        let run = catalog(&ground, args);
        assert_eq!(run.code, Some(3), "{}{}", run.out, run.err);
        assert!(parts.iter().all(|part| run.err.contains(part)), "{}", run.err);
    };
    unchecked(&["--check", "--package", "bus"], &["the whole workspace", "`bus`"]);
    unchecked(&["--check", "none.lock"], &["none.lock", "--accept"]);
    unchecked(&["--check", "--package", "attic"], &["attic"]);
    unchecked(&["--check", "--no-such-option"], &["--no-such-option"]);

    let text = fs::read_to_string(&lock).unwrap();
    fs::write(&lock, text.replace("version = 1", "version = 9")).unwrap();
    unchecked(&["--check"], &["version 9", "newer spanwright"]);
    assert_eq!(catalog(&ground, &["--accept"]).code, Some(1), "what a newer one wrote is not overwritten");
    fs::write(&lock, text.replace("kind =", "kin =")).unwrap();
    unchecked(&["--check"], &["line ", "`kin`"]);
    let object = catalog(&ground, &["--check", "--json"]).json();
    assert!(object["error"].as_str().unwrap().contains("kin"), "{object}");

    fs::write(&lock, &text).unwrap();
    edit(&ground, "skip(bell)", "skp(bell)");
    unchecked(&["--check"], &["home/src/lib.rs:19", "skp"]);
    assert_eq!(catalog(&ground, &["--accept"]).code, Some(1));
    assert_eq!(fs::read_to_string(&lock).unwrap(), text, "nothing is locked that does not compile");
}

#[test]
fn a_lock_of_one_package_is_checked_with_that_package() {
    let ground = workspace();
    assert_eq!(catalog(&ground, &["--package", "bus", "--check", "bus/spans.lock", "--accept"]).code, Some(0));
    let lock = fs::read_to_string(ground.folder.path().join("bus/spans.lock")).unwrap();
    assert!(lock.contains("packages = [\n  \"bus\",\n]") && !lock.contains("home."), "{lock}");
    edit(&ground, "home.node.collect", "home.node.gather");
    let run = catalog(&ground, &["--check", "bus/spans.lock", "--package", "bus"]);
    assert_eq!(run.code, Some(0), "{}{}", run.out, run.err);
    let wider = catalog(&ground, &["--check", "bus/spans.lock"]);
    assert!(wider.code == Some(3) && wider.err.contains("--package bus"), "{}", wider.err);
    let replaced = catalog(&ground, &["--check", "bus/spans.lock", "--accept"]);
    assert!(replaced.code == Some(1) && replaced.err.contains("--package bus"), "{}", replaced.err);
    assert_eq!(fs::read_to_string(ground.folder.path().join("bus/spans.lock")).unwrap(), lock, "of bus, as it was");
}

#[test]
fn a_weaver_registry_is_printed_or_written_to_a_folder() {
    let ground = workspace();
    let url = "https://example.org/schemas/home/1.2.0";
    let printed = catalog(&ground, &["--format", "weaver", "--schema-url", url]);
    assert_eq!(printed.code, Some(0), "{}", printed.err);
    let [manifest, spans] = printed.out.split("---\n").collect::<Vec<_>>()[..] else { panic!("{}", printed.out) };
    assert!(manifest.contains(url) && manifest.contains("semantic-conventions-genai"), "{manifest}");
    assert!(spans.contains("file_format: definition/2") && spans.contains("- type: home.node.collect"), "{spans}");

    let folder = ground.folder.path().join("registry");
    let written = catalog(&ground, &["--format", "weaver", "--schema-url", url, "--output", "registry"]);
    assert_eq!(written.code, Some(0), "{}", written.err);
    let read = |name: &str| fs::read_to_string(Path::new(&folder).join(name)).unwrap();
    assert!(printed.out.contains(&read("manifest.yaml")) && printed.out.contains(&read("spans.yaml")));
    assert!(written.out.contains("registry"), "{}", written.out);

    let wrong = catalog(&ground, &["--format", "weaver", "--schema-url", "home"]);
    assert!(wrong.code == Some(1) && wrong.err.contains("https://host/path/version"), "{}", wrong.err);
}
