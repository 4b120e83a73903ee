//! The exporter's thread: when to try, when to wait, and what to say.

use std::collections::HashSet;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::{Duration, Instant};

use super::backoff::Backoff;
use super::http::Failure;
use super::mlflow::{Mlflow, Trouble};
use super::sender::{Event, Route, Sender};
use super::{NO_SERVER, Shared};
use crate::diagnostics::Diagnostics;
use crate::error::Error;
use crate::store::Store;

/// Spans that end shortly after each other share a request.
const LINGER: Duration = Duration::from_millis(100);
/// Without a word from anybody: other processes store spans too.
const IDLE_ROUND: Duration = Duration::from_secs(30);
/// While spans are left behind: their root is not known yet, or their experiment takes none.
const LEFT_BEHIND_ROUND: Duration = Duration::from_secs(5);
/// A round reads again what the last one left behind: so many times as long as that took, nothing is read but for a flush.
const REST_SHARE: u32 = 9;
/// While another process holds the lease; while somebody here waits for what it does.
const LEASE_ROUND: Duration = Duration::from_secs(1);
const WATCH_ROUND: Duration = Duration::from_millis(25);
/// At the end, for what is being written to the store.
const LAST_ACK: Duration = Duration::from_millis(20);
/// Of each kind of trouble this many different ones are said.
const MOST_SAID: usize = 20;

pub(super) struct Worker {
    store: Store,
    sender: Sender,
    destination: String,
    shared: Arc<Shared>,
    diagnostics: Diagnostics,
    backoff: Backoff,
    /// Age at which running traces are shown; `None`: never.
    live_after: Option<Duration>,
    /// Whether the outage there is has been said.
    is_away: bool,
    said: HashSet<String>,
}

/// How a round ended.
enum Round {
    /// Everything that can go has gone.
    Done { left_behind: bool, look_again: Option<Duration> },
    /// Another process delivers. `is_done` if somebody waits here and nothing waits there.
    Elsewhere { is_done: bool },
}

impl Worker {
    pub(super) fn new(
        store: Store,
        mlflow: Mlflow,
        route: Route,
        live_after: Option<Duration>,
        shared: Arc<Shared>,
        diagnostics: Diagnostics,
    ) -> Self {
        let destination = route.destination.clone();
        Self {
            sender: Sender::new(store.clone(), mlflow, route),
            store,
            destination,
            shared,
            diagnostics,
            backoff: Backoff::default(),
            live_after,
            is_away: false,
            said: HashSet::new(),
        }
    }

