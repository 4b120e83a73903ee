use std::sync::{Arc, Mutex};

use spanwright::{node, tool};

#[node(skip(shared), redact(hidden), debug(shown))]
fn plan(shared: &Mutex<State>, hidden: Arc<Mutex<State>>, shown: &Mutex<State>) {}

#[tool(capture = "none")]
fn quiet(shared: &Mutex<State>) {}

#[tool]
fn unnamed(_shared: &Mutex<State>, guard: MutexGuard<'_, State>, make: fn() -> Mutex<State>) {}

// One that cannot be serialised, so nobody takes it.
mod later {
    use tokio::sync::Mutex;

    #[spanwright::tool]
    fn shared(shared: &Mutex<u32>, other: &tokio::sync::RwLock<u32>) {}
}

mod globs {
    use spanwright::*;
    use tokio::sync::*;

    #[tool]
    fn shared(shared: &Mutex<u32>, other: &tokio::sync::RwLock<u32>) {}
}

fn plain(shared: &Mutex<State>) {}
