//! The arguments of each attribute: one struct per set of arguments over the common ones, each value with the place of its key.
//!
//! A key that no struct knows, a repeated one and a bare value are refused before darling sees the list, because the message then knows the attribute;
//! a value of the wrong form is refused where it is read.

use std::fmt;

use darling::FromMeta;
use darling::ast::NestedMeta;
use proc_macro2::{Span, TokenStream};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Expr, Ident, Lit, LitStr, Meta, Path, Token};

use crate::diag::{Mistakes, did_you_mean, err};
use crate::kind::Kind;
use crate::model::{Level, Returns};

/// What every attribute takes.
#[derive(Debug, Default, FromMeta)]
pub(crate) struct Common {
    pub name: Option<Arg<LitStr>>,
    pub span_type: Option<Arg<LitStr>>,
    pub span: Option<Arg<Path>>,
    pub skip: Option<Arg<Names>>,
    pub redact: Option<Arg<Names>>,
    pub debug: Option<Arg<Names>>,
    pub inputs: Option<Arg<Pairs>>,
    pub attributes: Option<Arg<Pairs>>,
    pub handle: Option<Arg<Ident>>,
    pub capture: Option<Arg<Level>>,
    pub output: Option<Arg<Level>>,
    pub returns: Option<Arg<Returns>>,
    pub expected: Option<Arg<Paths>>,
    #[darling(rename = "crate")]
    pub facade: Option<Arg<Facade>>,
}

/// `#[workflow]`
#[derive(Debug, FromMeta)]
pub(crate) struct Workflow {
    #[darling(flatten)]
    pub common: Common,
    pub kind: Option<Arg<LitStr>>,
    pub tags: Option<Arg<Pairs>>,
    pub session: Option<Arg<Expr>>,
    pub user: Option<Arg<Expr>>,
    pub experiment: Option<Arg<Expr>>,
    pub run: Option<Arg<Run>>,
    pub params: Option<Arg<Pairs>>,
    pub config: Option<Arg<Expr>>,
    pub budget_usd: Option<Arg<Expr>>,
    pub budget_tokens: Option<Arg<Expr>>,
}

/// `#[scheduled]`
#[derive(Debug, FromMeta)]
pub(crate) struct Scheduled {
    #[darling(flatten)]
    pub workflow: Workflow,
    pub trigger: Option<Arg<Expr>>,
    pub id: Option<Arg<Expr>>,
}

/// `#[sandbox]`
#[derive(Debug, FromMeta)]
pub(crate) struct Sandbox {
    #[darling(flatten)]
    pub common: Common,
    pub policy: Option<Arg<Expr>>,
}

/// `#[delegate]`
#[derive(Debug, FromMeta)]
pub(crate) struct Delegate {
    #[darling(flatten)]
    pub common: Common,
    pub from: Option<Arg<Expr>>,
    pub to: Option<Arg<Expr>>,
    pub content: Option<Arg<Expr>>,
}

/// `#[llm]`
#[derive(Debug, FromMeta)]
pub(crate) struct Llm {
    #[darling(flatten)]
    pub common: Common,
    pub model: Option<Arg<Expr>>,
    pub provider: Option<Arg<Expr>>,
    pub tools: Option<Arg<Expr>>,
}

/// The arguments of one attribute.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one at a time, and it is taken apart at once")]
pub(crate) enum Args {
    Workflow(Workflow),
    Scheduled(Scheduled),
    Sandbox(Sandbox),
    Delegate(Delegate),
    Llm(Llm),
    /// Attributes that take the common arguments only.
    Plain(Common),
}

impl Args {
    pub(crate) fn common(&self) -> &Common {
        match self {
            Self::Workflow(args) => &args.common,
            Self::Scheduled(args) => &args.workflow.common,
            Self::Sandbox(args) => &args.common,
            Self::Delegate(args) => &args.common,
            Self::Llm(args) => &args.common,
            Self::Plain(args) => args,
        }
    }
}

