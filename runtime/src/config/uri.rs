//! A tracking URI without its secrets.

use std::fmt;

/// A tracking URI. Neither `Display` nor `Debug` shows user or password.
#[derive(Clone, PartialEq, Eq)]
pub struct Uri {
    text: String,
    host: String,
}

impl Uri {
    /// `scheme://host[:port][/path]`, lower-case scheme and host, no default port, no trailing slash, no user: the same
    /// text for the same server. It names the destination in the store, and paths are appended to it.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The host, without port; empty if the URI has none.
    pub fn host(&self) -> &str {
        &self.host
    }
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Uri({})", self.text)
    }
}
