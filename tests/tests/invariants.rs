//! The structure the runtime promises (ARCHITECTURE.md), read from its source.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The runtime's source files without comments and unit tests, by their path from `runtime/src`.
fn sources() -> BTreeMap<String, String> {
    sources_of("runtime/src")
}

/// The source files of a folder of the workspace, likewise.
fn sources_of(folder: &str) -> BTreeMap<String, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(folder);
    let mut found = BTreeMap::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("it is beside the tests").flatten() {
            let path = entry.path();
            let name = path.strip_prefix(&root).expect("below the root").to_string_lossy().into_owned();
            if path.is_dir() {
                folders.push(path);
            } else if name.ends_with(".rs") && !name.contains("tests") {
                found.insert(name, code(&path));
            }
        }
    }
    assert!(found.len() > 10, "{folder} has moved: {:?}", found.keys());
    found
}

fn code(path: &PathBuf) -> String {
    let text = fs::read_to_string(path).expect("a source file is readable");
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let lines = text.lines().map(|line| line.split_once("//").map_or(line, |(code, _)| code));
    lines.filter(|line| !line.trim().is_empty()).collect::<Vec<_>>().join("\n")
}

/// The top-level module a file belongs to.
fn module(file: &str) -> &str {
    file.split(['/', '.']).next().unwrap_or_default()
}

/// Files whose code contains `needle`, outside of `allowed` (modules or path prefixes).
fn outside(needle: &str, allowed: &[&str]) -> Vec<String> {
    outside_in("runtime/src", needle, allowed)
}

/// The same of another folder of the workspace.
fn outside_in(folder: &str, needle: &str, allowed: &[&str]) -> Vec<String> {
    let sources = sources_of(folder);
    let holds = |file: &str| !allowed.iter().any(|place| module(file) == *place || file.starts_with(place));
    sources.iter().filter(|(file, code)| holds(file) && code.contains(needle)).map(|(file, _)| file.clone()).collect()
}

/// `crate::a::…` in a file of module `b`: the edge b → a. The facade and the re-exports stand above everything.
fn edges(sources: &BTreeMap<String, String>) -> BTreeMap<String, BTreeSet<String>> {
    let modules: BTreeSet<_> = sources.keys().map(|file| module(file).to_owned()).collect();
    let mut edges: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (file, code) in sources {
        let from = module(file);
        if ["lib", "__private"].contains(&from) {
            continue;
        }
        for (at, _) in code.match_indices("crate::") {
            let rest = &code[at + "crate::".len()..];
            let to: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            if modules.contains(&to) && to != from {
                edges.entry(from.to_owned()).or_default().insert(to);
            }
        }
    }
    edges
}

#[test]
fn no_module_imports_itself_by_way_of_others() {
    for folder in ["runtime/src", "contract/src", "macros/core/src", "claude/src", "models/src", "report/src"] {
        let edges = edges(&sources_of(folder));
        for start in edges.keys() {
            let mut reached = BTreeSet::new();
            let mut left: Vec<_> = edges[start].iter().collect();
            while let Some(module) = left.pop() {
                assert_ne!(module, start, "{folder}: `{start}` imports itself by way of {reached:?}");
                if reached.insert(module) {
                    left.extend(edges.get(module).into_iter().flatten());
                }
            }
        }
    }
}

#[test]
fn no_stage_names_another_stage_and_no_buffer_names_a_stage() {
    const STAGES: [&str; 4] = ["span", "collector", "export", "future"];
    let edges = edges(&sources());
    for from in ["span", "collector", "export", "chunk", "store", "record", "config", "tape", "capture", "outcome"] {
        let named: Vec<_> = edges.get(from).into_iter().flatten().filter(|to| STAGES.contains(&to.as_str())).collect();
        assert!(named.is_empty(), "`{from}` names {named:?}");
    }
    for (from, absent) in [
        ("collector", &["store", "config"][..]),
        ("store", &["chunk", "config", "context", "recorder"]),
        ("chunk", &["store", "config", "recorder", "context"]),
        ("export", &["chunk", "context", "recorder", "capture"]),
    ] {
        let named: Vec<_> = edges.get(from).into_iter().flatten().filter(|to| absent.contains(&to.as_str())).collect();
        assert!(named.is_empty(), "`{from}` names {named:?}");
    }
}

