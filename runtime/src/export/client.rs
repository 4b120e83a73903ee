//! The server for people and tools: who it is, a push with progress, a trace sent there and read back.

mod briefs;

use std::time::{Duration, Instant};

use super::backoff::Backoff;
use super::http::{Endpoint, Login, Tls, Verdict};
use super::mlflow::{Answered, ExperimentRef, Landed, Mlflow, TraceFacts, Trouble, spans_request};
use super::sender::{Costs, Event, Route, Sender};
use crate::clock::now_unix_ns;
use crate::config::{Config, Credentials, Destination, Experiment};
use crate::cost::ServerFigures;
use crate::error::{Error, Kind};
use crate::id::{TraceId, next_span_id, next_trace_id};
use crate::record::{Assessment, Json, SpanRecord};
use crate::store::{Adopt, Counts, Store};

/// How long a push waits for the exporter of another process to finish.
const LEASE_PATIENCE: Duration = Duration::from_secs(10);
const LEASE_ROUND: Duration = Duration::from_millis(50);
/// How long a trace may take to be readable.
const READ_BACK: Duration = Duration::from_secs(10);
const READ_ROUND: Duration = Duration::from_millis(100);

/// The configured MLflow server. Every method blocks; call them outside of async code.
pub struct Client {
    mlflow: Mlflow,
    route: Route,
    max_retries: u32,
}

/// What a server says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerInfo {
    /// Version, as `3.17.2`; `None` where a gateway hides it.
    pub version: Option<String>,
    /// Whether a span sent twice counts its tokens once (3.15 and newer).
    pub counts_once: bool,
    /// How long it took to answer.
    pub answered_in: Duration,
}

/// A trace that was sent, read back and deleted again.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Canary {
    /// The trace.
    pub trace_id: TraceId,
    /// Id of the experiment it was sent to.
    pub experiment_id: String,
    /// From sending to having read it.
    pub took: Duration,
    /// Whether it could be deleted; if not, it stays in the experiment.
    pub is_deleted: bool,
}

/// How far a push is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// Spans the push has to deliver.
    pub total: u64,
    /// Spans delivered or refused so far.
    pub done: u64,
}

/// What a push did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PushReport {
    /// Spans delivered.
    pub delivered: u64,
    /// Spans refused for good, each with its cause.
    pub rejected: Vec<String>,
    /// Traces and spans that went to this server only because of this push.
    pub adopted: Counts,
    /// Spans and assessments that still wait, and why, as far as it is known.
    pub pending: u64,
    /// What somebody has to change before the rest can go.
    pub blocked: Vec<String>,
}

/// Delivers what `store` holds to the server of `config`, and `which` traces that were not meant for it.
///
/// Safe to repeat and to interrupt: what has arrived is off the queue.
///
/// # Errors
///
/// [`Error::is_config`] if no server is configured; [`Error::is_unreachable`], [`Error::is_unauthorized`],
/// [`Error::is_unsupported`] or [`Error::is_rejected`] if the server does not take spans; [`Error::is_state`] if another process
/// is delivering and does not come to an end; [`Error::is_store`].
pub fn push(
    store: &Store,
    config: &Config,
    which: Adopt,
    on_progress: impl FnMut(Progress) + Send,
) -> Result<PushReport, Error> {
    Client::connect(config)?.push(store, which, on_progress)
}

impl Client {
    /// A client of the configured server. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// [`Error::is_config`] if no server is configured, or credentials or certificates cannot be used.
    pub fn connect(config: &Config) -> Result<Self, Error> {
        let (mlflow, route) = connection(config)?;
        Ok(Self { mlflow, route, max_retries: config.max_retries.value })
    }

    /// The server's address, without credentials.
    pub fn server(&self) -> &str {
        &self.route.destination
    }

    /// Asks the server who it is, for at most 2 s.
    ///
    /// # Errors
    ///
    /// [`Error::is_unreachable`], [`Error::is_unauthorized`], or [`Error::is_unsupported`] below MLflow 3.6.
    pub fn probe(&self) -> Result<ServerInfo, Error> {
        let asked = Instant::now();
        let server = block_on(|| self.mlflow.probe())?.map_err(|trouble| self.error(trouble))?;
        Ok(ServerInfo {
            version: server.version().map(str::to_owned),
            counts_once: server.upserts_usage(),
            answered_in: asked.elapsed(),
        })
    }

