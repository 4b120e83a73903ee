//! One pass over what a store holds for one server: group, send, isolate what is refused, complete, ack.
//!
//! In: spans pending in the store. Out: acks and rejections in the store, an [`Event`] for each, and [`Trouble`] once nothing more can be
//! done for now. A span leaves the queue only after the server has it, and everything beside it, the run included, is in order.

mod costs;
mod live;
mod parcel;
mod said;
mod waiting;

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use tokio::task::{JoinHandle, spawn_blocking};

use super::backoff::jittered;
use super::http::{Failure, Verdict};
use super::mlflow::{ExperimentRef, Mlflow, RunEnd, RunLog, RunStart, Server, TraceSummary, Trouble, request_of};
use crate::clock::now_unix_ns;
use crate::cost::CostSummary;
use crate::error::{Error, Kind};
use crate::id::TraceId;
use crate::record::{SpanRecord, WorkflowFacts};
use crate::store::Store;
pub(super) use costs::Costs;
use live::Live;
use parcel::{Parcel, Run};
use waiting::{Waiting, read};

const SPANS_A_REQUEST: usize = 512;
const BYTES_A_REQUEST: usize = 4 << 20;
/// How long spans wait for their root to be known, which alone says into which experiment and session they belong.
const ROOT_PATIENCE_NS: u64 = 60_000_000_000;
/// An experiment may be deleted or replaced behind a running program.
const EXPERIMENT_KNOWN_FOR: Duration = Duration::from_secs(300);
/// One that takes no spans is not asked again for so long.
const REFUSED_FOR: Duration = Duration::from_secs(30);
/// A 500 may be a hiccup, or what the server says of one bad span.
const TRIES_AT_500: u32 = 3;

/// Where spans go and what is said of all of them.
#[derive(Clone, Debug)]
pub(super) struct Route {
    /// As the store names it.
    pub(super) destination: String,
    pub(super) experiment: ExperimentRef,
    /// A run the user opened; traces are linked to it, and it is left open.
    pub(super) run: Option<String>,
    pub(super) service: String,
    pub(super) costs: Costs,
}

/// What became of spans.
#[derive(Clone, Debug)]
pub(super) enum Event {
    Delivered(usize),
    /// The server will not take this span, whatever is done.
    Rejected {
        trace: TraceId,
        name: String,
        cause: String,
    },
    /// Something cannot be done until somebody changes something; the text says what.
    Blocked(String),
}

/// Sends what one store holds for one server.
pub(super) struct Sender {
    store: Store,
    mlflow: Mlflow,
    route: Route,
    server: Option<Server>,
    experiments: HashMap<ExperimentRef, (String, Instant)>,
    /// Experiments that take no spans, and when they said so.
    refusals: HashMap<ExperimentRef, Instant>,
    /// Whether the server has the user's own run; `None` until asked.
    knows_given_run: Option<bool>,
    /// Traces with spans of which it is not known whether the server has them. Kept in the store, for a server that counts twice
    /// what it gets twice; `None` until read in this pass: between two of them another process may deliver.
    unanswered: Option<HashSet<TraceId>>,
    live: Live,
    /// How long the last pass was busy with reading the queue.
    reading: Duration,
    /// The ack on its way into the store: it waits there for its turn, and meanwhile the server has the next request.
    acking: Option<JoinHandle<Result<usize, Error>>>,
}

/// What was read of the queue, and how long that took.
type Read = (Vec<Waiting>, Duration);

/// Where a parcel goes, once ids are known.
struct Address {
    experiment: String,
    run: Option<String>,
}

impl Sender {
    pub(super) fn new(store: Store, mlflow: Mlflow, route: Route) -> Self {
        let (experiments, refusals) = (HashMap::new(), HashMap::new());
        Self {
            store,
            mlflow,
            route,
            server: None,
            experiments,
            refusals,
            knows_given_run: None,
            unanswered: None,
            live: Live::default(),
            reading: Duration::ZERO,
            acking: None,
        }
    }

