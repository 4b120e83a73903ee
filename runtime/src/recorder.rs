//! Where the records of a span go, and how much of its values is captured.
//!
//! A program has one recorder, put in place by `init`; each scoped test has its own. A span keeps to the recorder of its trace,
//! wherever its task or thread runs.
//!
//! A process that was forked disowns the recorder of its parent: what its parent has open, its parent ends. Its own spans go to a recorder
//! of its own, which its first span [takes up](take_up), also where they are children of the parent's.

mod discretion;
mod roots;

use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use crate::capture::Policy;
use crate::chunk::Chunks;
use crate::config::{Config, Overrides};
use crate::contain::contained;
use crate::diagnostics::Diagnostics;
use crate::fork::Once;
use crate::id::{Share, SpanId, TraceId};
pub(crate) use discretion::Discretion;
use discretion::Pair;
use roots::Roots;

/// Chunks and the policy of filling them. Recorders are never freed: spans of any thread may still point at one.
#[derive(Debug)]
pub(crate) struct Recorder {
    /// From 1; 0 once it is disowned.
    number: AtomicU64,
    chunks: &'static Chunks,
    policy: Policy,
    /// Which traces are kept.
    share: Share,
    accepting: AtomicBool,
    at_root_end: OnceLock<RootEnd>,
    /// This one and the other that shares its chunks, if some spans keep content out and some do not.
    pair: Option<&'static Pair>,
}

/// In the number of the second recorder of a pair, which no callsite starts its spans the short way for.
const SECOND: u64 = 1 << 60;

/// What is done before the end of a root returns.
struct RootEnd {
    roots: Roots,
    /// Nothing of the program is in it, that a panic could leave half done.
    act: AssertUnwindSafe<Arc<dyn Fn() + Send + Sync>>,
}

impl fmt::Debug for RootEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RootEnd").field("roots", &self.roots).finish_non_exhaustive()
    }
}

impl RootEnd {
    #[cold]
    fn look_at(&self, span: SpanId) {
        if self.roots.take(span.to_u64()) {
            (self.act.0)();
        }
    }
}

static NEXT_NUMBER: AtomicU64 = AtomicU64::new(1);
/// How many recorders take spans: while it is 0, starting a span is one relaxed load.
static ACTIVE: AtomicU32 = AtomicU32::new(0);
static INSTALLED: Once<Recorder> = Once::empty();
/// The one the parent of this process had installed, until there is one of this process.
static INHERITED: Once<Recorder> = Once::empty();
/// Installs a recorder of this process.
static TAKE_UP: Once<TakeUp> = Once::empty();

/// Installs a recorder that goes on where the parent's left off; `false` if that cannot be.
pub(crate) type TakeUp = fn() -> bool;

