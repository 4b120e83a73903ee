//! Span trees as tests expect them: exactly, or by pattern.

use std::panic::{AssertUnwindSafe, catch_unwind};

use insta::assert_snapshot;
use spanwright::testing::Recording;
use spanwright::{assert_span_tree, node, spawn, tool, workflow};

#[tool]
async fn fetch(city: &str) -> Result<u32, String> {
    // The later a name is in the alphabet, the longer it takes.
    for _ in 0..city.bytes().next().unwrap_or_default() {
        tokio::task::yield_now().await;
    }
    if city.len() > 4 { Err(format!("no weather in {city}, code {}", city.len())) } else { Ok(1) }
}

#[node]
async fn gather(cities: &'static [&'static str]) -> u32 {
    let tasks: Vec<_> = cities.iter().map(|city| spawn(fetch(city))).collect();
    let mut sum = 0;
    for task in tasks {
        sum += task.await.expect("no panic").unwrap_or_default();
    }
    sum
}

#[node(name = "3x [odd]")]
fn summarise() {}

#[workflow]
async fn weather() -> u32 {
    let sum = gather(&["Rome", "Oslo", "Lima", "Bergen"]).await;
    summarise();
    sum
}

async fn recorded() -> Recording {
    let recording = Recording::new();
    assert_eq!(recording.scope(weather()).await, 3);
    recording
}

fn message(recording: &Recording, expected: &str) -> String {
    let failed = catch_unwind(AssertUnwindSafe(|| assert_span_tree!(recording, expected)));
    failed.expect_err("it differs").downcast_ref::<String>().expect("a message").clone()
}

#[tokio::test]
async fn concurrent_calls_are_expected_in_any_order_and_messages_in_part() {
    let recording = recorded().await;
    assert_span_tree!(recording, &recording.tree());
    assert_span_tree!(
        recording,
        "
        weather [WORKFLOW]
          gather
            in any order:
              3x fetch [TOOL]
              fetch [TOOL] ERROR: no weather in *, code *
          \"3x [odd]\" [CHAIN]
        "
    );
    assert_span_tree!(recording.spans(), "weather\n  ...\n  \"3x [odd]\" [CHAIN]");
    assert_span_tree!(
        &recording.spans()[..],
        "weather\n  gather\n    in any order:\n      fetch ERROR: *\n      ...\n  ? x\n  ..."
    );
}

#[tokio::test]
async fn the_message_aligns_what_was_recorded_with_the_nearest_match() {
    let recording = recorded().await;
    let expected = "
        weather [AGENT]
          prepare [CHAIN]
          gather [CHAIN]
            in any order:
              2..3x fetch [TOOL]
              fetch [TOOL] ERROR: no snow in *
              4x retry [TOOL]
        ";
    assert_snapshot!(message(&recording, expected), @"
    the span tree differs from the expected one (- expected, + recorded):
      - weather [AGENT]
      + weather [WORKFLOW]
      -   prepare [CHAIN]
          gather [CHAIN]
            fetch [TOOL]
            fetch [TOOL]
            fetch [TOOL]
      -     fetch [TOOL] ERROR: no snow in *
      +     fetch [TOOL] ERROR: no weather in Bergen, code 6
      -     4x retry [TOOL] (4 more)
      +   3x [odd] [CHAIN]
    ");
}

#[tokio::test]
async fn a_mistake_in_the_text_is_told_with_its_line_beside_what_was_recorded() {
    let recording = Recording::new();
    recording.run(summarise);
    assert_snapshot!(message(&recording, "  3x [odd] [CHAIN]\n  two\n     three\n"), @"
    line 3 of the expected tree, `three`: indented by 3 spaces; a level is two
    what was recorded (- expected, + recorded):
        3x [odd] [CHAIN]
      - two
      -    three
    ");
}
