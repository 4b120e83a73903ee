#![allow(unused_variables)]

use spanwright::node;

#[node(skip(a), redact(a))]
fn skipped_and_redacted(a: u32) {}

#[node(debug(a), redact(a))]
fn shown_and_redacted(a: u32) {}

#[node(inputs(a = 1))]
fn input_and_parameter(a: u32) {}

#[node(handle = a)]
fn handle_and_parameter(a: u32) -> u32 {
    a
}

#[node(capture = "none", output = "none")]
fn said_twice(a: u32) {}

fn main() {
    skipped_and_redacted(1);
    shown_and_redacted(1);
    input_and_parameter(1);
    handle_and_parameter(1);
    said_twice(1);
}
