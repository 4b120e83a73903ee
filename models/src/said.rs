//! Speaking to people, where the program is spoken to.

use spanwright::tracker::{Event, EventSink};

/// Takes no event, and says what is to be said.
struct ToDiagnostics;

impl EventSink for ToDiagnostics {
    fn event(&self, _: &Event<'_>) {}
}

/// Says one line.
pub(crate) fn say(line: &str) {
    ToDiagnostics.warning(line);
}
