//! The rules of a declaration: one function each, with the folder of `ui-tests/fail` that shows its message.

use quote::ToTokens;
use syn::Path;
use syn::spanned::Spanned;

use super::types;
use super::written::{Written, WrittenAttribute, WrittenSpan};
use crate::diag::{did_you_mean, err};
use crate::item::plain;
use crate::kind::Kind;
use crate::model::AttributeType;
use crate::name::{is_taken, too_long};
use crate::private::relative;
use crate::semconv;

type Mistakes = Vec<darling::Error>;

/// The name of the item that lists the spans.
pub(super) const CONTRACT: &str = "CONTRACT";

/// All rules.
pub(super) fn all(written: &Written) -> Mistakes {
    let whole = [facade_path, items_are_free, items_once, ids_once, parents_exist, parents_once, parents_take_children];
    let each = [id_is_there, id_grammar, name_length, scheduled_is_a_root, leaf_has_no_children];
    let own = [attributes_once, setters_once, setters_are_free, types_are_known];
    let whole = whole.into_iter().flat_map(|rule| rule(written));
    let each = each.into_iter().flat_map(|rule| (0..written.spans.len()).flat_map(move |index| rule(written, index)));
    let own = own.into_iter().flat_map(|rule| written.spans.iter().flat_map(rule));
    whole.chain(each).chain(own).collect()
}

/// `crate = spanwright;`: the declaration may stand in a module where a relative path leads elsewhere. (`crate_path`)
fn facade_path(written: &Written) -> Mistakes {
    written.facade.iter().filter_map(relative).collect()
}

/// `node root(…)`, `node CONTRACT(…)`: the names mean something else here. (`declared_twice`)
fn items_are_free(written: &Written) -> Mistakes {
    written
        .spans
        .iter()
        .filter_map(|span| {
            let meaning = match span.item().as_str() {
                "root" => "in `parents(…)` it means the root of a trace",
                CONTRACT => "it is the constant that lists the spans",
                _ => return None,
            };
            Some(err!(span.ident, "no span can be called `{}`: {meaning}, so choose another name", span.item()))
        })
        .collect()
}

/// Two spans of one name: they would be one item. (`declared_twice`)
fn items_once(written: &Written) -> Mistakes {
    repeated(&written.spans, WrittenSpan::item)
        .map(|(span, _)| err!(span.ident, "the span `{}` is declared twice: rename one of them", span.item()))
        .collect()
}

/// Two spans of one id: their records would be taken for each other's. (`declared_twice`)
fn ids_once(written: &Written) -> Mistakes {
    let with_id: Vec<_> = written.spans.iter().filter_map(|span| Some((span, span.arguments.id.as_ref()?))).collect();
    repeated(&with_id, |(_, id)| id.value.value())
        .map(|((_, id), (first, _))| {
            let (value, first) = (id.value.value(), first.item());
            err!(id.value, "the id \"{value}\" is that of `{first}` already: an id is one span's for ever")
        })
        .collect()
}

/// A span without an id. (`declared_id`)
fn id_is_there(written: &Written, index: usize) -> Mistakes {
    let span = &written.spans[index];
    if span.arguments.names_id {
        return Vec::new();
    }
    let item = span.item();
    vec![err!(
        span.ident,
        "`{item}` has no id: write `id = \"…\"`, which stays when the span, its name or the function is renamed"
    )]
}

/// The grammar of OTLP span types: `ALPHA 0*254(_ . - / ALPHA DIGIT)`. (`declared_id`)
fn id_grammar(written: &Written, index: usize) -> Mistakes {
    let Some(id) = &written.spans[index].arguments.id else { return Vec::new() };
    let value = id.value.value();
    let mistake = match value.chars().find(|letter| !is_of_id(*letter)) {
        Some(letter) => format!("`{letter}` cannot stand in it: write letters, digits, `_`, `.`, `-` and `/`"),
        None if !value.starts_with(|letter: char| letter.is_ascii_alphabetic()) => "it begins with a letter".into(),
        None if value.len() > 255 => format!("it has {} characters, 255 are allowed", value.len()),
        None => return Vec::new(),
    };
    let meant = sound_id(&value).map_or_else(String::new, |meant| format!(", such as \"{meant}\""));
    vec![err!(id.value, "\"{value}\" is no id: {mistake}{meant}")]
}

