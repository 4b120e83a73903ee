//! Every shape of function, plain: two parameters and no arguments.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;

use futures::future::{BoxFuture, FutureExt, LocalBoxFuture};
use futures::stream::{self, BoxStream, LocalBoxStream, Stream, StreamExt};
use spanwright::node;
use spanwright::testing::Recording;

#[node]
fn sync(a: String, b: u32) -> Result<String, String> {
    Ok(format!("{a}{b}"))
}

#[node]
async fn asynchronous(a: String, b: u32) -> Result<String, String> {
    Ok(format!("{a}{b}"))
}

#[node]
fn future(a: String, b: u32) -> impl Future<Output = Result<String, String>> {
    async move { Ok(format!("{a}{b}")) }
}

#[node]
fn boxed(a: String, b: u32) -> Pin<Box<dyn Future<Output = Result<String, String>> + Send>> {
    Box::pin(async move { Ok(format!("{a}{b}")) })
}

#[node]
fn streamed(a: String, b: u32) -> impl Stream<Item = String> {
    stream::iter([a, b.to_string()])
}

#[node]
fn boxed_stream(a: String, b: u32) -> BoxStream<'static, String> {
    stream::iter([a, b.to_string()]).boxed()
}

#[node]
fn box_future(a: &str, b: u32) -> BoxFuture<'_, usize> {
    if b == 0 {
        return Box::pin(async { 0 });
    }
    Box::pin(async move { a.len() })
}

#[node]
fn local_box_future(a: &str, b: u32) -> LocalBoxFuture<'_, usize> {
    Box::pin(async move { a.len() + b as usize })
}

#[node]
fn local_box_stream(a: &str, b: u32) -> LocalBoxStream<'_, String> {
    stream::iter([a.to_owned(), b.to_string()]).boxed_local()
}

#[node]
fn box_unpin(a: String, b: u32) -> Box<dyn Future<Output = String> + Unpin + Send> {
    Box::new(std::future::ready(format!("{a}{b}")))
}

#[node]
fn try_future(a: String, b: u32) -> Result<impl Future<Output = String> + Send, std::num::TryFromIntError> {
    let b = u8::try_from(b)?;
    Ok(async move { format!("{a}{b}") })
}

#[node]
fn try_boxed_future(a: String, b: u32) -> Result<BoxFuture<'static, String>, std::num::TryFromIntError> {
    let b = u8::try_from(b)?;
    Ok(Box::pin(async move { format!("{a}{b}") }))
}

#[node]
fn try_stream(a: String, b: u32) -> Result<impl Stream<Item = String>, std::num::TryFromIntError> {
    let b = u8::try_from(b)?;
    Ok(stream::iter([a, b.to_string()]))
}

#[node]
fn try_boxed_stream(a: String, b: u32) -> Result<BoxStream<'static, String>, std::num::TryFromIntError> {
    let b = u8::try_from(b)?;
    Ok(stream::iter([a, b.to_string()]).boxed())
}

#[node]
async fn async_stream(a: String, b: u32) -> impl Stream<Item = String> {
    stream::iter([a, b.to_string()])
}

#[node]
async fn async_boxed_stream(a: &str, b: u32) -> BoxStream<'_, String> {
    stream::iter([a.to_owned(), b.to_string()]).boxed()
}

#[node]
async fn async_try_stream(a: String, b: u32) -> Result<impl Stream<Item = String>, std::num::TryFromIntError> {
    let b = u8::try_from(b)?;
    Ok(stream::iter([a, b.to_string()]))
}

#[node]
async fn async_try_boxed_stream(a: String, b: u32) -> Result<BoxStream<'static, String>, std::num::TryFromIntError> {
    let b = u8::try_from(b)?;
    Ok(stream::iter([a, b.to_string()]).boxed())
}

#[node]
fn boxed_future_of_stream(
    a: String,
    b: u32,
) -> BoxFuture<'static, Result<BoxStream<'static, String>, std::num::TryFromIntError>> {
    Box::pin(async move {
        let b = u8::try_from(b)?;
        Ok(stream::iter([a, b.to_string()]).boxed())
    })
}

