//! Looking into a recorded span.

use spanwright::record::{AttributeValue, Json, SpanRecord};

pub fn json(value: &Option<Json>) -> serde_json::Value {
    value.as_ref().expect("it was captured").to_value()
}

pub fn text<'a>(span: &'a SpanRecord, name: &str) -> &'a str {
    match span.attribute(name) {
        Some(AttributeValue::Text(text)) => text,
        other => panic!("attribute `{name}` of `{}` is {other:?}", span.name),
    }
}

pub fn int(span: &SpanRecord, name: &str) -> i64 {
    match span.attribute(name) {
        Some(AttributeValue::Int(value)) => *value,
        other => panic!("attribute `{name}` of `{}` is {other:?}", span.name),
    }
}

pub fn bool(span: &SpanRecord, name: &str) -> bool {
    match span.attribute(name) {
        Some(AttributeValue::Bool(value)) => *value,
        other => panic!("attribute `{name}` of `{}` is {other:?}", span.name),
    }
}
