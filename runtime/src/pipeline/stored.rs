//! Tracing into the store, and from there to a server.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::chunk::Source;
use crate::chunk::folder::Folder;
use crate::collector::{Collector, Occasion};
use crate::config::{Config, Destination, StorePlace};
use crate::diagnostics::Diagnostics;
use crate::error::Error;
use crate::fork;
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
/// How often is looked for what other processes left or hand on: a process that has forked expects it of its children.
const CHILDREN_INTERVAL: Duration = Duration::from_secs(1);
const LEGACY_INTERVAL: Duration = Duration::from_secs(30);
/// Taking in stops after so long, and goes on after a cycle.
const TAKE_IN_AT_ONCE: Duration = Duration::from_millis(100);
/// Different problems with that are said at most.
const MOST_SAID: usize = 20;

impl Parts {
    pub(super) fn start(self) -> Result<Running, Error> {
        let store = self.open_store()?;
        let recorder = self.recorder()?;
        let process = ProcessId(next_span_id().to_u64());
        let destination = self.destination();
        super::forked::keep_plan(&self, store.folder());
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
        let source = self.chunk_source(store.folder(), process, destination.as_deref());
        let collector = Collector::new(recorder, Box::new(sink), source);
        let mut heir = Heir { kept: heir, config: self.config.clone(), next: Instant::now(), said: Vec::new() };
        let mut running = self.run(recorder, collector, move |occasion| heir.look(occasion))?;
        running.store = Some(store);
        #[cfg(feature = "mlflow")]
        {
            running.exporter = exporter;
        }
        Ok(running)
    }

    /// The server spans are for.
    pub(super) fn destination(&self) -> Option<String> {
        match &self.config.destination.value {
            Destination::Http(uri) => Some(uri.to_string()),
            _ => None,
        }
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
    pub(super) fn chunk_source(
        &self,
        store: Option<&Path>,
        process: ProcessId,
        destination: Option<&str>,
    ) -> Option<Box<dyn Source>> {
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

/// Takes over from processes that died or were forked, on the collector's thread.
struct Heir {
    kept: Kept,
    config: Arc<Config>,
    /// When to look again.
    next: Instant,
    said: Vec<String>,
}

impl Heir {
    fn look(&mut self, occasion: Occasion) {
        let has_children = fork::has_children();
        let is_due = match occasion {
            Occasion::Start => true,
            // Of its children a program knows when they are done; it expects what they traced to be delivered with its own.
            Occasion::Asked => has_children,
            Occasion::Pause => Instant::now() >= self.next,
        };
        if is_due {
            let pause = if has_children { CHILDREN_INTERVAL } else { LEGACY_INTERVAL };
            // What was handed on comes first, and may be much: the chunks of this process have to be emptied meanwhile.
            let is_done = self.take_in(if occasion == Occasion::Asked { Duration::MAX } else { TAKE_IN_AT_ONCE });
            if is_done {
                self.take_over();
            }
            self.next = Instant::now() + if is_done { pause } else { Duration::ZERO };
        }
        if occasion == Occasion::Start {
            self.kept.wake_exporter();
        }
    }

    /// Takes in what processes that were forked hand on; whether that is all.
    fn take_in(&mut self, at_most: Duration) -> bool {
        match self.kept.store.take_in(None, at_most) {
            Ok(taken) => {
                self.look_at(taken.spans, 0, taken.damaged);
                !taken.is_cut_short
            }
            // Tried again, and said, with what is left of the dead.
            Err(_) => true,
        }
    }

    fn take_over(&mut self) {
        let recovered = super::recover(&self.kept.store, &self.config);
        self.look_at(recovered.spans, recovered.unread_chunks, recovered.unread_batches);
        for problem in recovered.problems {
            self.say_once(format!("spans of another process stay where they are for now: {problem:#}"));
        }
    }

    fn look_at(&self, spans: u64, chunks: u64, files: u64) {
        if chunks > 0 {
            self.kept.diagnostics.say(format!("{chunks} chunks of a process that died could not be read to their end"));
        }
        if files > 0 {
            self.kept.diagnostics.say(format!(
                "{files} files of a process that was forked could not be read to their end, and are put aside in `spool` beside the store"
            ));
        }
        if spans > 0 {
            self.kept.wake_exporter();
        }
    }

    fn say_once(&mut self, line: String) {
        if self.said.len() < MOST_SAID && !self.said.contains(&line) {
            self.kept.diagnostics.say(&line);
            self.said.push(line);
        }
    }
}
