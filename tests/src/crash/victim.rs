//! The program that is killed: threads and tasks that trace without a pause, and say outside of what is tested how far they came.
//!
//! Each of them counts, in a place of its own in a file, the calls that have returned. The file is written with one `pwrite` after
//! each call, so that the count outlives the program however it ends.

use std::borrow::Cow;
use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use spanwright::record::Usage;
use spanwright::{ModelOutcome, llm, tool, workflow};

/// What a victim does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Load {
    /// Tells victims of one round apart.
    pub victim: u64,
    /// Threads, or tasks on two threads.
    pub workers: u64,
    /// Steps of each worker, after which it rests inside of an open span until it is killed.
    pub steps: u64,
    /// Steps in one workflow.
    pub steps_a_workflow: u64,
    /// Between two steps.
    pub pause: Duration,
    /// Each so-and-so-many-th step is a model call with a long prompt; 0 for none.
    pub model_every: u64,
    /// Bytes of that prompt.
    pub prompt_bytes: usize,
    /// Tasks that wander between threads, in place of threads.
    pub wanders: bool,
}

/// Calls of a worker that have returned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Returned {
    /// Steps, model calls among them.
    pub steps: u64,
    /// Workflows.
    pub workflows: u64,
}

/// Tokens of each model call.
pub const TOKENS: (u64, u64) = (11, 5);

const BYTES_A_WORKER: usize = 16;

/// What had returned of each worker when the victim was killed.
///
/// # Panics
///
/// If the file cannot be read.
pub fn returned(witness: &Path) -> Vec<Returned> {
    let bytes = std::fs::read(witness).expect("the witness is readable");
    let word = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().expect("eight bytes"));
    let of_worker = |bytes: &[u8]| Returned { steps: word(&bytes[..8]), workflows: word(&bytes[8..16]) };
    bytes.chunks_exact(BYTES_A_WORKER).map(of_worker).collect()
}

struct Worker {
    load: Arc<Load>,
    witness: Arc<File>,
    number: u64,
    returned: Returned,
}

struct Reply(String);

impl ModelOutcome for Reply {
    fn model(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed(&self.0))
    }

    fn usage(&self) -> Option<Usage> {
        Some(Usage { input: TOKENS.0, output: TOKENS.1, ..Usage::default() })
    }
}

#[tool]
fn step(victim: u64, worker: u64, number: u64) -> u64 {
    number
}

#[llm(name = "step", provider = "openai", skip(prompt), inputs(prompt = prompt))]
fn ask(victim: u64, worker: u64, number: u64, prompt: &str) -> Reply {
    Reply("gpt-4o-mini".to_owned())
}

#[tool(name = "step")]
async fn step_somewhere(victim: u64, worker: u64, number: u64) -> u64 {
    tokio::task::yield_now().await;
    number
}

#[tool(name = "step")]
fn rest(victim: u64, worker: u64, number: u64) {
    loop {
        std::thread::park();
    }
}

#[workflow(name = "flow", session = "matrix", skip(doing))]
fn flow(victim: u64, worker: u64, number: u64, doing: &mut Worker) -> u64 {
    while doing.is_within(number) {
        doing.pause();
        doing.step();
        doing.say_step();
    }
    if doing.is_done() {
        rest(victim, worker, doing.returned.steps);
    }
    number
}

#[workflow(name = "flow", session = "matrix", skip(doing))]
async fn flow_somewhere(victim: u64, worker: u64, number: u64, doing: &mut Worker) -> u64 {
    while doing.is_within(number) {
        if !doing.load.pause.is_zero() {
            tokio::time::sleep(doing.load.pause).await;
        }
        step_somewhere(victim, worker, doing.returned.steps).await;
        doing.say_step();
    }
    if doing.is_done() {
        std::future::pending::<()>().await;
    }
    number
}

impl Worker {
    fn is_within(&self, workflow: u64) -> bool {
        !self.is_done() && self.returned.steps < (workflow + 1) * self.load.steps_a_workflow
    }

