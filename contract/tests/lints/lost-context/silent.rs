use std::future::Future;
use std::process::Command;
use std::thread;

use spanwright::{Context, InCurrentSpan, node, scheduled, spawn};

#[node]
async fn carried() {
    spawn(step());
    spanwright::spawn_blocking(|| 1);
    tokio::spawn(step().in_current_span());
    let work = step().in_context(Context::current());
    tokio::spawn(work);
    tokio::spawn(Box::pin(step().in_current_span()));
    let context = Context::current();
    tokio::spawn(async move { step().in_context(context.clone()).await });
    tokio::spawn(spanwright::session_context(Some("a")).scope(step()));
    // A trace of its own is what it is for.
    tokio::spawn(every_night());
    // It has taken its parent when the call returns.
    tokio::spawn(eager());
}

#[node]
fn threads(context: Context) {
    thread::spawn(Context::current().wrap(|| ()));
    let given = context.clone();
    thread::spawn(move || given.run(|| ()));
    thread::scope(|scope| {
        scope.spawn(|| {
            let _entered = context.enter();
        });
    });
    rayon::scope(|s| s.spawn(|_| context.run(|| ())));
    let work = move || worker(&context);
    thread::spawn(work);
}

struct Pool {
    context: Context,
}

impl Pool {
    #[node]
    fn start(&self) {
        thread::spawn(self.context.clone().wrap(|| ()));
    }
}

#[node]
fn others(pool: &OwnPool) {
    // A process, and a pool nobody knows.
    Command::new("ls").spawn().unwrap();
    pool.spawn(|| ());
    local::spawn(|| ());
}

#[node]
fn shadowed() {
    let set = tokio::task::JoinSet::new();
    let set = own_set();
    set.spawn(step());
}

#[node]
fn allowed() {
    // spanwright: allow(lost-context) the log line may come late,
    // and nothing in it is annotated
    thread::Builder::new()
        .name("log".to_owned())
        .spawn(|| ());
}

// Not annotated, so no span is lost here.
fn plain() {
    thread::spawn(|| ());
}

mod local {
    pub fn spawn(work: impl FnOnce()) {
        work()
    }
}

#[scheduled]
async fn every_night() {}

#[node]
fn eager() -> impl Future<Output = ()> {
    async {}
}

async fn step() {}
