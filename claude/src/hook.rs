//! What the assistant calls when it is done: the answer is always that it may go on, within milliseconds, and the exit code is always 0.
//!
//! In: an event on standard input. Out: the answer on standard output, the event as a file, and a process of its own that sees to it, in a process group of its
//! own, so that neither a terminal that hangs up nor a shell that ends takes it along. Reads no transcript, opens no store, and says nothing to
//! standard error.

use std::ffi::OsString;
use std::io::{self, IsTerminal as _, Read as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use spanwright::config::Experiment;

use crate::settings::{self, Settings};
use crate::state::{Event, Kind, Level, Said, State};
use crate::worker;

/// The word after `claude` that starts a worker.
const WORKER: &str = "worker";
/// A longer event is not read.
const LONGEST_EVENT: u64 = 16 << 20;
/// An input that is not closed by then is given up.
const PATIENCE: Duration = Duration::from_secs(5);
const ANSWER: &[u8] = b"{\"continue\": true}\n";

/// Does what a hook's command line asks, whatever else stands there; `None` if it asks something else.
pub fn called(arguments: &[OsString]) -> Option<ExitCode> {
    let word = |place: usize| arguments.get(place).and_then(|argument| argument.to_str());
    if word(1) != Some("claude") {
        return None;
    }
    match word(2)? {
        "stop-hook" => Some(answer(Kind::Stop)),
        "subagent-stop-hook" => Some(answer(Kind::SubagentStop)),
        WORKER => Some(worker::run(word(3)?)),
        _ => None,
    }
}

/// Captures the event on standard input, leaves a worker behind, and says that the assistant may go on.
pub fn answer(kind: Kind) -> ExitCode {
    // Whatever happens in there is no business of the assistant's.
    std::panic::set_hook(Box::new(|_| {}));
    let _ = std::panic::catch_unwind(|| capture(kind));
    let mut stdout = io::stdout().lock();
    let _ = stdout.write_all(ANSWER).and_then(|()| stdout.flush());
    ExitCode::SUCCESS
}

fn capture(kind: Kind) {
    let settings = Settings::here();
    let (true, Some(folder)) = (settings.enabled().0, settings::state_folder()) else { return };
    let state = State::at(folder);
    if let Err(why) = hand_over(kind, &settings, &state) {
        state.say(Level::Error, &format!("a turn is not traced: {why}"));
    }
}

fn hand_over(kind: Kind, settings: &Settings, state: &State) -> Result<(), String> {
    let text = input()?;
    let said: Said =
        serde_json::from_slice(&text).map_err(|error| format!("the hook's event cannot be read: {error}"))?;
    let experiment = settings.experiment().map(|(experiment, _)| match experiment {
        Experiment::Id(text) | Experiment::Name(text) => text,
    });
    let event = Event { kind, project: settings.project().to_owned(), experiment, said };
    state.keep(&event).map_err(|error| format!("cannot keep the event in {}: {error}", state.folder().display()))?;
    detach(&event.session(), state.folder())
        .map_err(|error| format!("cannot start the worker, the next one sees to it: {error}"))
}

/// All of standard input.
fn input() -> Result<Vec<u8>, String> {
    if io::stdin().is_terminal() {
        return Err("the hook was called without an event".into());
    }
    let (sender, receiver) = mpsc::channel();
    // Somebody who keeps the other end open must not keep the assistant waiting.
    let reader = std::thread::Builder::new().spawn(move || {
        let mut text = Vec::new();
        let read = io::stdin().lock().take(LONGEST_EVENT).read_to_end(&mut text).map(|_| text);
        let _ = sender.send(read);
    });
    reader.map_err(|error| format!("cannot read the hook's event: {error}"))?;
    let read = receiver.recv_timeout(PATIENCE).map_err(|_| "the hook's event did not end".to_owned())?;
    read.map_err(|error| format!("cannot read the hook's event: {error}"))
}

/// Starts a worker that outlives us, our terminal and our shell.
fn detach(session: &str, folder: &Path) -> io::Result<()> {
    // By this name it can be started even where the file has been replaced by a newer one meanwhile.
    let itself = Path::new("/proc/self/exe");
    let program = if itself.exists() { itself.to_owned() } else { std::env::current_exe()? };
    let mut command = Command::new(program);
    command.arg0("spanwright").args(["claude", WORKER, session]).current_dir(folder);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
    command.spawn().map(drop)
}

/// The commands of our hooks, for the assistant's settings.
///
/// # Errors
///
/// That this program does not know where it is.
pub fn commands() -> io::Result<[crate::registration::Hook; 2]> {
    let program: PathBuf = std::env::current_exe()?;
    let program = crate::registration::quoted(&program.to_string_lossy());
    Ok([("Stop", "stop-hook"), ("SubagentStop", "subagent-stop-hook")]
        .map(|(event, word)| crate::registration::Hook { event, command: format!("{program} claude {word}") }))
}
