//! The file `spanwright.toml`: the nearest upwards from the working folder.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Key to value as text, and line.
pub(super) type Values = HashMap<String, (String, usize)>;

/// What the file says.
#[derive(Default)]
pub(super) struct Layer {
    pub(super) path: PathBuf,
    pub(super) values: Values,
    /// Nodes that say whether their content is kept, in their order.
    pub(super) nodes: Vec<(String, String, usize)>,
}

/// Tables for `spanwright lint` and `spanwright report`, which say what is wrong in them.
#[cfg(feature = "store")]
const TABLES: [&str; 2] = ["lints", "gates"];

/// A table for each node that says something of its own.
#[cfg(feature = "store")]
const NODES: &str = "nodes";

/// What does not belong into a file that is checked in.
#[cfg(feature = "store")]
pub(super) const CREDENTIALS: [&str; 3] = ["username", "password", "token"];

/// Without a TOML reader there is no file.
#[cfg(not(feature = "store"))]
pub(super) fn read(_: &Path, _: &mut Vec<String>) -> Option<Layer> {
    None
}

/// Reads the file, if there is one. What cannot be used in it is said.
#[cfg(feature = "store")]
pub(super) fn read(working_folder: &Path, warnings: &mut Vec<String>) -> Option<Layer> {
    let path = crate::nearest::nearest(working_folder, "spanwright.toml", std::fs::Metadata::is_file)?;
    content(&path).and_then(|content| parse(&path, &content, warnings)).map_err(|wrong| warnings.push(wrong)).ok()
}

/// Longest file that is read, in bytes.
const LONGEST: u64 = 1 << 20;

/// What stands in a file of settings.
pub(super) fn content(path: &Path) -> Result<String, String> {
    let is_too_long = std::fs::metadata(path).is_ok_and(|file| file.len() > LONGEST);
    if is_too_long {
        return Err(format!("{} is ignored: it is longer than {LONGEST} bytes", path.display()));
    }
    std::fs::read_to_string(path).map_err(|error| format!("{} is ignored: it cannot be read ({error})", path.display()))
}

/// Without a TOML reader there is nothing to be read from a file that is named, either.
#[cfg(not(feature = "store"))]
pub(super) fn parse(path: &Path, _: &str, _: &mut Vec<String>) -> Result<Layer, String> {
    Err(format!("{} is ignored: such files are read with the feature `store` only", path.display()))
}

/// The layer of a file with this content; what is wrong with it, if it is no TOML.
#[cfg(feature = "store")]
pub(super) fn parse(path: &Path, content: &str, warnings: &mut Vec<String>) -> Result<Layer, String> {
    use toml::de::{DeTable, DeValue};

    let shown = path.display();
    let line_of = |at: usize| content.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1;
    let table = DeTable::parse(content).map_err(|error| {
        let line = line_of(error.span().map_or(0, |span| span.start));
        format!("{shown} is ignored: line {line}: {}", error.message())
    })?;
    let mut layer = Layer { path: path.to_owned(), ..Layer::default() };
    for (key, value) in table.into_inner() {
        let line = line_of(key.span().start);
        let key: String = key.into_inner().into_owned();
        match (&*key, value.as_ref()) {
            (key, DeValue::Table(_)) if TABLES.contains(&key) => {}
            (NODES, DeValue::Table(nodes)) => {
                for (name, node) in nodes {
                    for (key, value) in node.get_ref().as_table().into_iter().flatten() {
                        let line = line_of(key.span().start);
                        match scalar(value.get_ref()).filter(|_| key.get_ref() == "log_prompts") {
                            Some(text) => layer.nodes.push((name.get_ref().to_string(), text, line)),
                            None => warnings.push(format!(
                                "{shown}:{line}: `{}` of node `{}` is ignored: a node has `log_prompts`, true or false",
                                key.get_ref(),
                                name.get_ref()
                            )),
                        }
                    }
                }
            }
            (_, value) => match checked(&key, value) {
                Ok(text) => drop(layer.values.insert(key, (text, line))),
                Err(wrong) => warnings.push(format!("{shown}:{line}: `{key}` is ignored: {wrong}")),
            },
        }
    }
    Ok(layer)
}

/// That a key is one of a credential.
#[cfg(feature = "yaml")]
pub(super) fn no_credentials(path: &Path, line: usize, key: &str) -> String {
    format!("{}:{line}: `{key}` is ignored: {}", path.display(), not_here(key))
}

#[cfg(feature = "store")]
fn not_here(key: &str) -> String {
    let name = key.to_ascii_uppercase();
    format!("credentials do not belong into a file that is checked in; set MLFLOW_TRACKING_{name}")
}

/// Names the key that was probably meant, or all there are.
#[cfg(feature = "store")]
pub(super) fn did_you_mean(key: &str, known: &[&'static str]) -> String {
    match known.iter().map(|known| (distance(key, known), known)).min() {
        Some((edits, known)) if edits <= known.len() / 3 => format!("did you mean `{known}`?"),
        _ => format!("the keys are {}", known.join(", ")),
    }
}

#[cfg(feature = "store")]
fn checked(key: &str, value: &toml::de::DeValue<'_>) -> Result<String, String> {
    use super::variables::VARIABLES;
    if CREDENTIALS.contains(&key) {
        return Err(not_here(key));
    }
    let keys: Vec<_> = VARIABLES.iter().map(|known| known.key).filter(|known| !known.is_empty()).collect();
    if !keys.contains(&key) {
        return Err(format!("there is no such key; {}", did_you_mean(key, &keys)));
    }
    let kind = "expected text, a number, true or false, or a list of texts";
    scalar(value).or_else(|| list(value)).ok_or_else(|| kind.to_owned())
}

#[cfg(feature = "store")]
fn scalar(value: &toml::de::DeValue<'_>) -> Option<String> {
    use toml::de::DeValue;
    match value {
        DeValue::String(text) => Some(text.trim().to_owned()),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix()).ok().map(|n| n.to_string()),
        DeValue::Float(number) => Some(number.as_str().to_owned()),
        DeValue::Boolean(flag) => Some(flag.to_string()),
        DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => None,
    }
}

#[cfg(feature = "store")]
fn list(value: &toml::de::DeValue<'_>) -> Option<String> {
    let texts: Option<Vec<String>> = value.as_array()?.iter().map(|item| scalar(item.as_ref())).collect();
    texts.map(|texts| texts.join(","))
}

/// Levenshtein's distance.
#[cfg(feature = "store")]
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, b) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[to.len()]
}
