//! What the notes of a span hold: the inputs of a call, an output, the value of an attribute.

use super::UNNAMED_LIMIT;
use super::read::{Cursor, Token};
use super::render::{json, render_into, render_text};
use crate::record::{AttributeValue, Json};

/// Limit of the joined items of a stream, in bytes of JSON text. Each item has its own limit as well.
const JOINED_LIMIT: usize = 1 << 20;

/// The captured inputs of a call as one JSON object; `None` if nothing was captured.
///
/// `{"a": …, "b": …}` with the names of the values, in their order. Where only the shape was captured:
/// `{"node": name, "state_keys": […], "args": […]}`, `node` only if given, `args` the names of the values whose keys are not shown, the
/// receiver left out.
pub(crate) fn inputs(bytes: &[u8], names: &[String], node: Option<&str>) -> Option<Json> {
    let mut cursor = Cursor::new(bytes);
    let limit = limit(&mut cursor);
    if let Some(Token::Shape(place)) = cursor.peek() {
        cursor.next();
        return Some(shape(cursor, limit, place, names, node));
    }
    cursor.peek()?;
    let mut text = String::with_capacity(bytes.len() * 5 / 4 + 16 * names.len());
    text.push('{');
    for name in names {
        if cursor.peek().is_none() {
            break;
        }
        if text.len() > 1 {
            text.push(',');
        }
        render_text(&mut text, name, UNNAMED_LIMIT);
        text.push(':');
        render_into(&mut text, &mut cursor, limit);
    }
    text.push('}');
    Some(json(text))
}

fn shape(mut cursor: Cursor<'_>, limit: usize, place: u64, names: &[String], node: Option<&str>) -> Json {
    let mut text = String::from("{");
    if let Some(node) = node {
        text.push_str("\"node\":");
        render_text(&mut text, node, UNNAMED_LIMIT);
        text.push(',');
    }
    text.push_str("\"state_keys\":");
    match place {
        0 => text.push_str("[]"),
        _ => render_into(&mut text, &mut cursor, limit),
    }
    text.push_str(",\"args\":[");
    let shown = usize::try_from(place).ok().and_then(|place| place.checked_sub(1));
    let others = names.iter().enumerate().filter(|(place, name)| Some(*place) != shown && *name != "self");
    for (count, (_, name)) in others.enumerate() {
        if count > 0 {
            text.push(',');
        }
        render_text(&mut text, name, UNNAMED_LIMIT);
    }
    text.push_str("]}");
    json(text)
}

/// What a call or a stream gave back; `None` if nothing was captured.
///
/// `items` says that the bytes hold the items of a stream, one captured value after the other: if all are strings they are joined into
/// one, else they become a list.
pub(crate) fn output(bytes: &[u8], items: bool) -> Option<Json> {
    let mut cursor = Cursor::new(bytes);
    let first = limit(&mut cursor);
    cursor.peek()?;
    let mut text = String::new();
    if !items {
        render_into(&mut text, &mut cursor, first);
    } else if let Some(joined) = joined(bytes) {
        render_text(&mut text, &joined, JOINED_LIMIT);
    } else {
        list(&mut text, bytes);
    }
    Some(json(text))
}

/// The items of a stream as one text, if all are strings.
fn joined(bytes: &[u8]) -> Option<String> {
    let mut cursor = Cursor::new(bytes);
    let mut joined = String::new();
    loop {
        limit(&mut cursor);
        match cursor.next() {
            Some(Token::String { text, cut }) if joined.len() <= JOINED_LIMIT => {
                joined.push_str(text);
                if cut {
                    joined.push('…');
                }
            }
            Some(Token::String { .. }) => {}
            Some(_) => return None,
            None => return Some(joined),
        }
    }
}

fn list(text: &mut String, bytes: &[u8]) {
    let mut cursor = Cursor::new(bytes);
    let end = text.len() + JOINED_LIMIT - ",\"…\"]".len();
    text.push('[');
    let mut first = true;
    loop {
        let limit = limit(&mut cursor);
        if cursor.peek().is_none() {
            break;
        }
        if !first {
            text.push(',');
        }
        first = false;
        let start = text.len();
        render_into(text, &mut cursor, limit);
        if text.len() > end {
            text.truncate(start);
            text.push_str("\"…\"");
            break;
        }
    }
    text.push(']');
}

/// The value as an attribute; `None` if there is none. Scalars keep their type, an integer beyond `i64` and a marker become text, lists and
/// objects JSON text.
pub(crate) fn attribute(bytes: &[u8]) -> Option<AttributeValue> {
    attribute_at(&mut Cursor::new(bytes))
}

/// Attributes one after the other, each a key and a value.
pub(crate) fn attributes(bytes: &[u8]) -> Vec<(&str, AttributeValue)> {
    let mut cursor = Cursor::new(bytes);
    let mut found = Vec::new();
    while let Some(Token::Key(key)) = cursor.next() {
        let Some(value) = attribute_at(&mut cursor) else { break };
        found.push((key, value));
    }
    found
}

/// Reads one value and its limit.
fn attribute_at(cursor: &mut Cursor<'_>) -> Option<AttributeValue> {
    let limit = limit(cursor);
    let start = *cursor;
    let value = match cursor.peek()? {
        Token::Bool(value) => AttributeValue::Bool(value),
        Token::Unsigned(value) => unsigned(value),
        Token::Negative(value) => AttributeValue::Int(value),
        Token::Double(value) => AttributeValue::Float(value),
        Token::Single(value) => single(value),
        Token::Number(text) => AttributeValue::Text(text.to_owned()),
        Token::String { .. } | Token::Opaque(_) | Token::Panicked | Token::Failed(_) | Token::Cut => {
            AttributeValue::Text(text_at(start, limit))
        }
        _ => {
            let mut text = String::new();
            let mut value = start;
            render_into(&mut text, &mut value, limit);
            AttributeValue::Json(json(text))
        }
    };
    cursor.skip();
    Some(value)
}

pub(super) fn unsigned(value: u64) -> AttributeValue {
    i64::try_from(value).map_or_else(|_| AttributeValue::Text(value.to_string()), AttributeValue::Int)
}

/// By its digits: 0.1 stays 0.1.
pub(super) fn single(value: f32) -> AttributeValue {
    AttributeValue::Float(value.to_string().parse().unwrap_or(f64::from(value)))
}

/// The text of a string or marker, the JSON text of anything else; empty if there is nothing.
pub(crate) fn text(bytes: &[u8]) -> String {
    let mut cursor = Cursor::new(bytes);
    let limit = limit(&mut cursor);
    text_at(cursor, limit)
}

fn text_at(mut cursor: Cursor<'_>, limit: usize) -> String {
    match cursor.peek() {
        Some(Token::String { text, cut: false }) => text.to_owned(),
        Some(Token::String { text, cut: true }) => format!("{text}…"),
        Some(Token::Cut) => "…".to_owned(),
        Some(Token::Panicked) => "<panicked>".to_owned(),
        Some(Token::Opaque(name)) => format!("<{}>", super::short_type_name(name)),
        Some(Token::Failed(text)) => format!("<failed: {text}>"),
        Some(_) => {
            let mut text = String::new();
            render_into(&mut text, &mut cursor, limit);
            text
        }
        None => String::new(),
    }
}

/// Reads the limit that stands before the values of a payload.
fn limit(cursor: &mut Cursor<'_>) -> usize {
    match cursor.peek() {
        Some(Token::Limit(limit)) => {
            cursor.next();
            limit
        }
        _ => UNNAMED_LIMIT,
    }
}