    /// The id of the configured experiment, which is created if it is named and missing.
    ///
    /// # Errors
    ///
    /// [`Error::is_state`] if it is deleted or there is none of that id; those of [`Client::probe`].
    pub fn experiment(&self) -> Result<String, Error> {
        block_on(|| self.mlflow.experiment_id(&self.route.experiment))?.map_err(|trouble| self.error(trouble))
    }

    /// What the server says that a trace came to, beside our own figures.
    ///
    /// # Errors
    ///
    /// [`Error::is_state`] if the server has no such trace; those of [`Client::probe`].
    pub fn figures(&self, trace: TraceId) -> Result<ServerFigures, Error> {
        let found = block_on(|| self.mlflow.figures(trace))?.map_err(|failure| self.error(failure.into()))?;
        found.ok_or_else(|| {
            let server = &self.route.destination;
            Error::new(
                Kind::State,
                format!("there is no trace tr-{trace} at {server}; flush first, or `spanwright push`"),
            )
        })
    }

    /// The newest traces of the configured experiment, the newest first, at most 500.
    ///
    /// # Errors
    ///
    /// Those of [`Client::experiment`].
    pub fn newest_traces(&self, limit: usize) -> Result<Vec<TraceId>, Error> {
        let listing = async || -> Result<_, Trouble> {
            let experiment = self.mlflow.experiment_id(&self.route.experiment).await?;
            Ok(self.mlflow.newest_traces(&experiment, limit).await?)
        };
        block_on(listing)?.map_err(|trouble| self.error(trouble))
    }

    /// What the server has of a trace, for somebody who is to judge it; `None` if it has no span of it.
    ///
    /// # Errors
    ///
    /// Those of [`Client::probe`].
    pub fn answered(&self, trace: TraceId) -> Result<Option<Answered>, Error> {
        block_on(|| self.mlflow.answered(trace))?.map_err(|failure| self.error(failure.into()))
    }

    /// Says something of a trace the server has. Said again under the same id, it is said once.
    ///
    /// # Errors
    ///
    /// [`Error::is_state`] if the server does not have the trace; those of [`Client::probe`].
    pub fn assess(&self, assessment: &Assessment) -> Result<(), Error> {
        match block_on(|| self.mlflow.assess(assessment))?.map_err(|failure| self.error(failure.into()))? {
            Landed::Yes => Ok(()),
            Landed::NoTrace => {
                let (server, trace) = (&self.route.destination, assessment.trace_id);
                Err(Error::new(Kind::State, format!("{server} does not have trace tr-{trace}")))
            }
        }
    }

    /// Sends a trace of one span, reads it back, and deletes it.
    ///
    /// # Errors
    ///
    /// Those of [`Client::experiment`]; [`Error::is_state`] if the server took the trace and does not give it back.
    pub fn canary(&self) -> Result<Canary, Error> {
        block_on(|| self.fly())?.map_err(|trouble| self.error(trouble))
    }

    async fn fly(&self) -> Result<Canary, Trouble> {
        let experiment_id = self.mlflow.experiment_id(&self.route.experiment).await?;
        let span = canary_span();
        let trace_id = span.trace_id;
        let sent = Instant::now();
        let body = spans_request(&self.route.service, [(&span, TraceFacts::default())]);
        self.mlflow.send_spans(&experiment_id, None, body).await?;
        loop {
            match self.mlflow.read_trace(trace_id).await? {
                Some(read) if read.spans == 1 && read.state == "OK" => break,
                _ if sent.elapsed() < READ_BACK => tokio::time::sleep(READ_ROUND).await,
                read => {
                    let found = match read {
                        Some(read) => format!("it has {} of 1 spans, state {}", read.spans, read.state),
                        None => "it has none of its spans".to_owned(),
                    };
                    let server = &self.route.destination;
                    let message = format!(
                        "{server} took trace tr-{trace_id} but does not give it back: {found}; see the server's log"
                    );
                    return Err(Error::new(Kind::State, message).into());
                }
            }
        }
        let took = sent.elapsed();
        let is_deleted = self.mlflow.delete_trace(&experiment_id, trace_id).await.is_ok();
        Ok(Canary { trace_id, experiment_id, took, is_deleted })
    }

