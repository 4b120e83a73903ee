//! A program becomes a catalog: nothing is looked up any more, only put together and sorted.

use std::collections::{HashMap, HashSet};

use spanwright_macros_core::facts::{self, Value};
use spanwright_macros_core::model::{DeclaredSpan, FactName, Plan};
use spanwright_macros_core::{Errors, did_you_mean};
use syn::ext::IdentExt as _;

use super::id;
use super::{Attribute, Captured, Catalog, Function, Mistake, Place, Span};
use crate::program::{Annotated, Declared, ParentSpan, Program};

/// The version of the format.
const VERSION: u32 = 1;

/// All spans of a program.
pub fn catalog(program: &Program) -> Catalog {
    let mut mistakes = Vec::new();
    let mut spans: Vec<Span> = Vec::new();
    let mut at: HashMap<(usize, usize), usize> = HashMap::new();
    let used: HashSet<(usize, usize)> = program.annotated.iter().filter_map(|annotated| annotated.span).collect();
    for (index, declared) in program.declared.iter().enumerate() {
        let declaration = match &declared.declaration {
            Ok(declaration) => declaration,
            Err(errors) => {
                mistakes.extend(said(errors, &declared.place).filter(|_| declared.is_selected));
                continue;
            }
        };
        for (span, of) in declaration.spans.iter().enumerate() {
            if declared.is_selected || used.contains(&(index, span)) {
                at.insert((index, span), spans.len());
                spans.push(declared_span(program, declared, span, of));
            }
        }
    }
    let mut ids: HashSet<String> = spans.iter().map(|span| span.id.clone()).collect();
    for annotated in &program.annotated {
        let plan = match &annotated.plan {
            Ok(plan) => plan,
            Err(errors) => {
                mistakes.extend(said(errors, &annotated.attribute));
                continue;
            }
        };
        match annotated.span.and_then(|span| at.get(&span)).map(|index| &mut spans[*index]) {
            Some(span) => {
                mistakes.extend(against_declaration(annotated, plan, span));
                span.functions.push(function(annotated, plan));
            }
            // Its declaration cannot be read, which is listed already; it is a span all the same.
            None => spans.push(undeclared(annotated, plan, id::unique(&annotated.path, &mut ids))),
        }
    }
    for span in &mut spans {
        span.functions.sort_by(|a, b| a.place.cmp(&b.place));
    }
    spans.sort_by(|a, b| (&a.id, &a.place).cmp(&(&b.id, &b.place)));
    mistakes.sort_by(|a: &Mistake, b| (&a.place, &a.message).cmp(&(&b.place, &b.message)));
    Catalog { version: VERSION, spans, unresolved: program.unresolved.clone(), mistakes }
}

/// The mistakes of the file at `around`, each at its token.
fn said(errors: &Errors, around: &Place) -> impl Iterator<Item = Mistake> {
    errors.placed().into_iter().map(|(span, message)| {
        let start = span.start();
        // A mistake without a token is the attribute's.
        let (line, column) = match start.line {
            0 => (around.line, around.column),
            line if start.column == 0 && line == 1 => (around.line, around.column),
            line => (line, start.column + 1),
        };
        Mistake { place: Place { file: around.file.clone(), line, column }, message }
    })
}

/// What the compiler would say of a function and the declaration it is tied to.
fn against_declaration(annotated: &Annotated, plan: &Plan, span: &Span) -> Vec<Mistake> {
    let mistake = |message| Mistake { place: annotated.attribute.clone(), message };
    let mut found = Vec::new();
    if plan.kind.word() != span.kind {
        found.push(mistake(format!(
            "`#[{kind}]` on `{}`, which is declared as `{declared}`: use `#[{declared}]`, or declare it as `{kind}`",
            span.declared.as_deref().unwrap_or_default(),
            kind = plan.kind.word(),
            declared = span.kind
        )));
    }
    let set = plan.facts.iter().filter_map(|fact| match &fact.name {
        FactName::Attribute(key) => Some(key.value()),
        _ => None,
    });
    // Setters have `_` for `.`.
    let setter = |key: &str| key.replace('.', "_");
    let is_known = |key: &str| span.attributes.iter().any(|known| setter(&known.key) == setter(key));
    for key in set.filter(|key| !is_known(key)) {
        let known = span.attributes.iter().map(|attribute| attribute.key.as_str());
        let meant = did_you_mean(&key, known).map_or(String::new(), |meant| format!(": did you mean `{meant}`?"));
        found.push(mistake(format!("no attribute `{key}` on `{}`{meant}", span.id)));
    }
    found
}

