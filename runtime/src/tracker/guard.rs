//! Once among all processes.

#[cfg(feature = "store")]
use crate::store::Store;

/// Knows what has been counted of an execution, beyond one process. See [`Reporting::once_in`](super::Reporting::once_in).
///
/// A [`Store`](crate::store::Store) is one: it keeps claims in its ledger, so that of all processes that share it one counts.
pub trait OnceGuard: Send + Sync {
    /// True for the first who asks this of an execution, the agent's configuration and the name of a measurement; false for all others.
    /// Who cannot find out says true: what is counted twice is better than what is lost.
    fn claim(&self, run_id: &str, config_key: &str, metric: &str) -> bool;
}

#[cfg(feature = "store")]
impl OnceGuard for Store {
    fn claim(&self, run_id: &str, config_key: &str, metric: &str) -> bool {
        self.claim_metric(run_id, &format!("{config_key}:{metric}")).unwrap_or_else(|error| {
            crate::diagnostics::of_program().say(format!("{metric} of run {run_id} may count twice: {error:#}"));
            true
        })
    }
}
