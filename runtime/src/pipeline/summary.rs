//! What a trace of this program cost, read once everything that had ended by then is stored.

use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::{Running, after};
use crate::chunk::Chunks;
use crate::config::Config;
use crate::cost::CostSummary;
use crate::error::{Error, Kind};
use crate::fork::Once;
use crate::store::Store;
use crate::traced::TraceHandle;

/// How long is waited for spans to be stored, and then for them to be delivered.
const PATIENCE: Duration = Duration::from_secs(5);

/// What this process has traced with.
static PROGRAM: Once<Program> = Once::empty();

struct Program {
    running: Weak<Running>,
    config: Arc<Config>,
    /// Where the spans are when it does not run any more; `None` if they were in memory.
    folder: Option<PathBuf>,
}

/// From now on traces of this program can be summed up.
pub(super) fn remember(running: &Arc<Running>) {
    let folder = running.store.as_ref().and_then(|store| store.folder().map(PathBuf::from));
    let program = Program { running: Arc::downgrade(running), config: running.config.clone(), folder };
    PROGRAM.put(Box::leak(Box::new(program)));
}

impl TraceHandle {
    /// What exactly this trace cost, by node, provider and model.
    ///
    /// Waits until everything that had ended is stored, no longer than 5 s; call it outside of async code, or from `spawn_blocking`.
    /// Spans that have not ended are not in it.
    ///
    /// ```no_run
    /// # #[spanwright::workflow] fn travel_workflow() {}
    /// let _guard = spanwright::init();
    /// let (_, trace) = spanwright::traced_call(travel_workflow);
    /// if let Some(summary) = trace.and_then(|trace| trace.cost_summary().ok()) {
    ///     println!("{} tokens, {:?} dollars", summary.total_tokens.total_tokens, summary.total_cost_usd);
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::is_state`] if nothing traces into a store here, or no span of this trace is in it; [`Error::is_config`] if the file of
    /// prices cannot be read; [`Error::is_store`].
    pub fn cost_summary(&self) -> Result<CostSummary, Error> {
        let program = Program::here()?;
        let prices = program.config.price_table()?;
        CostSummary::of_stored(&program.settled_store()?, self.trace_id(), &prices)
    }

    /// As [`TraceHandle::cost_summary`], with what the server says of the trace beside it, in [`CostSummary::server`].
    ///
    /// # Errors
    ///
    /// Those of [`TraceHandle::cost_summary`] and [`Client::figures`](crate::export::Client::figures).
    #[cfg(feature = "mlflow")]
    pub fn cost_summary_with_server(&self) -> Result<CostSummary, Error> {
        let mut summary = self.cost_summary()?;
        let program = Program::here()?;
        if let Some(exporter) = program.running.upgrade().as_ref().and_then(|running| running.exporter.as_ref()) {
            exporter.flush(after(PATIENCE));
        }
        summary.server = Some(crate::export::Client::connect(&program.config)?.figures(self.trace_id())?);
        Ok(summary)
    }
}

impl Program {
    fn here() -> Result<&'static Self, Error> {
        PROGRAM.get().ok_or_else(|| {
            Error::new(Kind::State, "cannot sum up a trace: nothing is traced here; call `spanwright::init` first")
        })
    }

    /// The store, with everything in it that had ended.
    fn settled_store(&self) -> Result<Store, Error> {
        let gone = || Error::new(Kind::State, "cannot sum up a trace: its spans were kept in no store");
        match self.running.upgrade().filter(|running| running.is_ours()) {
            Some(running) => {
                let store = running.store.clone().ok_or_else(gone)?;
                Chunks::release_thread();
                running.collector.flush(after(PATIENCE));
                Ok(store)
            }
            None => Store::open_existing(self.folder.as_ref().ok_or_else(gone)?)?.ok_or_else(gone),
        }
    }
}
