//! What happens in a round, drawn from a seed: the same seed and round are the same plan.

use std::time::Duration;

use super::victim::Load;

/// When the killer strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aim {
    /// So long after the victims started to trace.
    Anywhere(Duration),
    /// The same, while another process holds the write lock of the store.
    StoreHeld(Duration),
    /// So long after a request came in; the server is slow to answer.
    MidRequest(Duration),
    /// So long after the server has answered.
    Answered(Duration),
    /// So long after victims were started, with others before them killed and not taken over; or so long after they began to.
    Recovering {
        /// The time.
        delay: Duration,
        /// Counted from when they began to take over.
        begun: bool,
    },
}

/// Who takes over, and delivers, after the kill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heir {
    /// The next program that traces.
    NextStart,
    /// `push`.
    Push,
    /// Ten programs that start together.
    TenStarts,
}

/// One round.
#[derive(Clone, Debug)]
pub struct Plan {
    /// When the victims are killed.
    pub aim: Aim,
    /// What each victim does.
    pub loads: Vec<Load>,
    /// Stopped first, so that it can be seen at leisure what it was at.
    pub is_stopped_first: bool,
    /// Who takes over.
    pub heir: Heir,
    /// Chunks on the heap.
    pub is_on_heap: bool,
}

/// How much a round may cost.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Steps of all victims together, at most.
    pub steps: u64,
    /// The longest pause between two steps; the shortest is none.
    pub slowest: Duration,
    /// The shortest pause.
    pub fastest: Duration,
    /// At most so many steps until there is a model call.
    pub model_every: u64,
}

impl Size {
    /// Few steps and many model calls: a real server takes some hundred spans a second.
    pub const FOR_A_REAL_SERVER: Self =
        Self { steps: 200, slowest: Duration::from_millis(4), fastest: Duration::from_millis(1), model_every: 3 };
}

/// Numbers that look random and are not: `SplitMix64`.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// Those of one round.
    pub fn of(seed: u64, round: u64) -> Self {
        let mut dice = Self(seed ^ round.wrapping_mul(0xd134_2543_de82_ef95));
        dice.roll();
        dice
    }

    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From `low` to `high`, both included.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.roll() % (high - low + 1)
    }

    fn one_in(&mut self, chances: u64) -> bool {
        self.between(1, chances) == 1
    }

    fn micros(&mut self, most: u64) -> Duration {
        // Short times are as likely as long ones, at every scale.
        let scale = self.between(0, 10);
        Duration::from_micros(self.between(0, most >> scale))
    }
}

impl Plan {
    /// The plan of a round.
    pub fn of(seed: u64, round: u64, size: Size) -> Self {
        let mut dice = Dice::of(seed, round);
        let aim = match dice.between(0, 9) {
            0..=3 => Aim::Anywhere(dice.micros(60_000)),
            4 => Aim::StoreHeld(dice.micros(80_000)),
            5 => Aim::MidRequest(dice.micros(20_000)),
            6 | 7 => Aim::Answered(dice.micros(2_000)),
            8 => Aim::Recovering { delay: dice.micros(20_000), begun: false },
            _ => Aim::Recovering { delay: dice.micros(4_000), begun: true },
        };
        let is_on_heap = dice.one_in(25);
        let victims = dice.between(1, 3);
        Self {
            aim,
            loads: (0..victims).map(|victim| load(&mut dice, victim, victims, size)).collect(),
            is_stopped_first: dice.one_in(2),
            heir: match dice.between(0, 15) {
                0..=3 => Heir::NextStart,
                4 => Heir::TenStarts,
                _ => Heir::Push,
            },
            is_on_heap,
        }
    }

    /// How many programs are killed.
    pub fn victims(&self) -> u64 {
        let generations = if let Aim::Recovering { .. } = self.aim { 2 } else { 1 };
        generations * self.loads.len() as u64
    }
}

fn load(dice: &mut Dice, victim: u64, victims: u64, size: Size) -> Load {
    let workers = dice.between(1, 4);
    let scale = dice.between(0, 6);
    let paused = dice.one_in(2) || !size.fastest.is_zero();
    let (fastest, slowest) = (size.fastest.as_micros() as u64, size.slowest.as_micros() as u64);
    let wanders = dice.one_in(3);
    let pause = if paused { dice.between(fastest, slowest) } else { 0 };
    Load {
        victim,
        workers,
        steps: dice.between(1, ((size.steps / victims / workers) >> scale).max(1)),
        steps_a_workflow: dice.between(1, 12),
        pause: Duration::from_micros(pause),
        model_every: if wanders { 0 } else { dice.between(2, size.model_every.max(2)) },
        // A model that answers thousands of long prompts a second is none.
        prompt_bytes: if dice.one_in(3) && pause >= 300 { 70_000 } else { 200 },
        wanders,
    }
}

impl Aim {
    /// Its name, without the time.
    pub fn name(self) -> &'static str {
        match self {
            Self::Anywhere(_) => "anywhere",
            Self::StoreHeld(_) => "store held",
            Self::MidRequest(_) => "mid-request",
            Self::Answered(_) => "answered",
            Self::Recovering { begun: false, .. } => "starting",
            Self::Recovering { begun: true, .. } => "recovering",
        }
    }
}
