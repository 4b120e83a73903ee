//! The first promise: whatever tracing does or fails to do, an annotated function is the plain one.

use std::any::Any;
use std::cell::Cell;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::pin::Pin;

use futures::executor::block_on;
use futures::{FutureExt as _, Stream, StreamExt as _, stream};
use serde::{Serialize, Serializer};
use spanwright::testing::Recording;
use spanwright::{CaptureLevel, Context, node, tool};

/// A value no capture can get through.
#[derive(Clone, Copy, PartialEq)]
struct Hostile(u32);

impl Serialize for Hostile {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        panic_any("Serialize")
    }
}

impl fmt::Debug for Hostile {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic_any("Debug")
    }
}

/// An error no message can be got out of.
#[derive(PartialEq)]
struct HostileError(u32);

impl fmt::Display for HostileError {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic_any("Display")
    }
}

/// How a body ends.
#[derive(Clone, Copy, Debug)]
enum End {
    Ok,
    Err,
    Panic,
}

type Outcome = Result<Hostile, HostileError>;

thread_local! {
    /// Bodies run on this thread: the tests of this file run beside one another.
    static RUNS: Cell<u32> = const { Cell::new(0) };
}

fn end(end: End, value: Hostile) -> Outcome {
    RUNS.set(RUNS.get() + 1);
    match end {
        End::Ok => Ok(value),
        End::Err => Err(HostileError(value.0)),
        End::Panic => panic_any(value.0),
    }
}

fn explode() -> &'static str {
    panic_any("an expression in an attribute")
}

#[tool(attributes(extra = explode()), inputs(more = value), capture = "full")]
fn sync(how: u8, value: Hostile) -> Outcome {
    end(ENDS[usize::from(how)], value)
}

#[node(debug(value), capture = "full")]
async fn asynchronous(how: u8, value: Hostile) -> Outcome {
    futures::future::ready(()).await;
    end(ENDS[usize::from(how)], value)
}

#[node]
fn future(how: u8, value: Hostile) -> impl Future<Output = Outcome> {
    async move { end(ENDS[usize::from(how)], value) }
}

#[node]
fn boxed(how: u8, value: Hostile) -> Pin<Box<dyn Future<Output = Outcome> + Send>> {
    Box::pin(async move { end(ENDS[usize::from(how)], value) })
}

#[node(capture = "full")]
fn streamed(how: u8, value: Hostile) -> impl Stream<Item = Outcome> {
    stream::iter([how]).map(move |how| end(ENDS[usize::from(how)], value))
}

#[node]
fn try_streamed(how: u8, value: Hostile) -> Result<impl Stream<Item = Outcome>, HostileError> {
    if how == 1 {
        RUNS.set(RUNS.get() + 1);
        return Err(HostileError(value.0));
    }
    Ok(stream::iter([how]).map(move |how| end(ENDS[usize::from(how)], value)))
}

struct Owner(u32);

impl Owner {
    #[tool]
    fn method(&mut self, how: u8, value: Hostile) -> Outcome {
        self.0 += 1;
        end(ENDS[usize::from(how)], value)
    }
}

const ENDS: [End; 3] = [End::Ok, End::Err, End::Panic];

type Shape = fn(u8, Hostile) -> Outcome;

/// Every shape, run to its end.
fn shapes() -> [(&'static str, Shape); 7] {
    [
        ("sync", sync),
        ("method", |how, value| Owner(0).method(how, value)),
        ("async", |how, value| block_on(asynchronous(how, value))),
        ("future", |how, value| block_on(future(how, value))),
        ("boxed", |how, value| block_on(boxed(how, value))),
        ("stream", |how, value| block_on(streamed(how, value).into_future()).0.expect("one item")),
        ("try_stream", |how, value| block_on(try_streamed(how, value)?.into_future()).0.expect("one item")),
    ]
}

/// Every state tracing can be in.
fn states() -> Vec<(&'static str, Option<Recording>)> {
    vec![
        ("nothing installed", None),
        ("recording", Some(Recording::new())),
        ("capturing everything", Some(Recording::with_capture(CaptureLevel::Full))),
        ("capturing nothing", Some(Recording::with_capture(CaptureLevel::None))),
        ("not sampled", Some(Recording::with_sampling(0.0))),
        ("without room", Some(Recording::without_room())),
    ]
}

fn payload(thrown: Box<dyn Any + Send>) -> u32 {
    *thrown.downcast::<u32>().expect("the panic of the body, and no other")
}

#[test]
fn a_body_runs_once_and_ends_as_it_would_whatever_tracing_meets() {
    let mut checked = 0;
    for (state, recording) in states() {
        let context = recording.as_ref().map_or_else(Context::current, Recording::context);
        for (shape, run) in shapes() {
            for how in 0..3u8 {
                let before = RUNS.get();
                let outcome = catch_unwind(AssertUnwindSafe(|| context.run(|| run(how, Hostile(41)))));
                let case = format!("{shape}, {:?}, {state}", ENDS[usize::from(how)]);
                assert_eq!(RUNS.get(), before + 1, "runs of the body: {case}");
                match (ENDS[usize::from(how)], outcome) {
                    (End::Ok, Ok(Ok(value))) => assert!(value == Hostile(41), "{case}"),
                    (End::Err, Ok(Err(error))) => assert!(error == HostileError(41), "{case}"),
                    (End::Panic, Err(thrown)) => assert_eq!(payload(thrown), 41, "{case}"),
                    _ => panic!("another end: {case}"),
                }
                checked += 1;
            }
        }
    }
    assert_eq!(checked, 6 * 7 * 3);
}

#[test]
fn what_cannot_be_captured_is_recorded_as_such() {
    let recording = Recording::new();
    recording.run(|| assert!(sync(0, Hostile(7)).is_ok_and(|value| value == Hostile(7))));
    let span = recording.span("sync");
    let inputs = span.inputs.expect("the rest is captured").to_value();
    assert_eq!(inputs["value"], "<panicked>");
    assert_eq!(inputs["how"], 0);
    assert_eq!(span.outputs.expect("the marker is there").to_value(), "<panicked>");
}

#[test]
fn a_future_that_is_never_polled_or_dropped_half_way_runs_no_further() {
    let recording = Recording::new();
    recording.run(|| {
        drop(asynchronous(0, Hostile(1)));
        assert!(future(0, Hostile(1)).now_or_never().is_some());
    });
    let spans = recording.spans();
    assert_eq!(spans.len(), 1, "an async function that is never polled was never called: {spans:?}");
}

#[test]
fn an_overloaded_recorder_counts_what_it_drops_and_nothing_else_happens() {
    let recording = Recording::without_room();
    recording.run(|| {
        for n in 0..100 {
            assert!(sync(0, Hostile(n)).is_ok());
        }
    });
    assert_eq!(recording.spans(), []);
    assert_eq!(recording.dropped_spans(), 100);
}
