//! The settings as `doctor` shows them.

use super::variables as var;
use super::*;

impl Config {
    /// Every setting for `doctor`, in the order of [`VARIABLES`]; secrets are masked.
    pub fn settings(&self) -> Vec<Shown> {
        let destination = match &self.destination.value {
            Destination::StoreOnly => String::new(),
            Destination::Http(uri) | Destination::Unsupported(uri) => uri.to_string(),
        };
        let credentials = match &self.credentials.value {
            Credentials::Token(_) => var::TOKEN,
            Credentials::None | Credentials::Basic { .. } => var::USERNAME,
        };
        let (experiment, by) = match &self.experiment.value {
            Some(Experiment::Id(id)) => (id.clone(), var::EXPERIMENT_ID),
            Some(Experiment::Name(name)) => (name.clone(), var::EXPERIMENT_NAME),
            None => (String::new(), var::EXPERIMENT_NAME),
        };
        let store = match &self.store.value {
            StorePlace::Nearest => var::STORE.default.to_owned(),
            StorePlace::At(folder) => folder.display().to_string(),
            StorePlace::Off => "off".to_owned(),
        };
        let chunks = match &self.chunks.value {
            ChunkPlace::Store => "store".to_owned(),
            ChunkPlace::At(folder) => folder.display().to_string(),
            ChunkPlace::Heap => "heap".to_owned(),
        };
        let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string()).unwrap_or_default();
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let named = self.workflow.as_ref();
        let workflow = named.map(|workflow| workflow.value.path.display().to_string()).unwrap_or_default();
        let by_whom = named.map_or(Source::Default, |workflow| workflow.source.clone());
        let workflow = Setting { value: workflow, source: by_whom };
        let mut all = vec![
            shown(var::CONFIG, &workflow, String::clone),
            shown(var::DISABLE, &self.disabled, bool::to_string),
            shown(var::TRACKING_URI, &self.destination, |_| destination),
            shown(credentials, &self.credentials, Credentials::to_string),
            shown(var::INSECURE_TLS, &self.insecure_tls, bool::to_string),
            shown(var::SERVER_CERT, &self.server_cert, path),
            shown(var::CLIENT_CERT, &self.client_cert, path),
            shown(by, &self.experiment, |_| experiment),
            shown(var::RUN_ID, &self.run_id, text),
            shown(var::RUN_NAME, &self.run_name, text),
            shown(var::WORKSPACE, &self.workspace, text),
            shown(var::SAMPLING_RATIO, &self.sampling_ratio, f64::to_string),
            shown(var::REQUEST_TIMEOUT, &self.request_timeout, |time| time.as_secs_f64().to_string()),
            shown(var::MAX_RETRIES, &self.max_retries, u32::to_string),
            shown(var::SERVICE_NAME, &self.service_name, text),
            shown(var::CAPTURE, &self.capture, |level| format!("{level:?}").to_lowercase()),
            shown(var::MAX_VALUE_BYTES, &self.max_value_bytes, usize::to_string),
            shown(var::REDACT, &self.redact, |words| words.join(",")),
            shown(var::LOG_PROMPTS, &self.log_prompts, bool::to_string),
            shown(var::LOG_ARTIFACTS, &self.log_artifacts, bool::to_string),
            shown(var::ARTIFACT_LEVEL, &self.artifact_level, ArtifactLevel::to_string),
            shown(var::STORE, &self.store, |_| store),
            shown(var::STORE_MAX_DAYS, &self.store_max_age, |age| (age.as_secs() / 86_400).to_string()),
            shown(var::STORE_MAX_BYTES, &self.store_max_bytes, u64::to_string),
            shown(var::CHUNKS, &self.chunks, |_| chunks),
            shown(var::DURABILITY, &self.durability, |durability| format!("{durability:?}").to_lowercase()),
            shown(var::PRICES, &self.prices, path),
            shown(var::LOG, &self.log, |on| if *on { "on" } else { "off" }.to_owned()),
            shown(var::LIVE_AFTER, &self.live_after, |after| {
                after.map_or_else(|| "off".to_owned(), |after| after.as_millis().to_string())
            }),
            shown(var::FLUSH_TIMEOUT, &self.flush_timeout, |time| time.as_millis().to_string()),
        ];
        all.extend(self.nodes.iter().map(|Node { name, log_prompts }| Shown {
            name: "nodes.log_prompts",
            value: format!("{name}: {}", log_prompts.value),
            source: log_prompts.source.clone(),
        }));
        all
    }
}

fn shown<T>(variable: Variable, setting: &Setting<T>, text: impl FnOnce(&T) -> String) -> Shown {
    Shown { name: variable.name, value: text(&setting.value), source: setting.source.clone() }
}
