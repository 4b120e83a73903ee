//! CPU time and memory of this process and its threads. Linux only.

use std::fs;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use rustix::time::{ClockId, clock_gettime};

/// Everything that is measured runs inside of this function. Callgrind finds it by its name and counts what happens in it, on whichever thread.
#[inline(never)]
pub fn measured(work: &mut dyn FnMut()) {
    work();
    // Not the last thing here, or the call would be a jump and callgrind would not see this function end.
    std::hint::black_box(());
}

/// CPU time of the calling thread, nanoseconds.
pub fn thread_ns() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    u64::try_from(time.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap_or(0)
}

/// Name of the threads that carry tasks.
pub(crate) const WORKER: &str = "load-worker";

/// CPU time of all of them, nanoseconds.
pub(crate) fn workers_ns() -> Result<u64, String> {
    let tasks = fs::read_dir("/proc/self/task").map_err(|error| error.to_string())?;
    let mut sum = 0;
    for task in tasks.flatten().map(|task| task.path()) {
        let read = |name: &str| fs::read_to_string(task.join(name)).unwrap_or_default();
        if read("comm").trim() == WORKER {
            sum += read("schedstat").split(' ').next().and_then(|ns| ns.parse::<u64>().ok()).unwrap_or(0);
        }
    }
    Ok(sum)
}

/// Memory this process holds now, bytes.
pub(crate) fn resident_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) * 1024
}

/// A future whose polls are measured.
pub(crate) struct MeasuredPolls<F>(pub(crate) Pin<Box<F>>);

impl<F: Future> Future for MeasuredPolls<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let mut polled = Poll::Pending;
        measured(&mut || polled = self.0.as_mut().poll(context));
        polled
    }
}
