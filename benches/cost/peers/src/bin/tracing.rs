//! tracing with tracing-opentelemetry over the SDK's batch processor, location and threads left off.

use std::hint::black_box;
use std::process::ExitCode;

use load::{Fate, ROOM, Report, Setup, State, Subject, Yield};
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::field::Empty;
use tracing::{Instrument, Span, info_span};
use tracing_opentelemetry::OpenTelemetryLayer;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{Layer, Registry};

#[global_allocator]
static ALLOCATOR: load::Counting = load::Counting;

struct Tracing {
    provider: Option<SdkTracerProvider>,
}

impl Subject for Tracing {
    fn start(setup: &Setup) -> Self {
        if setup.state == State::Absent {
            return Self { provider: None };
        }
        let provider = peers::provider(setup);
        let layer = OpenTelemetryLayer::new(provider.tracer("load"))
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false);
        let installed = match setup.state {
            State::Recording => tracing::subscriber::set_global_default(Registry::default().with(layer)),
            _ => tracing::subscriber::set_global_default(Registry::default().with(layer.with_filter(LevelFilter::OFF))),
        };
        debug_assert!(installed.is_ok(), "a program has one subscriber");
        Self { provider: Some(provider) }
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
        let span = info_span!("ask_home", otel.kind = "internal");
        ask_home(children).instrument(span).await;
    }

    async fn attributes_async(&self, children: u32) {
        let span = info_span!("ask_rooms", otel.kind = "internal", room = ROOM, entities = i64::from(children));
        ask_rooms(children).instrument(span).await;
    }

    fn flush(&self) -> Fate {
        peers::flush(self.provider.as_ref())
    }
}

#[inline(never)]
fn plan(children: u32) {
    let _span = info_span!("plan", otel.kind = "internal").entered();
    for child in 0..children {
        look(child);
    }
}

#[inline(never)]
fn look(child: u32) {
    let _span = info_span!("look", otel.kind = "internal").entered();
    black_box(child);
}

#[inline(never)]
fn plan_rooms(children: u32) {
    let _span = info_span!("plan_rooms", otel.kind = "internal", room = ROOM, entities = i64::from(children)).entered();
    for child in 0..children {
        look_closely(i64::from(child));
    }
}

#[inline(never)]
fn look_closely(entities: i64) {
    let _span = info_span!("look_closely", otel.kind = "internal", room = ROOM, entities = entities).entered();
    black_box(entities);
}

#[inline(never)]
fn improve_home(children: u32, mut report: Report) -> Report {
    let _span = info_span!("improve_home", otel.kind = "internal").entered();
    for _ in 0..children {
        report = improve(report);
    }
    report
}

fn as_json(report: &Report) -> String {
    serde_json::to_string(report).unwrap_or_default()
}

fn record_return(span: &Span, report: &Report) {
    if !span.is_disabled() {
        span.record("return", as_json(report));
    }
}

#[inline(never)]
fn improve(report: Report) -> Report {
    let span = info_span!("improve", otel.kind = "internal", report = as_json(&report), "return" = Empty).entered();
    let report = black_box(report);
    record_return(&span, &report);
    report
}

async fn ask_home(children: u32) {
    for child in 0..children {
        ask(child).instrument(info_span!("ask", otel.kind = "internal")).await;
    }
}

async fn ask(child: u32) {
    Yield::default().await;
    black_box(child);
}

async fn ask_rooms(children: u32) {
    for child in 0..children {
        let entities = i64::from(child);
        let span = info_span!("ask_closely", otel.kind = "internal", room = ROOM, entities = entities);
        ask_closely(entities).instrument(span).await;
    }
}

async fn ask_closely(entities: i64) {
    Yield::default().await;
    black_box(entities);
}

fn main() -> ExitCode {
    load::run::<Tracing>()
}
