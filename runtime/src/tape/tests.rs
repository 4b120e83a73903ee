use proptest::prelude::*;
use serde_json::{Value, json};

use super::read::{Cursor, Token};
use super::render::render_into;
use super::{Tape, attribute, attributes, inputs, output, render, short, short_type_name, tag, text};
use crate::record::{AttributeValue, Json};

/// Bytes that are mostly tags and short lengths, so that most of them nest.
fn tapes() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![4 => 0x00u8..0x1b, 2 => 0u8..4, 1 => Just(b'"'), 1 => any::<u8>()];
    prop_oneof![prop::collection::vec(byte, 0..200), prop::collection::vec(any::<u8>(), 0..64)]
}

fn names() -> Vec<String> {
    ["a", "self", "c\"d"].map(String::from).to_vec()
}

proptest! {
    #[test]
    fn any_bytes_give_valid_json_within_the_limit(bytes in tapes(), limit in 0usize..300) {
        let mut text = String::new();
        render_into(&mut text, &mut Cursor::new(&bytes), limit);
        prop_assert!(text.len() <= limit.max(16), "{} > {limit}: {text}", text.len());
        prop_assert!(serde_json::from_str::<Value>(&text).is_ok(), "{text}");
    }

    #[test]
    fn any_bytes_give_valid_payloads(bytes in tapes()) {
        let payloads = [
            inputs(&bytes, &names(), None),
            inputs(&bytes, &names(), Some("n\u{1}\"")),
            output(&bytes, false),
            output(&bytes, true),
        ];
        for payload in payloads.into_iter().flatten() {
            prop_assert!(payload.as_str() != "\"<unreadable>\"");
            prop_assert!(serde_json::from_str::<Value>(payload.as_str()).is_ok(), "{payload:?}");
        }
        attribute(&bytes);
        attributes(&bytes);
        text(&bytes);
    }
}

proptest! {
    #[test]
    fn every_number_reads_back_as_written(n: u64, shift in 0u32..64, before in prop::collection::vec(any::<u8>(), 0..10)) {
        for n in [n >> shift, (1 << shift) - 1, 1 << shift] {
            let mut tape = Tape::over(before.clone());
            tape.put_number(tag::UNSIGNED, n);
            let read = Cursor::new(&tape).next();
            prop_assert_eq!((read, tape.len()), (Some(Token::Unsigned(n)), 2 + n.max(1).ilog2() as usize / 7));
            if (0x80..super::BEYOND_SEVEN_BYTES).contains(&n) {
                let (bytes, len) = super::seven_bytes(tag::UNSIGNED, n);
                prop_assert_eq!(&bytes[..len], &tape[..]);
            }
        }
    }

    #[test]
    fn a_tape_holds_what_was_put_whatever_room_it_had(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..9), room in 0usize..99, most in 0usize..99) {
        let mut tape = Tape::over(vec![7; room]);
        for (place, piece) in pieces.iter().enumerate() {
            match place % 3 {
                0 => tape.put(piece),
                1 => { tape.close(); tape.put(piece); }
                _ => { tape.open(most); tape.put(piece); }
            }
        }
        let mut whole = pieces.concat();
        prop_assert_eq!(&tape[..], &whole[..]);
        prop_assert_eq!(short(&whole[..whole.len().min(8)]), whole.iter().take(8).rev().fold(0, |word, byte| word << 8 | u64::from(*byte)));
        whole.resize(whole.len().next_multiple_of(8), 0);
        prop_assert_eq!(tape.words().concat(), whole);
    }
}

#[test]
fn endless_nesting_neither_overflows_nor_doubles() {
    for nested in [vec![tag::LIST; 100_000], [tag::LIMIT, 0x00].repeat(100_000), [tag::MAP, tag::KEY_OF].repeat(50_000)]
    {
        let json = render(&nested, 1 << 20);
        assert!(serde_json::from_str::<Value>(json.as_str()).is_ok(), "{json:?}");
    }
}