    /// What the server is: asked once, and again after [`Sender::forget`].
    pub(super) async fn server(&mut self) -> Result<Server, Trouble> {
        if let Some(server) = &self.server {
            return Ok(server.clone());
        }
        let server = self.mlflow.probe().await?;
        self.server = Some(server.clone());
        Ok(server)
    }

    /// After an outage: what comes back need not be what went away.
    pub(super) fn forget_server(&mut self) {
        self.server = None;
        self.knows_given_run = None;
        self.experiments.clear();
        self.live.forget();
    }

    /// Sends everything that can go now. True if something stays: spans wait for their root, or for their experiment; assessments for
    /// their trace.
    pub(super) async fn drain(&mut self, on: &mut dyn FnMut(Event)) -> Result<bool, Trouble> {
        let drained = self.send_pending(on).await;
        self.finish_ack(on).await?;
        let spans_stay = drained?;
        let assessments_stay = self.send_assessments(on).await?;
        Ok(spans_stay || assessments_stay)
    }

    async fn send_pending(&mut self, on: &mut dyn FnMut(Event)) -> Result<bool, Trouble> {
        self.unanswered = None;
        self.refusals.retain(|_, said| said.elapsed() < REFUSED_FOR);
        let mut left_behind = false;
        let mut after = 0;
        self.reading = Duration::ZERO;
        let mut ahead: Option<JoinHandle<Result<Read, Error>>> = None;
        loop {
            let mut queued = match ahead.take() {
                Some(reading) => self.note_time(done(reading).await?),
                None => Vec::new(),
            };
            // Their root may be known by now.
            if !queued.iter().all(|span| span.trace.root_known) {
                queued.clear();
            }
            // What was stored since then travels along.
            if !fills_a_request(&queued) {
                let more = done(self.read(queued.last().map_or(after, |last| last.seq), &queued)).await?;
                queued.extend(self.note_time(more));
            }
            let Some(last) = queued.last() else { break };
            after = last.seq;
            ahead = Some(self.read(after, &[]));
            let now = now_unix_ns();
            let count = queued.len();
            let ready: Vec<_> = queued
                .into_iter()
                // Either way: a clock may have been set back.
                .filter(|span| span.trace.root_known || now.abs_diff(span.trace.start_unix_ns) > ROOT_PATIENCE_NS)
                .collect();
            left_behind |= ready.len() < count;
            for parcel in self.parcels(ready) {
                left_behind |= self.refusals.contains_key(&parcel.experiment) || !self.deliver(parcel, on).await?;
            }
        }
        self.repair_shown().await;
        Ok(left_behind)
    }

    /// How long the last pass was busy with reading the queue, what it left behind included.
    pub(super) fn reading(&self) -> Duration {
        self.reading
    }

    /// The experiment a trace belongs to.
    fn experiment_of(&self, facts: &WorkflowFacts) -> ExperimentRef {
        match &facts.experiment {
            Some(named) if !named.trim().is_empty() => ExperimentRef::Either(named.clone()),
            _ => self.route.experiment.clone(),
        }
    }

    /// Reads what comes next, as much as fits a request beside `others`, on a thread of its own: the server need not wait for it.
    fn read(&self, after: i64, others: &[Waiting]) -> JoinHandle<Result<Read, Error>> {
        let (store, destination) = (self.store.clone(), self.route.destination.clone());
        let service = self.route.service.clone();
        let spans = SPANS_A_REQUEST - others.len();
        let bytes = BYTES_A_REQUEST - bytes_of(others);
        spawn_blocking(move || {
            let started = Instant::now();
            let waiting = read(&store, &destination, &service, after, spans, bytes)?;
            Ok((waiting, started.elapsed()))
        })
    }

    fn note_time(&mut self, (queued, took): Read) -> Vec<Waiting> {
        self.reading += took;
        queued
    }