    /// As [`push`], to this server.
    ///
    /// # Errors
    ///
    /// Those of [`push`].
    pub fn push(
        &self,
        store: &Store,
        which: Adopt,
        mut on_progress: impl FnMut(Progress) + Send,
    ) -> Result<PushReport, Error> {
        let store = store.reopen()?;
        let destination = &self.route.destination;
        let adopted = store.adopt(destination, which)?;
        store.adopt_assessments(destination, which)?;
        let waiting = || -> Result<u64, Error> {
            let spans = store.pending_counts(Some(destination))?.pending.spans;
            Ok(spans + store.waiting_assessments(Some(destination))?)
        };
        let total = store.pending_counts(Some(destination))?.pending.spans;
        let mut progress = Progress { total, done: 0 };
        on_progress(progress);
        if waiting()? == 0 {
            return Ok(PushReport { adopted, ..PushReport::default() });
        }
        let (delivered, rejected, blocked) = block_on(async || {
            let lease = self.lease(&store, &mut progress, &mut on_progress).await?;
            let outcome = self.drain(&store, &mut progress, &mut on_progress).await;
            drop(lease);
            outcome
        })??;
        let pending = waiting()?;
        Ok(PushReport { delivered, rejected, adopted, pending, blocked })
    }

    /// The right to deliver; meanwhile another process may do the work.
    async fn lease(
        &self,
        store: &Store,
        progress: &mut Progress,
        on_progress: &mut (impl FnMut(Progress) + Send),
    ) -> Result<crate::store::Lease, Error> {
        let destination = &self.route.destination;
        let mut last_step = Instant::now();
        loop {
            if let Some(lease) = store.exporter_lease(destination)? {
                return Ok(lease);
            }
            let pending = store.pending_counts(Some(destination))?.pending.spans;
            let done = progress.total.saturating_sub(pending);
            if done > progress.done {
                progress.done = done;
                on_progress(*progress);
                last_step = Instant::now();
            }
            if last_step.elapsed() > LEASE_PATIENCE {
                let message = format!(
                    "another process is delivering to {destination} and {pending} spans still wait; try again when it has ended"
                );
                return Err(Error::new(Kind::State, message));
            }
            tokio::time::sleep(LEASE_ROUND).await;
        }
    }

    async fn drain(
        &self,
        store: &Store,
        progress: &mut Progress,
        on_progress: &mut (impl FnMut(Progress) + Send),
    ) -> Result<(u64, Vec<String>, Vec<String>), Error> {
        let mut sender = Sender::new(store.clone(), self.mlflow.clone(), self.route.clone());
        let (mut delivered, mut rejected, mut blocked) = (0u64, Vec::new(), Vec::new());
        let mut backoff = Backoff::default();
        let mut retries = 0;
        loop {
            let before = progress.done;
            let drained = sender
                .drain(&mut |event| {
                    match event {
                        Event::Delivered(spans) => {
                            delivered += spans as u64;
                            progress.done += spans as u64;
                        }
                        Event::Rejected { trace, name, cause } => {
                            progress.done += 1;
                            rejected.push(format!("`{name}` of trace tr-{trace}: {cause}"));
                        }
                        Event::Blocked(what) if blocked.contains(&what) => {}
                        Event::Blocked(what) => blocked.push(what),
                    }
                    progress.total = progress.total.max(progress.done);
                    on_progress(*progress);
                })
                .await;
            let Err(trouble) = drained else { return Ok((delivered, rejected, blocked)) };
            if progress.done > before {
                retries = 0;
                backoff.reset();
            }
            let may_help = matches!(trouble.verdict(), Verdict::Again | Verdict::AgainAFewTimes);
            if !may_help || retries >= self.max_retries {
                return Err(self.error(trouble));
            }
            retries += 1;
            sender.forget_server();
            let wish = if let Trouble::Http(failure) = &trouble { failure.retry_after } else { None };
            tokio::time::sleep(backoff.next(wish)).await;
        }
    }

