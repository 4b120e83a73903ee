#![allow(unused_variables)]

use spanwright::{node, workflow};

#[node(name = 1)]
fn number_for_text() {}

#[node(name)]
fn no_value() {}

#[node(skip = "a")]
fn text_for_list(a: u32) {}

#[node(skip())]
fn empty_list(a: u32) {}

#[node(handle = "span")]
fn text_for_ident() {}

#[node(inputs(a))]
fn key_without_value() {}

#[node(inputs = 1)]
fn value_for_pairs() {}

#[node(expected)]
fn word_for_paths() -> Result<(), ()> {
    Ok(())
}

#[workflow(run("a"))]
fn list_for_word() {}

#[workflow(session("a"))]
fn list_for_expression() {}

fn main() {}
