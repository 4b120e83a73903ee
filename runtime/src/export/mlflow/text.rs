//! Texts as MLflow takes them: its limits, its names, and how a value must be written so that it is read back unchanged.

use std::borrow::Cow;

use crate::export::wire::Value;
use crate::record::ValueView;

/// Session, user, tag key; characters.
pub(super) const SHORT: usize = 250;
/// Trace name and tag value; characters.
pub(super) const LONG: usize = 4096;
/// Python's JSON reader gives up near 1000 levels, and with it the whole request fails.
const DEEPEST: usize = 200;

/// At most `limit` characters, and no NUL, which PostgreSQL refuses.
pub(super) fn bounded(text: &str, limit: usize) -> Cow<'_, str> {
    let is_short = text.len() <= limit;
    let cut = if is_short { text } else { text.char_indices().nth(limit).map_or(text, |(end, _)| &text[..end]) };
    if cut.contains('\0') { Cow::Owned(cut.replace('\0', "\u{fffd}")) } else { Cow::Borrowed(cut) }
}

/// The name of a tag, parameter or metric: what MLflow does not allow in one becomes `_`. `None` for an empty name and for one
/// in MLflow's own name space, where a value can make a trace unreadable.
pub(super) fn name(text: &str) -> Option<Cow<'_, str>> {
    let cut = bounded(text, SHORT);
    if cut.is_empty() || cut.starts_with("mlflow.") {
        return None;
    }
    let allowed = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ' ' | ':' | '/');
    // Names are also paths in some of MLflow's stores; one that is not its own normal form is refused.
    let is_path = cut.split('/').any(|part| matches!(part, "" | "." | ".."));
    if cut.chars().all(allowed) && !is_path && !cut.starts_with("..") {
        return Some(cut);
    }
    let replaced: String = cut.chars().map(|c| if allowed(c) && !(is_path && c == '/') { c } else { '_' }).collect();
    Some(Cow::Owned(match replaced.strip_prefix('.') {
        Some(rest) => format!("_{rest}"),
        None => replaced,
    }))
}

/// A value on its way to the wire.
#[derive(Debug, PartialEq)]
pub(super) enum Encoded<'a> {
    Text(Cow<'a, str>),
    Bool(bool),
    Int(i64),
    Float(f64),
}

impl Encoded<'_> {
    pub(super) fn as_value(&self) -> Value<'_> {
        match self {
            Self::Text(text) => Value::Text(text),
            Self::Bool(value) => Value::Bool(*value),
            Self::Int(value) => Value::Int(*value),
            Self::Float(value) => Value::Float(*value),
        }
    }
}

/// A text that stays a text. MLflow takes one layer of JSON off a string that parses as an object, a list or a string, so a text
/// that might is given that layer.
pub(super) fn text(value: &str) -> Encoded<'_> {
    let looks_like_json = match value.as_bytes().first() {
        Some(b' ' | b'\t' | b'\n' | b'\r') => {
            value.trim_start_matches([' ', '\t', '\n', '\r']).starts_with(['{', '[', '"'])
        }
        first => matches!(first, Some(b'{' | b'[' | b'"')),
    };
    Encoded::Text(if looks_like_json { Cow::Owned(quoted(value)) } else { Cow::Borrowed(value) })
}

fn quoted(value: &str) -> String {
    serde_json::Value::from(value).to_string()
}

/// JSON as MLflow reads it back: objects and lists as their text, scalars bare; `None` for null.
pub(super) fn json(value: &str) -> Option<Encoded<'_>> {
    // Of our own JSON nothing is to be taken off.
    let raw = if value.starts_with(['{', '[']) && value.ends_with(['}', ']']) { value } else { value.trim() };
    Some(match raw.as_bytes().first()? {
        b'{' | b'[' => {
            let clean = readable(raw);
            if may_be_deep(&clean) && depth(&clean) > DEEPEST {
                Encoded::Text(Cow::Owned(quoted(&clean)))
            } else {
                Encoded::Text(clean)
            }
        }
        b'"' => match serde_json::from_str::<String>(&clean_escapes(raw)) {
            Ok(inner) => Encoded::Text(Cow::Owned(text(&inner).into_text())),
            Err(_) => Encoded::Text(Cow::Owned(raw.to_owned())),
        },
        b't' => Encoded::Bool(true),
        b'f' => Encoded::Bool(false),
        b'n' => return None,
        _ => number(raw),
    })
}

impl Encoded<'_> {
    pub(super) fn into_text(self) -> String {
        match self {
            Self::Text(text) => text.into_owned(),
            Self::Bool(value) => value.to_string(),
            Self::Int(value) => value.to_string(),
            Self::Float(value) => value.to_string(),
        }
    }
}

/// A number, as text where 64 bits would change it.
fn number(raw: &str) -> Encoded<'_> {
    let is_integer = raw.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    match (raw.parse(), raw.parse::<f64>()) {
        (Ok(integer), _) => Encoded::Int(integer),
        (_, Ok(float)) if !is_integer && float.is_finite() => Encoded::Float(float),
        _ => Encoded::Text(Cow::Borrowed(raw)),
    }
}

