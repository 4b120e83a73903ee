//! The only reader of the environment in this crate.

use spanwright::config::Variable;

const BASE_URL: Variable = Variable {
    name: "OPENAI_BASE_URL",
    key: "",
    default: "https://api.openai.com/v1",
    meaning: "address of the models that judges and managed agents ask, up to `/chat/completions`",
};
const KEY: Variable = Variable { name: "OPENAI_API_KEY", key: "", default: "", meaning: "key for those models" };
const MODEL: Variable =
    Variable { name: "OPENAI_MODEL", key: "", default: "", meaning: "model of judges and agents that name none" };

/// Every environment variable that this crate reads, and only where it is asked to: [`OpenAi::from_env`](crate::OpenAi::from_env).
pub const VARIABLES: [Variable; 3] = [BASE_URL, KEY, MODEL];

/// Where models are, by the environment.
#[derive(Clone, Default)]
pub(crate) struct Endpoint {
    pub(crate) base_url: String,
    pub(crate) key: Option<String>,
    pub(crate) model: Option<String>,
}

impl Endpoint {
    pub(crate) fn read() -> Self {
        let of = |variable: &Variable| std::env::var(variable.name).ok().filter(|value| !value.trim().is_empty());
        Self {
            base_url: of(&BASE_URL).unwrap_or_else(|| BASE_URL.default.to_owned()),
            key: of(&KEY),
            model: of(&MODEL),
        }
    }
}
