//! A workflow file: what `config.observability.mlflow` says of tracing, what its nodes say of themselves, and what the workflow is.
//!
//! The rest of such a file belongs to whoever runs the workflow, and is not looked at.

#[cfg(feature = "yaml")]
use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::file::Values;
#[cfg(feature = "yaml")]
use super::uri::shown;
#[cfg(feature = "yaml")]
use super::yaml::Node;

/// What of the workflow itself stands in its file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Workflow {
    /// The file; what the program says of it, where it is given as text.
    pub path: PathBuf,
    /// `flow.name`.
    pub name: String,
    /// `flow.version`; `unversioned` where there is none.
    pub version: String,
    /// How many `nodes` there are.
    pub node_count: usize,
}

/// A workflow file as a layer of settings.
#[derive(Debug, Default)]
pub(super) struct Layer {
    pub(super) path: PathBuf,
    /// Where the section stands, if there is one.
    pub(super) section: Option<usize>,
    pub(super) values: Values,
    /// Nodes that say whether their content is kept, in their order.
    pub(super) nodes: Vec<(String, String, usize)>,
    pub(super) workflow: Workflow,
}

/// Keys of the section that are settings of another name.
pub(super) const RENAMED: &[(&str, &str)] = &[("enabled", "disabled"), ("retention_days", "store_max_days")];

/// The experiment of a section that names none.
pub(super) const EXPERIMENT: &str = "configurable_agents";

/// Version of a workflow that has none.
#[cfg(feature = "yaml")]
const UNVERSIONED: &str = "unversioned";

#[cfg(not(feature = "yaml"))]
pub(super) fn parse(path: &Path, _: &str, _: &mut Vec<String>) -> Result<Layer, String> {
    Err(format!("{} is ignored: workflow files are read with the feature `yaml` only", path.display()))
}

/// The layer of a file with this content; what is wrong with it, if it is no YAML. What cannot be used in it is said.
#[cfg(feature = "yaml")]
pub(super) fn parse(path: &Path, content: &str, warnings: &mut Vec<String>) -> Result<Layer, String> {
    let root = super::yaml::read(content)
        .map_err(|(line, wrong)| format!("{} is ignored: line {line}: {wrong}", path.display()))?;
    let mut layer = Layer { path: path.to_owned(), workflow: workflow(&root, path), ..Layer::default() };
    nodes(&root, path, &mut layer, warnings);
    let below = |node: &Node, key: &str| node.get(key).map(|entry| entry.node.clone());
    let Some(observability) = below(&root, "config").and_then(|config| below(&config, "observability")) else {
        return Ok(layer);
    };
    for entry in observability.entries().iter().filter(|entry| !["mlflow", "logging"].contains(&&*entry.key)) {
        warnings.push(unknown(path, entry.line, &entry.key, &["mlflow", "logging"]));
    }
    if let Some(section) = observability.get("mlflow").filter(|entry| !entry.node.is_null()) {
        layer.section = Some(section.line);
        layer.values = values(&section.node, path, warnings);
    }
    Ok(layer)
}

#[cfg(feature = "yaml")]
fn workflow(root: &Node, path: &Path) -> Workflow {
    let flow = root.get("flow").map(|entry| &entry.node);
    let text = |key: &str| Some(flow?.get(key)?.node.text()?.trim().to_owned());
    Workflow {
        path: path.to_owned(),
        name: text("name").unwrap_or_default(),
        version: text("version").filter(|version| !version.is_empty()).unwrap_or_else(|| UNVERSIONED.to_owned()),
        node_count: root.get("nodes").map_or(0, |entry| entry.node.items().len()),
    }
}

#[cfg(feature = "yaml")]
fn nodes(root: &Node, path: &Path, layer: &mut Layer, warnings: &mut Vec<String>) {
    let nodes = root.get("nodes").map_or(&[][..], |entry| entry.node.items());
    for node in nodes {
        let Some(id) = node.get("id").and_then(|entry| entry.node.text()) else { continue };
        if let Some(entry) = node.get("log_prompts").filter(|entry| !entry.node.is_null()) {
            layer.nodes.push((id.to_owned(), entry.node.text().unwrap_or_default().to_owned(), entry.line));
        }
        if let Some(entry) = node.get("log_artifacts").filter(|entry| !entry.node.is_null()) {
            warnings.push(format!(
                "{}:{}: `log_artifacts` of node `{}` has no effect: artifacts are written of a whole workflow; what is kept of a node stands \
                 on its span, which `log_prompts` decides",
                path.display(),
                entry.line,
                shown(id)
            ));
        }
    }
}

/// What the section sets, by the keys of the settings.
#[cfg(feature = "yaml")]
fn values(section: &Node, path: &Path, warnings: &mut Vec<String>) -> Values {
    let known = known_keys();
    let mut values = HashMap::new();
    for entry in section.entries().iter().filter(|entry| !entry.node.is_null()) {
        let key = &*entry.key;
        if super::file::CREDENTIALS.contains(&key) {
            warnings.push(super::file::no_credentials(path, entry.line, key));
            continue;
        }
        if !known.contains(&key) {
            warnings.push(unknown(path, entry.line, key, &known));
            continue;
        }
        values.insert(key.to_owned(), (text(key, &entry.node), entry.line));
    }
    values
}

/// A value as a setting reads it. What is neither text nor, where that may be, a list of texts, is none that any setting takes.
#[cfg(feature = "yaml")]
fn text(key: &str, node: &Node) -> String {
    let items: Option<Vec<_>> = node.items().iter().map(|item| item.text()).collect();
    match (node.text(), items) {
        (Some(text), _) => text.trim().to_owned(),
        (None, Some(items)) if key == super::variables::REDACT.key => items.join(","),
        (None, Some(items)) if !items.is_empty() => format!("[{}]", items.join(", ")),
        (None, _) => "{…}".to_owned(),
    }
}

/// Keys the section may have: those it has always had, and those of `spanwright.toml`.
#[cfg(feature = "yaml")]
fn known_keys() -> Vec<&'static str> {
    let own =
        ["enabled", "tracking_uri", "experiment_name", "run_name", "log_prompts", "log_artifacts", "artifact_level"];
    let others = ["async_logging", "retention_days", "redact_pii"];
    let ours = super::VARIABLES.iter().map(|known| known.key).filter(|key| !key.is_empty() && !own.contains(key));
    own.into_iter().chain(others).chain(ours).collect()
}

#[cfg(feature = "yaml")]
fn unknown(path: &Path, line: usize, key: &str, known: &[&'static str]) -> String {
    let shown = shown(key);
    let what = super::file::did_you_mean(key, known);
    format!("{}:{line}: `{shown}` is ignored: there is no such key; {what}", path.display())
}
