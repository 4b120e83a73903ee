//! The one public error: opaque, cheap to move, with predicates and a chain of causes.
//!
//! Messages are lower case, name the operation and say what to do. They never hold a credential: whoever builds one from a
//! URI goes through `config::Uri`, whose `Display` leaves user and password out.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

/// What failed and why.
///
/// Branch on the predicates; print with `{}` for the operation or `{:#}` for the whole chain of causes.
///
/// ```
/// # fn explain(error: spanwright::Error) {
/// if error.is_unreachable() {
///     eprintln!("the server is away; the spans are kept: {error:#}");
/// }
/// # }
/// ```
#[derive(Clone)]
pub struct Error {
    inner: Arc<Inner>,
}

struct Inner {
    kind: Kind,
    message: String,
    cause: Option<Box<dyn StdError + Send + Sync>>,
}

/// What a caller can branch on; each has its predicate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A setting that cannot be used.
    Config,
    /// The store cannot be opened, read or written.
    Store,
    /// The server cannot be reached, or does not answer.
    Unreachable,
    /// The server refuses the credentials.
    Unauthorized,
    /// The server refuses what was sent, for good.
    Rejected,
    /// The server is one this version cannot speak to.
    Unsupported,
    /// Something is there already, or is not there.
    State,
}

impl Error {
    #[cold]
    #[inline(never)]
    pub(crate) fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { inner: Arc::new(Inner { kind, message: message.into(), cause: None }) }
    }

    #[cold]
    #[inline(never)]
    pub(crate) fn because(
        kind: Kind,
        message: impl Into<String>,
        cause: impl Into<Box<dyn StdError + Send + Sync>>,
    ) -> Self {
        Self { inner: Arc::new(Inner { kind, message: message.into(), cause: Some(cause.into()) }) }
    }

    /// A setting cannot be used.
    pub fn is_config(&self) -> bool {
        self.inner.kind == Kind::Config
    }

    /// The store cannot be opened, read or written.
    pub fn is_store(&self) -> bool {
        self.inner.kind == Kind::Store
    }

    /// The server cannot be reached or does not answer; trying again later may help.
    pub fn is_unreachable(&self) -> bool {
        self.inner.kind == Kind::Unreachable
    }

    /// The server refuses the credentials.
    pub fn is_unauthorized(&self) -> bool {
        self.inner.kind == Kind::Unauthorized
    }

    /// The server refuses what was sent; sending it again does not help.
    pub fn is_rejected(&self) -> bool {
        self.inner.kind == Kind::Rejected
    }

    /// The server is too old for traces, or lacks what is asked of it.
    pub fn is_unsupported(&self) -> bool {
        self.inner.kind == Kind::Unsupported
    }

    /// Something is already there, or not there: a second installation, a deleted experiment.
    pub fn is_state(&self) -> bool {
        self.inner.kind == Kind::State
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.inner.message)?;
        if f.alternate() {
            let mut cause = self.source();
            while let Some(error) = cause {
                write!(f, ": {error}")?;
                cause = error.source();
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Error({:?}, \"{self:#}\")", self.inner.kind)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.inner.cause.as_deref().map(|cause| cause as &(dyn StdError + 'static))
    }
}

const _: () = {
    const fn shared<T: Send + Sync + 'static>() {}
    shared::<Error>();
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chain_prints_outermost_first() {
        let inner = Error::because(Kind::Store, "open the store", std::io::Error::other("disk full"));
        let outer = Error::because(Kind::Store, "start tracing", inner);
        assert_eq!(outer.to_string(), "start tracing");
        assert_eq!(format!("{outer:#}"), "start tracing: open the store: disk full");
        assert!(outer.is_store() && !outer.is_config());
        assert_eq!(size_of::<Error>(), size_of::<usize>());
    }
}
