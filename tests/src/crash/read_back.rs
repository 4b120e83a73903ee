//! What a real MLflow server has of the spans it was sent, as its own client reads it.

use std::collections::{BTreeMap, HashSet};

use serde_json::Value;

use super::receiver::Key;
use super::victim::TOKENS;
use crate::mlflow::Server;

/// What was read, and what is wrong with it.
#[derive(Clone, Debug, Default)]
pub struct ReadBack {
    /// Traces that were read.
    pub traces: u64,
    /// Model calls in them that had returned.
    pub calls: u64,
    /// Traces that are not as they were sent, in words.
    pub complaints: Vec<String>,
}

impl ReadBack {
    /// Reads all traces of `sent`: each span must be there once, and each model call counted once.
    pub fn of<'k>(server: &Server, sent: impl Iterator<Item = &'k Key>) -> Self {
        let mut by_trace: BTreeMap<String, HashSet<String>> = BTreeMap::new();
        for (trace, span) in sent {
            by_trace.entry(format!("tr-{}", hex(trace))).or_default().insert(hex(span));
        }
        let mut read = Self { traces: by_trace.len() as u64, ..Self::default() };
        for (id, spans) in &by_trace {
            match server.trace(id) {
                None => read.complaints.push(format!("MLflow lacks {id}")),
                Some(trace) => read.compare(id, spans, &trace),
            }
        }
        read
    }

    fn compare(&mut self, id: &str, sent: &HashSet<String>, trace: &Value) {
        let spans = trace["spans"].as_array().map(Vec::as_slice).unwrap_or_default();
        let ids: HashSet<String> = spans.iter().filter_map(|span| span["id"].as_str().map(str::to_owned)).collect();
        if spans.len() != sent.len() || &ids != sent {
            self.complaints.push(format!("{id} has {} spans and was sent {}", spans.len(), sent.len()));
        }
        let answered = spans.iter().filter(|span| span["type"] == "LLM" && span["status"] == "OK").count() as u64;
        self.calls += answered;
        let tokens = [TOKENS.0 * answered, TOKENS.1 * answered, (TOKENS.0 + TOKENS.1) * answered].map(Some);
        let told = ["input_tokens", "output_tokens", "total_tokens"].map(|key| trace["usage"][key].as_u64());
        if told != (if answered == 0 { [None; 3] } else { tokens }) {
            self.complaints.push(format!("{id} has {answered} model calls and says {}", trace["usage"]));
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
