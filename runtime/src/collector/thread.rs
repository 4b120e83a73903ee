//! The collector's thread and the way to talk to it.

use std::any::Any;
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, SyncSender, TryRecvError, channel, sync_channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::{self, JoinHandle, Thread};
use std::time::{Duration, Instant};

use crate::chunk;
use crate::clock::Steering;
use crate::contain;
use crate::diagnostics::Diagnostics;

use super::{Collector, Tally, Unkept};

/// How often the collector reads what was recorded: what stands in a chunk on the heap for shorter may go with a process that is killed.
pub const INTERVAL: Duration = Duration::from_millis(50);
/// For what could not be stored in time to be counted.
const COUNTING: Duration = Duration::from_millis(500);
/// How often a store that refuses is mentioned.
const REMINDER: Duration = Duration::from_secs(30);

/// When something else than collecting may be done on the thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Occasion {
    /// Before anything else.
    Start,
    /// Between two cycles.
    Pause,
    /// Before a cycle somebody waits for.
    Asked,
}

enum Command {
    Flush(SyncSender<Report>),
    Close(SyncSender<Report>),
}

/// Where everything recorded so far stands.
#[derive(Clone, Debug, Default)]
pub(crate) struct Report {
    pub(crate) tally: Tally,
    /// Why the sink does not take what is closed.
    pub(crate) refused: Option<crate::error::Error>,
    /// The collector did not answer in time.
    pub(crate) is_late: bool,
    /// Spans that were not stored and go with the process.
    pub(crate) gone: u64,
}

impl Report {
    /// Whether everything that had ended when the report was asked for is with the sink.
    pub(crate) fn is_kept(&self) -> bool {
        self.refused.is_none() && !self.is_late
    }

    /// What is known when the collector does not answer in time.
    pub(crate) fn late() -> Self {
        Self { is_late: true, ..Self::default() }
    }
}

/// The running collector.
#[derive(Debug)]
pub(crate) struct Handle {
    commands: Sender<Command>,
    ends_at: Arc<OnceLock<Instant>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Handle {
    /// Starts the thread. `beside` runs on it too: recovery does not delay the program.
    pub(crate) fn spawn(
        collector: Collector,
        diagnostics: Diagnostics,
        mut beside: impl FnMut(Occasion) + Send + 'static,
    ) -> std::io::Result<Self> {
        let (commands, inbox) = channel();
        let chunks = collector.recorder.chunks();
        let source = collector.source.clone();
        let ends_at = collector.ends_at.clone();
        let thread = thread::Builder::new().name("spanwright-collector".into()).spawn(move || {
            let recorder = collector.recorder;
            // Not to be dropped by a panic: the lease it holds says that somebody may still write to the chunks.
            let mut collector = ManuallyDrop::new(collector);
            let work = AssertUnwindSafe(|| {
                beside(Occasion::Start);
                run(&mut collector, &inbox, &diagnostics, &mut beside)
            });
            match catch_unwind(work) {
                Ok(closing) => close(ManuallyDrop::into_inner(collector), closing, &diagnostics),
                Err(payload) => {
                    recorder.stop();
                    say_panic(&diagnostics, &*payload);
                    contain::discard(payload);
                }
            }
        })?;
        match source {
            Some(source) if source.makes_chunks() => chunk::keep(chunks, source, thread.thread().clone())?,
            _ => chunks.wake_when_taken(thread.thread().clone()),
        }
        Ok(Self { commands, ends_at, thread: Mutex::new(Some(thread)) })
    }

    /// Closes and appends everything that had ended before the call. `None` if that took longer than until `deadline`.
    pub(crate) fn flush(&self, deadline: Instant) -> Option<Report> {
        self.ask(Command::Flush, deadline)
    }

    /// Flushes and ends the thread. Past the deadline it is only waited for to count what it could not store.
    pub(crate) fn close(&self, deadline: Instant) -> Option<Report> {
        let _ = self.ends_at.set(deadline);
        let report = self.ask(Command::Close, deadline.checked_add(COUNTING).unwrap_or(deadline))?;
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        thread.map(JoinHandle::join);
        Some(report)
    }

    /// A way to flush that outlives this handle.
    #[cfg(feature = "store")]
    pub(crate) fn flusher(&self) -> impl Fn(Instant) -> Option<Report> + Send + Sync + 'static {
        let (commands, thread) = (self.commands.clone(), self.thread());
        move |deadline| ask(&commands, thread.as_ref(), Command::Flush, deadline)
    }

    fn ask(&self, command: impl FnOnce(SyncSender<Report>) -> Command, deadline: Instant) -> Option<Report> {
        ask(&self.commands, self.thread().as_ref(), command, deadline)
    }

    fn thread(&self) -> Option<Thread> {
        let handle = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        handle.as_ref().map(|handle| handle.thread().clone())
    }
}

