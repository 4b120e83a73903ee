//! Tracing into the store, and from there to a server.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::chunk::Source;
use crate::chunk::folder::Folder;
use crate::collector::{Collector, Occasion};
use crate::config::{ChunkPlace, Config, Destination, Durability, StorePlace};
use crate::diagnostics::Diagnostics;
use crate::error::Error;
use crate::fork;
use crate::id::next_span_id;
use crate::record::{Batch, RecordSink};
use crate::store::{self, Counts, Limits, ProcessId, Salvaged, Store};

use super::recovery::chunk_root;
use super::{Parts, Running};

/// How often old traces are looked for.
const RETENTION_INTERVAL: Duration = Duration::from_secs(600);
/// Removing them stops after so long, and goes on after a pause: the collector has chunks to empty meanwhile.
const SWEEP_AT_ONCE: Duration = Duration::from_millis(100);
const SWEEP_PAUSE: Duration = Duration::from_millis(500);
/// How often evictions are mentioned while they go on; the rest is at the end.
const REMINDER: Duration = Duration::from_secs(30);
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
        let is_durable = self.config.durability.value == Durability::Power && self.make_durable(&store);
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
            next_look: Instant::now(),
            next_remark: Instant::now(),
            evicted: Counts::default(),
            limits: Limits { max_age: self.config.store_max_age.value, max_bytes: self.config.store_max_bytes.value },
            #[cfg(feature = "mlflow")]
            exporter: exporter.clone(),
        };
        let heir = sink.clone();
        let source = self.chunk_source(store.folder(), process, destination.as_deref());
        let collector = Collector::new(recorder, Box::new(sink), source).show_after(self.config.live_after.value);
        let mut heir = Heir { kept: heir, config: self.config.clone(), next: Instant::now(), said: Vec::new() };
        let mut running = self.run(recorder, collector, move |occasion| heir.look(occasion))?;
        running.store = Some(store);
        if is_durable {
            running.store_at_root_ends();
        }
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
        let folder = match &self.config.store.value {
            StorePlace::Off => None,
            StorePlace::At(folder) => Some(folder.clone()),
            StorePlace::Nearest => Some(store::locate(&self.config.working_folder)),
        };
        let Some(folder) = folder else { return Store::in_memory() };
        let store = Store::open(&folder).or_else(|error| {
            self.diagnostics.say(format!(
                "spans are kept in memory until the store can be used, or go with the process: {error:#}"
            ));
            Store::in_memory_until(&folder)
        })?;
        store.notices().iter().for_each(|notice| self.diagnostics.say(notice));
        Ok(store)
    }

    /// Whether commits into the store outlive a loss of power from now on.
    fn make_durable(&self, store: &Store) -> bool {
        match store.outlive_power_loss() {
            Ok(is_on_disk) => is_on_disk,
            Err(error) => {
                self.diagnostics.say(format!("a loss of power may cost spans: {error:#}"));
                false
            }
        }
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

    /// Chunks in files survive the process. Where there can be none, heap chunks serve, and `doctor` says so; the lease alone says
    /// then whether the process lives, so that what it leaves open in the store is closed when it is gone.
    pub(super) fn chunk_source(
        &self,
        store: Option<&Path>,
        process: ProcessId,
        destination: Option<&str>,
    ) -> Option<Arc<dyn Source>> {
        let root = chunk_root(store, &self.config)?;
        let on_heap = || Folder::without_chunks(&root, process.0, destination);
        let folder = match self.config.chunks.value {
            ChunkPlace::Heap => on_heap(),
            _ => Folder::create(&root, process.0, destination).or_else(|_| on_heap()),
        };
        Some(Arc::new(folder.ok()?))
    }
}

impl Running {
    /// The last word on a store: what has happened to it, and what could be kept in memory only.
    pub(super) fn take_leave(&self) {
        let Some(store) = &self.store else { return };
        let left = store.settle();
        store.take_news().iter().for_each(|news| self.diagnostics.say(news));
        #[cfg(feature = "mlflow")]
        let delivers = self.exporter.is_some();
        #[cfg(not(feature = "mlflow"))]
        let delivers = false;
        // Who wants them in memory and nowhere else knows.
        let is_wanted = self.config.store.value == StorePlace::Off && !delivers;
        if let (Ok(left @ 1..), false) = (left, is_wanted) {
            self.diagnostics.say(format!("{left} spans were kept in memory only and go with the process"));
        }
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
    /// The byte limit is looked at more often: a program at full speed reaches it between two sweeps.
    next_look: Instant,
    next_remark: Instant,
    /// Given up for space, and not said yet.
    evicted: Counts,
    limits: Limits,
    #[cfg(feature = "mlflow")]
    exporter: Option<Arc<crate::export::Exporter>>,
}

impl RecordSink for Kept {
    fn append(&mut self, batch: &Batch) -> Result<(), Error> {
        let appended = self.store.append(batch, self.process, self.destination.as_deref());
        self.store.take_news().iter().for_each(|news| self.diagnostics.say(news));
        appended?;
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
        let now = Instant::now();
        let is_full = now >= self.next_look && self.store.used_bytes().is_ok_and(|used| used > self.limits.max_bytes);
        if now < self.next_sweep && !is_full {
            return;
        }
        let swept = self.store.sweep_for(self.limits, SWEEP_AT_ONCE);
        let is_done = swept.as_ref().map_or(true, |(_, is_done)| *is_done);
        self.next_look = Instant::now() + SWEEP_PAUSE;
        self.next_sweep = Instant::now() + if is_done { RETENTION_INTERVAL } else { SWEEP_PAUSE };
        match swept {
            Ok((evicted, _)) => {
                self.evicted += evicted.undelivered;
                if is_done && now >= self.next_remark && self.say_evicted() {
                    self.next_remark = now + REMINDER;
                }
            }
            Err(error) => self.diagnostics.say(format!("cannot remove old traces from the store: {error:#}")),
        }
    }

    /// Says what has been given up since this was last said; false if that is nothing.
    fn say_evicted(&mut self) -> bool {
        let Counts { traces, spans } = std::mem::take(&mut self.evicted);
        if traces > 0 {
            self.diagnostics.say(format!(
                "{traces} undelivered traces with {spans} spans were evicted: the store is above its limit of {} bytes; \
                 deliver with `spanwright push` or raise the limit",
                self.limits.max_bytes,
            ));
        }
        traces > 0
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.say_evicted();
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
        self.look_at_salvaged(recovered.salvaged);
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

    fn look_at_salvaged(&self, salvaged: Salvaged) {
        if salvaged.files == 0 {
            return;
        }
        let mut line = format!("{} undelivered spans of a damaged store were taken over", salvaged.spans);
        if salvaged.unreadable > 0 {
            line.push_str(&format!("; {} cannot be read any more", salvaged.unreadable));
        }
        if salvaged.unopened > 0 {
            line.push_str("; its file cannot be opened at all");
        }
        self.kept.diagnostics.say(line);
        self.kept.wake_exporter();
    }

    fn say_once(&mut self, line: String) {
        if self.said.len() < MOST_SAID && !self.said.contains(&line) {
            self.kept.diagnostics.say(&line);
            self.said.push(line);
        }
    }
}
