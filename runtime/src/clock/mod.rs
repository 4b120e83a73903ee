//! Time stamps: nanoseconds since the Unix epoch, read from the monotonic clock.
//!
//! One wall-clock anchor is taken per process; every stamp is that anchor plus monotonic time since. A step of the wall
//! clock therefore never makes a span end before it starts.
//!
//! Where the operating system itself tells the time by the processor's counter, a stamp is read from that, at a tenth of what asking
//! the system takes. The collector measures the counter against the monotonic clock and sets it right at each of its cycles. Where
//! nobody has done so lately, or the two have parted, a stamp is read from the operating system.

mod counter;

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

struct Anchor {
    monotonic: Instant,
    unix_ns: u64,
}

static ANCHOR: OnceLock<Anchor> = OnceLock::new();

/// What turns the counter into a time. In one place, as every stamp reads most of it.
#[derive(Debug)]
struct Scale {
    /// Nanoseconds of one tick, in units of 2^-32; 0 before it is measured. It never changes then, so that the offset alone says what the
    /// time is.
    rate: AtomicU64,
    /// The counter when it was last set right; [`NEVER`] where it is not used.
    set_at: AtomicU64,
    /// The time at tick 0, wrapping.
    offset: AtomicU64,
    /// No stamp of the system is before it: where a counter given up stood.
    floor: AtomicU64,
}

static SCALE: Scale = Scale::new();

/// No counter gets near it.
const NEVER: u64 = 1 << 63;
/// Ticks for which the counter is believed after it was set right: some seconds, as a store may take to write.
const FRESH: u64 = 1 << 34;

/// Now, in nanoseconds since the Unix epoch.
#[inline]
pub(crate) fn now_unix_ns() -> u64 {
    SCALE.now_unix_ns()
}

/// The same, where the counter is believed.
#[inline(always)]
pub(crate) fn counted_unix_ns() -> Option<u64> {
    SCALE.counted_unix_ns()
}

impl Scale {
    const fn new() -> Self {
        Self {
            rate: AtomicU64::new(0),
            set_at: AtomicU64::new(NEVER),
            offset: AtomicU64::new(0),
            floor: AtomicU64::new(0),
        }
    }

    #[inline]
    fn now_unix_ns(&self) -> u64 {
        self.counted_unix_ns().unwrap_or_else(|| self.of_the_system())
    }

    #[inline(always)]
    fn counted_unix_ns(&self) -> Option<u64> {
        let rate = self.rate.load(Ordering::Relaxed);
        if rate == 0 {
            return None;
        }
        let ticks = counter::read();
        let is_fresh = ticks.wrapping_sub(self.set_at.load(Ordering::Acquire)) < FRESH;
        is_fresh.then(|| elapsed(ticks, rate).wrapping_add(self.offset.load(Ordering::Relaxed)))
    }

    /// Slower, and never before where a counter that was given up stood.
    #[inline(never)]
    fn of_the_system(&self) -> u64 {
        system_unix_ns().max(self.floor.load(Ordering::Relaxed))
    }

    /// The time by the counter, believed or not.
    fn shown(&self, ticks: u64) -> u64 {
        elapsed(ticks, self.rate.load(Ordering::Relaxed)).wrapping_add(self.offset.load(Ordering::Relaxed))
    }
}

#[inline]
fn elapsed(ticks: u64, rate: u64) -> u64 {
    ((u128::from(ticks) * u128::from(rate)) >> 32) as u64
}

fn system_unix_ns() -> u64 {
    let anchor = ANCHOR.get_or_init(|| Anchor { monotonic: Instant::now(), unix_ns: wall_unix_ns() });
    anchor.unix_ns + anchor.monotonic.elapsed().as_nanos() as u64
}

fn wall_unix_ns() -> u64 {
    // A clock before 1970 gives 0, which MLflow stores as 1970.
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64)
}

/// Whether somebody steers in this process.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// In a process that was just forked: whoever steered is not there any more.
pub(crate) fn start_over() {
    TAKEN.store(false, Ordering::Relaxed);
}

