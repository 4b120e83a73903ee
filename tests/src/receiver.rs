//! A server that is MLflow as far as an exporter looks, and keeps account of the spans it has taken.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::faults::{Act, Faulty, Seen};
use crate::program::{SpanKey, spans_in};

/// Stopped when dropped.
#[derive(Debug)]
pub struct Receiver {
    server: Faulty,
    taken: Arc<Mutex<HashMap<SpanKey, u64>>>,
}

impl Receiver {
    /// Starts one that takes everything.
    pub fn start() -> Self {
        Self::start_with(|_, _| None)
    }

    /// Starts one on a given port.
    pub fn start_on(port: u16) -> Self {
        Self::serving(port, |_, _| None)
    }

    /// Starts one. `fault` gets each message of spans and the number of those before it, and says what is done with it; `None` takes it.
    pub fn start_with(fault: impl Fn(&Seen, usize) -> Option<Act> + Send + Sync + 'static) -> Self {
        Self::serving(0, fault)
    }

    /// Both.
    pub fn start_on_with(port: u16, fault: impl Fn(&Seen, usize) -> Option<Act> + Send + Sync + 'static) -> Self {
        Self::serving(port, fault)
    }

    fn serving(port: u16, fault: impl Fn(&Seen, usize) -> Option<Act> + Send + Sync + 'static) -> Self {
        let taken: Arc<Mutex<HashMap<SpanKey, u64>>> = Arc::default();
        let (messages, account) = (AtomicUsize::new(0), taken.clone());
        let server = Faulty::start_on(port, move |seen, _| match seen.path.as_str() {
            "/health" => Act::status(200),
            "/version" => Act::Answer(200, vec![], "3.17.2".into()),
            "/v1/traces" => {
                let act = fault(seen, messages.fetch_add(1, Ordering::AcqRel)).unwrap_or_else(|| Act::json(200, "{}"));
                if is_taken(&act) {
                    let mut account = account.lock().unwrap_or_else(PoisonError::into_inner);
                    spans_in(&seen.body)
                        .into_iter()
                        .for_each(|(span, times)| *account.entry(span).or_default() += times);
                }
                act
            }
            path if path.starts_with("/api/2.0/mlflow/experiments/") => {
                Act::json(200, r#"{"experiment":{"experiment_id":"7","name":"n","lifecycle_stage":"active"}}"#)
            }
            path if path.starts_with("/api/3.0/mlflow/traces/batchGet") => Act::json(200, r#"{"traces":[]}"#),
            _ => Act::json(200, "{}"),
        });
        Self { server, taken }
    }

    /// Where it listens.
    pub fn uri(&self) -> String {
        self.server.uri()
    }

    /// What came in so far.
    pub fn server(&self) -> &Faulty {
        &self.server
    }

    /// How often it has taken each span.
    pub fn taken(&self) -> HashMap<SpanKey, u64> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// That it has taken so many different spans, each of them once.
    ///
    /// # Panics
    ///
    /// If it has not.
    pub fn assert_took_once(&self, spans: u64) {
        let taken = self.taken();
        let twice = taken.values().filter(|times| **times > 1).count();
        assert_eq!((taken.len() as u64, twice), (spans, 0), "spans taken, and how many of them more than once");
    }
}

/// Whether a server that does so has kept what it was sent: also where the answer is late, slow, or lost half way.
fn is_taken(act: &Act) -> bool {
    match act {
        Act::Answer(status, ..) | Act::Half(status) | Act::Drip(_, status) => *status == 200,
        Act::Late(_, then) => is_taken(then),
        _ => false,
    }
}
