//! The program that makes spans for what is measured behind the thread that makes them, and a receiver that takes everything.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use spanwright_tests::faults::{Act, Faulty};

use crate::programs::Scratch;
use crate::say;

/// The program, compiled.
#[derive(Debug)]
pub(crate) struct Behind {
    program: PathBuf,
    folder: PathBuf,
}

/// One call of it, in a fresh folder and an empty environment.
#[derive(Debug)]
pub(crate) struct Run {
    program: PathBuf,
    pub(crate) scratch: Scratch,
    server: Option<String>,
}

impl Behind {
    /// Compiles the program, or finds that nothing has changed.
    pub(crate) fn build() -> io::Result<Self> {
        say("building the program that makes spans");
        let this = std::env::current_exe()?;
        let target = this.ancestors().nth(3).ok_or_else(|| io::Error::other("the benchmark is in no target folder"))?;
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.current_dir(env!("CARGO_MANIFEST_DIR")).env("CARGO_TARGET_DIR", target);
        cargo.args(["build", "--profile", "bench", "--package", "spanwright-bench-behind"]);
        let output = cargo.output()?;
        if !output.status.success() {
            return Err(io::Error::other(format!("{cargo:?}\n{}", String::from_utf8_lossy(&output.stderr))));
        }
        Ok(Self { program: target.join("release/spanwright-behind"), folder: target.join("behind") })
    }

    /// A call whose spans go to `server`, or stay in its store.
    pub(crate) fn run(&self, server: Option<&str>) -> io::Result<Run> {
        let scratch = Scratch::new(&self.folder)?;
        Ok(Run { program: self.program.clone(), scratch, server: server.map(str::to_owned) })
    }
}

impl Run {
    /// The store of the call.
    pub(crate) fn store(&self) -> PathBuf {
        self.scratch.0.join("store")
    }

    /// The command, `under` another program if that is not empty.
    pub(crate) fn command(&self, under: &[&str], words: &str) -> Command {
        let mut all = under.iter().map(AsRef::as_ref).chain([self.program.as_os_str()]);
        let mut command = Command::new(all.next().unwrap_or_default());
        command.args(all).args(words.split_whitespace()).current_dir(&self.scratch.0).env_clear();
        command.envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
        command.env("SPANWRIGHT_STORE", self.store()).stdin(Stdio::null());
        command.envs(self.server.as_ref().map(|uri| ("MLFLOW_TRACKING_URI", uri)));
        command
    }

    /// Runs it to the end. Returns its answer.
    pub(crate) fn answer(&self, under: &[&str], words: &str) -> io::Result<Value> {
        answer_of(&mut self.command(under, words))
    }
}

/// Runs a command that prints a line of JSON.
pub(crate) fn answer_of(command: &mut Command) -> io::Result<Value> {
    let output = command.output()?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(io::Error::other(format!("{command:?}: {}\n{said}", output.status)));
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// A server that says of itself what MLflow says, and takes all spans.
pub(crate) fn receiver() -> Faulty {
    Faulty::start(|seen, _| match seen.path.split('?').next().unwrap_or_default() {
        "/version" => Act::Answer(200, Vec::new(), "3.17.2".to_owned()),
        path if path.contains("/experiments/") => Act::json(
            200,
            r#"{"experiment":{"experiment_id":"0","name":"Default","lifecycle_stage":"active"},"experiment_id":"0"}"#,
        ),
        _ => Act::json(200, "{}"),
    })
}

/// What callgrind counted in one run.
#[derive(Debug)]
pub(crate) struct Profile {
    /// Lines of `callgrind_annotate`: instructions with all that was called, and the function.
    lines: Vec<(f64, String)>,
    total: f64,
}

impl Profile {
    pub(crate) fn read(file: &Path) -> io::Result<Self> {
        let mut annotate = Command::new("callgrind_annotate");
        let output = annotate.args(["--inclusive=yes", "--threshold=100"]).arg(file).output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        let written = fs::read_to_string(file)?;
        let total = written.lines().find_map(|line| line.strip_prefix("totals:")?.trim().parse::<f64>().ok());
        let total = total.ok_or_else(|| io::Error::other("callgrind counted nothing"))?;
        Ok(Self { lines: text.lines().filter_map(line_of).collect(), total })
    }

    /// All instructions of the run.
    pub(crate) fn total(&self) -> f64 {
        self.total
    }

    /// Instructions of the functions whose path ends so, with all they call; `None` if there is no such function.
    pub(crate) fn inclusive(&self, function: &str) -> Option<f64> {
        let found = self.lines.iter().filter(|(_, name)| name.ends_with(function));
        found.map(|(count, _)| *count).reduce(|sum, more| sum + more)
    }
}

/// The number at the start of a line of `callgrind_annotate`, and the function behind it: `1,234 (5.6%)  file:function [object]`.
fn line_of(line: &str) -> Option<(f64, String)> {
    let (count, rest) = line.trim_start().split_once(' ')?;
    let function = rest.rsplit_once(" [").map_or(rest, |(function, _)| function);
    Some((count.replace(',', "").parse().ok()?, function.trim().to_owned()))
}
