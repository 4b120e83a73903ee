//! rustc's own errors in a body stand where they stand without the attribute: `asynchronous_plain.rs` is this file without it.

#![allow(unused)]

use spanwright::node;

#[node]
async fn mismatched(n: u32) -> String {
    n
}

#[node]
async fn moved(text: String) -> usize {
    drop(text);
    text.len()
}

#[node]
async fn unknown_name(n: u32) -> u32 {
    m + n
}

#[node]
async fn early_return(n: u32) -> u32 {
    if n > 1 {
        return "one";
    }
    n
}

#[node]
fn boxed(n: u32) -> std::pin::Pin<Box<dyn Future<Output = String> + Send>> {
    Box::pin(async move { n })
}

#[node]
async fn question_mark(text: &str) -> Result<u32, std::fmt::Error> {
    let n: u32 = text.parse()?;
    Ok(n)
}

#[node]
async fn borrowed_too_long(a: &str) -> &str {
    let owned = a.to_owned();
    &owned
}

#[node]
async fn no_tail(n: u32) -> u32 {
    n + 1;
}

#[node]
fn future(text: String) -> impl Future<Output = usize> {
    async move {
        drop(text);
        text.len()
    }
}

fn main() {}