    /// Sends one parcel. False if its experiment takes no spans for now.
    async fn deliver(&mut self, parcel: Parcel, on: &mut dyn FnMut(Event)) -> Result<bool, Trouble> {
        let server = self.server().await?;
        let experiment = match self.experiment(&parcel.experiment).await {
            Ok(experiment) => experiment,
            Err(trouble) if concerns_experiment(&trouble) => {
                on(self.blocked(parcel.experiment, trouble));
                return Ok(false);
            }
            Err(trouble) => return Err(trouble),
        };
        let run = match parcel.run {
            Run::None => None,
            Run::Given => self.given_run(on).await?,
            Run::Opened(trace) => self.opened_run(trace, &experiment, &parcel.spans, on).await?,
        };
        let to = Address { experiment, run };
        let mut traces: HashSet<_> = HashSet::new();
        let spans = if server.upserts_usage() {
            parcel.spans
        } else {
            traces.extend(parcel.spans.iter().map(|span| span.trace_id));
            self.without_arrived(parcel.spans, &to, on).await?
        };
        match self.send(&spans, &to, on).await {
            Err(trouble) if concerns_experiment(&trouble) => {
                self.experiments.remove(&parcel.experiment);
                on(self.blocked(parcel.experiment, trouble));
                return Ok(false);
            }
            result => result?,
        }
        if !server.upserts_usage() {
            // No longer doubtful, but not before the store knows that they have arrived.
            self.finish_ack(on).await?;
            self.note_unanswered(|unanswered| unanswered.retain(|trace| !traces.contains(trace)))?;
        }
        Ok(true)
    }

    fn blocked(&mut self, experiment: ExperimentRef, trouble: Trouble) -> Event {
        self.refusals.insert(experiment, Instant::now());
        let error = trouble.into_error(self.mlflow.base());
        Event::Blocked(format!("{error:#}; the spans meant for it are kept in the store"))
    }

    async fn experiment(&mut self, wanted: &ExperimentRef) -> Result<String, Trouble> {
        if let Some((id, found)) = self.experiments.get(wanted)
            && found.elapsed() < EXPERIMENT_KNOWN_FOR
        {
            return Ok(id.clone());
        }
        let id = self.mlflow.experiment_id(wanted).await?;
        self.experiments.insert(wanted.clone(), (id.clone(), Instant::now()));
        Ok(id)
    }

    /// Sends spans in one request or, where the server refuses that, in ever smaller parts until those at fault stand alone.
    async fn send(&mut self, spans: &[Waiting], to: &Address, on: &mut dyn FnMut(Event)) -> Result<(), Trouble> {
        let mut parts = vec![spans];
        let mut refused: Vec<(&Waiting, Failure)> = Vec::new();
        let mut accepted_any = false;
        // Whether the server takes a message without spans; asked once a pass: what it took yesterday says nothing.
        let mut takes_spans = None;
        while let Some(part) = parts.pop() {
            if part.is_empty() {
                continue;
            }
            match self.post(part, to).await {
                Ok(()) => {
                    accepted_any = true;
                    self.settle(part, to, on).await?;
                }
                Err(failure) if !matches!(failure.verdict(), Verdict::Split | Verdict::AgainAFewTimes) => {
                    return Err(failure.into());
                }
                Err(failure) => match part {
                    [one] => {
                        if failure.verdict() == Verdict::Split && !accepted_any && takes_spans.is_none() {
                            takes_spans = Some(self.mlflow.takes_spans(&to.experiment).await);
                        }
                        // Where everything is refused, the fault is not the spans'.
                        let may_be_its_fault = accepted_any
                            || match failure.verdict() {
                                Verdict::Split => takes_spans == Some(true),
                                // One more is tried: two in a row are the server's fault.
                                _ => refused.is_empty(),
                            };
                        if !may_be_its_fault {
                            return Err(failure.into());
                        }
                        refused.push((one, failure));
                    }
                    _ => {
                        let (first, rest) = part.split_at(part.len() / 2);
                        parts.extend([rest, first]);
                    }
                },
            }
        }
        for (span, failure) in refused {
            if !accepted_any && failure.verdict() != Verdict::Split {
                return Err(failure.into());
            }
            let cause = failure.to_string();
            self.store.reject(&self.route.destination, span.seq, &cause)?;
            on(Event::Rejected { trace: span.trace_id, name: self.name_of(span)?, cause });
        }
        Ok(())
    }

