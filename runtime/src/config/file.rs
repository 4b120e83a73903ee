//! The file `spanwright.toml`: the nearest upwards from the working folder.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// What the file says: key to value as text, and line.
pub(super) struct Layer {
    pub(super) path: PathBuf,
    pub(super) values: HashMap<String, (String, usize)>,
}

/// Tables for `spanwright lint` and `spanwright report`, which say what is wrong in them.
#[cfg(feature = "store")]
const TABLES: [&str; 2] = ["lints", "gates"];

/// Without a TOML reader there is no file.
#[cfg(not(feature = "store"))]
pub(super) fn read(_: &Path, _: &mut Vec<String>) -> Option<Layer> {
    None
}

/// Reads the file, if there is one. What cannot be used in it is said.
#[cfg(feature = "store")]
pub(super) fn read(working_folder: &Path, warnings: &mut Vec<String>) -> Option<Layer> {
    let path = crate::nearest::nearest(working_folder, "spanwright.toml", std::fs::Metadata::is_file)?;
    let shown = path.display();
    let content = match std::fs::read_to_string(&path) {
        Ok(content) => content,
        Err(error) => {
            warnings.push(format!("{shown} is ignored: it cannot be read ({error})"));
            return None;
        }
    };
    let values = parse(&path, &content, warnings)?;
    Some(Layer { path, values })
}

/// The values of a file with this content.
#[cfg(feature = "store")]
pub(super) fn parse(
    path: &Path,
    content: &str,
    warnings: &mut Vec<String>,
) -> Option<HashMap<String, (String, usize)>> {
    use toml::de::DeTable;

    let shown = path.display();
    let line_of = |at: usize| content.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1;
    let table = match DeTable::parse(content) {
        Ok(table) => table.into_inner(),
        Err(error) => {
            let line = line_of(error.span().map_or(0, |span| span.start));
            warnings.push(format!("{shown} is ignored: line {line}: {}", error.message()));
            return None;
        }
    };
    let mut values = HashMap::new();
    for (key, value) in table {
        if TABLES.contains(&&**key.get_ref()) && value.get_ref().is_table() {
            continue;
        }
        let line = line_of(key.span().start);
        let key: String = key.into_inner().into_owned();
        match checked(&key, value.as_ref()) {
            Ok(text) => drop(values.insert(key, (text, line))),
            Err(wrong) => warnings.push(format!("{shown}:{line}: `{key}` is ignored: {wrong}")),
        }
    }
    Some(values)
}

#[cfg(feature = "store")]
fn checked(key: &str, value: &toml::de::DeValue<'_>) -> Result<String, String> {
    use super::variables::VARIABLES;
    if ["username", "password", "token"].contains(&key) {
        let name = key.to_ascii_uppercase();
        return Err(format!("credentials do not belong into a file that is checked in; set MLFLOW_TRACKING_{name}"));
    }
    let mut keys = VARIABLES.iter().map(|known| known.key).filter(|known| !known.is_empty());
    if !keys.clone().any(|known| known == key) {
        let near = keys.clone().map(|known| (distance(key, known), known)).min();
        return Err(match near {
            Some((edits, known)) if edits <= known.len() / 3 => {
                format!("there is no such key; did you mean `{known}`?")
            }
            _ => format!("there is no such key; the keys are {}", keys.by_ref().collect::<Vec<_>>().join(", ")),
        });
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
