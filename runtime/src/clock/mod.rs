//! Time stamps: nanoseconds since the Unix epoch, read from the monotonic clock.
//!
//! One wall-clock anchor is taken per process; every stamp is that anchor plus monotonic time since. A step of the wall
//! clock therefore never makes a span end before it starts.

use std::sync::OnceLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

struct Anchor {
    monotonic: Instant,
    unix_ns: u64,
}

static ANCHOR: OnceLock<Anchor> = OnceLock::new();

/// Now, in nanoseconds since the Unix epoch.
pub(crate) fn now_unix_ns() -> u64 {
    let anchor = ANCHOR.get_or_init(|| Anchor { monotonic: Instant::now(), unix_ns: wall_unix_ns() });
    anchor.unix_ns + anchor.monotonic.elapsed().as_nanos() as u64
}

fn wall_unix_ns() -> u64 {
    // A clock before 1970 gives 0, which MLflow stores as 1970.
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64)
}