    pub(super) fn run(mut self) {
        // However this thread ends, nobody waits for it any longer.
        let _over = Over(self.shared.clone());
        match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => {
                runtime.block_on(self.work());
                // Time for an ack under way; a name that is still being looked up is waited for by nobody.
                runtime.shutdown_timeout(LAST_ACK);
            }
            Err(error) => {
                self.say_once(format!(
                    "nothing is delivered, spans stay in the store: cannot start the exporter: {error}"
                ));
            }
        }
    }

    async fn work(&mut self) {
        let shared = self.shared.clone();
        let mut next = Instant::now();
        // Until then only a flush makes us try.
        let mut not_before = Instant::now();
        loop {
            let asked_for = first_of(shared.hurry.notified(), shared.wake.notified());
            first_of(asked_for, tokio::time::sleep_until(next.into())).await;
            if shared.stopping.load(Ordering::Acquire) {
                return;
            }
            if !shared.is_awaited() {
                if Instant::now() < not_before {
                    next = not_before;
                    continue;
                }
                first_of(shared.hurry.notified(), tokio::time::sleep(LINGER)).await;
            }
            let asked = shared.progress().asked;
            let delivered_before = shared.delivered.load(Ordering::Acquire);
            let First::Right(round) = first_of(shared.stop.notified(), self.round()).await else { return };
            let pause = match round {
                Ok(Round::Done { left_behind, look_again }) => {
                    self.recovered(delivered_before);
                    shared.advance(asked, None);
                    let rest = if left_behind { self.sender.reading() * REST_SHARE } else { Duration::ZERO };
                    not_before = Instant::now() + rest;
                    let pause = if left_behind { LEFT_BEHIND_ROUND.max(rest) } else { IDLE_ROUND };
                    pause.min(look_again.unwrap_or(pause))
                }
                Ok(Round::Elsewhere { is_done }) => {
                    if is_done {
                        shared.advance(asked, None);
                    }
                    if shared.is_awaited() { WATCH_ROUND } else { LEASE_ROUND }
                }
                Err(trouble) => {
                    let pause = self.backoff.next(wish(&trouble));
                    let problem = self.trouble(trouble);
                    shared.advance(asked, Some(problem));
                    not_before = Instant::now() + pause;
                    pause
                }
            };
            next = Instant::now() + pause;
        }
    }

    async fn round(&mut self) -> Result<Round, Trouble> {
        let shared = self.shared.clone();
        // For one round only: whoever has nothing to do, or cannot, stands in nobody's way.
        let Some(_lease) = self.store.exporter_lease(&self.destination)? else {
            let is_done = shared.is_awaited() && !self.store.has_pending(&self.destination)?;
            return Ok(Round::Elsewhere { is_done });
        };
        let (mut rejected, mut blocked) = (Vec::new(), Vec::new());
        let drained = self
            .sender
            .drain(&mut |event| match event {
                Event::Delivered(spans) => {
                    shared.delivered.fetch_add(spans as u64, Ordering::AcqRel);
                }
                Event::Rejected { trace, name, cause } => {
                    shared.rejected.fetch_add(1, Ordering::AcqRel);
                    rejected.push((format!("`{name}` of trace tr-{trace}"), cause));
                }
                Event::Blocked(what) => blocked.push(what),
            })
            .await;
        if let Some((which, cause)) = rejected.first() {
            let more = if rejected.len() > 1 { format!(" (and {} more)", rejected.len() - 1) } else { String::new() };
            let server = &self.destination;
            let line = format!("{server} refuses a span for good, it is kept in the store: {which}: {cause}{more}");
            self.say_once_for(cause.clone(), line);
        }
        for what in blocked {
            self.shared.warned.store(true, Ordering::Release);
            self.say_once(what);
        }
        let left_behind = drained?;
        let look_again = match self.live_after {
            Some(after) => self.sender.show_running(after, || shared.is_awaited()).await,
            None => None,
        };
        Ok(Round::Done { left_behind, look_again })
    }

    /// Says what is wrong, once for each outage, and returns it.
    fn trouble(&mut self, trouble: Trouble) -> String {
        self.sender.forget_server();
        let is_store = matches!(&trouble, Trouble::Said(error) if error.is_store());
        let error: Error = trouble.into_error(&self.destination);
        let text = format!("{error:#}");
        if is_store {
            self.say_once(format!("the exporter cannot use the store: {text}"));
        } else if !self.is_away {
            self.is_away = true;
            let kept = match self.store.folder() {
                Some(_) => "in the store and sent when it answers, or later by `spanwright push`",
                None => "in memory and sent when it answers, or go with the process",
            };
            let hint = if error.is_unreachable() { NO_SERVER } else { "" };
            self.diagnostics.say(format!("{text}; spans are kept {kept}{hint}"));
        }
        self.shared.warned.store(true, Ordering::Release);
        text
    }

    /// A round without trouble; only spans that were delivered in it show that the server is back.
    fn recovered(&mut self, delivered_before: u64) {
        self.backoff.reset();
        if self.is_away && self.shared.delivered.load(Ordering::Acquire) > delivered_before {
            self.is_away = false;
            self.shared.warned.store(false, Ordering::Release);
            self.diagnostics.say(format!("{} answers again; the spans kept meanwhile are delivered", self.destination));
        }
    }

    fn say_once(&mut self, line: String) {
        self.say_once_for(line.clone(), line);
    }

    fn say_once_for(&mut self, cause: String, line: String) {
        if self.said.len() < MOST_SAID && self.said.insert(cause) {
            self.diagnostics.say(line);
        }
    }
}

fn wish(trouble: &Trouble) -> Option<Duration> {
    match trouble {
        Trouble::Http(Failure { retry_after, .. }) => *retry_after,
        Trouble::Said(_) => None,
    }
}

enum First<A, B> {
    Left(A),
    Right(B),
}

/// The future that is done first, the left one if both are; the other is dropped.
async fn first_of<A: Future, B: Future>(left: A, right: B) -> First<A::Output, B::Output> {
    let (mut left, mut right) = (pin!(left), pin!(right));
    poll_fn(|context| match left.as_mut().poll(context) {
        Poll::Ready(done) => Poll::Ready(First::Left(done)),
        Poll::Pending => right.as_mut().poll(context).map(First::Right),
    })
    .await
}

struct Over(Arc<Shared>);

impl Drop for Over {
    fn drop(&mut self) {
        self.0.progress().is_over = true;
        self.0.advanced.notify_all();
    }
}

impl Shared {
    /// Whether somebody waits for a round.
    fn is_awaited(&self) -> bool {
        let progress = self.progress();
        progress.tried < progress.asked
    }

    /// Says that everything asked for up to `asked` has been tried.
    fn advance(&self, asked: u64, problem: Option<String>) {
        let mut progress = self.progress();
        progress.tried = progress.tried.max(asked);
        progress.problem = problem;
        self.advanced.notify_all();
    }
}
