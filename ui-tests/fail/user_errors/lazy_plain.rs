//! rustc's own errors in a body that makes a future or a stream stand where they stand without the attribute: `lazy_plain.rs` is this file without it.

#![allow(unused)]

use futures::future::BoxFuture;
use futures::stream::{self, BoxStream, Stream, StreamExt};
use spanwright::node;

#[cfg(all())]
fn moved(text: String) -> BoxFuture<'static, usize> {
    drop(text);
    Box::pin(async move { text.len() })
}

#[cfg(all())]
fn unknown_name(n: u32) -> impl Stream<Item = u32> {
    stream::iter([m, n])
}

#[cfg(all())]
fn other_items(n: u32) -> BoxStream<'static, String> {
    stream::iter([n]).boxed()
}

#[cfg(all())]
fn early_return(n: u32) -> Result<BoxStream<'static, u32>, String> {
    if n > 1 {
        return Err(n);
    }
    Ok(stream::iter([n]).boxed())
}

#[cfg(all())]
fn question_mark(text: &str) -> Result<impl Stream<Item = u32> + use<>, std::fmt::Error> {
    let n: u32 = text.parse()?;
    Ok(stream::iter([n]))
}

#[cfg(all())]
fn not_send(n: u32) -> BoxFuture<'static, u32> {
    let shared = std::rc::Rc::new(n);
    Box::pin(async move {
        std::future::ready(()).await;
        *shared
    })
}

fn main() {}