    /// The name of a span, which hardly ever is asked for.
    fn name_of(&self, waiting: &Waiting) -> Result<String, Error> {
        let spans = self.store.spans(waiting.trace_id)?;
        Ok(spans.into_iter().find(|span| span.span_id == waiting.span_id).map(|span| span.name).unwrap_or_default())
    }

    /// One request, repeated where that is cheap and likely to help.
    async fn post(&mut self, spans: &[Waiting], to: &Address) -> Result<(), Failure> {
        let bytes = spans.iter().map(|span| span.encoded().len()).sum();
        let body = request_of(&self.route.service, bytes, |to| {
            spans.iter().for_each(|span| to.extend_from_slice(span.encoded()));
        });
        let run = to.run.as_deref().filter(|_| self.server.as_ref().is_some_and(Server::links_runs_by_header));
        let may_repeat = self.server.as_ref().is_some_and(Server::upserts_usage);
        let mut tries = 0;
        loop {
            let Err(failure) = self.mlflow.send_spans(&to.experiment, run, body.clone()).await else { return Ok(()) };
            tries += 1;
            match failure.verdict() {
                // A pooled connection that the server has closed meanwhile: the next one is new.
                Verdict::Again if failure.status.is_none() && !failure.timed_out && may_repeat && tries == 1 => {}
                Verdict::AgainAFewTimes if tries < TRIES_AT_500 => {
                    tokio::time::sleep(jittered(Duration::from_millis(200) * tries)).await;
                }
                _ => return Err(failure),
            }
        }
    }

    /// Does for accepted spans what has to be done beside them, then takes them off the queue.
    async fn settle(&mut self, spans: &[Waiting], to: &Address, on: &mut dyn FnMut(Event)) -> Result<(), Trouble> {
        let roots: Vec<&Waiting> = spans.iter().filter(|span| span.is_root).collect();
        if let Err(failure) = self.complete(&roots, to).await? {
            self.side_trouble(failure, on)?;
        }
        let summaries = self.summaries(&roots);
        if let Some(run) = &to.run {
            self.fill_run(run, spans, &roots, &summaries, on).await?;
        }
        self.keep_costs(&summaries)?;
        let seqs: Vec<_> = spans.iter().map(|span| span.seq).collect();
        self.finish_ack(on).await?;
        let (store, destination) = (self.store.clone(), self.route.destination.clone());
        self.acking = Some(spawn_blocking(move || store.ack(&destination, &seqs).map(|()| seqs.len())));
        Ok(())
    }

    /// Waits for the last ack.
    async fn finish_ack(&mut self, on: &mut dyn FnMut(Event)) -> Result<(), Trouble> {
        if let Some(acking) = self.acking.take() {
            on(Event::Delivered(done(acking).await?));
        }
        Ok(())
    }

    /// Tells the server of these traces what it does not read from spans: an older one more than a newer one.
    async fn complete(&mut self, roots: &[&Waiting], to: &Address) -> Result<Result<(), Failure>, Trouble> {
        let server = self.server().await?;
        for root in roots {
            let trace = root.trace_id;
            let has_metadata = !root.trace.facts.metadata.is_empty();
            if (has_metadata || !server.reads_trace_from_spans())
                && let Some(summary) = TraceSummary::of(&to.experiment, to.run.as_deref(), &self.store.spans(trace)?)
            {
                let adds_up = server.reads_trace_from_spans();
                let summary = if adds_up { summary.without_totals() } else { summary };
                if let Err(failure) = self.mlflow.start_trace(&summary).await {
                    return Ok(Err(failure));
                }
            }
            if let Err(failure) = self.mlflow.link_prompts(trace, &root.trace.facts).await {
                return Ok(Err(failure));
            }
            if let Some(run) = to.run.as_deref().filter(|_| !server.links_runs_by_header())
                && let Err(failure) = self.mlflow.link_to_run(run, trace).await
            {
                return Ok(Err(failure));
            }
        }
        Ok(Ok(()))
    }

