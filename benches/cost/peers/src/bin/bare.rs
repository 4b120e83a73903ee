//! The loads without any tracing: what they cost by themselves.

use std::hint::black_box;
use std::process::ExitCode;

use load::{Fate, Report, Setup, Subject, Yield};

#[global_allocator]
static ALLOCATOR: load::Counting = load::Counting;

struct Bare;

impl Subject for Bare {
    fn start(_setup: &Setup) -> Self {
        Self
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
        Fate::default()
    }
}

#[inline(never)]
fn plan(children: u32) {
    for child in 0..children {
        look(child);
    }
}

#[inline(never)]
fn look(child: u32) {
    black_box(child);
}

#[inline(never)]
fn plan_rooms(children: u32) {
    for child in 0..children {
        look_closely(i64::from(child));
    }
}

#[inline(never)]
fn look_closely(entities: i64) {
    black_box(entities);
}

#[inline(never)]
fn improve_home(children: u32, mut report: Report) -> Report {
    for _ in 0..children {
        report = improve(report);
    }
    report
}

#[inline(never)]
fn improve(report: Report) -> Report {
    black_box(report)
}

async fn ask_home(children: u32) {
    for child in 0..children {
        ask(child).await;
    }
}

async fn ask(child: u32) {
    Yield::default().await;
    black_box(child);
}

async fn ask_rooms(children: u32) {
    for child in 0..children {
        ask_closely(i64::from(child)).await;
    }
}

async fn ask_closely(entities: i64) {
    Yield::default().await;
    black_box(entities);
}

fn main() -> ExitCode {
    load::run::<Bare>()
}
