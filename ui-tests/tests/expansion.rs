//! The corpus as text. What stands here is compiled and run by `accepted`, so it is never only text.

use std::path::{Path, PathBuf};

use spanwright_ui_tests::{expansions, expansions_compiled_out};

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .expect("the folder is there")
        .map(|entry| entry.expect("the folder can be read").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect();
    files.sort();
    files
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn stem(path: &Path) -> &str {
    path.file_stem().and_then(|stem| stem.to_str()).expect("a name in UTF-8")
}

fn settings() -> insta::Settings {
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.set_snapshot_path(root().join("expansions"));
    settings
}

/// What an accepted attribute becomes.
#[test]
fn of_accepted_code() {
    settings().bind(|| {
        for file in sources(&root().join("pass")) {
            let source = std::fs::read_to_string(&file).expect("the file can be read");
            insta::assert_snapshot!(format!("pass_{}", stem(&file)), expansions(&source));
        }
    });
}

/// What an accepted attribute becomes in a build that leaves tracing out: the function, and what is only checked.
#[test]
fn of_accepted_code_where_tracing_is_compiled_out() {
    settings().bind(|| {
        for name in ["shapes", "weighed"] {
            let file = root().join("pass").join(name).with_extension("rs");
            let source = std::fs::read_to_string(&file).expect("the file can be read");
            insta::assert_snapshot!(format!("out_{name}"), expansions_compiled_out(&source));
        }
    });
}

/// What a refused attribute becomes: its errors, and the item as it was.
#[test]
fn of_refused_code() {
    settings().bind(|| {
        let mut classes: Vec<_> = std::fs::read_dir(root().join("fail"))
            .expect("the folder is there")
            .flatten()
            .map(|entry| entry.path())
            .collect();
        classes.sort();
        for class in classes {
            for file in sources(&class) {
                let source = std::fs::read_to_string(&file).expect("the file can be read");
                if stem(&file).ends_with("_plain") {
                    continue;
                }
                insta::assert_snapshot!(format!("fail_{}_{}", stem(&class), stem(&file)), expansions(&source));
            }
        }
    });
}
