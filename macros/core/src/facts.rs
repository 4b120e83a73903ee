//! What a plan says of itself, in words: the same for a reader of source files and for a build that is asked to
//! register its spans.
//!
//! Nothing here depends on who made the tokens: a compiler and a reader of files print the same tokens with different
//! blanks, so texts of tokens are written by [`text`] alone.

use std::fmt::Write as _;

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{Attribute, Meta};

use crate::item::plain;
use crate::model::{Captured, Declaration, FactName, Level, Parent, Plan, View};

/// The facts of an annotated function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// The word of the attribute.
    pub kind: &'static str,
    /// The function's name.
    pub function: String,
    /// The path in `span = path`, as written without blanks.
    pub span: Option<String>,
    /// Display name; `None` where the declaration says it.
    pub name: Option<String>,
    /// Span type; `None` where the declaration says it.
    pub span_type: Option<String>,
    /// How much of the inputs is captured.
    pub inputs: &'static str,
    /// How much of the output is captured.
    pub output: &'static str,
    /// Captured parameters in declaration order, then `inputs(…)`.
    pub captured: Vec<Value>,
    /// Parameters left out by `skip`.
    pub skipped: Vec<String>,
    /// What else the attribute says: `tag.workflow=plan`, and at each call `session`, `tag.home`, `model`, …
    pub facts: Vec<String>,
    /// The keys of `attributes(…)`.
    pub attributes: Vec<String>,
}

/// A value that is captured at each call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    /// Its name in the span's inputs.
    pub name: String,
    /// `value`, `debug`, `redacted` or `expression`.
    pub view: &'static str,
    /// Conditions under which the parameter exists.
    pub cfg: Vec<String>,
}

/// The facts of a declared span.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declared {
    /// Name of the item.
    pub item: String,
    /// Its id.
    pub id: String,
    /// The word of the attribute that makes it.
    pub kind: &'static str,
    /// Display name.
    pub name: String,
    /// Span type.
    pub span_type: String,
    /// Ids of the spans it may stand under, `root` for none, `path …` for one declared elsewhere; `None`: anywhere.
    pub parents: Option<Vec<String>>,
    /// Keys and types of its attributes.
    pub attributes: Vec<(String, String)>,
}

/// The facts of an annotated function.
pub fn function(plan: &Plan) -> Function {
    let callsite = &plan.callsite;
    let declared = plan.span.as_ref();
    let own = |text: &Option<String>, otherwise: &str| match declared {
        Some(_) => None,
        None => Some(text.clone().unwrap_or_else(|| otherwise.to_owned())),
    };
    let level = |level: Option<Level>| level.unwrap_or(plan.kind.capture()).word();
    let mut said = Said::default();
    said.facts.extend(callsite.workflow.iter().map(|workflow| format!("tag.workflow={workflow}")));
    for fact in &plan.facts {
        said.add(&fact.name);
    }
    let captured = callsite.values.iter().map(value).chain(said.inputs).collect();
    Function {
        kind: plan.kind.word(),
        function: callsite.function.clone(),
        span: declared.map(|path| text(path.to_token_stream())),
        name: own(&callsite.name, &callsite.function),
        span_type: own(&callsite.span_type, plan.kind.span_type()),
        inputs: level(callsite.inputs),
        output: level(callsite.output),
        captured,
        skipped: plan.skipped.iter().map(plain).collect(),
        facts: said.facts,
        attributes: said.attributes,
    }
}

/// The facts of the spans of a declaration, in its order.
pub fn declared(declaration: &Declaration) -> Vec<Declared> {
    let parent = |parent: &Parent| match parent {
        Parent::Root => "root".to_owned(),
        Parent::Here(index) => declaration.spans[*index].id.value(),
        Parent::Elsewhere(path) => format!("path {}", text(path.to_token_stream())),
    };
    let spans = declaration.spans.iter().map(|span| Declared {
        item: plain(&span.ident),
        id: span.id.value(),
        kind: span.kind.word(),
        name: span.name.clone(),
        span_type: span.span_type.clone().unwrap_or_else(|| span.kind.span_type().to_owned()),
        parents: span.parents.as_ref().map(|parents| parents.iter().map(parent).collect()),
        attributes: span.attributes.iter().map(|one| (one.key.value(), one.ty.wire_name())).collect(),
    });
    spans.collect()
}

#[derive(Default)]
struct Said {
    inputs: Vec<Value>,
    facts: Vec<String>,
    attributes: Vec<String>,
}

