//! The table of everything that can be set from outside.

/// An environment variable this library reads, and the key of the same setting in `spanwright.toml`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Variable {
    /// Name.
    pub name: &'static str,
    /// Key in `spanwright.toml`; empty if it cannot be set there.
    pub key: &'static str,
    /// Value if unset, as text.
    pub default: &'static str,
    /// Meaning, one line.
    pub meaning: &'static str,
}

macro_rules! variables {
    ($($constant:ident = $name:literal, $key:literal, $default:literal, $meaning:literal;)*) => {
        $(pub(super) const $constant: Variable =
            Variable { name: $name, key: $key, default: $default, meaning: $meaning };)*

        /// Every environment variable this library reads and heeds, in the order in which `doctor` shows them.
        ///
        /// ```
        /// let uri = spanwright::config::VARIABLES.iter().find(|known| known.name == "MLFLOW_TRACKING_URI");
        /// assert_eq!(uri.map(|known| known.key), Some("tracking_uri"));
        /// ```
        pub const VARIABLES: &[Variable] = &[$($constant),*];
    };
}

variables! {
    CONFIG = "SPANWRIGHT_CONFIG", "config", "",
        "workflow file, YAML: what its `config.observability.mlflow` sets holds where nothing below does";
    DISABLE = "MLFLOW_DISABLE_TRACES", "disabled", "false",
        "`true`, `1` or `yes`: nothing is recorded, no file made, no connection opened";
    TRACKING_URI = "MLFLOW_TRACKING_URI", "tracking_uri", "",
        "MLflow server to deliver to, `http://…` or `https://…`; unset: spans stay in the store";
    USERNAME = "MLFLOW_TRACKING_USERNAME", "", "",
        "user for that server; with the password, wins over the token; else `~/.mlflow/credentials`";
    PASSWORD = "MLFLOW_TRACKING_PASSWORD", "", "", "password for that server";
    TOKEN = "MLFLOW_TRACKING_TOKEN", "", "", "bearer token for that server";
    INSECURE_TLS = "MLFLOW_TRACKING_INSECURE_TLS", "insecure_tls", "false", "`true`: accept any certificate";
    SERVER_CERT = "MLFLOW_TRACKING_SERVER_CERT_PATH", "server_cert", "", "certificates to trust instead of the system's, PEM";
    CLIENT_CERT = "MLFLOW_TRACKING_CLIENT_CERT_PATH", "client_cert", "", "own certificate and key, PEM";
    EXPERIMENT_ID = "MLFLOW_EXPERIMENT_ID", "experiment_id", "", "experiment of traces that name none; wins over the name";
    EXPERIMENT_NAME = "MLFLOW_EXPERIMENT_NAME", "experiment_name", "Default", "the same by name; created if missing";
    RUN_ID = "MLFLOW_RUN_ID", "run_id", "", "run the traces are linked to";
    RUN_NAME = "SPANWRIGHT_RUN_NAME", "run_name", "", "name of the run that each workflow opens; unset: none, unless the workflow says so";
    WORKSPACE = "MLFLOW_WORKSPACE", "workspace", "", "workspace on the server";
    SAMPLING_RATIO = "MLFLOW_TRACE_SAMPLING_RATIO", "sampling_ratio", "1", "share of traces that are kept, 0 to 1, chosen by trace id";
    REQUEST_TIMEOUT = "MLFLOW_HTTP_REQUEST_TIMEOUT", "request_timeout_s", "120", "longest time for one request, seconds";
    MAX_RETRIES = "MLFLOW_HTTP_REQUEST_MAX_RETRIES", "max_retries", "7", "how often a failed request is repeated";
    SERVICE_NAME = "OTEL_SERVICE_NAME", "service_name", "", "name of the service, a tag on every trace";
    CAPTURE = "SPANWRIGHT_CAPTURE", "capture", "full", "most that is captured of any value: `none`, `keys`, `preview` or `full`";
    CAPTURE_CONTENT = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "", "true", "`false`: capture at most `keys`, whatever else says";
    MAX_VALUE_BYTES = "SPANWRIGHT_MAX_VALUE_BYTES", "max_value_bytes", "1048576", "where a fully captured value is cut, bytes";
    REDACT = "SPANWRIGHT_REDACT", "redact", "", "words beyond the built-in ones whose values are redacted, separated by commas";
    LOG_PROMPTS = "SPANWRIGHT_LOG_PROMPTS", "log_prompts", "true",
        "`false`: no values, texts of errors, events or tags of spans are kept, but numbers, names and token counts; a node may say otherwise";
    LOG_ARTIFACTS = "SPANWRIGHT_LOG_ARTIFACTS", "log_artifacts", "true", "`false`: no artifact is written";
    ARTIFACT_LEVEL = "SPANWRIGHT_ARTIFACT_LEVEL", "artifact_level", "standard", "which artifacts are written: `minimal`, `standard` or `full`";
    STORE = "SPANWRIGHT_STORE", "store", "nearest `.spanwright/`", "folder of the store; `off`: spans stay in memory";
    STORE_MAX_DAYS = "SPANWRIGHT_STORE_MAX_DAYS", "store_max_days", "14", "delivered traces older than this leave the store, days";
    STORE_MAX_BYTES = "SPANWRIGHT_STORE_MAX_BYTES", "store_max_bytes", "1073741824", "size of the store above which the oldest traces leave it, bytes";
    CHUNKS = "SPANWRIGHT_CHUNKS", "chunks", "store", "where spans stand until they are stored: `store` (beside it), `heap`, or a folder";
    DURABILITY = "SPANWRIGHT_DURABILITY", "durability", "process", "what finished spans outlive: `process`, or `power`, for which each workflow waits for the disk";
    PRICES = "SPANWRIGHT_PRICES", "prices", "", "file of prices of tokens that win over the built-in ones, TOML; `spanwright prices` shows the form";
    LOG = "SPANWRIGHT_LOG", "log", "on", "`off`: no diagnostics on standard error";
    LIVE_AFTER = "SPANWRIGHT_LIVE_AFTER_MS", "live_after_ms", "2000",
        "when a trace that is still running is shown on the server, milliseconds after its start; `off`: never";
    FLUSH_TIMEOUT = "SPANWRIGHT_FLUSH_TIMEOUT_MS", "flush_timeout_ms", "2000", "longest time the end of the program waits for delivery, milliseconds";
}
