//! Tracing into the store, and from there to a server.

#[cfg(feature = "mlflow")]
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::chunk::Source;
use crate::chunk::folder::Folder;
use crate::collector::Collector;
use crate::config::{Config, Destination, StorePlace};
use crate::diagnostics::Diagnostics;
use crate::error::Error;
use crate::id::next_span_id;
use crate::record::{Batch, RecordSink};
use crate::store::{self, Counts, Limits, ProcessId, Store};

use super::recovery::chunk_root;
use super::{Parts, Running};

/// How often old traces are looked for.
const RETENTION_INTERVAL: Duration = Duration::from_secs(600);
/// Removing them stops after so long, and goes on after a pause: the collector has chunks to empty meanwhile.
const SWEEP_AT_ONCE: Duration = Duration::from_millis(100);
const SWEEP_PAUSE: Duration = Duration::from_millis(500);

impl Parts {
    pub(super) fn start(self) -> Result<Running, Error> {
        let store = self.open_store()?;
        let recorder = self.recorder()?;
        let process = ProcessId(next_span_id().to_u64());
        let destination = match &self.config.destination.value {
            Destination::Http(uri) => Some(uri.to_string()),
            _ => None,
        };
        #[cfg(feature = "mlflow")]
        let exporter = self.start_exporter(&store);
        let sink = Kept {
            store: store.clone(),
            process,
            destination: destination.clone(),
            diagnostics: self.diagnostics.clone(),
            next_sweep: Instant::now(),
            evicted: Counts::default(),
            limits: Limits { max_age: self.config.store_max_age.value, max_bytes: self.config.store_max_bytes.value },
            #[cfg(feature = "mlflow")]
            exporter: exporter.clone(),
        };
        let heir = sink.clone();
        let source = self.chunk_source(&store, process, destination.as_deref());
        let collector = Collector::new(recorder, Box::new(sink), source).show_after(self.config.live_after.value);
        let config = self.config.clone();
        let mut running = self.run(recorder, collector, move || {
            take_over(&heir, &config);
        })?;
        running.store = Some(store);
        #[cfg(feature = "mlflow")]
        {
            running.exporter = exporter;
        }
        Ok(running)
    }

    /// The configured store, or memory if it cannot be opened.
    fn open_store(&self) -> Result<Store, Error> {
        let opened = match &self.config.store.value {
            StorePlace::Off => Store::in_memory(),
            StorePlace::At(folder) => Store::open(folder),
            StorePlace::Nearest => Store::open(&store::locate(&self.config.working_folder)),
        };
        let store = opened.or_else(|error| {
            self.diagnostics.say(format!("spans are kept in memory only, and go with the process: {error:#}"));
            Store::in_memory()
        })?;
        store.notices().iter().for_each(|notice| self.diagnostics.say(notice));
        Ok(store)
    }

    #[cfg(feature = "mlflow")]
    fn start_exporter(&self, store: &Store) -> Option<Arc<crate::export::Exporter>> {
        let Destination::Http(_) = self.config.destination.value else { return None };
        match crate::export::Exporter::start(store.clone(), &self.config, self.diagnostics.clone()) {
            Ok(exporter) => Some(Arc::new(exporter)),
            Err(error) => {
                self.diagnostics
                    .say(format!("nothing is delivered by this process, spans stay in the store: {error:#}"));
                None
            }
        }
    }

    /// Chunks in files survive the process. Where there can be none, heap chunks serve, and `doctor` says so.
    fn chunk_source(&self, store: &Store, process: ProcessId, destination: Option<&str>) -> Option<Box<dyn Source>> {
        let root = chunk_root(store, &self.config)?;
        let folder = Folder::create(&root, process.0, destination).ok()?;
        Some(Box::new(folder))
    }
}

/// The sink of a program: the store, then a word to the exporter.
#[derive(Clone)]
struct Kept {
    store: Store,
    process: ProcessId,
    destination: Option<String>,
    diagnostics: Diagnostics,
    next_sweep: Instant,
    /// Given up for space, and not said yet.
    evicted: Counts,
    limits: Limits,
    #[cfg(feature = "mlflow")]
    exporter: Option<Arc<crate::export::Exporter>>,
}

impl RecordSink for Kept {
    fn append(&mut self, batch: &Batch) -> Result<(), Error> {
        self.store.append(batch, self.process, self.destination.as_deref())?;
        self.wake_exporter();
        self.remove_old();
        Ok(())
    }
}

impl Kept {
    fn wake_exporter(&self) {
        #[cfg(feature = "mlflow")]
        if let Some(exporter) = &self.exporter {
            exporter.wake();
        }
    }

    fn remove_old(&mut self) {
        if Instant::now() < self.next_sweep {
            return;
        }
        let swept = self.store.sweep_for(self.limits, SWEEP_AT_ONCE);
        let is_done = swept.as_ref().map_or(true, |(_, is_done)| *is_done);
        self.next_sweep = Instant::now() + if is_done { RETENTION_INTERVAL } else { SWEEP_PAUSE };
        match swept {
            Ok((evicted, _)) => {
                self.evicted += evicted.undelivered;
                if is_done && self.evicted.traces > 0 {
                    let Counts { traces, spans } = std::mem::take(&mut self.evicted);
                    self.diagnostics.say(format!(
                        "{traces} undelivered traces with {spans} spans were evicted: the store is above its limit of {} bytes; \
                         deliver with `spanwright push` or raise the limit",
                        self.limits.max_bytes,
                    ));
                }
            }
            Err(error) => self.diagnostics.say(format!("cannot remove old traces from the store: {error:#}")),
        }
    }
}

/// Takes over from processes that died, on the collector's thread, before it does anything else.
fn take_over(heir: &Kept, config: &Config) {
    let recovered = super::recover(&heir.store, config);
    if recovered.unread_chunks > 0 {
        let chunks = recovered.unread_chunks;
        heir.diagnostics.say(format!("{chunks} chunks of a process that died could not be read to their end"));
    }
    for problem in recovered.problems {
        heir.diagnostics.say(format!("spans of a process that died stay in its chunks for now: {problem:#}"));
    }
    heir.wake_exporter();
}
