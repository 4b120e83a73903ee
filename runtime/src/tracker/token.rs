//! Resumption tokens: what another process needs to go on measuring an execution, hours later.
//!
//! Unpadded base64url of a JSON object with the keys `runId`, `configKey`, `variationKey` if it is not empty, `version`, `graphKey` if it
//! is not empty, and `traceId` if there is a trace, in this order. It is written without spaces; one that others wrote with spaces and
//! escapes is read as well. A token is no secret and proves nothing: to know that it is one of our own, sign it ([`SigningKeys`]).
//!
//! [`SigningKeys`]: super::SigningKeys

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use crate::id::TraceId;

/// What is longer is no token.
const MOST_BYTES: usize = 64 * 1024;

/// An execution, as it travels in a link, a header or a database.
///
/// ```
/// use spanwright::tracker::ResumptionToken;
///
/// let text = "eyJydW5JZCI6ImEiLCJjb25maWdLZXkiOiJiIiwidmFyaWF0aW9uS2V5IjoiYyIsInZlcnNpb24iOjF9";
/// let token: ResumptionToken = text.parse()?;
/// assert_eq!((token.run_id.as_str(), token.config_key.as_str(), token.version), ("a", "b", 1));
/// assert_eq!(token.to_string(), text);
/// # Ok::<(), spanwright::tracker::TokenError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ResumptionToken {
    /// The execution.
    pub run_id: String,
    /// The agent's configuration.
    pub config_key: String,
    /// The variation; may be empty.
    pub variation_key: String,
    /// Version of the configuration.
    pub version: i64,
    /// The graph the agent is a node of.
    pub graph_key: Option<String>,
    /// The trace of the execution, where feedback belongs.
    pub trace_id: Option<TraceId>,
}

/// Why a text is no token.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenError {
    /// It is not unpadded base64url.
    Base64,
    /// What is encoded is not UTF-8.
    Utf8,
    /// What is encoded is not JSON, says the text.
    Json(String),
    /// What is encoded is JSON and no object.
    NotObject,
    /// The object lacks this key.
    MissingField(&'static str),
    /// The object has this key with something in it that cannot be there.
    InvalidField(&'static str),
    /// It is longer than 64 KiB.
    TooLong,
    /// It has no signature.
    Unsigned,
    /// It is signed with a key that is not, or no longer, known.
    UnknownKey,
    /// The signature is not of this token.
    Signature,
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Invalid resumption token: ")?;
        match self {
            Self::Base64 => f.write_str("not base64url without padding"),
            Self::Utf8 => f.write_str("not UTF-8"),
            Self::Json(why) => write!(f, "not JSON: {why}"),
            Self::NotObject => f.write_str("not an object"),
            Self::MissingField(field) => write!(f, "missing required field '{field}'"),
            Self::InvalidField(field) => write!(f, "invalid field '{field}'"),
            Self::TooLong => f.write_str("longer than 64 KiB"),
            Self::Unsigned => f.write_str("not signed"),
            Self::UnknownKey => f.write_str("signed with an unknown key"),
            Self::Signature => f.write_str("the signature is not its own"),
        }
    }
}

impl std::error::Error for TokenError {}

/// The object as it is written.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Written<'t> {
    run_id: &'t str,
    config_key: &'t str,
    #[serde(skip_serializing_if = "str::is_empty")]
    variation_key: &'t str,
    version: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    graph_key: Option<&'t str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<TraceId>,
}

impl fmt::Display for ResumptionToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let written = Written {
            run_id: &self.run_id,
            config_key: &self.config_key,
            variation_key: &self.variation_key,
            version: self.version,
            graph_key: self.graph_key.as_deref().filter(|key| !key.is_empty()),
            trace_id: self.trace_id,
        };
        f.write_str(&encode(&serde_json::to_vec(&written).map_err(|_| fmt::Error)?))
    }
}

