//! Secrets that a program is told, and those by which we log in: everything that is left of a run is searched for them.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use spanwright_tests::faults::{Act, Faulty};
use spanwright_tests::mlflow::{self, free_port};
use tempfile::TempDir;

/// Part of every secret.
const PLANTED: &str = "Pl4nted9f3c";
/// Of the program's own.
const CONFIDED: &str = "ownPl4nted9f3c";

/// Everything a run has left, by where it was found.
#[derive(Default)]
struct Left(BTreeMap<String, Vec<u8>>);

impl Left {
    fn add(&mut self, place: impl Into<String>, bytes: impl Into<Vec<u8>>) {
        self.0.entry(place.into()).or_default().extend(bytes.into());
    }

    fn add_output(&mut self, what: &str, output: &Output) {
        self.add(format!("standard output of {what}"), output.stdout.clone());
        self.add(format!("standard error of {what}"), output.stderr.clone());
    }

    /// All files below a folder, as bytes, but for those that held the secret before us.
    fn add_files(&mut self, folder: &Path, but: &[&str]) {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                self.add_files(&path, but);
            } else if !but.iter().any(|name| path.ends_with(name)) {
                self.add(path.display().to_string(), std::fs::read(&path).unwrap_or_default());
            }
        }
    }

    fn holds(&self, text: &str) -> Vec<&str> {
        let held = |bytes: &&Vec<u8>| bytes.windows(text.len()).any(|window| window == text.as_bytes());
        self.0.iter().filter(|(_, bytes)| held(bytes)).map(|(place, _)| place.as_str()).collect()
    }

    /// Fails if a secret stands anywhere: as it is, as the digits of its bytes, or in the header that carries it.
    fn assert_no_secret(&self) {
        let digits = PLANTED.bytes().map(|byte| byte.to_string()).collect::<Vec<_>>().join(", ");
        // Of `ann:Pl4nted9f3c` and `bob:Pl4nted9f3c`.
        for form in [PLANTED, &digits, "OlBsNG50ZWQ5ZjNj"] {
            assert_eq!(self.holds(form), Vec::<&str>::new(), "{form}");
        }
    }
}

/// A program or tool of ours in a folder of its own, with nothing of this machine's settings.
fn command(program: &str, folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(folder).env_clear().env("HOME", folder).env("CONFIDED", CONFIDED);
    command.stdin(Stdio::null());
    command
}

const CONFIDANT: &str = env!("CARGO_BIN_EXE_confidant");
const TOOL: &str = env!("CARGO_BIN_EXE_spanwright-tool");

/// Every command that says something of a store or a server.
const COMMANDS: [&[&str]; 8] = [
    &["list"],
    &["list", "--json"],
    &["tree"],
    &["tree", "--json"],
    &["doctor"],
    &["doctor", "--json"],
    &["push"],
    &["push", "--json"],
];

