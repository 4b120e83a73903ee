use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;

use proptest::prelude::*;
use serde::ser::{Error as _, SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use serde_json::{Value as JsonValue, json};

use super::*;
use crate::tape::{self, Tape};

fn preview(bytes: usize) -> Policy {
    Policy { preview_bytes: bytes, ..Policy::default() }
}

fn captured(value: &dyn Value, level: Capture, policy: &Policy) -> String {
    let mut out = Tape::default();
    super::value(&mut out, value, level, policy);
    tape::output(&out, false).map_or_else(String::new, |json| json.as_str().to_owned())
}

fn whole(value: &dyn Value) -> String {
    captured(value, Capture::Full, &Policy::default())
}

fn shape(value: &dyn Value) -> String {
    captured(value, Capture::Keys, &Policy::default())
}

fn shown(text: &str) -> String {
    let mut out = Tape::default();
    display(&mut out, &text, 4096, &Policy::default());
    tape::text(&out)
}

/// A JSON value whose keys fall under no rule.
fn values() -> impl Strategy<Value = JsonValue> {
    let leaf = prop_oneof![
        Just(JsonValue::Null),
        any::<bool>().prop_map(JsonValue::from),
        any::<u64>().prop_map(JsonValue::from),
        any::<i64>().prop_map(JsonValue::from),
        (-300i64..300).prop_map(JsonValue::from),
        any::<f64>().prop_map(JsonValue::from),
        "\\PC{0,40}".prop_map(JsonValue::from),
        "[a-z\"\\\\\u{0}-\u{1f}€😀]{0,300}".prop_map(JsonValue::from),
    ];
    leaf.prop_recursive(8, 64, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(JsonValue::from),
            prop::collection::btree_map("[a-m\"\\\\é]{0,6}", inner, 0..8)
                .prop_map(|map| JsonValue::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn what_fits_is_captured_exactly_and_what_does_not_stays_json(value in values(), limit in 16usize..600) {
        let direct = serde_json::to_string(&value).unwrap();
        prop_assert_eq!(&whole(&value), &direct);
        let cut = captured(&value, Capture::Preview, &preview(limit));
        prop_assert!(cut.len() <= limit, "{} > {limit}: {cut}", cut.len());
        prop_assert!(serde_json::from_str::<JsonValue>(&cut).is_ok(), "{cut}");
        prop_assert_eq!(cut == direct, direct.len() <= limit);
    }

    #[test]
    fn raw_json_is_captured_as_what_it_means(value in values()) {
        let raw = RawValue::from_string(serde_json::to_string_pretty(&value).unwrap()).unwrap();
        let meaning: JsonValue = serde_json::from_str(raw.get()).unwrap();
        prop_assert_eq!(whole(&raw), meaning.to_string());
    }

    #[test]
    fn the_first_look_at_a_text_misses_no_credential(pieces in prop::collection::vec(pieces(), 0..40), cut in any::<bool>()) {
        let text = pieces.concat();
        let cleaned = scan::clean(&text, cut);
        prop_assert!(cleaned.is_none() || cut || scan::is_suspicious(&text) || text.len() < 8, "{text}");
        let head = format::start_of(&text, tape::SHORT_TEXT).0;
        let is_missed = tape::text_in_words(head.as_bytes()).is_some_and(|words| !is_suspicious_in_words(words));
        prop_assert!(scan::clean(head, false).is_none() || !is_missed, "{head}");
        let signs = ["://", "sk-", "bearer"];
        prop_assert!(cleaned.is_none() || signs.iter().any(|sign| text.to_lowercase().contains(sign)), "{text}");
        if let Some(cleaned) = cleaned {
            prop_assert!(cleaned.contains("[redacted]"));
        }
    }
}

/// Pieces of text in which credentials come about now and then.
fn pieces() -> impl Strategy<Value = String> {
    prop_oneof![
        20 => "[a-zB:/@ .-]",
        1 => Just("sk-".to_owned()),
        1 => Just("Bearer ".to_owned()),
        1 => Just("x://u:".to_owned()),
        1 => Just("é0123456789".to_owned()),
    ]
}

#[derive(Serialize)]
struct Unit;
#[derive(Serialize)]
struct Newtype(Option<Option<u8>>);
#[derive(Serialize)]
struct Pair(i8, char);
#[derive(Serialize)]
enum Choice {
    Unit,
    Newtype(u8),
    Tuple(u8, bool),
    Struct { x: f32 },
}
#[derive(Serialize)]
struct Inner {
    a: u8,
    b: &'static str,
}
#[derive(Serialize)]
struct Outer {
    #[serde(flatten)]
    inner: Inner,
    #[serde(rename = "the rest", flatten)]
    rest: BTreeMap<&'static str, i128>,
    #[serde(skip_serializing_if = "Option::is_none")]
    absent: Option<u8>,
    choices: Vec<Choice>,
}

struct Bytes(&'static [u8]);
impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

struct Formatted(&'static str);
impl Serialize for Formatted {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("<{}>", self.0))
    }
}

#[test]
fn every_form_of_serde_reads_as_serde_json_writes_it() {
    fn same<T: Serialize>(value: T) {
        assert_eq!(whole(&value), serde_json::to_string(&value).unwrap());
    }
    same((Unit, Newtype(None), Newtype(Some(None)), Newtype(Some(Some(3))), Pair(-1, '"')));
    same(Outer {
        inner: Inner { a: 200, b: "x" },
        rest: BTreeMap::from([("big", i128::MIN), ("n", -1)]),
        absent: None,
        choices: vec![Choice::Unit, Choice::Newtype(1), Choice::Tuple(2, true), Choice::Struct { x: 0.1 }],
    });
    same((u128::MAX, i64::MIN, u64::MAX, 1e300, 0.1f32, -0.0, 5.0f32));
    same((Bytes(b"\x00\xff"), Formatted("é"), "", [(); 3]));
    same(BTreeMap::from([((-3i32), true), (7, false)]));
    same(BTreeMap::from([('x', Some("y"))]));
    same(Result::<u8, ()>::Err(()));
    assert_eq!(whole(&[f64::NAN, f64::INFINITY, f64::NEG_INFINITY]), r#"["NaN","Infinity","-Infinity"]"#);
    assert_eq!(whole(&BTreeMap::from([((1, "a"), 2)])), r#"{"[1,\"a\"]":2}"#);
    assert_eq!(
        whole(&BTreeMap::from([(Some(1.5f32.to_bits()), ()), (None, ())])),
        r#"{"null":null,"1069547520":null}"#
    );
}

#[test]
fn shapes_tell_keys_lengths_and_scalars() {
    let inner = Inner { a: 1, b: "hunter2" };
    assert_eq!(shape(&inner), r#"{"$keys":["a","b"]}"#);
    assert_eq!(
        shape(&Some(json!({"password": {"x": 1}, "n": [1]}))),
        r#"{"$keys":["password","n"]}"#.replace("\"password\",\"n\"", "\"n\",\"password\"")
    );
    assert_eq!(shape(&BTreeMap::from([(1, "a")])), r#"{"$keys":["1"]}"#);
    assert_eq!(shape(&BTreeMap::from([((1, "a"), 2)])), r#"{"$keys":["…"]}"#);
    assert_eq!(shape(&vec![inner, Inner { a: 2, b: "" }]), r#"{"$length":2}"#);
    assert_eq!(shape(&"größe"), r#"{"$chars":5}"#);
    assert_eq!(shape(&Formatted("ö")), r#"{"$chars":3}"#);
    assert_eq!(shape(&Bytes(b"abc")), r#"{"$length":3}"#);
    assert_eq!(shape(&RawValue::from_string("[1, 2, {}]".into()).unwrap()), r#"{"$length":3}"#);
    assert_eq!(shape(&Choice::Struct { x: 1.0 }), r#"{"$keys":["Struct"]}"#);
    assert_eq!(shape(&Choice::Newtype(1)), r#"{"$keys":["Newtype"]}"#);
    assert_eq!(
        (shape(&Choice::Unit), shape(&1.5), shape(&true), shape(&())),
        (r#""Unit""#.into(), "1.5".into(), "true".into(), "null".into())
    );
    assert_eq!(shape(arg(&std::sync::Mutex::new(0)).get()), shape(&std::sync::Mutex::new(0)));
    struct Silent;
    assert_eq!(shape(arg(&Silent).get()), r#""<Silent>""#);
}

#[test]
fn node_inputs_show_the_keys_of_the_first_map_and_no_value() {
    struct Silent;
    let state = json!({"query": "hunter2", "n": 1});
    let other = json!({"later": 1});
    let names = ["self", "limit", "silent", "state", "other"];
    let values = [arg(&other).get(), arg(&7).get(), arg(&Silent).get(), arg(&state).get(), arg(&other).get()];
    let mut out = Tape::default();
    inputs(&mut out, &names, &values, Capture::Keys, &Policy::default());
    let owned = names.map(String::from);
    let read = |node| tape::inputs(&out, &owned, node).map(|json| json.to_value());
    let expected = json!({"node": "plan", "state_keys": ["n", "query"], "args": ["limit", "silent", "other"]});
    assert_eq!(read(Some("plan")), Some(expected));
    assert_eq!(read(None).and_then(|json| json.get("node").cloned()), None);

    let mut out = Tape::default();
    inputs(&mut out, &["n"], &[arg(&7).get()], Capture::Keys, &Policy::default());
    let read = tape::inputs(&out, &["n".into()], Some("plan"));
    assert_eq!(read.map(|json| json.to_value()), Some(json!({"node": "plan", "state_keys": [], "args": ["n"]})));
}

#[test]
fn inputs_are_limited_each_and_redacted_by_their_names() {
    let long = "x".repeat(5000);
    let names = ["text", "api_key", "retries", "after"];
    let values = [arg(&long).get(), arg(&long).get(), arg(&3).get(), arg(&"here").get()];
    let mut out = Tape::default();
    inputs(&mut out, &names, &values, Capture::Preview, &Policy::default());
    let read = tape::inputs(&out, &names.map(String::from), None).unwrap().to_value();
    let cut = read["text"].as_str().unwrap();
    assert!(cut.ends_with("x…") && cut.len() + 2 == 2048, "{}", cut.len());
    assert_eq!(read["api_key"], json!({"$redacted": "api_key"}));
    assert_eq!((&read["retries"], &read["after"]), (&json!(3), &json!("here")));

    let capped = Policy { cap: Capture::None, ..Policy::default() };
    let mut nothing = Tape::default();
    inputs(&mut nothing, &names, &values, Capture::Full, &capped);
    value(&mut nothing, &1, Capture::Full, &capped);
    assert!(nothing.is_empty());
    assert_eq!(tape::inputs(&nothing, &names.map(String::from), Some("n")), None);
}

#[test]
fn keys_of_secrets_by_table() {
    let rules = Rules::new();
    let hidden = [
        "password",
        "Passwd",
        "DB_PASSWORD",
        "dbPassword",
        "user.password",
        "passWord",
        "client_secret",
        "clientSecret",
        "token",
        "access_token",
        "accessToken",
        "refresh-token",
        "id_token",
        "sessionToken",
        "auth_token2",
        "apiKey",
        "api_key",
        "API key",
        "X-Api-Key",
        "OPENAI_API_KEY",
        "openAIApiKey",
        "Authorization",
        "proxy-authorization",
        "session_cookie",
        "Set-Cookie",
        "cookies",
        "credential",
        "aws_credentials",
        "private_key",
        "sshPrivateKey",
        "secret_access_key",
        "signing-key",
        "bearer",
        "jwt",
        "secret",
        "secrets",
    ];
    let shown = [
        "max_tokens",
        "token_count",
        "next_page_token",
        "prompt_tokens",
        "tokens",
        "completion_tokens_details",
        "tokenCount",
        "time_to_first_token",
        "eos_token",
        "pageToken",
        "nextToken",
        "token_type",
        "token_limit",
        "tokenizer",
        "tokenise",
        "cost_per_token",
        "password_policy",
        "secret_name",
        "api_key_id",
        "access_key_id",
        "key",
        "keyboard",
        "monkey",
        "public_key",
        "api",
        "author",
        "secretary",
        "authorized",
        "cookiecutter",
        "passport",
        "compass_word",
        "token_url",
        "state",
        "",
    ];
    for key in hidden {
        assert!(
            rules.rule_for(key).is_some() && rules.of_static(key).is_some() && rules.of_static(key).is_some(),
            "{key} is shown"
        );
    }
    for key in shown {
        let found = (rules.rule_for(key), rules.of_static(key), rules.of_static(key));
        assert_eq!(found, (None, None, None), "{key} is hidden");
    }
    let own = Rules::new().redact("employee number").redact(" - ").allow("Public_Token");
    assert_eq!(own.rule_for("employeeNumber2"), Some("employee_number"));
    assert_eq!(
        (own.rule_for("public_token"), own.rule_for("token"), own.rule_for("number")),
        (None, Some("token"), None)
    );
}

#[test]
fn secrets_are_hidden_whatever_their_form_and_numbers_never() {
    #[derive(Serialize)]
    struct Login {
        password: &'static str,
        token: Option<u32>,
        secret: Inner,
        credential: [u8; 2],
        cookie: Choice,
        api_key: Option<Formatted>,
        jwt: Box<RawValue>,
        after: Option<&'static str>,
    }
    let login = Login {
        password: "hunter2",
        token: Some(7),
        secret: Inner { a: 1, b: "hunter2" },
        credential: [1, 2],
        cookie: Choice::Tuple(1, true),
        api_key: Some(Formatted("hunter2")),
        jwt: RawValue::from_string("\"hunter2\"".into()).unwrap(),
        after: Some("seen"),
    };
    let hidden = |rule: &str| json!({"$redacted": rule});
    let expected = json!({
        "password": hidden("password"), "token": 7, "secret": hidden("secret"), "credential": hidden("credential"),
        "cookie": hidden("cookie"), "api_key": hidden("api_key"), "jwt": hidden("token"), "after": "seen",
    });
    assert_eq!(serde_json::from_str::<JsonValue>(&whole(&login)).unwrap(), expected);

    let nested = json!([{"headers": {"Authorization": "Basic x", "Accept": "*/*"}, "token": null}]);
    let expected = json!([{"headers": {"Authorization": hidden("authorization"), "Accept": "*/*"}, "token": null}]);
    assert_eq!(serde_json::from_str::<JsonValue>(&whole(&nested)).unwrap(), expected);
    let raw = RawValue::from_string(nested.to_string()).unwrap();
    assert_eq!(serde_json::from_str::<JsonValue>(&whole(&raw)).unwrap(), expected);

    assert_eq!(whole(&Secret::new(7)), r#"{"$redacted":"secret"}"#);
    assert_eq!(whole(&vec![Secret::new("x")]), r#"[{"$redacted":"secret"}]"#);
    assert_eq!(whole(redacted("ssn").get()), r#"{"$redacted":"redact(ssn)"}"#);
}

#[test]
fn credentials_in_text_by_table() {
    for (text, expected) in [
        ("Authorization: Bearer abc.def-1=", "Authorization: Bearer [redacted]"),
        ("bearer eyJhbGciOi4711 was refused", "bearer [redacted] was refused"),
        ("the bearer of this letter", "the bearer of this letter"),
        ("key sk-proj-A1b2_C3 is invalid", "key [redacted] is invalid"),
        ("Bearer sk-abcdefgh", "Bearer [redacted]"),
        ("a task-oriented disk-backed sk-learn", "a task-oriented disk-backed sk-learn"),
        ("postgres://bob:p:w@db:5432/x?y=1", "postgres://bob:[redacted]@db:5432/x?y=1"),
        ("redis://:pw@host and http://a:b@c", "redis://:[redacted]@host and http://a:[redacted]@c"),
        ("https://ghp_0123456789abcdef@github.com", "https://[redacted]@github.com"),
        ("ssh://git@github.com http://localhost:5000/a@b:c", "ssh://git@github.com http://localhost:5000/a@b:c"),
        ("größe: „sk-ä“ https://é:ü@ö/", "größe: „sk-ä“ https://é:[redacted]@ö/"),
    ] {
        assert_eq!(shown(text), expected);
        assert_eq!(whole(&text), serde_json::to_string(expected).unwrap());
    }
    // A credential that the limit cuts is not shown in part.
    let policy = preview(40);
    for text in [
        "0123456789 sk-abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz0123456789abcdef",
        "0123456789 http://user:abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz@host/",
    ] {
        let cut = captured(&text, Capture::Preview, &policy);
        assert!(!cut.contains("abc"), "{cut}");
    }
    let mut out = Tape::default();
    super::text(&mut out, "0123456789 sk-abcdefghijklmnopqrstuvwxyz", 17, &Policy::default());
    assert!(!tape::text(&out).contains("abc"), "{}", tape::text(&out));
}

#[test]
fn texts_are_cut_at_characters() {
    let cut = |text: &str, most| {
        let mut out = Tape::default();
        super::text(&mut out, text, most, &Policy::default());
        tape::text(&out)
    };
    assert_eq!(
        (cut("größe", 5), cut("größe", 4), cut("größe", 1), cut("", 0)),
        ("größe".into(), "grö…".into(), "…".into(), String::new())
    );
    let mut out = Tape::default();
    display(&mut out, &"ö".repeat(100), 21, &Policy::default());
    assert_eq!(tape::text(&out), format!("{}…", "ö".repeat(9)));
}

/// Serialises as a map and a list, and then does what `last` says.
struct Breaks {
    last: fn() -> Result<(), String>,
}

impl Serialize for Breaks {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        struct Last(fn() -> Result<(), String>);
        impl Serialize for Last {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let mut list = serializer.serialize_seq(None)?;
                list.serialize_element(&1)?;
                (self.0)().map_err(S::Error::custom)?;
                list.end()
            }
        }
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("a", &1)?;
        map.serialize_entry("b", &Last(self.last))?;
        map.end()
    }
}

impl fmt::Display for Breaks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("before ")?;
        (self.last)().map_err(|_| fmt::Error)
    }
}

struct Shows(Breaks);
impl Serialize for Shows {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

#[test]
fn a_value_that_breaks_keeps_what_it_had_written() {
    let fails = || Breaks { last: || Err("no sk-abcdefgh".into()) };
    let panics = || Breaks { last: || panic!("never seen") };
    assert_eq!(whole(&fails()), r#"{"a":1,"b":[1,"<failed: no [redacted]>"]}"#);
    assert_eq!(whole(&panics()), r#"{"a":1,"b":[1,"<panicked>"]}"#);
    assert_eq!(whole(&[Shows(panics())]), r#"["<panicked>"]"#);
    assert_eq!(whole(&Shows(fails())), r#""<failed: a Display implementation returned an error>""#);
    let mut out = Tape::default();
    display(&mut out, &panics(), 100, &Policy::default());
    assert_eq!(tape::text(&out), "<panicked>");

    let names = ["a", "b", "c"].map(String::from);
    let mut out = Tape::default();
    inputs(&mut out, &["a", "b", "c"], &[&panics(), &fails(), &3], Capture::Full, &Policy::default());
    assert_eq!(tape::inputs(&out, &names, None).unwrap().to_value()["c"], 3);
    let mut out = Tape::default();
    inputs(&mut out, &["a", "b", "c"], &[&panics(), &fails(), &3], Capture::Keys, &Policy::default());
    assert_eq!(tape::inputs(&out, &names, None).unwrap().to_value()["state_keys"], json!(["a", "b"]));
}

#[test]
fn a_value_that_swallows_errors_still_gives_json() {
    struct Abandons;
    impl Serialize for Abandons {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let mut list = serializer.serialize_seq(None)?;
            let _ = list.serialize_element(&Breaks { last: || Err("no".into()) });
            list.serialize_element(&2)?;
            list.end()
        }
    }
    assert_eq!(whole(&(Abandons, 3)), r#"[[{"a":1,"b":[1]},2],3]"#);
}

#[test]
fn a_limit_stops_the_serialiser_early() {
    struct Counted<'c>(&'c Cell<u32>);
    impl Serialize for Counted<'_> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            self.0.set(self.0.get() + 1);
            serializer.serialize_str("0123456789")
        }
    }
    let count = Cell::new(0);
    let list: Vec<_> = (0..100_000).map(|_| Counted(&count)).collect();
    let json = captured(&list, Capture::Preview, &Policy::default());
    assert!(json.ends_with(r#","…"]"#) && (2000..=2048).contains(&json.len()), "{}", json.len());
    assert!(count.get() < 250, "{}", count.get());
}

#[test]
fn endless_recursion_ends() {
    struct Endless;
    impl Serialize for Endless {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let mut list = serializer.serialize_seq(Some(1))?;
            list.serialize_element(self)?;
            list.end()
        }
    }
    let json = whole(&Endless);
    assert_eq!(json, format!("{}\"…\"{}", "[".repeat(120), "]".repeat(120)));
    assert!(serde_json::from_str::<JsonValue>(&json).is_ok());
}

#[test]
fn arguments_are_captured_as_well_as_their_type_allows() {
    struct Silent;
    trait Speak {}
    impl Speak for Silent {}
    fn generic<T>(value: &T) -> String {
        whole(arg(value).get())
    }
    fn bounded<T: Serialize + ?Sized>(value: &T) -> String {
        whole(arg(value).get())
    }
    let speak: &dyn Speak = &Silent;
    let mut text = String::from("x");
    assert_eq!(whole(arg("unsized").get()), r#""unsized""#);
    assert_eq!(whole(arg(&[1, 2][..]).get()), "[1,2]");
    assert_eq!(whole(arg(&&mut text).get()), r#""x""#);
    assert_eq!(whole(arg(&speak).get()), r#""<&dyn Speak>""#);
    assert_eq!(whole(arg(&|| ()).get()), r#""<{{closure}}>""#);
    assert_eq!(whole(arg(&std::sync::Arc::new(std::sync::mpsc::channel::<u8>().0)).get()), r#""<Arc<Sender<u8>>>""#);
    assert_eq!((generic(&1), bounded("s")), (r#""<i32>""#.into(), r#""s""#.into()));
    assert_eq!(whole(debug(&Some('x')).get()), r#""Some('x')""#);
}