/// The value of an attribute; `None` for null.
pub(super) fn attribute(value: ValueView<'_>) -> Option<Encoded<'_>> {
    Some(match value {
        ValueView::Bool(value) => Encoded::Bool(value),
        ValueView::Int(value) => Encoded::Int(value),
        // Some of MLflow's databases take no other than JSON's numbers.
        ValueView::Float(value) if !value.is_finite() => Encoded::Text(Cow::Owned(value.to_string())),
        ValueView::Float(value) => Encoded::Float(value),
        ValueView::Text(value) => text(value),
        ValueView::Json(value) => return json(value),
    })
}

/// A byte of one in each place of a word, and the uppermost bit of each.
const ONES: u64 = u64::MAX / 0xff;
const UPPERMOST: u64 = ONES * 0x80;

/// JSON text as words of eight bytes, which are looked at two at a time; what is left of it stands in the last one.
struct Words<'a> {
    words: &'a [[u8; 8]],
    last: [u8; 8],
}

impl<'a> Words<'a> {
    fn of(json: &'a str) -> Self {
        let (words, rest) = json.as_bytes().as_chunks();
        let mut last = [b' '; 8];
        last[..rest.len()].copy_from_slice(rest);
        Self { words, last }
    }

    fn any(&self, look: impl Fn(u64) -> u64) -> u64 {
        let found = self.words.iter().fold(0, |found, word| found | look(u64::from_le_bytes(*word)));
        found | look(u64::from_le_bytes(self.last))
    }

    fn has_escapes(&self) -> bool {
        let zero_at_backslash = |word: u64| word ^ (ONES * u64::from(b'\\'));
        let found = self.any(|word| zero_at_backslash(word).wrapping_sub(ONES) & !zero_at_backslash(word));
        found & UPPERMOST != 0
    }

    /// Whether there may be a number of 19 digits: such a number fills a word.
    fn may_have_long_integers(&self) -> bool {
        let zero_if_digits = |word: u64| (word ^ (ONES * u64::from(b'0'))) & (ONES * 0xf0);
        let found = self.any(|word| zero_if_digits(word).wrapping_sub(1) & !zero_if_digits(word));
        found >> 63 != 0
    }
}

/// Whether JSON text is long enough, and has brackets enough, to be too deep.
fn may_be_deep(json: &str) -> bool {
    let opens = |byte: &&u8| matches!(byte, b'{' | b'[');
    // What is open is closed, too.
    json.len() > 2 * DEEPEST && json.as_bytes().iter().filter(opens).count() > DEEPEST
}

