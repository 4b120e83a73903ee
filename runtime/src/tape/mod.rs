//! stub
#![forbid(unsafe_code)]
use crate::record::{AttributeValue, Json};

/// The longest text or limit a tape can hold, in bytes: 256 MiB.
pub(crate) const LONGEST: usize = (1 << 28) - 1;

/// The value as JSON text of at most `limit` bytes.
pub(crate) fn render(bytes: &[u8], limit: usize) -> Json {
    let _ = (bytes, limit);
    Json::of(&())
}

/// The captured inputs of a call as one JSON object; `None` if nothing was captured.
pub(crate) fn inputs(bytes: &[u8], names: &[String], node: Option<&str>) -> Option<Json> {
    let _ = (bytes, names, node);
    None
}

/// What a call or a stream gave back; `items` joins the values of a stream. `None` if nothing was captured.
pub(crate) fn output(bytes: &[u8], items: bool) -> Option<Json> {
    let _ = (bytes, items);
    None
}

/// The value as an attribute; `None` if there is none.
pub(crate) fn attribute(bytes: &[u8]) -> Option<AttributeValue> {
    let _ = bytes;
    None
}

/// The text of a string, the JSON text of anything else.
pub(crate) fn text(bytes: &[u8]) -> String {
    let _ = bytes;
    String::new()
}

/// A type's name without its module paths.
pub(crate) fn short_type_name(name: &str) -> String {
    name.to_owned()
}
