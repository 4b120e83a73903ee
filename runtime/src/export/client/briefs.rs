//! The traces of a server, as reports read them.

use super::{Client, block_on};
use crate::error::Error;
use crate::export::mlflow::{ExperimentRef, Trouble};
use crate::store::{BriefFilter, TraceBrief};

impl Client {
    /// Shows each trace of an experiment that the filter lets through to `each`, the earliest first; [`BriefFilter::whole_if`] says which
    /// attributes are read. `experiment` is a name or an id; the configured one without. Nothing on the server is changed.
    ///
    /// # Errors
    ///
    /// [`Error::is_state`] if there is no such experiment; [`Error::is_unreachable`], [`Error::is_unauthorized`] or
    /// [`Error::is_unsupported`] if the server does not answer with traces.
    pub fn briefs(
        &self,
        experiment: Option<&str>,
        filter: &BriefFilter,
        mut each: impl FnMut(&TraceBrief<'_>) + Send,
    ) -> Result<(), Error> {
        let experiment = experiment.map(|name| ExperimentRef::Either(name.to_owned()));
        block_on(async || -> Result<(), Trouble> {
            if let Some(trace) = filter.trace {
                for brief in self.mlflow.briefs(&[trace], filter.whole_if).await? {
                    each(&brief);
                }
                return Ok(());
            }
            let experiment =
                self.mlflow.existing_experiment(experiment.as_ref().unwrap_or(&self.route.experiment)).await?;
            let mut page = None;
            loop {
                let (found, next) = self.mlflow.search_traces(&experiment, filter, page.as_deref()).await?;
                for brief in self.mlflow.completed(found, filter.whole_if).await? {
                    each(&brief);
                }
                page = next;
                if page.is_none() {
                    return Ok(());
                }
            }
        })?
        .map_err(|trouble| self.error(trouble))
    }
}
