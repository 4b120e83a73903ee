//! Executions: what a workflow or a scheduled job does from its start to its end, under one identity.
//!
//! In: that such a span began or ended. Out: which execution a trace is in, for whoever measures it. An execution is known by its
//! trace, which travels to threads, tasks and other processes already, so that a span carries nothing for it. The first workflow of a
//! trace in this process is its execution; workflows below it belong to it.
//!
//! Nothing here waits: what is held by another thread at that very moment is passed over by a span, and asked for again by
//! [`look`]. Up to [`PLACES`] executions can be open at once; what is beyond has no tracker. What has ended is known until its place is
//! needed.

pub(crate) mod budget;

use std::any::Any;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, TryLockError};

use crate::callsite::Callsite;
use crate::id::{SpanId, TraceId};
use crate::recorder::Recorder;

const PLACES: usize = 2048;
/// Places in which an execution may stand.
const REACH: usize = 16;
/// How often is asked for what another thread holds: it holds it for the time of a copy.
const TRIES: u32 = 1000;

/// Which agent runs, in which version, on which model: what a measurement is attributed to.
///
/// ```
/// use spanwright::AgentConfig;
///
/// let config = AgentConfig { model: "gpt-4o".into(), provider: "openai".into(), ..AgentConfig::new("support-agent") };
/// let tracker = config.create_tracker("ann");
/// assert_eq!((tracker.track_data().config_key, tracker.track_data().version), ("support-agent", 1));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentConfig {
    /// Names the agent.
    pub key: String,
    /// Which variation of it is served; empty if there are none.
    pub variation: String,
    /// Version of the configuration; 1 unless said otherwise.
    pub version: i64,
    /// The model it runs on, as its provider names it.
    pub model: String,
    /// The model's provider.
    pub provider: String,
    /// Whether the agent is to be used. It is tracked all the same: whoever asks decides.
    pub enabled: bool,
    /// The configuration of the model, where that has a key of its own; empty if not.
    pub model_key: String,
    /// Version of the model's configuration.
    pub model_version: Option<i64>,
    /// The graph the agent is a node of.
    pub graph_key: Option<String>,
}

impl AgentConfig {
    /// Version 1 of an agent that is enabled and says nothing of its model.
    pub fn new(key: impl Into<String>) -> Self {
        Self { key: key.into(), ..Self::default() }
    }
}

impl Default for AgentConfig {
    fn default() -> Self {
        Self {
            key: String::new(),
            variation: String::new(),
            version: 1,
            model: String::new(),
            provider: String::new(),
            enabled: true,
            model_key: String::new(),
            model_version: None,
            graph_key: None,
        }
    }
}

/// What measures an execution.
pub(crate) trait Measure: Send + Sync {
    /// The span of the execution is about to end: the last moment to say something on it.
    fn ending(&self);

    /// The same as what it is.
    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync>;
}

/// One execution, as the span that began it describes it.
#[derive(Clone)]
pub(crate) struct Execution {
    pub(crate) trace: TraceId,
    pub(crate) span: SpanId,
    pub(crate) recorder: &'static Recorder,
    pub(crate) site: &'static Callsite,
    /// Whether its span is the root of the trace, which says its run id by itself.
    pub(crate) is_root: bool,
    /// What the attribute says it runs as.
    pub(crate) config: Option<Arc<AgentConfig>>,
    /// What measures it, once somebody has asked for that.
    pub(crate) tracker: Option<Arc<dyn Measure>>,
    /// What it may cost.
    pub(crate) budget: Option<Arc<budget::State>>,
    place: &'static Place,
}

impl Execution {
    /// Whether its span has not ended.
    pub(crate) fn is_open(&self) -> bool {
        self.place.open.load(Ordering::Acquire) == self.span.to_u64()
    }

    /// The same, as its own tracker knows it.
    pub(crate) fn untracked(&self) -> Self {
        Self { tracker: None, ..self.clone() }
    }

    /// What it runs as where nobody says: the id of its declared span, else its function's name.
    pub(crate) fn default_config(&self) -> AgentConfig {
        AgentConfig::new(self.site.declared.map_or(self.site.name, |span| span.id))
    }
}

impl fmt::Debug for Execution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Execution").field("trace", &self.trace).field("span", &self.span).finish_non_exhaustive()
    }
}

/// Where one execution stands.
struct Place {
    /// Which traces it may be of; 0 before the first.
    key: AtomicU64,
    /// Its span while that is open; 0 otherwise.
    open: AtomicU64,
    /// Whether somebody measures it, so that the end of one that nobody measures asks no more.
    is_tracked: AtomicBool,
    held: Mutex<Option<Execution>>,
}

static ALL: LazyLock<Box<[Place]>> = LazyLock::new(|| {
    let place = || Place {
        key: AtomicU64::new(0),
        open: AtomicU64::new(0),
        is_tracked: AtomicBool::new(false),
        held: Mutex::new(None),
    };
    (0..PLACES).map(|_| place()).collect()
});

