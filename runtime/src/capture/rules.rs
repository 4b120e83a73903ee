//! Which keys hold secrets.

/// What is redacted.
#[derive(Clone, Debug, Default)]
pub struct Rules {}
