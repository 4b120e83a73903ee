//! The loads of one thread, and of tasks.

use std::future::Future;
use std::hint::black_box;
use std::io::{self, BufRead};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::thread;
use std::time::Duration;

use serde_json::json;
use tokio::runtime::{Builder, Runtime};

use crate::allocations;
use crate::meter::{self, MeasuredPolls, WORKER};
use crate::{Arguments, Report, Subject, Tree, answer};

/// How long a library gets to settle after its installation: ours measures its clock meanwhile.
const SETTLING: Duration = Duration::from_millis(400);
/// Threads of the runtime that has several, and tasks on them.
const WORKERS: usize = 2;
const TASKS: u32 = 4;

/// Gives way once. Unlike a runtime's own, it costs nothing to speak of and is the same for all.
#[derive(Debug, Default)]
pub struct Yield(bool);

impl Future for Yield {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.0, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

/// Which trees, of how many spans, on what.
#[derive(Clone, Copy, Debug)]
struct Load {
    tree: Tree,
    spans: u32,
    many_threads: bool,
}

impl Load {
    fn of(arguments: &Arguments) -> Result<Self, String> {
        let tree = match arguments.text("tree") {
            Some("empty") => Tree::Empty,
            Some("attributes") => Tree::Attributes,
            Some("report") => Tree::Report,
            Some("empty-async") => Tree::EmptyAsync,
            Some("attributes-async") => Tree::AttributesAsync,
            other => return Err(format!("no tree {other:?}")),
        };
        let spans: u32 = arguments.get("spans")?;
        if spans == 0 {
            return Err("a tree has at least its root".to_owned());
        }
        Ok(Self { tree, spans, many_threads: arguments.text("runtime") == Some("multi") })
    }
}

/// A subject and the runtimes its tasks run on.
struct Stage<S: 'static> {
    subject: &'static S,
    one: Runtime,
    many: Runtime,
    report: Option<Report>,
}

impl<S: Subject> Stage<S> {
    fn set_up(arguments: &Arguments) -> Result<Self, String> {
        let subject = Box::leak(Box::new(S::start(&arguments.setup())));
        allocations::this_thread_produces();
        let one = Builder::new_current_thread().build();
        let many = Builder::new_multi_thread()
            .worker_threads(WORKERS)
            .thread_name(WORKER)
            .on_thread_start(allocations::this_thread_produces)
            .build();
        let (one, many) = one.and_then(|one| Ok((one, many?))).map_err(|error| error.to_string())?;
        thread::sleep(SETTLING);
        Ok(Self { subject, one, many, report: Some(Report::sample()) })
    }

    /// Makes so many trees; their cost is inside of `measured`.
    fn carry(&mut self, load: Load, trees: u32) {
        if load.many_threads {
            return self.carry_on_workers(load, trees);
        }
        let Self { subject, one, report, .. } = self;
        meter::measured(&mut || {
            for _ in 0..trees {
                tree(*subject, one, report, load);
            }
        });
    }

    fn carry_on_workers(&self, load: Load, trees: u32) {
        let subject = self.subject;
        self.many.block_on(async {
            let tasks: Vec<_> = (0..TASKS)
                .map(|_| {
                    tokio::spawn(MeasuredPolls(Box::pin(async move {
                        for _ in 0..trees / TASKS {
                            tree_async(subject, load).await;
                        }
                    })))
                })
                .collect();
            for task in tasks {
                let _ = task.await;
            }
        });
    }

    fn spans(load: Load, trees: u32) -> u64 {
        let trees = if load.many_threads { trees / TASKS * TASKS } else { trees };
        u64::from(trees) * u64::from(load.spans)
    }
}

/// Makes one tree.
fn tree<S: Subject>(subject: &S, runtime: &Runtime, report: &mut Option<Report>, load: Load) {
    let children = load.spans - 1;
    match load.tree {
        Tree::Empty => subject.empty(children),
        Tree::Attributes => subject.attributes(children),
        Tree::Report => *report = report.take().map(|report| black_box(subject.report(children, report))),
        Tree::EmptyAsync | Tree::AttributesAsync => runtime.block_on(tree_async(subject, load)),
    }
}

async fn tree_async<S: Subject>(subject: &S, load: Load) {
    let children = load.spans - 1;
    if load.tree == Tree::AttributesAsync {
        subject.attributes_async(children).await;
    } else {
        subject.empty_async(children).await;
    }
}

/// One load for callgrind: as often before as within `measured`, so that all memory is there and everything is warm.
pub(crate) fn once<S: Subject>(arguments: &Arguments) -> Result<(), String> {
    let load = Load::of(arguments)?;
    let trees: u32 = arguments.get("trees")?;
    if !S::can(load.tree) {
        return Err("this subject has no such tree".to_owned());
    }
    let mut stage = Stage::<S>::set_up(arguments)?;
    if load.many_threads {
        stage.carry_on_workers(load, trees);
    } else {
        for _ in 0..trees {
            tree(stage.subject, &stage.one, &mut stage.report, load);
        }
    }
    stage.subject.flush();
    stage.carry(load, trees);
    let fate = stage.subject.flush();
    answer(&json!({ "spans": Stage::<S>::spans(load, trees), "fate": fate }))
}

/// Loads as they are asked for: one line each.
pub(crate) fn rounds<S: Subject>(arguments: &Arguments) -> Result<(), String> {
    let mut stage = Stage::<S>::set_up(arguments)?;
    for line in io::stdin().lock().lines() {
        let asked = Arguments::of_line(&line.map_err(|error| error.to_string())?);
        let load = Load::of(&asked)?;
        let trees: u32 = asked.get("trees")?;
        let counts = asked.text("measure") == Some("allocations");
        let clock = if load.many_threads { meter::workers_ns } else { || Ok(meter::thread_ns()) };
        if counts {
            allocations::start();
        }
        let start = clock()?;
        stage.carry(load, trees);
        let ns = clock()? - start;
        let (allocations, bytes) = if counts { allocations::stop() } else { (0, 0) };
        stage.subject.flush();
        let spans = Stage::<S>::spans(load, trees);
        answer(&json!({ "spans": spans, "ns": ns, "allocations": allocations, "bytes": bytes }))?;
    }
    Ok(())
}
