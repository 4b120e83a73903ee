//! What an expansion may add to a function.
//!
//! Lines as prettyplease breaks them, which puts each argument of a long call on its own; text without indentation, which is what rustc reads.

use spanwright_ui_tests::{Annotated, annotated};

/// Two parameters and no arguments.
const PLAIN: &str = include_str!("../pass/shapes.rs");
/// One parameter; and two with an argument each.
const WEIGHED: &str = include_str!("../pass/weighed.rs");

struct Budget {
    function: &'static str,
    lines: usize,
    bytes: usize,
}

const fn at_most(function: &'static str, lines: usize, bytes: usize) -> Budget {
    Budget { function, lines, bytes }
}

fn text(code: &str) -> usize {
    code.lines().map(|line| line.trim_start().len()).sum()
}

fn holds(source: &str, budgets: &[Budget]) {
    let corpus = annotated(source);
    let mut broken = Vec::new();
    for Budget { function, lines, bytes } in budgets {
        let Annotated { plain, expanded, .. } =
            corpus.iter().find(|one| one.name == *function).expect("the function is there");
        let added_lines = expanded.lines().count() - plain.lines().count();
        let added_bytes = text(expanded) - text(plain);
        if added_lines > *lines || added_bytes > *bytes {
            broken.push(format!(
                "{function}: {added_lines} lines of {lines}, {added_bytes} bytes of {bytes}\n{expanded}"
            ));
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn the_plain_case_stays_small() {
    holds(
        PLAIN,
        &[
            at_most("sync", 10, 260),
            at_most("asynchronous", 17, 370),
            at_most("future", 10, 270),
            at_most("boxed", 12, 370),
            at_most("streamed", 10, 240),
            at_most("boxed_stream", 12, 310),
        ],
    );
}

#[test]
fn an_argument_adds_little() {
    holds(
        WEIGHED,
        &[
            at_most("sync_one", 10, 230),
            at_most("asynchronous_one", 17, 350),
            at_most("future_one", 10, 240),
            at_most("boxed_one", 12, 340),
            at_most("sync_handle", 11, 300),
            at_most("asynchronous_handle", 18, 420),
            at_most("future_handle", 11, 320),
            at_most("boxed_handle", 13, 420),
            at_most("sync_attributes", 16, 350),
            at_most("asynchronous_attributes", 23, 470),
            at_most("future_attributes", 16, 360),
            at_most("boxed_attributes", 18, 460),
            at_most("sync_span", 15, 430),
            at_most("asynchronous_span", 22, 550),
            at_most("future_span", 15, 440),
            at_most("boxed_span", 17, 540),
        ],
    );
}