    /// Logs params, metrics and tags, and ends a run that was opened for the trace.
    async fn fill_run(
        &self,
        run: &str,
        spans: &[Waiting],
        roots: &[&Waiting],
        summaries: &[CostSummary],
        on: &mut dyn FnMut(Event),
    ) -> Result<(), Trouble> {
        let opened_by = roots.iter().find(|root| root.trace.facts.opens_run.is_some());
        let figures: Vec<_> = summaries.iter().map(costs::figures).collect();
        let log = match opened_by {
            // Spans sent before the run was known count too.
            Some(root) => {
                let told = self.store.spans(root.trace_id)?;
                RunLog::of(told.iter().filter_map(|span| span.run.as_deref()).chain(&figures))
            }
            None => RunLog::of(spans.iter().filter_map(|span| span.run.as_deref()).chain(&figures)),
        };
        let outcome = async {
            let refused = self.mlflow.log_to_run(run, log).await?;
            if let Some(root) = opened_by {
                let end = RunEnd { failed: root.is_error, end_unix_ns: root.end_unix_ns };
                self.mlflow.finish_run(run, end).await?;
            }
            Ok::<_, Failure>(refused)
        };
        match outcome.await {
            Ok(refused) if refused.is_empty() => {}
            Ok(refused) => {
                let what = refused.join(", ");
                on(Event::Blocked(format!("run {run} at {} lacks {what}", self.mlflow.base())));
            }
            Err(failure) => self.side_trouble(failure, on)?,
        }
        Ok(())
    }

    /// The user's own run, unless the server does not know it: it would take the spans, and link them to nothing without a word.
    async fn given_run(&mut self, on: &mut dyn FnMut(Event)) -> Result<Option<String>, Trouble> {
        let Some(run) = self.route.run.as_deref() else { return Ok(None) };
        if self.knows_given_run.is_none() {
            let knows = match self.mlflow.has_run(run).await {
                Ok(knows) => knows,
                Err(failure) => self.side_trouble(failure, on).map(|()| true)?,
            };
            if !knows {
                let server = self.mlflow.base();
                on(Event::Blocked(format!(
                    "there is no run {run} at {server}; set MLFLOW_RUN_ID to one that exists; the spans are sent without it"
                )));
            }
            self.knows_given_run = Some(knows);
        }
        Ok(self.route.run.clone().filter(|_| self.knows_given_run == Some(true)))
    }

    /// The run of a trace that asks for one: the one opened before, else a new one. `None` if the server refuses.
    async fn opened_run(
        &self,
        trace: TraceId,
        experiment: &str,
        spans: &[Waiting],
        on: &mut dyn FnMut(Event),
    ) -> Result<Option<String>, Trouble> {
        let key = format!("trace:{trace}:run:{}", self.route.destination);
        let known = self.store.meta_get(&key)?;
        if let Some(run) = known.as_deref().filter(|run| !run.is_empty()) {
            return Ok(Some(run.to_owned()));
        }
        let outcome = async {
            // An empty value: a run was asked for and nothing heard.
            if known.is_some()
                && let Some(run) = self.mlflow.find_run(experiment, trace).await?
            {
                return Ok(run);
            }
            self.store.meta_set(&key, "")?;
            let all = self.store.spans(trace)?;
            // Those that are being sent are stored too.
            let root = all.iter().find(|span| is_root(span, trace));
            let context = spans.iter().find(|span| span.trace_id == trace).map(|span| &span.trace);
            let facts = context.map(|context| &context.facts);
            let asked = facts.and_then(|facts| facts.opens_run.as_ref()).and_then(|run| run.name.as_deref());
            let start = RunStart {
                experiment,
                name: asked.or(root.map(|root| root.name.as_str())).unwrap_or("workflow"),
                trace,
                user: facts.and_then(|facts| facts.user.as_deref()),
                parent_run: self.route.run.as_deref(),
                start_unix_ns: root.map_or_else(now_unix_ns, |root| root.start_unix_ns),
            };
            Ok::<_, Trouble>(self.mlflow.create_run(&start).await?)
        };
        match outcome.await {
            Ok(run) => {
                self.store.meta_set(&key, &run)?;
                Ok(Some(run))
            }
            Err(Trouble::Http(failure)) => self.side_trouble(failure, on).map(|()| None),
            Err(said) => Err(said),
        }
    }

