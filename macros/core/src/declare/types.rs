//! The types an attribute may have.

use quote::ToTokens;
use syn::{GenericArgument, PathArguments, Type};

use crate::diag::{did_you_mean, err};
use crate::model::AttributeType;

const WORDS: [&str; 15] =
    ["bool", "i8", "i16", "i32", "i64", "isize", "u8", "u16", "u32", "u64", "usize", "f32", "f64", "str", "json"];

/// What people write for a type that is called otherwise.
const SYNONYMS: &[(&str, &str)] = &[
    ("string", "str"),
    ("text", "str"),
    ("char", "str"),
    ("Cow", "str"),
    ("int", "i64"),
    ("integer", "i64"),
    ("long", "i64"),
    ("i128", "i64"),
    ("uint", "u64"),
    ("u128", "u64"),
    ("float", "f64"),
    ("double", "f64"),
    ("number", "f64"),
    ("Duration", "f64"),
    ("boolean", "bool"),
    ("Json", "json"),
    ("Value", "json"),
    ("any", "json"),
    ("object", "json"),
    ("map", "json"),
    ("HashMap", "json"),
    ("BTreeMap", "json"),
];

/// `u64`, `[str]`, `json`, … (`declared_type`)
pub(super) fn read(ty: &Type) -> darling::Result<AttributeType> {
    match ty {
        Type::Slice(list) => match read(&list.elem)? {
            AttributeType::Json => Err(err!(list, "a list of `json` is `json`")),
            AttributeType::List(_) => Err(err!(list, "a list of lists is `json`")),
            item => Ok(AttributeType::List(Box::new(item))),
        },
        Type::Path(path) => match path.path.get_ident().map(ToString::to_string).as_deref().and_then(word) {
            Some(ty) => Ok(ty),
            None => Err(unknown(ty)),
        },
        Type::Group(group) => read(&group.elem),
        Type::Paren(paren) => read(&paren.elem),
        _ => Err(unknown(ty)),
    }
}

fn word(word: &str) -> Option<AttributeType> {
    Some(match word {
        "bool" => AttributeType::Bool,
        "i8" | "i16" | "i32" | "i64" | "isize" | "u8" | "u16" | "u32" | "u64" | "usize" => {
            AttributeType::Int(word.to_owned())
        }
        "f32" | "f64" => AttributeType::Float(word.to_owned()),
        "str" | "String" => AttributeType::Text,
        "json" => AttributeType::Json,
        _ => return None,
    })
}

fn unknown(ty: &Type) -> darling::Error {
    let written = plain(ty);
    match meant(ty) {
        Some((meant, "")) => err!(ty, "unknown type `{written}`: did you mean `{meant}`?"),
        Some((meant, why)) => err!(ty, "unknown type `{written}`: did you mean `{meant}`? {why}"),
        None => {
            let all = WORDS.map(|word| format!("`{word}`")).join(", ");
            err!(ty, "unknown type `{written}`: an attribute is one of {all}, or a list such as `[str]`")
        }
    }
}

/// The type that was meant, and a word about it where it is not plain.
fn meant(ty: &Type) -> Option<(String, &'static str)> {
    match ty {
        Type::Reference(reference) => known(&reference.elem).map(|ty| (ty, "")),
        Type::Array(array) => known(&array.elem).map(|item| (format!("[{item}]"), "")),
        Type::Slice(list) => meant(&list.elem).map(|(item, why)| (format!("[{item}]"), why)),
        Type::Tuple(_) => Some(("json".into(), "")),
        Type::Path(path) => {
            let last = path.path.segments.last()?;
            let word = last.ident.to_string();
            let inner = match &last.arguments {
                PathArguments::AngleBracketed(arguments) => arguments.args.iter().find_map(|argument| match argument {
                    GenericArgument::Type(ty) => known(ty),
                    _ => None,
                }),
                _ => None,
            };
            match (word.as_str(), inner) {
                ("Option", Some(inner)) => return Some((inner, "an attribute that is not set is absent")),
                ("Vec", Some(inner)) => return Some((format!("[{inner}]"), "")),
                ("Box" | "Arc" | "Rc", Some(inner)) => return Some((inner, "")),
                _ => {}
            }
            let synonym = SYNONYMS.iter().find(|(said, _)| *said == word).map(|(_, meant)| *meant);
            let why =
                if word == "Duration" { "a duration has a unit, such as seconds: name it in the doc" } else { "" };
            let near = || did_you_mean(&word, WORDS).or_else(|| did_you_mean(&word, ["String"]).map(|_| "str"));
            synonym.or_else(near).map(|meant| (meant.to_owned(), why))
        }
        _ => None,
    }
}

/// The type as it is to be written, if it is known or can be guessed.
fn known(ty: &Type) -> Option<String> {
    match read(ty) {
        Ok(AttributeType::Text) => Some("str".into()),
        Ok(_) => Some(plain(ty)),
        Err(_) => meant(ty).map(|(meant, _)| meant),
    }
}

/// As the user reads it: without the spaces that tokens print.
fn plain(ty: &Type) -> String {
    let mut text = ty.to_token_stream().to_string();
    for (spaced, plain) in [(" < ", "<"), (" >", ">"), (" :: ", "::"), ("& ", "&"), (" ,", ","), (" ;", ";")] {
        text = text.replace(spaced, plain);
    }
    text
}
