//! An answer of a server, read as each of those that are asked for.

use super::runs::first_run;
use super::traces::{TraceRead, spans_in};
use super::{Experiment, encoded, json_of, server, text_of};

/// What is taken of an answer can be used: an id is not empty and fits a path, a span's id is one.
pub(crate) fn reply(body: &[u8]) {
    const OPERATION: &str = "read the reply";
    let text = String::from_utf8_lossy(body);
    server::fuzzing(&text);
    let Ok(reply) = json_of(OPERATION, body) else { return };
    let mut ids =
        vec![text_of(&reply["experiment_id"], OPERATION), text_of(&reply["run"]["info"]["run_id"], OPERATION)];
    if let Ok(experiment) = Experiment::of(&reply["experiment"], OPERATION) {
        ids.push(Ok(experiment.id.clone()));
        // A deleted one is said, whatever its name is.
        drop(experiment.usable("http://server"));
    }
    for id in ids.into_iter().flatten() {
        assert!(!id.is_empty() && !encoded(&id).contains(['/', '&', '?', '#', ' ']), "{id}");
    }
    drop(first_run(&reply));
    for (trace, span) in spans_in(&reply) {
        assert_eq!((trace.to_string().parse(), span.to_string().parse()), (Ok(trace), Ok(span)));
    }
    let trace = TraceRead::of(&reply["trace"]);
    assert!(trace.spans <= body.len());
}
