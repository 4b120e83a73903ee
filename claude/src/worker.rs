//! What a hook leaves behind: reads the transcript, stores the turn, delivers it, and is gone within a hard limit.
//!
//! In: the events that wait for a session. Out: turns in the store and at the server, lines in the log. One worker works for a session at a time; one that
//! finds another at work leaves its event to that. An event is given up only when its turn is in the store, or cannot be told at all.

use std::fs::{self, File};
use std::io::{BufReader, ErrorKind, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime};

use spanwright::Diagnostics;
use spanwright::config::Destination;
use spanwright::export::Exporter;
use spanwright::store::{Limits, Store};

use crate::agents::{self, Agents};
use crate::keeping::{Keeper, Trouble, each_due_turn};
use crate::settings::{self, Settings};
use crate::spans::{SubAgent, Subject};
use crate::state::{Event, Kind, Level, State, now_ns};
use crate::transcript::{RawTurn, Scope, Turns, last_turn};

/// Kept free at the end, to put down what is held.
const LAST_MOMENT: Duration = Duration::from_millis(500);
/// Events of sessions whose worker died are seen to by any other after this.
const LEFT_BEHIND: Duration = Duration::from_secs(60);
/// An event that nobody could see to for so long is given up.
const TOO_OLD: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// The assistant may call before it has written down what it said last; it is given so long, and looked at so often.
const UNWRITTEN: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(50);
/// Characters of that by which it is known, and how far from the end of the transcript it is looked for.
const KNOWN_BY: usize = 80;
const TAIL: u64 = 1 << 20;
/// For old traces.
const SWEEP: Duration = Duration::from_millis(200);

/// Works for a session until nothing of it waits.
pub(crate) fn run(session: &str) -> ExitCode {
    let Some(folder) = settings::state_folder() else { return ExitCode::FAILURE };
    let (state, deadline) = (State::at(folder), Instant::now() + settings::ceiling());
    guard(&state, deadline);
    let mut store = None;
    let worked = work(session, &state, &mut store);
    if let Err(why) = worked {
        state.say(Level::Error, &format!("a turn waits for the next hook: {why}"));
    }
    if let Some(store) = store {
        deliver(&store, &state, deadline);
    }
    ExitCode::SUCCESS
}

/// Ends this process at the deadline, whatever it does then, and writes down what it panics of.
fn guard(state: &State, deadline: Instant) {
    let log = state.clone();
    std::panic::set_hook(Box::new(move |panic| log.say(Level::Error, &format!("the worker failed: {panic}"))));
    let state = state.clone();
    let watch = std::thread::Builder::new().spawn(move || {
        std::thread::sleep(deadline.saturating_duration_since(Instant::now()));
        state
            .say(Level::Warning, "a worker has not been done in time; what it had stored is delivered by the next one");
        std::process::exit(0);
    });
    drop(watch);
}

fn work(session: &str, state: &State, store: &mut Option<Store>) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("cannot use {}: {error}", state.folder().display());
    loop {
        // Whoever holds it looks again before the end.
        let Some(lock) = state.lock(session).map_err(failed)? else { return Ok(()) };
        for path in state.events(Some(session)) {
            see_to(&path, state, store)?;
        }
        drop(lock);
        if state.events(Some(session)).is_empty() {
            break;
        }
    }
    for path in state.events(None).iter().filter(|path| age(path) > LEFT_BEHIND) {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let session = name.split('-').next().unwrap_or_default();
        if let Some(_lock) = state.lock(session).map_err(failed)? {
            see_to(path, state, store)?;
        }
    }
    state.tidy();
    Ok(())
}

fn age(path: &Path) -> Duration {
    let written = fs::metadata(path).and_then(|known| known.modified());
    written.ok().and_then(|time| time.elapsed().ok()).unwrap_or_default()
}

