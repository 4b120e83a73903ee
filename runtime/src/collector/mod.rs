//! The collector: one thread that pairs what the chunks hold into closed records and hands them to a sink.
//!
//! In: entries, in the order each thread published them and in no order across threads. Out: batches of [`SpanRecord`]s, each kept
//! by the sink as a whole or offered again.
//!
//! An end may be read before the begin or a note another thread published earlier. So a span is closed only by a sweep that
//! started after the sweep that read its end: whatever was published before the end has been read by then.
//!
//! A chunk is recycled only when everything read from it is kept: its spans closed and appended, or written as they stand. A root that
//! has been open for some seconds is written too, once: what it says of its trace is of use before it ends.
//!
//! | Number | Value |
//! |---|---|
//! | interval between cycles | 50 ms, shorter when chunks run short |
//! | spans handed on together | at most 4096, about 4 MiB |
//! | bytes of open spans | at most 256 MiB; beyond it notes are left out, newest first, and counted |

mod assembly;
#[cfg(all(test, not(loom)))]
mod assembly_tests;
mod fleeting;
#[cfg(all(any(test, fuzzing), feature = "mlflow", not(loom)))]
pub(crate) mod fuzzing;
mod notes;
mod open;
#[cfg(all(test, not(loom)))]
mod program_tests;
mod running;
mod site;
mod span;
mod stray;
#[cfg(all(test, not(loom)))]
mod tests;
mod thread;

pub(crate) use assembly::Assembly;
pub use thread::INTERVAL;
pub(crate) use thread::{Handle, Occasion, Report};

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use crate::chunk::{Drain, Source};
use crate::error::{Error, Kind};
use crate::record::{Batch, Losses, RecordSink, Remains};
use crate::recorder::Recorder;

use fleeting::Fleeting;

/// Spans, and bytes of what they say, that are handed on together: what the sink has taken is kept, however much is still to come, and
/// what waits for the same sink meanwhile waits as long.
const SPANS_AT_ONCE: usize = 4096;
const BYTES_AT_ONCE: usize = 4 << 20;

/// Reads the chunks of one recorder and appends to one sink.
pub(crate) struct Collector {
    recorder: &'static Recorder,
    drain: Drain,
    assembly: Assembly,
    sink: Box<dyn RecordSink>,
    /// Where chunks come from ahead of need; without it they come from the heap, when they are needed.
    source: Option<Arc<dyn Source>>,
    /// What the sink has not taken yet.
    backlog: Batch,
    /// The losses the sink knows of.
    told: Losses,
    fleeting: Fleeting,
    /// When the end of the program waits no longer.
    ends_at: Arc<OnceLock<Instant>>,
    stored: u64,
    malformed: u64,
}

/// What has become of everything recorded so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Spans the sink has taken.
    pub stored: u64,
    /// Spans closed and not yet taken by the sink.
    pub waiting: u64,
    /// Spans that have not ended.
    pub open: u64,
    /// What could not be recorded.
    pub losses: Losses,
    /// Attributes of closed spans that are not as their declaration has them.
    pub stray: u64,
}

impl Collector {
    /// A collector for `recorder` that appends to `sink`. The first chunk of `source` is ready when this returns.
    pub(crate) fn new(recorder: &'static Recorder, sink: Box<dyn RecordSink>, source: Option<Arc<dyn Source>>) -> Self {
        if let Some(source) = &source {
            recorder.chunks().take_from(&**source);
        }
        Self {
            recorder,
            drain: Drain::new(recorder.chunks()),
            assembly: Assembly::default(),
            sink,
            source,
            backlog: Batch::default(),
            told: Losses::default(),
            fleeting: Fleeting::default(),
            ends_at: Arc::default(),
            stored: 0,
            malformed: 0,
        }
    }

    /// Hands on roots that have been open for so long as they stand; `None`: not before they end.
    #[cfg_attr(all(not(feature = "store"), not(test)), expect(dead_code, reason = "nobody reads what is running"))]
    pub(crate) fn show_after(mut self, after: Option<Duration>) -> Self {
        self.assembly.show_after(after);
        self
    }

    /// Reads what was published before the call, closes what has ended, and appends it. Refused batches are kept and offered again.
    pub(crate) fn cycle(&mut self) -> Result<(), Error> {
        // While the sink refuses, nothing more is read: the chunks fill up within their budget and count what they drop.
        self.append()?;
        // The second sweep starts after every end the first one read, and so closes those spans.
        self.sweep();
        self.sweep();
        self.append_ended()?;
        if self.drain.has_settled() {
            self.assembly.write_open_of_earlier_sweeps(&mut self.backlog);
        }
        self.assembly.write_running(&mut self.backlog);
        self.append()?;
        self.drain.recycle();
        Ok(())
    }

