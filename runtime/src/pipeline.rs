//! Putting the stages together, and taking them down.
//!
//! This is the one place that knows every stage. Nothing in here is on the path of an annotated call.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::capture::Policy;
use crate::chunk::{Chunks, MAX_VALUE_BYTES};
use crate::collector::{self, Collector, Occasion, Report};
use crate::config::{Config, Experiment, NamedConfig, Overrides, StorePlace};
use crate::diagnostics::Diagnostics;
use crate::error::{Error, Kind};
use crate::execution;
use crate::fork;
use crate::outstanding;
use crate::record::RecordSink;
use crate::recorder::{self, Discretion, Recorder};
use crate::retold;
use crate::tracker::{self, EventSink};

#[cfg(feature = "store")]
use crate::store::Store;

mod forked;
#[cfg(feature = "store")]
mod recovery;
#[cfg(feature = "store")]
mod stored;
#[cfg(feature = "store")]
mod summary;

#[cfg(feature = "store")]
pub use recovery::{Recovered, recover};

/// Starts tracing as the environment and `spanwright.toml` configure it.
///
/// Never fails: a setting that cannot be used is one diagnostic and its default, and a store that cannot be opened is one
/// diagnostic and memory. Keep the guard until the program ends: dropping it delivers what is left.
///
/// ```no_run
/// let _guard = spanwright::init();
/// ```
///
/// A process that is forked, without exec, from one that traces goes on tracing from its first span on, and may call this for a guard of
/// its own. It keeps its spans beside the store; its parent, the next program or `spanwright push` delivers them. A daemon calls this after
/// it has forked itself.
pub fn init() -> Guard {
    builder().install().unwrap_or_else(|error| {
        Diagnostics::stderr().say(format!("this guard traces nothing: {error:#}"));
        Guard { running: None }
    })
}

/// Starts tracing with settings of the program's own, which win over the environment.
///
/// ```no_run
/// # fn main() -> Result<(), spanwright::Error> {
/// let guard = spanwright::builder().tracking_uri("http://127.0.0.1:5000").experiment("home").install()?;
/// # Ok(())
/// # }
/// ```
pub fn builder() -> Builder {
    Builder { overrides: Overrides::default(), diagnostics: None, sink: None, events: None }
}

/// Settings of the program's own. See [`builder`].
#[must_use = "nothing is traced before `install`"]
pub struct Builder {
    overrides: Overrides,
    diagnostics: Option<Diagnostics>,
    sink: Option<Box<dyn RecordSink>>,
    events: Option<Arc<dyn EventSink>>,
}

impl Builder {
    /// A file of settings: a workflow file with `config.observability.mlflow`, or, if its name ends in `.toml`, one in place of the nearest
    /// `spanwright.toml`. The environment and the other methods win over it. What cannot be used in it is an error of
    /// [`install`](Self::install).
    pub fn config_file(mut self, path: impl Into<std::path::PathBuf>) -> Self {
        self.overrides.config_file = Some(NamedConfig::Path(path.into()));
        self
    }

    /// The same from the text of a workflow file.
    pub fn config_yaml(mut self, text: impl Into<String>) -> Self {
        self.overrides.config_file = Some(NamedConfig::Yaml(text.into()));
        self
    }

    /// Whether the content of spans is kept: values, texts of errors, events, texts of attributes and tags. Numbers, names, models and
    /// tokens are kept all the same.
    pub fn log_prompts(mut self, log_prompts: bool) -> Self {
        self.overrides.log_prompts = Some(log_prompts);
        self
    }

    /// The same for the spans of one name, and for what is below them: their own, their function's, or their declared id.
    pub fn log_prompts_of(mut self, node: impl Into<String>, log_prompts: bool) -> Self {
        self.overrides.nodes.push((node.into(), log_prompts));
        self
    }

    /// The MLflow server to deliver to: `http://…` or `https://…`. Without one, spans stay in the store.
    pub fn tracking_uri(mut self, uri: impl Into<String>) -> Self {
        self.overrides.tracking_uri = Some(uri.into());
        self
    }

    /// The experiment traces belong to, by name; created if it is not there.
    pub fn experiment(mut self, name: impl Into<String>) -> Self {
        self.overrides.experiment = Some(Experiment::Name(name.into()));
        self
    }

    /// The folder of the store, instead of the nearest `.spanwright`.
    pub fn store(mut self, folder: impl Into<std::path::PathBuf>) -> Self {
        self.overrides.store = Some(StorePlace::At(folder.into()));
        self
    }

