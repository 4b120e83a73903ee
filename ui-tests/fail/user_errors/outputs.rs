//! A future of another output than the signature says is one error, where it is without the attribute: `outputs_plain.rs` is this file without it.

#![allow(unused)]

use futures::future::BoxFuture;
use spanwright::node;

#[node]
fn other_output(n: u32) -> impl Future<Output = u32> {
    async move { "text" }
}

#[node]
fn other_result(n: u32) -> impl Future<Output = Result<u32, String>> + Send {
    async move { Ok::<u8, String>(1) }
}

#[node]
fn other_boxed_output(n: u32) -> BoxFuture<'static, u32> {
    Box::pin(async move { "text" })
}

fn main() {}
