//! fastrace: a root span a tree, local spans below it, properties as text.

use std::borrow::Cow;
use std::hint::black_box;
use std::process::ExitCode;

use fastrace::collector::{Config, Reporter, SpanContext, SpanRecord};
use fastrace::future::FutureExt;
use fastrace::local::LocalSpan;
use load::{Fate, ROOM, Report, Setup, State, Subject, Yield, exporter};

#[global_allocator]
static ALLOCATOR: load::Counting = load::Counting;

struct Counted;

impl Reporter for Counted {
    fn report(&mut self, spans: Vec<SpanRecord>) {
        exporter::deliver(spans.len());
    }
}

struct Fastrace {
    /// It has no switch: a program that records nothing makes no root.
    makes_roots: bool,
}

impl Subject for Fastrace {
    fn start(setup: &Setup) -> Self {
        if setup.state == State::Recording {
            fastrace::set_reporter(Counted, Config::default());
        }
        Self { makes_roots: setup.state != State::SwitchedOff }
    }

    fn empty(&self, children: u32) {
        plan(self.root("plan"), children);
    }

    fn attributes(&self, children: u32) {
        plan_rooms(self.root("plan_rooms"), children);
    }

    fn report(&self, children: u32, report: Report) -> Report {
        improve_home(self.root("improve_home"), children, report)
    }

    async fn empty_async(&self, children: u32) {
        ask_home(children).in_span(self.root("ask_home")).await;
    }

    async fn attributes_async(&self, children: u32) {
        let root = self.root("ask_rooms").with_properties(|| properties(i64::from(children)));
        ask_rooms(children).in_span(root).await;
    }

    fn flush(&self) -> Fate {
        fastrace::flush();
        Fate { delivered: exporter::delivered(), kept: 0, counted: None }
    }
}

impl Fastrace {
    fn root(&self, name: &'static str) -> fastrace::Span {
        if self.makes_roots { fastrace::Span::root(name, SpanContext::random()) } else { fastrace::Span::noop() }
    }
}

type Property = (&'static str, Cow<'static, str>);

fn properties(entities: i64) -> [Property; 2] {
    [("room", Cow::Borrowed(ROOM)), ("entities", Cow::Owned(entities.to_string()))]
}

fn as_json(key: &'static str, report: &Report) -> Property {
    (key, Cow::Owned(serde_json::to_string(report).unwrap_or_default()))
}

#[inline(never)]
fn plan(root: fastrace::Span, children: u32) {
    let _entered = root.set_local_parent();
    for child in 0..children {
        look(child);
    }
}

#[inline(never)]
fn look(child: u32) {
    let _span = LocalSpan::enter_with_local_parent("look");
    black_box(child);
}

#[inline(never)]
fn plan_rooms(root: fastrace::Span, children: u32) {
    let root = root.with_properties(|| properties(i64::from(children)));
    let _entered = root.set_local_parent();
    for child in 0..children {
        look_closely(i64::from(child));
    }
}

#[inline(never)]
fn look_closely(entities: i64) {
    let _span = LocalSpan::enter_with_local_parent("look_closely").with_properties(|| properties(entities));
    black_box(entities);
}

#[inline(never)]
fn improve_home(root: fastrace::Span, children: u32, mut report: Report) -> Report {
    let _entered = root.set_local_parent();
    for _ in 0..children {
        report = improve(report);
    }
    report
}

#[inline(never)]
fn improve(report: Report) -> Report {
    let span = LocalSpan::enter_with_local_parent("improve").with_property(|| as_json("report", &report));
    let report = black_box(report);
    let _span = span.with_property(|| as_json("return", &report));
    report
}

async fn ask_home(children: u32) {
    for child in 0..children {
        ask(child).in_span(fastrace::Span::enter_with_local_parent("ask")).await;
    }
}

async fn ask(child: u32) {
    Yield::default().await;
    black_box(child);
}

async fn ask_rooms(children: u32) {
    for child in 0..children {
        let entities = i64::from(child);
        let span = fastrace::Span::enter_with_local_parent("ask_closely").with_properties(|| properties(entities));
        ask_closely(entities).in_span(span).await;
    }
}

async fn ask_closely(entities: i64) {
    Yield::default().await;
    black_box(entities);
}

fn main() -> ExitCode {
    load::run::<Fastrace>()
}
