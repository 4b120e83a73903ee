//! A real MLflow server on loopback, and what its own Python client reads from it.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::python::environment;

const READ_BACK: &str = include_str!("read_back.py");
/// A first start makes the schema; on a machine that does ten things at once that has taken 150 s.
const START_LIMIT: Duration = Duration::from_secs(300);
/// Relative to the server's folder.
const STORE: &str = "sqlite:///mlflow.db";
/// Of the basic-auth app. It listens on loopback, for the length of a test.
pub const ADMIN: (&str, &str) = ("admin", "loopback-password-1");

/// A running server, or one somebody else runs. A server of ours is stopped when this goes.
#[derive(Debug)]
pub struct Server {
    uri: String,
    port: u16,
    folder: Option<TempDir>,
    auth: bool,
    store: &'static str,
    child: Mutex<Option<Child>>,
    reader: Mutex<Option<Reader>>,
}

/// MLflow's own client: the process, where it is asked, and where it answers.
type Reader = (Child, ChildStdin, BufReader<ChildStdout>);

/// The server all tests of a binary share; started by the first that asks.
pub fn shared() -> &'static Server {
    static SHARED: OnceLock<Server> = OnceLock::new();
    SHARED.get_or_init(|| match std::env::var("SPANWRIGHT_TEST_MLFLOW_URI") {
        Ok(uri) => {
            let (child, reader) = (Mutex::new(None), Mutex::new(None));
            let port = uri.rsplit(':').next().and_then(|port| port.trim_end_matches('/').parse().ok()).unwrap_or(0);
            Server { uri, port, folder: None, auth: false, store: STORE, child, reader }
        }
        Err(_) => {
            let server = Server::start();
            server.stop_with_this_process();
            server
        }
    })
}

/// The interpreter the server runs in, which has MLflow's own client.
pub fn python() -> PathBuf {
    environment().join("bin/python")
}

impl Server {
    /// Starts a server of the test's own.
    pub fn start() -> Self {
        Self::start_with(false)
    }

    /// Starts a server that asks for a user and a password: [`ADMIN`].
    pub fn start_with_basic_auth() -> Self {
        Self::start_with(true)
    }

    /// Starts it again as [`Server::resume`] does, with a database it may read and not write.
    pub fn resume_read_only(&mut self) {
        self.store = "sqlite:///file:mlflow.db?mode=ro&uri=true";
        self.resume();
        self.store = STORE;
    }

    fn start_with(auth: bool) -> Self {
        let port = free_port();
        let folder = TempDir::with_prefix("spanwright-mlflow-").expect("a folder for the server");
        let uri = format!("http://127.0.0.1:{port}");
        let (child, reader) = (Mutex::new(None), Mutex::new(None));
        let server = Self { uri, port, folder: Some(folder), auth, store: STORE, child, reader };
        server.resume();
        server
    }

    /// Where it listens.
    pub fn uri(&self) -> &str {
        &self.uri
    }

    /// Its port; 0 if its address names none.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether it is ours, with its files at hand, and not one that somebody else runs.
    pub fn is_ours(&self) -> bool {
        self.folder.is_some()
    }

    /// Its database, to be locked by a test.
    ///
    /// # Panics
    ///
    /// If the server is not ours.
    pub fn database(&self) -> PathBuf {
        self.folder().join("mlflow.db")
    }

    fn folder(&self) -> &Path {
        self.folder.as_ref().expect("this test needs a server of its own").path()
    }