impl Recorder {
    /// A recorder that takes spans from now on, keeping the share `ratio` of all traces.
    pub(crate) fn start(chunks: Chunks, policy: Policy, ratio: f64) -> &'static Self {
        let chunks = Box::leak(Box::new(chunks));
        ACTIVE.fetch_add(1, Ordering::Relaxed);
        Self::numbered(NEXT_NUMBER.fetch_add(1, Ordering::Relaxed), chunks, policy, ratio, None)
    }

    /// The same, of which some or all spans keep content out.
    pub(crate) fn start_with(chunks: Chunks, policy: Policy, ratio: f64, discretion: Discretion) -> &'static Self {
        let usual = discretion.usual;
        if discretion.named.is_empty() {
            return Self::start(chunks, if usual { policy.discreet() } else { policy }, ratio);
        }
        let chunks: &'static Chunks = Box::leak(Box::new(chunks));
        ACTIVE.fetch_add(1, Ordering::Relaxed);
        let number = NEXT_NUMBER.fetch_add(1, Ordering::Relaxed);
        let pair = Pair::new(discretion);
        let discreet = policy.clone().discreet();
        let (first, second) = if usual { (discreet, policy) } else { (policy, discreet) };
        let first = Self::numbered(number, chunks, first, ratio, Some(pair));
        pair.set(first, Self::numbered(number | SECOND, chunks, second, ratio, Some(pair)));
        first
    }

    fn numbered(
        number: u64,
        chunks: &'static Chunks,
        policy: Policy,
        ratio: f64,
        pair: Option<&'static Pair>,
    ) -> &'static Self {
        Box::leak(Box::new(Self {
            number: AtomicU64::new(number),
            chunks,
            policy,
            share: Share::of(ratio),
            accepting: AtomicBool::new(true),
            at_root_end: OnceLock::new(),
            pair,
        }))
    }

    /// Makes this the recorder of the program; false if there is one already.
    pub(crate) fn install(&'static self) -> bool {
        let is_first = INSTALLED.put(self);
        if is_first {
            leave_inherited();
        }
        is_first
    }

    /// Leaves it to the process this one was forked from.
    fn disown(&self) {
        self.both().for_each(|recorder| recorder.number.store(0, Ordering::Relaxed));
        self.chunks.disown();
    }

    /// Whether it is not the recorder of a process this one was forked from.
    #[inline]
    pub(crate) fn is_ours(&self) -> bool {
        self.number() != 0
    }

    /// This recorder, or in its place the one of this process.
    #[inline]
    pub(crate) fn ours(&'static self) -> Option<&'static Self> {
        if self.is_ours() { Some(self) } else { self.successor() }
    }

    /// The one of this process, in place of one of the process this one was forked from.
    #[cold]
    fn successor(&self) -> Option<&'static Self> {
        installed().map(|recorder| recorder.keeping_out(self.policy.discreet))
    }

    /// Takes no new span; those that are open still write their end.
    pub(crate) fn stop(&self) {
        let were_accepting = self.both().filter(|recorder| recorder.accepting.swap(false, Ordering::Relaxed)).count();
        if were_accepting > 0 {
            ACTIVE.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// The number of this recorder in its process.
    #[inline]
    pub(crate) fn number(&self) -> u64 {
        self.number.load(Ordering::Relaxed)
    }

    #[inline]
    pub(crate) fn chunks(&self) -> &'static Chunks {
        self.chunks
    }

    #[inline]
    pub(crate) fn policy(&self) -> &Policy {
        &self.policy
    }

    #[inline]
    pub(crate) fn is_accepting(&self) -> bool {
        self.accepting.load(Ordering::Relaxed)
    }

    /// From now on `act` is run before the end of a root returns to the program.
    #[cfg_attr(not(feature = "store"), expect(dead_code, reason = "there is nothing to wait for"))]
    pub(crate) fn before_a_root_returns(&self, act: impl Fn() + Send + Sync + 'static) {
        // What panics in it is none of the program's.
        let act: Arc<dyn Fn() + Send + Sync> = Arc::new(move || _ = contained(&act));
        for recorder in self.both() {
            let act = AssertUnwindSafe(act.clone());
            let _ = recorder.at_root_end.set(RootEnd { roots: Roots::default(), act });
        }
    }

    /// A root has begun.
    #[inline]
    pub(crate) fn began_root(&self, span: SpanId) {
        if let Some(at_root_end) = self.at_root_end.get() {
            at_root_end.roots.add(span.to_u64());
        }
    }

    /// A span has ended: written, and not yet returned to the program.
    #[inline]
    pub(crate) fn ended(&self, span: SpanId) {
        if let Some(at_root_end) = self.at_root_end.get()
            && self.is_ours()
        {
            at_root_end.look_at(span);
        }
    }

    /// Whether the trace is kept.
    #[inline]
    pub(crate) fn keeps(&self, trace: TraceId) -> bool {
        self.share.has(trace)
    }
}

/// Whether any recorder takes spans. Built with `--cfg spanwright_off`, never: the compiler drops everything behind it.
#[inline]
pub(crate) fn any() -> bool {
    !cfg!(spanwright_off) && ACTIVE.load(Ordering::Relaxed) != 0
}

/// The recorder of the program. A process that was forked from one that traces takes one up.
#[inline]
pub(crate) fn installed() -> Option<&'static Recorder> {
    INSTALLED.get().or_else(take_up)
}

/// Whether there is a recorder of this process.
pub(crate) fn is_installed() -> bool {
    INSTALLED.get().is_some()
}

/// Says how a process that was forked gets its recorder.
pub(crate) fn take_up_with(take_up: &'static TakeUp) {
    TAKE_UP.put(take_up);
}

#[cold]
#[inline(never)]
fn take_up() -> Option<&'static Recorder> {
    if INHERITED.get().is_some() && !TAKE_UP.get().is_some_and(|take_up| take_up()) {
        leave_inherited();
    }
    // Also if another thread was faster.
    INSTALLED.get()
}

/// In the only thread of a process that was just forked.
pub(crate) fn start_over() {
    let Some(recorder) = INSTALLED.take() else { return };
    recorder.disown();
    if recorder.is_accepting() {
        INHERITED.put(recorder);
    }
}

/// The parent's recorder needs no successor, or has it.
pub(crate) fn leave_inherited() {
    if let Some(recorder) = INHERITED.take() {
        settle_for_nothing();
        recorder.stop();
    }
}

/// Whether it has been settled that no recorder is there: said, or on purpose.
static SETTLED: AtomicBool = AtomicBool::new(false);

/// Tracing is off on purpose.
pub(crate) fn settle_for_nothing() {
    SETTLED.store(true, Ordering::Relaxed);
}

/// A span starts and no recorder takes it. In a debug build, the first time, somebody probably forgot something.
#[inline]
pub(crate) fn nothing_installed() {
    if cfg!(debug_assertions) && !cfg!(spanwright_off) && !SETTLED.load(Ordering::Relaxed) {
        say_nothing_installed();
    }
}

#[cold]
#[inline(never)]
fn say_nothing_installed() {
    if is_installed() || SETTLED.swap(true, Ordering::Relaxed) {
        return;
    }
    let (config, _) = Config::of_process(Overrides::default());
    if config.log.value && !config.disabled.value {
        Diagnostics::stderr().say(
            "an annotated function ran and nothing is installed; put `let _guard = spanwright::init();` first in `main` \
             (debug builds say this once)",
        );
    }
}
