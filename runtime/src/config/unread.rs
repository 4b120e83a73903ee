//! Variables that mean something to MLflow's own client and nothing here.

use super::layers::Layers;
use super::uri::without_secrets;

/// A variable that is set, and has no effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WithoutEffect {
    /// Its name.
    pub name: &'static str,
    /// Its value, without secrets.
    pub value: String,
    /// Why.
    pub why: &'static str,
}

struct Unread {
    name: &'static str,
    /// Set to this it asks for what is done anyway.
    anyway: &'static str,
    why: &'static str,
}

const DELIVERY: &str = "spans are on disk before they are delivered, and nothing waits for that";
const LOGIN: &str = "a server is told a user and password, or a token";
const RETRIES: &str =
    "pauses between attempts are as long as a server is away, 30 s at most, and longer where it asks for that";
const END: &str = "a trace ends when its workflow does, or its process";
const CONTENT: &str = "values stay in their spans";
const OTHERS: &str = "spans go to MLflow, as MLflow has them";
const SEARCH: &str = "traces are not searched by it";

const UNREAD: &[Unread] = &[
    unread("MLFLOW_ENABLE_ASYNC_TRACE_LOGGING", "true", DELIVERY),
    unread("MLFLOW_ASYNC_TRACE_LOGGING_MAX_WORKERS", "", DELIVERY),
    unread("MLFLOW_ASYNC_TRACE_LOGGING_MAX_QUEUE_SIZE", "", DELIVERY),
    unread("MLFLOW_ASYNC_TRACE_LOGGING_MAX_SPAN_BATCH_SIZE", "", DELIVERY),
    unread("MLFLOW_ASYNC_TRACE_LOGGING_MAX_INTERVAL_MILLIS", "", DELIVERY),
    unread("MLFLOW_ASYNC_TRACE_LOGGING_RETRY_TIMEOUT", "", DELIVERY),
    unread("MLFLOW_USE_BATCH_SPAN_PROCESSOR", "true", DELIVERY),
    unread("MLFLOW_TRACE_BUFFER_TTL_SECONDS", "", DELIVERY),
    unread("MLFLOW_TRACE_BUFFER_MAX_SIZE", "", DELIVERY),
    unread("MLFLOW_TRACKING_AUTH", "", LOGIN),
    unread("MLFLOW_TRACKING_AWS_SIGV4", "false", LOGIN),
    unread("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "", RETRIES),
    unread("MLFLOW_HTTP_REQUEST_BACKOFF_JITTER", "", RETRIES),
    unread("MLFLOW_HTTP_RESPECT_RETRY_AFTER_HEADER", "true", RETRIES),
    unread("MLFLOW_TRACE_TIMEOUT_SECONDS", "", END),
    unread("MLFLOW_TRACE_TIMEOUT_CHECK_INTERVAL_SECONDS", "", END),
    unread("MLFLOW_TRACE_EXTRACT_ATTACHMENTS", "false", CONTENT),
    unread("MLFLOW_TRACE_MAX_ATTACHMENT_SIZE", "", CONTENT),
    unread("MLFLOW_TRACE_ENABLE_OTLP_DUAL_EXPORT", "false", OTHERS),
    unread("MLFLOW_ENABLE_OTLP_EXPORTER", "false", OTHERS),
    unread("MLFLOW_ENABLE_OTEL_GENAI_SEMCONV", "false", OTHERS),
    unread("MLFLOW_SEARCH_TRACES_MAX_THREADS", "", SEARCH),
    unread("MLFLOW_SEARCH_TRACES_MAX_BATCH_SIZE", "", SEARCH),
];

const fn unread(name: &'static str, anyway: &'static str, why: &'static str) -> Unread {
    Unread { name, anyway, why }
}

/// Those that are set, and ask for something else than what is done anyway.
pub(super) fn without_effect(layers: &Layers<'_>) -> Vec<WithoutEffect> {
    let found = UNREAD.iter().filter_map(|unread| {
        let value = layers.env(unread.name)?;
        let is_true = |text: &str| ["true", "1", "yes", "on"].iter().any(|word| text.eq_ignore_ascii_case(word));
        let is_so_anyway = !unread.anyway.is_empty() && is_true(&value) == is_true(unread.anyway);
        let value = without_secrets(&value).chars().take(100).collect();
        (!is_so_anyway).then_some(WithoutEffect { name: unread.name, value, why: unread.why })
    });
    found.collect()
}

/// One line for all that have no effect for the same reason.
pub(super) fn said(without_effect: &[WithoutEffect]) -> Vec<String> {
    let reasons = without_effect.iter().map(|variable| variable.why);
    let mut lines: Vec<(&str, Vec<&str>)> = Vec::new();
    for (why, variable) in reasons.zip(without_effect) {
        match lines.iter_mut().find(|(known, _)| *known == why) {
            Some((_, names)) => names.push(variable.name),
            None => lines.push((why, vec![variable.name])),
        }
    }
    let line = |(why, names): (&str, Vec<&str>)| {
        let have = if names.len() == 1 { "has" } else { "have" };
        format!("{} {have} no effect here: {why}", names.join(", "))
    };
    lines.into_iter().map(line).collect()
}
