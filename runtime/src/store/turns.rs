//! Threads of one process take turns at writing to one store, in the order they came.
//!
//! SQLite lets a writer that waits look again after a while. One that writes without a pause, as a collector with much to catch up on,
//! would leave it no gap to find.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Who may write.
#[derive(Debug)]
pub(super) struct Turns {
    /// A child made by fork has the numbers of threads it does not have: it takes no turns, and waits for SQLite alone.
    process: u32,
    state: Mutex<State>,
    passed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Number the next one to come will get.
    next: u64,
    /// Number of the one whose turn it is.
    called: u64,
}

/// The right to write, until dropped.
#[derive(Debug)]
#[must_use = "the turn ends when this is dropped"]
pub(super) struct Turn<'t>(Option<&'t Turns>);

impl Turns {
    pub(super) fn new() -> Self {
        Self { process: std::process::id(), state: Mutex::default(), passed: Condvar::new() }
    }

    /// Waits for the turns of all who came before.
    pub(super) fn wait(&self) -> Turn<'_> {
        if self.process != std::process::id() {
            return Turn(None);
        }
        let mut state = self.state();
        let mine = state.next;
        state.next += 1;
        while state.called != mine {
            state = self.passed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        Turn(Some(self))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each change is one assignment: a panic in between leaves nothing half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if let Some(turns) = self.0 {
            turns.state().called += 1;
            turns.passed.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn who_comes_first_writes_first_and_nobody_is_passed_over() {
        let turns = Turns::new();
        let order = Mutex::new(Vec::new());
        let first = turns.wait();
        std::thread::scope(|threads| {
            for number in 1..=5 {
                let (turns, order) = (&turns, &order);
                threads.spawn(move || {
                    let _turn = turns.wait();
                    order.lock().expect("no panic").push(number);
                });
                // The next one comes when this one waits.
                while turns.state().next <= number {
                    std::thread::yield_now();
                }
            }
            assert_eq!(*order.lock().expect("no panic"), [0u64; 0]);
            drop(first);
        });
        assert_eq!(*order.lock().expect("no panic"), [1, 2, 3, 4, 5]);
    }
}
