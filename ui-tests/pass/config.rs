//! What an execution is measured as: a value, a reference, or something shared.
#![deny(warnings)]

use std::sync::Arc;

use spanwright::{AgentConfig, scheduled, workflow};

fn agent() -> AgentConfig {
    AgentConfig { version: 2, ..AgentConfig::new("support") }
}

fn key() -> Option<String> {
    spanwright::tracker().map(|tracker| tracker.track_data().config_key.to_owned())
}

#[workflow(config = agent())]
fn by_value() -> Option<String> {
    key()
}

#[workflow(config = config, skip(config))]
async fn by_reference(config: &AgentConfig) -> Option<String> {
    key()
}

#[scheduled(config = config, skip(config), trigger = "cron")]
fn shared(config: Arc<AgentConfig>) -> Option<String> {
    key()
}

fn main() {
    // Nothing is installed.
    assert_eq!(by_value().or(shared(Arc::new(agent()))), None);
    drop(by_reference(&agent()));
}