fn ask(
    commands: &Sender<Command>,
    thread: Option<&Thread>,
    command: impl FnOnce(SyncSender<Report>) -> Command,
    deadline: Instant,
) -> Option<Report> {
    let (answer, question) = sync_channel(1);
    commands.send(command(answer)).ok()?;
    if let Some(thread) = thread {
        thread.unpark();
    }
    question.recv_timeout(deadline.saturating_duration_since(Instant::now())).ok()
}

/// Who waits for the collector to be closed, and what to tell them.
type Closing = Option<(SyncSender<Report>, Report)>;

fn close(collector: Collector, closing: Closing, diagnostics: &Diagnostics) {
    let closed = collector.close();
    let Some((answer, mut report)) = closing else { return };
    if let Err(Unkept { error, gone, in_files }) = closed {
        let what = match (gone, in_files) {
            (0, _) => format!("{in_files} spans are not stored yet and stay in chunk files for the next process"),
            (_, 0) => format!("{gone} spans are not stored and go with the process"),
            _ => format!(
                "{gone} spans are not stored and go with the process, {in_files} stay in chunk files for the next one"
            ),
        };
        // One that collected nothing, as where two threads of a forked process began at once, leaves nothing to speak of.
        if gone + in_files > 0 {
            diagnostics.say(format!("{what}: {error:#}"));
        }
        report.refused = Some(error);
        report.gone = gone;
    }
    drop(answer.try_send(report));
}

fn say_panic(diagnostics: &Diagnostics, payload: &(dyn Any + Send)) {
    let message = contain::message(payload);
    diagnostics.say(format!(
        "tracing stops, its collector panicked: {message}; the next process takes over what is in chunk files"
    ));
}

fn run(
    collector: &mut Collector,
    inbox: &Receiver<Command>,
    diagnostics: &Diagnostics,
    beside: &mut dyn FnMut(Occasion),
) -> Closing {
    let mut speaker = Speaker::new(diagnostics);
    let mut clock = Steering::start();
    let mut refused = None;
    loop {
        // The wait is on the thread's token and not on the inbox, so that a thread short of chunks can end it without a lock.
        let command = match inbox.try_recv() {
            Ok(command) => Some(command),
            Err(TryRecvError::Disconnected) => return None,
            Err(TryRecvError::Empty) => {
                if refused.is_none() {
                    thread::park_timeout(INTERVAL);
                } else {
                    // Threads short of chunks cannot be helped now, and must not make a sink that refuses be asked all the time.
                    thread::sleep(INTERVAL);
                }
                inbox.try_recv().ok()
            }
        };
        // Many may wait for the same cycle; whoever asks during it waits for the next.
        let commands: Vec<_> = command.into_iter().chain(inbox.try_iter()).collect();
        clock.adjust();
        beside(if commands.is_empty() { Occasion::Pause } else { Occasion::Asked });
        refused = collector.cycle().err();
        let report = Report { tally: collector.tally(), refused: refused.clone(), ..Report::default() };
        speaker.look_at(&report);
        collector.take_remarks().iter().for_each(|remark| diagnostics.say(remark));
        for command in commands {
            match command {
                Command::Flush(answer) => drop(answer.try_send(report.clone())),
                Command::Close(answer) => {
                    speaker.say_losses(&report.tally);
                    return Some((answer, report));
                }
            }
        }
    }
}

/// Says what went wrong: at once, then once per interval.
struct Speaker<'d> {
    diagnostics: &'d Diagnostics,
    said: Tally,
    next: Instant,
    refusing: bool,
}

impl<'d> Speaker<'d> {
    fn new(diagnostics: &'d Diagnostics) -> Self {
        Self { diagnostics, said: Tally::default(), next: Instant::now(), refusing: false }
    }

    fn look_at(&mut self, report: &Report) {
        match &report.refused {
            // What the end of the program leaves is said by its end.
            Some(error) if error.is_state() => {}
            Some(error) if !self.refusing => {
                let waiting = report.tally.waiting;
                self.diagnostics.say(format!("cannot store spans, {waiting} wait in memory: {error:#}"));
                self.refusing = true;
            }
            Some(_) => {}
            None => self.refusing = false,
        }
        if Instant::now() >= self.next && self.say_losses(&report.tally) {
            self.next = Instant::now() + REMINDER;
        }
    }

    fn say_losses(&mut self, tally: &Tally) -> bool {
        let said = self.said.losses.by_cause();
        let is_new =
            |(name, _, now): &(&str, &str, u64)| said.iter().any(|(said, _, count)| said == name && now > count);
        let new: Vec<_> =
            tally.losses.happened().filter(is_new).map(|(_, what, now)| format!("{now} {what}")).collect();
        self.said = *tally;
        if !new.is_empty() {
            self.diagnostics.say(format!("lost since start: {}", new.join("; ")));
        }
        !new.is_empty()
    }
}
