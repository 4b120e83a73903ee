//! What the attributes accept, refuse and become.
//!
//! `TRYBUILD=overwrite` writes the messages anew, `INSTA_UPDATE=always` the expansions; both are then read in the diff.

mod budget;
mod expansion;
mod half_typed;
mod positions;

#[test]
fn accepted() {
    trybuild::TestCases::new().pass("pass/*.rs");
}

#[test]
fn refused() {
    trybuild::TestCases::new().compile_fail("fail/*/*.rs");
}
