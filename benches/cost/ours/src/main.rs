//! Spanwright under measurement, used as its README shows.

use std::hint::black_box;
use std::process::ExitCode;
use std::time::Duration;

use load::{Fate, ROOM, Report, Setup, State, Subject, Yield, exporter};
use spanwright::record::{Batch, RecordSink};
use spanwright::{Guard, tool, workflow};

#[global_allocator]
static ALLOCATOR: load::Counting = load::Counting;

const A_WHILE: Duration = Duration::from_secs(1);
/// Longer than anything here takes to be stored.
const ENOUGH: u32 = 120;

struct Spanwright {
    guard: Option<Guard>,
}

/// Counts what it is given, as the exporters of the peers do.
struct Counted;

impl RecordSink for Counted {
    fn append(&mut self, batch: &Batch) -> Result<(), spanwright::Error> {
        exporter::deliver(batch.finished.len());
        Ok(())
    }
}

impl Subject for Spanwright {
    /// Where spans go is the environment's to say, which also switches tracing off.
    #[allow(clippy::expect_used)]
    fn start(setup: &Setup) -> Self {
        let builder = spanwright::builder().flush_timeout(Duration::ZERO);
        let builder = if setup.counts_only { builder.sink(Counted) } else { builder };
        let install = || builder.install().expect("the measurement's own settings are right");
        Self { guard: (setup.state != State::Absent).then(install) }
    }

    fn empty(&self, children: u32) {
        plan(children);
    }

    fn attributes(&self, children: u32) {
        plan_rooms(children);
    }

    fn report(&self, children: u32, report: Report) -> Report {
        improve_home(children, report)
    }

    async fn empty_async(&self, children: u32) {
        ask_home(children).await;
    }

    async fn attributes_async(&self, children: u32) {
        ask_rooms(children).await;
    }

    fn flush(&self) -> Fate {
        let Some(guard) = &self.guard else { return Fate::default() };
        // One second at a time: a server that never answers is not waited for, what is pending stays in the store.
        let mut report = guard.flush(A_WHILE);
        for _ in 0..ENOUGH {
            if report.is_stored {
                break;
            }
            report = guard.flush(A_WHILE);
        }
        let delivered = report.delivered.max(exporter::delivered());
        Fate { delivered, kept: report.stored.saturating_sub(delivered), counted: Some(report.lost) }
    }
}

#[workflow(skip(children))]
#[inline(never)]
fn plan(children: u32) {
    for child in 0..children {
        look(child);
    }
}

#[tool(skip(child))]
#[inline(never)]
fn look(child: u32) {
    black_box(child);
}

#[workflow(skip(children), attributes(room = ROOM, entities = i64::from(children)))]
#[inline(never)]
fn plan_rooms(children: u32) {
    for child in 0..children {
        look_closely(i64::from(child));
    }
}

#[tool(skip(entities), attributes(room = ROOM, entities = entities))]
#[inline(never)]
fn look_closely(entities: i64) {
    black_box(entities);
}

#[workflow(skip(children, report), output = "none")]
#[inline(never)]
fn improve_home(children: u32, mut report: Report) -> Report {
    for _ in 0..children {
        report = improve(report);
    }
    report
}

#[tool]
#[inline(never)]
fn improve(report: Report) -> Report {
    black_box(report)
}

#[workflow(skip(children))]
async fn ask_home(children: u32) {
    for child in 0..children {
        ask(child).await;
    }
}

#[tool(skip(child))]
async fn ask(child: u32) {
    Yield::default().await;
    black_box(child);
}

#[workflow(skip(children), attributes(room = ROOM, entities = i64::from(children)))]
async fn ask_rooms(children: u32) {
    for child in 0..children {
        ask_closely(i64::from(child)).await;
    }
}

#[tool(skip(entities), attributes(room = ROOM, entities = entities))]
async fn ask_closely(entities: i64) {
    Yield::default().await;
    black_box(entities);
}

fn main() -> ExitCode {
    load::run::<Spanwright>()
}