    /// The share of traces that is kept, from 0.0 to 1.0.
    pub fn sampling_ratio(mut self, ratio: f64) -> Self {
        self.overrides.sampling_ratio = Some(ratio);
        self
    }

    /// How long the guard may spend delivering when it is dropped; 2 seconds if not set.
    pub fn flush_timeout(mut self, timeout: Duration) -> Self {
        self.overrides.flush_timeout = Some(timeout);
        self
    }

    /// What finished spans outlive: the process, or a loss of power as well. The latter makes each workflow wait for the disk.
    #[cfg(feature = "store")]
    pub fn durability(mut self, durability: crate::config::Durability) -> Self {
        self.overrides.durability = Some(durability);
        self
    }

    /// Takes each diagnostic instead of standard error.
    pub fn diagnostics(mut self, receiver: impl Fn(&str) + Send + Sync + 'static) -> Self {
        self.diagnostics = Some(Diagnostics::to(receiver));
        self
    }

    /// Takes closed spans instead of the store; nothing is delivered then.
    pub fn sink(mut self, sink: impl RecordSink + 'static) -> Self {
        self.sink = Some(Box::new(sink));
        self
    }

    /// Takes what is measured of executions, as events. The first sink of a process stays.
    pub fn events(mut self, sink: impl EventSink + 'static) -> Self {
        self.events = Some(Arc::new(sink));
        self
    }

    /// Starts tracing.
    ///
    /// # Errors
    ///
    /// [`Error::is_config`] if something in a file that was named cannot be used; [`Error::is_state`] if the program is traced already; [`Error::is_store`] if no collector can be started.
    pub fn install(self) -> Result<Guard, Error> {
        let (config, warnings) = Config::checked(self.overrides)?;
        let standard = || if config.log.value { Diagnostics::stderr() } else { Diagnostics::off() };
        let diagnostics = self.diagnostics.unwrap_or_else(standard);
        diagnostics.keep();
        if let Some(sink) = self.events {
            tracker::send_events_to(sink);
        }
        if recorder::is_installed() {
            return forked::adopt().ok_or_else(already_installed);
        }
        if config.disabled.value || cfg!(spanwright_off) {
            recorder::settle_for_nothing();
            recorder::leave_inherited();
            return Ok(Guard { running: None });
        }
        for warning in warnings {
            diagnostics.say(warning);
        }
        if config.max_value_bytes.value > MAX_VALUE_BYTES {
            diagnostics.say(format!("values are cut at {MAX_VALUE_BYTES} bytes, the most that can be captured"));
        }
        execution::prepare();
        #[cfg(feature = "store")]
        if let Some(prices) = config.own_prices() {
            execution::budget::price_with(prices);
        }
        let parts = Parts { config: Arc::new(config), diagnostics };
        if fork::is_child() {
            return forked::install(parts, self.sink);
        }
        forked::prepare();
        let running = match self.sink {
            Some(sink) => parts.start_with(sink)?,
            None => parts.start()?,
        };
        let running = Arc::new(running);
        #[cfg(feature = "store")]
        summary::remember(&running);
        Ok(Guard { running: Some(running) })
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("overrides", &self.overrides).finish_non_exhaustive()
    }
}

fn already_installed() -> Error {
    Error::new(Kind::State, "start tracing: this program is traced already; keep the first guard and call `init` once")
}

/// What every stage is built with.
#[derive(Clone)]
struct Parts {
    config: Arc<Config>,
    diagnostics: Diagnostics,
}

impl Parts {
    fn policy(&self) -> Policy {
        retold::policy(&self.config)
    }