/// Keeps the counter at the time of the operating system. The first of a process does, others do nothing.
#[derive(Debug)]
pub(crate) struct Steering {
    scale: &'static Scale,
    stage: Stage,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    Measuring { since: Moment },
    Steering,
    Off,
}

/// What the counter and the operating system said at once.
#[derive(Clone, Copy, Debug)]
struct Moment {
    ticks: u64,
    unix_ns: u64,
}

impl Moment {
    /// The best of a few tries: one that is interrupted half way says little.
    fn now() -> Self {
        let tries = [(); 5].map(|()| {
            let before = counter::read();
            let unix_ns = system_unix_ns();
            let took = counter::read().wrapping_sub(before);
            (took, Self { ticks: before.wrapping_add(took / 2), unix_ns })
        });
        tries.into_iter().min_by_key(|(took, _)| *took).map_or(Self { ticks: 0, unix_ns: 0 }, |(_, moment)| moment)
    }
}

impl Steering {
    /// Time over which the rate is measured; what one reading is wrong by is a millionth of it.
    const MEASURED_NS: u64 = 100_000_000;
    /// The rate is held back by this part of it, so that setting the counter right means moving it on.
    const HELD_BACK: u64 = 1 << 16;
    /// A counter that is wrong by more has been stopped or changed, and is not used again.
    const MOST_WRONG_NS: u64 = 1_000_000;
    /// So far ahead the counter starts where the system was asked before: a thread may have asked it since it was compared.
    const STARTS_AHEAD_NS: u64 = 2_000;
    /// For no longer do stamps stand still once a counter that went ahead is given up. One that jumped, as in a sleep of the machine, is
    /// not waited for.
    const LONGEST_WAIT_NS: u64 = 20_000_000;

    /// Starts to measure, if there is a counter to be measured and nobody else does.
    pub(crate) fn start() -> Self {
        let is_first = !TAKEN.swap(true, Ordering::Relaxed);
        Self::of(&SCALE, is_first && counter::is_steady())
    }

    fn of(scale: &'static Scale, is_on: bool) -> Self {
        let is_measured = scale.rate.load(Ordering::Relaxed) != 0;
        // Measured already in a process that was forked; in use, or given up there.
        let is_in_use = scale.set_at.load(Ordering::Relaxed) != NEVER;
        let stage = match (is_on, is_measured) {
            (true, false) => Stage::Measuring { since: Moment::now() },
            (true, true) if is_in_use => Stage::Steering,
            _ => Stage::Off,
        };
        Self { scale, stage }
    }

    /// Sets the counter right. To be called several times a second.
    pub(crate) fn adjust(&mut self) {
        match self.stage {
            Stage::Measuring { since } => self.measure(since, Moment::now()),
            Stage::Steering => self.steer(Moment::now()),
            Stage::Off => {}
        }
    }

    fn measure(&mut self, since: Moment, now: Moment) {
        let (ticks, ns) = (now.ticks.wrapping_sub(since.ticks), now.unix_ns - since.unix_ns);
        if ns < Self::MEASURED_NS || ticks == 0 {
            return;
        }
        let rate = ((u128::from(ns) << 32) / u128::from(ticks)) as u64;
        let rate = rate - rate / Self::HELD_BACK;
        self.scale.rate.store(rate, Ordering::Relaxed);
        let starts_at = now.unix_ns + Self::STARTS_AHEAD_NS;
        self.scale.offset.store(starts_at.wrapping_sub(elapsed(now.ticks, rate)), Ordering::Relaxed);
        self.scale.set_at.store(now.ticks, Ordering::Release);
        self.stage = Stage::Steering;
    }