type Later<T> = Pin<Box<dyn Future<Output = T> + Send>>;
type Many<T> = Pin<Box<dyn Stream<Item = T> + Send>>;

#[node(returns = "future")]
fn declared_future(a: String, b: u32) -> Later<String> {
    Box::pin(async move { format!("{a}{b}") })
}

#[node(returns = "stream")]
fn declared_stream(a: String, b: u32) -> Many<String> {
    Box::pin(stream::iter([a, b.to_string()]))
}

#[node(returns = "stream")]
async fn declared_async_stream(a: String, b: u32) -> Result<Many<String>, String> {
    Ok(Box::pin(stream::iter([a, b.to_string()])))
}

#[node(returns = "value")]
fn declared_value(a: String, b: u32) -> Later<String> {
    Box::pin(async move { format!("{a}{b}") })
}

#[node]
fn opaque(a: String, b: u32) -> impl Iterator<Item = String> + Clone {
    vec![a, b.to_string()].into_iter()
}

#[node]
fn unit(a: String, b: u32) {
    drop((a, b));
}

#[node]
fn never(a: String, b: u32) -> ! {
    panic!("{a}{b}")
}

#[node]
async fn async_never(a: String, b: u32) -> ! {
    panic!("{a}{b}")
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    // Once with nothing installed, once recorded.
    work().await;
    let recording = Recording::new();
    recording.scope(work()).await;
    assert!(recording.spans().len() > 20);
    assert_eq!(recording.open_spans(), 0);
}

async fn work() {
    let a = || "a".to_owned();
    let all = ["a".to_owned(), "1".to_owned()];
    assert_eq!(sync(a(), 1).unwrap(), "a1");
    assert_eq!(asynchronous(a(), 1).await.unwrap(), "a1");
    assert_eq!(future(a(), 1).await.unwrap(), "a1");
    assert_eq!(boxed(a(), 1).await.unwrap(), "a1");
    assert_eq!(streamed(a(), 1).collect::<Vec<_>>().await, all);
    assert_eq!(boxed_stream(a(), 1).collect::<Vec<_>>().await, all);
    assert_eq!(box_future("a", 0).await + box_future("a", 1).await, 1);
    assert_eq!(local_box_future("a", 1).await, 2);
    assert_eq!(local_box_stream("a", 1).collect::<Vec<_>>().await, all);
    assert_eq!(box_unpin(a(), 1).await, "a1");
    assert_eq!(try_future(a(), 1).unwrap().await, "a1");
    assert_eq!(try_boxed_future(a(), 1).unwrap().await, "a1");
    assert!(try_future(a(), 256).is_err() && try_boxed_future(a(), 256).is_err());
    assert_eq!(try_stream(a(), 1).unwrap().collect::<Vec<_>>().await, all);
    assert_eq!(try_boxed_stream(a(), 1).unwrap().collect::<Vec<_>>().await, all);
    assert!(try_stream(a(), 256).is_err() && try_boxed_stream(a(), 256).is_err());
    assert_eq!(async_stream(a(), 1).await.collect::<Vec<_>>().await, all);
    assert_eq!(async_boxed_stream("a", 1).await.collect::<Vec<_>>().await, all);
    assert_eq!(async_try_stream(a(), 1).await.unwrap().collect::<Vec<_>>().await, all);
    assert_eq!(async_try_boxed_stream(a(), 1).await.unwrap().collect::<Vec<_>>().await, all);
    assert!(async_try_stream(a(), 256).await.is_err());
    assert_eq!(boxed_future_of_stream(a(), 1).await.unwrap().collect::<Vec<_>>().await, all);
    assert_eq!(declared_future(a(), 1).await, "a1");
    assert_eq!(declared_stream(a(), 1).collect::<Vec<_>>().await, all);
    assert_eq!(declared_async_stream(a(), 1).await.unwrap().collect::<Vec<_>>().await, all);
    assert_eq!(declared_value(a(), 1).await, "a1");
    assert_eq!(opaque(a(), 1).clone().collect::<Vec<_>>(), all);
    unit(a(), 1);
    assert!(std::panic::catch_unwind(|| never(a(), 1)).is_err());
    assert!(AssertUnwindSafe(async_never(a(), 1)).catch_unwind().await.is_err());
}