    /// What fails beside the spans for good is said; the spans go all the same.
    fn side_trouble(&self, failure: Failure, on: &mut dyn FnMut(Event)) -> Result<(), Trouble> {
        if matches!(failure.verdict(), Verdict::Again | Verdict::AgainAFewTimes) || failure.status == Some(401) {
            return Err(failure.into());
        }
        on(Event::Blocked(format!("{:#}; the spans are sent without it", failure.into_error(self.mlflow.base()))));
        Ok(())
    }

    /// Takes out what arrived although no answer did, and remembers the rest as unanswered: for a server that counts tokens again each
    /// time it gets a span.
    async fn without_arrived(
        &mut self,
        spans: Vec<Waiting>,
        to: &Address,
        on: &mut dyn FnMut(Event),
    ) -> Result<Vec<Waiting>, Trouble> {
        self.note_unanswered(|_| {})?;
        let traces: HashSet<_> = spans.iter().map(|span| span.trace_id).collect();
        let doubtful: HashSet<_> =
            self.unanswered.iter().flatten().filter(|trace| traces.contains(trace)).copied().collect();
        let (arrived, missing) = if doubtful.is_empty() {
            (Vec::new(), spans)
        } else {
            let stored = self.mlflow.stored_spans(&doubtful).await?;
            spans.into_iter().partition(|span| stored.contains(&(span.trace_id, span.span_id)))
        };
        if !arrived.is_empty() {
            self.settle(&arrived, to, on).await?;
        }
        self.note_unanswered(|unanswered| unanswered.extend(missing.iter().map(|span| span.trace_id)))?;
        Ok(missing)
    }

    /// Changes the list of unanswered traces, here and in the store.
    fn note_unanswered(&mut self, change: impl FnOnce(&mut HashSet<TraceId>)) -> Result<(), Error> {
        let key = format!("unanswered:{}", self.route.destination);
        let mut unanswered = match self.unanswered.take() {
            Some(unanswered) => unanswered,
            None => {
                let kept = self.store.meta_get(&key)?.unwrap_or_default();
                kept.split_whitespace().filter_map(|trace| trace.parse().ok()).collect()
            }
        };
        let before = unanswered.len();
        change(&mut unanswered);
        if unanswered.len() != before {
            let text: Vec<_> = unanswered.iter().map(TraceId::to_string).collect();
            self.store.meta_set(&key, &text.join(" "))?;
        }
        self.unanswered = Some(unanswered);
        Ok(())
    }
}

/// What a task of ours gave back.
async fn done<T>(task: JoinHandle<Result<T, Error>>) -> Result<T, Trouble> {
    let stopped = |error| Error::because(Kind::State, "use the store from the exporter", error);
    Ok(task.await.map_err(stopped)??)
}

/// Whether waiting for more would not make the request larger.
fn fills_a_request(queued: &[Waiting]) -> bool {
    queued.len() >= SPANS_A_REQUEST || bytes_of(queued) >= BYTES_A_REQUEST / 2
}

fn bytes_of(queued: &[Waiting]) -> usize {
    queued.iter().map(|span| span.bytes).sum()
}

fn is_root(span: &SpanRecord, trace: TraceId) -> bool {
    span.trace_id == trace && span.parent_id.is_none()
}

/// Whether other experiments on the same server may do better.
fn concerns_experiment(trouble: &Trouble) -> bool {
    match trouble {
        Trouble::Said(error) => error.is_state(),
        Trouble::Http(failure) => {
            failure.status == Some(403) || failure.status == Some(404) && failure.is_code("RESOURCE_DOES_NOT_EXIST")
        }
    }
}