    fn steer(&mut self, now: Moment) {
        let shown = self.scale.shown(now.ticks);
        if shown.abs_diff(now.unix_ns) > Self::MOST_WRONG_NS {
            return self.give_up(shown.saturating_sub(now.unix_ns));
        }
        // A counter ahead of the clock waits for it: stamps never go back.
        let is_believed = now.ticks.wrapping_sub(self.scale.set_at.load(Ordering::Relaxed)) < FRESH;
        let right = now.unix_ns + if is_believed { 0 } else { Self::STARTS_AHEAD_NS };
        self.scale.offset.fetch_add(right.saturating_sub(shown), Ordering::Relaxed);
        self.scale.set_at.store(now.ticks, Ordering::Release);
    }

    fn give_up(&mut self, ahead: u64) {
        self.stage = Stage::Off;
        if (1..=Self::LONGEST_WAIT_NS).contains(&ahead) {
            self.scale.floor.store(self.scale.shown(counter::read()), Ordering::Relaxed);
        }
        self.scale.set_at.store(NEVER, Ordering::Release);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// A scale of this test alone, and who steers it.
    fn steering() -> Steering {
        Steering::of(Box::leak(Box::new(Scale::new())), counter::is_steady())
    }

    /// Reads the clock of `steering` on this and another thread while it is adjusted, for so long.
    fn run_for(steering: &mut Steering, ms: u128) {
        let (scale, start) = (steering.scale, Instant::now());
        let read = || {
            let mut last = 0;
            move || {
                let now = scale.now_unix_ns();
                assert!(now >= last, "{now} after {last}");
                last = now;
            }
        };
        std::thread::scope(|scope| {
            scope.spawn(move || {
                let mut read = read();
                while start.elapsed().as_millis() < ms {
                    (0..1000).for_each(|_| read());
                }
            });
            let mut read = read();
            while start.elapsed().as_millis() < ms {
                steering.adjust();
                (0..1000).for_each(|_| read());
            }
        });
    }

    #[test]
    fn the_counter_shows_the_time_of_the_system_and_never_goes_back() {
        let mut steering = steering();
        run_for(&mut steering, 300);
        assert_eq!(counter::is_steady(), matches!(steering.stage, Stage::Steering));
        assert!(steering.scale.now_unix_ns().abs_diff(system_unix_ns()) < Steering::MOST_WRONG_NS);
    }

    #[test]
    fn a_counter_that_went_ahead_is_given_up_and_time_stands_still_until_the_system_has_caught_up() {
        let mut steering = steering();
        run_for(&mut steering, 150);
        if !counter::is_steady() {
            return;
        }
        let scale = steering.scale;
        scale.offset.fetch_add(3 * Steering::MOST_WRONG_NS, Ordering::Relaxed);
        let last = scale.now_unix_ns();
        steering.adjust();
        assert!(matches!(steering.stage, Stage::Off));
        let stands = scale.now_unix_ns();
        assert!(stands >= last, "{stands} after {last}");
        while system_unix_ns() < stands {}
        assert!(scale.now_unix_ns() > stands);
    }

    #[test]
    fn a_counter_that_jumped_is_given_up_and_not_waited_for() {
        for jump in [10_000_000_000, 10_000_000_000u64.wrapping_neg()] {
            let mut steering = steering();
            run_for(&mut steering, 150);
            steering.scale.offset.fetch_add(jump, Ordering::Relaxed);
            steering.adjust();
            assert!(!counter::is_steady() || matches!(steering.stage, Stage::Off));
            assert!(steering.scale.now_unix_ns().abs_diff(system_unix_ns()) < Steering::MOST_WRONG_NS);
        }
    }

    #[test]
    fn a_counter_nobody_set_right_lately_is_not_asked() {
        let scale: &'static Scale = Box::leak(Box::new(Scale::new()));
        scale.rate.store(1, Ordering::Relaxed);
        for set_at in [counter::read().wrapping_sub(FRESH), counter::read().wrapping_add(FRESH)] {
            scale.set_at.store(set_at, Ordering::Relaxed);
            assert!(scale.now_unix_ns().abs_diff(system_unix_ns()) < Steering::MOST_WRONG_NS);
        }
    }
}