    /// A recorder that is not installed yet.
    fn new_recorder(&self) -> &'static Recorder {
        let named = self.config.nodes.iter().map(|node| (node.name.clone(), !node.log_prompts.value)).collect();
        let discretion = Discretion { usual: !self.config.log_prompts.value, named };
        Recorder::start_with(Chunks::new(), self.policy(), self.config.sampling_ratio.value, discretion)
    }

    fn recorder(&self) -> Result<&'static Recorder, Error> {
        let recorder = self.new_recorder();
        if recorder.install() {
            return Ok(recorder);
        }
        recorder.stop();
        Err(already_installed())
    }

    fn start_with(self, sink: Box<dyn RecordSink>) -> Result<Running, Error> {
        let recorder = self.recorder()?;
        forked::keep_plan(&self, None);
        self.run(recorder, Collector::new(recorder, sink, None), |_| ())
    }

    #[cfg(not(feature = "store"))]
    fn start(self) -> Result<Running, Error> {
        Err(Error::new(Kind::Config, "start tracing: without the feature `store`, give the builder a `sink`"))
    }

    fn run(
        self,
        recorder: &'static Recorder,
        collector: Collector,
        mut beside: impl FnMut(Occasion) + Send + 'static,
    ) -> Result<Running, Error> {
        let diagnostics = self.diagnostics;
        let beside = move |occasion| {
            #[cfg(feature = "store")]
            execution::budget::read_ahead();
            beside(occasion);
        };
        let collector = collector::Handle::spawn(collector, diagnostics.clone(), beside).map_err(|error| {
            recorder.stop();
            Error::because(Kind::Store, "start tracing: cannot start the collector's thread", error)
        })?;
        Ok(Running {
            recorder,
            collector,
            flush_timeout: self.config.flush_timeout.value,
            diagnostics,
            #[cfg(feature = "store")]
            store: None,
            #[cfg(feature = "mlflow")]
            exporter: None,
            config: self.config,
            generation: fork::generation(),
            hands_on: false,
        })
    }
}

struct Running {
    recorder: &'static Recorder,
    collector: collector::Handle,
    flush_timeout: Duration,
    config: Arc<Config>,
    /// Of the process that started it.
    generation: u32,
    /// Another process delivers what this one keeps.
    hands_on: bool,
    diagnostics: Diagnostics,
    #[cfg(feature = "store")]
    store: Option<Store>,
    #[cfg(feature = "mlflow")]
    exporter: Option<Arc<crate::export::Exporter>>,
}

/// Keeps tracing on. Dropping it stops tracing and delivers what is left within the flush timeout (2 seconds by default); what
/// is not delivered by then stays in the store, for the next process or `spanwright push`.
///
/// Drop it outside of async code, or call [`Guard::shutdown`] there from `spawn_blocking`: delivering blocks.
///
/// In a process that was forked, the copy of its parent's guard flushes and ends what that process itself traces, and nothing of its
/// parent's.
#[must_use = "tracing stops as soon as the guard is dropped; bind it with `let _guard = …`"]
pub struct Guard {
    running: Option<Arc<Running>>,
}

/// Where the spans stand that had ended when a flush began.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FlushReport {
    /// Everything that had ended is in the store; in a process that was forked, in files beside it.
    pub is_stored: bool,
    /// Everything this process has to deliver is delivered, or was refused by the server for good. A process that was forked delivers
    /// nothing itself and is not told when another one does.
    pub is_delivered: bool,
    /// Spans stored by this process since it started.
    pub stored: u64,
    /// Spans delivered by this process since it started.
    pub delivered: u64,
    /// Spans in the store that wait for this process's server; in a process that was forked, all it has stored for it.
    pub pending: u64,
    /// Spans the server refused for good; they stay in the store with the cause.
    pub rejected: u64,
    /// Spans that could not be recorded since the process started.
    pub lost: u64,
    /// Attributes stored since the process started that are not as the declaration of their span has them: one for each span and
    /// key. They are kept as they were set.
    pub stray_attributes: u64,
    /// Chunks taken from the heap since the process started: what stood in them would not have survived a crash.
    pub heap_chunks: u64,
    /// What was [`outstanding`](crate::outstanding()) when the flush began and had not ended when it was over.
    pub unfinished: usize,
}

impl Guard {
    /// Whether spans are recorded: false if tracing was switched off or could not be started.
    pub fn is_tracing(&self) -> bool {
        self.running.is_some()
    }

    /// Waits for what is [`outstanding`](crate::outstanding()), then stores and delivers everything that has ended, waiting no longer than
    /// `timeout` for all of it; a quarter of that, at most a second, is kept for storing.
    pub fn flush(&self, timeout: Duration) -> FlushReport {
        let deadline = after(timeout);
        let running =
            self.running.as_ref().and_then(|running| if running.is_ours() { Some(running) } else { forked::running() });
        let Some(running) = running else { return FlushReport::settled() };
        let unfinished = outstanding::wait_until(before(deadline));
        Chunks::release_thread();
        let report = running.collector.flush(deadline);
        FlushReport { unfinished, ..running.deliver(report, deadline) }
    }

    /// Stops tracing and delivers what is left within the flush timeout.
    pub fn shutdown(mut self) -> FlushReport {
        self.close()
    }

    fn close(&mut self) -> FlushReport {
        let Some(running) = self.running.take() else { return FlushReport::settled() };
        if running.is_ours() {
            return running.close();
        }
        // Its threads are in another process, and its locks may be held by them.
        std::mem::forget(running);
        forked::leave().map_or_else(FlushReport::settled, |running| running.close())
    }