/// Sees to an event and removes it; it stays only where the store cannot be used.
fn see_to(path: &Path, state: &State, store: &mut Option<Store>) -> Result<(), String> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(format!("cannot read {}: {error}", path.display())),
    };
    match serde_json::from_slice::<Event>(&text) {
        Err(error) => {
            state.say(Level::Error, &format!("no trace: the event in {} cannot be read: {error}", path.display()))
        }
        Ok(_) if age(path) > TOO_OLD => state.say(Level::Error, "no trace: an event could not be seen to for 7 days"),
        Ok(event) => {
            let settings = Settings::of(&event.project);
            let opened = match store.take() {
                Some(store) => store,
                None => Store::open(state.folder()).map_err(|error| format!("{error:#}"))?,
            };
            let told = tell(&event, &settings, state, store.insert(opened));
            told.map_err(|error| format!("{error:#}"))?;
        }
    }
    fs::remove_file(path).map_err(|error| format!("cannot remove {}: {error}", path.display()))
}

fn tell(event: &Event, settings: &Settings, state: &State, store: &Store) -> Result<(), spanwright::Error> {
    let (config, warnings) = settings.config(state.folder());
    for problem in settings.problems.iter().chain(&warnings) {
        state.say(Level::Warning, problem);
    }
    if config.disabled.value {
        return Ok(());
    }
    let Some(transcript) = event.said.transcript_path.as_deref().map(settings::expanded) else {
        state.say(Level::Error, "no trace: the hook's event names no transcript");
        return Ok(());
    };
    let subject = Subject {
        session: event.said.session_id.clone(),
        user: settings::user(),
        experiment: event.experiment.clone(),
        working_directory: event.said.cwd.clone(),
        permission_mode: event.said.permission_mode.clone(),
        agent: None,
    };
    let path = match event.kind {
        Kind::Stop => Some(transcript.clone()),
        Kind::SubagentStop => event.said.agent_transcript_path.as_deref().map(settings::expanded),
    };
    if let (Some(path), Some(message)) = (path, &event.said.last_assistant_message) {
        wait_for_message(&path, message);
    }
    let mut telling = Telling { state, keeper: Keeper::new(store, &config), agents: Agents::beside(&transcript) };
    let told = match event.kind {
        Kind::Stop => telling.session(&transcript, &subject),
        Kind::SubagentStop => telling.agent(&transcript, event, subject),
    };
    match told {
        Err(Trouble::Store(error)) => return Err(error),
        Err(Trouble::Transcript(error)) => {
            state.say(Level::Warning, &format!("no trace: cannot read {}: {error}", transcript.display()));
        }
        Ok(()) => {}
    }
    Ok(())
}

/// Waits a moment for a message that is not in the transcript yet.
fn wait_for_message(transcript: &Path, message: &str) {
    let start: String = message.chars().take(KNOWN_BY).collect();
    let text = serde_json::to_string(&start).unwrap_or_default();
    let text = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or_default().as_bytes();
    let until = Instant::now() + UNWRITTEN;
    while !text.is_empty() && tail(transcript).is_ok_and(|tail| !tail.windows(text.len()).any(|part| part == text)) {
        if Instant::now() > until {
            return;
        }
        std::thread::sleep(LOOK);
    }
}

fn tail(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
    let mut tail = Vec::new();
    file.take(TAIL).read_to_end(&mut tail)?;
    Ok(tail)
}

struct Telling<'a> {
    state: &'a State,
    keeper: Keeper<'a>,
    agents: Agents,
}

