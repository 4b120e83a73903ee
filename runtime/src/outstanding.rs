//! Work beside the program's own that a flush waits for, such as an evaluation of what a run came to.
//!
//! In: that such work has begun and ended. Out: whether what had begun by some moment has ended. Who does the work, and on which thread, is
//! decided elsewhere.

use std::sync::{Arc, Mutex, MutexGuard, TryLockError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use crate::fork;

/// How long is waited between two looks.
const PAUSE: Duration = Duration::from_millis(2);
/// A process may be forked while another of its threads has the list; nobody has it for longer than this.
const TRIES: u32 = 100;

/// What has begun, in which process.
type Begun = Vec<(u32, Weak<()>)>;

static BEGUN: Mutex<Begun> = Mutex::new(Vec::new());

/// Work that a flush waits for, until this and its clones are dropped. See [`outstanding`].
#[derive(Clone, Debug)]
#[must_use = "a flush waits only as long as this is kept"]
pub struct Outstanding {
    _kept: Arc<()>,
}

/// Says that work has begun whose telemetry belongs to what a flush is for: [`Guard::flush`](crate::Guard::flush) and the end of the guard
/// wait for what had begun before them, as long as they may.
///
/// ```
/// let outstanding = spanwright::outstanding();
/// std::thread::spawn(move || {
///     // … what a flush is to wait for …
///     drop(outstanding);
/// });
/// ```
pub fn outstanding() -> Outstanding {
    let kept = Arc::new(());
    if let Some(mut begun) = hold() {
        begun.retain(|(generation, kept)| *generation == fork::generation() && kept.strong_count() > 0);
        begun.push((fork::generation(), Arc::downgrade(&kept)));
    }
    Outstanding { _kept: kept }
}

/// Waits until what has begun by now has ended. Counts what has not by then.
pub(crate) fn wait_until(deadline: Instant) -> usize {
    let mut begun: Vec<_> = hold().map(|begun| begun.clone()).unwrap_or_default();
    loop {
        begun.retain(|(generation, kept)| *generation == fork::generation() && kept.strong_count() > 0);
        let left = deadline.saturating_duration_since(Instant::now());
        if begun.is_empty() || left.is_zero() {
            return begun.len();
        }
        thread::sleep(PAUSE.min(left));
    }
}

fn hold() -> Option<MutexGuard<'static, Begun>> {
    (0..TRIES).find_map(|_| match BEGUN.try_lock() {
        Ok(begun) => Some(begun),
        Err(TryLockError::Poisoned(begun)) => Some(begun.into_inner()),
        Err(TryLockError::WouldBlock) => {
            thread::sleep(PAUSE / 20);
            None
        }
    })
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn what_has_begun_is_waited_for_and_what_lasts_is_counted() {
        let (first, lasting) = (outstanding(), outstanding());
        let ended = thread::spawn(move || drop(first));
        assert!(wait_until(Instant::now() + Duration::from_millis(20)) >= 1, "one lasts");
        ended.join().expect("no panic");
        drop(lasting.clone());
        assert!(wait_until(Instant::now()) >= 1, "its clone was not the last");
        drop(lasting);
        assert_eq!(wait_until(Instant::now() + Duration::from_secs(60)), 0);
    }
}
