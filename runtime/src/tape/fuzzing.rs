//! Bytes of captured values.

use super::read::Cursor;
use super::render::render_into;
use super::{attribute, inputs, output, text};

/// Any bytes become valid JSON within its limit, and payloads that can be read.
pub(crate) fn tape(bytes: &[u8]) {
    let limit = bytes.first().map_or(0, |&first| usize::from(first) * 8);
    let mut rendered = String::new();
    render_into(&mut rendered, &mut Cursor::new(bytes), limit);
    assert!(rendered.len() <= limit.max(16), "{} > {limit}: {rendered}", rendered.len());
    assert_json(&rendered);
    let names = ["a", "self", "c\"d"].map(String::from);
    let payloads = [inputs(bytes, &names, None), inputs(bytes, &names, Some("n\u{1}\"")), output(bytes, false)];
    for payload in payloads.into_iter().chain([output(bytes, true)]).flatten() {
        assert_ne!(payload.as_str(), "\"<unreadable>\"");
        assert_json(payload.as_str());
    }
    attribute(bytes);
    text(bytes);
}

fn assert_json(text: &str) {
    let read: Result<serde_json::Value, _> = serde_json::from_str(text);
    assert!(read.is_ok(), "{text}: {read:?}");
}
