//! Traces as the server has them, in the form reports read.

use serde_json::{Map, Value, json};

use super::traces::{bytes_of, id_of};
use super::{ExperimentRef, Mlflow, Trouble};
use crate::error::{Error, Kind};
use crate::export::http::Failure;
use crate::id::{SpanId, TraceId};
use crate::record::{AttributeValue, Json, SpanRecord};
use crate::store::{BriefFilter, ServerTotals, SpanBrief, TraceBrief, TraceState};

/// Traces in a page of a search.
const TRACES_A_PAGE: u32 = 500;
/// Traces whose spans are asked for at once: their ids stand in the address.
const TRACES_AT_ONCE: usize = 50;
const SPAN_TYPE: &str = "mlflow.spanType";

impl Mlflow {
    /// The id of an experiment that is there already.
    pub(crate) async fn existing_experiment(&self, wanted: &ExperimentRef) -> Result<String, Trouble> {
        if let ExperimentRef::Name(name) | ExperimentRef::Either(name) = wanted {
            let is_number =
                matches!(wanted, ExperimentRef::Either(_)) && name.bytes().all(|byte| byte.is_ascii_digit());
            let by_id = if is_number { self.experiment_by_id(name).await? } else { None };
            return match by_id {
                Some(found) => Ok(found.id),
                None => match self.experiment_by_name(name).await? {
                    Some(found) => Ok(found.id),
                    None => {
                        let message = format!("there is no experiment `{name}` at {}", self.base());
                        Err(Error::new(Kind::State, message).into())
                    }
                },
            };
        }
        // Looked up by its id, none is made.
        self.experiment_id(wanted).await
    }

    /// A page of the traces the filter lets through, without their spans, and where the next page begins.
    pub(crate) async fn search_traces(
        &self,
        experiment: &str,
        filter: &BriefFilter,
        page: Option<&str>,
    ) -> Result<(Vec<TraceBrief<'static>>, Option<String>), Failure> {
        let mut conditions = Vec::new();
        // The server counts in milliseconds. In the order of their start, so that what comes in meanwhile shifts no page.
        if filter.since_unix_ns > 0 {
            conditions.push(format!("trace.timestamp_ms >= {}", filter.since_unix_ns / 1_000_000));
        }
        if filter.until_unix_ns < u64::MAX {
            conditions.push(format!("trace.timestamp_ms < {}", filter.until_unix_ns / 1_000_000));
        }
        let mut body = json!({
            "locations": [{ "type": "MLFLOW_EXPERIMENT", "mlflow_experiment": { "experiment_id": experiment } }],
            "max_results": TRACES_A_PAGE,
            "order_by": ["timestamp_ms ASC"],
            "filter": conditions.join(" AND "),
        });
        if let Some(page) = page {
            body["page_token"] = page.into();
        }
        let reply = self.post("search traces", "/api/3.0/mlflow/traces/search", &body).await?;
        let infos = reply["traces"].as_array().into_iter().flatten();
        let is_wanted = |brief: &TraceBrief<'_>| filter.workflow.as_deref().is_none_or(|name| name == brief.workflow());
        let found = infos.filter_map(brief_of).filter(is_wanted).collect();
        let next = reply["next_page_token"].as_str().filter(|token| !token.is_empty()).map(str::to_owned);
        Ok((found, next))
    }

