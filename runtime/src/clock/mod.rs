//! Time stamps: nanoseconds since the Unix epoch, read from the monotonic clock.
//!
//! One wall-clock anchor is taken per process; every stamp is that anchor plus monotonic time since. A step of the wall
//! clock therefore never makes a span end before it starts.
//!
//! Where the processor counts time at a constant rate, a stamp is read from its counter, at a tenth of what the operating system
//! takes. The collector measures the counter against the monotonic clock and sets it right at each of its cycles. Where nobody has done
//! so lately, or the two have parted, a stamp is read from the operating system.

mod counter;

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

struct Anchor {
    monotonic: Instant,
    unix_ns: u64,
}

static ANCHOR: OnceLock<Anchor> = OnceLock::new();

/// What turns the counter into a time. In one place, as every stamp reads all of it.
struct Scale {
    /// Nanoseconds of one tick, in units of 2^-32; 0 before it is measured. It never changes then, so that the offset alone says what the
    /// time is.
    rate: AtomicU64,
    /// The counter when it was last set right; [`NEVER`] where it is not used.
    set_at: AtomicU64,
    /// The time at tick 0, wrapping.
    offset: AtomicU64,
}

static SCALE: Scale = Scale { rate: AtomicU64::new(0), set_at: AtomicU64::new(NEVER), offset: AtomicU64::new(0) };

/// No counter gets near it.
const NEVER: u64 = 1 << 63;
/// Ticks for which the counter is believed after it was set right: some seconds, as a store may take to write.
const FRESH: u64 = 1 << 34;

/// Now, in nanoseconds since the Unix epoch.
#[inline]
pub(crate) fn now_unix_ns() -> u64 {
    let rate = SCALE.rate.load(Ordering::Relaxed);
    if rate != 0 {
        let ticks = counter::read();
        if ticks.wrapping_sub(SCALE.set_at.load(Ordering::Acquire)) < FRESH {
            return elapsed(ticks, rate).wrapping_add(SCALE.offset.load(Ordering::Relaxed));
        }
    }
    of_the_system()
}

#[inline]
fn elapsed(ticks: u64, rate: u64) -> u64 {
    ((u128::from(ticks) * u128::from(rate)) >> 32) as u64
}

#[inline(never)]
fn of_the_system() -> u64 {
    let anchor = ANCHOR.get_or_init(|| Anchor { monotonic: Instant::now(), unix_ns: wall_unix_ns() });
    anchor.unix_ns + anchor.monotonic.elapsed().as_nanos() as u64
}

fn wall_unix_ns() -> u64 {
    // A clock before 1970 gives 0, which MLflow stores as 1970.
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64)
}

/// Keeps the counter at the time of the operating system. The first of a process does, others do nothing.
#[derive(Debug)]
pub(crate) struct Steering {
    stage: Stage,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    Measuring { since: Moment },
    Steering { rate: u64 },
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
            let unix_ns = of_the_system();
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

    /// Starts to measure, if there is a counter to be measured and nobody else does.
    pub(crate) fn start() -> Self {
        static TAKEN: AtomicBool = AtomicBool::new(false);
        let free = counter::is_steady() && !TAKEN.swap(true, Ordering::Relaxed);
        Self { stage: if free { Stage::Measuring { since: Moment::now() } } else { Stage::Off } }
    }

    /// Sets the counter right. To be called several times a second.
    pub(crate) fn adjust(&mut self) {
        match self.stage {
            Stage::Measuring { since } => self.measure(since, Moment::now()),
            Stage::Steering { rate } => self.steer(rate, Moment::now()),
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
        SCALE.rate.store(rate, Ordering::Relaxed);
        SCALE.offset.store(now.unix_ns.wrapping_sub(elapsed(now.ticks, rate)), Ordering::Relaxed);
        SCALE.set_at.store(now.ticks, Ordering::Release);
        self.stage = Stage::Steering { rate };
    }

    fn steer(&mut self, rate: u64, now: Moment) {
        let offset = SCALE.offset.load(Ordering::Relaxed);
        let shown = elapsed(now.ticks, rate).wrapping_add(offset);
        if shown.abs_diff(now.unix_ns) > Self::MOST_WRONG_NS {
            SCALE.set_at.store(NEVER, Ordering::Release);
            self.stage = Stage::Off;
            return;
        }
        // A counter ahead of the clock waits for it: stamps never go back.
        SCALE.offset.store(offset.wrapping_add(now.unix_ns.saturating_sub(shown)), Ordering::Relaxed);
        SCALE.set_at.store(now.ticks, Ordering::Release);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn the_counter_shows_the_time_of_the_system_never_goes_back_and_is_given_up_once_they_part() {
        let mut steering = Steering { stage: Stage::Measuring { since: Moment::now() } };
        let mut last = 0;
        let start = Instant::now();
        while start.elapsed().as_millis() < 300 {
            steering.adjust();
            for _ in 0..1000 {
                let now = now_unix_ns();
                assert!(now >= last, "{now} after {last}");
                last = now;
            }
        }
        assert_eq!(counter::is_steady(), matches!(steering.stage, Stage::Steering { .. }));
        assert!(now_unix_ns().abs_diff(of_the_system()) < Steering::MOST_WRONG_NS);

        let parted = Moment { unix_ns: now_unix_ns() + 2 * Steering::MOST_WRONG_NS, ..Moment::now() };
        steering.steer(SCALE.rate.load(Ordering::Relaxed), parted);
        assert!(matches!(steering.stage, Stage::Off));
        assert_eq!(SCALE.set_at.load(Ordering::Relaxed), NEVER);
    }
}
