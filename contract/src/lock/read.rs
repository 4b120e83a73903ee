//! A lock from its text.

use serde::Deserialize;

use super::{Lock, LockedSpan, VERSION};
use crate::Error;

#[derive(Deserialize)]
struct Head {
    version: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    #[serde(rename = "version")]
    _version: u32,
    #[serde(default)]
    packages: Vec<String>,
    #[serde(default, rename = "span")]
    spans: Vec<LockedSpan>,
}

const RENEW: &str = "restore it from version control, or write it anew with `spanwright catalog --accept`";

impl Lock {
    /// The lock in `text`; `file` is its name for messages.
    ///
    /// # Errors
    /// It is no lock, or one of a newer version; the message names the line and says what to do.
    pub fn parse(text: &str, file: &str) -> Result<Self, Error> {
        // A checkout on Windows may have turned the line ends; one that belongs to a text is written as an escape.
        let text = text.replace("\r\n", "\n");
        if let Some(line) = text.lines().position(|line| line.starts_with("<<<<<<< ")) {
            return Err(Error::new(format!(
                "cannot read {file}: line {} begins a merge conflict; take either side, then run `spanwright catalog \
                 --accept`",
                line + 1
            )));
        }
        let head: Head = toml::from_str(&text).map_err(|error| wrong(&error, &text, file))?;
        match head.version {
            Some(VERSION) => {}
            Some(version) if version > VERSION => return Err(newer(version, "read", file)),
            Some(other) => return Err(Error::new(format!("cannot read {file}: there is no version {other}; {RENEW}"))),
            None => return Err(Error::new(format!("cannot read {file}: it has no `version`; {RENEW}"))),
        }
        let read: Text = toml::from_str(&text).map_err(|error| wrong(&error, &text, file))?;
        let mut lock = Self { packages: read.packages, spans: read.spans };
        lock.packages.sort();
        lock.spans.sort_by(|a, b| (&a.id, &a.cfg).cmp(&(&b.id, &b.cfg)));
        for span in &mut lock.spans {
            span.attributes.sort_by(|a, b| a.key.cmp(&b.key));
            span.captured.sort();
        }
        let mut pairs = lock.spans.iter().zip(lock.spans.iter().skip(1));
        if let Some((span, _)) = pairs.find(|(a, b)| (&a.id, &a.cfg) == (&b.id, &b.cfg)) {
            return Err(Error::new(format!("cannot read {file}: `{}` stands in it twice; {RENEW}", span.id)));
        }
        Ok(lock)
    }
}

/// That `text`, which is in `file`, is none a later version wrote: it would lose what only that one knows.
pub(super) fn not_newer(text: &str, file: &str) -> Result<(), Error> {
    match toml::from_str::<Head>(text) {
        Ok(Head { version: Some(version) }) if version > VERSION => Err(newer(version, "replace", file)),
        _ => Ok(()),
    }
}

fn newer(version: u32, what: &str, file: &str) -> Error {
    Error::new(format!(
        "cannot {what} {file}: it has version {version} of the format and this program knows {VERSION}; \
         install a newer spanwright"
    ))
}

fn wrong(error: &toml::de::Error, text: &str, file: &str) -> Error {
    let message = error.message();
    match error.span() {
        Some(at) => {
            let line = 1 + text[..at.start.min(text.len())].matches('\n').count();
            Error::new(format!("cannot read {file}: line {line}: {message}; {RENEW}"))
        }
        None => Error::new(format!("cannot read {file}: {message}; {RENEW}")),
    }
}
