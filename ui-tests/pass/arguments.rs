//! Every argument of every attribute.

use std::borrow::Cow;
use std::fmt;

use serde::Serialize;
use spanwright::testing::Recording;
use spanwright::{agent, delegate, evaluator, llm, node, retriever, sandbox, scheduled, tool, workflow};

#[derive(Debug, PartialEq)]
enum Failure {
    NotFound,
    Denied(u32),
    Broken { code: u32 },
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

#[derive(Clone, Debug, Serialize)]
struct Home {
    id: u32,
    owner: String,
}

struct Run(i32);

impl spanwright::SandboxOutcome for Run {
    fn exit_code(&self) -> i32 {
        self.0
    }
}

#[workflow(
    kind = "optimization",
    tags(home = home.id, "team name" = "energy", nested.key = home.owner),
    session = home.owner,
    user = home.owner.as_str(),
    experiment = format!("homes-{}", home.id),
    run = "nightly",
    params(depth = depth + 1, "learning.rate" = 0.5_f64.to_string()),
    name = "Optimize",
    capture = "full"
)]
fn optimize_workflow(home: Home, depth: u32) -> u32 {
    collect(&home, "token", depth, |n| n) + depth
}

#[workflow(run)]
fn plain_workflow() -> u32 {
    0
}

#[scheduled(trigger = trigger, id = format!("nightly-{id}"), kind = "board", user = None::<&str>)]
async fn nightly(trigger: &str, id: u32) -> Result<u32, Failure> {
    if trigger == "webhook" { Err(Failure::Broken { code: id }) } else { Ok(id) }
}

#[node(
    span_type = "RERANKER",
    skip(read),
    redact(token),
    debug(depth),
    inputs(owner = home.owner, "how many" = depth * 2),
    attributes(home.id = home.id, type = "house"),
    handle = span,
    capture = "keys",
    output = "preview"
)]
fn collect(home: &Home, token: &str, depth: u32, read: impl Fn(u32) -> u32) -> u32 {
    span.set("token.length", token.len());
    span.event("collected");
    read(home.id) + depth
}

#[sandbox(policy = format!("{policy}-1"))]
fn execute(policy: &str, code: i32) -> Result<Run, Failure> {
    if policy.is_empty() { Err(Failure::Denied(1)) } else { Ok(Run(code)) }
}

#[sandbox(name = "shell")]
async fn execute_reference(run: &Run) -> &Run {
    run
}

#[delegate(from = "architect", to = team.as_str())]
async fn delegated(task: &str, team: String) -> usize {
    task.len() + team.len()
}

#[delegate(from = "a", to = "b", content = team, redact(task))]
fn delegated_content(task: &str, team: Cow<'_, str>) -> usize {
    task.len() + team.len()
}

#[delegate(redact(secret))]
fn delegated_secret(secret: &str) -> usize {
    secret.len()
}

#[llm(model = model, provider = "openai", tools = [("search", 1)])]
async fn ask(model: &str, prompt: &str) -> Result<String, Failure> {
    Ok(format!("{model}{prompt}"))
}

#[tool(expected(Failure::NotFound, Failure::Denied, Failure::Broken))]
fn find(n: u32) -> Result<u32, Failure> {
    match n {
        0 => Err(Failure::NotFound),
        1 => Err(Failure::Denied(1)),
        2 => Err(Failure::Broken { code: 2 }),
        _ => Ok(n),
    }
}

#[tool(expected(Failure::NotFound))]
async fn find_async(n: u32) -> Result<u32, Failure> {
    find(n)
}

#[retriever(capture = "none")]
fn silent(query: &str) -> usize {
    query.len()
}

#[agent(handle = me)]
async fn acting(n: u32) -> u32 {
    me.set("n", n);
    n
}

#[evaluator(inputs(n = n), skip(n))]
fn judge(n: u32) -> bool {
    n > 0
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let recording = Recording::new();
    recording.scope(work()).await;
    let names: Vec<_> = recording.spans().into_iter().map(|span| span.name).collect();
    for name in
        ["Optimize", "collect", "sandbox.execute", "shell", "delegation", "ask", "find", "silent", "acting", "judge"]
    {
        assert!(names.iter().any(|recorded| recorded == name), "{name} in {names:?}");
    }
}

async fn work() {
    let home = Home { id: 1, owner: "ann".into() };
    assert_eq!(optimize_workflow(home.clone(), 2), 5);
    assert_eq!(plain_workflow(), 0);
    assert_eq!(nightly("cron", 3).await, Ok(3));
    assert_eq!(nightly("webhook", 3).await, Err(Failure::Broken { code: 3 }));
    assert_eq!(execute("standard", 3).unwrap().0, 3);
    assert!(execute("", 3).is_err());
    assert_eq!(execute_reference(&Run(0)).await.0, 0);
    assert_eq!(delegated("ab", "c".into()).await, 3);
    assert_eq!(delegated_content("ab", "c".into()), 3);
    assert_eq!(delegated_secret("ab"), 2);
    assert_eq!(ask("m", "p").await.unwrap(), "mp");
    assert_eq!([find(0), find(3)], [Err(Failure::NotFound), Ok(3)]);
    assert_eq!([find(1), find(2)], [Err(Failure::Denied(1)), Err(Failure::Broken { code: 2 })]);
    assert_eq!(find_async(3).await, Ok(3));
    assert_eq!(silent("q") as u32 + acting(1).await, 2);
    assert!(judge(1));
}
