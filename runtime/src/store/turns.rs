//! Threads of one process take turns at writing to one store, in the order they came.
//!
//! SQLite lets a writer that waits look again after a while. One that writes without a pause, as a collector with much to catch up on,
//! would leave it no gap to find.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Who may write.
#[derive(Debug, Default)]
pub(super) struct Turns {
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
pub(super) struct Turn<'t>(&'t Turns);

impl Turns {
    /// Waits for the turns of all who came before.
    pub(super) fn wait(&self) -> Turn<'_> {
        let mut state = self.state();
        let mine = state.next;
        state.next += 1;
        while state.called != mine {
            state = self.passed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        Turn(self)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each change is one assignment: a panic in between leaves nothing half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.state().called += 1;
        self.0.passed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn who_comes_first_writes_first_and_nobody_is_passed_over() {
        let turns = Turns::default();
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