fn is_of_id(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || "_.-/".contains(letter)
}

/// The id that a mistaken one may become.
fn sound_id(written: &str) -> Option<String> {
    let sound: String = written.chars().map(|letter| if is_of_id(letter) { letter } else { '_' }).collect();
    let sound = sound.trim_start_matches(|letter: char| !letter.is_ascii_alphabetic());
    (!sound.is_empty() && sound.len() <= 255).then(|| sound.to_owned())
}

/// `name`, `span_type`: MLflow cuts longer names. (`name_length`)
fn name_length(written: &Written, index: usize) -> Mistakes {
    let arguments = &written.spans[index].arguments;
    [("name", &arguments.name), ("span_type", &arguments.span_type)]
        .into_iter()
        .filter_map(|(key, text)| too_long(key, &text.as_ref()?.value))
        .collect()
}

/// What a path in `parents(…)` names.
pub(super) enum Named {
    Root,
    Here(usize),
    Elsewhere,
    Nothing,
}

/// A single name is one of this declaration; a longer path leads elsewhere.
pub(super) fn named(written: &Written, path: &Path) -> Named {
    match path.get_ident().map(plain) {
        Some(name) if name == "root" => Named::Root,
        Some(name) => written.spans.iter().position(|span| span.item() == name).map_or(Named::Nothing, Named::Here),
        None => Named::Elsewhere,
    }
}

/// Every parent that is named: the index of the child, and the path.
fn named_parents(written: &Written) -> impl Iterator<Item = (usize, &Path)> {
    written.spans.iter().enumerate().flat_map(|(index, span)| {
        let paths = span.arguments.parents.iter().flat_map(|parents| &parents.value.0);
        paths.map(move |path| (index, path))
    })
}

/// `parents(Misspelled)` (`declared_parent`)
fn parents_exist(written: &Written) -> Mistakes {
    let items: Vec<String> = written.spans.iter().map(WrittenSpan::item).collect();
    named_parents(written)
        .filter(|(_, path)| matches!(named(written, path), Named::Nothing))
        .map(|(_, path)| {
            let name = path.to_token_stream().to_string();
            match did_you_mean(&name, items.iter().map(String::as_str).chain(["root"])) {
                Some(meant) => err!(path, "no span `{name}` in this declaration: did you mean `{meant}`?"),
                None => err!(
                    path,
                    "no span `{name}` in this declaration: one that is declared elsewhere is named by a path, such as \
                     `self::{name}`"
                ),
            }
        })
        .collect()
}

/// `parents(A, A)`, or the enclosing span once more. (`declared_parent`)
fn parents_once(written: &Written) -> Mistakes {
    let mut mistakes = Vec::new();
    let mut seen: Vec<(usize, String)> = Vec::new();
    for (child, path) in named_parents(written) {
        let name = path.get_ident().map_or_else(|| path.to_token_stream().to_string().replace(' ', ""), plain);
        let enclosing = written.spans[child].nested_in;
        if matches!(named(written, path), Named::Here(index) if Some(index) == enclosing) {
            mistakes.push(err!(path, "`{name}` encloses this span and is its parent already: remove it here"));
        } else if seen.contains(&(child, name.clone())) {
            mistakes.push(err!(path, "`{name}` is named twice: keep one of them"));
        }
        seen.push((child, name));
    }
    mistakes
}

/// A span under one that is declared `leaf`, by nesting or by `parents(…)`. (`declared_child`)
fn parents_take_children(written: &Written) -> Mistakes {
    named_parents(written)
        .filter_map(|(child, path)| match named(written, path) {
            Named::Here(parent) if written.spans[parent].arguments.leaf.is_some() => {
                let (child, parent) = (written.spans[child].item(), written.spans[parent].item());
                Some(err!(path, "`{child}` cannot stand under `{parent}`, which is a leaf: remove one of the two"))
            }
            _ => None,
        })
        .collect()
}

