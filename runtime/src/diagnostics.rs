//! The one place where this library speaks to people.

use std::fmt;
use std::io::Write as _;
use std::sync::{Arc, OnceLock};

use crate::contain::contained;

/// Receives each diagnostic as one line without a line break; by default the line goes to standard error.
///
/// Cloning shares the receiver. A receiver that panics is ignored.
#[derive(Clone)]
pub struct Diagnostics(Option<Receiver>);

/// Where the program that is traced wants to be spoken to.
static OF_PROGRAM: OnceLock<Diagnostics> = OnceLock::new();

type Receiver = Arc<dyn Fn(&str) + Send + Sync>;

impl Diagnostics {
    /// `spanwright: …` on standard error.
    pub fn stderr() -> Self {
        // A closed standard error must not become a panic, as `eprintln!` would make it.
        Self::to(|line| drop(writeln!(std::io::stderr(), "spanwright: {line}")))
    }

    /// Nowhere.
    pub fn off() -> Self {
        Self(None)
    }

    /// To a function of the program's own.
    pub fn to(receiver: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(receiver)))
    }

    /// From now on [`of_program`] gives this; the first one stays.
    pub(crate) fn keep(&self) {
        let _ = OF_PROGRAM.set(self.clone());
    }

    pub(crate) fn say(&self, line: impl AsRef<str>) {
        if let Some(receiver) = &self.0 {
            let line = line.as_ref().replace(['\n', '\r'], " ");
            let _ = contained(|| receiver(&line));
        }
    }
}

/// Where the program is spoken to; on standard error before tracing starts.
pub(crate) fn of_program() -> Diagnostics {
    OF_PROGRAM.get().cloned().unwrap_or_else(Diagnostics::stderr)
}

impl fmt::Debug for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Diagnostics(on)" } else { "Diagnostics(off)" })
    }
}