/// The object as it is read: what stands under each key, whatever it is.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", bound(deserialize = "'de: 't"))]
struct Read<'t> {
    #[serde(default, borrow, deserialize_with = "present")]
    run_id: Option<&'t RawValue>,
    #[serde(default, borrow, deserialize_with = "present")]
    config_key: Option<&'t RawValue>,
    #[serde(default, borrow, deserialize_with = "present")]
    variation_key: Option<&'t RawValue>,
    #[serde(default, borrow, deserialize_with = "present")]
    version: Option<&'t RawValue>,
    #[serde(default, borrow, deserialize_with = "present")]
    graph_key: Option<&'t RawValue>,
    #[serde(default, borrow, deserialize_with = "present")]
    trace_id: Option<&'t RawValue>,
}

/// A `null` stands there too.
fn present<'de, D: Deserializer<'de>>(from: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(from).map(Some)
}

fn value<'de, T: Deserialize<'de>>(raw: &'de RawValue, field: &'static str) -> Result<T, TokenError> {
    serde_json::from_str(raw.get()).map_err(|_| TokenError::InvalidField(field))
}

fn non_empty(raw: &RawValue, field: &'static str) -> Result<String, TokenError> {
    value::<String>(raw, field)
        .and_then(|text| if text.is_empty() { Err(TokenError::InvalidField(field)) } else { Ok(text) })
}

/// A text that may be left out, `null` or empty.
fn optional(raw: Option<&RawValue>, field: &'static str) -> Result<Option<String>, TokenError> {
    let text = raw.map(|raw| value::<Option<String>>(raw, field)).transpose()?.flatten();
    Ok(text.filter(|text| !text.is_empty()))
}

impl FromStr for ResumptionToken {
    type Err = TokenError;

    /// Reads a token exactly as it was given: whoever takes it from a form trims it first. A version such as `1.0` is refused.
    fn from_str(text: &str) -> Result<Self, TokenError> {
        if text.len() > MOST_BYTES {
            return Err(TokenError::TooLong);
        }
        let bytes = decode(text).ok_or(TokenError::Base64)?;
        let json = str::from_utf8(&bytes).map_err(|_| TokenError::Utf8)?;
        // A list of the values in their order would be read as well.
        if !json.trim_start().starts_with('{') {
            let is_json = serde_json::from_str::<serde::de::IgnoredAny>(json);
            return Err(is_json.map_or_else(|error| TokenError::Json(error.to_string()), |_| TokenError::NotObject));
        }
        let read: Read<'_> = serde_json::from_str(json).map_err(|error| TokenError::Json(error.to_string()))?;
        let run_id = read.run_id.ok_or(TokenError::MissingField("runId"))?;
        let config_key = read.config_key.ok_or(TokenError::MissingField("configKey"))?;
        let version = read.version.ok_or(TokenError::MissingField("version"))?;
        let trace_id = optional(read.trace_id, "traceId")?;
        Ok(Self {
            run_id: non_empty(run_id, "runId")?,
            config_key: non_empty(config_key, "configKey")?,
            variation_key: optional(read.variation_key, "variationKey")?.unwrap_or_default(),
            version: value(version, "version")?,
            graph_key: optional(read.graph_key, "graphKey")?,
            trace_id: trace_id
                .map(|id| {
                    id.parse::<TraceId>().ok().filter(|id| id.is_valid()).ok_or(TokenError::InvalidField("traceId"))
                })
                .transpose()?,
        })
    }
}

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Unpadded base64url (RFC 4648, section 5).
pub(super) fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity((bytes.len() * 4).div_ceil(3));
    for three in bytes.chunks(3) {
        let word = three.iter().fold(0, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        for place in 0..=three.len() {
            text.push(DIGITS[(word >> (18 - 6 * place)) as usize & 63].into());
        }
    }
    text
}

