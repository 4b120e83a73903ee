//! What stops a command, in words, with what to do about it.

use std::{fmt, io};

/// Why a command did not do what was asked.
#[derive(Debug)]
pub enum Failure {
    /// Nothing can be written any more.
    Output(io::Error),
    /// Something is not there, or cannot be used.
    Said {
        /// What is wrong.
        what: String,
        /// What to do about it.
        hint: String,
    },
    /// The library could not do it; its message says what to do.
    Library(spanwright::Error),
    /// A source tree could not be read; its message says what to do.
    Contract(spanwright_contract::Error),
}

impl Failure {
    /// Something is wrong, and what to do about it.
    pub fn said(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Said { what: what.into(), hint: hint.into() }
    }

    /// What to do about it, where the message does not say so itself.
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Said { hint, .. } => Some(hint),
            _ => None,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Output(error) => write!(f, "cannot write the output: {error}"),
            Self::Said { what, .. } => f.write_str(what),
            Self::Library(error) => write!(f, "{error:#}"),
            Self::Contract(error) => write!(f, "{error:#}"),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

impl From<spanwright::Error> for Failure {
    fn from(error: spanwright::Error) -> Self {
        Self::Library(error)
    }
}

impl From<spanwright_contract::Error> for Failure {
    fn from(error: spanwright_contract::Error) -> Self {
        Self::Contract(error)
    }
}
