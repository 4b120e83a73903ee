//! Configuration: default, workflow file, `spanwright.toml`, environment, code; later wins.
//!
//! In: what the program sets ([`Overrides`]), the environment, the nearest `spanwright.toml` upwards from the working folder, a workflow
//! file where one is named, and MLflow's `~/.mlflow/credentials`. Out: a [`Config`] in which every value says where it came from, and warnings. It never fails:
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
mod shown;
mod unread;
mod uri;
mod variables;
mod workflow;
#[cfg(feature = "yaml")]
mod yaml;

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::callsite::Capture;
use crate::error::{Error, Kind};
use layers::{Found, Layers, complaint};
use variables as var;

pub use credentials::Credentials;
pub use level::{ArtifactKind, ArtifactLevel};
#[cfg(feature = "mlflow")]
pub(crate) use pem::read_pem;
pub use unread::WithoutEffect;
pub use uri::Uri;
pub use variables::{VARIABLES, Variable};
pub use workflow::Workflow;

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
    /// Name of the run that each workflow opens.
    pub run_name: Setting<Option<String>>,
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
    /// Whether the content of spans is kept.
    pub log_prompts: Setting<bool>,
    /// Spans that say so themselves, and what is below them: by their name, their function's or their declared id.
    pub nodes: Vec<Node>,
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
    /// The workflow whose file is in force, and who names that.
    pub workflow: Option<Setting<Workflow>>,
    /// Variables that are set and have no effect.
    pub without_effect: Vec<WithoutEffect>,
}

/// A node that says whether its content is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// Whether it is.
    pub log_prompts: Setting<bool>,
}

/// A file that a program names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NamedConfig {
    /// Its path: a workflow file, or, if it ends in `.toml`, one that stands for the nearest `spanwright.toml`.
    Path(PathBuf),
    /// What stands in a workflow file.
    Yaml(String),
}

/// What the program sets itself; `None` leaves it to the environment.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// A file of settings that the program names. Its settings are those of a file: the environment wins over them.
    pub config_file: Option<NamedConfig>,
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
    /// See [`Config::run_name`].
    pub run_name: Option<String>,
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
    /// See [`Config::log_prompts`].
    pub log_prompts: Option<bool>,
    /// See [`Config::nodes`]: by name, whether its content is kept.
    pub nodes: Vec<(String, bool)>,
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
        let working_folder = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("."));
        Self::load(overrides, &of_environment, &working_folder)
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
        let layers = Layers::new(env, cwd, overrides.config_file.as_ref());
        let (config, layers) = Self::of(overrides, layers, cwd);
        (config, layers.warnings)
    }

    /// As [`of_process`](Self::of_process).
    ///
    /// # Errors
    ///
    /// [`Error::is_config`], if the program names a file and something in it cannot be used.
    pub(crate) fn checked(overrides: Overrides) -> Result<(Self, Vec<String>), Error> {
        let working_folder = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("."));
        let is_named = overrides.config_file.is_some();
        let layers = Layers::new(&of_environment, &working_folder, overrides.config_file.as_ref());
        let (config, Layers { warnings, invalid, .. }) = Self::of(overrides, layers, &working_folder);
        if is_named && !invalid.is_empty() {
            let wrong = invalid.join("; ").replace(" is ignored: ", ": ");
            return Err(Error::new(Kind::Config, format!("read the configuration: {wrong}")));
        }
        Ok((config, warnings))
    }

    fn of<'l>(code: Overrides, mut from: Layers<'l>, cwd: &Path) -> (Self, Layers<'l>) {
        let (destination, carried) = destination(&mut from, code.tracking_uri);
        let credentials = match code.credentials {
            Some(value) => Setting { value, source: Source::Code },
            None if matches!(destination.value, Destination::Http(_)) => credentials::credentials(&mut from, carried),
            None => Setting { value: Credentials::None, source: Source::Default },
        };
        let config = Self {
            disabled: disabled(&mut from, code.disabled),
            destination,
            credentials,
            insecure_tls: from.setting(code.insecure_tls, &var::INSECURE_TLS, false, layers::flag),
            server_cert: from.setting(code.server_cert.map(Some), &var::SERVER_CERT, None, layers::path),
            client_cert: from.setting(code.client_cert.map(Some), &var::CLIENT_CERT, None, layers::path),
            experiment: experiment(&from, code.experiment),
            run_id: from.setting(code.run_id.map(Some), &var::RUN_ID, None, layers::text),
            run_name: from.setting(code.run_name.map(Some), &var::RUN_NAME, None, layers::text),
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
            log_prompts: from.setting(code.log_prompts, &var::LOG_PROMPTS, true, layers::flag),
            nodes: nodes(&mut from, code.nodes),
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
            workflow: from
                .workflow
                .as_ref()
                .map(|file| Setting { value: file.workflow.clone(), source: from.named_by.clone() }),
            without_effect: unread::without_effect(&from),
        };
        #[cfg(feature = "store")]
        if config.prices.value.is_some()
            && let Err(error) = config.price_table()
        {
            from.warnings.push(format!("{error:#}; the built-in prices hold"));
        }
        let unused = unread::said(&config.without_effect).into_iter().chain(reserved(&mut from)).collect::<Vec<_>>();
        // Where nothing is traced, nothing is missed.
        if !config.disabled.value {
            from.warnings.extend(unused);
        }
        (config, from)
    }

    /// Whether an artifact of this kind is written: nowhere where artifacts are switched off, else by level.
    pub fn writes_artifact(&self, kind: ArtifactKind) -> bool {
        self.log_artifacts.value && self.artifact_level.value.writes(kind)
    }
}

