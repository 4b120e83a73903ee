//! Runs a script somebody else wrote in a child process, under a policy.
//!
//! The policy limits the time, the environment, the output and what may be taken back. It is no security boundary: the script
//! runs as the same user and sees the same files. Whatever happens, the caller gets an [`Execution`] that says so; nothing is an `Err`.

use std::borrow::Cow;
use std::io;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use serde::{Serialize, Serializer};
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;

/// The folder below the working folder in which a script leaves what it wants kept.
pub const ARTIFACTS: &str = "artifacts";

/// How long output is still read once the script is over, should something it started hold the pipe open.
const DRAIN: Duration = Duration::from_millis(500);

/// What a script may do.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Name of the policy.
    pub name: &'static str,
    /// The interpreter; it is given the path of the script.
    pub interpreter: &'static str,
    /// After this the script and everything it started is killed.
    pub time_limit: Duration,
    /// Bytes of standard output that are kept.
    pub stdout_limit: usize,
    /// Bytes of standard error that are kept.
    pub stderr_limit: usize,
    /// File extensions an artifact may have.
    pub artifact_extensions: &'static [&'static str],
    /// Bytes an artifact may have.
    pub artifact_limit: u64,
}

impl Policy {
    /// Ten seconds, 64 KiB of output, artifacts that are tables or text up to 1 MiB.
    pub fn standard() -> Self {
        Self {
            name: "standard",
            interpreter: "sh",
            time_limit: Duration::from_secs(10),
            stdout_limit: 64 * 1024,
            stderr_limit: 16 * 1024,
            artifact_extensions: &["csv", "json", "txt", "md"],
            artifact_limit: 1024 * 1024,
        }
    }
}

/// What came of a script.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Execution {
    /// Its exit code; -1 if it never ran or a signal ended it.
    pub exit_code: i32,
    /// Whether the time limit ended it.
    pub timed_out: bool,
    /// Wall time.
    #[serde(rename = "duration_s", serialize_with = "seconds")]
    pub duration: Duration,
    /// The policy's time limit.
    #[serde(rename = "time_limit_s", serialize_with = "seconds")]
    pub time_limit: Duration,
    /// What it wrote to standard output, up to the limit.
    pub stdout: String,
    /// What it wrote to standard error, up to the limit.
    pub stderr: String,
    /// Why it is no success, where the exit code does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What it left to be kept.
    pub artifacts: Vec<Artifact>,
    /// What it left and the policy does not allow.
    pub artifacts_rejected: Vec<Rejection>,
}

/// A file a script left.
#[derive(Clone, Debug, Serialize)]
pub struct Artifact {
    /// Name of the file.
    pub name: String,
    /// Size in bytes.
    pub size: usize,
    /// Its content.
    #[serde(skip)]
    pub content: Vec<u8>,
}

/// A file the policy does not allow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Rejection {
    /// Name of the file.
    pub name: String,
    /// What is wrong with it.
    pub reason: String,
}

impl Execution {
    /// Whether the script ran to its end and called that a success.
    pub fn succeeded(&self) -> bool {
        self.exit_code == 0 && !self.timed_out
    }

    /// One line on how it ended.
    pub fn verdict(&self) -> String {
        match &self.reason {
            Some(reason) => reason.clone(),
            None => format!("exit code {}", self.exit_code),
        }
    }

    fn never_ran(reason: String) -> Self {
        Self { exit_code: -1, reason: Some(reason), ..Self::default() }
    }
}

/// What stands in the trace as facts of the run. The name of the policy comes from the attribute.
impl spanwright::SandboxOutcome for Execution {
    fn exit_code(&self) -> i32 {
        self.exit_code
    }

    fn timed_out(&self) -> bool {
        self.timed_out
    }

    fn duration(&self) -> Option<Duration> {
        Some(self.duration)
    }

    fn time_limit(&self) -> Option<Duration> {
        Some(self.time_limit)
    }

    fn artifact_count(&self) -> u64 {
        self.artifacts.len() as u64
    }

    fn artifacts_rejected(&self) -> u64 {
        self.artifacts_rejected.len() as u64
    }

    fn stdout(&self) -> Cow<'_, str> {
        Cow::Borrowed(&self.stdout)
    }

    fn stderr(&self) -> Cow<'_, str> {
        Cow::Borrowed(&self.stderr)
    }

    fn reason(&self) -> Option<Cow<'_, str>> {
        self.reason.as_deref().map(Cow::Borrowed)
    }
}

/// Runs `script` under `policy`, in an empty working folder that holds copies of `inputs` (name there, file here).
#[spanwright::sandbox(span = crate::spans::ScriptRun, policy = policy.name, skip(policy))]
pub async fn execute(policy: &Policy, script: &str, inputs: &[(&str, &Path)]) -> Execution {
    let begun = Instant::now();
    let mut execution = match prepare(script, inputs) {
        Ok(folder) => match spawn(policy, folder.path()) {
            Ok(child) => watch(policy, child, folder.path()).await,
            Err(error) => Execution::never_ran(format!("cannot start `{}`: {error}", policy.interpreter)),
        },
        Err(error) => Execution::never_ran(format!("cannot prepare the working folder: {error}")),
    };
    execution.duration = begun.elapsed();
    execution.time_limit = policy.time_limit;
    execution
}

