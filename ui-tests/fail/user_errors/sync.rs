//! rustc's own errors in a body stand where they stand without the attribute.

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

fn main() {}
