//! `secret-captured`: a parameter that by its name is a secret, and whose value is captured.

use syn::{FnArg, GenericArgument, Pat, PathArguments, Type};

use super::{Found, Input, Level, Rule};
use crate::program::{Annotated, Body};
use spanwright::Rules;
use spanwright_macros_core::Kind;
use spanwright_macros_core::model::Level as Capture;
use spanwright_macros_core::model::{FactName, FactValue, Plan, View};

pub(super) static RULE: Rule = Rule {
    id: "secret-captured",
    level: Level::Warn,
    explanation: "\
The value of a parameter is captured whose name says that it is a secret. The runtime's redaction
replaces it by a marker, as long as its rules are the built-in ones; that it never travels should
stand where everybody can read it.

    #[tool]
    fn fetch(url: &str, api_key: &str) {}          // found
    #[tool(redact(api_key))]
    fn fetch(url: &str, api_key: &str) {}          // fine: the trace says that there was one
    #[tool(skip(api_key))]
    fn fetch(url: &str, api_key: &str) {}          // fine: the trace does not mention it
    #[tool]
    fn fetch(url: &str, api_key: Secret<String>) {} // fine

Names are judged by the rules of the redaction itself (`spanwright::Rules`): `access_token` is a
secret, `max_tokens` and `token_count` are not. The keys of `inputs(…)` are judged too. Fine are
numbers and booleans, which redaction lets pass, `Secret<…>`, and levels at which values do not
travel (`none`; `keys`, which is that of `#[node]`).

Not seen: a secret under another name, and one in a field of a struct, which redaction finds by the
name of the field.",
};

pub(super) fn check(input: &Input<'_>) -> Vec<Found> {
    let rules = Rules::new();
    let bodies = input.program.bodies.iter();
    let annotated = bodies.filter_map(|body| Some((body, &input.program.annotated[body.annotated?])));
    annotated.flat_map(|(body, annotated)| in_function(&rules, body, annotated)).collect()
}

fn in_function(rules: &Rules, body: &Body, annotated: &Annotated) -> Vec<Found> {
    let Ok(plan) = annotated.plan.as_ref() else { return Vec::new() };
    if !values_travel(annotated.kind, plan) {
        return Vec::new();
    }
    let file = &body.place.file;
    let parameters = plan.callsite.values.iter().filter(|value| value.view != View::Redacted);
    let parameters = parameters.filter(|value| type_of(body, &value.name).is_none_or(may_be_secret));
    let parameters = parameters.filter_map(|value| {
        let rule = rules.rule_for(&value.name)?;
        let (name, ident) = (&value.name, &value.ident);
        let message = format!("the value of `{name}` is captured, which looks like a secret (`{rule}`)");
        let hint = format!("add `redact({ident})` to show only that there was one, or `skip({ident})` to leave it out");
        Some(Found::at(file, ident.span(), message, hint))
    });
    let inputs = plan.facts.iter().filter_map(|fact| {
        let (FactName::Input(key), Some(FactValue::Written(value))) = (&fact.name, &fact.value) else { return None };
        let key_text = key.value();
        let rule = rules.rule_for(&key_text).filter(|_| !matches!(value, syn::Expr::Lit(_)))?;
        let message = format!("the input `{key_text}` is captured, which looks like a secret (`{rule}`)");
        Some(Found::at(file, key.span(), message, "leave it out, or capture only whether there was one".to_owned()))
    });
    parameters.chain(inputs).collect()
}

/// Whether the level of capture lets more than names and shapes pass.
fn values_travel(kind: Kind, plan: &Plan) -> bool {
    match plan.callsite.inputs {
        Some(Capture::None | Capture::Keys) => false,
        Some(Capture::Preview | Capture::Full) => true,
        None => kind != Kind::Node,
    }
}

fn type_of<'a>(body: &'a Body, name: &str) -> Option<&'a Type> {
    body.signature.inputs.iter().find_map(|input| match input {
        FnArg::Typed(typed) => match &*typed.pat {
            Pat::Ident(ident) if ident.ident == name => Some(&*typed.ty),
            _ => None,
        },
        FnArg::Receiver(_) => None,
    })
}

fn may_be_secret(ty: &Type) -> bool {
    match ty {
        Type::Reference(inner) => may_be_secret(&inner.elem),
        Type::Paren(inner) => may_be_secret(&inner.elem),
        Type::Group(inner) => may_be_secret(&inner.elem),
        Type::Tuple(tuple) => tuple.elems.iter().any(may_be_secret),
        Type::Path(path) => path.path.segments.last().is_none_or(|last| {
            let name = last.ident.to_string();
            if name == "Option"
                && let PathArguments::AngleBracketed(arguments) = &last.arguments
            {
                return arguments.args.iter().any(|argument| match argument {
                    GenericArgument::Type(ty) => may_be_secret(ty),
                    _ => false,
                });
            }
            !HARMLESS.contains(&name.as_str())
        }),
        _ => true,
    }
}

/// Types that redaction lets pass, that hide themselves, or that are recorded as the name of the type.
const HARMLESS: &[&str] = &[
    "bool",
    "u8",
    "u16",
    "u32",
    "u64",
    "u128",
    "usize",
    "i8",
    "i16",
    "i32",
    "i64",
    "i128",
    "isize",
    "f32",
    "f64",
    "PhantomData",
    "Secret",
    "SecretBox",
    "SecretString",
];
