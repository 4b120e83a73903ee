//! `gen_ai.*`, from the registry of the OpenTelemetry GenAI conventions (`open-telemetry/semantic-conventions-genai`, `model/gen-ai/registry.yaml`).

use super::Type::{self, Any, Bool, Double, Int, Text, Texts};
use super::{Standard, is_of};

/// The version of the conventions in the table: what their manifest says, as there is no release yet.
pub const VERSION: &str = "1.42.0-dev";

/// The schema of that version.
pub const SCHEMA_URL: &str = "https://opentelemetry.io/schemas/gen-ai-dev/1.42.0-dev";

/// Sorted by key.
pub(super) const ATTRIBUTES: &[Standard] = &[
    row("gen_ai.agent.description", Text, "Free-form description of the GenAI agent provided by the application."),
    row("gen_ai.agent.id", Text, "The unique and stable identifier of the GenAI hosted agent resource."),
    row("gen_ai.agent.name", Text, "Human-readable name of the GenAI agent provided by the application."),
    row("gen_ai.agent.version", Text, "The version of the GenAI agent."),
    row(
        "gen_ai.conversation.compacted",
        Bool,
        "Indicates whether the effective conversation context used for this operation is a compacted view of a prior conversation.",
    ),
    row(
        "gen_ai.conversation.id",
        Text,
        "The unique identifier for a conversation (session, thread), used to store and correlate messages within this conversation.",
    ),
    row("gen_ai.data_source.id", Text, "The data source identifier."),
    row(
        "gen_ai.embeddings.dimension.count",
        Int,
        "The number of dimensions the resulting output embeddings should have.",
    ),
    row(
        "gen_ai.evaluation.explanation",
        Text,
        "A free-form explanation for the assigned score provided by the evaluator.",
    ),
    row("gen_ai.evaluation.name", Text, "The name of the evaluation metric used for the GenAI response."),
    row("gen_ai.evaluation.score.label", Text, "Human readable label for evaluation."),
    row("gen_ai.evaluation.score.value", Double, "The evaluation score returned by the evaluator."),
    row("gen_ai.input.messages", Any, "The chat history provided to the model as an input."),
    row(
        "gen_ai.main_agent.description",
        Text,
        "The free-form description of the top-level Generative AI agent in the process.",
    ),
    row(
        "gen_ai.main_agent.id",
        Text,
        "The unique and stable identifier of the top-level Generative AI agent in the process.",
    ),
    row("gen_ai.main_agent.name", Text, "The human-readable name of the top-level Generative AI agent in the process."),
    row("gen_ai.memory.query.text", Text, "The search query used to retrieve memories."),
    row("gen_ai.memory.record.count", Int, "The number of memory records relevant to the operation."),
    row("gen_ai.memory.record.id", Text, "The unique identifier of the memory record."),
    row("gen_ai.memory.records", Any, "The memory records stored or retrieved in a memory operation."),
    row("gen_ai.memory.store.id", Text, "The unique identifier of the memory store."),
    row(
        "gen_ai.operation.name",
        Text,
        "The name of the operation being performed: `chat`, `embeddings`, `execute_tool`, `invoke_agent`, …",
    ),
    row(
        "gen_ai.output.messages",
        Any,
        "Messages returned by the model where each message represents a specific model response (choice, candidate).",
    ),
    row(
        "gen_ai.output.type",
        Text,
        "Represents the content type requested by the client: `text`, `json`, `image` or `speech`.",
    ),
    row("gen_ai.prompt.name", Text, "The name of the prompt that uniquely identifies it."),
    row("gen_ai.prompt.version", Text, "The version of the prompt template used."),
    row(
        "gen_ai.provider.name",
        Text,
        "The Generative AI provider as identified by the client or server instrumentation: `openai`, `anthropic`, …",
    ),
    row("gen_ai.request.choice.count", Int, "The target number of candidate completions to return."),
    row(
        "gen_ai.request.encoding_formats",
        Texts,
        "The encoding formats requested in an embeddings operation, if specified.",
    ),
    row("gen_ai.request.frequency_penalty", Double, "The frequency penalty setting for the GenAI request."),
    row("gen_ai.request.max_tokens", Int, "The maximum number of tokens the model generates for a request."),
    row("gen_ai.request.model", Text, "The name of the GenAI model a request is being made to."),
    row("gen_ai.request.presence_penalty", Double, "The presence penalty setting for the GenAI request."),
    row(
        "gen_ai.request.previous_response.id",
        Text,
        "The unique identifier of a previous response or interaction used to provide context for the current operation.",
    ),
    row("gen_ai.request.reasoning.level", Text, "The reasoning or thinking effort level requested for a GenAI model."),
    row("gen_ai.request.seed", Int, "Requests with same seed value more likely to return same result."),
    row(
        "gen_ai.request.stop_sequences",
        Texts,
        "List of sequences that the model will use to stop generating further tokens.",
    ),
    row("gen_ai.request.stream", Bool, "Indicates whether the GenAI request was made in streaming mode."),
    row(
        "gen_ai.request.stream_cursor",
        Text,
        "The cursor identifying the last streamed event already received, used to resume a streamed response from that position.",
    ),
    row("gen_ai.request.temperature", Double, "The temperature setting for the GenAI request."),
    row(
        "gen_ai.request.top_k",
        Int,
        "The top-K sampling setting for the GenAI request: restricts token generation at each step to the K most likely next tokens.",
    ),
    row("gen_ai.request.top_p", Double, "The top_p sampling setting for the GenAI request."),
    row(
        "gen_ai.response.finish_reasons",
        Texts,
        "Array of reasons the model stopped generating tokens, corresponding to each generation received.",
    ),
    row("gen_ai.response.id", Text, "The unique identifier for the completion."),
    row("gen_ai.response.model", Text, "The name of the model that generated the response."),
    row(
        "gen_ai.response.status",
        Text,
        "The lifecycle status of a generated response, as reported by the provider when the response is fetched or polled.",
    ),
    row(
        "gen_ai.response.time_to_first_chunk",
        Double,
        "Time to first chunk in a streaming response, measured from request issuance, in seconds.",
    ),
    row("gen_ai.retrieval.documents", Any, "The documents retrieved."),
    row("gen_ai.retrieval.query.text", Text, "The query text used for retrieval."),
    row(
        "gen_ai.retrieval.top_k",
        Int,
        "The maximum number of documents the retriever was asked to return for the query.",
    ),
    row("gen_ai.skill.description", Text, "The description of the Agent Skill."),
    row("gen_ai.skill.name", Text, "The name of the Agent Skill."),
    row(
        "gen_ai.skill.resource.name",
        Text,
        "The skill-relative name of the resource (script, reference, or asset) being accessed or executed.",
    ),
    row("gen_ai.skill.source.uri", Text, "The source URI for loading the skill."),
    row(
        "gen_ai.system_instructions",
        Any,
        "The system message or instructions provided to the GenAI model separately from the chat history.",
    ),
    row(
        "gen_ai.token.modality",
        Text,
        "The modality of the tokens being counted: `text`, `image`, `audio` or `unknown`.",
    ),
    row("gen_ai.tool.call.arguments", Any, "Parameters passed to the tool call."),
    row("gen_ai.tool.call.id", Text, "The tool call identifier."),
    row(
        "gen_ai.tool.call.result",
        Any,
        "The result returned by the tool call (if any and if execution was successful).",
    ),
    row("gen_ai.tool.definitions", Any, "The list of tool definitions available to the GenAI agent or model."),
    row("gen_ai.tool.description", Text, "The tool description."),
    row("gen_ai.tool.name", Text, "Name of the tool utilized by the agent."),
    row("gen_ai.tool.type", Text, "Type of the tool utilized by the agent: `function`, `extension` or `datastore`."),
    row(
        "gen_ai.usage.audio.cache_read.input_tokens",
        Int,
        "The number of audio input tokens served from a provider-managed cache.",
    ),
    row("gen_ai.usage.audio.input_tokens", Int, "The number of audio input tokens."),
    row("gen_ai.usage.audio.output_tokens", Int, "The number of audio output tokens."),
    row(
        "gen_ai.usage.cache_read.input_tokens",
        Int,
        "The number of input tokens served from a provider-managed cache.",
    ),
    row(
        "gen_ai.usage.cache_write.input_tokens",
        Int,
        "The number of input tokens written to a provider-managed cache.",
    ),
    row(
        "gen_ai.usage.image.cache_read.input_tokens",
        Int,
        "The number of image input tokens served from a provider-managed cache.",
    ),
    row("gen_ai.usage.image.input_tokens", Int, "The number of image input tokens."),
    row("gen_ai.usage.image.output_tokens", Int, "The number of image output tokens."),
    row("gen_ai.usage.input_tokens", Int, "The number of tokens used in the GenAI input (prompt)."),
    row("gen_ai.usage.output_tokens", Int, "The number of tokens used in the GenAI response (completion)."),
    row(
        "gen_ai.usage.reasoning.output_tokens",
        Int,
        "The number of output tokens used for reasoning (e.g. chain-of-thought, extended thinking).",
    ),
    row(
        "gen_ai.usage.text.cache_read.input_tokens",
        Int,
        "The number of text input tokens served from a provider-managed cache.",
    ),
    row("gen_ai.usage.text.input_tokens", Int, "The number of text input tokens."),
    row("gen_ai.usage.text.output_tokens", Int, "The number of text output tokens."),
    row("gen_ai.workflow.name", Text, "Human-readable name of the GenAI workflow provided by the application."),
];

