//! How long to leave a server alone that does not answer.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(30);
/// Beyond this a server's own wish is not followed.
const LONGEST_WISH: Duration = Duration::from_secs(300);

/// Doubles from half a second to half a minute.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The pause after one more failure; `wish` is the server's `Retry-After`.
    pub(super) fn next(&mut self, wish: Option<Duration>) -> Duration {
        let own = FIRST.saturating_mul(1 << self.failures.min(16)).min(LONGEST);
        self.failures += 1;
        jittered(own).max(wish.unwrap_or_default().min(LONGEST_WISH))
    }

    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }
}

/// Half to all of `most`, so that many processes do not come back in step.
pub(super) fn jittered(most: Duration) -> Duration {
    let share = RandomState::new().hash_one(0u8) as u32;
    most / 2 + (most / 2).mul_f64(f64::from(share) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_limit_and_follow_the_server() {
        let mut backoff = Backoff::default();
        let pauses: Vec<_> = (0..40).map(|_| backoff.next(None)).collect();
        for (at, pause) in pauses.iter().enumerate() {
            let most = FIRST.saturating_mul(1 << at.min(16)).min(LONGEST);
            assert!(*pause >= most / 2 && *pause <= most, "{at}: {pause:?}");
        }
        assert_eq!(backoff.next(Some(Duration::from_secs(90))), Duration::from_secs(90));
        assert_eq!(backoff.next(Some(Duration::from_secs(9000))), LONGEST_WISH);
        backoff.reset();
        assert!(backoff.next(None) <= FIRST);
    }
}
