//! Who we are to the server.

use std::fmt;
use std::path::{Path, PathBuf};

use super::layers::Layers;
use super::variables::{PASSWORD, TOKEN, USERNAME};
use super::{Setting, Source};

/// How to prove who we are. Neither `Display` nor `Debug` shows more than the kind.
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

impl fmt::Display for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "",
            Self::Basic { .. } => "user *** with password ***",
            Self::Token(_) => "token ***",
        })
    }
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

/// User and password of the environment, else a token of the environment, else what the tracking URI carries, else
/// `~/.mlflow/credentials`, which also completes a user or password that stands alone.
pub(super) fn credentials(layers: &mut Layers<'_>, carried: Option<Setting<Credentials>>) -> Setting<Credentials> {
    let (user, password) = (layers.env(USERNAME.name), layers.env(PASSWORD.name));
    let alone = user.is_some() != password.is_some();
    let (file_user, file_password, path) = kept_by_mlflow(layers);
    let from_env = user.is_some() || password.is_some();
    let basic = |user: Option<String>, password: Option<String>| {
        user.zip(password).map(|(user, password)| Credentials::Basic { user, password })
    };
    if from_env && let Some(value) = basic(user.or(file_user.clone()), password.or(file_password.clone())) {
        return Setting { value, source: Source::Env(USERNAME.name) };
    }
    if let Some(token) = layers.env(TOKEN.name) {
        return Setting { value: Credentials::Token(token), source: Source::Env(TOKEN.name) };
    }
    if alone {
        let (name, missing) =
            if layers.env(USERNAME.name).is_some() { (USERNAME, PASSWORD) } else { (PASSWORD, USERNAME) };
        layers.warnings.push(format!("{} is ignored: {} is not set", name.name, missing.name));
    }
    if let Some(carried) = carried {
        return carried;
    }
    match basic(file_user, file_password) {
        Some(value) => Setting { value, source: Source::File(path, None) },
        None => Setting { value: Credentials::None, source: Source::Default },
    }
}

/// User and password as MLflow's own client keeps them.
fn kept_by_mlflow(layers: &Layers<'_>) -> (Option<String>, Option<String>, PathBuf) {
    let Some(home) = layers.env("HOME").or_else(|| layers.env("USERPROFILE")) else { return Default::default() };
    let path = Path::new(&home).join(".mlflow").join("credentials");
    let (user, password) = read_ini(&std::fs::read_to_string(&path).unwrap_or_default());
    (user, password, path)
}

/// User and password in the section `[mlflow]`.
pub(super) fn read_ini(content: &str) -> (Option<String>, Option<String>) {
    let mut lines = content.lines().map(str::trim).skip_while(|line| *line != "[mlflow]").skip(1);
    let (mut user, mut password) = (None, None);
    for line in lines.by_ref().take_while(|line| !line.starts_with('[')) {
        // The reader of MLflow takes `=` as well as `:`.
        let Some((key, value)) = line.split_once(['=', ':']) else { continue };
        let value = Some(value.trim().to_owned()).filter(|value| !value.is_empty());
        match key.trim().to_ascii_lowercase().as_str() {
            "mlflow_tracking_username" => user = value,
            "mlflow_tracking_password" => password = value,
            _ => {}
        }
    }
    (user, password)
}
