//! Where output goes: standard output for results, standard error for what stopped them.

use std::io::{self, BufWriter, IsTerminal as _, StdoutLock, Write};
use std::process::ExitCode;

use serde::Serialize;

use crate::failure::Failure;

/// What a piece of text means; on a terminal it has a colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// As it should be.
    Good,
    /// Worth a look.
    Doubtful,
    /// Wrong.
    Bad,
    /// Less important than the rest.
    Faint,
    /// A heading.
    Strong,
}

impl Tone {
    fn code(self) -> &'static str {
        match self {
            Self::Good => "32",
            Self::Doubtful => "33",
            Self::Bad => "31",
            Self::Faint => "2",
            Self::Strong => "1",
        }
    }
}

/// Standard output, and how it is to be written to.
pub struct Screen {
    out: BufWriter<StdoutLock<'static>>,
    /// Whether the reader is a program.
    pub json: bool,
    coloured: bool,
}

impl Screen {
    /// Standard output; in colour on a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`.
    pub fn new(json: bool) -> Self {
        let stdout = io::stdout();
        let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let coloured = stdout.is_terminal() && !set("NO_COLOR") && !dumb;
        Self { out: BufWriter::new(stdout.lock()), json, coloured }
    }

    /// `text`, coloured if this screen has colours.
    pub fn paint(&self, tone: Tone, text: &str) -> String {
        if self.coloured && !text.is_empty() { format!("\x1b[{}m{text}\x1b[0m", tone.code()) } else { text.to_owned() }
    }

    /// Writes one line.
    pub fn line(&mut self, text: impl AsRef<str>) -> io::Result<()> {
        writeln!(self.out, "{}", text.as_ref())
    }

    /// Writes text that has its own line ends.
    pub fn text(&mut self, text: &str) -> io::Result<()> {
        self.out.write_all(text.as_bytes())
    }

    /// Writes `value` as one JSON object.
    pub fn object(&mut self, value: &impl Serialize) -> io::Result<()> {
        serde_json::to_writer_pretty(&mut self.out, value)?;
        writeln!(self.out)
    }

    /// Writes what is still buffered.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    /// Says something beside the output, to standard error.
    pub fn aside(&self, text: &str) {
        // With nobody to read it, the output and the exit code have to do.
        let _ = writeln!(io::stderr(), "{text}");
    }

    /// Says what stopped the command.
    pub fn fail(&mut self, failure: &Failure) -> ExitCode {
        if self.json {
            let object = serde_json::json!({"error": failure.to_string(), "hint": failure.hint()});
            // With neither output left, the exit code has to do.
            let _ = self.object(&object).and_then(|()| self.flush());
        }
        let mut stderr = io::stderr();
        let _ = writeln!(stderr, "error: {failure}");
        if let Some(hint) = failure.hint() {
            let _ = writeln!(stderr, "  {hint}");
        }
        ExitCode::FAILURE
    }
}