/// Says no to everybody, and repeats who asked.
fn echoing() -> Faulty {
    Faulty::start(|seen, _| match seen.path.as_str() {
        "/health" => Act::status(200),
        _ => {
            let login = seen.header("authorization").unwrap_or_default().to_owned();
            let password = if login.starts_with("Basic") { PLANTED } else { "nothing" };
            let body = format!(r#"{{"error_code":"DENIED","message":"no {login} here: {login}, it is {password}"}}"#);
            Act::Answer(401, vec![("content-type", "application/json".into()), ("x-login", login)], body)
        }
    })
}

#[test]
fn credentials_are_in_nothing_that_is_written_or_said_wherever_they_come_from() {
    let server = echoing();
    let with = |user: &str| server.uri().replace("http://", &format!("http://{user}@"));
    let (plain, carrying) = (server.uri(), with(&format!("ann:{PLANTED}")));
    let dead = format!("http://ann:{PLANTED}@127.0.0.1:{}", free_port());
    let unusable = format!("http://ann:{PLANTED}/x@127.0.0.1:5000");
    let login = ("MLFLOW_TRACKING_USERNAME", "bob");
    let cases: [&[(&str, &str)]; 10] = [
        &[("MLFLOW_TRACKING_URI", &carrying)],
        &[("MLFLOW_TRACKING_URI", &dead)],
        &[("MLFLOW_TRACKING_URI", &unusable)],
        &[("MLFLOW_TRACKING_URI", "postgresql://ann:Pl4nted9f3c@db/mlflow")],
        &[("MLFLOW_TRACKING_URI", &plain), login, ("MLFLOW_TRACKING_PASSWORD", PLANTED)],
        &[("MLFLOW_TRACKING_URI", &plain), ("MLFLOW_TRACKING_PASSWORD", PLANTED)],
        &[("MLFLOW_TRACKING_URI", &plain), ("MLFLOW_TRACKING_TOKEN", PLANTED)],
        &[("MLFLOW_TRACKING_URI", &plain), ("MLFLOW_TRACKING_TOKEN", "Pl4nted9f3c\u{e9}\n x")],
        // From `~/.mlflow/credentials`.
        &[("MLFLOW_TRACKING_URI", &plain)],
        // A key on one line, as a variable of a deployment has it.
        &[("MLFLOW_TRACKING_URI", "https://127.0.0.1:9"), ("MLFLOW_TRACKING_CLIENT_CERT_PATH", "client.pem")],
    ];
    for (number, case) in cases.into_iter().enumerate() {
        let folder = TempDir::new().expect("a folder");
        if number == 8 {
            let credentials =
                format!("[mlflow]\nmlflow_tracking_username = bob\nmlflow_tracking_password = {PLANTED}\n");
            std::fs::create_dir(folder.path().join(".mlflow")).expect("made");
            std::fs::write(folder.path().join(".mlflow/credentials"), credentials).expect("written");
        }
        let key = format!("-----BEGIN PRIVATE KEY-----\\n{PLANTED}\\n-----END PRIVATE KEY-----\\n");
        std::fs::write(folder.path().join("client.pem"), key).expect("written");
        let mut left = Left::default();
        let mut run = |program, arguments: &[&str]| {
            let mut command = command(program, folder.path(), arguments);
            command.envs(case.iter().copied()).env("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0");
            let output = command.output().expect("it can be started");
            left.add_output(&format!("{arguments:?} with {case:?}").replace(PLANTED, "…"), &output);
        };
        run(CONFIDANT, &["leave"]);
        COMMANDS.into_iter().for_each(|arguments| run(TOOL, arguments));
        left.add_files(folder.path(), &[".mlflow/credentials", "client.pem"]);
        // The database or its log, whichever SQLite has them in.
        assert!(!left.holds("visible-note").is_empty(), "the search finds what it may find");
        left.assert_no_secret();
    }
    let logins: Vec<_> =
        server.seen().iter().filter_map(|seen| seen.header("authorization").map(str::to_owned)).collect();
    for login in [format!("Bearer {PLANTED}"), "Basic YW5uOlBsNG50ZWQ5ZjNj".into(), "Basic Ym9iOlBsNG50ZWQ5ZjNj".into()]
    {
        assert!(logins.contains(&login), "the server was told {login}");
    }
}

#[test]
fn what_reaches_the_server_holds_nothing_a_program_was_told_in_confidence() {
    let server = mlflow::shared();
    let port = server.uri().rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
    let front = Faulty::start(move |seen, _| Act::Forward(port, Box::new(seen.clone())));
    let folder = TempDir::new().expect("a folder");
    let (mut left, experiment) = (Left::default(), crate::delivery::fresh("confidential"));
    let mut run = |program, arguments: &[&str]| {
        let mut command = command(program, folder.path(), arguments);
        command.env("MLFLOW_TRACKING_URI", front.uri()).env("MLFLOW_TRACKING_TOKEN", PLANTED);
        let output = command.env("MLFLOW_EXPERIMENT_NAME", &experiment).output().expect("it can be started");
        assert!(output.status.success(), "{output:?}");
        left.add_output(&format!("{arguments:?}"), &output);
    };
    run(CONFIDANT, &["leave"]);
    COMMANDS.into_iter().for_each(|arguments| run(TOOL, arguments));
    left.add_files(folder.path(), &[]);
    for seen in front.seen() {
        assert_eq!(seen.header("content-encoding"), None, "a packed body cannot be searched");
        left.add(format!("what was sent to {}", seen.path), seen.path.clone());
        left.add(format!("what was sent to {}", seen.path), seen.body);
    }
    // Of a server that is not ours, the files are not at hand: its client has to do.
    let database = server.is_ours().then(|| server.database());
    left.add_files(database.as_deref().and_then(Path::parent).unwrap_or(Path::new("/nowhere")), &[]);
    let traces = server.traces(&experiment);
    let trace = server.trace(traces[0]["trace_id"].as_str().expect("an id")).expect("the trace");
    left.add("what MLflow's client reads", trace.to_string());
    left.add("what MLflow's client reads", server.runs(&experiment)[0].to_string());
    for visible in ["visible-note", "visible-event", "visible-run", "visible-table"] {
        let found = left.holds(visible);
        assert!(found.iter().any(|place| place.contains("what was sent")), "{visible} is only in {found:?}");
        let kept = if server.is_ours() { "mlflow.db" } else { "MLflow's client" };
        assert!(found.iter().any(|place| place.contains(kept)), "{visible} is only in {found:?}");
    }
    left.assert_no_secret();
}

#[test]
fn chunks_of_a_killed_program_hold_nothing_it_was_told_in_confidence() {
    let folder = TempDir::new().expect("a folder");
    let mut command = command(CONFIDANT, folder.path(), &["stay"]);
    let mut program = command.stdout(Stdio::piped()).process_group(0).spawn().expect("it can be started");
    let mut ready = String::new();
    BufReader::new(program.stdout.take().expect("piped")).read_line(&mut ready).expect("it says so");
    program.kill().and_then(|()| program.wait()).expect("killed");
    let mut left = Left::default();
    left.add_files(folder.path(), &[]);
    let chunks: Vec<_> = left.holds("visible-note").into_iter().filter(|place| place.ends_with(".chunk")).collect();
    assert!(!chunks.is_empty(), "what it was doing is in a chunk: {:?}", left.0.keys());
    left.assert_no_secret();

    // The next one takes it over, and keeps the secrets as well.
    let listed: PathBuf = folder.path().to_owned();
    let output = self::command(TOOL, &listed, &["tree", "--json"]).output().expect("it can be started");
    left.add_output("tree", &output);
    left.add_files(folder.path(), &[]);
    left.assert_no_secret();
}
