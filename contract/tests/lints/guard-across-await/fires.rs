use std::sync::Mutex;

use spanwright::{Context, node};

// Annotated or not: whoever runs on the thread meanwhile is in the wrong context.
async fn entered(context: Context) {
    let _entered = context.enter();
    step().await;
}

#[node(skip(state))]
async fn locked(state: &Mutex<u32>) {
    let mut state = state.lock().unwrap();
    *state += 1;
    if *state > 3 {
        tokio::select! {
            _ = step() => {}
        }
    }
    drop(state);
}

#[node(skip(state))]
async fn in_a_block(state: &std::sync::RwLock<u32>) {
    let future = async move {
        let _read = state.read().expect("a lock");
        println!("{}", later().await);
    };
    future.await;
}

mod sharp {
    use parking_lot::Mutex;

    #[spanwright::node(skip(state))]
    async fn locked(state: &Mutex<u32>) {
        let guard = state.lock();
        super::step().await;
    }
}

#[node(skip(state))]
async fn taken_out_of_its_result(state: &Mutex<u32>) -> Result<(), Poisoned> {
    let Ok(first) = state.lock() else { return Ok(()) };
    step().await;
    drop(first);
    if let Ok(second) = state.lock() {
        step().await;
    }
    let third = state.lock().map_err(|_| Poisoned)?;
    step().await;
    Ok(())
}

async fn step() {}