/// Makes the places, ahead of the first workflow, and of a fork that could meet them half made.
pub(crate) fn prepare() {
    LazyLock::force(&ALL);
}

fn key_of(trace: TraceId) -> u64 {
    let (high, low) = trace.halves();
    (high.rotate_left(32) ^ low) | 1
}

fn places(key: u64) -> impl Iterator<Item = &'static Place> {
    let first = (key >> 1) as usize % PLACES;
    (first..first + REACH).filter_map(|place| ALL.get(place % PLACES))
}

impl Place {
    fn try_hold(&self) -> Option<MutexGuard<'_, Option<Execution>>> {
        match self.held.try_lock() {
            Ok(held) => Some(held),
            // Nothing of what is done while it is held can panic half way.
            Err(TryLockError::Poisoned(held)) => Some(held.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// Reads or changes what stands here.
    fn change<R>(&self, execution: &mut Execution, with: impl FnOnce(&mut Execution) -> R) -> R {
        let result = with(execution);
        self.is_tracked.store(execution.tracker.is_some(), Ordering::Release);
        result
    }

    #[cold]
    fn tell_tracker(&self) {
        let tracker = (0..TRIES).find_map(|_| self.try_hold()).and_then(|held| held.as_ref()?.tracker.clone());
        if let Some(tracker) = tracker {
            tracker.ending();
        }
    }

    fn hold_soon(&self) -> Option<MutexGuard<'_, Option<Execution>>> {
        (0..TRIES).find_map(|tries| {
            let held = self.try_hold();
            if held.is_none() && tries % 16 == 15 {
                std::thread::yield_now();
            }
            held
        })
    }
}

/// A workflow began: the root of its trace, or below something else. Only the first of a trace counts.
#[inline(never)]
pub(crate) fn began(trace: TraceId, span: SpanId, is_root: bool, recorder: &'static Recorder, site: &'static Callsite) {
    let key = key_of(trace);
    let is_known = |place: &Place| {
        place.key.load(Ordering::Acquire) == key
            && place.open.load(Ordering::Acquire) != 0
            && place.try_hold().is_some_and(|held| held.as_ref().is_some_and(|known| known.trace == trace))
    };
    if !is_root && places(key).any(is_known) {
        return;
    }
    for place in places(key) {
        if place.open.load(Ordering::Acquire) != 0 {
            continue;
        }
        let Some(mut held) = place.try_hold() else { continue };
        if place.open.load(Ordering::Acquire) == 0 {
            let former = held.replace(Execution {
                trace,
                span,
                recorder,
                site,
                is_root,
                config: None,
                tracker: None,
                budget: None,
                place,
            });
            place.is_tracked.store(false, Ordering::Relaxed);
            place.key.store(key, Ordering::Release);
            place.open.store(span.to_u64(), Ordering::Release);
            drop(held);
            drop(former);
            return;
        }
    }
}

/// The span of a workflow is about to end.
#[inline(never)]
pub(crate) fn ended(trace: TraceId, span: SpanId) {
    let is_its = |place: &&Place| place.open.load(Ordering::Relaxed) == span.to_u64();
    if let Some(place) = places(key_of(trace)).find(is_its) {
        if place.is_tracked.load(Ordering::Acquire) {
            place.tell_tracker();
        }
        place.open.store(0, Ordering::Release);
    }
}

/// Reads or changes the execution of a trace; `None` if there is none. One that is open comes before one that has ended.
pub(crate) fn look<R>(trace: TraceId, with: impl FnOnce(&mut Execution) -> R) -> Option<R> {
    let key = key_of(trace);
    let mut ended = None;
    for place in places(key).filter(|place| place.key.load(Ordering::Acquire) == key) {
        let Some(mut held) = place.hold_soon() else { continue };
        let Some(execution) = held.as_mut().filter(|known| known.trace == trace) else { continue };
        if execution.is_open() {
            return Some(place.change(execution, with));
        }
        ended = ended.or(Some(place));
    }
    let place = ended?;
    let mut held = place.hold_soon()?;
    held.as_mut().filter(|known| known.trace == trace).map(|execution| place.change(execution, with))
}

/// What the attribute of a workflow says it runs as. Nothing, where the workflow belongs to another one's execution.
pub(crate) fn configure(trace: TraceId, span: SpanId, config: &AgentConfig) {
    look(trace, |execution| {
        if execution.span == span {
            execution.config = Some(Arc::new(config.clone()));
        }
    });
}

/// What the attribute of a workflow lets it cost. Nothing, where the workflow belongs to another one's execution.
pub(crate) fn limit(trace: TraceId, span: SpanId, set: impl FnOnce(&budget::State)) {
    look(trace, |execution| {
        if execution.span == span {
            set(execution.budget.get_or_insert_default());
        }
    });
}