#[test]
fn the_private_interface_is_re_exports_and_nothing_else() {
    let code = &sources()["__private.rs"];
    for statement in code.split(';').map(str::trim).filter(|statement| !statement.is_empty()) {
        let statement = statement.trim_start_matches('#').trim_start_matches(r#"[cfg(feature = "tokio")]"#).trim();
        assert!(statement.starts_with("pub use "), "{statement}");
    }
}

#[test]
fn each_power_has_one_room() {
    let none: Vec<String> = Vec::new();
    // What a program says of its calls in MLflow's words is understood.
    assert_eq!(outside("\"mlflow.", &["export/mlflow", "cost/told.rs"]), none, "a name of MLflow's");
    assert_eq!(outside("/api/", &["export/mlflow"]), none, "a path of MLflow's");
    assert_eq!(outside("/v1/traces", &["export/mlflow"]), none, "a path of MLflow's");
    assert_eq!(outside("env::var", &["config"]), none, "the environment");
    for opens in ["fs::", "File::", "OpenOptions"] {
        assert_eq!(
            outside(opens, &["chunk", "store", "config", "clock/counter.rs", "fork.rs", "nearest.rs"]),
            none,
            "a file, by {opens}"
        );
    }
    assert_eq!(outside("reqwest", &["export"]), none, "HTTP");
    assert_eq!(outside("rusqlite", &["store"]), none, "SQLite");
    assert_eq!(
        outside("thread_local!", &["chunk/local.rs", "context.rs", "id.rs", "span/"]),
        none,
        "a thread's locals"
    );
    assert_eq!(outside("unsafe {", &["chunk/memory.rs", "clock/counter.rs", "fork.rs"]), none, "unsafe code");
    assert_eq!(outside("println!", &[]), none, "the terminal");
}

#[test]
fn the_assistants_side_keeps_to_its_rooms() {
    let none: Vec<String> = Vec::new();
    let outside = |needle: &str, allowed: &[&str]| outside_in("claude/src", needle, allowed);
    assert_eq!(outside("env::var", &["settings"]), none, "the environment");
    // What is written there is a command of MLflow's, to be replaced.
    assert_eq!(outside("\"mlflow.", &["registration"]), none, "a name of MLflow's");
    assert_eq!(outside("Command::", &["hook"]), none, "another process");
    for writes in ["fs::write", "OpenOptions", "File::create"] {
        assert_eq!(outside(writes, &["registration", "state"]), none, "a file that is written, by {writes}");
    }
    for power in ["unsafe {", "println!", "reqwest", "rusqlite"] {
        assert_eq!(outside(power, &[]), none, "{power}");
    }
}

#[test]
fn a_report_opens_nothing_and_knows_neither_clock_nor_server() {
    let none: Vec<String> = Vec::new();
    for power in
        ["env::", "fs::", "File::", "SystemTime", "Instant", "println!", "unsafe {", "reqwest", "rusqlite", "\"mlflow."]
    {
        assert_eq!(outside_in("report/src", power, &[]), none, "{power}");
    }
}

#[test]
fn what_asks_models_keeps_to_its_rooms() {
    let none: Vec<String> = Vec::new();
    let outside = |needle: &str, allowed: &[&str]| outside_in("models/src", needle, allowed);
    assert_eq!(outside("env::var", &["environment"]), none, "the environment");
    assert_eq!(outside("reqwest", &["openai/http.rs"]), none, "HTTP");
    assert_eq!(outside("thread::Builder", &["threads"]), none, "a thread");
    for power in ["unsafe {", "println!", "std::fs", "\"mlflow.", "rusqlite", "Command::"] {
        assert_eq!(outside(power, &[]), none, "{power}");
    }
}

#[test]
fn the_path_of_a_call_does_not_lock_or_wait() {
    for (file, code) in sources() {
        if ["span", "future", "recorder", "callsite", "capture", "outcome", "id", "clock"].contains(&module(&file)) {
            for waits in ["Mutex", "RwLock", "Condvar", "channel", "sleep("] {
                assert!(!code.contains(waits), "{file} has {waits}");
            }
        }
        // What a workflow asks of it, it only tries to lock.
        if file == "execution.rs" || file == "tracker/slots.rs" {
            for waits in [".lock()", "RwLock", "Condvar", "channel", "sleep("] {
                assert!(!code.contains(waits), "{file} has {waits}");
            }
        }
    }
}

#[test]
fn no_source_file_is_longer_than_a_reader_bears() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for folder in [
        "runtime/src",
        "macros",
        "contract",
        "claude",
        "models",
        "report",
        "cli",
        "tests",
        "ui-tests",
        "examples",
        "benches",
        "fuzz/src",
    ] {
        let mut folders = vec![root.join(folder)];
        while let Some(folder) = folders.pop() {
            for path in fs::read_dir(folder).expect("a folder of the workspace").flatten().map(|entry| entry.path()) {
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|extension| extension == "rs") {
                    let lines = fs::read_to_string(&path).expect("readable").lines().count();
                    assert!(lines <= 650, "{} has {lines} lines", path.display());
                }
            }
        }
    }
}

#[test]
fn the_program_in_the_readme_is_the_smallest_example() {
    let read = |path: &str| fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path));
    let (readme, example) =
        (read("README.md").expect("there is one"), read("examples/minimal.rs").expect("there is one"));
    assert!(example.lines().count() < 30);
    let shown: Vec<_> =
        example.lines().filter(|line| !line.starts_with("//!") && !line.starts_with("#[allow")).collect();
    assert!(readme.contains(&format!("```rust\n{}\n```", shown.join("\n"))), "the README shows another program");
}

#[test]
fn the_readme_lists_every_variable_as_it_is() {
    let readme =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md")).expect("there is a README");
    let listed: Vec<_> = readme.lines().filter(|line| line.starts_with("| `") && line.contains("` | ")).collect();
    for variable in spanwright::config::VARIABLES
        .iter()
        .chain(&spanwright_claude::settings::VARIABLES)
        .chain(&spanwright_models::VARIABLES)
    {
        let dash = |text: &str| if text.is_empty() { "–".to_owned() } else { text.to_owned() };
        let key = if variable.key.is_empty() { "–".to_owned() } else { format!("`{}`", variable.key) };
        let row = format!("| `{}` | {key} | {} | {} |", variable.name, dash(variable.default), variable.meaning);
        assert!(listed.contains(&row.as_str()), "the README lacks the row\n{row}");
    }
}
