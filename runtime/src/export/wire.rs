//! OTLP protobuf, written front to back into one buffer.
//!
//! In: the parts of a span, borrowed. Out: the bytes of an `ExportTraceServiceRequest`. The message set is small and frozen, so the
//! writer is this file; its oracle is the official protobuf types, in the tests below. What the parts mean is not known here.

/// Builds one request: a resource, a scope, and encoded spans of so many bytes, which `put` appends.
pub(crate) fn request(
    resource: &[(&str, Value<'_>)],
    scope: Scope<'_>,
    bytes: usize,
    put: impl FnOnce(&mut Vec<u8>),
) -> Vec<u8> {
    let mut described = Writer { bytes: Vec::new() };
    described.message(1, |to| resource.iter().for_each(|(key, value)| to.key_value(1, key, *value)));
    let mut scoped = Writer { bytes: Vec::new() };
    scoped.message(1, |to| {
        to.text(1, scope.name);
        to.text(2, scope.version);
    });
    let scope_spans = scoped.bytes.len() + bytes;
    let resource_spans = described.bytes.len() + 1 + delimited_bytes(scope_spans);
    let mut to = Writer { bytes: Vec::with_capacity(1 + delimited_bytes(resource_spans)) };
    to.tag(1, WireType::Delimited);
    to.varint(resource_spans as u64);
    to.bytes.extend_from_slice(&described.bytes);
    to.tag(2, WireType::Delimited);
    to.varint(scope_spans as u64);
    to.bytes.extend_from_slice(&scoped.bytes);
    let start = to.bytes.len();
    put(&mut to.bytes);
    debug_assert_eq!(to.bytes.len() - start, bytes, "what was announced is appended");
    to.bytes
}

/// Who made the spans.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scope<'a> {
    pub(crate) name: &'a str,
    pub(crate) version: &'a str,
}

/// The parts of a span that are not lists.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head<'a> {
    pub(crate) trace_id: [u8; 16],
    pub(crate) span_id: [u8; 8],
    pub(crate) parent_id: Option<[u8; 8]>,
    pub(crate) name: &'a str,
    pub(crate) start_unix_ns: u64,
    pub(crate) end_unix_ns: u64,
    pub(crate) status: Status<'a>,
}

/// How a span ended.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Status<'a> {
    Ok,
    Error(&'a str),
    /// It has not ended.
    Unset,
}

/// The value of an attribute. OTLP's lists and maps are not written: they travel as JSON text.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Value<'a> {
    Text(&'a str),
    Bool(bool),
    Int(i64),
    Float(f64),
}

/// Appends one span as it stands in a request; `body` adds its attributes and events.
pub(crate) fn span(to: &mut Vec<u8>, head: &Head<'_>, body: impl FnOnce(&mut SpanBody<'_>)) {
    let mut writer = Writer { bytes: std::mem::take(to) };
    writer.message(2, |to| {
        to.blob(1, &head.trace_id);
        to.blob(2, &head.span_id);
        if let Some(parent) = &head.parent_id {
            to.blob(4, parent);
        }
        to.text(5, head.name);
        to.varint_field(6, SPAN_KIND_INTERNAL);
        to.fixed64(7, head.start_unix_ns);
        to.fixed64(8, head.end_unix_ns);
        body(&mut SpanBody { to });
        to.message(15, |to| match head.status {
            Status::Unset => {}
            Status::Ok => to.varint_field(3, STATUS_OK),
            Status::Error(message) => {
                to.text(2, message);
                to.varint_field(3, STATUS_ERROR);
            }
        });
    });
    *to = writer.bytes;
}

/// Attributes of a span, to be given to [`SpanBody::encoded`].
pub(crate) fn attributes(body: impl FnOnce(&mut SpanBody<'_>)) -> Vec<u8> {
    let mut to = Writer { bytes: Vec::new() };
    body(&mut SpanBody { to: &mut to });
    to.bytes
}

const SPAN_KIND_INTERNAL: u64 = 1;
const STATUS_OK: u64 = 1;
const STATUS_ERROR: u64 = 2;

/// Where the lists of one span are appended.
pub(crate) struct SpanBody<'a> {
    to: &'a mut Writer,
}

impl SpanBody<'_> {
    pub(crate) fn attribute(&mut self, key: &str, value: Value<'_>) {
        self.to.key_value(9, key, value);
    }

    /// Appends attributes that were encoded before.
    pub(crate) fn encoded(&mut self, attributes: &[u8]) {
        self.to.bytes.extend_from_slice(attributes);
    }

    /// Appends an event; `attributes` adds its attributes.
    pub(crate) fn event(&mut self, name: &str, time_unix_ns: u64, attributes: impl FnOnce(&mut EventBody<'_>)) {
        self.to.message(11, |to| {
            to.fixed64(1, time_unix_ns);
            to.text(2, name);
            attributes(&mut EventBody { to });
        });
    }
}

/// Where the attributes of one event are appended.
pub(crate) struct EventBody<'a> {
    to: &'a mut Writer,
}