/// A span in the braces of one that is declared `leaf`. (`declared_child`)
fn leaf_has_no_children(written: &Written, index: usize) -> Mistakes {
    let span = &written.spans[index];
    let Some(parent) = span.nested_in.map(|parent| &written.spans[parent]) else { return Vec::new() };
    if parent.arguments.leaf.is_none() {
        return Vec::new();
    }
    let (child, parent) = (span.item(), parent.item());
    vec![err!(span.ident, "`{child}` cannot stand under `{parent}`, which is a leaf: move it, or remove `leaf`")]
}

/// `scheduled` under another span: it always starts a trace of its own. (`declared_child`)
fn scheduled_is_a_root(written: &Written, index: usize) -> Mistakes {
    let span = &written.spans[index];
    if span.kind != Some(Kind::Scheduled) {
        return Vec::new();
    }
    let item = span.item();
    if let Some(parent) = span.nested_in {
        let parent = written.spans[parent].item();
        return vec![err!(
            span.ident,
            "`{item}` cannot stand under `{parent}`: a scheduled span always starts a trace, so move it out"
        )];
    }
    let parents = span.arguments.parents.iter();
    parents
        .map(|parents| {
            err!(parents.key, "`{item}` has no parents: a scheduled span always starts a trace, so remove this")
        })
        .collect()
}

/// Two attributes of one key. (`declared_twice`)
fn attributes_once(span: &WrittenSpan) -> Mistakes {
    repeated(&span.attributes, |attribute| attribute.key.value())
        .map(|(attribute, _)| {
            let key = attribute.key.value();
            err!(attribute.key, "the attribute `{key}` is declared twice: keep one of them")
        })
        .collect()
}

/// `a.b` beside `a_b`: one method would set both. (`declared_setter`)
fn setters_once(span: &WrittenSpan) -> Mistakes {
    repeated(&span.attributes, |attribute| attribute.setter.to_string())
        .filter(|(attribute, first)| attribute.key.value() != first.key.value())
        .map(|(attribute, first)| {
            let (key, other, setter) = (attribute.key.value(), first.key.value(), &attribute.setter);
            err!(attribute.key, "`{key}` and `{other}` are both set by `{setter}`: rename one of them")
        })
        .collect()
}

/// `event: str`: the handle has a method of that name. (`declared_setter`)
fn setters_are_free(span: &WrittenSpan) -> Mistakes {
    span.attributes
        .iter()
        .filter(|attribute| is_taken(&attribute.setter))
        .map(|attribute| {
            let (key, setter) = (attribute.key.value(), &attribute.setter);
            err!(
                attribute.key,
                "`{key}` would be set by `{setter}`, which every span's handle has: choose another name"
            )
        })
        .collect()
}

/// `count: integer`, or a standard attribute of another type. (`declared_type`, `standard_attribute`)
fn types_are_known(span: &WrittenSpan) -> Mistakes {
    span.attributes.iter().filter_map(|attribute| type_of(attribute).err()).collect()
}

/// The type of an attribute: as written, or as the convention has it.
pub(super) fn type_of(attribute: &WrittenAttribute) -> darling::Result<AttributeType> {
    let key = attribute.key.value();
    let standard = match semconv::find(&key) {
        semconv::Found::Free => None,
        semconv::Found::Standard(standard) => Some(standard),
        semconv::Found::Refused(why) => return Err(err!(attribute.key, "{why}")),
    };
    match (&attribute.ty, standard) {
        (Some(ty), None) => types::read(ty),
        (None, Some(standard)) => Ok(standard.ty.attribute()),
        (None, None) => Err(err!(attribute.key, "`{key}` has no type: write `{key}: str`, or another type")),
        (Some(ty), Some(standard)) => {
            let (written, expected) = (types::read(ty)?, standard.ty.attribute());
            if written.wire_name() == expected.wire_name() {
                return Ok(written);
            }
            let (ty, rust) = (ty.span(), standard.ty.rust());
            Err(err!(ty, "`{key}` is `{rust}` by its convention: write that, or leave the type out"))
        }
    }
}

/// The items that repeat an earlier one, each with the first.
fn repeated<T>(items: &[T], key: impl Fn(&T) -> String) -> impl Iterator<Item = (&T, &T)> {
    items.iter().enumerate().filter_map(move |(at, item)| {
        let first = items[..at].iter().find(|first| key(first) == key(item))?;
        Some((item, first))
    })
}