    fn is_done(&self) -> bool {
        self.returned.steps >= self.load.steps
    }

    fn pause(&self) {
        if !self.load.pause.is_zero() {
            std::thread::sleep(self.load.pause);
        }
    }

    fn step(&self) {
        let (load, number) = (&self.load, self.returned.steps);
        if load.model_every > 0 && number % load.model_every == load.model_every - 1 {
            let prompt = "why? ".repeat(load.prompt_bytes / 5);
            ask(load.victim, self.number, number, &prompt);
        } else {
            step(load.victim, self.number, number);
        }
    }

    fn say_step(&mut self) {
        self.returned.steps += 1;
        self.say(0, self.returned.steps);
    }

    fn say_workflow(&mut self) {
        self.returned.workflows += 1;
        self.say(8, self.returned.workflows);
    }

    fn say(&self, offset: u64, count: u64) {
        let at = self.number * BYTES_A_WORKER as u64 + offset;
        self.witness.write_all_at(&count.to_le_bytes(), at).expect("the witness is writable");
    }

    fn work(mut self) {
        loop {
            let number = self.returned.workflows;
            flow(self.load.victim, self.number, number, &mut self);
            self.say_workflow();
        }
    }

    async fn wander(mut self) {
        loop {
            let number = self.returned.workflows;
            flow_somewhere(self.load.victim, self.number, number, &mut self).await;
            self.say_workflow();
        }
    }
}

impl Load {
    /// As arguments of a program.
    pub fn arguments(&self) -> Vec<String> {
        let numbers = [
            self.victim,
            self.workers,
            self.steps,
            self.steps_a_workflow,
            self.pause.as_micros() as u64,
            self.model_every,
            self.prompt_bytes as u64,
            u64::from(self.wanders),
        ];
        numbers.iter().map(u64::to_string).collect()
    }

    fn from_arguments(arguments: &[String]) -> Option<Self> {
        let numbers: Vec<u64> = arguments.iter().map(|text| text.parse().ok()).collect::<Option<_>>()?;
        let &[victim, workers, steps, steps_a_workflow, pause, model_every, prompt_bytes, wanders] = &*numbers else {
            return None;
        };
        Some(Self {
            victim,
            workers,
            steps,
            steps_a_workflow,
            pause: Duration::from_micros(pause),
            model_every,
            prompt_bytes: prompt_bytes as usize,
            wanders: wanders == 1,
        })
    }
}

/// First arguments of the programs that trace.
pub const TASKS: [&str; 5] = ["victim", "heir", "hold", "outlived", "return"];
const PLAYS: [&str; 3] = ["hold", "outlived", "return"];

/// What a program is that the matrix starts: `victim <witness> <load>` is killed, `heir` takes over, delivers and ends.
///
/// # Panics
///
/// If it is given something else.
pub fn main(arguments: &[String]) {
    let guard = spanwright::init();
    let [task, rest @ ..] = arguments else { panic!("no task") };
    if PLAYS.contains(&task.as_str()) {
        return super::scenes::play(task, guard, rest.first().and_then(|steps| steps.parse().ok()).unwrap_or(1));
    }
    if task == "heir" {
        let flushed = guard.flush(Duration::from_secs(60));
        return say(&format!("delivered {} pending {}", flushed.is_delivered, flushed.pending));
    }
    let [witness, load @ ..] = rest else { panic!("no witness") };
    let load = Arc::new(Load::from_arguments(load).expect("a load"));
    let witness = Arc::new(File::options().write(true).open(witness).expect("the witness is there"));
    let workers = (0..load.workers).map(|number| Worker {
        load: load.clone(),
        witness: witness.clone(),
        number,
        returned: Returned::default(),
    });
    say("ready");
    if load.wanders {
        let tokio = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let tokio = tokio.expect("a runtime");
        workers.for_each(|worker| drop(tokio.spawn(worker.wander())));
        tokio.block_on(std::future::pending::<()>());
    } else {
        workers.for_each(|worker| drop(std::thread::spawn(|| worker.work())));
    }
    loop {
        std::thread::park();
    }
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}