/// Reads the arguments of `kind`.
pub(crate) fn parse(kind: Kind, tokens: TokenStream) -> darling::Result<Args> {
    let written = NestedMeta::parse_meta_list(tokens)?;
    let mut mistakes = Mistakes::default();
    let known = known(Owner::Attribute(kind), &written, &mut mistakes);
    let args = mistakes.keep(match kind {
        Kind::Workflow => Workflow::from_list(&known).map(Args::Workflow),
        Kind::Scheduled => Scheduled::from_list(&known).map(Args::Scheduled),
        Kind::Sandbox => Sandbox::from_list(&known).map(Args::Sandbox),
        Kind::Delegate => Delegate::from_list(&known).map(Args::Delegate),
        Kind::Llm => Llm::from_list(&known).map(Args::Llm),
        Kind::Node | Kind::Tool | Kind::Retriever | Kind::Agent | Kind::Evaluator => {
            Common::from_list(&known).map(Args::Plain)
        }
    });
    let args = args.unwrap_or(Args::Plain(Common::default()));
    mistakes.checked(args)
}

const COMMON: &[&str] = &[
    "name",
    "span_type",
    "span",
    "skip",
    "redact",
    "debug",
    "inputs",
    "attributes",
    "handle",
    "capture",
    "output",
    "returns",
    "expected",
    "crate",
];
const WORKFLOW: &[&str] =
    &["kind", "tags", "session", "user", "experiment", "run", "params", "config", "budget_usd", "budget_tokens"];

/// The arguments that only some attributes take.
const fn own(kind: Kind) -> (&'static [&'static str], &'static [&'static str]) {
    match kind {
        Kind::Workflow => (WORKFLOW, &[]),
        Kind::Scheduled => (WORKFLOW, &["trigger", "id"]),
        Kind::Sandbox => (&["policy"], &[]),
        Kind::Delegate => (&["from", "to", "content"], &[]),
        Kind::Llm => (&["model", "provider", "tools"], &[]),
        Kind::Node | Kind::Tool | Kind::Retriever | Kind::Agent | Kind::Evaluator => (&[], &[]),
    }
}

const DECLARED: &[&str] = &["id", "name", "span_type", "parents", "leaf"];

/// Whose arguments they are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    /// An attribute on a function.
    Attribute(Kind),
    /// A span in `spans!`.
    Declared,
}

impl Owner {
    fn names(self) -> impl Iterator<Item = &'static str> + Clone {
        let (first, second, rest): (_, &[_], _) = match self {
            Self::Attribute(kind) => {
                let (first, second) = own(kind);
                (first, second, COMMON)
            }
            Self::Declared => (DECLARED, &[], &[][..]),
        };
        first.iter().chain(second).chain(rest).copied()
    }

    fn takes(self, name: &str) -> bool {
        self.names().any(|taken| taken == name)
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Attribute(kind) => kind.fmt(f),
            Self::Declared => f.write_str("a declared span"),
        }
    }
}

/// What people write for an argument that is called otherwise.
const SYNONYMS: &[(&str, &str)] = &[
    ("type", "span_type"),
    ("skip_all", "capture"),
    ("level", "capture"),
    ("err", "expected"),
    ("fields", "attributes"),
    ("span_name", "name"),
    ("session_id", "session"),
    ("user_id", "user"),
    ("tag", "tags"),
    ("budget", "budget_usd"),
    ("max_cost", "budget_usd"),
    ("max_tokens", "budget_tokens"),
    ("schedule", "id"),
    ("schedule_id", "id"),
    ("cron", "trigger"),
    ("declared", "span"),
    ("under", "parents"),
];