fn prepare(script: &str, inputs: &[(&str, &Path)]) -> io::Result<TempDir> {
    let folder = tempfile::Builder::new().prefix("sandbox-").tempdir()?;
    std::fs::write(folder.path().join("script"), script)?;
    std::fs::create_dir(folder.path().join(ARTIFACTS))?;
    for (name, file) in inputs {
        std::fs::copy(file, folder.path().join(name))?;
    }
    Ok(folder)
}

fn spawn(policy: &Policy, folder: &Path) -> io::Result<Child> {
    let mut command = Command::new(policy.interpreter);
    command.arg("script").current_dir(folder);
    command
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .env("HOME", folder)
        .env("TMPDIR", folder)
        .env("LC_ALL", "C");
    if let Some(parent) = spanwright::traceparent() {
        command.env("TRACEPARENT", parent);
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // A group of its own, so that what the script starts can be ended with it.
    command.process_group(0).kill_on_drop(true).spawn()
}

async fn watch(policy: &Policy, mut child: Child, folder: &Path) -> Execution {
    let group = Group::of(&child);
    let stdout = Capped::read(child.stdout.take(), policy.stdout_limit);
    let stderr = Capped::read(child.stderr.take(), policy.stderr_limit);

    let ended = tokio::time::timeout(policy.time_limit, child.wait()).await;
    drop(group);
    let (stdout, stderr) = tokio::join!(stdout.finish(), stderr.finish());

    let mut execution = Execution { stdout, stderr, ..Execution::default() };
    match ended {
        Ok(Ok(status)) => (execution.exit_code, execution.reason) = exit(status),
        Ok(Err(error)) => {
            (execution.exit_code, execution.reason) = (-1, Some(format!("lost sight of the script: {error}")))
        }
        Err(_elapsed) => {
            execution.timed_out = true;
            // Reaps it; the group has been killed, so this is no wait. A script that ended just in time keeps its exit code.
            execution.exit_code = child.wait().await.map_or(-1, |status| exit(status).0);
            execution.reason = Some(format!(
                "killed after {:.1} s, the limit of policy `{}`",
                policy.time_limit.as_secs_f64(),
                policy.name
            ));
        }
    }
    collect(policy, &folder.join(ARTIFACTS), &mut execution);
    execution
}

fn exit(status: ExitStatus) -> (i32, Option<String>) {
    use std::os::unix::process::ExitStatusExt as _;
    match (status.code(), status.signal()) {
        (Some(code), _) => (code, None),
        (None, Some(signal)) => (-1, Some(format!("ended by signal {signal}"))),
        (None, None) => (-1, Some(format!("ended without an exit code: {status}"))),
    }
}

/// The process group of a script; killed when this goes, be it at the end, at the time limit or because nobody waits any more.
struct Group(Option<Pid>);

impl Group {
    fn of(child: &Child) -> Self {
        Self(child.id().and_then(|id| Pid::from_raw(id.cast_signed())))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // An error means that nobody is left in it.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

/// The beginning of an output, read while it is written. What exceeds the limit is read and thrown away: a script must not
/// hang on a full pipe.
struct Capped {
    kept: Arc<Mutex<Vec<u8>>>,
    reader: JoinHandle<()>,
}

impl Capped {
    fn read(pipe: Option<impl AsyncRead + Send + Unpin + 'static>, limit: usize) -> Self {
        let kept = Arc::<Mutex<Vec<u8>>>::default();
        let into = kept.clone();
        let reader = tokio::spawn(async move {
            let (Some(mut pipe), mut block) = (pipe, [0; 8 * 1024]) else { return };
            while let Ok(read @ 1..) = pipe.read(&mut block).await {
                let mut kept = into.lock().unwrap_or_else(PoisonError::into_inner);
                let room = limit.saturating_sub(kept.len());
                kept.extend_from_slice(&block[..read.min(room)]);
            }
        });
        Self { kept, reader }
    }

    async fn finish(mut self) -> String {
        if tokio::time::timeout(DRAIN, &mut self.reader).await.is_err() {
            self.reader.abort();
        }
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&kept).into_owned()
    }
}

/// Takes in what the script left, by name, as far as the policy allows.
fn collect(policy: &Policy, folder: &Path, execution: &mut Execution) {
    let mut left: Vec<_> =
        std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    left.sort();
    for path in left {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        match take(policy, &path) {
            Ok(content) => execution.artifacts.push(Artifact { name, size: content.len(), content }),
            Err(reason) => execution.artifacts_rejected.push(Rejection { name, reason }),
        }
    }
}

fn take(policy: &Policy, path: &Path) -> Result<Vec<u8>, String> {
    // Not following links: a link could point at any file of this user.
    let facts = path.symlink_metadata().map_err(|error| error.to_string())?;
    if !facts.is_file() {
        return Err("not a plain file".into());
    }
    let extension = path.extension().unwrap_or_default().to_string_lossy();
    if !policy.artifact_extensions.contains(&extension.as_ref()) {
        return Err(format!("extension `{extension}` is not allowed"));
    }
    if facts.len() > policy.artifact_limit {
        return Err(format!("{} bytes, the limit is {}", facts.len(), policy.artifact_limit));
    }
    std::fs::read(path).map_err(|error| error.to_string())
}

fn seconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quick() -> Policy {
        Policy { time_limit: Duration::from_millis(300), ..Policy::standard() }
    }

    #[tokio::test]
    async fn a_script_sees_its_input_and_nothing_of_our_environment() {
        let input = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(input.path(), "a,b\n").unwrap();
        let script = "cat table.csv; env | cut -d= -f1 | sort | tr '\\n' ' '; echo done > artifacts/note.txt";
        let execution = execute(&Policy::standard(), script, &[("table.csv", input.path())]).await;
        assert!(execution.succeeded(), "{execution:?}");
        assert!(execution.stdout.starts_with("a,b\n"), "{execution:?}");
        assert!(!execution.stdout.contains("CARGO"), "{execution:?}");
        assert_eq!(execution.artifacts.len(), 1);
        assert_eq!(execution.artifacts[0].content, b"done\n");
        assert!(execution.duration > Duration::ZERO);
    }

    #[tokio::test]
    async fn a_script_that_is_traced_itself_can_go_on_below_its_span() {
        let recording = spanwright::testing::Recording::new();
        let execution = recording.scope(execute(&Policy::standard(), "echo $TRACEPARENT", &[])).await;
        let span = recording.span("sandbox.execute");
        assert_eq!(execution.stdout.trim(), format!("00-{}-{}-01", span.trace_id, span.span_id));
    }

    #[tokio::test]
    async fn a_failing_script_keeps_its_exit_code_and_output() {
        let execution = execute(&Policy::standard(), "echo almost; echo why >&2; exit 3", &[]).await;
        assert_eq!((execution.exit_code, execution.timed_out), (3, false));
        assert_eq!((execution.stdout.as_str(), execution.stderr.as_str()), ("almost\n", "why\n"));
        assert!(!execution.succeeded());
        let killed = execute(&Policy::standard(), "kill -15 $$", &[]).await;
        assert_eq!((killed.exit_code, killed.reason.as_deref()), (-1, Some("ended by signal 15")));
    }

    #[tokio::test]
    async fn a_missing_interpreter_or_input_is_minus_one_with_the_reason() {
        let policy = Policy { interpreter: "no-such-interpreter", ..Policy::standard() };
        let execution = execute(&policy, "true", &[]).await;
        assert_eq!(execution.exit_code, -1);
        assert!(execution.verdict().contains("no-such-interpreter"), "{execution:?}");
        let execution = execute(&Policy::standard(), "true", &[("x", Path::new("/no/such/file"))]).await;
        assert_eq!(execution.exit_code, -1);
        assert!(!execution.succeeded() && execution.reason.is_some());
    }

    #[tokio::test]
    async fn the_time_limit_ends_everything_the_script_started_and_keeps_what_it_wrote() {
        let script = "echo $$; sleep 60 & echo partial; wait; echo never";
        let execution = execute(&quick(), script, &[]).await;
        assert!(execution.timed_out && !execution.succeeded());
        assert_eq!(execution.exit_code, -1);
        assert!(execution.stdout.ends_with("partial\n"), "{execution:?}");
        assert!(execution.duration < Duration::from_secs(5), "{execution:?}");
        let group = Pid::from_raw(execution.stdout.lines().next().unwrap().parse().unwrap()).unwrap();
        for _ in 0..100 {
            if rustix::process::test_kill_process_group(group).is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("the child of the script is still alive");
    }

    #[tokio::test]
    async fn output_beyond_the_limit_is_read_and_thrown_away() {
        let policy = Policy { stdout_limit: 100, stderr_limit: 0, ..Policy::standard() };
        let script = "i=0; while [ $i -lt 9000 ]; do echo 0123456789012345; echo x >&2; i=$((i+1)); done";
        let execution = execute(&policy, script, &[]).await;
        assert!(execution.succeeded(), "{execution:?}");
        assert_eq!((execution.stdout.len(), execution.stderr.len()), (100, 0));
    }

    #[tokio::test]
    async fn only_what_the_policy_allows_is_taken_back() {
        let policy = Policy { artifact_limit: 4, ..Policy::standard() };
        let script =
            "cd artifacts; echo ok > a.txt; echo too long > b.txt; echo x > c.sh; ln -s /etc/passwd d.txt; mkdir e.txt";
        let execution = execute(&policy, script, &[]).await;
        assert_eq!(execution.artifacts.iter().map(|artifact| artifact.name.as_str()).collect::<Vec<_>>(), ["a.txt"]);
        let rejected: Vec<&str> =
            execution.artifacts_rejected.iter().map(|rejection| rejection.name.as_str()).collect();
        assert_eq!(rejected, ["b.txt", "c.sh", "d.txt", "e.txt"]);
    }
}
