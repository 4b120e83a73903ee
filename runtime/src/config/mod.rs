//! Configuration: default, `spanwright.toml`, environment, code; later wins.
//!
//! In: what the program sets ([`Overrides`]), the environment, the nearest `spanwright.toml` upwards from the working folder, and
//! MLflow's `~/.mlflow/credentials`. Out: a [`Config`] in which every value says where it came from, and warnings. It never fails:
//! what cannot be used is a warning that names it, and the next layer holds. This is the only place that reads the environment.
//! Nothing of it is printed with a secret: credentials have no text form, and a URI's leaves user and password out.

mod credentials;
mod file;
#[cfg(all(any(test, fuzzing), feature = "mlflow", not(loom)))]
pub(crate) mod fuzzing;
mod layers;
mod level;
#[cfg(feature = "mlflow")]
mod pem;
#[cfg(feature = "store")]
mod prices;
mod uri;
mod variables;

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::callsite::Capture;
use layers::{Found, Layers, complaint};
use variables as var;

pub use credentials::Credentials;
pub use level::{ArtifactKind, ArtifactLevel};
#[cfg(feature = "mlflow")]
pub(crate) use pem::read_pem;
pub use uri::Uri;
pub use variables::{VARIABLES, Variable};

/// A value and where it came from.
#[derive(Clone, Debug, PartialEq)]
pub struct Setting<T> {
    /// The value in force.
    pub value: T,
    /// Where it came from.
    pub source: Source,
}

/// Where a value came from. Serialises as its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Nobody set it.
    Default,
    /// This file, and line where it is known.
    File(PathBuf, Option<usize>),
    /// This environment variable.
    Env(&'static str),
    /// The program.
    Code,
}

/// Where traces go besides the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// Nowhere: the store is all.
    StoreOnly,
    /// An MLflow server.
    Http(Uri),
    /// Something that is not a server; the store is all.
    Unsupported(Uri),
}

/// An experiment, by what it is looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Experiment {
    /// Its number on the server.
    Id(String),
    /// Its name; created if missing.
    Name(String),
}

/// Where the store is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StorePlace {
    /// The nearest `.spanwright` upwards from the working folder, else one made there.
    Nearest,
    /// This folder.
    At(PathBuf),
    /// In memory.
    Off,
}

/// Where chunks are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChunkPlace {
    /// Mapped files beside the store.
    Store,
    /// Mapped files in this folder.
    At(PathBuf),
    /// On the heap.
    Heap,
}

/// What spans that have ended outlive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// The death of the process.
    #[default]
    Process,
    /// A loss of power too, once their workflow has returned: it waits for the disk.
    Power,
}

/// Everything that can be set, with where it came from.
#[derive(Clone, Debug)]
pub struct Config {
    /// Kill switch: nothing is recorded, no file is made, no connection opened.
    pub disabled: Setting<bool>,
    /// Where traces go.
    pub destination: Setting<Destination>,
    /// Credentials for that server.
    pub credentials: Setting<Credentials>,
    /// Accept any certificate.
    pub insecure_tls: Setting<bool>,
    /// Certificates to trust, PEM.
    pub server_cert: Setting<Option<PathBuf>>,
    /// Our own certificate and key, PEM.
    pub client_cert: Setting<Option<PathBuf>>,
    /// Experiment of traces that name none.
    pub experiment: Setting<Option<Experiment>>,
    /// Run that traces are linked to.
    pub run_id: Setting<Option<String>>,
    /// Workspace on the server.
    pub workspace: Setting<Option<String>>,
    /// Share of traces that are kept, 0 to 1.
    pub sampling_ratio: Setting<f64>,
    /// Longest time for one request.
    pub request_timeout: Setting<Duration>,
    /// How often a failed request is repeated.
    pub max_retries: Setting<u32>,
    /// Name of the service, a resource attribute.
    pub service_name: Setting<Option<String>>,
    /// Most that is captured of a value, whatever the attribute says.
    pub capture: Setting<Capture>,
    /// Bytes of a fully captured value.
    pub max_value_bytes: Setting<usize>,
    /// Words beyond the built-in ones whose values are redacted.
    pub redact: Setting<Vec<String>>,
    /// Whether artifacts are written at all.
    pub log_artifacts: Setting<bool>,
    /// Which of them are.
    pub artifact_level: Setting<ArtifactLevel>,
    /// Where the store is.
    pub store: Setting<StorePlace>,
    /// Delivered traces older than this leave the store.
    pub store_max_age: Setting<Duration>,
    /// Most bytes of the store.
    pub store_max_bytes: Setting<u64>,
    /// Where chunks are.
    pub chunks: Setting<ChunkPlace>,
    /// What spans that have ended outlive.
    pub durability: Setting<Durability>,
    /// Prices of tokens, laid over the built-in ones.
    pub prices: Setting<Option<PathBuf>>,
    /// Whether diagnostics reach standard error.
    pub log: Setting<bool>,
    /// Age at which a trace that is still running is shown; `None`: never.
    pub live_after: Setting<Option<Duration>>,
    /// Longest time a shutdown waits for delivery.
    pub flush_timeout: Setting<Duration>,
    /// The working folder relative paths and searches start from.
    pub working_folder: PathBuf,
}

