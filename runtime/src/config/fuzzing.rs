//! Settings as files and the environment have them.

use std::path::Path;

use super::layers::Layers;
use super::{Config, Destination, Overrides, VARIABLES, credentials, file, uri, workflow};
use crate::planted::{PLANTED, text_with_secrets};

/// Whatever stands in `spanwright.toml` and the environment, there is a configuration, and nothing said of it shows a secret.
///
/// The file up to a 0, then lines: the first two around the password of a tracking URI, then a value for each variable.
pub(crate) fn settings(bytes: &[u8]) {
    let (file, environment) = match bytes.iter().position(|&byte| byte == 0) {
        Some(at) => (&bytes[..at], &bytes[at + 1..]),
        None => (bytes, &bytes[..0]),
    };
    let environment = String::from_utf8_lossy(environment);
    let mut lines = environment.split('\n');
    let uri = (lines.next().unwrap_or("http"), lines.next().unwrap_or("localhost"));
    let uri = format!("{}://user:{PLANTED}@{}", uri.0, uri.1);
    let values: Vec<_> = lines.map(str::to_owned).collect();
    let env = |name: &str| match name {
        "MLFLOW_TRACKING_URI" => Some(uri.clone()),
        "MLFLOW_TRACKING_PASSWORD" | "MLFLOW_TRACKING_TOKEN" => Some(PLANTED.to_owned()),
        _ => {
            let place = VARIABLES.iter().position(|variable| variable.name == name)?;
            values.get(place).cloned()
        }
    };
    let path = Path::new("/project/spanwright.toml");
    let layers = Layers::with_file(&env, path, &String::from_utf8_lossy(file));
    let (config, layers) = Config::of(Overrides::default(), layers, Path::new("/project"));
    for warning in &layers.warnings {
        assert!(!warning.contains(PLANTED) && !warning.contains('\n'), "{warning}");
    }
    let shown = format!("{:?} {config:?}", config.settings());
    assert!(!shown.contains(PLANTED), "{shown}");
    credentials::read_ini(&environment);
}

/// Whatever stands in a workflow file, there is a configuration or an error, and neither shows the password of its URI. A value that is taken
/// stands on a line of the file.
pub(crate) fn workflow(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let path = Path::new("/project/workflow.yaml");
    let mut warnings = Vec::new();
    let layer = match workflow::parse(path, &text, &mut warnings) {
        Ok(layer) => layer,
        Err(wrong) => return assert!(wrong.contains(" is ignored: "), "{wrong}"),
    };
    let lines = 1 + text.matches(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}']).count();
    assert!(layer.values.values().all(|(_, line)| (1..=lines).contains(line)), "{text}");
    assert!(layer.nodes.len() <= text.len() && layer.workflow.node_count <= text.len());
    let env = |name: &str| (name == "MLFLOW_TRACKING_URI").then(|| format!("http://user:{PLANTED}@localhost"));
    let mut layers = Layers::of(&env, None, Path::new("/project"), warnings);
    layers.workflow = Some(layer);
    let (config, layers) = Config::of(Overrides::default(), layers, Path::new("/project"));
    for warning in &layers.warnings {
        assert!(!warning.contains(PLANTED) && !warning.contains('\n'), "{warning}");
    }
    assert!(layers.invalid.iter().all(|wrong| layers.warnings.contains(wrong)));
    let shown = format!("{:?} {config:?}", config.settings());
    assert!(!shown.contains(PLANTED), "{shown}");
}

/// A URI that is taken is taken as it is printed, and is printed without what came before its host.
pub(crate) fn uri(bytes: &[u8]) {
    let text = text_with_secrets(bytes);
    let parsed = uri::parse(&text);
    let printed = uri::without_secrets(&text);
    let shown = match &parsed {
        Ok((Destination::Http(uri) | Destination::Unsupported(uri), _)) => uri.as_str(),
        Ok((Destination::StoreOnly, _)) => panic!("a URI names something: {text}"),
        Err(_) => &printed,
    };
    let user_ends = text.rfind('@').unwrap_or_default();
    let user_starts = text.find("://").map_or(0, |at| at + 3);
    if let Some(planted) = text.get(user_starts..user_ends).filter(|user| user.contains(PLANTED)) {
        let elsewhere = text[..user_starts].contains(PLANTED) || text[user_ends..].contains(PLANTED);
        assert!(elsewhere || !shown.contains(PLANTED), "{planted}: {shown}");
    }
    if let Ok((Destination::Http(uri), _)) = &parsed {
        assert_eq!(uri::parse(uri.as_str()), Ok((Destination::Http(uri.clone()), None)), "{text}");
        assert!(!uri.host().is_empty());
    }
}

impl<'a> Layers<'a> {
    fn with_file(env: &'a dyn Fn(&str) -> Option<String>, path: &'a Path, content: &str) -> Self {
        let mut warnings = Vec::new();
        let file = file::parse(path, content, &mut warnings).map_err(|wrong| warnings.push(wrong)).ok();
        Self::of(env, file, Path::new("/project"), warnings)
    }
}
