//! The crash matrix: programs that trace are killed at random moments, and what arrives is compared with what had returned.
//!
//! A round starts one to three victims on one store, kills them with `SIGKILL` at a moment the killer alone knows, lets somebody take
//! over (`push`, the next start, or ten at once), and asks the server what it has. What happens in a round is drawn from a seed and
//! the number of the round; where exactly the kill strikes is left to the machine, and read afterwards from what can be seen.

pub mod check;
pub mod evidence;
pub mod plan;
pub mod power;
pub mod read_back;
pub mod receiver;
pub mod scenes;
pub mod victim;

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use spanwright::config::{ChunkPlace, Config, Experiment, Overrides, StorePlace};
use spanwright::export::push;
use spanwright::record::Losses;
use spanwright::store::{Adopt, Store};
use tempfile::TempDir;

use check::{Sum, compare};
use evidence::Stage;
use plan::{Aim, Heir, Plan, Size};
use receiver::{Got, Key, Manner, Receiver};
use victim::{Load, returned};

/// A server or a program that takes longer than this has hung.
const PATIENCE: Duration = Duration::from_secs(90);

/// What all rounds have in common.
#[derive(Clone, Debug)]
pub struct Matrix {
    /// A program whose `main` is [`victim::main`] for the arguments it is given.
    pub program: PathBuf,
    /// Plans are drawn from it.
    pub seed: u64,
    /// Of each round.
    pub size: Size,
    /// Port of a real server that gets everything too, and the experiment there.
    pub real: Option<(u16, String)>,
}

/// How a round went.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What was planned.
    pub plan: Plan,
    /// What arrived.
    pub sum: Sum,
    /// What the kill hit.
    pub stages: HashSet<Stage>,
    /// Spans sent more than once.
    pub sent_again: u64,
    /// What the store has counted as lost.
    pub lost: Losses,
    /// Every span the server has.
    pub spans: HashMap<Key, Got>,
    /// With chunks on the heap, the longest time before the kill of which something is missing, as the pauses of the victim measure it.
    pub heap_window: Duration,
}

impl Outcome {
    /// What must not be, in words.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = self.sum.complaints.clone();
        // On the heap, what the collector had not come to goes with the process.
        if !self.plan.is_on_heap && !self.sum.missing.is_empty() {
            let Sum { missing, returned, .. } = &self.sum;
            faults.push(format!("{} of {returned} calls that had returned are missing: {missing:?}", missing.len()));
        }
        let counted = self.lost.values > 0 || self.lost.heap_chunks_lost > 0;
        if !self.plan.is_on_heap && self.sum.prompts_lost > 0 && !counted {
            faults.push(format!("{} prompts are lost and not counted: {:?}", self.sum.prompts_lost, self.lost));
        }
        faults
    }
}

/// A program that is running, and how far it says it came.
struct Victim {
    child: Child,
    load: Load,
    witness: PathBuf,
}

/// One round under way.
struct Round<'m> {
    matrix: &'m Matrix,
    plan: Plan,
    folder: TempDir,
    receiver: Receiver,
    stages: HashSet<Stage>,
}

impl Matrix {
    /// Plays one round.
    ///
    /// # Panics
    ///
    /// If a program cannot be started, or hangs.
    pub fn play(&self, round: u64) -> Outcome {
        let plan = Plan::of(self.seed, round, self.size);
        let folder = TempDir::with_prefix("spanwright-crash-").expect("a folder");
        let receiver = Receiver::start(self.real.as_ref().map(|(port, _)| *port));
        let mut round = Round { matrix: self, plan, folder, receiver, stages: HashSet::new() };
        let victims = round.kill();
        round.look(&victims);
        round.receiver.behave(Manner::Prompt);
        let mut complaints = round.inherit();
        let spans = round.receiver.spans();
        let mut sum = compare(&spans, &victims.iter().map(Victim::returned).collect::<Vec<_>>());
        if sum.abandoned > 0 {
            round.stages.insert(Stage::SpanOpen);
        }
        if sum.spans == 0 {
            round.stages = HashSet::from([Stage::Starting]);
        }
        complaints.extend(round.receiver.complaints());
        complaints.extend(round.said());
        sum.complaints.extend(complaints);
        let sent_again = round.receiver.sent_again() as u64;
        let heap_window = sum.window(&victims.iter().map(|victim| victim.load.clone()).collect::<Vec<_>>());
        let lost = Store::open_existing(&round.store()).expect("the store opens");
        let lost = lost.map(|store| store.statistics().expect("the store reads").lost).unwrap_or_default();
        Outcome { plan: round.plan.clone(), sum, stages: round.stages.clone(), sent_again, lost, spans, heap_window }
    }
}

impl Victim {
    fn returned(&self) -> (Load, Vec<victim::Returned>) {
        (self.load.clone(), returned(&self.witness))
    }

    fn pid(&self) -> u32 {
        self.child.id()
    }

    fn wait_until_ready(&mut self) {
        let out = self.child.stdout.as_mut().expect("it is piped");
        let mut line = String::new();
        BufReader::new(out).read_line(&mut line).expect("the victim says something");
        assert_eq!(line, "ready\n", "the victim did not come up");
    }
}

