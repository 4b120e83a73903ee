//! rustc's own errors in a body stand where they stand without the attribute: `sync_plain.rs` is this file without it.

#![allow(unused)]

use spanwright::node;

#[node]
fn mismatched(n: u32) -> String {
    n
}

struct Failure;

#[node]
fn question_mark(text: &str) -> Result<u32, Failure> {
    let n: u32 = text.parse()?;
    Ok(n)
}

#[node]
fn moved(text: String) -> usize {
    drop(text);
    text.len()
}

#[node]
fn unknown_name(n: u32) -> u32 {
    m + n
}

#[node]
fn missing_else(n: u32) -> u32 {
    if n > 1 {
        n
    }
}

#[node]
fn early_return(n: u32) -> u32 {
    if n > 1 {
        return "one";
    }
    n
}

#[node]
fn unknown_type(n: Missing) -> Absent {
    n
}

#[node]
fn missing_lifetime(a: &str, b: &str) -> &str {
    a
}

#[node]
fn borrowed_too_long(a: &str) -> &str {
    let owned = a.to_owned();
    &owned
}

#[node]
fn no_tail(n: u32) -> u32 {
    n + 1;
}

#[node]
fn boxed_dyn(n: u32) -> Box<dyn std::fmt::Display> {
    Box::new(vec![n])
}

fn main() {}
