//! What a back end of events got, and what stands on spans.

use std::sync::{Arc, Mutex};

use serde_json::Value;
use spanwright::record::{AttributeValue, SpanRecord};
use spanwright::tracker::{Event, EventSink, Reporting};

#[derive(Default)]
pub struct Seen {
    events: Mutex<Vec<Value>>,
    warnings: Mutex<Vec<String>>,
}

impl EventSink for Seen {
    fn event(&self, event: &Event<'_>) {
        self.events.lock().expect("no panic").push(serde_json::to_value(event).expect("an event is JSON"));
    }

    fn warning(&self, line: &str) {
        self.warnings.lock().expect("no panic").push(line.to_owned());
    }
}

impl Seen {
    pub fn new() -> (Arc<Self>, Reporting) {
        let seen = Arc::new(Self::default());
        (seen.clone(), Reporting::to(seen))
    }

    pub fn events(&self) -> Vec<Value> {
        self.events.lock().expect("no panic").clone()
    }

    /// Names of the events of one run, without `$ld:ai:`, with what they are about; durations are as long as they are.
    pub fn of_run(&self, run_id: &str) -> Vec<String> {
        let of_run = self.events().into_iter().filter(|event| event["data"]["runId"] == run_id);
        of_run
            .map(|event| {
                let name = event["name"].as_str().expect("a name").trim_start_matches("$ld:ai:").to_owned();
                let tool = event["data"]["toolKey"].as_str().map(|tool| format!(" {tool}")).unwrap_or_default();
                let value = if name.starts_with("duration") || name.ends_with("ttf") {
                    String::new()
                } else {
                    format!(" {}", event["value"])
                };
                format!("{name}{tool}{value}")
            })
            .collect()
    }

    pub fn warnings(&self) -> Vec<String> {
        self.warnings.lock().expect("no panic").clone()
    }
}

/// A text attribute of a span.
pub fn text<'s>(span: &'s SpanRecord, key: &str) -> Option<&'s str> {
    match attribute(span, key)? {
        AttributeValue::Text(text) => Some(text),
        other => panic!("{key} is {other:?}"),
    }
}

pub fn attribute<'s>(span: &'s SpanRecord, key: &str) -> Option<&'s AttributeValue> {
    span.attributes.iter().find(|(known, _)| known == key).map(|(_, value)| value)
}
