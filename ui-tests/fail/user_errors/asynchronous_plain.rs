//! rustc's own errors in a body stand where they stand without the attribute: `asynchronous_plain.rs` is this file without it.

#![allow(unused)]

use spanwright::node;

#[cfg(all())]
async fn mismatched(n: u32) -> String {
    n
}

#[cfg(all())]
async fn moved(text: String) -> usize {
    drop(text);
    text.len()
}

#[cfg(all())]
async fn unknown_name(n: u32) -> u32 {
    m + n
}

#[cfg(all())]
async fn early_return(n: u32) -> u32 {
    if n > 1 {
        return "one";
    }
    n
}

#[cfg(all())]
fn boxed(n: u32) -> std::pin::Pin<Box<dyn Future<Output = String> + Send>> {
    Box::pin(async move { n })
}

#[cfg(all())]
async fn question_mark(text: &str) -> Result<u32, std::fmt::Error> {
    let n: u32 = text.parse()?;
    Ok(n)
}

#[cfg(all())]
async fn borrowed_too_long(a: &str) -> &str {
    let owned = a.to_owned();
    &owned
}

#[cfg(all())]
async fn no_tail(n: u32) -> u32 {
    n + 1;
}

#[cfg(all())]
fn future(text: String) -> impl Future<Output = usize> {
    async move {
        drop(text);
        text.len()
    }
}

fn main() {}
