//! Words of the form `name=value`.

use std::str::FromStr;

use crate::{Setup, State};

/// A command and its named values.
#[derive(Debug)]
pub struct Arguments(Vec<String>);

impl Arguments {
    pub(crate) fn of_process() -> Self {
        Self(std::env::args().skip(1).collect())
    }

    pub(crate) fn of_line(line: &str) -> Self {
        Self(line.split_whitespace().map(str::to_owned).collect())
    }

    pub(crate) fn command(&self) -> &str {
        self.0.first().map_or("", String::as_str)
    }

    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
    }

    pub(crate) fn get<T: FromStr>(&self, name: &str) -> Result<T, String> {
        let text = self.text(name).ok_or_else(|| format!("`{name}` is missing"))?;
        text.parse().map_err(|_| format!("`{name}={text}` is not what it should be"))
    }

    pub(crate) fn setup(&self) -> Setup {
        let state = match self.text("state") {
            Some("absent") => State::Absent,
            Some("off") => State::SwitchedOff,
            _ => State::Recording,
        };
        Setup {
            state,
            counts_only: self.text("exporter") == Some("counting"),
            ample_queue: self.text("queue") == Some("ample"),
        }
    }
}
