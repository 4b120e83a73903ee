//! Annotated code warns of nothing that the plain code does not warn of: rustc's lints here, clippy's when CI lints the workspace.

#![deny(warnings, clippy::all, clippy::pedantic, rust_2018_idioms, unused, missing_docs)]
// What the expansion must not hide: these functions are not used.
#![expect(dead_code)]

use std::sync::MutexGuard;

use futures::future::{BoxFuture, LocalBoxFuture};
use futures::stream::{self, BoxStream, LocalBoxStream, Stream, StreamExt};
use spanwright::{agent, delegate, evaluator, llm, node, retriever, sandbox, scheduled, tool, workflow};

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
fn boxed(a: String) -> BoxFuture<'static, String> {
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

#[node]
fn local_boxed(a: &str) -> LocalBoxFuture<'_, usize> {
    Box::pin(async move { a.len() })
}

#[node]
fn boxed_streamed(a: String) -> BoxStream<'static, String> {
    stream::iter([a]).boxed()
}

#[node]
fn local_boxed_streamed(a: &str) -> LocalBoxStream<'_, usize> {
    stream::iter([a.len()]).boxed_local()
}

#[node]
fn try_future(a: u32) -> Result<impl Future<Output = u32>, std::num::TryFromIntError> {
    let a = u8::try_from(a)?;
    Ok(async move { u32::from(a) })
}

#[node]
fn try_boxed(a: u32) -> Result<BoxFuture<'static, u8>, std::num::TryFromIntError> {
    let a = u8::try_from(a)?;
    Ok(Box::pin(async move { a }))
}

#[node]
fn never(code: i32) -> ! {
    std::process::exit(code)
}

#[workflow(
    kind = "optimization",
    name = "Optimize",
    tags(home = home.0, "team name" = "energy", nested.key = home.1),
    session = home.1,
    user = home.1.as_str(),
    experiment = format!("homes-{}", home.0),
    run = "nightly",
    params(depth = depth + 1, "learning.rate" = 0.5_f64.to_string()),
    capture = "full"
)]
fn every_argument_of_a_workflow(home: &(u32, String), depth: u32) -> u32 {
    home.0 + depth
}

#[workflow(run)]
fn run_without_a_name() {}

#[scheduled(trigger = trigger, id = format!("nightly-{id}"), kind = "board", user = None::<&str>)]
async fn every_argument_of_a_schedule(trigger: &str, id: u32) -> usize {
    trigger.len() + id as usize
}

#[node(
    span_type = "RERANKER",
    skip(read),
    redact(token),
    debug(depth),
    inputs(owner = token.len(), "how many" = depth * 2),
    attributes(home.id = depth, type = "house"),
    handle = span,
    capture = "keys",
    output = "preview",
    expected(std::fmt::Error)
)]
fn every_argument_of_a_node(token: &str, depth: u32, read: impl Fn(u32) -> u32) -> Result<u32, std::fmt::Error> {
    span.event("collected");
    if token.is_empty() { Err(std::fmt::Error) } else { Ok(read(depth)) }
}

#[node(handle = span, attributes(a = a), inputs(twice = a * 2), redact(b))]
async fn arguments_of_an_async_node(a: u32, b: String) -> usize {
    span.set("a", a);
    asynchronous(a, b).await.map_or(0, |text| text.len())
}

#[node(handle = span, attributes(a = a))]
fn arguments_of_a_boxed_node(a: u32) -> BoxFuture<'static, u32> {
    span.set("a", a);
    Box::pin(async move { a })
}

#[node(handle = span, attributes(a = a))]
fn arguments_of_a_stream(a: u32) -> impl Stream<Item = u32> {
    span.set("a", a);
    stream::iter([a])
}

struct Run(i32);

impl spanwright::SandboxOutcome for Run {
    fn exit_code(&self) -> i32 {
        self.0
    }
}

#[sandbox(policy = format!("{policy}-1"))]
fn every_argument_of_a_sandbox(policy: &str, code: i32) -> Run {
    Run(code + i32::from(policy.is_empty()))
}

#[delegate(from = "architect", to = team, content = &task[1..], redact(task))]
async fn every_argument_of_a_delegation(task: &str, team: &str) -> usize {
    task.len() + team.len()
}

#[llm(model = model, provider = "openai", tools = [("search", 1)])]
async fn every_argument_of_a_model_call(model: &str, prompt: &str) -> Result<String, String> {
    if prompt.is_empty() { Err(model.to_owned()) } else { Ok(prompt.to_owned()) }
}

#[retriever(capture = "none")]
fn retrieves(query: &str) -> usize {
    query.len()
}

#[agent]
async fn acts(goal: &str) -> usize {
    goal.len()
}

#[evaluator(returns = "value")]
fn judges(answer: &str) -> std::future::Ready<usize> {
    std::future::ready(answer.len())
}

trait Step {
    fn step(&mut self, a: u32) -> u32;
    fn later(&self, a: u32) -> impl Future<Output = u32> + Send;
}

impl Step for Service {
    #[tool]
    fn step(&mut self, a: u32) -> u32 {
        a
    }

    #[tool]
    async fn later(&self, a: u32) -> u32 {
        a
    }
}

#[tool]
fn generic<T: Clone + Send, const N: usize>(item: &T, names: [&str; N]) -> Vec<(T, usize)> {
    names.iter().map(|name| (item.clone(), name.len())).collect()
}

#[cfg_attr(any(unix, windows), tool)]
fn conditional(#[cfg(any(unix, windows))] a: u32, #[cfg(not(any(unix, windows)))] b: u32) -> u32 {
    a
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