    /// The configuration in force.
    pub fn config(&self) -> Option<&Config> {
        self.running.as_ref().map(|running| &*running.config)
    }

    /// The store spans are kept in; `None` in a process that was forked.
    #[cfg(feature = "store")]
    pub fn store(&self) -> Option<&Store> {
        self.running.as_ref().filter(|running| running.is_ours())?.store.as_ref()
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.close();
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").field("is_tracing", &self.is_tracing()).finish_non_exhaustive()
    }
}

impl FlushReport {
    fn settled() -> Self {
        Self { is_stored: true, is_delivered: true, ..Self::default() }
    }
}

/// So long from now; a time that no clock can show is far enough away.
fn after(timeout: Duration) -> Instant {
    const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);
    let now = Instant::now();
    now.checked_add(timeout).unwrap_or(now + YEAR)
}

/// When waiting for other work has to end, so that what is there can still be stored.
fn before(deadline: Instant) -> Instant {
    let left = deadline.saturating_duration_since(Instant::now());
    deadline.checked_sub((left / 4).min(Duration::from_secs(1))).unwrap_or(deadline)
}

/// The longest time the end of a workflow waits for the disk.
#[cfg(feature = "store")]
const ROOT_PATIENCE: Duration = Duration::from_secs(5);

impl Running {
    /// The end of a root returns only when everything that had ended by then is in the store.
    #[cfg(feature = "store")]
    fn store_at_root_ends(&self) {
        let (flush, diagnostics) = (self.collector.flusher(), self.diagnostics.clone());
        let said = std::sync::atomic::AtomicBool::new(false);
        self.recorder.before_a_root_returns(move || {
            let report = flush(after(ROOT_PATIENCE)).unwrap_or_else(Report::late);
            if report.is_kept() || said.swap(true, std::sync::atomic::Ordering::Relaxed) {
                return;
            }
            let why =
                report.refused.map_or_else(|| format!("not within {ROOT_PATIENCE:?}"), |error| format!("{error:#}"));
            diagnostics.say(format!("a workflow has returned before its spans were safe from a loss of power: {why}"));
        });
    }

    fn is_ours(&self) -> bool {
        self.generation == fork::generation()
    }

    fn close(&self) -> FlushReport {
        let deadline = after(self.flush_timeout);
        let unfinished = outstanding::wait_until(before(deadline));
        if unfinished > 0 {
            self.diagnostics.say(format!(
                "the program ended before {unfinished} of its evaluations: what they would have said is missing; \
                 SPANWRIGHT_FLUSH_TIMEOUT_MS gives them more time, and so does `flush` before the end"
            ));
        }
        self.recorder.stop();
        Chunks::release_thread();
        let report = self.collector.close(deadline);
        if report.is_none() {
            let most = self.recorder.chunks().begun_on_heap();
            self.diagnostics.say(format!(
                "the program ended before it was known which of its spans are stored: those in chunk files are taken over by the next \
                 process, at most {most} go with this one; SPANWRIGHT_FLUSH_TIMEOUT_MS gives it more time"
            ));
        }
        let report = self.deliver(report, deadline);
        #[cfg(feature = "mlflow")]
        if let Some(exporter) = &self.exporter {
            exporter.shutdown(deadline);
        }
        #[cfg(feature = "store")]
        self.take_leave();
        FlushReport { unfinished, ..report }
    }

    /// Waits for what `report` says is stored to be delivered too.
    fn deliver(&self, report: Option<Report>, deadline: Instant) -> FlushReport {
        let report = report.unwrap_or_else(Report::late);
        let losses = self.recorder.chunks().losses();
        let flushed = FlushReport {
            is_stored: report.is_kept(),
            stored: report.tally.stored,
            lost: losses.spans + losses.ends + report.gone,
            stray_attributes: report.tally.stray,
            heap_chunks: self.recorder.chunks().heap_chunks(),
            is_delivered: true,
            ..FlushReport::default()
        };
        #[cfg(feature = "mlflow")]
        if let Some(exporter) = &self.exporter {
            let delivery = exporter.flush(deadline);
            return FlushReport {
                is_delivered: delivery.pending == 0 && flushed.is_stored,
                delivered: delivery.delivered,
                pending: delivery.pending,
                rejected: delivery.rejected,
                ..flushed
            };
        }
        let _ = deadline;
        let pending = if self.hands_on { flushed.stored } else { 0 };
        FlushReport { pending, is_delivered: pending == 0, ..flushed }
    }
}