impl Telling<'_> {
    fn session(&mut self, transcript: &Path, subject: &Subject) -> Result<(), Trouble> {
        let otherwise_ns = written_ns(transcript);
        let turns =
            || File::open(transcript).map(|file| Turns::of(BufReader::with_capacity(1 << 16, file), Scope::Session));
        let Self { state, keeper, agents } = self;
        // Both ask the keeper, one after the other.
        let keeper = std::cell::RefCell::new(keeper);
        let any = each_due_turn(
            turns()?,
            |raw| keeper.borrow().knows(raw, subject),
            |raw| {
                if !is_left_out(&keeper.borrow(), raw, subject, state) {
                    let kept = keeper.borrow_mut().keep(raw, Scope::Session, subject, agents, otherwise_ns)?;
                    say(state, &kept);
                }
                Ok(())
            },
        )?;
        if !any {
            self.state.say(Level::Warning, &format!("no trace: nobody has asked anything in {}", transcript.display()));
        }
        Ok(())
    }

    /// Only a sub-agent that outlives the call that launched it has a trace of its own; of the others nothing needs to be said.
    fn agent(&mut self, transcript: &Path, event: &Event, subject: Subject) -> Result<(), Trouble> {
        let Some(id) = event.said.agent_id.clone() else { return Ok(()) };
        let Some(origin) = agents::origin(transcript, &id)?.filter(|origin| origin.is_background) else {
            return Ok(());
        };
        let named = event.said.agent_transcript_path.as_deref().map(settings::expanded).filter(|path| path.exists());
        let Some(path) = named.or_else(|| self.agents.path(&id)) else { return Ok(()) };
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) => {
                self.state
                    .say(Level::Warning, &format!("sub-agent transcript not found: {} ({error})", path.display()));
                return Ok(());
            }
        };
        let Some(raw) = last_turn(BufReader::new(file), Scope::Agent)? else { return Ok(()) };
        let agent_type = event.said.agent_type.clone().filter(|agent_type| !agent_type.is_empty());
        let subject = Subject { agent: Some(SubAgent { id, agent_type, tool_use_id: origin.tool_use_id }), ..subject };
        if !is_left_out(&self.keeper, &raw, &subject, self.state) {
            let kept = self.keeper.keep(&raw, Scope::Agent, &subject, &self.agents, written_ns(&path))?;
            say(self.state, &kept);
        }
        Ok(())
    }
}

/// Whether the sampling ratio leaves a turn out, which is said: otherwise it would look lost.
fn is_left_out(keeper: &Keeper<'_>, raw: &RawTurn, subject: &Subject, state: &State) -> bool {
    let is_left_out = keeper.leaves_out(raw, subject);
    if is_left_out {
        state.say(Level::Info, "no trace: MLFLOW_TRACE_SAMPLING_RATIO leaves this turn out");
    }
    is_left_out
}

fn say(state: &State, kept: &crate::keeping::Kept) {
    for notice in &kept.told.notices {
        state.say(Level::Warning, notice);
    }
    if let (false, Some(root)) = (kept.was_known, kept.told.spans.first()) {
        state.say(Level::Info, &format!("stored tr-{} with {} spans", root.trace_id, kept.told.spans.len()));
    }
}

/// When a file was written, for entries without a time.
fn written_ns(path: &Path) -> u64 {
    let written = fs::metadata(path).and_then(|known| known.modified()).ok();
    let since = written.and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
    since.and_then(|since| u64::try_from(since.as_nanos()).ok()).unwrap_or_else(now_ns)
}

/// Delivers what waits, this turn and those of earlier hooks.
fn deliver(store: &Store, state: &State, deadline: Instant) {
    let (config, _) = Settings::here().config(state.folder());
    let log = state.clone();
    let diagnostics = Diagnostics::to(move |line| log.say(Level::Warning, line));
    if let Destination::Http(_) = config.destination.value {
        match Exporter::start(store.clone(), &config, diagnostics) {
            Ok(exporter) => {
                let until = deadline.checked_sub(LAST_MOMENT).unwrap_or(deadline);
                exporter.flush(until);
                exporter.shutdown(Instant::now());
            }
            Err(error) => state.say(Level::Error, &format!("nothing is delivered: {error:#}")),
        }
    }
    let limits = Limits { max_age: config.store_max_age.value, max_bytes: config.store_max_bytes.value };
    if let Err(error) = store.sweep_for(limits, SWEEP) {
        state.say(Level::Warning, &format!("{error:#}"));
    }
}

/// The events that wait, and the age of the oldest.
pub fn waiting(state: &State) -> (usize, Option<Duration>) {
    let events: Vec<PathBuf> = state.events(None);
    (events.len(), events.iter().map(|path| age(path)).max())
}
