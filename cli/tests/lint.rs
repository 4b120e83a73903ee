//! `spanwright lint` on a workspace of two packages.

use std::fs;

use crate::ground::{Ground, Run};

const HOUSE: &str = r#"pub mod spans {
    spanwright::spans! {
        pub workflow Evening(id = "house.evening") {
            pub tool CloseBlinds(id = "house.close_blinds");
        }
    }
}

#[spanwright::workflow(span = spans::Evening)]
pub async fn evening() {
	tokio::spawn(async {});
    tokio::spawn(async {});
}
"#;

const MAIL: &str = "#[spanwright::tool]\npub fn send(password: &str) {}\n";

fn workspace() -> Ground {
    let ground = Ground::new();
    let write = |name: &str, text: &str| {
        let path = ground.folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write("Cargo.toml", "[workspace]\nmembers = [\"house\", \"mail\"]\nresolver = \"3\"\n");
    for (name, text) in [("house", HOUSE), ("mail", MAIL)] {
        let manifest = format!(
            "[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[dependencies]\nspanwright = \"0.1\"\n"
        );
        write(&format!("{name}/Cargo.toml"), &manifest);
        write(&format!("{name}/src/lib.rs"), text);
    }
    ground
}

/// With what Cargo needs to say which packages there are.
fn lint(ground: &Ground, args: &[&str]) -> Run {
    let mut command = ground.command(&["lint"]);
    command.args(args).env("CARGO", env!("CARGO"));
    for name in ["PATH", "HOME", "CARGO_HOME", "RUSTUP_HOME"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    Run::of(command.output().unwrap())
}

#[test]
fn findings_are_said_as_a_compiler_says_them() {
    let ground = workspace();
    let run = lint(&ground, &[]);
    assert_eq!(run.code, Some(1), "{}", run.err);
    let expected = r#"
error[unimplemented-span]: no function makes the declared span `CloseBlinds` (`house.close_blinds`)
 --> house/src/lib.rs:4:22
  |
4 |             pub tool CloseBlinds(id = "house.close_blinds");
  |                      ^^^^^^^^^^^
  = help: tie a function to it by `#[tool(span = …::CloseBlinds)]`, or remove it
  = note: `// spanwright: allow(unimplemented-span) reason` above it allows it; `spanwright lint --explain unimplemented-span` says more

warning[lost-context]: `tokio::spawn` starts a task that does not know the span of this function
  --> house/src/lib.rs:11:2
   |
11 | 	tokio::spawn(async {});
   | 	^^^^^^^^^^^^
   = help: use `spanwright::spawn(…)`, or give it `future.in_current_span()`
   = note: `// spanwright: allow(lost-context) reason` above it allows it; `spanwright lint --explain lost-context` says more

warning[lost-context]: `tokio::spawn` starts a task that does not know the span of this function
  --> house/src/lib.rs:12:5
   |
12 |     tokio::spawn(async {});
   |     ^^^^^^^^^^^^
   = help: use `spanwright::spawn(…)`, or give it `future.in_current_span()`

warning[secret-captured]: the value of `password` is captured, which looks like a secret (`password`)
 --> mail/src/lib.rs:2:13
  |
2 | pub fn send(password: &str) {}
  |             ^^^^^^^^
  = help: add `redact(password)` to show only that there was one, or `skip(password)` to leave it out
  = note: `// spanwright: allow(secret-captured) reason` above it allows it; `spanwright lint --explain secret-captured` says more

1 error, 3 warnings in 2 annotated functions and 2 declared spans
"#;
    assert_eq!(format!("\n{}", run.out), expected);
}

#[test]
fn the_exit_code_follows_the_levels() {
    let ground = workspace();
    let levels = ground.folder.path().join("spanwright.toml");
    let code = |args: &[&str]| lint(&ground, args).code;

    fs::write(&levels, "[lints]\nunimplemented-span = \"warn\"\nlost-context = \"allow\"\n").unwrap();
    assert_eq!(code(&[]), Some(0));
    assert_eq!(code(&["--deny", "warnings"]), Some(1));
    let found = lint(&ground, &["--json"]).json();
    assert_eq!((&found["denied"], &found["warned"]), (&0.into(), &2.into()));

    // Of one package, with the whole workspace read; and from a folder in it.
    fs::write(&levels, "[lints]\nlost-context = \"allow\"\n").unwrap();
    assert_eq!(
        (code(&["--package", "mail"]), code(&["--package", "house"]), code(&["mail"])),
        (Some(0), Some(1), Some(1))
    );

    // What is counted is what was asked for.
    let last = |args: &[&str]| lint(&ground, args).out.lines().last().unwrap().to_owned();
    assert_eq!(last(&["--package", "mail"]), "1 warning in 1 annotated function and 0 declared spans");
    assert_eq!(last(&["--package", "house"]), "1 error in 1 annotated function and 2 declared spans");

    fs::write(&levels, "[lints]\nlost-contxt = \"allow\"\n").unwrap();
    let run = lint(&ground, &[]);
    assert_eq!((run.code, run.out.as_str()), (Some(1), ""));
    assert!(run.err.contains("spanwright.toml:2: ") && run.err.contains("did you mean `lost-context`?"), "{}", run.err);
}

#[test]
fn programs_read_an_object_and_workflows_annotations() {
    let ground = workspace();
    let found = lint(&ground, &["--format", "json"]).json();
    assert_eq!((&found["denied"], &found["warned"]), (&1.into(), &3.into()));
    let first = &found["findings"][0];
    assert_eq!(first["rule"], "unimplemented-span");
    assert_eq!(first["level"], "deny");
    assert_eq!(first["place"], serde_json::json!({"file": "house/src/lib.rs", "line": 4, "column": 22}));
    assert_eq!(first["width"], "CloseBlinds".len());

    let run = lint(&ground, &["--format", "github"]);
    assert_eq!(run.code, Some(1));
    let first = run.out.lines().next().unwrap();
    let at =
        "::error file=house/src/lib.rs,line=4,col=22,endColumn=33,title=spanwright unimplemented-span::no function";
    assert!(first.starts_with(at) && first.contains("%0Atie a function"), "{first}");
    assert_eq!(run.out.lines().filter(|line| line.starts_with("::warning ")).count(), 3);
    assert!(run.out.ends_with("\n1 error, 3 warnings in 2 annotated functions and 2 declared spans\n"), "{}", run.out);
}

#[test]
fn a_rule_explains_itself() {
    let ground = Ground::new();
    let run = lint(&ground, &["--explain", "lost-context"]);
    assert_eq!(run.code, Some(0), "{}", run.err);
    assert!(run.out.starts_with("lost-context: warn by default"), "{}", run.out);
    assert!(["// found", "// fine", "Not seen:"].iter().all(|part| run.out.contains(part)), "{}", run.out);
    let run = lint(&ground, &["--explain", "lost-contxt"]);
    assert!(run.code == Some(1) && run.err.contains("did you mean `lost-context`?"), "{}", run.err);
}

#[test]
fn a_place_without_a_workspace_is_named() {
    let ground = Ground::new();
    let run = lint(&ground, &[]);
    assert_eq!((run.code, run.out.as_str()), (Some(1), ""));
    assert!(run.err.contains("Cargo.toml"), "{}", run.err);
}