/// What the program sets itself; `None` leaves it to the environment.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// See [`Config::disabled`].
    pub disabled: Option<bool>,
    /// A tracking URI, as `MLFLOW_TRACKING_URI` has it; the empty text keeps spans in the store.
    pub tracking_uri: Option<String>,
    /// See [`Config::credentials`].
    pub credentials: Option<Credentials>,
    /// See [`Config::insecure_tls`].
    pub insecure_tls: Option<bool>,
    /// See [`Config::server_cert`].
    pub server_cert: Option<PathBuf>,
    /// See [`Config::client_cert`].
    pub client_cert: Option<PathBuf>,
    /// See [`Config::experiment`].
    pub experiment: Option<Experiment>,
    /// See [`Config::run_id`].
    pub run_id: Option<String>,
    /// See [`Config::workspace`].
    pub workspace: Option<String>,
    /// See [`Config::sampling_ratio`].
    pub sampling_ratio: Option<f64>,
    /// See [`Config::request_timeout`].
    pub request_timeout: Option<Duration>,
    /// See [`Config::max_retries`].
    pub max_retries: Option<u32>,
    /// See [`Config::service_name`].
    pub service_name: Option<String>,
    /// See [`Config::capture`].
    pub capture: Option<Capture>,
    /// See [`Config::max_value_bytes`].
    pub max_value_bytes: Option<usize>,
    /// See [`Config::redact`].
    pub redact: Option<Vec<String>>,
    /// See [`Config::log_artifacts`].
    pub log_artifacts: Option<bool>,
    /// See [`Config::artifact_level`].
    pub artifact_level: Option<ArtifactLevel>,
    /// See [`Config::store`].
    pub store: Option<StorePlace>,
    /// See [`Config::store_max_age`].
    pub store_max_age: Option<Duration>,
    /// See [`Config::store_max_bytes`].
    pub store_max_bytes: Option<u64>,
    /// See [`Config::chunks`].
    pub chunks: Option<ChunkPlace>,
    /// See [`Config::durability`].
    pub durability: Option<Durability>,
    /// See [`Config::prices`].
    pub prices: Option<PathBuf>,
    /// See [`Config::log`].
    pub log: Option<bool>,
    /// See [`Config::live_after`].
    pub live_after: Option<Option<Duration>>,
    /// See [`Config::flush_timeout`].
    pub flush_timeout: Option<Duration>,
}

/// One line of `doctor`: a setting, its value without secrets, and where it came from.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Shown {
    /// Environment variable.
    pub name: &'static str,
    /// Value, secrets masked; empty if unset.
    pub value: String,
    /// Where it came from.
    pub source: Source,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path, Some(line)) => write!(f, "{}:{line}", path.display()),
            Self::File(path, None) => write!(f, "{}", path.display()),
            Self::Env(name) => write!(f, "environment variable {name}"),
            Self::Code => f.write_str("program"),
        }
    }
}