impl EventBody<'_> {
    pub(crate) fn attribute(&mut self, key: &str, value: Value<'_>) {
        self.to.key_value(3, key, value);
    }
}

struct Writer {
    bytes: Vec<u8>,
}

/// The low three bits of a field's tag.
#[derive(Clone, Copy)]
enum WireType {
    Varint = 0,
    Fixed64 = 1,
    Delimited = 2,
}

impl Writer {
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8);
    }

    fn tag(&mut self, field: u64, wire_type: WireType) {
        self.varint(field << 3 | wire_type as u64);
    }

    fn varint_field(&mut self, field: u64, value: u64) {
        self.tag(field, WireType::Varint);
        self.varint(value);
    }

    fn fixed64(&mut self, field: u64, value: u64) {
        self.tag(field, WireType::Fixed64);
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    fn blob(&mut self, field: u64, value: &[u8]) {
        self.tag(field, WireType::Delimited);
        self.varint(value.len() as u64);
        self.bytes.extend_from_slice(value);
    }

    fn text(&mut self, field: u64, value: &str) {
        self.blob(field, value.as_bytes());
    }

    /// The length goes before the content and is known after it: the content is written first and moved up by the one to ten
    /// bytes of its length. Messages nest three deep where their length is not known, so a byte moves at most three times.
    fn message(&mut self, field: u64, content: impl FnOnce(&mut Self)) {
        self.tag(field, WireType::Delimited);
        let start = self.bytes.len();
        content(self);
        let end = self.bytes.len();
        let length_bytes = varint_bytes((end - start) as u64);
        self.bytes.resize(end + length_bytes, 0);
        self.bytes.copy_within(start..end, start + length_bytes);
        put_varint(&mut self.bytes[start..start + length_bytes], (end - start) as u64);
    }

    fn key_value(&mut self, field: u64, key: &str, value: Value<'_>) {
        // Each tag is one byte.
        let value_bytes = match value {
            Value::Text(text) => 1 + delimited_bytes(text.len()),
            Value::Bool(_) => 2,
            Value::Int(value) => 1 + varint_bytes(value as u64),
            Value::Float(_) => 9,
        };
        let pair_bytes = 1 + delimited_bytes(key.len()) + 1 + delimited_bytes(value_bytes);
        self.bytes.reserve(pair_bytes + 12);
        self.tag(field, WireType::Delimited);
        self.varint(pair_bytes as u64);
        self.text(1, key);
        self.tag(2, WireType::Delimited);
        self.varint(value_bytes as u64);
        match value {
            Value::Text(text) => self.text(1, text),
            Value::Bool(value) => self.varint_field(2, value.into()),
            Value::Int(value) => self.varint_field(3, value as u64),
            Value::Float(value) => self.fixed64(4, value.to_bits()),
        }
    }
}

fn varint_bytes(value: u64) -> usize {
    // Seven bits a byte; zero takes one as well.
    (64 - (value | 1).leading_zeros() as usize).div_ceil(7)
}

/// Bytes of so many bytes with their length before them.
fn delimited_bytes(length: usize) -> usize {
    varint_bytes(length as u64) + length
}

