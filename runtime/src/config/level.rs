//! Which artifacts of a workflow are written.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Kind};

/// How much of a workflow is written as artifacts. Each level has what the one below it has.
///
/// | Kind of artifact | `minimal` | `standard` | `full` | `log_artifacts: false` |
/// |---|---|---|---|---|
/// | [`Summary`](ArtifactKind::Summary) | written | written | written | – |
/// | [`Messages`](ArtifactKind::Messages) | – | written | written | – |
/// | [`Everything`](ArtifactKind::Everything) | – | – | written | – |
///
/// ```
/// use spanwright::config::ArtifactLevel;
///
/// assert!(ArtifactLevel::Minimal < ArtifactLevel::Full);
/// assert_eq!("standard".parse::<ArtifactLevel>().unwrap(), ArtifactLevel::default());
/// let error = "verbose".parse::<ArtifactLevel>().unwrap_err();
/// assert_eq!(error.to_string(), "read an artifact level: `verbose` is none; expected minimal, standard or full");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ArtifactLevel {
    /// What a run came to.
    Minimal,
    /// What was said, too.
    #[default]
    Standard,
    /// All there is.
    Full,
}

/// What an artifact holds, by the level from which on it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ArtifactKind {
    /// Figures and outcome, such as `cost_summary.json`: from [`ArtifactLevel::Minimal`] on.
    Summary,
    /// Prompts and responses: from [`ArtifactLevel::Standard`] on.
    Messages,
    /// Anything else, such as a whole trace: at [`ArtifactLevel::Full`].
    Everything,
}

impl ArtifactLevel {
    /// The word for it in a configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Minimal => "minimal",
            Self::Standard => "standard",
            Self::Full => "full",
        }
    }

    /// Whether artifacts of this kind are written.
    ///
    /// ```
    /// use spanwright::config::{ArtifactKind, ArtifactLevel};
    ///
    /// assert!(ArtifactLevel::Minimal.writes(ArtifactKind::Summary));
    /// assert!(!ArtifactLevel::Minimal.writes(ArtifactKind::Messages));
    /// ```
    pub fn writes(self, kind: ArtifactKind) -> bool {
        kind.level() <= self
    }
}

impl ArtifactKind {
    /// The lowest level at which it is written.
    pub fn level(self) -> ArtifactLevel {
        match self {
            Self::Summary => ArtifactLevel::Minimal,
            Self::Messages => ArtifactLevel::Standard,
            Self::Everything => ArtifactLevel::Full,
        }
    }
}

impl fmt::Display for ArtifactLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for ArtifactLevel {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let known = [Self::Minimal, Self::Standard, Self::Full];
        let named = known.into_iter().find(|level| text.trim().eq_ignore_ascii_case(level.as_str()));
        named.ok_or_else(|| {
            let shown: String = text.trim().chars().take(100).collect();
            Error::new(Kind::Config, format!("read an artifact level: `{shown}` is none; {CHOICES}"))
        })
    }
}

/// What may stand for a level.
pub(super) const CHOICES: &str = "expected minimal, standard or full";
