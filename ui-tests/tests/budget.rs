//! What an attribute may add to a function of two parameters.
//!
//! Lines as prettyplease breaks them, which puts each argument of a long call on its own; text without indentation, which is what rustc reads.

use spanwright_ui_tests::{Annotated, annotated};

const SOURCE: &str = include_str!("../pass/shapes.rs");

struct Budget {
    shape: &'static str,
    lines: usize,
    bytes: usize,
}

const BUDGETS: [Budget; 6] = [
    Budget { shape: "sync", lines: 10, bytes: 500 },
    Budget { shape: "asynchronous", lines: 17, bytes: 500 },
    Budget { shape: "future", lines: 10, bytes: 500 },
    Budget { shape: "boxed", lines: 12, bytes: 500 },
    Budget { shape: "streamed", lines: 10, bytes: 500 },
    Budget { shape: "boxed_stream", lines: 12, bytes: 500 },
];

fn text(code: &str) -> usize {
    code.lines().map(|line| line.trim_start().len()).sum()
}

#[test]
fn the_plain_case_stays_small() {
    let corpus = annotated(SOURCE);
    for Budget { shape, lines, bytes } in BUDGETS {
        let Annotated { plain, expanded, .. } =
            corpus.iter().find(|one| one.name == shape).expect("the shape is there");
        let added_lines = expanded.lines().count() - plain.lines().count();
        let added_bytes = text(expanded) - text(plain);
        assert!(added_lines <= lines, "{shape}: {added_lines} lines, {lines} allowed\n{expanded}");
        assert!(added_bytes <= bytes, "{shape}: {added_bytes} bytes, {bytes} allowed\n{expanded}");
    }
}