#[test]
fn cut_values_say_so_and_stay_json() {
    // {"a": [1, 2, "long…"], "b": 3}
    let mut tape = vec![tag::MAP, tag::KEY, 1, b'a', tag::LIST, 0x81, 0x82];
    tape.extend([tag::STRING, 120]);
    tape.extend("é\n".repeat(40).as_bytes());
    tape.extend([tag::END, tag::KEY, 1, b'b', 0x83, tag::END]);
    let cut = |limit| render(&tape, limit).as_str().to_owned();
    assert_eq!(cut(1000), format!(r#"{{"a":[1,2,"{}"],"b":3}}"#, "é\\n".repeat(40)));
    assert_eq!(cut(60), format!(r#"{{"a":[1,2,"{}é…"],"…":"…"}}"#, "é\\n".repeat(7)));
    assert_eq!(cut(30), r#"{"a":[1,2,"…"],"…":"…"}"#);
    assert_eq!(cut(21), r#"{"a":[1,"…"]}"#);
    assert_eq!(cut(16), r#"{"…":"…"}"#);
    assert_eq!(cut(0), cut(16));
}

#[test]
fn scalars_as_attributes_keep_their_type() {
    let number = |tag, n| {
        let mut tape = Tape::default();
        tape.put_number(tag, n);
        attribute(&tape)
    };
    assert_eq!(attribute(&[tag::TRUE]), Some(AttributeValue::Bool(true)));
    assert_eq!(attribute(&[0x85]), Some(AttributeValue::Int(5)));
    assert_eq!(number(tag::UNSIGNED, 1 << 62), Some(AttributeValue::Int(1 << 62)));
    assert_eq!(number(tag::UNSIGNED, u64::MAX), Some(AttributeValue::Text(u64::MAX.to_string())));
    assert_eq!(number(tag::NEGATIVE, i64::MAX as u64), Some(AttributeValue::Int(i64::MIN)));
    assert_eq!(number(tag::NEGATIVE, u64::MAX), None);
    let single: Vec<u8> = [tag::SINGLE].into_iter().chain(0.1f32.to_le_bytes()).collect();
    assert_eq!(attribute(&single), Some(AttributeValue::Float(0.1)));
    assert_eq!(attribute(&[tag::STRING, 2, b'"', b'x']), Some(AttributeValue::Text("\"x".into())));
    assert_eq!(attribute(&[tag::LIST, 0x81, tag::END]), Some(AttributeValue::Json(Json::of(&json!([1])))));
    assert_eq!(attribute(&[]), None);
}

#[test]
fn attributes_stand_one_after_the_other() {
    let mut tape = Tape::default();
    for (key, value) in
        [("n", &[0x85][..]), ("list", &[tag::LIMIT, 100, tag::LIST, 0x81, tag::END]), ("s", &[tag::STRING, 1, b'x'])]
    {
        tape.put_text(tag::KEY, key);
        tape.put(value);
    }
    let list = AttributeValue::Json(Json::of(&json!([1])));
    let expected = [("n", AttributeValue::Int(5)), ("list", list), ("s", AttributeValue::Text("x".into()))];
    assert_eq!(attributes(&tape), expected);
    assert_eq!(attributes(&tape[..tape.len() - 3]), expected[..2], "a key without a value says nothing");
    assert_eq!(attributes(&[]), []);
}

#[test]
fn items_of_a_stream_are_joined() {
    let text = |text: &str, tag| {
        let mut tape = Tape::default();
        tape.put_number(tag::LIMIT, 100);
        tape.put_text(tag, text);
        tape.to_vec()
    };
    let strings = [text("Hel", tag::STRING), text("lo \"", tag::STRING), text("wor", tag::STRING_CUT)].concat();
    assert_eq!(output(&strings, true).map(|json| json.to_value()), Some(json!("Hello \"wor…")));
    assert_eq!(output(&strings, false).map(|json| json.to_value()), Some(json!("Hel")));
    let mixed = [text("a", tag::STRING), vec![tag::LIMIT, 100, 0x81], vec![tag::PANICKED]].concat();
    assert_eq!(output(&mixed, true).map(|json| json.to_value()), Some(json!(["a", 1, "<panicked>"])));
    assert_eq!(output(&[], true), None);
}

#[test]
fn names_of_types_lose_their_paths() {
    let short = short_type_name;
    assert_eq!(short(std::any::type_name::<std::sync::Mutex<Vec<u8>>>()), "Mutex<Vec<u8>>");
    assert_eq!(short(std::any::type_name::<Box<dyn std::error::Error + Send>>()), "Box<dyn Error + Send>");
    assert_eq!(short(std::any::type_name::<(&'static str, [Option<String>; 2])>()), "(&str, [Option<String>; 2])");
    assert_eq!(short("<a::B as c::D>::E"), "<B as D>::E");
    assert_eq!(short("a::f::{{closure}}"), "{{closure}}");
    assert_eq!(short("r::Größe<ä::Ö>"), "Größe<Ö>");
}
