//! Which spans keep content out, where not all do alike.
//!
//! Two recorders share the chunks: one lets content in, one keeps it out. A span has the recorder of the span above it, unless its callsite has a
//! word of its own, so what is below a span that keeps content out keeps it out too, on whichever thread or task, and nothing else has to
//! ask. What a callsite says of itself is found out once, by its name.

use std::collections::HashMap;
use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use super::Recorder;
use crate::callsite::{Callsite, Word};
use crate::id::TraceId;

/// Traces of which errors are not told. Beyond so many that is forgotten of the oldest.
const TRACES: usize = 4096;

/// Which spans keep content out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Discretion {
    /// Those that no name is given for.
    pub(crate) usual: bool,
    /// Those of a name, and what is below them.
    pub(crate) named: HashMap<String, bool>,
}

impl Discretion {
    /// By its display name, else the function's, else the id of its declared span.
    fn of(&self, site: &Callsite) -> Word {
        let names = [Some(site.name), Some(site.function), site.declared.map(|span| span.id)];
        match names.into_iter().flatten().find_map(|name| self.named.get(name)) {
            None => Word::None,
            Some(false) => Word::LetsIn,
            Some(true) => Word::KeepsOut,
        }
    }
}

/// Two recorders that differ in whether they keep content out.
pub(super) struct Pair {
    discretion: Discretion,
    first: OnceLock<&'static Recorder>,
    second: OnceLock<&'static Recorder>,
    /// Lower halves of the ids of traces in which something failed that keeps content out.
    failed: Box<[AtomicU64]>,
    next: AtomicUsize,
}

impl Pair {
    pub(super) fn new(discretion: Discretion) -> &'static Self {
        Box::leak(Box::new(Self {
            discretion,
            first: OnceLock::new(),
            second: OnceLock::new(),
            failed: (0..TRACES).map(|_| AtomicU64::new(0)).collect(),
            next: AtomicUsize::new(0),
        }))
    }

    /// Both, the one that is installed first.
    pub(super) fn set(&self, first: &'static Recorder, second: &'static Recorder) {
        let _ = self.first.set(first);
        let _ = self.second.set(second);
    }

    fn has_failed(&self, trace: TraceId) -> bool {
        let (_, half) = trace.halves();
        self.failed.iter().any(|failed| failed.load(Ordering::Relaxed) == half)
    }

    fn add_failed(&self, trace: TraceId) {
        if !self.has_failed(trace) {
            let place = self.next.fetch_add(1, Ordering::Relaxed) % TRACES;
            self.failed[place].store(trace.halves().1, Ordering::Relaxed);
        }
    }
}

impl fmt::Debug for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pair").field("discretion", &self.discretion).finish_non_exhaustive()
    }
}

impl Recorder {
    /// Of the two that share chunks the first, which the program has installed; else this one.
    pub(crate) fn first(&'static self) -> &'static Self {
        self.pair.and_then(|pair| pair.first.get().copied()).unwrap_or(self)
    }

    /// Both that share chunks, or this one alone.
    pub(super) fn both(&self) -> impl Iterator<Item = &Self> {
        let pair = self.pair.into_iter().flat_map(|pair| [pair.first.get(), pair.second.get()]);
        let is_alone = self.pair.is_none();
        pair.flatten().copied().chain(is_alone.then_some(self))
    }

    /// The one of both that does as `discreet` says; this one, if there is no other.
    pub(super) fn keeping_out(&'static self, discreet: bool) -> &'static Self {
        self.both().find(|recorder| recorder.policy.discreet == discreet).unwrap_or(self)
    }

    /// The recorder of a span of `site` that would have this one.
    #[inline]
    pub(crate) fn of_site(&'static self, site: &'static Callsite) -> &'static Self {
        match self.pair {
            None => self,
            Some(pair) => self.by_word(pair.word_of(site)),
        }
    }

    fn by_word(&'static self, word: Word) -> &'static Self {
        match word {
            Word::None => self,
            Word::LetsIn => self.keeping_out(false),
            Word::KeepsOut => self.keeping_out(true),
        }
    }

    /// Whether spans of `site` have another recorder than what is above them.
    pub(crate) fn has_word_of(&self, site: &'static Callsite) -> bool {
        self.pair.is_some_and(|pair| pair.word_of(site) != Word::None)
    }

    /// Whether the text of a failure in `trace` is told, and from now on no other in it, if not.
    ///
    /// What fails where content is kept out may be passed on by whoever called it, and its text with it.
    pub(crate) fn tells_failure(&self, trace: TraceId) -> bool {
        if self.policy.discreet {
            if let Some(pair) = self.pair {
                pair.add_failed(trace);
            }
            return false;
        }
        self.pair.is_none_or(|pair| !pair.has_failed(trace))
    }
}

impl Pair {
    fn word_of(&self, site: &'static Callsite) -> Word {
        let first = self.first.get().map_or(0, |first| first.number());
        site.word_to(first).unwrap_or_else(|| {
            let word = self.discretion.of(site);
            site.set_word_to(first, word);
            word
        })
    }
}
