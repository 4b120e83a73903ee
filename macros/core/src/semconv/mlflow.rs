//! `mlflow.*`: the attributes a user may set.

use super::Standard;

/// The version of MLflow this table follows.
pub const VERSION: &str = "3.18";

/// Sorted by key.
pub(super) const ATTRIBUTES: &[Standard] = &[];

/// What the runtime writes, and how a user says it.
pub(super) const WRITTEN: &[(&str, &str)] = &[];
