//! What the two peers over the OpenTelemetry SDK share: a provider whose exporter counts.

use load::{Fate, Setup, State, exporter};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracerProvider, SpanData, SpanExporter,
};

/// Spans the queue holds where none may be dropped.
const AMPLE: usize = 1 << 18;

#[derive(Debug)]
struct Counted;

impl SpanExporter for Counted {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        exporter::deliver(batch.len());
        Ok(())
    }
}

/// A provider with the batch processor, as a program that exports has it.
pub fn provider(setup: &Setup) -> SdkTracerProvider {
    let config = BatchConfigBuilder::default();
    let config = if setup.ample_queue { config.with_max_queue_size(AMPLE) } else { config };
    let processor = BatchSpanProcessor::builder(Counted).with_batch_config(config.build()).build();
    let sampler = if setup.state == State::Recording { Sampler::AlwaysOn } else { Sampler::AlwaysOff };
    SdkTracerProvider::builder().with_span_processor(processor).with_sampler(sampler).build()
}

/// Exports what is queued. The SDK logs that it dropped spans and tells nobody how many.
pub fn flush(provider: Option<&SdkTracerProvider>) -> Fate {
    if let Some(provider) = provider {
        let _ = provider.force_flush();
    }
    Fate { delivered: exporter::delivered(), kept: 0, counted: None }
}
