#![allow(unused_variables)]

use spanwright::{node, workflow};

#[node(name = "a", capture = "full", name = "b")]
fn argument() {}

#[node(skip(a, b, a))]
fn parameter(a: u32, b: u32) {}

#[workflow(tags(team = "a", "team" = "b"))]
fn key() {}

fn main() {
    argument();
    parameter(1, 2);
    key();
}
