//! Every shape of function, and how its span ends.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt as _, stream};
use serde::Serialize;
use spanwright::record::Ending;
use spanwright::testing::Recording;
use spanwright::{InCurrentSpan as _, assert_span_tree, llm, node, tool, workflow};

use crate::look::{int, json};

#[derive(Debug, PartialEq)]
struct Refused(u32);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "refused with code {}", self.0)
    }
}

struct Agent {
    name: String,
}

impl Agent {
    #[node]
    fn by_reference(&self) -> usize {
        self.name.len()
    }

    #[node]
    async fn by_value(self) -> String {
        self.name
    }
}

trait Speaks {
    async fn speak(&self) -> String;

    #[tool]
    async fn twice(&self) -> String {
        self.speak().await + &self.speak().await
    }
}

impl Speaks for Agent {
    #[tool]
    async fn speak(&self) -> String {
        self.name.clone()
    }
}

#[async_trait::async_trait]
trait Hears: Sync {
    async fn hear(&self, words: &str) -> usize;
}

#[async_trait::async_trait]
impl Hears for Agent {
    #[tool]
    async fn hear(&self, words: &str) -> usize {
        self.name.len() + words.len()
    }
}

/// A1-13
#[tokio::test]
async fn every_shape_of_function_traces() {
    #[node]
    fn sync(a: u32) -> u32 {
        a
    }

    #[node]
    fn generic<T: Clone + Serialize, const N: usize>(items: [T; N]) -> Vec<T> {
        items.to_vec()
    }

    #[tool]
    fn bare_generic<T>(value: T) -> T {
        value
    }

    #[node]
    fn impl_argument(items: impl IntoIterator<Item = u32>) -> u32 {
        items.into_iter().sum()
    }

    #[tool]
    fn future<'a>(text: &'a str) -> impl Future<Output = usize> + 'a {
        async move { text.len() }
    }

    #[tool]
    fn boxed(n: u64) -> std::pin::Pin<Box<dyn Future<Output = u64> + Send>> {
        Box::pin(async move { if n == 0 { 0 } else { n + boxed(n - 1).await } })
    }

    #[llm]
    fn tokens(fail: bool) -> Result<impl Stream<Item = &'static str>, Refused> {
        if fail {
            return Err(Refused(3));
        }
        Ok(stream::iter(["to", "ken"]))
    }

    let recording = Recording::new();
    let agent = Agent { name: "ada".into() };
    recording
        .scope(async {
            assert_eq!(sync(1), 1);
            assert_eq!(generic([1, 2]), [1, 2]);
            assert_eq!(*bare_generic(std::rc::Rc::new(5)), 5);
            assert_eq!(impl_argument([1, 2]), 3);
            assert_eq!(future("four").await, 4);
            assert_eq!(boxed(1).await, 1);
            assert_eq!(tokens(false).expect("a stream").collect::<String>().await, "token");
            assert!(tokens(true).is_err_and(|error| error == Refused(3)));
            assert_eq!(agent.by_reference(), 3);
            assert_eq!(agent.twice().await, "adaada");
            assert_eq!(agent.hear("words").await, 8);
            assert_eq!(agent.by_value().await, "ada");
        })
        .await;
    assert_span_tree!(
        recording,
        "
        sync [CHAIN]
        generic [CHAIN]
        bare_generic [TOOL]
        impl_argument [CHAIN]
        future [TOOL]
        boxed [TOOL]
          boxed [TOOL]
        tokens [LLM]
        tokens [LLM] ERROR: refused with code 3
        by_reference [CHAIN]
        twice [TOOL]
          speak [TOOL]
          speak [TOOL]
        hear [TOOL]
        by_value [CHAIN]
        "
    );
    assert_eq!(json(&recording.span("tokens").outputs), "token");
}

/// A1-21
#[tokio::test]
async fn a_stream_lasts_until_its_end_or_its_drop() {
    #[node(output = "full")]
    fn count(to: u32) -> impl Stream<Item = u32> {
        stream::iter(0..to).then(|n| async move {
            tokio::time::sleep(Duration::from_millis(2)).await;
            n
        })
    }

    let whole = Recording::new();
    let items: Vec<_> = whole.scope(async { count(10).collect().await }).await;
    assert_eq!(items.len(), 10);
    let span = whole.span("count");
    assert!(span.duration_ns() >= 20_000_000);
    assert_eq!((span.ending, span.incomplete, int(&span, "stream.items")), (Ending::Ok, false, 10));
    assert_eq!(json(&span.outputs), serde_json::json!([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]));
    assert!(int(&span, "stream.time_to_first_item_ns") >= 2_000_000);

    let part = Recording::new();
    part.scope(async {
        let mut stream = Box::pin(count(10));
        for _ in 0..3 {
            stream.next().await;
        }
    })
    .await;
    let span = part.span("count");
    assert_eq!((span.ending, span.incomplete, span.is_error()), (Ending::Cancelled, true, false));
    assert_eq!(json(&span.outputs), serde_json::json!([0, 1, 2]));

    let none = Recording::new();
    none.scope(async { drop(count(10)) }).await;
    let span = none.span("count");
    assert_eq!((span.ending, span.is_error()), (Ending::Cancelled, true));
}

