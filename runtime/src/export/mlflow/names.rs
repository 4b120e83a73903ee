//! Names that MLflow gives a meaning, for those who make span records by hand.

/// Attribute: in which provider's form the messages of a model call stand, such as `anthropic`.
pub const MESSAGE_FORMAT: &str = "mlflow.message.format";
/// Metadata of a trace: the folder in which a coding assistant worked.
pub const WORKING_DIRECTORY: &str = "mlflow.trace.working_directory";
/// Metadata of a trace: what a coding assistant was allowed to do unasked.
pub const PERMISSION_MODE: &str = "mlflow.trace.permission_mode";
/// Metadata of a trace: version of Claude Code.
pub const CLAUDE_CODE_VERSION: &str = "mlflow.claude_code_version";
