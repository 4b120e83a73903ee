//! A process of `program` (`tests/src/bin/program.rs`) that a test talks to, and what is left of it in the end.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use spanwright::record::{Ending, SpanRecord};
use spanwright::store::{Store, TraceFilter};
use spanwright::{SpanId, TraceId};
use tempfile::TempDir;

/// Longer than anything here takes on a busy machine. Who is not done by then hangs.
const PATIENCE: Duration = Duration::from_secs(180);

/// Names a span wherever it is.
pub type SpanKey = (TraceId, SpanId);

/// Where the programs of a test live: a working folder, the folder of their store, and the server they deliver to.
#[derive(Debug)]
pub struct Place {
    binary: PathBuf,
    /// Working folder and `HOME`, with nothing of this machine's settings.
    pub home: TempDir,
    /// The folder of the store.
    pub store: PathBuf,
    variables: Vec<(String, String)>,
}

/// A running `program`. Killed when dropped.
#[derive(Debug)]
pub struct Program {
    child: Child,
    input: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    stderr: PathBuf,
    said: Vec<String>,
}

/// What a program left.
#[derive(Debug)]
pub struct Ended {
    /// Its exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// Everything it answered, but for what it says of tracing.
    pub answers: Vec<String>,
    /// Lines of ours on standard error.
    pub said: Vec<String>,
    /// All of standard error.
    pub stderr: String,
}

/// Where the spans of a program stand, as it says itself.
#[derive(Clone, Debug)]
pub struct Flushed(pub Value);

impl Flushed {
    /// A count of the report.
    ///
    /// # Panics
    ///
    /// If the report has none of that name.
    pub fn count(&self, name: &str) -> u64 {
        self.0[name].as_u64().unwrap_or_else(|| panic!("no count `{name}` in {}", self.0))
    }

    /// Whether everything that had ended is in the store.
    pub fn is_stored(&self) -> bool {
        self.0["is_stored"] == true
    }
}

impl Place {
    /// A place of the test's own; `binary` is `env!("CARGO_BIN_EXE_program")`.
    pub fn new(binary: &str) -> Self {
        let home = tempfile::tempdir().expect("a folder");
        let store = home.path().join(".spanwright");
        Self { binary: binary.into(), home, store, variables: Vec::new() }
    }

    /// The same with the store in a folder elsewhere.
    pub fn with_store(binary: &str, store: &Path) -> Self {
        let place = Self { store: store.to_owned(), ..Self::new(binary) };
        let store = store.display().to_string();
        place.with("SPANWRIGHT_STORE", &store)
    }

    /// Sets a variable for every program started here from now on.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.set(name, value);
        self
    }

    /// The same, in place.
    pub fn set(&mut self, name: &str, value: &str) {
        self.variables.retain(|(known, _)| known != name);
        self.variables.push((name.to_owned(), value.to_owned()));
    }

    /// The program, to be started by [`Program::start`].
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command.args(arguments).current_dir(self.home.path()).env_clear().env("HOME", self.home.path());
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Starts a program.
    pub fn start(&self) -> Program {
        Program::start(self.command(&["plain"]))
    }

    /// Runs a program that does these lines and ends.
    pub fn run(&self, lines: &[&str]) -> Ended {
        let mut program = self.start();
        lines.iter().for_each(|line| program.write(line));
        program.end()
    }

    /// The same program without tracing: what every other must look like.
    ///
    /// # Panics
    ///
    /// If `traced` looks otherwise.
    pub fn assert_unchanged(&self, lines: &[&str], traced: &Ended) {
        let mut command = self.command(&["plain"]);
        command.env("MLFLOW_DISABLE_TRACES", "true");
        let mut program = Program::start(command);
        lines.iter().for_each(|line| program.write(line));
        let untraced = program.end();
        assert_eq!(
            (traced.code, traced.signal, &traced.answers),
            (untraced.code, untraced.signal, &untraced.answers),
            "{}",
            traced.stderr
        );
    }

    /// What `spanwright doctor --json` finds here.
    ///
    /// # Panics
    ///
    /// If it says nothing that can be read.
    pub fn doctor(&self) -> Value {
        let output = self.command(&["doctor", "--json"]).stdin(Stdio::null()).output().expect("it can be started");
        let text = String::from_utf8_lossy(&output.stdout);
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text} {output:?}"))
    }

    /// The store, opened by the test.
    ///
    /// # Panics
    ///
    /// If it cannot be opened.
    pub fn opened(&self) -> Store {
        Store::open(&self.store).expect("the store opens")
    }

    /// Every span in the store.
    ///
    /// # Panics
    ///
    /// If one of them cannot be read.
    pub fn stored(&self) -> Vec<SpanRecord> {
        let store = self.opened();
        let traces = store.traces(&TraceFilter { limit: usize::MAX, ..TraceFilter::default() }).expect("readable");
        traces.iter().flat_map(|trace| store.spans(trace.trace_id).expect("readable")).collect()
    }

    /// Spans in the store that ended as their program had them end.
    pub fn stored_ended(&self) -> u64 {
        self.stored().iter().filter(|span| span.ending != Ending::Abandoned).count() as u64
    }
}

