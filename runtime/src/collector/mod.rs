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
//! | bytes of open spans | at most 256 MiB; beyond it notes are left out, newest first, and counted |

mod assembly;
#[cfg(all(any(test, fuzzing), feature = "mlflow", not(loom)))]
pub(crate) mod fuzzing;
#[cfg(all(test, not(loom)))]
mod program_tests;
mod site;
mod span;
mod stray;
#[cfg(all(test, not(loom)))]
mod tests;
mod thread;

pub(crate) use assembly::Assembly;
pub(crate) use thread::{Handle, Report};

use crate::chunk::{Drain, Losses, Source};
use crate::error::Error;
use crate::record::{Batch, RecordSink};
use crate::recorder::Recorder;

const READY_CHUNKS: usize = 2;

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
        self.malformed += self.drain.sweep(|entry| self.assembly.take(entry)) as u64;
    }

    fn append(&mut self) -> Result<(), Error> {
        if self.backlog.is_empty() {
            return Ok(());
        }
        self.sink.append(&self.backlog)?;
        self.stored += self.backlog.finished.len() as u64;
        self.backlog = Batch::default();
        Ok(())
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
    fn close(mut self) -> Result<(), Error> {
        let is_empty = self.assembly.is_empty();
        match self.source.take() {
            Some(source) => {
                self.assembly.write_open(&mut self.backlog);
                self.append()?;
                if is_empty {
                    source.remove();
                }
                Ok(())
            }
            None => {
                self.backlog.finished.extend(std::mem::take(&mut self.assembly).close_all().finished);
                self.append()
            }
        }
    }
}
