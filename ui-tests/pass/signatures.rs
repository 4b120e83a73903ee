//! Every form of signature.

#![allow(unsafe_code)]
#![forbid(unsafe_op_in_unsafe_fn)]

use std::collections::BTreeMap;
use std::fmt::{Debug, Display};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

use async_trait::async_trait;
use futures::stream::{self, BoxStream, Stream, StreamExt};
use serde::Serialize;
use spanwright::testing::Recording;
use spanwright::{agent, delegate, evaluator, llm, node, retriever, scheduled, tool, workflow};

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
struct State {
    rows: Vec<u32>,
    note: Option<String>,
}

struct NotSerialize(#[allow(dead_code)] u32);

#[node]
fn generic<T: Clone, const N: usize>(items: [T; N], pick: usize) -> T
where
    T: Send,
{
    items[pick].clone()
}

#[tool]
async fn generic_async<T>(item: T) -> Vec<T>
where
    T: Serialize + Send,
{
    vec![item]
}

#[retriever]
fn lifetimes<'a, 'b>(text: &'a str, other: &'b [&'a str]) -> Option<&'a str> {
    other.iter().copied().find(|candidate| *candidate == text)
}

#[node]
fn elided(state: &mut State, row: u32) -> &mut Vec<u32> {
    state.rows.push(row);
    &mut state.rows
}

#[node]
async fn elided_async(state: &mut State, row: u32) -> &mut Vec<u32> {
    state.rows.push(row);
    &mut state.rows
}

#[node]
fn impl_argument(shown: impl Display, mut many: impl Iterator<Item = u32>) -> String {
    format!("{shown}{}", many.next().unwrap_or_default())
}

#[node]
async fn impl_argument_async(shown: impl Display + Send, read: impl Fn(u32) -> u32) -> String {
    format!("{shown}{}", read(1))
}

#[node]
fn nested_impl(many: Vec<u32>) -> Result<impl Iterator<Item = impl Debug>, String> {
    if many.is_empty() {
        return Err("nothing".to_owned());
    }
    Ok(many.into_iter().map(|n| n + 1))
}

#[node]
fn dyn_return(n: u32) -> Box<dyn Debug> {
    if n == 0 {
        return Box::new("zero");
    }
    Box::new(n)
}

#[node]
async fn dyn_return_async(n: u32) -> Box<dyn Debug> {
    if n == 0 {
        return Box::new("zero");
    }
    Box::new(n)
}

#[node]
fn dyn_error(text: &str) -> Result<u32, Box<dyn std::error::Error + Send + Sync>> {
    let n: u32 = text.parse()?;
    if n == 0 { Err("zero")? } else { Ok(n) }
}

#[node]
fn patterns((a, mut b): (u32, String), State { rows, .. }: State, _: NotSerialize, ref last: u32) -> String {
    b.push('!');
    format!("{a}{b}{rows:?}{last}")
}

#[node]
async fn patterns_async([a, b]: [String; 2], mut rest: Vec<String>) -> String {
    rest.push(a);
    rest.push(b);
    rest.concat()
}

#[node]
fn underscored(_guard: NotSerialize, mut count: u32) -> u32 {
    count += 1;
    count
}

#[node]
fn conditional(
    #[cfg(any())] missing: u32,
    #[cfg(not(any()))] present: State,
    #[cfg(any())] (a, b): (u32, u32),
) -> usize {
    present.rows.len()
}

#[node]
fn raw_names(r#type: &str, r#in: u32) -> String {
    format!("{type}{in}", r#type = r#type, r#in = r#in)
}

#[node]
fn inner_attributes(n: u32) -> u32 {
    #![allow(unused_variables)]
    #![allow(clippy::all)]
    let unused = 1;
    n
}

#[node]
fn nothing_taken() -> &'static str {
    "nothing"
}

#[node]
fn returns_nothing(n: u32) {
    if n == 0 {
        return;
    }
    drop(vec![n]);
}

#[node]
async fn infers_from_question_mark(text: &str) -> Result<Vec<u32>, std::num::ParseIntError> {
    let all = text.split(',').map(str::parse).collect::<Result<_, _>>()?;
    Ok(all)
}

#[node]
fn recursive(n: u32) -> u32 {
    if n == 0 { 0 } else { 1 + recursive(n - 1) }
}

#[node]
async fn recursive_async(n: u32) -> u32 {
    if n == 0 { 0 } else { 1 + Box::pin(recursive_async(n - 1)).await }
}

#[node]
/// Documentation stays.
///
/// # Safety
///
/// None needed.
unsafe fn unsafe_function(pointer: *const u32) -> u32 {
    // SAFETY: the caller hands over a valid pointer.
    unsafe { *pointer }
}

#[node]
extern "C" fn foreign_abi(n: u32) -> u32 {
    n + 1
}

#[node]
pub(crate) fn visible(n: u32) -> u32 {
    n
}

#[node]
#[must_use]
#[inline]
fn attributed(#[allow(unused_variables)] n: u32) -> u32 {
    7
}

struct Service {
    name: String,
}

impl Service {
    #[node]
    fn new(name: &str) -> Self {
        Self { name: name.to_owned() }
    }

    #[node]
    async fn make(name: &str) -> Result<Self, String> {
        Ok(Self { name: name.to_owned() })
    }

    #[agent]
    fn by_reference(&self, suffix: &str) -> String {
        format!("{}{suffix}", self.name)
    }

    #[agent]
    fn by_mutable_reference(&mut self, suffix: &str) -> &mut Self {
        self.name.push_str(suffix);
        self
    }

    #[agent]
    async fn by_reference_async(&self, suffix: &str) -> String {
        format!("{}{suffix}", self.name)
    }

    #[agent]
    fn borrowed_stream<'a>(&'a self, suffix: &'a str) -> impl Stream<Item = String> + 'a {
        stream::iter([self.name.as_str(), suffix]).map(str::to_owned)
    }

    #[agent]
    fn borrowed_future(&self, suffix: &str) -> impl Future<Output = usize> + Send + '_ {
        let suffix = suffix.len();
        async move { self.name.len() + suffix }
    }

    #[agent]
    fn by_value(self, suffix: String) -> String {
        self.name + &suffix
    }

    #[agent]
    fn by_mutable_value(mut self, suffix: &str) -> Self {
        self.name += suffix;
        self
    }

    #[agent]
    async fn boxed_self(self: Box<Self>) -> String {
        self.name
    }

    #[agent]
    fn shared_self(self: Rc<Self>) -> usize {
        self.name.len()
    }

    #[agent]
    fn pinned_self(self: Pin<&mut Self>) -> usize {
        self.name.len()
    }
}

trait Step {
    const FACTOR: u32;
    type Output: Debug;

    fn declared(&self, n: u32) -> Self::Output;

    #[evaluator]
    fn defaulted(&self, n: u32) -> u32 {
        n * Self::FACTOR
    }

    #[evaluator]
    async fn defaulted_async_fn(&self, n: u32) -> Option<Self::Output> {
        (n > 0).then(|| self.declared(n))
    }

    #[evaluator]
    fn defaulted_async(&self, n: u32) -> impl Future<Output = u32> + Send {
        async move { n * Self::FACTOR }
    }
}

impl Step for Service {
    const FACTOR: u32 = 2;
    type Output = u32;

    #[evaluator]
    fn declared(&self, n: u32) -> Self::Output {
        n + Self::FACTOR
    }
}

#[async_trait]
trait Model: Send + Sync {
    async fn ask(&self, prompt: &str) -> Result<String, String>;

    async fn stream(&self, prompt: String) -> Result<BoxStream<'static, String>, String>;

    #[llm]
    async fn twice(&self, prompt: &str) -> Result<String, String> {
        Ok(self.ask(prompt).await? + &self.ask(prompt).await?)
    }
}

#[async_trait]
impl Model for Service {
    #[llm(model = self.name)]
    async fn ask(&self, prompt: &str) -> Result<String, String> {
        Ok(format!("{}:{prompt}", self.name))
    }

    #[llm]
    async fn stream(&self, prompt: String) -> Result<BoxStream<'static, String>, String> {
        Ok(stream::iter([self.name.clone(), prompt]).boxed())
    }
}

macro_rules! made_by_a_macro {
    ($name:ident, $argument:ident: $ty:ty, $returned:ty, $body:block) => {
        #[tool]
        fn $name($argument: $ty) -> $returned $body
    };
}

made_by_a_macro!(from_macro, text: &str, usize, { text.len() });

#[workflow]
async fn everything_workflow(input: &str) -> usize {
    #[node]
    fn nested(text: &str) -> usize {
        text.len()
    }
    nested(input)
}

#[scheduled]
fn nightly(input: BTreeMap<String, u32>) -> usize {
    input.len()
}

#[delegate]
async fn hand_over<'a>(task: &'a str, to: &'a str) -> &'a str {
    if to.is_empty() { task } else { to }
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
    let mut state = State::default();
    assert_eq!(generic(["a", "b"], 1), "b");
    assert_eq!(generic_async(1).await, [1]);
    assert_eq!(lifetimes("a", &["b", "a"]), Some("a"));
    elided(&mut state, 1).push(2);
    elided_async(&mut state, 3).await.push(4);
    assert_eq!(state.rows, [1, 2, 3, 4]);
    assert_eq!(impl_argument('x', 1..3), "x1");
    assert_eq!(impl_argument_async('x', |n| n + 1).await, "x2");
    assert_eq!(nested_impl(vec![1]).map(Iterator::count), Ok(1));
    assert!(nested_impl(vec![]).is_err());
    assert_eq!(format!("{:?}{:?}", dyn_return(0), dyn_return(1)), "\"zero\"1");
    assert_eq!(format!("{:?}{:?}", dyn_return_async(0).await, dyn_return_async(1).await), "\"zero\"1");
    assert!(dyn_error("1").is_ok() && dyn_error("0").is_err() && dyn_error("x").is_err());
    assert_eq!(patterns((1, "b".into()), state.clone(), NotSerialize(1), 9), "1b![1, 2, 3, 4]9");
    assert_eq!(patterns_async(["a".into(), "b".into()], vec![]).await, "ab");
    assert_eq!(underscored(NotSerialize(1), 1), 2);
    assert_eq!(conditional(state.clone()), 4);
    assert_eq!(raw_names("a", 1), "a1");
    assert_eq!(inner_attributes(1), 1);
    assert_eq!(nothing_taken(), "nothing");
    returns_nothing(0);
    assert_eq!(infers_from_question_mark("1,2").await, Ok(vec![1, 2]));
    assert!(infers_from_question_mark("x").await.is_err());
    assert_eq!(recursive(3), 3);
    assert_eq!(recursive_async(3).await, 3);
    // SAFETY: the pointer comes from a reference.
    assert_eq!(unsafe { unsafe_function(&7) }, 7);
    assert_eq!(foreign_abi(1) + visible(1) + attributed(1), 10);

    let mut service = Service::new("s");
    service.by_mutable_reference("x").by_mutable_reference("y");
    assert_eq!(service.by_reference("z"), "sxyz");
    assert_eq!(service.by_reference_async("z").await, "sxyz");
    assert_eq!(service.borrowed_stream("t").collect::<Vec<_>>().await, ["sxy", "t"]);
    assert_eq!(service.borrowed_future("t").await, 4);
    assert_eq!(service.declared(1) + service.defaulted(1) + service.defaulted_async(1).await, 7);
    assert_eq!(service.defaulted_async_fn(1).await, Some(3));
    assert_eq!(service.twice("?").await.unwrap(), "sxy:?sxy:?");
    assert_eq!(service.stream("?".into()).await.unwrap().count().await, 2);
    assert_eq!(Pin::new(&mut service).pinned_self(), 3);
    assert_eq!(Rc::new(Service::new("s")).shared_self(), 1);
    assert_eq!(Box::new(Service::make("s").await.unwrap()).boxed_self().await, "s");
    assert_eq!(service.by_mutable_value("m").by_value("v".into()), "sxymv");

    assert_eq!(from_macro("abc"), 3);
    assert_eq!(everything_workflow("abc").await, 3);
    assert_eq!(nightly(BTreeMap::new()), 0);
    assert_eq!(hand_over("task", "").await, "task");
}