impl Program {
    /// Starts a program; standard error goes to a file, so that it is never full.
    ///
    /// # Panics
    ///
    /// If it cannot be started.
    pub fn start(mut command: Command) -> Self {
        let stderr = tempfile::NamedTempFile::new().expect("a file").into_temp_path().keep().expect("it stays");
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        command.stderr(File::create(&stderr).expect("it is writable"));
        let mut child = command.spawn().expect("the program can be started");
        let answers = BufReader::new(child.stdout.take().expect("piped"));
        Self { input: child.stdin.take(), child, answers, stderr, said: Vec::new() }
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Has it do a line and waits for the answer.
    ///
    /// # Panics
    ///
    /// If it does not answer.
    pub fn tell(&mut self, line: &str) -> String {
        self.write(line);
        self.answer().unwrap_or_else(|| panic!("no answer to `{line}`: {}", self.stderr()))
    }

    /// Has it do a line and waits for nothing.
    pub fn write(&mut self, line: &str) {
        let input = self.input.as_mut().expect("it still listens");
        // One that has ended reads nothing; how it ended is seen at its end.
        let _ = writeln!(input, "{line}");
    }

    /// Its next answer; `None` if it has ended.
    pub fn answer(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = self.answers.read_line(&mut line).unwrap_or(0);
        let line = line.trim_end().to_owned();
        self.said.push(line.clone());
        (read > 0).then_some(line)
    }

    /// Delivers for so long at most, and says where the spans stand.
    ///
    /// # Panics
    ///
    /// If it has ended.
    pub fn flush(&mut self, ms: u64) -> Flushed {
        let answer = self.tell(&format!("flush {ms}"));
        let report = answer.strip_prefix("flushed ").unwrap_or_else(|| panic!("`{answer}` is no report"));
        Flushed(serde_json::from_str(report).expect("json"))
    }

    /// The most memory it has had, KiB.
    ///
    /// # Panics
    ///
    /// If it has ended.
    pub fn peak_kib(&mut self) -> u64 {
        let answer = self.tell("peak");
        answer.strip_prefix("peak ").and_then(|kib| kib.parse().ok()).unwrap_or_else(|| panic!("`{answer}`"))
    }

    /// Time on a processor since it started, all threads together.
    ///
    /// # Panics
    ///
    /// If it has ended.
    pub fn cpu(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.id())).expect("it lives");
        let fields = stat.rsplit(')').next().expect("fields").split_whitespace().skip(11).take(2);
        // In hundredths of a second on every Linux that runs Rust.
        Duration::from_millis(fields.map(|ticks| ticks.parse::<u64>().expect("a number") * 10).sum())
    }

    /// What it has written to standard error so far.
    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.stderr).unwrap_or_default()).into_owned()
    }

    /// Lines of ours on standard error so far.
    pub fn said(&self) -> Vec<String> {
        self.stderr().lines().filter_map(|line| line.strip_prefix("spanwright: ")).map(str::to_owned).collect()
    }

    /// Waits until it has said `word`.
    ///
    /// # Panics
    ///
    /// If it does not.
    pub fn wait_until_said(&self, word: &str) {
        let started = Instant::now();
        while !self.said().iter().any(|line| line.contains(word)) {
            assert!(started.elapsed() < PATIENCE, "`{word}` is not said: {:?}", self.said());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Sends it a signal.
    ///
    /// # Panics
    ///
    /// If it has ended.
    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).expect("it lives");
    }

    /// Closes its input and waits for its end.
    ///
    /// # Panics
    ///
    /// If it hangs.
    pub fn end(mut self) -> Ended {
        drop(self.input.take());
        while self.answer().is_some() {}
        let started = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("it is ours") {
                break status;
            }
            assert!(started.elapsed() < PATIENCE, "it hangs: {}", self.stderr());
            std::thread::sleep(Duration::from_millis(5));
        };
        let of_tracing = |line: &String| line.is_empty() || line.starts_with("flushed ") || line.starts_with("peak ");
        let answers = std::mem::take(&mut self.said).into_iter().filter(|line| !of_tracing(line)).collect();
        let (stderr, said) = (self.stderr(), self.said());
        Ended { code: status.code(), signal: status.signal(), answers, said, stderr }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_file(&self.stderr);
    }
}

impl Ended {
    /// The numbers before `word` in what it said, added up.
    pub fn counted(&self, word: &str) -> u64 {
        let before = |line: &String| -> Option<u64> {
            let at = line.find(word)?;
            line[..at].split_whitespace().next_back()?.parse().ok()
        };
        self.said.iter().filter_map(before).sum()
    }
}

/// How often each span stands in a message of spans: each is a `0A 10 <trace> 12 08 <span>`.
pub fn spans_in(body: &[u8]) -> HashMap<SpanKey, u64> {
    let mut found = HashMap::new();
    for window in body.windows(28) {
        if window[..2] == [0x0a, 0x10] && window[18..20] == [0x12, 0x08] {
            let trace = TraceId::from_bytes(window[2..18].try_into().expect("16 bytes"));
            let span = SpanId::from_u64(u64::from_be_bytes(window[20..28].try_into().expect("8 bytes")));
            *found.entry((trace, span)).or_default() += 1;
        }
    }
    found
}
