//! A flush waits for evaluations, on whatever thread it is called and whoever has lost their handle.

use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use spanwright::AgentConfig;
use spanwright_models::{Evaluated, Evaluator, ManagedModel, Model, ModelError, Reply, Request, Score};

struct Parrot;

impl Model for Parrot {
    fn name(&self) -> &str {
        "parrot"
    }
    fn provider(&self) -> &str {
        "test"
    }
    async fn complete(&self, _: &Request) -> Result<Reply, ModelError> {
        Ok(Reply::text("hello"))
    }
}

/// Scores once it is let, and keeps the thread of evaluations until then.
fn judging(when: Receiver<()>) -> impl Fn(&Evaluated) -> Score + Send + Sync + 'static {
    let when = Mutex::new(when);
    move |_| {
        let _ = when.lock().expect("no panic").recv();
        Score::from(0.25)
    }
}

fn managed(when: Receiver<()>) -> ManagedModel<Parrot> {
    let managed = ManagedModel::new(AgentConfig::new("parrot"), Parrot).expect("it is enabled");
    managed.evaluated_by(Evaluator::new().check("patience", judging(when)))
}

#[tokio::test(flavor = "current_thread")]
async fn a_flush_waits_for_what_judges_say_and_counts_who_has_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let said = std::sync::Arc::new(Mutex::new(Vec::new()));
    let lines = said.clone();
    let guard = spanwright::builder()
        .store(folder.path())
        .tracking_uri("")
        .flush_timeout(Duration::from_millis(100))
        .diagnostics(move |line| lines.lock().expect("no panic").push(line.to_owned()))
        .install()
        .expect("nothing is installed yet");
    let (let_judge, when): (Sender<()>, _) = channel();
    let managed = managed(when);

    let run = managed.run("say hello", "ann").await.expect("an answer");
    let trace = run.tracker.trace_id().expect("recorded");
    drop(run);
    // Nobody has judged, and the flush has to end.
    let early = guard.flush(Duration::from_millis(50));
    assert_eq!(early.unfinished, 1);
    // The only thread of this runtime waits in the flush; the judge has one of its own.
    let letting = thread::spawn(move || {
        thread::sleep(Duration::from_millis(100));
        let _ = let_judge.send(());
        let_judge
    });
    let flushed = guard.flush(Duration::from_secs(60));
    assert_eq!((flushed.unfinished, flushed.is_stored), (0, true));
    let let_judge = letting.join().expect("no panic");
    let scores = guard.store().expect("a store").assessments(trace).expect("it reads");
    assert_eq!(
        scores.iter().map(|one| (one.name.as_str(), one.value.as_str())).collect::<Vec<_>>(),
        [("patience", "0.25")]
    );

    // A program that ends before its judges says what is missing.
    drop(managed.run("say hello", "ann").await.expect("an answer"));
    let report = guard.shutdown();
    assert_eq!(report.unfinished, 1);
    let said = said.lock().expect("no panic").clone();
    assert!(said.iter().any(|line| line.contains("before 1 of its evaluations")), "{said:?}");
    drop(let_judge);
}