/// The arguments whose keys `owner` takes, each once.
pub(crate) fn known(owner: Owner, written: &[NestedMeta], mistakes: &mut Mistakes) -> Vec<NestedMeta> {
    let mut seen: Vec<String> = Vec::new();
    let mut known = Vec::new();
    for argument in written {
        let path = match argument {
            NestedMeta::Meta(meta) => meta.path(),
            NestedMeta::NameValueInvalidExpr(meta) => &meta.path,
            NestedMeta::Lit(literal) => {
                mistakes.push(bare_literal(owner, literal));
                continue;
            }
        };
        let key = path.to_token_stream().to_string();
        if !owner.takes(&key) {
            mistakes.push(unknown(owner, path, &key));
        } else if seen.contains(&key) {
            mistakes.push(err!(path, "`{key}` is given twice: keep one of them"));
        } else if let NestedMeta::NameValueInvalidExpr(meta) = argument {
            mistakes.push(match meta.value.is_empty() {
                true => err!(path, "`{key}` has nothing after its `=`: give it a value{}", or_left_out(path)),
                false => err!(meta.value, "`{key}` takes an expression"),
            });
        } else {
            known.push(argument.clone());
        }
        seen.push(key);
    }
    known
}

fn bare_literal(owner: Owner, literal: &Lit) -> darling::Error {
    let (key, meaning) = match owner {
        Owner::Attribute(_) => ("name", "name the span"),
        Owner::Declared => ("id", "identify the span"),
    };
    match literal {
        Lit::Str(text) => {
            err!(literal, "{owner} takes named arguments only: write `{key} = {}` to {meaning}", text.to_token_stream())
        }
        _ => err!(literal, "{owner} takes named arguments only, such as `{key} = \"…\"`"),
    }
}

fn unknown(owner: Owner, path: &Path, key: &str) -> darling::Error {
    let synonym = SYNONYMS.iter().find(|(said, _)| *said == key).map(|(_, meant)| *meant);
    let meant = synonym.filter(|meant| owner.takes(meant)).or_else(|| did_you_mean(key, owner.names()));
    if let Some(meant) = meant {
        return err!(path, "unknown argument `{key}`: did you mean `{meant}`?");
    }
    let attribute = Kind::ALL.into_iter().find(|kind| Owner::Attribute(*kind).takes(key));
    match (owner, attribute) {
        (Owner::Attribute(kind), Some(other)) => {
            return err!(path, "`{key}` is an argument of {other}, not of {kind}");
        }
        (Owner::Declared, Some(_)) => {
            return err!(path, "`{key}` is an argument of the attribute on the function: move it there");
        }
        (Owner::Attribute(_), None) if Owner::Declared.takes(key) => {
            return err!(path, "`{key}` is an argument of a declared span: move it to the declaration in `spans!`");
        }
        _ => {}
    }
    let all = owner.names().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    err!(path, "unknown argument `{key}`: {owner} takes {all}")
}

/// A value and the place of its key.
#[derive(Clone, Debug)]
pub(crate) struct Arg<T> {
    pub key: Span,
    pub value: T,
}

impl<T: Written> FromMeta for Arg<T> {
    fn from_meta(meta: &Meta) -> darling::Result<Self> {
        let key = meta.path().span();
        T::read(meta).map(|value| Self { key, value })
    }
}

/// A value in the form in which it stands in an attribute.
pub(crate) trait Written: Sized {
    fn read(meta: &Meta) -> darling::Result<Self>;
}

/// The other way out where an argument has no value.
fn or_left_out(key: &Path) -> &'static str {
    if key.is_ident("id") { "" } else { ", or leave it out" }
}

/// The mistake that `meta` is not of the form `form`, at what stands in the place of its value.
fn form(meta: &Meta, form: &str) -> darling::Error {
    let key = meta.path().to_token_stream();
    match meta {
        Meta::Path(path) => err!(path, "`{key}` takes a value: write `{key}{form}`"),
        Meta::List(list) => err!(list.delimiter.span().open(), "write `{key}{form}`"),
        Meta::NameValue(pair) => err!(pair.value, "write `{key}{form}`"),
    }
}

/// The expression after `=`.
fn value<'a>(meta: &'a Meta, expected: &str) -> darling::Result<&'a Expr> {
    match meta {
        Meta::NameValue(pair) => Ok(&pair.value),
        _ => Err(form(meta, expected)),
    }
}

/// The same without the invisible groups around what a `macro_rules!` took as `$path:path` or `$text:expr`.
fn bare_value<'a>(meta: &'a Meta, expected: &str) -> darling::Result<&'a Expr> {
    let mut bare = value(meta, expected)?;
    while let Expr::Group(group) = bare {
        bare = &group.expr;
    }
    Ok(bare)
}