/// Where traces go, and the credentials that stood in the URI.
fn destination(from: &mut Layers<'_>, code: Option<String>) -> (Setting<Destination>, Option<Setting<Credentials>>) {
    let code = code.map(|uri| Found::by_program(uri.trim().to_owned()));
    if code.as_ref().is_some_and(|found| found.text.is_empty()) {
        return (Setting { value: Destination::StoreOnly, source: Source::Code }, None);
    }
    let variable = &var::TRACKING_URI;
    let (mut warnings, mut complaints) = (Vec::new(), Vec::new());
    let mut chosen = (Setting { value: Destination::StoreOnly, source: Source::Default }, None);
    for found in code.into_iter().chain(from.found(variable)) {
        match uri::parse(&found.text) {
            Ok((value, credentials)) => {
                if let Destination::Unsupported(uri) = &value {
                    warnings.push(not_a_server(uri));
                }
                let carried = credentials.map(|value| Setting { value, source: found.source.clone() });
                chosen = (Setting { value, source: found.source }, carried);
                break;
            }
            Err(wrong) => complaints.push((complaint(variable, &found, wrong), found.source)),
        }
    }
    from.warnings.append(&mut warnings);
    from.complain(complaints);
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
        .or_else(|| from.in_workflow(&var::EXPERIMENT_ID).map(id))
        .or_else(|| from.in_workflow(&var::EXPERIMENT_NAME).map(name))
        .or_else(|| {
            let value = Some(Experiment::Name(workflow::EXPERIMENT.to_owned()));
            Some(Setting { value, source: from.section().filter(|_| from.has_section())? })
        })
        .unwrap_or(Setting { value: None, source: Source::Default })
}

/// Off, where a workflow file is in force that does not say otherwise.
fn disabled(from: &mut Layers<'_>, code: Option<bool>) -> Setting<bool> {
    let setting = from.setting(code, &var::DISABLE, false, layers::disabled);
    match (&setting.source, from.section()) {
        (Source::Default, Some(source)) => Setting { value: true, source },
        _ => setting,
    }
}

/// Nodes with a word of their own; of two for one node the later layer's holds.
fn nodes(from: &mut Layers<'_>, code: Vec<(String, bool)>) -> Vec<Node> {
    let of_workflow = from.workflow.iter().flat_map(|file| file.nodes.iter().map(|node| (node, &file.path)));
    let of_file = from.file.iter().flat_map(|file| file.nodes.iter().map(|node| (node, &file.path)));
    let (mut nodes, mut complaints) = (Vec::new(), Vec::new());
    let mut put = |name: &str, log_prompts: Setting<bool>| {
        nodes.retain(|node: &Node| node.name != name);
        nodes.push(Node { name: name.to_owned(), log_prompts });
    };
    for ((name, text, line), path) in of_workflow.chain(of_file) {
        let source = Source::File(path.clone(), Some(*line));
        match layers::flag(&Found::in_node(text, &source)) {
            Ok(value) => put(name, Setting { value, source }),
            Err(wrong) => {
                let (text, name) = (uri::shown(text), uri::shown(name));
                let complaint = format!("{source}: log_prompts = {text} of node `{name}` is ignored: {wrong}");
                complaints.push((complaint, source));
            }
        }
    }
    code.into_iter().for_each(|(name, value)| put(&name, Setting { value, source: Source::Code }));
    from.complain(complaints);
    nodes
}

/// What is said of keys of a workflow file that ask for nothing there is.
fn reserved(from: &mut Layers<'_>) -> Vec<String> {
    let (mut lines, mut complaints) = (Vec::new(), Vec::new());
    let keys = [
        ("async_logging", false, "spans are on disk before they are delivered, and nothing waits for that"),
        (
            "redact_pii",
            true,
            "credentials are always redacted; name other words with `redact`, and nodes whose content is not kept with `log_prompts`",
        ),
    ];
    for (key, without_effect, why) in keys {
        let Some((text, source)) = from.in_section(key) else { continue };
        match layers::flag(&Found::in_node(&text, &source)) {
            Ok(value) if value == without_effect => {
                lines.push(format!("{source}: `{key}: {value}` has no effect here: {why}"))
            }
            Ok(_) => {}
            Err(wrong) => {
                complaints.push((format!("{source}: {key} = {} is ignored: {wrong}", uri::shown(&text)), source))
            }
        }
    }
    from.complain(complaints);
    lines
}

fn of_environment(name: &str) -> Option<String> {
    std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
}

/// The cap on capturing. That message contents are unwanted holds against everything else, the program included.
fn capture(from: &mut Layers<'_>, code: Option<Capture>) -> Setting<Capture> {
    let chosen = from.setting(code, &var::CAPTURE, Capture::Full, layers::capture);
    let content = from.setting(None, &var::CAPTURE_CONTENT, true, layers::content);
    if content.value || chosen.value <= Capture::Keys { chosen } else { content.map(|_| Capture::Keys) }
}

#[cfg(test)]
mod tests;