impl Said {
    fn add(&mut self, name: &FactName) {
        let word = match name {
            FactName::Tag(key) => format!("tag.{}", key.value()),
            FactName::Session => "session".into(),
            FactName::User => "user".into(),
            FactName::Experiment => "experiment".into(),
            FactName::Run | FactName::RunNamed => "run".into(),
            FactName::Param(key) => format!("param.{}", key.value()),
            FactName::Config => "config".into(),
            FactName::BudgetUsd => "budget_usd".into(),
            FactName::BudgetTokens => "budget_tokens".into(),
            FactName::Trigger => "trigger".into(),
            FactName::Schedule => "schedule".into(),
            FactName::From => "from".into(),
            FactName::To => "to".into(),
            FactName::Content => "content".into(),
            FactName::Policy => "policy".into(),
            FactName::Model => "model".into(),
            FactName::Provider => "provider".into(),
            FactName::Tools => "tools".into(),
            FactName::Input(key) => {
                let value = Value { name: key.value(), view: "expression", cfg: Vec::new() };
                return self.inputs.push(value);
            }
            FactName::Attribute(key) => return self.attributes.push(key.value()),
        };
        self.facts.push(word);
    }
}

fn value(captured: &Captured) -> Value {
    let view = match captured.view {
        View::Value => "value",
        View::Debug => "debug",
        View::Redacted => "redacted",
    };
    Value { name: captured.name.clone(), view, cfg: conditions(&captured.cfg) }
}

/// The conditions of the `cfg` attributes among `attrs`.
pub fn conditions(attrs: &[Attribute]) -> Vec<String> {
    let condition = |attr: &Attribute| match &attr.meta {
        Meta::List(list) if attr.path().is_ident("cfg") => Some(text(list.tokens.clone())),
        _ => None,
    };
    attrs.iter().filter_map(condition).collect()
}

/// Tokens with the blanks people put: `all(unix, feature = "mail")`, `spans::Collect`.
pub fn text(tokens: TokenStream) -> String {
    let mut written = String::new();
    write_tokens(tokens, &mut written);
    written
}

fn write_tokens(tokens: TokenStream, written: &mut String) {
    let mut after_word = false;
    for token in tokens {
        let is_word = matches!(token, TokenTree::Ident(_) | TokenTree::Literal(_));
        if is_word && after_word {
            written.push(' ');
        }
        after_word = is_word;
        match token {
            TokenTree::Punct(punct) => match punct.as_char() {
                ',' => written.push_str(", "),
                '=' => written.push_str(" = "),
                other => written.push(other),
            },
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::None => ("", ""),
                };
                written.push_str(open);
                write_tokens(group.stream(), written);
                written.push_str(close);
            }
            TokenTree::Ident(_) | TokenTree::Literal(_) => {
                let _ = write!(written, "{token}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use quote::quote;

    use super::{Function, Value, function, text};
    use crate::{Kind, plan};

    #[test]
    fn tokens_are_written_the_same_whoever_made_them() {
        assert_eq!(text(quote!(all(unix, not(feature = "mail")))), "all(unix, not(feature = \"mail\"))");
        assert_eq!(text(quote!(crate::spans::Collect)), "crate::spans::Collect");
        assert_eq!(text("a  ::  b".parse().unwrap()), "a::b");
    }

    #[test]
    fn a_function_says_what_it_captures_and_how_much() {
        let args = quote!(redact(token), skip(cache), inputs(region = home.region), tags(home = "h"), output = "none");
        let item = quote!(
            fn plan_workflow(home: Home, #[cfg(all(unix))] token: &str, cache: Cache) {}
        );
        let facts = function(&plan(Kind::Workflow, args, item).unwrap());
        let value = |name: &str, view, cfg: &[&str]| Value {
            name: name.into(),
            view,
            cfg: cfg.iter().map(|one| (*one).to_owned()).collect(),
        };
        let expected = Function {
            kind: "workflow",
            function: "plan_workflow".into(),
            span: None,
            name: Some("plan_workflow".into()),
            span_type: Some("WORKFLOW".into()),
            inputs: "preview",
            output: "none",
            captured: vec![
                value("home", "value", &[]),
                value("token", "redacted", &["all(unix)"]),
                value("region", "expression", &[]),
            ],
            skipped: vec!["cache".into()],
            facts: vec!["tag.workflow=plan".into(), "tag.home".into()],
            attributes: vec![],
        };
        assert_eq!(facts, expected);
    }
}
