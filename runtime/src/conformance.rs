//! Whether what was recorded of a declared span is what its declaration says.
//!
//! In: the value of an attribute, and the type declared for it. Out: whether they agree. Types are the wire's, compared strictly: an
//! `int` is no `double`. What a policy kept out or redacted agrees with every type. Not done here: the tree of spans (`testing`).

use crate::record::AttributeValue;

/// Why an attribute is outside of its declaration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stray<'d> {
    /// The declaration does not have it.
    Undeclared,
    /// The declaration has it with this type.
    Mistyped(&'d str),
}

/// Attributes of every kind that are set without the user's asking.
const OF_ALL: [&str; 4] =
    ["spanwright.expected_error", "spanwright.outcome_panicked", "stream.items", "stream.time_to_first_item_ns"];

/// On the span of an execution, what names it.
pub(crate) const RUN_ID: &str = "run_id";

/// On the span of an execution, what its tracker measured.
const OF_EXECUTIONS: [&str; 7] = [
    RUN_ID,
    "run.duration_ms",
    "run.success",
    "run.time_to_first_token_ms",
    "run.tokens.input",
    "run.tokens.output",
    "run.tokens.total",
];

const OF_SANDBOXES: [&str; 9] = [
    "sandbox.artifact_count",
    "sandbox.artifacts_rejected",
    "sandbox.duration_s",
    "sandbox.exit_code",
    "sandbox.policy",
    "sandbox.stderr_preview",
    "sandbox.stdout_preview",
    "sandbox.time_limit_s",
    "sandbox.timed_out",
];

const OF_DELEGATIONS: [&str; 3] = ["content_preview", "from", "to"];

/// Whether spans of this kind have the attribute without declaring it, because the attribute macro or its trait sets it.
fn is_own(kind: &str, key: &str) -> bool {
    let of_kind: &[&str] = match kind {
        "sandbox" => &OF_SANDBOXES,
        "delegate" => &OF_DELEGATIONS,
        "workflow" | "scheduled" => &OF_EXECUTIONS,
        _ => &[],
    };
    OF_ALL.contains(&key) || of_kind.contains(&key)
}

/// Compares an attribute of a span of this kind with the type its declaration has for it, if it has it.
pub(crate) fn stray<'d>(kind: &str, key: &str, value: &AttributeValue, declared: Option<&'d str>) -> Option<Stray<'d>> {
    if is_own(kind, key) {
        return None;
    }
    match declared {
        None => Some(Stray::Undeclared),
        Some(ty) => (!agrees(ty, value)).then_some(Stray::Mistyped(ty)),
    }
}

/// The type of a recorded value in the words of declarations.
pub(crate) fn type_of(value: &AttributeValue) -> &'static str {
    const TYPES: [&str; 8] = ["bool", "int", "double", "string", "bool[]", "int[]", "double[]", "string[]"];
    TYPES.into_iter().find(|ty| agrees(ty, value)).unwrap_or("any")
}

fn agrees(ty: &str, value: &AttributeValue) -> bool {
    match (ty, value) {
        ("any", _) | ("bool", AttributeValue::Bool(_)) | ("int", AttributeValue::Int(_)) => true,
        ("double", AttributeValue::Float(_)) | ("string", AttributeValue::Text(_)) => true,
        // An integer beyond the wire's 63 bits is recorded as text.
        ("int", AttributeValue::Text(text)) => text.parse::<i64>().is_err() && text.parse::<i128>().is_ok(),
        (_, AttributeValue::Json(json)) => match json.to_value() {
            serde_json::Value::Object(object) => object.len() == 1 && object.keys().all(|key| is_marker(key)),
            serde_json::Value::Array(items) => {
                ty.strip_suffix("[]").is_some_and(|of| uncut(&items).iter().all(|item| is_item(of, item)))
            }
            _ => false,
        },
        _ => false,
    }
}

/// Stands in place of a value that was kept out or redacted.
fn is_marker(key: &str) -> bool {
    matches!(key, "$redacted" | "$keys" | "$length" | "$chars")
}

/// The items of a list without the mark that it was cut.
fn uncut(items: &[serde_json::Value]) -> &[serde_json::Value] {
    match items {
        [kept @ .., last] if last == "…" => kept,
        all => all,
    }
}

fn is_item(ty: &str, item: &serde_json::Value) -> bool {
    match ty {
        "bool" => item.is_boolean(),
        "int" => item.is_i64() || item.is_u64(),
        // JSON has no number for NaN and the infinities.
        "double" => item.is_f64() || matches!(item.as_str(), Some("NaN" | "Infinity" | "-Infinity")),
        "string" => item.is_string(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Json;

    #[test]
    fn each_value_agrees_with_its_own_type_and_no_other() {
        let list = |text: &str| AttributeValue::Json(Json::parse(text.into()).expect("JSON"));
        for (value, ty) in [
            (AttributeValue::Bool(true), "bool"),
            (AttributeValue::Int(-1), "int"),
            (AttributeValue::Text(u64::MAX.to_string()), "int"),
            (AttributeValue::Float(f64::NAN), "double"),
            (AttributeValue::Text("7".into()), "string"),
            (list("[true,false]"), "bool[]"),
            (list("[1,18446744073709551615]"), "int[]"),
            (list(r#"[1.0,"NaN"]"#), "double[]"),
            (list(r#"["a","…"]"#), "string[]"),
            (list(r#"[1,"a"]"#), "any"),
            (list(r#"{"a":1}"#), "any"),
            (list("null"), "any"),
        ] {
            assert_eq!(type_of(&value), ty, "{value:?}");
            assert!(agrees("any", &value) && agrees(ty, &value));
            let others = ["bool", "int", "double", "bool[]", "int[]", "double[]", "string[]"];
            for other in others.into_iter().filter(|other| *other != ty) {
                assert!(!agrees(other, &value), "{value:?} as {other}");
            }
        }
    }

    #[test]
    fn what_was_cut_kept_out_or_redacted_agrees() {
        for (text, ty) in [
            (r#"[1,2,"…"]"#, "int[]"),
            (r#"{"$redacted":"token"}"#, "string"),
            (r#"{"$redacted":"token"}"#, "int"),
            (r#"{"$chars":12}"#, "string"),
            (r#"{"$length":12}"#, "double[]"),
        ] {
            assert!(agrees(ty, &AttributeValue::Json(Json::parse(text.into()).expect("JSON"))), "{text}");
        }
        let two = AttributeValue::Json(Json::parse(r#"{"$redacted":"token","a":1}"#.into()).expect("JSON"));
        assert!(!agrees("string", &two));
    }

    #[test]
    fn what_a_kind_sets_itself_is_its_own_only() {
        let text = AttributeValue::Text("x".into());
        assert_eq!(stray("delegate", "from", &text, None), None);
        assert_eq!(stray("node", "from", &text, None), Some(Stray::Undeclared));
        assert_eq!(stray("node", "from", &text, Some("string")), None);
        assert_eq!(stray("node", "from", &text, Some("int")), Some(Stray::Mistyped("int")));
    }
}
