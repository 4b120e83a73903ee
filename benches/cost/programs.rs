//! The programs that are measured: how they are built, started, and asked.

use std::fmt;
use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::Value;

use crate::say;

/// A program under measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    /// The loads without tracing.
    Bare,
    Floor,
    Spanwright,
    Fastrace,
    Tracing,
    Otel,
}

/// How the programs are compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Build {
    Recording,
    /// With what each library has to leave tracing out of a program.
    CompiledOut,
}

use Subject::{Bare, Fastrace, Floor, Otel, Spanwright, Tracing};

impl Subject {
    fn program(self) -> &'static str {
        match self {
            Bare => "bare",
            Floor => "floor",
            Spanwright => "spanwright-under-load",
            Fastrace => "fastrace",
            Tracing => "tracing",
            Otel => "otel",
        }
    }
}

impl Build {
    fn folder(self) -> &'static str {
        match self {
            Self::Recording => "recording",
            Self::CompiledOut => "compiled-out",
        }
    }

    /// The programs there are; the SDK cannot be compiled out.
    fn subjects(self) -> &'static [Subject] {
        match self {
            Self::Recording => &[Bare, Floor, Spanwright, Fastrace, Tracing, Otel],
            Self::CompiledOut => &[Bare, Spanwright, Fastrace, Tracing],
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Bare => "no tracing",
            Floor => "floor",
            Spanwright => "spanwright",
            Fastrace => "fastrace",
            Tracing => "tracing + tracing-opentelemetry",
            Otel => "opentelemetry SDK",
        })
    }
}

/// Where the programs of a build are.
#[derive(Debug)]
pub(crate) struct Programs {
    folder: PathBuf,
}

impl Programs {
    /// Compiles all programs of a build, or finds that nothing has changed.
    pub(crate) fn build(build: Build) -> io::Result<Self> {
        say(&format!("building the programs, {build:?}"));
        let target = target_folder()?;
        let cost = target.join("cost");
        let programs = Self { folder: cost.join(build.folder()) };
        fs::create_dir_all(&programs.folder)?;
        programs.build_peers(build, &cost.join("peers"))?;
        // Ours shares what the workspace has compiled already, but not what other flags made of it.
        programs.build_ours(build, &if build == Build::Recording { target } else { cost.join("ours") })?;
        Ok(programs)
    }

    fn build_peers(&self, build: Build, target: &Path) -> io::Result<()> {
        let peers: Vec<_> = build.subjects().iter().copied().filter(|subject| *subject != Spanwright).collect();
        let mut cargo = cargo(&Path::new(env!("CARGO_MANIFEST_DIR")).join("cost/peers"), target);
        cargo.args(["build", "--release", "--locked"]);
        if build == Build::CompiledOut {
            cargo.args(["--no-default-features", "--features", "off"]);
        }
        cargo.args(peers.iter().flat_map(|peer| ["--bin", peer.program()]));
        self.take(&mut cargo, target, &peers)
    }

    fn build_ours(&self, build: Build, target: &Path) -> io::Result<()> {
        let mut cargo = cargo(Path::new(env!("CARGO_MANIFEST_DIR")), target);
        cargo.args(["build", "--profile", "bench", "--package", "spanwright-bench-ours"]);
        if build == Build::CompiledOut {
            cargo.arg("--no-default-features").env("RUSTFLAGS", "--cfg spanwright_off");
        }
        self.take(&mut cargo, target, &[Spanwright])
    }

    /// Runs cargo and takes the programs it made: the next build has the same names for its own.
    fn take(&self, cargo: &mut Command, target: &Path, subjects: &[Subject]) -> io::Result<()> {
        let output = cargo.output()?;
        if !output.status.success() {
            return Err(io::Error::other(format!("{cargo:?}\n{}", String::from_utf8_lossy(&output.stderr))));
        }
        for subject in subjects {
            let name = subject.program();
            fs::copy(target.join("release").join(name), self.folder.join(name))?;
        }
        Ok(())
    }

    /// A call of a program in a fresh folder and an empty environment.
    pub(crate) fn call(&self, subject: Subject, arguments: &str) -> io::Result<Call> {
        let mut call = Call::of(&self.folder, subject.program(), arguments)?;
        let store = call.scratch.0.join("store");
        call.set("SPANWRIGHT_STORE", &store.to_string_lossy());
        call.set("SPANWRIGHT_LOG", "off");
        if call.words.iter().any(|word| word == "state=off") {
            call.set("MLFLOW_DISABLE_TRACES", "true");
        }
        Ok(call)
    }
}

/// The program that measures executions and makes no spans.
#[derive(Debug)]
pub(crate) struct TrackerProgram {
    folder: PathBuf,
}

