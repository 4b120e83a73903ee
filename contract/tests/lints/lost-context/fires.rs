use std::thread;
use tokio::task::{self, JoinSet, spawn_blocking as block};
use tokio::spawn as go;

use spanwright::node;

mod work {
    pub use tokio::spawn as start;
    pub fn nothing() {}
}

#[node]
async fn tasks(runtime: &tokio::runtime::Handle) {
    tokio::spawn(step());
    go(async { step().await });
    task::spawn_local(step());
    block(|| 1);
    crate::work::start(step());
    let mut set = JoinSet::new();
    set.spawn(step());
    let set: JoinSet<()> = Default::default();
    set.spawn_blocking(|| ());
    runtime.spawn(step());
    tokio::runtime::Handle::current().spawn(step());
    let tasks = vec![tokio::spawn(step())];
    // Too late: the task is not in the span any more.
    tokio::spawn(async { step().in_current_span().await });
}

#[node]
fn threads() {
    thread::spawn(|| ());
    thread::Builder::new().name("reader".to_owned()).spawn(|| ()).unwrap();
    let builder = std::thread::Builder::new().stack_size(1 << 20);
    builder.spawn(|| ()).unwrap();
    thread::scope(|scope| {
        scope.spawn(|| ());
        scope.spawn(move || spanwright::Context::current().run(|| ()));
    });
    rayon::spawn(|| ());
    rayon::scope(|s| s.spawn(|_| ()));
}

mod globs {
    use tokio::task::*;

    #[spanwright::tool]
    fn through_a_glob() {
        spawn(async {});
    }
}

#[spanwright::tool]
fn in_a_block() {
    if true {
        use tokio::spawn as start;
        start(async {});
    }
}

async fn step() {}