    fn error(&self, trouble: Trouble) -> Error {
        trouble.into_error(&self.route.destination)
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("server", &self.route.destination).finish_non_exhaustive()
    }
}

fn canary_span() -> SpanRecord {
    let end_unix_ns = now_unix_ns();
    SpanRecord {
        name: "spanwright doctor".to_owned(),
        span_type: "TOOL".to_owned(),
        kind: "tool".to_owned(),
        start_unix_ns: end_unix_ns.saturating_sub(1_000_000),
        end_unix_ns,
        inputs: Some(Json::of(&"is anybody there?")),
        outputs: Some(Json::of(&"yes")),
        ..SpanRecord::new(next_trace_id(), next_span_id())
    }
}

/// Runs a future to its end on a thread of its own, so that a caller inside a runtime does not panic.
fn block_on<F: Future<Output: Send>>(start: impl FnOnce() -> F + Send) -> Result<F::Output, Error> {
    let failed = |cause: String| Error::because(Kind::State, "start a thread for the connection", cause);
    std::thread::scope(|scope| {
        let running = std::thread::Builder::new().name("spanwright-client".to_owned()).spawn_scoped(scope, || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.map(|runtime| {
                let done = runtime.block_on(start());
                // A name that is still being looked up is waited for by nobody.
                runtime.shutdown_background();
                done
            })
        });
        match running.map(std::thread::ScopedJoinHandle::join) {
            Ok(Ok(Ok(done))) => Ok(done),
            Ok(Ok(Err(error))) | Err(error) => Err(failed(error.to_string())),
            Ok(Err(panic)) => std::panic::resume_unwind(panic),
        }
    })
}

/// The configured server, and what is said of every span sent there.
pub(super) fn connection(config: &Config) -> Result<(Mlflow, Route), Error> {
    let uri = match &config.destination.value {
        Destination::Http(uri) => uri,
        Destination::StoreOnly => {
            return Err(Error::new(Kind::Config, "no server is configured; set MLFLOW_TRACKING_URI=http://…"));
        }
        Destination::Unsupported(uri) => {
            let message = format!(
                "`{uri}` is not a server; run `mlflow server --backend-store-uri {uri}` and set MLFLOW_TRACKING_URI to its address"
            );
            return Err(Error::new(Kind::Config, message));
        }
    };
    let login = match &config.credentials.value {
        Credentials::None => None,
        Credentials::Basic { user, password } => Some(Login::Basic { user: user.clone(), password: password.clone() }),
        Credentials::Token(token) => Some(Login::Bearer(token.clone())),
    };
    let mut headers = Vec::new();
    // A server without workspaces answers 500 to this header, whatever it says.
    if let Some(workspace) = &config.workspace.value {
        headers.push(("x-mlflow-workspace", workspace.clone()));
    }
    let pem = |path: &Option<std::path::PathBuf>| path.as_deref().map(crate::config::read_pem).transpose();
    let mlflow = Mlflow::new(Endpoint {
        base: uri.as_str().to_owned(),
        login,
        headers,
        tls: Tls {
            accept_any_certificate: config.insecure_tls.value,
            roots: pem(&config.server_cert.value)?,
            client: pem(&config.client_cert.value)?,
        },
        request_timeout: config.request_timeout.value,
    })?;
    let route = Route {
        destination: uri.as_str().to_owned(),
        experiment: match &config.experiment.value {
            Some(Experiment::Id(id)) => ExperimentRef::Id(id.clone()),
            Some(Experiment::Name(name)) => ExperimentRef::Name(name.clone()),
            None => ExperimentRef::Default,
        },
        run: config.run_id.value.clone().filter(|run| !run.is_empty()),
        service: config.service_name.value.clone().unwrap_or_default(),
        costs: Costs::of(config),
    };
    Ok((mlflow, route))
}
