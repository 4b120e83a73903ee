//! A finished span, borrowed from where it stands: a record, or the bytes it is stored in. Who only reads it needs no copy.

use std::borrow::Cow;

use super::{AttributeValue, Ending, ErrorFacts, Event, Json, ModelFacts, RunFacts, Source, SpanRecord, WorkflowFacts};
use crate::id::{SpanId, TraceId};

/// The fields of a [`SpanRecord`], borrowed. JSON stands here as its text.
#[derive(Clone, Debug)]
pub(crate) struct SpanView<'a> {
    pub(crate) trace_id: TraceId,
    pub(crate) span_id: SpanId,
    pub(crate) parent_id: Option<SpanId>,
    pub(crate) site: SiteView<'a>,
    pub(crate) start_unix_ns: u64,
    pub(crate) end_unix_ns: u64,
    pub(crate) ending: Ending,
    pub(crate) incomplete: bool,
    pub(crate) error: Option<ErrorView<'a>>,
    pub(crate) inputs: Option<&'a str>,
    pub(crate) outputs: Option<&'a str>,
    pub(crate) attributes: Vec<(&'a str, ValueView<'a>)>,
    pub(crate) events: Cow<'a, [Event]>,
    pub(crate) model: Option<Cow<'a, ModelFacts>>,
    pub(crate) workflow: Option<Cow<'a, WorkflowFacts>>,
    pub(crate) run: Option<Cow<'a, RunFacts>>,
}

/// What all spans of one function have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SiteView<'a> {
    pub(crate) name: &'a str,
    pub(crate) span_type: &'a str,
    pub(crate) kind: &'a str,
    pub(crate) declared: Option<&'a str>,
    pub(crate) function: &'a str,
    pub(crate) file: &'a str,
    pub(crate) line: u32,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct ErrorView<'a> {
    pub(crate) kind: &'a str,
    pub(crate) message: &'a str,
}

/// The value of an attribute.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ValueView<'a> {
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(&'a str),
    /// JSON text of a list or an object.
    Json(&'a str),
}

impl SpanView<'_> {
    /// As [`SpanRecord::is_error`].
    #[cfg(feature = "mlflow")]
    pub(crate) fn is_error(&self) -> bool {
        self.ending.is_failure() && !self.incomplete
    }

    /// The same span as a record of its own.
    pub(crate) fn to_record(&self) -> SpanRecord {
        let site = &self.site;
        SpanRecord {
            trace_id: self.trace_id,
            span_id: self.span_id,
            parent_id: self.parent_id,
            name: site.name.to_owned(),
            span_type: site.span_type.to_owned(),
            kind: site.kind.to_owned(),
            declared: site.declared.map(str::to_owned),
            source: Source { function: site.function.to_owned(), file: site.file.to_owned(), line: site.line },
            start_unix_ns: self.start_unix_ns,
            end_unix_ns: self.end_unix_ns,
            ending: self.ending,
            incomplete: self.incomplete,
            error: self
                .error
                .map(|error| ErrorFacts { kind: error.kind.to_owned(), message: error.message.to_owned() }),
            inputs: self.inputs.map(|text| Json::trusted(text.into())),
            outputs: self.outputs.map(|text| Json::trusted(text.into())),
            attributes: self.attributes.iter().map(|(key, value)| ((*key).to_owned(), value.to_value())).collect(),
            events: self.events.to_vec(),
            model: self.model.as_deref().cloned(),
            workflow: self.workflow.as_deref().cloned().map(Box::new),
            run: self.run.as_deref().cloned().map(Box::new),
        }
    }
}

impl ValueView<'_> {
    fn to_value(self) -> AttributeValue {
        match self {
            Self::Bool(value) => AttributeValue::Bool(value),
            Self::Int(value) => AttributeValue::Int(value),
            Self::Float(value) => AttributeValue::Float(value),
            Self::Text(text) => AttributeValue::Text(text.to_owned()),
            Self::Json(text) => AttributeValue::Json(Json::trusted(text.into())),
        }
    }
}

impl<'a> From<&'a AttributeValue> for ValueView<'a> {
    fn from(value: &'a AttributeValue) -> Self {
        match value {
            AttributeValue::Bool(value) => Self::Bool(*value),
            AttributeValue::Int(value) => Self::Int(*value),
            AttributeValue::Float(value) => Self::Float(*value),
            AttributeValue::Text(text) => Self::Text(text),
            AttributeValue::Json(json) => Self::Json(json.as_str()),
        }
    }
}

impl<'a> From<&'a SpanRecord> for SiteView<'a> {
    fn from(record: &'a SpanRecord) -> Self {
        Self {
            name: &record.name,
            span_type: &record.span_type,
            kind: &record.kind,
            declared: record.declared.as_deref(),
            function: &record.source.function,
            file: &record.source.file,
            line: record.source.line,
        }
    }
}

impl<'a> From<&'a SpanRecord> for SpanView<'a> {
    fn from(record: &'a SpanRecord) -> Self {
        Self {
            trace_id: record.trace_id,
            span_id: record.span_id,
            parent_id: record.parent_id,
            site: record.into(),
            start_unix_ns: record.start_unix_ns,
            end_unix_ns: record.end_unix_ns,
            ending: record.ending,
            incomplete: record.incomplete,
            error: record.error.as_ref().map(|error| ErrorView { kind: &error.kind, message: &error.message }),
            inputs: record.inputs.as_ref().map(Json::as_str),
            outputs: record.outputs.as_ref().map(Json::as_str),
            attributes: record.attributes.iter().map(|(key, value)| (key.as_str(), value.into())).collect(),
            events: record.events.as_slice().into(),
            model: record.model.as_ref().map(Cow::Borrowed),
            workflow: record.workflow.as_deref().map(Cow::Borrowed),
            run: record.run.as_deref().map(Cow::Borrowed),
        }
    }
}
