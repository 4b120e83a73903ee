//! What is written becomes a [`Declaration`]. Where something is mistaken, it says as little as it can.

use syn::LitStr;
use syn::spanned::Spanned;

use super::check::{self, Named};
use super::written::{Written, WrittenAttribute, WrittenSpan};
use crate::args::Arg;
use crate::kind::Kind;
use crate::model::{AttributeType, Declaration, DeclaredAttribute, DeclaredSpan, Parent};
use crate::name::{is_taken, snake_case};

pub(super) fn declaration(written: Written) -> Declaration {
    let spans = (0..written.spans.len()).map(|index| span(&written, index)).collect();
    Declaration { spans, facade: written.facade }
}

fn span(written: &Written, index: usize) -> DeclaredSpan {
    let WrittenSpan { attrs, vis, kind, ident, arguments, nested_in, attributes } = &written.spans[index];
    let kind = kind.unwrap_or(Kind::Node);
    let text = |argument: &Option<Arg<LitStr>>| argument.as_ref().map(|text| text.value.value());
    let item = written.spans[index].item();
    let own_name = || kind.display_name().map_or_else(|| snake_case(&item), str::to_owned);
    let mut known: Vec<DeclaredAttribute> = Vec::new();
    for attribute in attributes {
        // One method of each name.
        if !known.iter().any(|known| known.setter == attribute.setter) && !is_taken(&attribute.setter) {
            known.push(lower_attribute(attribute));
        }
    }
    DeclaredSpan {
        attrs: attrs.clone(),
        vis: vis.clone(),
        kind,
        ident: ident.clone(),
        id: arguments.id.as_ref().map_or_else(|| LitStr::new("", ident.span()), |id| id.value.clone()),
        name: text(&arguments.name).unwrap_or_else(own_name),
        span_type: text(&arguments.span_type),
        nested_in: *nested_in,
        parents: parents(written, index, kind),
        leaf: arguments.leaf.is_some(),
        attributes: known,
    }
}

fn parents(written: &Written, index: usize, kind: Kind) -> Option<Vec<Parent>> {
    let span = &written.spans[index];
    if kind == Kind::Scheduled {
        return Some(vec![Parent::Root]);
    }
    if span.nested_in.is_none() && span.arguments.parents.is_none() {
        return None;
    }
    let named = span.arguments.parents.iter().flat_map(|parents| &parents.value.0);
    let named = named.filter_map(|path| match check::named(written, path) {
        Named::Root => Some(Parent::Root),
        Named::Here(index) => Some(Parent::Here(index)),
        Named::Elsewhere => Some(Parent::Elsewhere(path.clone())),
        Named::Nothing => None,
    });
    Some(span.nested_in.map(Parent::Here).into_iter().chain(named).collect())
}

fn lower_attribute(written: &WrittenAttribute) -> DeclaredAttribute {
    let WrittenAttribute { attrs, key, setter, ty } = written;
    DeclaredAttribute {
        attrs: attrs.clone(),
        key: key.clone(),
        setter: setter.clone(),
        ty: check::type_of(written).unwrap_or(AttributeType::Json),
        ty_span: ty.as_ref().map_or_else(|| key.span(), Spanned::span),
    }
}