    /// The same traces with their spans, in the same order. One of which the server keeps no spans stays without.
    pub(crate) async fn completed(
        &self,
        mut found: Vec<TraceBrief<'static>>,
        whole_if: &[&str],
    ) -> Result<Vec<TraceBrief<'static>>, Failure> {
        for part in found.chunks_mut(TRACES_AT_ONCE) {
            let ids: Vec<TraceId> = part.iter().map(|brief| brief.trace_id).collect();
            let mut whole = self.briefs(&ids, whole_if).await?;
            for brief in part {
                if let Some(at) = whole.iter().position(|other| other.trace_id == brief.trace_id) {
                    *brief = whole.swap_remove(at);
                }
            }
        }
        Ok(found)
    }

    /// These traces with their spans, as far as the server has them.
    pub(crate) async fn briefs(
        &self,
        traces: &[TraceId],
        whole_if: &[&str],
    ) -> Result<Vec<TraceBrief<'static>>, Failure> {
        let query: Vec<_> = traces.iter().map(|trace| format!("trace_ids=tr-{trace}")).collect();
        let path = format!("/api/3.0/mlflow/traces/batchGet?{}", query.join("&"));
        let reply = self.get("read traces", &path).await?;
        let traces = reply["traces"].as_array().into_iter().flatten();
        Ok(traces
            .filter_map(|trace| {
                let mut brief = brief_of(&trace["trace_info"])?;
                let spans = trace["spans"].as_array().into_iter().flatten();
                brief.spans.extend(spans.filter_map(|span| span_of(brief.trace_id, span, whole_if)));
                if let Some(start) = brief.spans.iter().map(|span| span.start_unix_ns).min() {
                    brief.start_unix_ns = start;
                    brief.end_unix_ns = brief.spans.iter().map(|span| span.end_unix_ns).max().unwrap_or(start);
                }
                Some(brief)
            })
            .collect())
    }
}

fn brief_of(info: &Value) -> Option<TraceBrief<'static>> {
    let trace_id = id_of(info["trace_id"].as_str()?)?;
    let tag = |name: &str| info["tags"][name].as_str().map(str::to_owned);
    let start_unix_ns = info["request_time"].as_str().and_then(unix_ns).unwrap_or(0);
    let duration = info["execution_duration"].as_str().and_then(|text| text.strip_suffix('s')?.parse::<f64>().ok());
    // Of a metadata value that is an object: some of its numbers.
    let said = |name: &str, key: &str| {
        let object: Value = serde_json::from_str(info["trace_metadata"][name].as_str()?).ok()?;
        object[key].as_f64()
    };
    let tokens = said("mlflow.trace.tokenUsage", "total_tokens").map(|tokens| tokens as u64);
    Some(TraceBrief {
        trace_id,
        name: tag("mlflow.traceName").unwrap_or_default().into(),
        workflow: tag("workflow").map(Into::into),
        experiment: None,
        state: match info["state"].as_str() {
            Some("OK") => TraceState::Ok,
            Some("ERROR") => TraceState::Error,
            _ => TraceState::Running,
        },
        start_unix_ns,
        end_unix_ns: start_unix_ns + duration.map_or(0, |seconds| (seconds * 1e9) as u64),
        spans: Vec::new(),
        unreadable: 0,
        server: Some(ServerTotals { tokens, cost_usd: said("mlflow.trace.cost", "total_cost") }),
    })
}

/// A span with those of its attributes that are asked for.
fn span_of(trace: TraceId, span: &Value, whole_if: &[&str]) -> Option<SpanBrief<'static>> {
    let id = |name: &str| bytes_of(span[name].as_str()?).map(SpanId::from_bytes);
    let attributes = || span["attributes"].as_array().into_iter().flatten();
    let named = |attribute: &&Value| attribute["key"] == SPAN_TYPE;
    let span_type = attributes().find(named).and_then(|found| plain(&found["value"]).as_str().map(str::to_owned));
    let wanted = attributes().filter_map(|attribute| {
        let key = attribute["key"].as_str().filter(|key| whole_if.contains(key))?;
        Some((key.to_owned(), value_of(plain(&attribute["value"]))?))
    });
    let mut record = SpanRecord {
        parent_id: id("parent_span_id").filter(|parent| parent.is_valid()),
        name: span["name"].as_str().unwrap_or_default().to_owned(),
        span_type: span_type.unwrap_or_else(|| "UNKNOWN".to_owned()),
        start_unix_ns: number(&span["start_time_unix_nano"]).unwrap_or(0),
        end_unix_ns: number(&span["end_time_unix_nano"]).unwrap_or(0),
        attributes: wanted.collect(),
        ..SpanRecord::new(trace, id("span_id")?)
    };
    record.end_unix_ns = record.end_unix_ns.max(record.start_unix_ns);
    let is_error = span["status"]["code"] == "STATUS_CODE_ERROR";
    let whole = (!record.attributes.is_empty()).then(|| Box::new(record.clone()));
    Some(SpanBrief { is_error, whole, ..SpanBrief::from(record) })
}