fn text<'a>(meta: &'a Meta, expected: &str) -> darling::Result<&'a LitStr> {
    match bare_value(meta, expected)? {
        Expr::Lit(literal) => match &literal.lit {
            Lit::Str(text) => Ok(text),
            _ => Err(form(meta, expected)),
        },
        _ => Err(form(meta, expected)),
    }
}

/// What stands between the parentheses, separated by commas.
fn list<T: Parse>(meta: &Meta, expected: &str) -> darling::Result<Vec<T>> {
    let Meta::List(list) = meta else { return Err(form(meta, expected)) };
    let items = Punctuated::<T, Token![,]>::parse_terminated.parse2(list.tokens.clone())?;
    if items.is_empty() {
        return Err(err!(list.path, "empty list: write `{}{expected}`", list.path.to_token_stream()));
    }
    Ok(items.into_iter().collect())
}

impl Written for LitStr {
    fn read(meta: &Meta) -> darling::Result<Self> {
        let text = text(meta, " = \"…\"")?;
        if text.value().is_empty() {
            let (key, otherwise) = (meta.path().to_token_stream(), or_left_out(meta.path()));
            return Err(err!(text, "`{key}` is empty: give it a text{otherwise}"));
        }
        Ok(text.clone())
    }
}

impl Written for Path {
    fn read(meta: &Meta) -> darling::Result<Self> {
        match bare_value(meta, " = path::of::Declared")? {
            Expr::Path(path) if path.qself.is_none() => Ok(path.path.clone()),
            _ => Err(form(meta, " = path::of::Declared")),
        }
    }
}

impl Written for Expr {
    fn read(meta: &Meta) -> darling::Result<Self> {
        value(meta, " = expression").cloned()
    }
}

impl Written for Ident {
    fn read(meta: &Meta) -> darling::Result<Self> {
        match bare_value(meta, " = ident")? {
            Expr::Path(path) => path.path.get_ident().cloned().ok_or_else(|| form(meta, " = ident")),
            _ => Err(form(meta, " = ident")),
        }
    }
}

