use std::sync::Mutex;

use spanwright::{Context, node};

async fn entered(context: Context) {
    {
        let _entered = context.enter();
        work();
    }
    let entered = context.enter();
    drop(entered);
    let _ = context.enter();
    step().await;
    let _entered = context.enter();
    work();
}

#[node(skip(state))]
async fn locked(state: &Mutex<Vec<u32>>, shared: &tokio::sync::Mutex<u32>, reader: &Reader) {
    let first = state.lock().unwrap().first().copied();
    let guard = state.lock().unwrap();
    give_away(guard);
    // One that is made for it.
    let guard = shared.lock().await;
    let line = reader.read();
    // Many things can be read.
    let sample = reader.read().unwrap();
    step().await;
    let later = state.lock().unwrap();
    let future = async { step().await };
    spanwright::spawn(future);
}

#[node(skip(state))]
async fn taken_out_of_its_result(state: &Mutex<Vec<u32>>) -> Result<u32, Poisoned> {
    let Ok(first) = state.lock() else { return step().await };
    drop(first);
    if let Ok(second) = state.lock() {
        drop(second);
        step().await;
    } else {
        step().await;
    }
    let third = *state.lock().map_err(|_| Poisoned)?.first().unwrap();
    step().await;
    Ok(third)
}

// Of plain functions only the context matters; clippy has a lint for their locks.
async fn plain(state: &Mutex<u32>, span: &tracing::Span) {
    let guard = state.lock().unwrap();
    let entered = span.enter();
    step().await;
}

async fn step() {}
