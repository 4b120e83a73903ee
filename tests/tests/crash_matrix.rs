//! A hundred rounds of the crash matrix, and some more in front of a real MLflow server. `tests/RELIABILITY.md` has the long run.

use std::collections::HashSet;
use std::path::PathBuf;
use std::time::Duration;

use spanwright_tests::crash::evidence::Stage;
use spanwright_tests::crash::plan::Size;
use spanwright_tests::crash::read_back::ReadBack;
use spanwright_tests::crash::receiver::Key;
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
    let real = Some((server.port(), fresh("crash")));
    let matrix = Matrix { real, ..matrix(0xacce, Size::FOR_A_REAL_SERVER) };
    let mut sent: HashSet<Key> = HashSet::new();
    for round in 0..20 {
        let outcome = matrix.play(round);
        assert_eq!(faults(round, &outcome), Vec::<String>::new());
        sent.extend(outcome.spans.into_keys());
    }
    let read = ReadBack::of(server, sent.iter());
    assert_eq!(read.complaints, Vec::<String>::new());
    assert!(read.traces > 20 && read.calls > 0, "{read:?}");
}
