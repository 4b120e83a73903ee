//! What tracing a session of Claude Code costs the assistant and its user.
//!
//! In: transcripts made up here, and a server that is away. Out: how long a hook takes from exec to exit and how much memory it takes at most; how long the
//! transcript of a long session takes; and, with `--reference`, the same hook of MLflow's Python package. Exit code 1 beyond a limit.

use std::fmt::Write as _;
use std::fs;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use clap::Parser;
use spanwright::Retelling;
use spanwright::config::{Config, Overrides};
use spanwright_claude::spans::{Subject, tell};
use spanwright_claude::transcript::{Scope, Turns, last_turn};
use spanwright_claude::turn::Turn;
use tempfile::TempDir;

const HOOK_LIMIT: Duration = Duration::from_millis(15);
const MEMORY_LIMIT_KIB: u64 = 20 << 10;
const CONVERSION_LIMIT: Duration = Duration::from_secs(1);
const HOOK_TRANSCRIPT: usize = 5 << 20;
const LONG_TRANSCRIPT: usize = 50 << 20;
/// What a pipe holds that nobody reads.
const PIPE: usize = 64 << 10;

/// Measures hooks of Claude Code and the conversion of transcripts.
#[derive(Debug, Parser)]
struct Options {
    /// How often the hook is called.
    #[arg(long, default_value_t = 101)]
    rounds: usize,
    /// Calls the hook of MLflow's Python package three times as well.
    #[arg(long)]
    reference: bool,
    /// What cargo says to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

#[allow(clippy::print_stdout, clippy::print_stderr)]
fn main() -> ExitCode {
    let options = Options::parse();
    match measure(&options) {
        Ok((table, holds)) => {
            println!("{table}");
            if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn measure(options: &Options) -> Result<(String, bool)> {
    let program = build()?;
    let user = User::new()?;
    // The first call makes the store; the worker of the last one may still run.
    user.call(&program)?;
    let mut times: Vec<Duration> = Vec::with_capacity(options.rounds);
    for _ in 0..options.rounds.max(1) {
        times.push(user.call(&program)?);
    }
    times.sort_unstable();
    let (median, slowest) = (times[times.len() / 2], times[times.len() - 1]);
    let memory_kib = user.memory_kib(&program)?;
    let (last, all) = convert(&transcript(LONG_TRANSCRIPT, 500));
    let one = convert(&transcript(LONG_TRANSCRIPT, 1)).1;
    let mut table = String::new();
    let ms = |time: Duration| format!("{:.1} ms", time.as_secs_f64() * 1e3);
    for (what, value, limit) in [
        ("hook, exec to exit, 5 MiB transcript, dead server: median", ms(median), ms(HOOK_LIMIT)),
        ("the same, fastest and slowest", format!("{} {}", ms(times[0]), ms(slowest)), "-".into()),
        ("hook, most memory", format!("{memory_kib} KiB"), format!("{MEMORY_LIMIT_KIB} KiB")),
        ("50 MiB of 500 turns: the last one", ms(last), ms(CONVERSION_LIMIT)),
        ("50 MiB of 500 turns: every one", ms(all), ms(CONVERSION_LIMIT)),
        ("50 MiB in one turn", ms(one), ms(CONVERSION_LIMIT)),
    ] {
        writeln!(table, "{what:<60} {value:>18}   limit {limit}")?;
    }
    if options.reference {
        let slowest = (0..3).map(|_| user.reference()).collect::<Result<Vec<_>>>()?;
        writeln!(
            table,
            "{:<60} {:>18}",
            "MLflow's Python hook, same event",
            ms(slowest.into_iter().min().unwrap_or_default())
        )?;
    }
    let holds = median <= HOOK_LIMIT
        && memory_kib <= MEMORY_LIMIT_KIB
        && [last, all, one].iter().all(|time| *time <= CONVERSION_LIMIT);
    Ok((table, holds))
}

/// The command line tool, as it is released.
fn build() -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let arguments = ["build", "--profile", "bench", "--locked", "-p", "spanwright-cli", "--bin", "spanwright"];
    let status = Command::new(cargo).args(arguments).status()?;
    let itself = std::env::current_exe()?;
    let folder = itself.parent().and_then(Path::parent).ok_or("a benchmark is in a target folder")?;
    if status.success() { Ok(folder.join("spanwright")) } else { Err("the command line tool cannot be built".into()) }
}

/// A user whose server is away.
struct User {
    home: TempDir,
    event: String,
}

impl User {
    fn new() -> Result<Self> {
        let home = tempfile::tempdir()?;
        let file = home.path().join("session.jsonl");
        fs::write(&file, transcript(HOOK_TRANSCRIPT, 50))?;
        let event =
            serde_json::json!({"session_id": "s", "transcript_path": file, "cwd": "/", "hook_event_name": "Stop"});
        Ok(Self { event: event.to_string(), home })
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.home.path()).env_clear().env("HOME", self.home.path()).env("PATH", "/usr/bin:/bin");
        command.env("MLFLOW_CLAUDE_TRACING_ENABLED", "true").env("MLFLOW_TRACKING_URI", "http://127.0.0.1:9");
        command.env("MLFLOW_EXPERIMENT_NAME", "bench").stdin(Stdio::piped()).stderr(Stdio::null());
        command
    }

    fn timed(&self, mut command: Command) -> Result<Duration> {
        let started = Instant::now();
        let mut child = command.stdout(Stdio::piped()).spawn()?;
        child.stdin.take().ok_or("piped")?.write_all(self.event.as_bytes())?;
        let output = child.wait_with_output()?;
        let took = started.elapsed();
        if output.status.success() { Ok(took) } else { Err("the hook failed".into()) }
    }

    fn call(&self, program: &Path) -> Result<Duration> {
        let mut command = self.command(program);
        command.args(["claude", "stop-hook"]);
        self.timed(command)
    }

    /// The most memory a hook takes: it has done everything when it waits for room for its answer.
    fn memory_kib(&self, program: &Path) -> Result<u64> {
        let (mut reader, mut writer) = std::io::pipe()?;
        writer.write_all(&vec![b' '; PIPE])?;
        let mut command = self.command(program);
        let mut child = command.args(["claude", "stop-hook"]).stdout(writer).spawn()?;
        drop(command);
        child.stdin.take().ok_or("piped")?.write_all(self.event.as_bytes())?;
        let wchan = format!("/proc/{}/wchan", child.id());
        let started = Instant::now();
        while !fs::read_to_string(&wchan)?.contains("pipe_write") && started.elapsed() < Duration::from_secs(5) {
            std::thread::sleep(Duration::from_millis(5));
        }
        let status = fs::read_to_string(format!("/proc/{}/status", child.id()))?;
        let most = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.trim().parse().ok());
        reader.read_to_end(&mut Vec::new())?;
        child.wait()?;
        most.ok_or_else(|| "the system does not say how much memory was used".into())
    }

    /// Start, import and conversion, as MLflow's own hook does them, into a store of its own.
    fn reference(&self) -> Result<Duration> {
        const HOOK: &str = "import json, sys
from mlflow.claude_code.tracing import process_transcript
event = json.load(sys.stdin)
process_transcript(event['transcript_path'], event['session_id'])";
        let mut command = self.command(&spanwright_tests::mlflow::python());
        let store = format!("sqlite:///{}/mlflow.db", self.home.path().display());
        command.args(["-c", HOOK]).env("MLFLOW_TRACKING_URI", store).env("MLFLOW_DISABLE_TELEMETRY", "true");
        self.timed(command)
    }
}

/// A transcript of so many bytes in so many turns: model calls that read files of some size.
fn transcript(bytes: usize, turns: usize) -> String {
    let body = "fn main() { println!(\\\"naïve ✓\\\"); }\\n".repeat(100);
    let mut text = String::with_capacity(bytes + 8192);
    for turn in 0..turns {
        let common = r#""isSidechain":false,"userType":"external","cwd":"/home/dev/shop","sessionId":"s","version":"2.1.74","gitBranch":"main""#;
        let _ = writeln!(
            text,
            r#"{{{common},"type":"user","uuid":"u{turn}","timestamp":"2026-03-14T09:00:00.000Z","message":{{"role":"user","content":"question {turn}"}}}}"#
        );
        let mut step = 0;
        while text.len() < bytes * (turn + 1) / turns {
            step += 1;
            let id = format!("{turn}_{step}");
            let _ = writeln!(
                text,
                r#"{{{common},"type":"assistant","uuid":"a{id}","timestamp":"2026-03-14T09:00:01.000Z","message":{{"id":"msg_{id}","model":"claude-sonnet-4-20250514","role":"assistant","content":[{{"type":"tool_use","id":"toolu_{id}","name":"Read","input":{{"file_path":"/home/dev/shop/src/main.rs"}}}}],"usage":{{"input_tokens":5,"output_tokens":90,"cache_creation_input_tokens":3000,"cache_read_input_tokens":0}}}}}}"#
            );
            let _ = writeln!(
                text,
                r#"{{{common},"type":"user","uuid":"r{id}","timestamp":"2026-03-14T09:00:02.000Z","message":{{"role":"user","content":[{{"tool_use_id":"toolu_{id}","type":"tool_result","content":"{body}"}}]}},"toolUseResult":{{"type":"text","file":{{"content":"{body}"}}}}}}"#
            );
        }
    }
    text
}

/// How long the last turn of a transcript takes, and how long every one.
fn convert(transcript: &str) -> (Duration, Duration) {
    let (config, _) = Config::load(Overrides::default(), &|_| None, Path::new("/"));
    let mut retelling = Retelling::new(&config);
    let mut spans = 0;
    let started = Instant::now();
    if let Ok(Some(raw)) = last_turn(transcript.as_bytes(), Scope::Session) {
        spans += tell(&Turn::of(&raw, Scope::Session, 1), &Subject::default(), None, &mut retelling).spans.len();
    }
    let last = started.elapsed();
    let started = Instant::now();
    for raw in Turns::of(transcript.as_bytes(), Scope::Session).map_while(std::result::Result::ok) {
        spans += tell(&Turn::of(&raw, Scope::Session, 1), &Subject::default(), None, &mut retelling).spans.len();
    }
    assert!(spans > 1000, "{spans} spans");
    (last, started.elapsed())
}