    /// Starts it again after [`Server::stop`], on the same port and with the same database.
    ///
    /// # Panics
    ///
    /// If it does not answer in time; the message shows its log.
    pub fn resume(&self) {
        let log = self.folder().join("server.log");
        let log_file = File::options().create(true).append(true).open(&log).expect("the folder is writable");
        let mut command = Command::new(python());
        command.args(["-m", "mlflow", "server", "--host", "127.0.0.1", "--workers", "1"]);
        command.args(["--port", &self.port.to_string(), "--backend-store-uri", self.store]);
        if self.auth {
            command.args(["--app-name", "basic-auth"]);
        }
        for name in ["MLFLOW_TRACKING_URI", "MLFLOW_TRACKING_TOKEN", "PYTHONPATH"] {
            command.env_remove(name);
        }
        command
            .env("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "false")
            .env("MLFLOW_DISABLE_TELEMETRY", "true")
            .env("MLFLOW_MODEL_CATALOG_URI", "")
            .env("MLFLOW_FLASK_SERVER_SECRET_KEY", "loopback-only")
            .env("MLFLOW_AUTH_ADMIN_PASSWORD", ADMIN.1)
            .current_dir(self.folder())
            .stdin(Stdio::null())
            .stdout(log_file.try_clone().expect("a file can be shared"))
            .stderr(log_file);
        let child = in_a_group_of_its_own(&mut command).spawn().expect("the server can be started");
        *self.child.lock().unwrap_or_else(PoisonError::into_inner) = Some(child);
        let started = Instant::now();
        while !self.is_healthy() {
            if started.elapsed() > START_LIMIT {
                let log = std::fs::read_to_string(log).unwrap_or_default();
                self.stop();
                panic!("the MLflow server does not answer after {START_LIMIT:?}:\n{log}");
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Stops it; what it stored stays.
    pub fn stop(&self) {
        if let Some(mut child) = self.child.lock().unwrap_or_else(PoisonError::into_inner).take() {
            signal_group(child.id(), "TERM");
            let asked = Instant::now();
            while child.try_wait().is_ok_and(|status| status.is_none()) {
                if asked.elapsed() > Duration::from_secs(5) {
                    signal_group(child.id(), "KILL");
                }
                std::thread::sleep(Duration::from_millis(20));
            }
            // The launcher is gone; a worker that outlived it goes now.
            signal_group(child.id(), "KILL");
        }
    }

    /// Kills it in the middle of whatever it does; what it has committed stays.
    pub fn kill(&self) {
        if let Some(mut child) = self.child.lock().unwrap_or_else(PoisonError::into_inner).take() {
            signal_group(child.id(), "KILL");
            let _ = child.wait();
        }
    }

    /// A shared server is never dropped: a child of ours watches this process and stops the server when it is gone.
    #[expect(clippy::zombie_processes, reason = "it outlives this process")]
    fn stop_with_this_process(&self) {
        let server = self.child.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(Child::id);
        let Some(server) = server else { return };
        let folder = self.folder().display();
        let watch = format!(
            "while kill -0 {parent} 2>/dev/null; do sleep 0.2; done; kill -KILL -{server} 2>/dev/null; rm -rf '{folder}'",
            parent = std::process::id()
        );
        let mut command = Command::new("sh");
        command.args(["-c", &watch]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        in_a_group_of_its_own(&mut command).spawn().expect("sh can be started");
    }

    fn is_healthy(&self) -> bool {
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.port)) else { return false };
        let _ = stream.set_read_timeout(Some(Duration::from_secs(2)));
        let request = format!("GET /health HTTP/1.0\r\nHost: 127.0.0.1:{}\r\n\r\n", self.port);
        let mut reply = String::new();
        stream.write_all(request.as_bytes()).is_ok()
            && stream.read_to_string(&mut reply).is_ok()
            && reply.lines().next().is_some_and(|status| status.contains(" 200 "))
    }

    /// What the Python client reads of a trace; `None` if the server does not have it.
    ///
    /// ```text
    /// {"state", "tags", "metadata", "request_preview", "response_preview", "duration_ms", "usage", "tree",
    ///  "assessments", "spans": [{"name", "type", "status", "message", "parent", "inputs", "outputs", "attributes", "events", …}]}
    /// ```
    ///
    /// `tree` is indented as `spanwright`'s own trees are.
    pub fn trace(&self, trace_id: &str) -> Option<Value> {
        Some(self.ask("trace", &[trace_id])).filter(|trace| !trace.is_null())
    }

    /// A file beside a trace, which is JSON; `None` if there is none of that name.
    pub fn trace_file(&self, trace_id: &str, name: &str) -> Option<Value> {
        Some(self.ask("trace_file", &[trace_id, name])).filter(|file| !file.is_null())
    }

    /// The traces of an experiment, by name: a list of what [`Server::trace`] gives, without spans.
    pub fn traces(&self, experiment: &str) -> Vec<Value> {
        self.ask("traces", &[experiment]).as_array().cloned().unwrap_or_default()
    }

    /// The ids of the traces of an experiment that are linked to a prompt, `name/version`.
    pub fn traces_of_prompt(&self, experiment: &str, prompt: &str) -> Vec<Value> {
        self.ask("traces_of_prompt", &[experiment, prompt]).as_array().cloned().unwrap_or_default()
    }

    /// A run: `{"status", "params", "metrics", "tags", "name", "start_time", "end_time", "traces": [id]}`.
    pub fn runs(&self, experiment: &str) -> Vec<Value> {
        self.ask("runs", &[experiment]).as_array().cloned().unwrap_or_default()
    }

    /// Makes an experiment and deletes it again.
    pub fn delete_experiment(&self, experiment: &str) {
        self.ask("delete_experiment", &[experiment]);
    }

    /// Makes a user on a server with basic auth.
    pub fn create_user(&self, name: &str, password: &str) {
        self.ask("create_user", &[name, password]);
    }

    /// Allows a user of a server with basic auth so much of an experiment: `READ`, `EDIT`, …
    pub fn permit(&self, experiment: &str, user: &str, permission: &str) {
        self.ask("permit", &[experiment, user, permission]);
    }

    /// Waits until `look` finds something, up to 30 s.
    ///
    /// # Panics
    ///
    /// If it does not by then.
    pub fn wait_for<T>(&self, what: &str, mut look: impl FnMut(&Self) -> Option<T>) -> T {
        let started = Instant::now();
        loop {
            if let Some(found) = look(self) {
                return found;
            }
            assert!(started.elapsed() < Duration::from_secs(30), "{what} is not there after 30 s");
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// Takes the write lock of its database, until the answer is dropped.
    ///
    /// # Panics
    ///
    /// If the server is not ours, or its database is busy for 30 s.
    pub fn lock_database(&self) -> DatabaseLock {
        lock_database(&self.database())
    }

    /// Asks a Python process that is started by the first question: importing MLflow takes seconds.
    fn ask(&self, question: &str, words: &[&str]) -> Value {
        let mut reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, questions, answers) = reader.get_or_insert_with(|| self.start_reader());
        let mut line: Vec<&str> = vec![question];
        line.extend(words);
        writeln!(questions, "{}", Value::from(line)).expect("the MLflow client listens");
        let mut line = String::new();
        answers.read_line(&mut line).expect("the MLflow client answers");
        let mut answer: Value =
            serde_json::from_str(&line).unwrap_or_else(|error| panic!("{question} {words:?}: {error}: {line}"));
        if let Some(error) = answer["error"].as_str() {
            panic!("the MLflow client failed at {question} {words:?}:\n{error}");
        }
        answer["answer"].take()
    }

    /// Ends by itself when nobody can ask any longer.
    fn start_reader(&self) -> Reader {
        let mut command = Command::new(environment().join("bin/python"));
        command.args(["-c", READ_BACK]).stdin(Stdio::piped()).stdout(Stdio::piped());
        command.env("MLFLOW_TRACKING_URI", &self.uri).env("MLFLOW_DISABLE_TELEMETRY", "true");
        command.env("MLFLOW_MODEL_CATALOG_URI", "").env_remove("MLFLOW_TRACKING_TOKEN");
        if self.auth {
            command.env("MLFLOW_TRACKING_USERNAME", ADMIN.0).env("MLFLOW_TRACKING_PASSWORD", ADMIN.1);
        }
        let mut child = command.spawn().expect("python can be started");
        let questions = child.stdin.take().expect("piped");
        let answers = BufReader::new(child.stdout.take().expect("piped"));
        (child, questions, answers)
    }
}

/// Takes the write lock of an SQLite database, from a process of its own, until the answer is dropped.
///
/// # Panics
///
/// If the database is busy for 30 s.
pub fn lock_database(database: &Path) -> DatabaseLock {
    const TAKE_AND_HOLD: &str = "import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], timeout=30, isolation_level=None)
connection.execute('BEGIN IMMEDIATE')
print('locked', flush=True)
sys.stdin.read()";
    let mut command = Command::new(environment().join("bin/python"));
    command.args(["-c", TAKE_AND_HOLD]).arg(database).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut holder = command.spawn().expect("python can be started");
    let mut said = [0; 7];
    let read = holder.stdout.take().expect("piped").read_exact(&mut said);
    assert!(read.is_ok() && &said == b"locked\n", "the database could not be locked");
    DatabaseLock(holder)
}

/// Looks into an SQLite database as any other program does, and closes it.
///
/// # Panics
///
/// If it cannot be read.
pub fn look_into_database(database: &Path) {
    query_database(database, "SELECT count(*) FROM sqlite_schema");
}

/// Runs one statement on an SQLite database, from a process of its own. Gives the first value of the first row.
///
/// # Panics
///
/// If it cannot be run.
pub fn query_database(database: &Path, sql: &str) -> String {
    const QUERY: &str = "import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], timeout=30, isolation_level=None)
row = connection.execute(sys.argv[2]).fetchone()
connection.close()
print(row[0] if row else '')";
    let mut command = Command::new(environment().join("bin/python"));
    let output = command.args(["-c", QUERY]).arg(database).arg(sql).output().expect("python can be started");
    assert!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
}

/// A process that holds the write lock of a database.
#[derive(Debug)]
pub struct DatabaseLock(Child);

impl Drop for DatabaseLock {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some((mut reader, questions, _)) = self.reader.lock().unwrap_or_else(PoisonError::into_inner).take() {
            drop(questions);
            let _ = reader.wait();
        }
        self.stop();
    }
}

/// A loopback port nobody listens on.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    listener.local_addr().expect("it is bound").port()
}

/// Its own process group, so that the launcher's workers are stopped with it, and nothing else is.
fn in_a_group_of_its_own(command: &mut Command) -> &mut Command {
    use std::os::unix::process::CommandExt as _;
    command.process_group(0)
}

fn signal_group(leader: u32, signal: &str) {
    let group = format!("-{leader}");
    let _ = Command::new("kill").args(["-s", signal, "--", &group]).stderr(Stdio::null()).status();
}