/// A number, which protobuf's JSON may write as a text.
fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

/// A value as JSON has it: OTLP wraps each in an object that names its type.
fn plain(value: &Value) -> Value {
    let Some((kind, inner)) = value.as_object().and_then(|object| object.iter().next()) else { return Value::Null };
    match kind.as_str() {
        "int_value" => number(inner).map_or_else(|| inner.clone(), Value::from),
        "kvlist_value" => {
            let pairs = inner["values"].as_array().into_iter().flatten();
            let object: Map<String, Value> =
                pairs.filter_map(|pair| Some((pair["key"].as_str()?.to_owned(), plain(&pair["value"])))).collect();
            object.into()
        }
        "array_value" => inner["values"].as_array().into_iter().flatten().map(plain).collect(),
        _ => inner.clone(),
    }
}

fn value_of(value: Value) -> Option<AttributeValue> {
    match value {
        Value::Bool(flag) => Some(AttributeValue::Bool(flag)),
        Value::Number(number) => Some(match number.as_i64() {
            Some(whole) => AttributeValue::Int(whole),
            None => AttributeValue::Float(number.as_f64()?),
        }),
        Value::String(text) => Some(AttributeValue::Text(text)),
        Value::Array(_) | Value::Object(_) => Some(AttributeValue::Json(Json::of(&value))),
        Value::Null => None,
    }
}

/// A time as the server writes it, `2026-11-28T09:07:05.232Z`.
fn unix_ns(text: &str) -> Option<u64> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let mut date = date.split('-').map(|part| part.parse::<i64>().ok());
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    let (clock, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let mut clock = clock.split(':').map(|part| part.parse::<i64>().ok());
    let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??);
    let fraction: u64 = format!("{fraction:0<9}").get(..9)?.parse().ok()?;
    // Years that begin in March, so that the leap day is the last.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 719_469;
    let seconds = u64::try_from(((days * 24 + hour) * 60 + minute) * 60 + second).ok()?;
    seconds.checked_mul(1_000_000_000)?.checked_add(fraction)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::rfc3339;

    #[test]
    fn times_are_read_as_they_are_written() {
        for second in [0, 951_782_400, 1_709_164_800, 1_795_856_825, 4_107_542_399] {
            let ns = second * 1_000_000_000 + 232_000_000;
            assert_eq!(unix_ns(&rfc3339(ns)), Some(ns));
        }
        assert_eq!(unix_ns("2026-11-28T09:07:05Z"), Some(1_795_856_825_000_000_000));
        assert_eq!([unix_ns(""), unix_ns("today"), unix_ns("2026-11-28")], [None; 3]);
    }

    #[test]
    fn a_span_keeps_of_its_attributes_what_is_asked_for_whatever_wraps_it() {
        let span = json!({
            "span_id": "pzLWlUo0MnY=", "parent_span_id": "aep78LEQySg=", "name": "chat",
            "start_time_unix_nano": "1795856826558807770", "end_time_unix_nano": 1_795_856_826_559_153_899_u64,
            "status": { "code": "STATUS_CODE_ERROR" },
            "attributes": [
                { "key": SPAN_TYPE, "value": { "string_value": "LLM" } },
                { "key": "kept", "value": { "kvlist_value": { "values": [
                    { "key": "n", "value": { "int_value": "7" } }, { "key": "x", "value": { "double_value": 0.5 } }] } } },
                { "key": "left", "value": { "string_value": "x" } },
            ],
        });
        let brief = span_of(TraceId::from_halves(1, 2), &span, &["kept"]).expect("a span");
        assert_eq!((&*brief.name, &*brief.span_type, brief.is_error), ("chat", "LLM", true));
        assert_eq!(brief.end_unix_ns - brief.start_unix_ns, 346_129);
        let whole = brief.whole.expect("it has one that is asked for");
        assert_eq!(whole.attributes, [("kept".to_owned(), AttributeValue::Json(Json::of(&json!({"n": 7, "x": 0.5}))))]);
    }
}
