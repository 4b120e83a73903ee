//! Tracing in a process that was forked, without exec, from one that traces.
//!
//! Nothing of the parent's pipeline works in it: its threads are not there, its locks may be held for ever, its store cannot be used
//! (see [`crate::store`]). The child has a recorder, a chunk folder and a collector of its own, which appends beside the store. They are
//! made by its first span or by its own `init`, whichever is first; a child that does not trace pays for nothing but a few stores.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use crate::chunk::Chunks;
use crate::clock;
use crate::collector::Collector;
use crate::error::{Error, Kind};
use crate::fork::{self, Once};
use crate::id;
use crate::record::RecordSink;
use crate::recorder::{self, TakeUp};

use super::{Guard, Parts, Running, already_installed};

/// What this process traces with, if it was forked.
static HERE: Once<Here> = Once::empty();

struct Here {
    running: Arc<Running>,
    /// A guard of this process answers for it.
    is_owned: AtomicBool,
}

static START_OVER: fn() = start_over;
static TAKE_UP: TakeUp = take_up;

/// Before anything is started: from now on a child can trace.
pub(super) fn prepare() {
    // Read once, as no other thread may be half way through its first reading when the process forks.
    clock::now_unix_ns();
    recorder::take_up_with(&TAKE_UP);
    fork::in_child(&START_OVER);
}

fn start_over() {
    HERE.take();
    Chunks::start_over();
    id::start_over();
    clock::start_over();
    recorder::start_over();
}

/// What this process, which was forked, traces with.
pub(super) fn running() -> Option<&'static Arc<Running>> {
    HERE.get().map(|here| &here.running)
}

/// A guard for what a first span started before there was one; its settings are the parent's.
pub(super) fn adopt() -> Option<Guard> {
    let here = HERE.get().filter(|here| !here.is_owned.swap(true, Ordering::Relaxed))?;
    Some(Guard { running: Some(here.running.clone()) })
}

/// The copy of the parent's guard goes: what it would have ended, unless a guard of this process answers for that.
pub(super) fn leave() -> Option<Arc<Running>> {
    recorder::leave_inherited();
    adopt().and_then(|mut guard| guard.running.take())
}

/// Starts tracing for a guard of this process.
pub(super) fn install(parts: Parts, sink: Option<Box<dyn RecordSink>>) -> Result<Guard, Error> {
    let running = match sink {
        Some(sink) => parts.start_forked_with(sink)?,
        None => parts.start_forked()?,
    };
    match start(running, true) {
        Some(here) => Ok(Guard { running: Some(here.running.clone()) }),
        None => adopt().ok_or_else(already_installed),
    }
}

/// Starts tracing for the first span of this process; false if its spans have nowhere to go.
fn take_up() -> bool {
    let Some(plan) = PLAN.get() else { return false };
    let parts = plan.parts.clone();
    match parts.start_like(plan) {
        Ok(running) => {
            start(running, false);
            true
        }
        Err(error) => {
            plan.parts.diagnostics.say(format!("nothing is traced in a process that was forked: {error:#}"));
            false
        }
    }
}

/// Makes `running` what this process traces with; `None`, and its end, if something else is.
fn start(running: Running, is_owned: bool) -> Option<&'static Here> {
    let here: &Here = Box::leak(Box::new(Here { running: Arc::new(running), is_owned: is_owned.into() }));
    let is_first = HERE.put(here);
    // Whoever comes second finds it installed.
    if let Some(first) = HERE.get() {
        first.running.recorder.install();
    }
    if is_first {
        return Some(here);
    }
    here.running.recorder.stop();
    here.running.collector.close(Instant::now());
    None
}

/// What the first span of a child starts with.
struct Plan {
    parts: Parts,
    /// The folder of the store; `None` in memory, and where a sink takes all.
    store: Option<PathBuf>,
}

static PLAN: Once<Plan> = Once::empty();