impl TrackerProgram {
    const NAME: &str = "tracker-under-load";

    pub(crate) fn build() -> io::Result<Self> {
        say("building the tracker's program");
        let target = target_folder()?.join("cost").join("tracker");
        let mut cargo = cargo(Path::new(env!("CARGO_MANIFEST_DIR")), &target);
        cargo.args(["build", "--profile", "bench", "--package", "spanwright-bench-ours", "--no-default-features"]);
        let output = cargo.args(["--bin", Self::NAME]).output()?;
        if !output.status.success() {
            return Err(io::Error::other(format!("{cargo:?}\n{}", String::from_utf8_lossy(&output.stderr))));
        }
        Ok(Self { folder: target.join("release") })
    }

    /// A call, `once` or for `rounds`, for so many measurements of this kind.
    pub(crate) fn call(&self, command: &str, what: &str, count: u32) -> io::Result<Call> {
        Call::of(&self.folder, Self::NAME, &format!("{command} {what} {count}"))
    }
}

/// The folder cargo builds in, of which this program is part.
fn target_folder() -> io::Result<PathBuf> {
    let program = std::env::current_exe()?;
    let folder = program.ancestors().nth(3).ok_or_else(|| io::Error::other("the benchmark is in no target folder"))?;
    Ok(folder.to_owned())
}

fn cargo(folder: &Path, target: &Path) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(folder).env("CARGO_TARGET_DIR", target).env_remove("RUSTFLAGS");
    // What cargo says to this program is not what a person's shell says, and some build scripts run anew for the difference.
    command.env_remove("LD_LIBRARY_PATH");
    let of_this_package = |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(of_this_package) {
            command.env_remove(name);
        }
    }
    command
}

/// A folder that goes when it is no longer needed.
#[derive(Debug)]
pub(crate) struct Scratch(pub(crate) PathBuf);

impl Scratch {
    pub(crate) fn new(beside: &Path) -> io::Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("scratch-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let folder = beside.join(name);
        fs::create_dir_all(&folder)?;
        Ok(Self(folder))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A program about to be called.
#[derive(Debug)]
pub(crate) struct Call {
    program: PathBuf,
    words: Vec<String>,
    environment: Vec<(String, String)>,
    pub(crate) scratch: Scratch,
}

impl Call {
    /// A call in a fresh folder.
    fn of(folder: &Path, program: &str, arguments: &str) -> io::Result<Self> {
        let scratch = Scratch::new(folder)?;
        let words = arguments.split_whitespace().map(str::to_owned).collect();
        Ok(Self { program: folder.join(program), words, environment: Vec::new(), scratch })
    }

    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    pub(crate) fn is_ours(&self) -> bool {
        self.program.ends_with(Spanwright.program())
    }

    fn command(&self, under: &[String]) -> Command {
        let mut words = under.iter().map(AsRef::as_ref).chain([self.program.as_os_str()]);
        let mut command = Command::new(words.next().unwrap_or_default());
        command.args(words).args(&self.words).current_dir(&self.scratch.0).env_clear();
        command.envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs to the end, `under` another program if that is not empty. Returns the answer.
    pub(crate) fn run(&self, under: &[String]) -> io::Result<Value> {
        let output = self.command(under).stdin(Stdio::null()).output()?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(io::Error::other(format!("{self:?}: {}\n{said}", output.status)));
        }
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    /// Starts, to be asked again and again.
    pub(crate) fn start(self) -> io::Result<Running> {
        let mut child = self.command(&[]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let closed = || io::Error::other("a pipe that was asked for is missing");
        let input = child.stdin.take().ok_or_else(closed)?;
        let output = BufReader::new(child.stdout.take().ok_or_else(closed)?);
        Ok(Running { child, input: Some(input), output, _scratch: self.scratch })
    }
}

/// A program that answers a line with a line.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    _scratch: Scratch,
}

impl Running {
    pub(crate) fn ask(&mut self, line: &str) -> io::Result<Value> {
        if let Some(input) = &mut self.input {
            writeln!(input, "{line}")?;
        }
        let mut answer = String::new();
        if self.output.read_line(&mut answer)? == 0 {
            return Err(io::Error::other(format!("{line}: the program ended without an answer")));
        }
        Ok(serde_json::from_str(&answer)?)
    }
}

impl Drop for Running {
    /// The end of its input is the end of the program.
    fn drop(&mut self) {
        self.input.take();
        let _ = self.child.wait();
    }
}

/// A number of an answer.
pub(crate) fn number(answer: &Value, name: &str) -> io::Result<f64> {
    let value = name.split('.').fold(answer, |value, name| &value[name]);
    value.as_f64().ok_or_else(|| io::Error::other(format!("no number `{name}` in {answer}")))
}