#[tokio::test]
async fn a_long_stream_is_counted_to_its_end_and_kept_within_a_limit() {
    #[tool]
    fn words() -> impl Stream<Item = String> {
        stream::iter((0..1000).map(|n| format!("word {n} ")))
    }

    let recording = Recording::new();
    assert_eq!(recording.scope(async { words().count().await }).await, 1000);
    let span = recording.span("words");
    assert_eq!(int(&span, "stream.items"), 1000);
    let kept = json(&span.outputs);
    let kept = kept.as_str().expect("texts are joined");
    assert!(kept.starts_with("word 0 word 1 ") && kept.ends_with('…') && kept.len() < 2200, "{} bytes", kept.len());
}

#[tokio::test]
async fn a_dropped_future_is_cancelled_and_its_children_end_within_it() {
    #[node]
    async fn inner() {
        std::future::pending::<()>().await;
    }

    #[node]
    async fn outer() {
        inner().await;
    }

    let recording = Recording::new();
    let cancelled = tokio::time::timeout(Duration::from_millis(10), recording.scope(outer())).await;
    assert!(cancelled.is_err());
    let (outer, inner) = (recording.span("outer"), recording.span("inner"));
    assert_eq!((outer.ending, inner.ending), (Ending::Cancelled, Ending::Cancelled));
    assert!(outer.is_error() && inner.end_unix_ns <= outer.end_unix_ns);
    assert_eq!(recording.open_spans(), 0);
}

/// Its parent is who calls it; an `async fn` does nothing when it is called, so there it is who polls it first.
#[tokio::test]
async fn work_that_is_made_here_and_awaited_there() {
    #[node]
    async fn asynchronous() {}

    #[node]
    fn future() -> impl Future<Output = ()> {
        async {}
    }

    #[node]
    fn boxed() -> futures::future::LocalBoxFuture<'static, ()> {
        Box::pin(async {})
    }

    #[node]
    fn streamed() -> impl Stream<Item = u32> {
        stream::iter([1])
    }

    #[node]
    async fn elsewhere(work: impl Future<Output = ()>) {
        work.await;
    }

    #[workflow]
    async fn making_workflow() {
        elsewhere(asynchronous()).await;
        elsewhere(future()).await;
        elsewhere(boxed()).await;
        elsewhere(streamed().map(drop).collect()).await;
    }

    let recording = Recording::new();
    recording.scope(making_workflow()).await;
    assert_span_tree!(
        recording,
        "
        making_workflow [WORKFLOW]
          elsewhere [CHAIN]
            asynchronous [CHAIN]
          future [CHAIN]
          elsewhere [CHAIN]
          boxed [CHAIN]
          elsewhere [CHAIN]
          streamed [CHAIN]
          elsewhere [CHAIN]
        "
    );
}

/// Fifty workflows at once, each with twenty nodes in spawned tasks.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_workflows_do_not_mix() {
    #[node]
    async fn step(workflow: u32, step: u32) -> u32 {
        tokio::time::sleep(Duration::from_micros(u64::from(workflow * 7 + step * 13) % 500)).await;
        workflow * 1000 + step
    }

    #[workflow]
    async fn busy_workflow(number: u32) -> u32 {
        let tasks: Vec<_> = (0..20)
            .map(|n| match n % 3 {
                0 => spanwright::spawn(step(number, n)),
                1 => tokio::spawn(step(number, n).in_current_span()),
                _ => {
                    let handle = tokio::runtime::Handle::current();
                    spanwright::spawn_blocking(move || handle.block_on(step(number, n)))
                }
            })
            .collect();
        let mut sum = 0;
        for task in tasks {
            sum += task.await.expect("a step works");
        }
        sum
    }

    let recording = Arc::new(Recording::new());
    let workflows: Vec<_> = (0..50).map(|number| tokio::spawn(recording.scope(busy_workflow(number)))).collect();
    for (number, workflow) in (0..50).zip(workflows) {
        assert_eq!(workflow.await.expect("it works"), number * 20_000 + 190);
    }
    let spans = recording.spans();
    assert_eq!(recording.dropped_spans(), 0);
    let roots: Vec<_> = spans.iter().filter(|span| span.parent_id.is_none()).collect();
    assert_eq!((roots.len(), spans.len(), recording.open_spans()), (50, 50 * 21, 0));
    for root in roots {
        let children = spans.iter().filter(|span| span.parent_id == Some(root.span_id));
        assert_eq!(children.filter(|child| child.trace_id == root.trace_id).count(), 20);
    }
}
