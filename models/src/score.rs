//! What a judge comes to.

use serde::{Serialize, Serializer};
use serde_json::json;

/// A score, and why.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Score {
    /// The score.
    pub score: f64,
    /// Why.
    pub reasoning: Option<String>,
}

impl Score {
    /// Says why.
    #[must_use]
    pub fn because(self, reasoning: impl Into<String>) -> Self {
        Self { reasoning: Some(reasoning.into()), ..self }
    }
}

impl From<f64> for Score {
    fn from(score: f64) -> Self {
        Self { score, reasoning: None }
    }
}

/// Yes is 1, no is 0.
impl From<bool> for Score {
    fn from(is: bool) -> Self {
        Self::from(f64::from(u8::from(is)))
    }
}

/// As it stands in the trace.
impl Serialize for Score {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        json!({ "score": self.score, "reasoning": self.reasoning }).serialize(to)
    }
}