fn declared_span(program: &Program, declared: &Declared, index: usize, of: &DeclaredSpan) -> Span {
    let parents = declared.parents.get(index).and_then(Option::as_ref);
    Span {
        id: of.id.value(),
        name: of.name.clone(),
        kind: of.kind.word().into(),
        span_type: of.span_type.clone().unwrap_or_else(|| of.kind.span_type().into()),
        declared: Some(format!("{}::{}", declared.module, of.ident.unraw())),
        parents: parents.map(|parents| parents.iter().filter_map(|parent| id_of(program, *parent)).collect()),
        attributes: of
            .attributes
            .iter()
            .map(|attribute| Attribute {
                key: attribute.key.value(),
                ty: attribute.ty.wire_name(),
                doc: documentation(&attribute.attrs),
            })
            .collect(),
        doc: documentation(&of.attrs),
        cfg: declared.cfg.iter().cloned().chain(facts::conditions(&of.attrs)).collect(),
        place: declared.places.get(index).cloned().unwrap_or_else(|| declared.place.clone()),
        functions: Vec::new(),
    }
}

fn id_of(program: &Program, parent: ParentSpan) -> Option<String> {
    match parent {
        ParentSpan::Root => Some("root".into()),
        ParentSpan::Declared(declaration, span) => {
            let declaration = program.declared.get(declaration)?.declaration.as_ref().ok()?;
            declaration.spans.get(span).map(|span| span.id.value())
        }
    }
}

fn undeclared(annotated: &Annotated, plan: &Plan, id: String) -> Span {
    let site = &plan.callsite;
    let set = plan.facts.iter().filter_map(|fact| match &fact.name {
        FactName::Attribute(key) => Some(Attribute { key: key.value(), ty: "any".into(), doc: String::new() }),
        _ => None,
    });
    Span {
        id,
        name: site.name.clone().unwrap_or_else(|| site.function.clone()),
        kind: plan.kind.word().into(),
        span_type: site.span_type.clone().unwrap_or_else(|| plan.kind.span_type().into()),
        declared: None,
        parents: None,
        attributes: set.collect(),
        doc: annotated.doc.clone(),
        cfg: annotated.cfg.clone(),
        place: annotated.place.clone(),
        functions: vec![function(annotated, plan)],
    }
}

fn function(annotated: &Annotated, plan: &Plan) -> Function {
    let facts = facts::function(plan);
    let captured = facts.captured.into_iter();
    Function {
        path: annotated.path.clone(),
        place: annotated.place.clone(),
        inputs: facts.inputs.into(),
        output: facts.output.into(),
        captured: captured.map(|Value { name, view, cfg }| Captured { name, view: view.into(), cfg }).collect(),
        skipped: facts.skipped,
        facts: facts.facts,
        cfg: annotated.cfg.clone(),
        doc: annotated.doc.clone(),
    }
}

/// The text of doc comments.
fn documentation(attrs: &[syn::Attribute]) -> String {
    let lines = attrs.iter().filter(|attr| attr.path().is_ident("doc")).filter_map(|attr| match &attr.meta {
        syn::Meta::NameValue(pair) => match &pair.value {
            syn::Expr::Lit(literal) => match &literal.lit {
                syn::Lit::Str(text) => Some(text.value()),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    });
    let lines: Vec<String> = lines.map(|line| line.strip_prefix(' ').unwrap_or(&line).trim_end().to_owned()).collect();
    lines.join("\n").trim_matches('\n').to_owned()
}