impl Serialize for Source {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<T> Setting<T> {
    fn map<U>(self, change: impl FnOnce(T) -> U) -> Setting<U> {
        Setting { value: change(self.value), source: self.source }
    }
}

impl Config {
    /// The configuration of this process: its environment and working folder. The warnings beside it are a line each.
    pub fn of_process(overrides: Overrides) -> (Self, Vec<String>) {
        let env = |name: &str| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned());
        let working_folder = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("."));
        Self::load(overrides, &env, &working_folder)
    }

    /// Puts the layers together. Never fails: what cannot be used is a warning, and the next layer holds.
    ///
    /// ```
    /// use spanwright::config::{Config, Destination, Overrides};
    ///
    /// let env = |name: &str| (name == "MLFLOW_TRACKING_URI").then(|| "http://user:secret@Example.com/".to_owned());
    /// let (config, warnings) = Config::load(Overrides::default(), &env, std::path::Path::new("/"));
    /// let Destination::Http(uri) = config.destination.value else { panic!() };
    /// assert_eq!(uri.to_string(), "http://example.com");
    /// assert!(warnings.is_empty());
    /// ```
    pub fn load(overrides: Overrides, env: &dyn Fn(&str) -> Option<String>, cwd: &Path) -> (Self, Vec<String>) {
        Self::of(overrides, Layers::new(env, cwd), cwd)
    }

    fn of(code: Overrides, mut from: Layers<'_>, cwd: &Path) -> (Self, Vec<String>) {
        let (destination, carried) = destination(&mut from, code.tracking_uri);
        let credentials = match code.credentials {
            Some(value) => Setting { value, source: Source::Code },
            None if matches!(destination.value, Destination::Http(_)) => credentials::credentials(&mut from, carried),
            None => Setting { value: Credentials::None, source: Source::Default },
        };
        let config = Self {
            disabled: from.setting(code.disabled, &var::DISABLE, false, layers::flag),
            destination,
            credentials,
            insecure_tls: from.setting(code.insecure_tls, &var::INSECURE_TLS, false, layers::flag),
            server_cert: from.setting(code.server_cert.map(Some), &var::SERVER_CERT, None, layers::path),
            client_cert: from.setting(code.client_cert.map(Some), &var::CLIENT_CERT, None, layers::path),
            experiment: experiment(&from, code.experiment),
            run_id: from.setting(code.run_id.map(Some), &var::RUN_ID, None, layers::text),
            workspace: from.setting(code.workspace.map(Some), &var::WORKSPACE, None, layers::text),
            sampling_ratio: from.setting(code.sampling_ratio, &var::SAMPLING_RATIO, 1.0, layers::ratio),
            request_timeout: from.setting(
                code.request_timeout,
                &var::REQUEST_TIMEOUT,
                Duration::from_secs(120),
                layers::seconds,
            ),
            max_retries: from.setting(code.max_retries, &var::MAX_RETRIES, 7, layers::count),
            service_name: from.setting(code.service_name.map(Some), &var::SERVICE_NAME, None, layers::text),
            capture: capture(&mut from, code.capture),
            max_value_bytes: from
                .setting(code.max_value_bytes.map(|n| n as u64), &var::MAX_VALUE_BYTES, 1 << 20, layers::bytes)
                .map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX)),
            redact: from.setting(code.redact, &var::REDACT, Vec::new(), layers::words),
            log_artifacts: from.setting(code.log_artifacts, &var::LOG_ARTIFACTS, true, layers::flag),
            artifact_level: from.setting(
                code.artifact_level,
                &var::ARTIFACT_LEVEL,
                ArtifactLevel::default(),
                layers::artifact_level,
            ),
            store: from
                .setting(code.store, &var::STORE, StorePlace::Nearest, layers::store_place)
                .map(|place| if let StorePlace::At(path) = place { StorePlace::At(cwd.join(path)) } else { place }),
            store_max_age: from.setting(
                code.store_max_age,
                &var::STORE_MAX_DAYS,
                Duration::from_secs(14 * 86_400),
                layers::days,
            ),
            store_max_bytes: from.setting(code.store_max_bytes, &var::STORE_MAX_BYTES, 1 << 30, layers::bytes),
            chunks: from
                .setting(code.chunks, &var::CHUNKS, ChunkPlace::Store, layers::chunk_place)
                .map(|place| if let ChunkPlace::At(path) = place { ChunkPlace::At(cwd.join(path)) } else { place }),
            durability: from.setting(code.durability, &var::DURABILITY, Durability::default(), layers::durability),
            prices: from.setting(code.prices.map(Some), &var::PRICES, None, layers::path),
            log: from.setting(code.log, &var::LOG, true, layers::flag),
            live_after: from.setting(
                code.live_after,
                &var::LIVE_AFTER,
                Some(Duration::from_millis(2000)),
                layers::milliseconds_or_off,
            ),
            flush_timeout: from.setting(
                code.flush_timeout,
                &var::FLUSH_TIMEOUT,
                Duration::from_millis(2000),
                layers::milliseconds,
            ),
            working_folder: cwd.to_owned(),
        };
        #[cfg(feature = "store")]
        if config.prices.value.is_some()
            && let Err(error) = config.price_table()
        {
            from.warnings.push(format!("{error:#}; the built-in prices hold"));
        }
        (config, from.warnings)
    }

    /// Whether an artifact of this kind is written: nowhere where artifacts are switched off, else by level.
    pub fn writes_artifact(&self, kind: ArtifactKind) -> bool {
        self.log_artifacts.value && self.artifact_level.value.writes(kind)
    }

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
        vec![
            shown(var::DISABLE, &self.disabled, bool::to_string),
            shown(var::TRACKING_URI, &self.destination, |_| destination),
            shown(credentials, &self.credentials, Credentials::to_string),
            shown(var::INSECURE_TLS, &self.insecure_tls, bool::to_string),
            shown(var::SERVER_CERT, &self.server_cert, path),
            shown(var::CLIENT_CERT, &self.client_cert, path),
            shown(by, &self.experiment, |_| experiment),
            shown(var::RUN_ID, &self.run_id, text),
            shown(var::WORKSPACE, &self.workspace, text),
            shown(var::SAMPLING_RATIO, &self.sampling_ratio, f64::to_string),
            shown(var::REQUEST_TIMEOUT, &self.request_timeout, |time| time.as_secs_f64().to_string()),
            shown(var::MAX_RETRIES, &self.max_retries, u32::to_string),
            shown(var::SERVICE_NAME, &self.service_name, text),
            shown(var::CAPTURE, &self.capture, |level| format!("{level:?}").to_lowercase()),
            shown(var::MAX_VALUE_BYTES, &self.max_value_bytes, usize::to_string),
            shown(var::REDACT, &self.redact, |words| words.join(",")),
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
        ]
    }
}

