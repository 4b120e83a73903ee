//! Hand-made spans, a store, an exporter: what the tests of delivery share.

use std::collections::HashSet;
use std::hash::{BuildHasher as _, RandomState};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use spanwright::config::{Config, Credentials, Destination, Experiment, Overrides};
use spanwright::export::{Delivery, Exporter};
use spanwright::record::{Batch, Ending, ErrorFacts, Json, ModelFacts, Source, SpanRecord, Usage, WorkflowFacts};
use spanwright::store::{ProcessId, Store};
use spanwright::{Diagnostics, SpanId, TraceId};

/// Long enough for a server on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// A store with an exporter on it.
pub struct Line {
    pub store: Store,
    pub config: Config,
    exporter: Option<Exporter>,
    said: Arc<Mutex<Vec<String>>>,
    _folder: tempfile::TempDir,
}

/// A configuration for `uri` that reads no environment and no file of the machine.
pub fn config(uri: &str, experiment: &str, change: impl FnOnce(&mut Overrides)) -> Config {
    let mut overrides = Overrides {
        tracking_uri: Some(uri.to_owned()),
        experiment: (!experiment.is_empty()).then(|| Experiment::Name(experiment.to_owned())),
        ..Overrides::default()
    };
    change(&mut overrides);
    let (config, warnings) = Config::load(overrides, &|_| None, Path::new("/"));
    assert_eq!(warnings, Vec::<String>::new());
    config
}

impl Line {
    pub fn to(uri: &str, experiment: &str) -> Self {
        Self::with(config(uri, experiment, |_| {}))
    }

    pub fn with_credentials(uri: &str, experiment: &str, credentials: Credentials) -> Self {
        Self::with(config(uri, experiment, |overrides| overrides.credentials = Some(credentials)))
    }

    pub fn with(config: Config) -> Self {
        let mut line = Self::idle(config);
        line.start();
        line
    }

    /// Without an exporter yet.
    pub fn idle(config: Config) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(folder.path()).expect("a store");
        Self { store, config, exporter: None, said: Arc::default(), _folder: folder }
    }

    pub fn start(&mut self) {
        let said = self.said.clone();
        let diagnostics =
            Diagnostics::to(move |line| said.lock().unwrap_or_else(PoisonError::into_inner).push(line.to_owned()));
        self.exporter = Some(Exporter::start(self.store.clone(), &self.config, diagnostics).expect("an exporter"));
    }

    pub fn exporter(&self) -> &Exporter {
        self.exporter.as_ref().expect("started")
    }

    pub fn destination(&self) -> String {
        match &self.config.destination.value {
            Destination::Http(uri) => uri.as_str().to_owned(),
            other => panic!("no server: {other:?}"),
        }
    }

    /// Stores spans that have ended, and says so to the exporter.
    pub fn put(&self, finished: &[SpanRecord]) {
        self.put_batch(&Batch { finished: finished.to_vec(), ..Batch::default() });
    }

    pub fn put_batch(&self, batch: &Batch) {
        self.store.append(batch, ProcessId(1), Some(&self.destination())).expect("stored");
        if let Some(exporter) = &self.exporter {
            exporter.wake();
        }
    }

    pub fn flush(&self) -> Delivery {
        self.exporter().flush(Instant::now() + PATIENCE)
    }

    /// Stores, and delivers all of it.
    pub fn deliver(&self, finished: &[SpanRecord]) {
        self.put(finished);
        let delivery = self.flush();
        assert_eq!((delivery.pending, delivery.rejected), (0, 0), "{delivery:?} {:?}", self.said());
        assert_eq!(self.said(), Vec::<String>::new());
    }

    pub fn said(&self) -> Vec<String> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until nothing is pending, for a server that comes back by itself.
    pub fn wait_until_delivered(&self) {
        let started = Instant::now();
        while self.store.pending_counts(Some(&self.destination())).expect("counted").pending.spans > 0 {
            assert!(started.elapsed() < PATIENCE, "still pending: {:?}", self.said());
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// An id nobody else has, in this process or another.
pub fn random() -> u64 {
    RandomState::new().hash_one(Instant::now()) | 1
}

/// A name nobody else has.
pub fn fresh(name: &str) -> String {
    format!("{name}-{:016x}", random())
}

pub fn now_unix_ns() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_nanos() as u64
}

/// A trace under construction: spans one after the other, 1 ms each, below a root that encloses them.
pub struct Trace {
    pub id: TraceId,
    root: SpanId,
    start_unix_ns: u64,
    made: std::cell::Cell<u64>,
}

impl Trace {
    pub fn new() -> Self {
        Self {
            id: TraceId::from_halves(random(), random()),
            root: SpanId::from_u64(random()),
            start_unix_ns: now_unix_ns() - 1_000_000_000,
            made: 0.into(),
        }
    }

    /// As MLflow names it.
    pub fn mlflow_id(&self) -> String {
        format!("tr-{}", self.id)
    }

    pub fn root(&self, name: &str) -> SpanRecord {
        let mut root = self.bare(name, "WORKFLOW", "workflow");
        root.span_id = self.root;
        root.start_unix_ns = self.start_unix_ns;
        root.end_unix_ns = self.start_unix_ns + 500_000_000;
        root.workflow = Some(Box::new(WorkflowFacts::default()));
        root
    }

    pub fn child(&self, name: &str) -> SpanRecord {
        let mut child = self.bare(name, "CHAIN", "node");
        child.parent_id = Some(self.root);
        child
    }

    pub fn model_call(&self, name: &str, input: u64, output: u64) -> SpanRecord {
        let mut call = self.child(name);
        call.span_type = "LLM".into();
        call.kind = "llm".into();
        call.model = Some(ModelFacts {
            model: Some("gpt-4o-mini".into()),
            provider: Some("openai".into()),
            usage: Some(Usage { input, output, ..Usage::default() }),
            ..ModelFacts::default()
        });
        call
    }

    fn bare(&self, name: &str, span_type: &str, kind: &str) -> SpanRecord {
        let at = self.made.get();
        self.made.set(at + 1);
        let start_unix_ns = self.start_unix_ns + (at + 1) * 1_000_000;
        SpanRecord {
            name: name.into(),
            span_type: span_type.into(),
            kind: kind.into(),
            source: Source { function: name.into(), file: "src/agent.rs".into(), line: 12 },
            start_unix_ns,
            end_unix_ns: start_unix_ns + 1_000_000,
            ..SpanRecord::new(self.id, SpanId::from_u64(random()))
        }
    }
}

/// Makes a span a failed one.
pub fn failed(mut span: SpanRecord, kind: &str, message: &str) -> SpanRecord {
    span.ending = Ending::Error;
    span.error = Some(ErrorFacts { kind: kind.into(), message: message.into() });
    span
}

pub fn json(text: &str) -> Json {
    Json::parse(text.to_owned()).expect("json")
}

/// The names of the spans of a trace that was read back.
pub fn names(trace: &serde_json::Value) -> HashSet<String> {
    trace["spans"]
        .as_array()
        .expect("spans")
        .iter()
        .map(|span| span["name"].as_str().expect("a name").to_owned())
        .collect()
}

/// One span of a trace that was read back.
pub fn span<'a>(trace: &'a serde_json::Value, name: &str) -> &'a serde_json::Value {
    let spans = trace["spans"].as_array().expect("spans");
    spans.iter().find(|span| span["name"] == name).unwrap_or_else(|| panic!("no span {name} in {trace:#}"))
}
