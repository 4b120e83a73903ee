//! The OpenTelemetry SDK as such: span builders, the current context as parent, the batch processor.

use std::hint::black_box;
use std::process::ExitCode;
use std::sync::OnceLock;

use load::{Fate, ROOM, Report, Setup, State, Subject, Yield};
use opentelemetry::trace::noop::NoopTracer;
use opentelemetry::trace::{FutureExt, SpanKind, TraceContextExt, Tracer, TracerProvider as _};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};

#[global_allocator]
static ALLOCATOR: load::Counting = load::Counting;

struct Otel {
    provider: Option<SdkTracerProvider>,
}

/// As a program keeps it that makes many spans: asking the provider each time costs more.
static TRACER: OnceLock<SdkTracer> = OnceLock::new();

impl Subject for Otel {
    fn start(setup: &Setup) -> Self {
        if setup.state == State::Absent {
            return Self { provider: None };
        }
        let provider = peers::provider(setup);
        TRACER.get_or_init(|| provider.tracer("load"));
        Self { provider: Some(provider) }
    }

    fn empty(&self, children: u32) {
        match TRACER.get() {
            Some(tracer) => plan(tracer, children),
            None => plan(&NoopTracer::new(), children),
        }
    }

    fn attributes(&self, children: u32) {
        match TRACER.get() {
            Some(tracer) => plan_rooms(tracer, children),
            None => plan_rooms(&NoopTracer::new(), children),
        }
    }

    fn report(&self, children: u32, report: Report) -> Report {
        match TRACER.get() {
            Some(tracer) => improve_home(tracer, children, report),
            None => improve_home(&NoopTracer::new(), children, report),
        }
    }

    async fn empty_async(&self, children: u32) {
        match TRACER.get() {
            Some(tracer) => ask_home(tracer, children).await,
            None => ask_home(&NoopTracer::new(), children).await,
        }
    }

    async fn attributes_async(&self, children: u32) {
        match TRACER.get() {
            Some(tracer) => ask_rooms(tracer, children).await,
            None => ask_rooms(&NoopTracer::new(), children).await,
        }
    }

    fn flush(&self) -> Fate {
        peers::flush(self.provider.as_ref())
    }
}

fn attributes(entities: i64) -> [KeyValue; 2] {
    [KeyValue::new("room", ROOM), KeyValue::new("entities", entities)]
}

/// The current context with a new span in it, child of the current one.
fn context<T>(tracer: &T, name: &'static str, attributes: impl IntoIterator<Item = KeyValue>) -> Context
where
    T: Tracer,
    T::Span: Send + Sync + 'static,
{
    let span = tracer.span_builder(name).with_kind(SpanKind::Internal).with_attributes(attributes).start(tracer);
    Context::current_with_span(span)
}

#[inline(never)]
fn plan<T: Tracer<Span: Send + Sync + 'static>>(tracer: &T, children: u32) {
    let _entered = context(tracer, "plan", []).attach();
    for child in 0..children {
        look(tracer, child);
    }
}

#[inline(never)]
fn look<T: Tracer<Span: Send + Sync + 'static>>(tracer: &T, child: u32) {
    let _entered = context(tracer, "look", []).attach();
    black_box(child);
}

#[inline(never)]
fn plan_rooms<T: Tracer<Span: Send + Sync + 'static>>(tracer: &T, children: u32) {
    let _entered = context(tracer, "plan_rooms", attributes(i64::from(children))).attach();
    for child in 0..children {
        look_closely(tracer, i64::from(child));
    }
}

#[inline(never)]
fn look_closely<T: Tracer<Span: Send + Sync + 'static>>(tracer: &T, entities: i64) {
    let _entered = context(tracer, "look_closely", attributes(entities)).attach();
    black_box(entities);
}

#[inline(never)]
fn improve_home<T: Tracer<Span: Send + Sync + 'static>>(tracer: &T, children: u32, mut report: Report) -> Report {
    let _entered = context(tracer, "improve_home", []).attach();
    for _ in 0..children {
        report = improve(tracer, report);
    }
    report
}

fn as_json(key: &'static str, report: &Report) -> KeyValue {
    KeyValue::new(key, serde_json::to_string(report).unwrap_or_default())
}

#[inline(never)]
fn improve<T: Tracer<Span: Send + Sync + 'static>>(tracer: &T, report: Report) -> Report {
    let context = context(tracer, "improve", [as_json("report", &report)]);
    let _entered = context.clone().attach();
    let report = black_box(report);
    context.span().set_attribute(as_json("return", &report));
    report
}

async fn ask_home<T: Tracer<Span: Send + Sync + 'static> + Sync>(tracer: &T, children: u32) {
    let asked = async {
        for child in 0..children {
            ask(child).with_context(context(tracer, "ask", [])).await;
        }
    };
    asked.with_context(context(tracer, "ask_home", [])).await;
}

async fn ask(child: u32) {
    Yield::default().await;
    black_box(child);
}

async fn ask_rooms<T: Tracer<Span: Send + Sync + 'static> + Sync>(tracer: &T, children: u32) {
    let asked = async {
        for child in 0..children {
            let entities = i64::from(child);
            ask_closely(entities).with_context(context(tracer, "ask_closely", attributes(entities))).await;
        }
    };
    asked.with_context(context(tracer, "ask_rooms", attributes(i64::from(children)))).await;
}

async fn ask_closely(entities: i64) {
    Yield::default().await;
    black_box(entities);
}

fn main() -> ExitCode {
    load::run::<Otel>()
}