/// One of a few words, written as a text.
fn word<T: Copy>(meta: &Meta, words: &[(&'static str, T)]) -> darling::Result<T> {
    let all = words.iter().map(|(word, _)| *word).collect::<Vec<_>>().join("|");
    let text = text(meta, &format!(" = \"{all}\""))?;
    let written = text.value();
    if let Some((_, value)) = words.iter().find(|(word, _)| *word == written) {
        return Ok(*value);
    }
    let key = meta.path().to_token_stream();
    Err(match did_you_mean(&written, words.iter().map(|(word, _)| *word)) {
        Some(meant) => err!(text, "`{key}` has no \"{written}\": did you mean \"{meant}\"?"),
        None => err!(text, "`{key}` has no \"{written}\": write `{key} = \"{all}\"`"),
    })
}

impl Written for Level {
    fn read(meta: &Meta) -> darling::Result<Self> {
        word(meta, &[("none", Self::None), ("keys", Self::Keys), ("preview", Self::Preview), ("full", Self::Full)])
    }
}

impl Written for Returns {
    fn read(meta: &Meta) -> darling::Result<Self> {
        word(meta, &[("value", Self::Value), ("future", Self::Future), ("stream", Self::Stream)])
    }
}

/// `(a, b)`
#[derive(Clone, Debug)]
pub(crate) struct Names(pub Vec<Ident>);

impl Written for Names {
    fn read(meta: &Meta) -> darling::Result<Self> {
        struct Name(Ident);
        impl Parse for Name {
            fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
                input.call(Ident::parse_any).map(Self)
            }
        }
        let names: Vec<Name> = list(meta, "(parameter, …)")?;
        let mut mistakes = Mistakes::default();
        let mut seen: Vec<Ident> = Vec::new();
        for Name(name) in names {
            if seen.contains(&name) {
                mistakes.push(err!(name, "`{name}` is named twice: keep one of them"));
            }
            seen.push(name);
        }
        mistakes.checked(Self(seen))
    }
}

/// `(some::Path, …)`
#[derive(Clone, Debug)]
pub(crate) struct Paths(pub Vec<Path>);

/// A word that is there or not, such as `leaf`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flag;

impl Written for Flag {
    fn read(meta: &Meta) -> darling::Result<Self> {
        match meta {
            Meta::Path(_) => Ok(Self),
            _ => Err(form(meta, "")),
        }
    }
}

impl Written for Paths {
    fn read(meta: &Meta) -> darling::Result<Self> {
        list(meta, "(path::of::Error, …)").map(Self)
    }
}

/// `(Here, path::to::Elsewhere, root)`
#[derive(Clone, Debug)]
pub(crate) struct Parents(pub Vec<Path>);

impl Written for Parents {
    fn read(meta: &Meta) -> darling::Result<Self> {
        list(meta, "(Span, path::to::Span, root)").map(Self)
    }
}

/// `key = expr`, where the key may be `dotted.name` or `"any text"`.
#[derive(Clone, Debug)]
pub(crate) struct Pair {
    pub key: LitStr,
    pub value: Expr,
}

/// `(key = expr, …)`
#[derive(Clone, Debug)]
pub(crate) struct Pairs(pub Vec<Pair>);

impl Parse for Pair {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let key = if input.peek(LitStr) {
            let key: LitStr = input.parse()?;
            if key.value().is_empty() {
                return Err(syn::Error::new(key.span(), "the key is empty: name what the value is"));
            }
            key
        } else {
            let first = input.call(Ident::parse_any)?;
            let mut name = crate::item::plain(&first);
            while input.parse::<Option<Token![.]>>()?.is_some() {
                name.push('.');
                name.push_str(&crate::item::plain(&input.call(Ident::parse_any)?));
            }
            LitStr::new(&name, first.span())
        };
        if !input.peek(Token![=]) {
            let name = key.value();
            return Err(syn::Error::new(key.span(), format!("`{name}` takes a value: write `{name} = expression`")));
        }
        input.parse::<Token![=]>()?;
        Ok(Self { key, value: input.parse()? })
    }
}

impl Written for Pairs {
    fn read(meta: &Meta) -> darling::Result<Self> {
        let pairs: Vec<Pair> = list(meta, "(key = expression, …)")?;
        let mut mistakes = Mistakes::default();
        let mut seen: Vec<String> = Vec::new();
        for Pair { key, .. } in &pairs {
            let name = key.value();
            if seen.contains(&name) {
                mistakes.push(err!(key, "`{name}` is given twice: keep one of them"));
            }
            seen.push(name);
        }
        mistakes.checked(Self(pairs))
    }
}

/// `run` or `run = expr`.
#[derive(Clone, Debug)]
pub(crate) struct Run(pub Option<Expr>);

impl Written for Run {
    fn read(meta: &Meta) -> darling::Result<Self> {
        match meta {
            Meta::Path(_) => Ok(Self(None)),
            _ => value(meta, "` or `run = expression").map(|name| Self(Some(name.clone()))),
        }
    }
}

/// Where the facade is, when it is not `::spanwright`.
#[derive(Clone, Debug)]
pub(crate) struct Facade(pub Path);

impl Written for Facade {
    fn read(meta: &Meta) -> darling::Result<Self> {
        match bare_value(meta, " = ::path::to::spanwright")? {
            Expr::Path(path) if path.qself.is_none() => Ok(Self(path.path.clone())),
            _ => Err(form(meta, " = ::path::to::spanwright")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Owner, parse};
    use crate::kind::Kind;

    /// The list of names and the fields that darling reads are written twice; this is what keeps them one.
    #[test]
    fn each_listed_argument_is_a_field() {
        for kind in Kind::ALL {
            for name in Owner::Attribute(kind).names() {
                let tokens = format!("{name} = 1").parse().expect("tokens");
                let said = parse(kind, tokens).map_or_else(|error| error.to_string(), |_| String::new());
                assert!(!said.to_lowercase().contains("unknown"), "{kind} {name}: {said}");
            }
        }
    }
}
