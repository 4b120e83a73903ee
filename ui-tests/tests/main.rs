//! Tests.
#[test]
fn show() {
    println!("{}", spanwright_ui_tests::expansions(include_str!("../pass/shapes.rs")));
}