impl Round<'_> {
    fn store(&self) -> PathBuf {
        self.folder.path().join("store")
    }

    fn command(&self, arguments: &[String]) -> Command {
        let log = File::options().create(true).append(true).open(self.folder.path().join("said")).expect("a file");
        let mut command = Command::new(&self.matrix.program);
        command.args(arguments).current_dir(self.folder.path()).env_clear().env("HOME", self.folder.path());
        command.env("SPANWRIGHT_STORE", self.store()).env("MLFLOW_TRACKING_URI", self.receiver.uri());
        command.env("SPANWRIGHT_FLUSH_TIMEOUT_MS", "60000");
        if self.plan.is_on_heap {
            command.env("SPANWRIGHT_CHUNKS", "heap");
        }
        if let Some((_, experiment)) = &self.matrix.real {
            command.env("MLFLOW_EXPERIMENT_NAME", experiment);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
        command
    }

    /// Lines of the programs that nothing of what was done to them explains.
    fn said(&self) -> Vec<String> {
        let said = fs::read_to_string(self.folder.path().join("said")).unwrap_or_default();
        // A prompt for which there was no room may be lost, if that is counted.
        let is_counted = |line: &&str| {
            let causes = line.split_once("lost since start: ").map_or("", |(_, causes)| causes);
            causes.split("; ").all(|cause| cause.ends_with("values dropped, the chunks were full"))
        };
        let is_odd = |line: &&str| {
            ["panicked", "could not be read"].iter().any(|odd| line.contains(odd))
                || line.contains("lost since start") && !is_counted(line)
        };
        said.lines().filter(is_odd).map(str::to_owned).collect()
    }

    fn start(&self, load: Load) -> Victim {
        let witness = self.folder.path().join(format!("witness-{}", load.victim));
        fs::write(&witness, vec![0; 16 * load.workers as usize]).expect("a file");
        let mut arguments = vec!["victim".to_owned(), witness.display().to_string()];
        arguments.extend(load.arguments());
        let child = self.command(&arguments).spawn().expect("the victim can be started");
        Victim { child, load, witness }
    }

    fn start_all(&self, later: u64) -> Vec<Victim> {
        let loads = self.plan.loads.iter().cloned();
        loads.map(|load| self.start(Load { victim: load.victim + later, ..load })).collect()
    }

    /// Starts the victims and kills them as planned.
    fn kill(&mut self) -> Vec<Victim> {
        let aim = self.plan.aim;
        self.receiver.behave(match aim {
            Aim::MidRequest(_) => Manner::Slow(Duration::from_millis(60)),
            Aim::Answered(_) => Manner::Telling,
            _ => Manner::Prompt,
        });
        let mut victims = self.start_all(0);
        victims.iter_mut().for_each(Victim::wait_until_ready);
        let mut held = None;
        match aim {
            Aim::Anywhere(delay) => std::thread::sleep(delay),
            Aim::StoreHeld(delay) => {
                held = hold(&self.store());
                std::thread::sleep(delay);
            }
            Aim::MidRequest(delay) => {
                let started = Instant::now();
                while self.receiver.in_flight() == 0 && started.elapsed() < Duration::from_millis(500) {
                    std::thread::sleep(Duration::from_micros(200));
                }
                std::thread::sleep(delay);
            }
            Aim::Answered(delay) => {
                self.receiver.wait_for_answer(Duration::from_millis(500));
                std::thread::sleep(delay);
            }
            Aim::Recovering { delay, begun } => {
                std::thread::sleep(delay);
                victims.iter_mut().for_each(kill);
                let mut next = self.start_all(10);
                if begun {
                    self.wait_for_recovery(&next);
                }
                std::thread::sleep(delay);
                self.strike(&mut next);
                victims.extend(next);
                return victims;
            }
        }
        self.strike(&mut victims);
        drop(held);
        victims
    }

    /// Waits until one of `victims` takes over what another process left.
    fn wait_for_recovery(&mut self, victims: &[Victim]) {
        let (store, started) = (self.store(), Instant::now());
        while started.elapsed() < Duration::from_millis(500) {
            if victims.iter().any(|victim| evidence::recovers(victim.pid(), &store)) {
                return;
            }
        }
    }

    fn strike(&mut self, victims: &mut [Victim]) {
        if self.plan.is_stopped_first {
            let store = self.store();
            victims.iter().for_each(|victim| stop(victim.pid()));
            self.stages.extend(victims.iter().flat_map(|victim| evidence::of_stopped(victim.pid(), &store)));
        }
        let in_flight = self.receiver.in_flight() > 0;
        let store = self.store();
        let leases = evidence::leases(&store);
        victims.iter_mut().for_each(kill);
        if in_flight && self.receiver.in_flight() > 0 {
            self.stages.insert(Stage::MidRequest);
        }
        // A lease that was somebody's to take over, in a folder that has lost its files.
        if leases.iter().any(|folder| evidence::is_half_removed(folder)) {
            self.stages.insert(Stage::Recovery);
        }
    }

    /// What the dead left shows what they were at.
    fn look(&mut self, victims: &[Victim]) {
        let folder = self.store();
        if evidence::log_has_no_end(&folder) {
            self.stages.insert(Stage::MidTransaction);
        }
        let Ok(Some(store)) = Store::open_existing(&folder) else { return };
        let returned: u64 =
            victims.iter().flat_map(|victim| victim.returned().1).map(|worker| worker.steps + worker.workflows).sum();
        let stored = store.statistics().expect("the store reads").stored.spans;
        if returned > stored {
            self.stages.insert(Stage::Ended);
            if let Aim::StoreHeld(_) = self.plan.aim {
                self.stages.insert(Stage::MidTransaction);
            }
        }
        let queued = store.pending(&self.receiver.uri(), usize::MAX >> 1, usize::MAX).expect("the store reads");
        let key = |span: &spanwright::record::SpanRecord| {
            (span.trace_id.to_bytes().to_vec(), span.span_id.to_bytes().to_vec())
        };
        if !self.stages.contains(&Stage::MidRequest) && queued.iter().any(|span| self.receiver.has(&key(&span.record)))
        {
            self.stages.insert(Stage::BeforeAck);
        }
    }

    fn config(&self) -> Config {
        let overrides = Overrides {
            tracking_uri: Some(self.receiver.uri()),
            store: Some(StorePlace::At(self.store())),
            chunks: self.plan.is_on_heap.then_some(ChunkPlace::Heap),
            experiment: self.matrix.real.as_ref().map(|(_, experiment)| Experiment::Name(experiment.clone())),
            ..Overrides::default()
        };
        Config::load(overrides, &|_| None, Path::new("/")).0
    }

    /// Lets the heirs take over and deliver. What is wrong afterwards, in words.
    fn inherit(&self) -> Vec<String> {
        let mut complaints = Vec::new();
        match self.plan.heir {
            Heir::NextStart => complaints.extend(self.start_heirs(1)),
            Heir::TenStarts => complaints.extend(self.start_heirs(10)),
            Heir::Push => {}
        }
        let config = self.config();
        let Some(store) = Store::open_existing(&self.store()).expect("the store opens") else { return complaints };
        let mut first = None;
        if self.plan.heir == Heir::Push {
            let recovered = spanwright::recover(&store, &config);
            complaints.extend(recovered.problems.iter().map(|problem| format!("recovery: {problem:#}")));
            if recovered.unread_chunks > 0 {
                complaints.push(format!("{} chunks could not be read", recovered.unread_chunks));
            }
            first = push(&store, &config, Adopt::Undirected, |_| {})
                .map_err(|error| complaints.push(format!("push: {error:#}")))
                .ok();
        }
        let statistics = store.statistics().expect("the store reads");
        let pending: u64 =
            statistics.backlog.iter().map(|backlog| backlog.pending.spans + backlog.rejected.spans).sum();
        // On the heap the root may be gone; its spans wait for it, a minute.
        if pending > 0 && !self.plan.is_on_heap {
            complaints.push(format!("{pending} spans are still pending or were refused: {first:?}"));
        }
        if statistics.open_spans > 0 {
            complaints.push(format!("{} spans of the dead are still open", statistics.open_spans));
        }
        // A folder that had not got its name yet is passed over for a minute: somebody may be making it.
        let left = evidence::leases(&self.store());
        if !left.is_empty() {
            complaints.push(format!("folders of the dead are left: {left:?}"));
        }
        complaints
    }

    /// Starts so many programs at once that trace nothing, and waits for their end.
    fn start_heirs(&self, count: usize) -> Vec<String> {
        let heirs: Vec<_> =
            (0..count).map(|_| self.command(&["heir".to_owned()]).spawn().expect("an heir can be started")).collect();
        let mut complaints = Vec::new();
        for heir in heirs {
            let output = heir.wait_with_output().expect("the heir ends");
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            if !output.status.success() {
                complaints.push(format!("an heir ended with {}: {said}", output.status));
            }
        }
        complaints
    }
}

fn kill(victim: &mut Victim) {
    victim.child.kill().expect("it can be killed");
    victim.child.wait().expect("it is gone");
}

/// Stops a process where it is, and waits until every thread of it stands.
fn stop(pid: u32) {
    let raw = Pid::from_raw(pid as i32).expect("a process has a number");
    let _ = kill_process(raw, Signal::STOP);
    let stands = |task: PathBuf| {
        let stat = fs::read_to_string(task.join("stat")).unwrap_or_default();
        stat.rsplit(") ").next().is_none_or(|rest| rest.starts_with('T'))
    };
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(2) {
        let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
        if tasks.map(|task| task.path()).all(stands) {
            return;
        }
        std::thread::sleep(Duration::from_micros(200));
    }
}

/// Takes the write lock of a store, as another process at work would.
fn hold(store: &Path) -> Option<rusqlite::Connection> {
    let connection = rusqlite::Connection::open(store.join("store.db")).expect("the store is there");
    connection.busy_timeout(PATIENCE).expect("a time");
    connection.execute_batch("BEGIN IMMEDIATE").ok()?;
    Some(connection)
}