    /// Closes what has ended, and appends it but for the last portion.
    fn append_ended(&mut self) -> Result<(), Error> {
        // Records are larger than what they are made of: a portion of them at a time.
        self.assembly.settle();
        self.assembly.give_assessments(&mut self.backlog);
        while self.assembly.close(&mut self.backlog, SPANS_AT_ONCE, BYTES_AT_ONCE) {
            self.append()?;
        }
        Ok(())
    }

    fn sweep(&mut self) {
        self.assembly.start_sweep();
        // Without files all of them go, and need not be told apart.
        let has_files = self.has_files();
        let malformed = self.drain.sweep_marked(|entry, lasts| {
            if has_files && !lasts {
                self.fleeting.note(&entry);
            }
            self.assembly.take(entry);
        });
        self.malformed += malformed as u64;
    }

    /// Whether what is published outlives the process.
    fn has_files(&self) -> bool {
        self.source.as_ref().is_some_and(|source| source.makes_chunks())
    }

    fn append(&mut self) -> Result<(), Error> {
        let losses = self.losses();
        self.backlog.losses = (losses != self.told).then_some(losses);
        if self.backlog.is_empty() {
            return Ok(());
        }
        self.check_time()?;
        self.sink.append(&self.backlog)?;
        self.told = losses;
        self.stored += self.backlog.finished.len() as u64;
        self.fleeting.forget(&self.backlog);
        self.assembly.reuse(&mut self.backlog.finished);
        self.backlog.open.clear();
        self.backlog.assessments.clear();
        self.backlog.callsites.clear();
        self.backlog.losses = None;
        self.backlog.remains = Remains::default();
        Ok(())
    }

    /// An error once whoever ends the program waits no longer.
    fn check_time(&self) -> Result<(), Error> {
        match self.ends_at.get() {
            Some(end) if Instant::now() > *end => Err(Error::new(
                Kind::State,
                "the program ended before all its spans were stored; SPANWRIGHT_FLUSH_TIMEOUT_MS gives it more time",
            )),
            _ => Ok(()),
        }
    }

    /// What could not be recorded so far.
    fn losses(&self) -> Losses {
        Losses {
            crowded: self.assembly.crowded(),
            orphaned: self.assembly.orphaned(),
            malformed: self.malformed,
            ..self.recorder.chunks().losses()
        }
    }

    /// What has become of everything recorded so far.
    pub(crate) fn tally(&self) -> Tally {
        Tally {
            stored: self.stored,
            waiting: self.backlog.finished.len() as u64 + self.assembly.ended(),
            open: self.assembly.open(),
            losses: self.losses(),
            stray: self.assembly.stray(),
        }
    }

    /// What is to be said of the spans closed since this was last asked.
    fn take_remarks(&mut self) -> Vec<String> {
        self.assembly.take_remarks()
    }

    /// Ends this collector. What is still open stays in the chunk files, for whoever finds them, and is written as it stands,
    /// because some of it may be on the heap. Without files, nobody will find it: it is closed as abandoned.
    fn close(mut self) -> Result<(), Unkept> {
        if !self.backlog.is_empty() {
            // While the sink refused, nothing more was read.
            self.sweep();
            self.sweep();
        }
        let kept = self.append_ended();
        let is_empty = self.assembly.is_empty();
        let has_files = self.has_files() && self.source.as_ref().is_some_and(|source| source.remains());
        if has_files {
            self.assembly.write_open(&mut self.backlog);
            if is_empty {
                self.backlog.remains = Remains::Chunks;
            }
        } else {
            let Batch { finished, assessments, .. } = std::mem::take(&mut self.assembly).close_all();
            self.backlog.finished.extend(finished);
            self.backlog.assessments.extend(assessments);
            self.backlog.remains = Remains::Nothing;
        }
        if let Err(error) = kept.and_then(|()| self.append()) {
            let all = self.backlog.finished.len() as u64 + self.assembly.open() + self.assembly.ended();
            let gone = if has_files { self.fleeting.count() } else { all };
            return Err(Unkept { error, gone, in_files: all.saturating_sub(gone) });
        }
        // Not before all of it is kept.
        if let Some(source) = self.source.take().filter(|_| is_empty || !has_files) {
            source.remove();
        }
        // Who makes chunks goes too, or else keeps the lease for as long as the process lives: it may still end those spans.
        self.recorder.chunks().wake();
        Ok(())
    }
}

/// Spans that are not with the sink when the collector ends.
#[derive(Debug)]
pub(crate) struct Unkept {
    /// Why.
    error: Error,
    /// Spans that go with the process.
    gone: u64,
    /// Spans that the next process finds in chunk files.
    in_files: u64,
}