/// How deep JSON text nests.
fn depth(json: &str) -> usize {
    let (mut now, mut deepest, mut in_text, mut escaped) = (0usize, 0, false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = in_text,
            b'"' => in_text = !in_text,
            b'{' | b'[' if !in_text => {
                now += 1;
                deepest = deepest.max(now);
            }
            b'}' | b']' if !in_text => now = now.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// JSON text that the server can give back as well as take.
pub(super) fn readable(json: &str) -> Cow<'_, str> {
    let words = Words::of(json);
    let clean = if words.has_escapes() { clean_escapes(json) } else { Cow::Borrowed(json) };
    match clean {
        clean if !words.may_have_long_integers() => clean,
        Cow::Borrowed(json) => quote_long_integers(json),
        Cow::Owned(json) => Cow::Owned(quote_long_integers(&json).into_owned()),
    }
}

/// Integers beyond 64 signed bits, as texts: MLflow stores them, and then answers 500 to whoever reads the trace or lists it with others.
fn quote_long_integers(json: &str) -> Cow<'_, str> {
    let mut quoted = String::new();
    let (mut kept, mut at, mut in_text) = (0, 0, false);
    let bytes = json.as_bytes();
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'\\' => at += 1,
            b'"' => in_text = !in_text,
            b'-' | b'0'..=b'9' if !in_text => {
                let rest = &json[at..];
                let length =
                    rest.find(|c: char| !c.is_ascii_alphanumeric() && !"+-.".contains(c)).unwrap_or(rest.len());
                let number = &rest[..length];
                if let Encoded::Text(_) = self::number(number)
                    && !number.contains(['.', 'e', 'E'])
                {
                    quoted.extend([&json[kept..at], "\"", number, "\""]);
                    kept = at + length;
                }
                at += length;
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    if kept == 0 {
        return Cow::Borrowed(json);
    }
    quoted.push_str(&json[kept..]);
    Cow::Owned(quoted)
}

/// JSON text without escapes that no database takes: NUL and half surrogate pairs become the replacement character.
fn clean_escapes(json: &str) -> Cow<'_, str> {
    let unit = |at: usize| -> Option<u16> {
        let escape = json.get(at..at + 6)?.strip_prefix("\\u")?;
        u16::from_str_radix(escape, 16).ok()
    };
    let mut clean = String::new();
    let mut kept = 0;
    let mut at = 0;
    while let Some(found) = json[at..].find('\\') {
        at += found;
        let length = match (unit(at), unit(at + 6)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => 12,
            (Some(0 | 0xd800..=0xdfff), _) => {
                clean.push_str(&json[kept..at]);
                clean.push_str("\\ufffd");
                kept = at + 6;
                6
            }
            (Some(_), _) => 6,
            (None, _) => 2,
        };
        at += length;
    }
    if kept == 0 {
        return Cow::Borrowed(json);
    }
    clean.push_str(&json[kept..]);
    Cow::Owned(clean)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What MLflow keeps of a string attribute (`sanitize_attributes` of 3.17.2).
    fn as_read_back(sent: &str) -> serde_json::Value {
        match serde_json::from_str::<serde_json::Value>(sent) {
            Ok(inner) if inner.is_string() || inner.is_array() || inner.is_object() => inner,
            _ => sent.into(),
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_back_as_itself(value in prop_oneof!["\\PC*", r#"[ \t\n]{0,2}["\[{][a-z\[\]{}":,]{0,9}"#]) {
            let encoded = text(&value).into_text();
            prop_assert_eq!(as_read_back(&encoded), serde_json::Value::from(value));
        }

        #[test]
        fn any_json_text_stays_json(units in prop::collection::vec(any::<u16>(), 0..6), plain in "[a-z\\\\\"]{0,5}") {
            let escapes: String = units.iter().map(|unit| format!("\\u{unit:04x}")).collect();
            let plain = serde_json::Value::from(plain).to_string();
            let raw = format!("{{{plain}:\"{escapes}\"}}");
            let Some(Encoded::Text(sent)) = json(&raw) else { panic!("an object is sent as text") };
            let read: serde_json::Value = serde_json::from_str(&sent).expect("no half pair is left");
            prop_assert!(!read.to_string().contains("\\u0000"));
        }
    }

    #[test]
    fn json_scalars_keep_their_type_and_value() {
        let encode = |raw: &str| json(raw).map(|encoded| format!("{encoded:?}"));
        assert_eq!(encode("42").as_deref(), Some("Int(42)"));
        assert_eq!(encode("-1.5").as_deref(), Some("Float(-1.5)"));
        assert_eq!(encode("18446744073709551615").as_deref(), Some("Text(\"18446744073709551615\")"));
        assert_eq!(encode("1e999").as_deref(), Some("Text(\"1e999\")"));
        assert_eq!(encode("true").as_deref(), Some("Bool(true)"));
        assert_eq!(encode("null"), None);
        assert_eq!(encode(r#""plain""#).as_deref(), Some("Text(\"plain\")"));
        assert_eq!(encode(r#""[1,2]""#).as_deref(), Some(r#"Text("\"[1,2]\"")"#));
    }

    #[test]
    fn integers_the_server_could_not_give_back_become_texts() {
        for (given, sent) in [
            (r#"{"hash":18446744073709551615}"#, r#"{"hash":"18446744073709551615"}"#),
            (r#"[-9223372036854775809,9223372036854775807]"#, r#"["-9223372036854775809",9223372036854775807]"#),
            (r#"{"\"18446744073709551615":[1e400,1.5,-0]}"#, r#"{"\"18446744073709551615":[1e400,1.5,-0]}"#),
        ] {
            assert_eq!(readable(given), sent);
        }
        // Wherever it begins, among texts that look like numbers and between short ones.
        for at in 0..16 {
            let padding = "\u{e9}".repeat(at / 2) + &"x".repeat(at % 2);
            let given =
                format!(r#"{{"{padding}":[1234567890123456789,-12345678901234567890,12],"12345678901234567890":1}}"#);
            let sent = given.replace("-12345678901234567890", r#""-12345678901234567890""#);
            assert_eq!(readable(&given), sent);
        }
    }

    #[test]
    fn json_too_deep_for_the_server_is_sent_as_one_text() {
        let deep = format!("{}1{}", "[".repeat(DEEPEST + 1), "]".repeat(DEEPEST + 1));
        let Some(Encoded::Text(sent)) = json(&deep) else { panic!("sent as text") };
        assert_eq!(as_read_back(&sent), serde_json::Value::from(deep));
        assert_eq!(depth(r#"{"a":"[[[","b":[{"c\"[":1}]}"#), 3);
    }

    #[test]
    fn names_are_made_acceptable_and_mlflows_own_are_refused() {
        for (given, sent) in [
            ("team", Some("team")),
            ("größe/1", Some("größe/1")),
            ("a(b)%", Some("a_b__")),
            ("a//b", Some("a__b")),
            ("../x", Some("_._x")),
            ("..x", Some("_.x")),
            (".", Some("_")),
            ("", None),
            ("mlflow.trace.spansLocation", None),
        ] {
            assert_eq!(name(given).as_deref(), sent, "{given}");
        }
        assert_eq!(name(&"é".repeat(300)).expect("a name").chars().count(), SHORT);
    }
}
