//! What the budgets weigh beside the plain shapes: one value, a handle, an attribute, a declared span.

use std::future::Future;
use std::pin::Pin;

use spanwright::node;

mod spans {
    spanwright::spans! {
        pub node Step(id = "step") {
            count: u32,
        }
    }
}

#[node]
fn sync_one(a: String) -> Result<String, String> {
    Ok(format!("{a}"))
}

#[node]
async fn asynchronous_one(a: String) -> Result<String, String> {
    Ok(format!("{a}"))
}

#[node]
fn future_one(a: String) -> impl Future<Output = Result<String, String>> {
    async move { Ok(format!("{a}")) }
}

#[node]
fn boxed_one(a: String) -> Pin<Box<dyn Future<Output = Result<String, String>> + Send>> {
    Box::pin(async move { Ok(format!("{a}")) })
}

#[node(handle = s)]
fn sync_handle(a: String, b: u32) -> Result<String, String> {
    s.event("there");
    Ok(format!("{a}{b}"))
}

#[node(handle = s)]
async fn asynchronous_handle(a: String, b: u32) -> Result<String, String> {
    s.event("there");
    Ok(format!("{a}{b}"))
}

#[node(handle = s)]
fn future_handle(a: String, b: u32) -> impl Future<Output = Result<String, String>> {
    s.event("there");
    async move { Ok(format!("{a}{b}")) }
}

#[node(handle = s)]
fn boxed_handle(a: String, b: u32) -> Pin<Box<dyn Future<Output = Result<String, String>> + Send>> {
    s.event("there");
    Box::pin(async move { Ok(format!("{a}{b}")) })
}

#[node(attributes(count = b))]
fn sync_attributes(a: String, b: u32) -> Result<String, String> {
    Ok(format!("{a}{b}"))
}

#[node(attributes(count = b))]
async fn asynchronous_attributes(a: String, b: u32) -> Result<String, String> {
    Ok(format!("{a}{b}"))
}

#[node(attributes(count = b))]
fn future_attributes(a: String, b: u32) -> impl Future<Output = Result<String, String>> {
    async move { Ok(format!("{a}{b}")) }
}

#[node(attributes(count = b))]
fn boxed_attributes(a: String, b: u32) -> Pin<Box<dyn Future<Output = Result<String, String>> + Send>> {
    Box::pin(async move { Ok(format!("{a}{b}")) })
}

#[node(span = spans::Step, handle = s)]
fn sync_span(a: String, b: u32) -> Result<String, String> {
    s.count(b);
    Ok(format!("{a}{b}"))
}

#[node(span = spans::Step, handle = s)]
async fn asynchronous_span(a: String, b: u32) -> Result<String, String> {
    s.count(b);
    Ok(format!("{a}{b}"))
}

#[node(span = spans::Step, handle = s)]
fn future_span(a: String, b: u32) -> impl Future<Output = Result<String, String>> {
    s.count(b);
    async move { Ok(format!("{a}{b}")) }
}

#[node(span = spans::Step, handle = s)]
fn boxed_span(a: String, b: u32) -> Pin<Box<dyn Future<Output = Result<String, String>> + Send>> {
    s.count(b);
    Box::pin(async move { Ok(format!("{a}{b}")) })
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    assert_eq!(sync_one("a".into()).unwrap(), "a");
    assert_eq!(asynchronous_one("a".into()).await.unwrap(), "a");
    assert_eq!(future_one("a".into()).await.unwrap(), "a");
    assert_eq!(boxed_one("a".into()).await.unwrap(), "a");
    assert_eq!(sync_handle("a".into(), 1).unwrap(), "a1");
    assert_eq!(asynchronous_handle("a".into(), 1).await.unwrap(), "a1");
    assert_eq!(future_handle("a".into(), 1).await.unwrap(), "a1");
    assert_eq!(boxed_handle("a".into(), 1).await.unwrap(), "a1");
    assert_eq!(sync_attributes("a".into(), 1).unwrap(), "a1");
    assert_eq!(asynchronous_attributes("a".into(), 1).await.unwrap(), "a1");
    assert_eq!(future_attributes("a".into(), 1).await.unwrap(), "a1");
    assert_eq!(boxed_attributes("a".into(), 1).await.unwrap(), "a1");
    assert_eq!(sync_span("a".into(), 1).unwrap(), "a1");
    assert_eq!(asynchronous_span("a".into(), 1).await.unwrap(), "a1");
    assert_eq!(future_span("a".into(), 1).await.unwrap(), "a1");
    assert_eq!(boxed_span("a".into(), 1).await.unwrap(), "a1");
}
