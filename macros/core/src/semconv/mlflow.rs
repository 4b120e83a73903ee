//! `mlflow.*`: the attributes that MLflow reads from a span and a user may set, and those that the runtime writes.

use super::Standard;
use super::Type::{self, Any, Int, Text};

/// The version of MLflow in the table.
pub const VERSION: &str = "3.18";

/// Sorted by key.
pub(super) const ATTRIBUTES: &[Standard] = &[
    row("mlflow.chat.tokenUsage", Any, "Tokens of a model call: `input_tokens`, `output_tokens`, `total_tokens`."),
    row("mlflow.chat.tools", Any, "Definitions of the tools a model is offered, as a list."),
    row("mlflow.llm.cost", Any, "Cost of a model call in US dollars: `input_cost`, `output_cost`, `total_cost`."),
    row("mlflow.llm.model", Text, "The model that is called."),
    row("mlflow.llm.provider", Text, "The provider that is called: `openai`, `anthropic`, …"),
    row("mlflow.message.format", Text, "The shape of the messages in inputs and outputs: `openai`, `anthropic`, …"),
    row("mlflow.spanLogLevel", Int, "The severity of the span, as a number."),
];

/// MLflow keeps the names it has.
const fn row(key: &'static str, ty: Type, brief: &'static str) -> Standard {
    Standard { key, ty, brief, stability: "stable" }
}

/// What the runtime writes, and how a user says it. One that ends with a dot stands for all below it.
pub(super) const WRITTEN: &[(&str, &str)] = &[
    ("mlflow.experimentId", "write `experiment = …` in the attribute of the workflow"),
    ("mlflow.sourceRun", "write `run` in the attribute of the workflow"),
    ("mlflow.spanFunctionName", "it is the name of the function"),
    ("mlflow.spanInputs", "parameters are captured, write `inputs(…)` in the attribute for more"),
    ("mlflow.spanOutputs", "the returned value is captured, write `output = \"…\"` in the attribute for more or less"),
    ("mlflow.spanType", "write `span_type = \"…\"`"),
    ("mlflow.trace.session", "write `session = …` in the attribute of the workflow"),
    ("mlflow.trace.user", "write `user = …` in the attribute of the workflow"),
    ("mlflow.trace.", "it is made of the spans of the trace"),
    ("mlflow.traceName", "it is the name of the root span"),
    ("mlflow.traceRequestId", "it is the id of the trace"),
    ("mlflow.traceTag.", "set a tag with `handle.tag(…)`, or `tags(…)` in the attribute of the workflow"),
];
