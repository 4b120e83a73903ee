//! Where something stands.

use serde::{Deserialize, Serialize};

/// A place in the source: file from the workspace's root with `/`, line and column from 1.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Place {
    /// The file.
    pub file: String,
    /// The line.
    pub line: usize,
    /// The column, in characters.
    pub column: usize,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// A place that may hold spans and could not be followed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unresolved {
    /// Where.
    pub place: Place,
    /// The last line of what could not be followed, where that is more than a line.
    pub last_line: usize,
    /// Why, in words: "the body of `macro_rules! make`", "`include!(…)`", "module `generated` has no file".
    pub why: String,
}