fn put_varint(to: &mut [u8], mut value: u64) {
    let last = to.len() - 1;
    for byte in &mut to[..last] {
        *byte = value as u8 | 0x80;
        value >>= 7;
    }
    to[last] = value as u8;
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
    use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value};
    use opentelemetry_proto::tonic::resource::v1::Resource;
    use opentelemetry_proto::tonic::trace::v1 as otlp;
    use proptest::prelude::*;
    use prost::Message as _;

    use super::*;

    #[derive(Clone, Debug)]
    enum Owned {
        Text(String),
        Bool(bool),
        Int(i64),
        Float(f64),
    }

    impl Owned {
        fn as_value(&self) -> Value<'_> {
            match self {
                Self::Text(text) => Value::Text(text),
                Self::Bool(value) => Value::Bool(*value),
                Self::Int(value) => Value::Int(*value),
                Self::Float(value) => Value::Float(*value),
            }
        }

        fn as_otlp(&self) -> any_value::Value {
            match self.clone() {
                Self::Text(text) => any_value::Value::StringValue(text),
                Self::Bool(value) => any_value::Value::BoolValue(value),
                Self::Int(value) => any_value::Value::IntValue(value),
                Self::Float(value) => any_value::Value::DoubleValue(value),
            }
        }
    }

    type Pairs = Vec<(String, Owned)>;

    #[derive(Clone, Debug)]
    struct Parts {
        ids: ([u8; 16], [u8; 8], Option<[u8; 8]>),
        name: String,
        times: (u64, u64),
        error: Option<String>,
        attributes: Pairs,
        events: Vec<(String, u64, Pairs)>,
    }

    fn pairs() -> impl Strategy<Value = Pairs> {
        let value = prop_oneof![
            // Long enough that lengths of one, two and three bytes occur.
            "\\PC{0,40}".prop_map(Owned::Text),
            (0usize..40_000).prop_map(|length| Owned::Text("é".repeat(length))),
            any::<bool>().prop_map(Owned::Bool),
            any::<i64>().prop_map(Owned::Int),
            any::<f64>().prop_map(Owned::Float),
        ];
        prop::collection::vec(("\\PC{0,12}", value), 0..5)
    }

    fn parts() -> impl Strategy<Value = Parts> {
        (
            any::<([u8; 16], [u8; 8], Option<[u8; 8]>)>(),
            "\\PC{0,30}",
            any::<(u64, u64)>(),
            prop::option::of("\\PC{0,200}"),
            pairs(),
            prop::collection::vec(("\\PC{0,12}", any::<u64>(), pairs()), 0..3),
        )
            .prop_map(|(ids, name, times, error, attributes, events)| Parts {
                ids,
                name,
                times,
                error,
                attributes,
                events,
            })
    }

    fn otlp_pairs(pairs: &Pairs) -> Vec<KeyValue> {
        pairs
            .iter()
            .map(|(key, value)| KeyValue {
                key: key.clone(),
                value: Some(AnyValue { value: Some(value.as_otlp()) }),
                ..KeyValue::default()
            })
            .collect()
    }

    fn otlp_span(parts: &Parts) -> otlp::Span {
        otlp::Span {
            trace_id: parts.ids.0.to_vec(),
            span_id: parts.ids.1.to_vec(),
            parent_span_id: parts.ids.2.map(|id| id.to_vec()).unwrap_or_default(),
            name: parts.name.clone(),
            kind: otlp::span::SpanKind::Internal.into(),
            start_time_unix_nano: parts.times.0,
            end_time_unix_nano: parts.times.1,
            attributes: otlp_pairs(&parts.attributes),
            events: parts
                .events
                .iter()
                .map(|(name, time, pairs)| otlp::span::Event {
                    time_unix_nano: *time,
                    name: name.clone(),
                    attributes: otlp_pairs(pairs),
                    dropped_attributes_count: 0,
                })
                .collect(),
            status: Some(match &parts.error {
                None => otlp::Status { message: String::new(), code: otlp::status::StatusCode::Ok.into() },
                Some(text) => otlp::Status { message: text.clone(), code: otlp::status::StatusCode::Error.into() },
            }),
            ..otlp::Span::default()
        }
    }

    fn encode(resource: &Pairs, spans: &[Parts]) -> Vec<u8> {
        let resource: Vec<_> = resource.iter().map(|(key, value)| (key.as_str(), value.as_value())).collect();
        let mut encoded = Vec::new();
        for parts in spans {
            let head = Head {
                trace_id: parts.ids.0,
                span_id: parts.ids.1,
                parent_id: parts.ids.2,
                name: &parts.name,
                start_unix_ns: parts.times.0,
                end_unix_ns: parts.times.1,
                status: parts.error.as_deref().map_or(Status::Ok, Status::Error),
            };
            span(&mut encoded, &head, |span| {
                for (key, value) in &parts.attributes {
                    span.attribute(key, value.as_value());
                }
                for (name, time, pairs) in &parts.events {
                    span.event(name, *time, |event| {
                        for (key, value) in pairs {
                            event.attribute(key, value.as_value());
                        }
                    });
                }
            });
        }
        let scope = Scope { name: "spanwright", version: "1" };
        request(&resource, scope, encoded.len(), |to| to.extend_from_slice(&encoded))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn the_official_types_read_what_was_written(resource in pairs(), spans in prop::collection::vec(parts(), 0..4)) {
            let read = ExportTraceServiceRequest::decode(encode(&resource, &spans).as_slice()).expect("valid protobuf");
            let expected = ExportTraceServiceRequest {
                resource_spans: vec![otlp::ResourceSpans {
                    resource: Some(Resource { attributes: otlp_pairs(&resource), ..Resource::default() }),
                    scope_spans: vec![otlp::ScopeSpans {
                        scope: Some(InstrumentationScope {
                            name: "spanwright".into(),
                            version: "1".into(),
                            ..InstrumentationScope::default()
                        }),
                        spans: spans.iter().map(otlp_span).collect(),
                        ..otlp::ScopeSpans::default()
                    }],
                    ..otlp::ResourceSpans::default()
                }],
            };
            // Through text, where a NaN equals itself.
            prop_assert_eq!(format!("{read:?}"), format!("{expected:?}"));
        }
    }

    #[test]
    fn a_written_value_stays_typed_when_it_is_the_default_of_its_type() {
        let zeroes = vec![
            ("text".to_owned(), Owned::Text(String::new())),
            ("bool".to_owned(), Owned::Bool(false)),
            ("int".to_owned(), Owned::Int(0)),
            ("float".to_owned(), Owned::Float(0.0)),
        ];
        let read = ExportTraceServiceRequest::decode(encode(&zeroes, &[]).as_slice()).expect("valid protobuf");
        let resource = read.resource_spans[0].resource.clone().expect("a resource");
        assert_eq!(resource.attributes, otlp_pairs(&zeroes));
    }
}
