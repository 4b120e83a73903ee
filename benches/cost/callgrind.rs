//! Instructions of the threads that make spans, and of nothing else.

use std::fs;
use std::io;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::programs::{Call, number};

/// Says how to get valgrind if it is not there.
pub(crate) fn find() -> io::Result<()> {
    let there = Command::new("valgrind").arg("--version").output().is_ok_and(|output| output.status.success());
    let missing =
        || io::Error::other("instructions are counted by valgrind, which is not installed: `apt-get install valgrind`");
    there.then_some(()).ok_or_else(missing)
}

/// Under callgrind threads take turns, so that a thread may read the clock and go on a while later. Where our clock is then no longer believed and the
/// system is asked instead, the call is made anew, so many times at most.
const TRIES: usize = 4;

/// Instructions a span within the function `measured`, on whichever thread it runs. Start, warm-up and background threads are not in it.
fn instructions(call: &Call) -> io::Result<f64> {
    let mut least = f64::INFINITY;
    for _ in 0..TRIES {
        let (instructions, asked_system) = counted(call)?;
        least = least.min(instructions);
        if !(asked_system && call.is_ours()) {
            break;
        }
    }
    Ok(least)
}

/// One run: instructions a span, and whether the system's clock was asked in it.
fn counted(call: &Call) -> io::Result<(f64, bool)> {
    let counts = call.scratch.0.join("callgrind.out");
    let under = [
        "valgrind",
        "--tool=callgrind",
        "--collect-atstart=no",
        "--toggle-collect=*meter*measured*",
        &format!("--callgrind-out-file={}", counts.display()),
    ];
    let answer = call.run(&under.map(str::to_owned))?;
    let text = fs::read_to_string(&counts)?;
    let total = text.lines().find_map(|line| line.strip_prefix("totals:")?.trim().parse::<f64>().ok());
    let total = total.filter(|total| *total > 0.0).ok_or_else(|| io::Error::other("callgrind counted nothing"))?;
    Ok((total / number(&answer, "spans")?, text.contains("clock_gettime")))
}

/// Of each call, as many at a time as there are cores: what else runs does not change the count.
pub(crate) fn of_each(calls: &[Call]) -> io::Result<Vec<f64>> {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let next = AtomicUsize::new(0);
    let counted = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                while let Some((index, call)) = { calls.iter().enumerate().nth(next.fetch_add(1, Ordering::Relaxed)) } {
                    let result = instructions(call);
                    if let Ok(mut counted) = counted.lock() {
                        counted.push((index, result));
                    }
                }
            });
        }
    });
    let mut counted = counted.into_inner().unwrap_or_default();
    counted.sort_by_key(|(index, _)| *index);
    counted.into_iter().map(|(_, result)| result).collect()
}
