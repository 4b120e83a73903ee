//! The collector: one thread that pairs what the chunks hold into closed records and hands them to a sink.
//!
//! In: entries, in the order each thread published them and in no order across threads. Out: batches of [`SpanRecord`]s, each kept
//! by the sink as a whole or offered again.
//!
//! An end may be read before the begin or a note another thread published earlier. So a span is closed only by a sweep that
//! started after the sweep that read its end: whatever was published before the end has been read by then.
//!
//! A chunk is recycled only when everything read from it is kept: its spans closed and appended, or written as they stand.
//!
//! | Number | Value |
//! |---|---|
//! | interval between cycles | 50 ms, shorter when chunks run short |
//! | chunks kept ready | 2 |
//! | spans given to the sink at once | at most 10,000 |
//! | bytes of open spans | at most 256 MiB; beyond it notes are left out, newest first, and counted |

mod assembly;
mod fleeting;
mod site;
mod span;
mod stray;
#[cfg(all(test, not(loom)))]
mod tests;
mod thread;

pub(crate) use assembly::Assembly;
pub(crate) use thread::{Handle, Report};

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use crate::chunk::{Drain, Losses, Source};
use crate::error::{Error, Kind};
use crate::record::{Batch, RecordSink};
use crate::recorder::Recorder;

use fleeting::Fleeting;

const READY_CHUNKS: usize = 2;
/// Spans the sink is given at once: what it has taken is kept, however much is still to come.
const AT_ONCE: usize = 10_000;

/// Reads the chunks of one recorder and appends to one sink.
pub(crate) struct Collector {
    recorder: &'static Recorder,
    drain: Drain,
    assembly: Assembly,
    sink: Box<dyn RecordSink>,
    /// Where chunks come from ahead of need; without it they come from the heap, when they are needed.
    source: Option<Box<dyn Source>>,
    /// What the sink has not taken yet.
    backlog: Batch,
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
    /// Notes and ends whose span is not known.
    pub orphaned: u64,
    /// Chunks that held words that are no entry.
    pub malformed: u64,
    /// What the chunks could not take.
    pub losses: Losses,
    /// Notes left out because open spans hold too much.
    pub crowded: u64,
    /// Attributes of closed spans that are not as their declaration has them.
    pub stray: u64,
}

impl Collector {
    /// A collector for `recorder` that appends to `sink`. The first chunk of `source` is ready when this returns.
    pub(crate) fn new(recorder: &'static Recorder, sink: Box<dyn RecordSink>, source: Option<Box<dyn Source>>) -> Self {
        if let Some(source) = &source {
            recorder.chunks().stock(1, &**source);
        }
        Self {
            recorder,
            drain: Drain::new(recorder.chunks()),
            assembly: Assembly::default(),
            sink,
            source,
            backlog: Batch::default(),
            fleeting: Fleeting::default(),
            ends_at: Arc::default(),
            stored: 0,
            malformed: 0,
        }
    }

    /// Reads what was published before the call, closes what has ended, and appends it. Refused batches are kept and offered again.
    pub(crate) fn cycle(&mut self) -> Result<(), Error> {
        // While the sink refuses, nothing more is read: the chunks fill up within their budget and count what they drop.
        self.append()?;
        // The second sweep starts after every end the first one read, and so closes those spans.
        self.sweep();
        self.sweep();
        self.assembly.close(&mut self.backlog);
        if self.drain.has_settled() {
            self.assembly.write_open(&mut self.backlog);
        }
        self.append()?;
        self.drain.recycle();
        self.restock();
        Ok(())
    }

    fn sweep(&mut self) {
        self.assembly.start_sweep();
        // Without files all of them go, and need not be told apart.
        let has_files = self.source.is_some();
        let malformed = self.drain.sweep_marked(|entry, lasts| {
            if has_files && !lasts {
                self.fleeting.note(&entry);
            }
            self.assembly.take(entry);
        });
        self.malformed += malformed as u64;
    }

    fn append(&mut self) -> Result<(), Error> {
        while self.backlog.finished.len() > AT_ONCE {
            self.check_time()?;
            let rest = self.backlog.finished.split_off(AT_ONCE);
            let some = Batch { finished: std::mem::replace(&mut self.backlog.finished, rest), ..Batch::default() };
            if let Err(error) = self.give(&some) {
                self.backlog.finished.splice(..0, some.finished);
                return Err(error);
            }
        }
        if !self.backlog.is_empty() {
            self.check_time()?;
            let all = std::mem::take(&mut self.backlog);
            if let Err(error) = self.give(&all) {
                self.backlog = all;
                return Err(error);
            }
        }
        Ok(())
    }

    fn give(&mut self, batch: &Batch) -> Result<(), Error> {
        self.sink.append(batch)?;
        self.stored += batch.finished.len() as u64;
        self.fleeting.forget(batch);
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

    fn restock(&self) {
        if let Some(source) = &self.source {
            self.recorder.chunks().stock(READY_CHUNKS, &**source);
        }
    }

    /// What has become of everything recorded so far.
    pub(crate) fn tally(&self) -> Tally {
        Tally {
            stored: self.stored,
            waiting: self.backlog.finished.len() as u64 + self.assembly.ended(),
            open: self.assembly.open(),
            orphaned: self.assembly.orphaned(),
            malformed: self.malformed,
            losses: self.recorder.chunks().losses(),
            crowded: self.assembly.crowded(),
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
            self.assembly.close(&mut self.backlog);
        }
        let is_empty = self.assembly.is_empty();
        let has_files = self.source.as_ref().is_some_and(|source| source.remains());
        if has_files {
            self.assembly.write_open(&mut self.backlog);
        } else {
            self.backlog.finished.extend(std::mem::take(&mut self.assembly).close_all().finished);
        }
        if let Err(error) = self.append() {
            let all = self.backlog.finished.len() as u64 + self.assembly.open() + self.assembly.ended();
            let gone = if has_files { self.fleeting.count() } else { all };
            return Err(Unkept { error, gone, in_files: all.saturating_sub(gone) });
        }
        // Not before all of it is kept.
        if let Some(source) = self.source.take().filter(|_| is_empty) {
            source.remove();
        }
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