/// Every attribute of these conventions is in development.
const fn row(key: &'static str, ty: Type, brief: &'static str) -> Standard {
    Standard { key, ty, brief, stability: "development" }
}

/// Names made of a prefix and a word of the user's.
pub(super) const TEMPLATES: &[Standard] =
    &[row("gen_ai.prompt.variable.", Text, "The value of a variable supplied to the prompt template.")];

/// Names of earlier versions, and what they are called now.
const FORMER: &[(&str, &str)] = &[
    ("gen_ai.completion", "gen_ai.output.messages"),
    ("gen_ai.openai.request.response_format", "gen_ai.output.type"),
    ("gen_ai.openai.request.seed", "gen_ai.request.seed"),
    ("gen_ai.prompt", "gen_ai.input.messages"),
    ("gen_ai.system", "gen_ai.provider.name"),
    ("gen_ai.usage.cache_creation.input_tokens", "gen_ai.usage.cache_write.input_tokens"),
    ("gen_ai.usage.completion_tokens", "gen_ai.usage.output_tokens"),
    ("gen_ai.usage.prompt_tokens", "gen_ai.usage.input_tokens"),
];

/// What a name of an earlier version is called now.
pub(super) fn former(key: &str) -> Option<&'static str> {
    FORMER.iter().find(|(former, _)| is_of(key, former)).map(|(_, now)| *now)
}