fn shown<T>(variable: Variable, setting: &Setting<T>, text: impl FnOnce(&T) -> String) -> Shown {
    Shown { name: variable.name, value: text(&setting.value), source: setting.source.clone() }
}

/// Where traces go, and the credentials that stood in the URI.
fn destination(from: &mut Layers<'_>, code: Option<String>) -> (Setting<Destination>, Option<Setting<Credentials>>) {
    let code = code.map(|uri| Found::by_program(uri.trim().to_owned()));
    if code.as_ref().is_some_and(|found| found.text.is_empty()) {
        return (Setting { value: Destination::StoreOnly, source: Source::Code }, None);
    }
    let variable = &var::TRACKING_URI;
    let mut warnings = Vec::new();
    let mut chosen = (Setting { value: Destination::StoreOnly, source: Source::Default }, None);
    for found in [code, from.in_env(variable), from.in_file(variable)].into_iter().flatten() {
        match uri::parse(&found.text) {
            Ok((value, credentials)) => {
                if let Destination::Unsupported(uri) = &value {
                    warnings.push(not_a_server(uri));
                }
                let carried = credentials.map(|value| Setting { value, source: found.source.clone() });
                chosen = (Setting { value, source: found.source }, carried);
                break;
            }
            Err(wrong) => warnings.push(complaint(variable, &found, wrong)),
        }
    }
    from.warnings.append(&mut warnings);
    chosen
}

fn not_a_server(uri: &Uri) -> String {
    let start = if uri.as_str().starts_with("databricks") {
        "Databricks is not supported yet; for a server of your own, start `mlflow server`".to_owned()
    } else {
        format!("start a server on it with `mlflow server --backend-store-uri {uri}`")
    };
    format!(
        "the tracking URI {uri} is not an HTTP server, so spans stay in the store: {start}, set MLFLOW_TRACKING_URI=http://127.0.0.1:5000, and deliver what is stored with `spanwright push`"
    )
}

/// Within one layer the id beats the name.
fn experiment(from: &Layers<'_>, code: Option<Experiment>) -> Setting<Option<Experiment>> {
    if let Some(value) = code {
        return Setting { value: Some(value), source: Source::Code };
    }
    let id = |found: Found<'_>| Setting { value: Some(Experiment::Id(found.text)), source: found.source };
    let name = |found: Found<'_>| Setting { value: Some(Experiment::Name(found.text)), source: found.source };
    (from.in_env(&var::EXPERIMENT_ID).map(id))
        .or_else(|| from.in_env(&var::EXPERIMENT_NAME).map(name))
        .or_else(|| from.in_file(&var::EXPERIMENT_ID).map(id))
        .or_else(|| from.in_file(&var::EXPERIMENT_NAME).map(name))
        .unwrap_or(Setting { value: None, source: Source::Default })
}

/// The cap on capturing. That message contents are unwanted holds against everything else, the program included.
fn capture(from: &mut Layers<'_>, code: Option<Capture>) -> Setting<Capture> {
    let chosen = from.setting(code, &var::CAPTURE, Capture::Full, layers::capture);
    let content = from.setting(None, &var::CAPTURE_CONTENT, true, layers::content);
    if content.value || chosen.value <= Capture::Keys { chosen } else { content.map(|_| Capture::Keys) }
}

#[cfg(test)]
mod tests;
