//! Configuration: defaults, file, environment, code; later wins. The only reader of the environment.

#[cfg(feature = "mlflow")]
mod pem;
mod uri;

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;

use crate::callsite::Capture;
#[cfg(feature = "mlflow")]
pub(crate) use pem::read_pem;
pub use uri::Uri;

/// A value and where it came from.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Setting<T> {
    /// The value in force.
    pub value: T,
    /// Where it came from.
    pub source: Source,
}

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
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

/// How to prove who we are. `Debug` shows the kind and nothing secret.
#[derive(Clone, PartialEq, Eq)]
pub enum Credentials {
    /// Not at all.
    None,
    /// User and password.
    Basic {
        /// User.
        user: String,
        /// Password.
        password: String,
    },
    /// A bearer token.
    Token(String),
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
    /// Where the store is.
    pub store: Setting<StorePlace>,
    /// Delivered traces older than this leave the store.
    pub store_max_age: Setting<Duration>,
    /// Most bytes of the store.
    pub store_max_bytes: Setting<u64>,
    /// Where chunks are.
    pub chunks: Setting<ChunkPlace>,
    /// Whether diagnostics reach standard error.
    pub log: Setting<bool>,
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
    /// See [`Config::store`].
    pub store: Option<StorePlace>,
    /// See [`Config::store_max_age`].
    pub store_max_age: Option<Duration>,
    /// See [`Config::store_max_bytes`].
    pub store_max_bytes: Option<u64>,
    /// See [`Config::chunks`].
    pub chunks: Option<ChunkPlace>,
    /// See [`Config::log`].
    pub log: Option<bool>,
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

/// An environment variable this library reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Variable {
    /// Name.
    pub name: &'static str,
    /// Value if unset, as text.
    pub default: &'static str,
    /// Meaning, one line.
    pub meaning: &'static str,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Basic { .. } => "Basic(***)",
            Self::Token(_) => "Token(***)",
        })
    }
}

#[expect(unused_variables, clippy::todo)]
impl Config {
    /// The configuration of this process: its environment and working folder.
    pub fn of_process(overrides: Overrides) -> (Self, Vec<String>) {
        todo!()
    }

    /// Puts the layers together. Never fails: what cannot be used is a warning, and the default holds.
    pub fn load(overrides: Overrides, env: &dyn Fn(&str) -> Option<String>, cwd: &Path) -> (Self, Vec<String>) {
        todo!()
    }

    /// Every setting, for `doctor`.
    pub fn settings(&self) -> Vec<Shown> {
        todo!()
    }
}
