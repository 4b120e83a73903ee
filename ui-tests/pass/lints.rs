//! Annotated code warns of nothing that the plain code does not warn of: rustc's lints here, clippy's when CI lints the workspace.

#![deny(warnings, clippy::all, clippy::pedantic, rust_2018_idioms, unused, missing_docs)]
// What the expansion must not hide: these functions are not used.
#![expect(dead_code)]

use std::sync::MutexGuard;

use futures::stream::{self, BoxStream, Stream, StreamExt};
use spanwright::{node, tool, workflow};

#[tool]
fn unused_function(a: u32) -> u32 {
    a
}

#[workflow(tags(kind = (a + 1) * 2))]
fn expressions(a: u32) -> u32 {
    a * 2
}

#[node]
async fn asynchronous(a: u32, b: String) -> Result<String, String> {
    if a == 0 {
        return Err(b);
    }
    Ok(b)
}

#[node]
async fn awaits_only(a: u32, b: String) -> Result<String, String> {
    asynchronous(a, b).await
}

#[node]
async fn returns_unit(a: u32) {
    drop(asynchronous(a, String::new()).await);
}

#[node]
async fn diverges() -> std::convert::Infallible {
    panic!("never")
}

#[node]
fn unit() {}

#[node]
fn underscored(_guard: MutexGuard<'_, u32>, _: Vec<u32>, mut count: u32) -> u32 {
    count += 1;
    count
}

#[node]
fn patterns((a, mut b): (u32, Vec<u32>), kept: Vec<u32>) -> Vec<u32> {
    b.push(a);
    b.extend(kept);
    b
}

#[node]
fn future(a: String) -> impl Future<Output = String> {
    async move { a }
}

#[node]
fn one_future(work: impl Future<Output = u32> + Unpin) -> impl Future<Output = u32> {
    work
}

#[node]
fn boxed(a: String) -> futures::future::BoxFuture<'static, String> {
    Box::pin(async move { a })
}

#[node]
fn streamed(a: String) -> impl Stream<Item = String> {
    stream::iter([a])
}

#[node]
async fn try_streamed(a: String) -> Result<BoxStream<'static, String>, String> {
    Ok(stream::iter([a]).boxed())
}

struct Service;

impl Service {
    #[node]
    async fn method(&self, a: u32) -> u32 {
        a
    }

    #[node(handle = span)]
    fn handled(self, a: u32) -> u32 {
        span.set("a", a);
        a
    }
}

fn main() {}
