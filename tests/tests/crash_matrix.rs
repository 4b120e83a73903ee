//! A hundred rounds of the crash matrix, and some more in front of a real MLflow server. `tests/RELIABILITY.md` has the long run.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;
use std::time::Duration;

use spanwright_tests::crash::evidence::Stage;
use spanwright_tests::crash::plan::Size;
use spanwright_tests::crash::receiver::Key;
use spanwright_tests::crash::victim::TOKENS;
use spanwright_tests::crash::{Matrix, Outcome};
use spanwright_tests::mlflow;

use crate::delivery::fresh;

fn matrix(seed: u64, size: Size) -> Matrix {
    Matrix { program: PathBuf::from(env!("CARGO_BIN_EXE_crash-matrix")), seed, size, real: None }
}

fn faults(round: u64, outcome: &Outcome) -> Vec<String> {
    outcome.faults().into_iter().map(|fault| format!("round {round}, {:?}: {fault}", outcome.plan)).collect()
}

#[test]
fn a_hundred_kills_at_random_moments_lose_no_call_that_had_returned_and_double_none() {
    let matrix = matrix(
        0x5eed,
        Size { steps: 600, fastest: Duration::ZERO, slowest: Duration::from_millis(2), model_every: 40 },
    );
    let (mut stages, mut returned) = (HashSet::new(), 0);
    for round in 0..100 {
        let outcome = matrix.play(round);
        assert_eq!(faults(round, &outcome), Vec::<String>::new());
        stages.extend(outcome.stages);
        returned += outcome.sum.returned;
    }
    assert!(returned > 1000, "{returned} calls had returned");
    for stage in [Stage::SpanOpen, Stage::Ended, Stage::MidRequest, Stage::BeforeAck] {
        assert!(stages.contains(&stage), "no kill hit {stage:?}: {stages:?}");
    }
}

#[test]
fn after_kills_in_front_of_a_real_server_each_span_is_there_once_and_the_tokens_are_exact() {
    let server = mlflow::shared();
    let port = server.uri().rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
    let size =
        Size { steps: 200, fastest: Duration::from_millis(1), slowest: Duration::from_millis(4), model_every: 3 };
    let matrix = Matrix { real: Some((port, fresh("crash"))), ..matrix(0xacce, size) };
    let mut sent: HashMap<Key, bool> = HashMap::new();
    for round in 0..20 {
        let outcome = matrix.play(round);
        assert_eq!(faults(round, &outcome), Vec::<String>::new());
        sent.extend(outcome.spans.into_iter().map(|(key, span)| (key, span.is_abandoned)));
    }
    let mut by_trace: BTreeMap<String, HashSet<String>> = BTreeMap::new();
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    for (trace, span) in sent.keys() {
        by_trace.entry(format!("tr-{}", hex(trace))).or_default().insert(hex(span));
    }
    assert!(by_trace.len() > 20, "{} traces", by_trace.len());
    let mut calls = 0;
    for (id, spans) in by_trace {
        let trace = server.trace(&id).unwrap_or_else(|| panic!("MLflow lacks {id}"));
        let read = trace["spans"].as_array().expect("spans");
        let ids: HashSet<String> = read.iter().map(|span| span["id"].as_str().expect("an id").to_owned()).collect();
        assert_eq!((read.len(), &ids), (spans.len(), &spans), "{id}");
        let is_answered = |span: &&serde_json::Value| span["type"] == "LLM" && span["status"] == "OK";
        let answered = read.iter().filter(is_answered).count() as u64;
        calls += answered;
        let usage = &trace["usage"];
        if answered == 0 {
            assert!(usage.is_null(), "{id}: {usage}");
        } else {
            let (input, output) = (TOKENS.0 * answered, TOKENS.1 * answered);
            let told = ["input_tokens", "output_tokens", "total_tokens"].map(|key| usage[key].as_u64());
            assert_eq!(told, [Some(input), Some(output), Some(input + output)], "{id}");
        }
    }
    assert!(calls > 0, "no model call was made");
}