/// The bytes of unpadded base64url; `None` for anything else, bits that belong to no byte included.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() * 3 / 4);
    for four in text.as_bytes().chunks(4) {
        let mut word = 0u32;
        for digit in four {
            let value = match digit {
                b'A'..=b'Z' => digit - b'A',
                b'a'..=b'z' => digit - b'a' + 26,
                b'0'..=b'9' => digit - b'0' + 52,
                b'-' => 62,
                b'_' => 63,
                _ => return None,
            };
            word = word << 6 | u32::from(value);
        }
        let whole = match four.len() {
            4 => 3,
            3 => 2,
            2 => 1,
            _ => return None,
        };
        let spare = 6 * four.len() - 8 * whole;
        if word & ((1 << spare) - 1) != 0 {
            return None;
        }
        let word = word >> spare;
        bytes.extend((0..whole).rev().map(|place| (word >> (8 * place)) as u8));
    }
    Some(bytes)
}

/// What is taken is written again as something that reads the same, and what is refused is refused with the words that others use.
#[cfg(all(any(test, fuzzing), feature = "mlflow", not(loom)))]
pub(crate) fn fuzzing(bytes: &[u8]) {
    // As it stands, and as what an encoder made of it.
    for text in [String::from_utf8_lossy(bytes).into_owned(), encode(bytes)] {
        match text.parse::<ResumptionToken>() {
            Ok(token) => {
                assert!(!token.run_id.is_empty() && !token.config_key.is_empty());
                let written = token.to_string();
                assert!(!written.contains('='));
                assert_eq!(written.parse(), Ok(token));
            }
            Err(error) => assert!(error.to_string().starts_with("Invalid resumption token: ")),
        }
    }
    assert_eq!(decode(&encode(bytes)).as_deref(), Some(bytes));
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::sync::Arc;

    use serde_json::{Value, json};

    use super::*;
    use crate::AgentConfig;
    use crate::tracker::{JsonLines, Reporting};

    /// What the reference implementation writes and reads.
    fn vectors() -> Value {
        serde_json::from_str(include_str!("token_vectors.json")).expect("JSON")
    }

    fn text(value: &Value) -> &str {
        value.as_str().expect("a text")
    }

    fn decoded(of: &Value) -> ResumptionToken {
        ResumptionToken {
            run_id: text(&of["run_id"]).into(),
            config_key: text(&of["config_key"]).into(),
            variation_key: text(&of["variation_key"]).into(),
            version: of["version"].as_i64().expect("an integer"),
            graph_key: of["graph_key"].as_str().map(str::to_owned),
            trace_id: None,
        }
    }

    /// A3-10
    #[test]
    fn every_valid_token_of_the_reference_is_read_and_written_to_the_byte() {
        let vectors = vectors();
        let valid = vectors["valid"].as_array().expect("a list");
        assert_eq!(valid.len(), 11);
        for case in valid {
            let (name, expected) = (text(&case["name"]), decoded(&case["decoded"]));
            for form in ["reference_token", "compact_token"] {
                assert_eq!(text(&case[form]).parse(), Ok(expected.clone()), "{name} {form}");
            }
            assert_eq!(expected.to_string(), text(&case["compact_token"]), "{name}");
            assert!(!expected.to_string().contains('='));
            assert_eq!(encode(text(&case["reference_json"]).as_bytes()), text(&case["reference_token"]), "{name}");

            // From the start: what a tracker of that configuration hands out.
            let input = &case["input"];
            let config = AgentConfig {
                variation: text(&input["variation_key"]).into(),
                version: input["version"].as_i64().expect("an integer"),
                model: text(&input["model_name"]).into(),
                provider: text(&input["provider_name"]).into(),
                graph_key: input["graph_key"].as_str().map(str::to_owned),
                ..AgentConfig::new(text(&input["config_key"]))
            };
            let fresh = config.create_tracker("ann").resumption_token();
            let same = ResumptionToken { run_id: text(&input["run_id"]).into(), ..fresh };
            assert_eq!(same.to_string(), text(&case["compact_token"]), "{name}");

            let events = Arc::new(JsonLines::new(Vec::new()));
            let resumed = expected.resume_reporting("bob", Reporting::to(events.clone()));
            assert_eq!(resumed.resumption_token(), expected, "{name}");
            assert!(resumed.track_success().is_recorded());
            drop(resumed);
            let written = Arc::into_inner(events).expect("nobody else has it").into_inner();
            let mut event: Value = serde_json::from_slice(&written).expect("one event");
            assert_eq!(event["context"].take(), json!({ "kind": "user", "key": "bob" }), "{name}: the new context");
            event.as_object_mut().expect("an object").remove("context");
            assert_eq!(event, case["event_after_resume"], "{name}");
        }
    }

    /// A3-11
    #[test]
    fn every_malformed_token_of_the_reference_has_the_outcome_that_is_asked_for() {
        let vectors = vectors();
        let cases = vectors["malformed_or_odd"].as_array().expect("a list");
        assert_eq!(cases.len(), 26);
        for case in cases {
            let (name, required) = (text(&case["name"]), text(&case["required"]));
            let read = text(&case["token"]).parse::<ResumptionToken>();
            let words: Vec<_> = required.split(' ').collect();
            match (words.as_slice(), &read) {
                (["error", "invalid_token"], Err(error)) => {
                    use TokenError::{Base64, Json, NotObject, Utf8};
                    assert!(matches!(error, Base64 | Json(_) | NotObject | Utf8), "{name}: {error:?}");
                }
                (["error", "missing_field", field], Err(error)) => {
                    assert!(
                        error.to_string().contains(&format!("missing required field '{field}'")),
                        "{name}: {error}"
                    );
                }
                (["error", "invalid_field", field, ..], Err(TokenError::InvalidField(found))) => {
                    assert_eq!(found, field, "{name}")
                }
                (["ok", "variation", "empty"], Ok(token)) => assert_eq!(token.variation_key, "", "{name}"),
                (["ok", "graph", "none"], Ok(token)) => assert_eq!(token.graph_key, None, "{name}"),
                (["ok", "ignored"], Ok(token)) => assert_eq!(token.run_id, "r", "{name}"),
                (_, read) => panic!("{name}: {required}, found {read:?}"),
            }
            if let Err(error) = read {
                assert!(error.to_string().starts_with("Invalid resumption token: "), "{name}: {error}");
            }
        }
    }

    #[test]
    fn the_trace_comes_last_and_others_pass_over_it() {
        let trace = TraceId::from_halves(1, 2);
        let token = ResumptionToken { trace_id: Some(trace), ..decoded(&vectors()["valid"][0]["decoded"]) };
        let json = String::from_utf8(decode(&token.to_string()).expect("base64url")).expect("UTF-8");
        assert!(json.ends_with(r#","version":7,"traceId":"00000000000000010000000000000002"}"#), "{json}");
        assert_eq!(token.to_string().parse(), Ok(token.clone()));
        for (id, read) in
            [("null", Ok(None)), ("\"\"", Ok(None)), ("\"nope\"", Err(TokenError::InvalidField("traceId")))]
        {
            let json = format!(r#"{{"runId":"r","configKey":"k","version":1,"traceId":{id}}}"#);
            assert_eq!(encode(json.as_bytes()).parse().map(|token: ResumptionToken| token.trace_id), read, "{id}");
        }
    }

    #[test]
    fn what_is_too_long_padded_or_cut_is_refused() {
        let token = decoded(&vectors()["valid"][0]["decoded"]).to_string();
        assert_eq!(format!("{token}=").parse::<ResumptionToken>(), Err(TokenError::Base64));
        assert_eq!("A".repeat(MOST_BYTES + 1).parse::<ResumptionToken>(), Err(TokenError::TooLong));
        for end in 0..token.len() {
            assert!(token[..end].parse::<ResumptionToken>().is_err(), "{end}");
        }
        let twice = encode(br#"{"runId":"r","runId":"s","configKey":"k","version":1}"#);
        assert!(matches!(twice.parse::<ResumptionToken>(), Err(TokenError::Json(_))));
        let large = encode(json!({"runId": "r", "configKey": "k", "version": i64::MIN}).to_string().as_bytes());
        assert_eq!(large.parse::<ResumptionToken>().map(|token| token.version), Ok(i64::MIN));
    }
}