/// Keeps what a child will need.
pub(super) fn keep_plan(parts: &Parts, store: Option<&Path>) {
    // That of the parent, in a child with an `init` of its own.
    PLAN.take();
    PLAN.put(Box::leak(Box::new(Plan { parts: parts.clone(), store: store.map(Path::to_owned) })));
}

impl Parts {
    fn start_forked_with(self, sink: Box<dyn RecordSink>) -> Result<Running, Error> {
        keep_plan(&self, None);
        let recorder = self.new_recorder();
        self.run(recorder, Collector::new(recorder, sink, None), |_| ())
    }

    fn start_like(self, plan: &Plan) -> Result<Running, Error> {
        match &plan.store {
            #[cfg(feature = "store")]
            Some(store) => self.start_beside(store),
            _ => Err(nowhere()),
        }
    }

    #[cfg(not(feature = "store"))]
    fn start_forked(self) -> Result<Running, Error> {
        Err(nowhere())
    }
}

fn nowhere() -> Error {
    let advice = "it keeps its spans beside a store on disk, or in the `sink` of a builder of its own";
    Error::new(Kind::State, format!("start tracing in a process that was forked: {advice}"))
}

#[cfg(feature = "store")]
mod beside {
    use std::path::Path;

    use crate::collector::Collector;
    use crate::config::{Durability, StorePlace};
    use crate::diagnostics::Diagnostics;
    use crate::error::Error;
    use crate::id::next_span_id;
    use crate::record::{Batch, RecordSink};
    use crate::store::spool::Spool;
    use crate::store::{self, ProcessId};

    use super::super::{Parts, Running};

    impl Parts {
        pub(super) fn start_forked(self) -> Result<Running, Error> {
            let store = match &self.config.store.value {
                StorePlace::Off => return Err(super::nowhere()),
                StorePlace::At(folder) => folder.clone(),
                StorePlace::Nearest => store::locate(&self.config.working_folder),
            };
            super::keep_plan(&self, Some(&store));
            self.start_beside(&store)
        }

        /// Starts a collector that appends beside the store in the folder `store`. Its first chunk is a file already: a child that
        /// leaves by `_exit` a moment later has lost nothing.
        pub(super) fn start_beside(self, store: &Path) -> Result<Running, Error> {
            let process = ProcessId(next_span_id().to_u64());
            let destination = self.destination();
            let hands_on = destination.is_some();
            let is_durable = self.config.durability.value == Durability::Power;
            let mut spool = Spool::beside(store, process, destination.clone(), self.config.store_max_bytes.value)?;
            if is_durable {
                spool.outlive_power_loss();
            }
            let recorder = self.new_recorder();
            let source = self.chunk_source(Some(store), process, destination.as_deref());
            let sink = HandedOn { spool, hands_on, diagnostics: self.diagnostics.clone(), is_said: false };
            let collector = Collector::new(recorder, Box::new(sink), source);
            let mut running = self.run(recorder, collector, |_| ())?;
            running.hands_on = hands_on;
            if is_durable {
                running.store_at_root_ends();
            }
            Ok(running)
        }
    }

    /// The sink of a process that was forked: another process brings what is in it into the store.
    struct HandedOn {
        spool: Spool,
        /// Whether it is for a server.
        hands_on: bool,
        diagnostics: Diagnostics,
        is_said: bool,
    }

    impl RecordSink for HandedOn {
        fn append(&mut self, batch: &Batch) -> Result<(), Error> {
            if self.hands_on && !self.is_said && self.spool.is_left_alone() {
                self.is_said = true;
                self.diagnostics.say(format!(
                    "this process was forked and cannot deliver, and nobody delivers for it: spans are kept in {}, deliver them with \
                     `spanwright push`, and call `spanwright::init` after a daemon has forked",
                    self.spool.folder().display()
                ));
            }
            self.spool.append(batch)
        }
    }
}
