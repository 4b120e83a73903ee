//! Declared spans: every type of attribute, every place a declaration and its handle may stand.

use std::future::Future;

use spanwright::{agent, delegate, evaluator, llm, node, retriever, sandbox, scheduled, tool, workflow};

pub mod spans {
    spanwright::spans! {
        /// Looks at how a home is used and suggests what to automate.
        pub workflow Optimization(id = "home.workflow.optimization", name = "optimization_workflow") {
            /// Days the logbook spans. Unit: `d`. Stability: stable.
            days: u64,

            /// Reads the logbook.
            pub node CollectBehavioralData(id = "home.node.collect") {
                entity_count: u64,
                home.name: str,
                gen_ai.request.temperature,
                gen_ai.usage.input_tokens: u64,
                mlflow.spanLogLevel,

                pub retriever LogbookStats(id = "home.retriever.logbook", name = "ha.get_logbook_stats", leaf);
            }
        }

        pub scheduled Nightly(id = "home.scheduled.nightly");

        pub(crate) tool Types(id = "home.tool.types", span_type = "PARSER") {
            a: bool, b: i8, c: i16, d: i32, e: i64, f: isize, g: u8, h: u16, i: u32, j: u64, k: usize, l: f32, m: f64,
            text: str, owned: String, flags: [bool], counts: [u32], shares: [f64], words: [str], extra: json,
            type: str,
            gen: u64,
            camelCase.keyName: bool,
            #[cfg(any())]
            never: u64,
        }

        pub sandbox Run(id = "home/sandbox-run_1");
        pub delegate HandOver(id = "home.delegate");
        pub llm Ask(id = "home.llm.ask", parents(CollectBehavioralData, super::agents::Team, root), leaf);
        pub evaluator Judge(id = "home.evaluator.judge", parents(root));

        #[cfg(any())]
        pub node Absent(id = "home.node.absent") {
            pub tool AbsentToo(id = "home.tool.absent");
        }
    }
}

mod agents {
    spanwright::spans! {
        /// Calls itself, and is called from elsewhere.
        pub(super) agent Team(id = "home.agent.team", parents(Team, super::spans::HandOver, root)) {
            /// What is asked.
            question: str,
        }
    }
}

use spans::CollectBehavioralData;

#[node(
    span = CollectBehavioralData,
    handle = s,
    attributes(entity_count = rows.len() as u64, home.name = &home, mlflow.spanLogLevel = 20),
)]
fn collect(home: String, rows: &[u32]) -> usize {
    s.gen_ai_request_temperature(0.5).gen_ai_usage_input_tokens(3);
    note(s, rows.len());
    s.event("collected");
    home.len() + stats()
}

fn note(span: CollectBehavioralData, count: usize) {
    span.entity_count(count as u64);
    span.tag("rows", count);
}

#[retriever(span = spans::LogbookStats)]
fn stats() -> usize {
    1
}

#[workflow(span = spans::Optimization, handle = s, tags(home = home))]
async fn optimize(home: String) -> Result<usize, String> {
    let later = move |days| {
        s.days(days);
    };
    later(30);
    std::future::ready(()).await;
    let found = std::thread::spawn(move || s.days(31).trace_id()).join();
    Ok(collect(home, &[1, 2]) + usize::from(found.is_err()))
}

#[scheduled(span = spans::Nightly, id = "nightly")]
fn nightly() {}

#[tool(
    span = spans::Types,
    handle = s,
    attributes(
        a = true, b = 1, c = 1, d = 1, e = 1, f = 1, g = 1, h = 1, i = 1, j = 1, k = words.len(), l = 1.0, m = 1.0,
        text = "text", owned = &words[0], flags = &[true], counts = &[1, 2], shares = &vec![0.5], words = words,
        extra = &(1, "two"), type = "type", gen = 1, camelCase.keyName = true,
    ),
)]
fn types(words: &[String]) {
    let list: &[&str] = &["a", "b"];
    s.words(list).words(&["c".to_owned()]).words(&[] as &[&str]);
    s.extra(&serde_json_like()).extra("text").extra(&Some(1)).extra(list);
    s.r#type("other").r#gen(1).camel_case_key_name(false);
}

fn serde_json_like() -> impl serde::Serialize {
    std::collections::BTreeMap::from([("a", 1)])
}

struct Exit;

impl spanwright::SandboxOutcome for Exit {
    fn exit_code(&self) -> i32 {
        0
    }
}

#[sandbox(span = spans::Run)]
fn run() -> Exit {
    Exit
}

#[delegate(span = spans::HandOver, from = "a", to = "b")]
fn hand_over<T: Clone>(task: T) -> T {
    Team { name: "team" }.answer("?");
    task.clone()
}

trait Answers {
    fn answer(&self, question: &str) -> usize;

    #[evaluator(span = spans::Judge)]
    fn judge(&self) -> bool {
        true
    }
}

struct Team<'a> {
    name: &'a str,
}

impl Answers for Team<'_> {
    #[agent(span = agents::Team, attributes(question = question))]
    fn answer(&self, question: &str) -> usize {
        self.name.len() + question.len()
    }
}

#[llm(span = self::spans::Ask, model = "small", handle = s)]
fn ask(prompt: &'static str) -> impl Future<Output = usize> {
    s.event_with("asked", [("prompt", prompt)]);
    async move {
        s.metric("length", 1.0);
        prompt.len()
    }
}

fn main() {
    assert_eq!(futures::executor::block_on(optimize("home".into())), Ok(5));
    nightly();
    types(&["a".to_owned()]);
    run();
    assert_eq!(hand_over(2), 2);
    assert!(Team { name: "" }.judge());
    assert_eq!(futures::executor::block_on(ask("?")), 1);

    let ids: Vec<_> = spans::CONTRACT.spans.iter().map(|span| span.id).collect();
    assert_eq!(ids.len(), 9, "{ids:?}");
    let ask = spans::CONTRACT.spans.iter().find(|span| span.name == "ask").expect("declared");
    assert_eq!(ask.parents, Some(&["home.node.collect", "home.agent.team", ""][..]));
    let types = spans::CONTRACT.spans.iter().find(|span| span.span_type == "PARSER").expect("declared");
    assert_eq!(types.attributes.len(), 23);
}
