//! The rules that join arguments and signature: one function each, with the folder of `ui-tests/fail` that shows its message.

use syn::Ident;

use crate::args::{Arg, Args, Common, Names, Pairs};
use crate::diag::err;
use crate::item::{Item, Parameter, plain};
use crate::kind::Kind;
use crate::model::{Level, Returned, Returns, Shape};
use crate::name::{is_taken, setter, too_long};
use crate::private::relative;
use crate::shape;

/// An attribute and its function, parsed.
pub(crate) struct Input {
    pub kind: Kind,
    pub args: Args,
    pub item: Item,
    pub shape: Shape,
}

type Mistakes = Vec<darling::Error>;

impl Input {
    pub(crate) fn new(kind: Kind, args: Args, item: Item) -> Self {
        let shape = shape::of(&item.sig, args.common().returns.as_ref().map(|returns| returns.value));
        Self { kind, args, item, shape }
    }

    fn common(&self) -> &Common {
        self.args.common()
    }
}

/// All rules.
pub(crate) fn all(input: &Input) -> Mistakes {
    [
        const_fn,
        c_variadic,
        track_caller,
        name_length,
        declared_once,
        attributes_are_setters,
        facade_path,
        parameters_exist,
        one_view_each,
        inputs_are_new,
        handle_is_new,
        output_over_capture,
        returns_fits,
        expected_needs_a_result,
        sandbox_returns_an_outcome,
    ]
    .into_iter()
    .flat_map(|rule| rule(input))
    .collect()
}

/// `const fn`: a span reads the clock, which a constant cannot. (`const_fn`)
fn const_fn(input: &Input) -> Mistakes {
    let Some(token) = &input.item.sig.constness else { return Vec::new() };
    vec![err!(token, "{} cannot trace a `const fn`, which may run in the compiler: remove `const`", input.kind)]
}

/// `fn f(n: i32, ...)`: the rest of the arguments cannot be moved into a closure. (`variadic`)
fn c_variadic(input: &Input) -> Mistakes {
    let Some(variadic) = &input.item.sig.variadic else { return Vec::new() };
    vec![err!(
        variadic.dots,
        "{} cannot trace a C-variadic function, whose `...` cannot be handed on: trace a function that it calls",
        input.kind
    )]
}

/// `#[track_caller]` on a plain function: the body would see this attribute as its caller. (`track_caller`)
fn track_caller(input: &Input) -> Mistakes {
    let tracked = input.item.attrs.iter().find(|attr| attr.path().is_ident("track_caller"));
    match tracked {
        Some(attr) if input.item.sig.asyncness.is_none() => vec![err!(
            attr.path(),
            "`#[track_caller]` would report {} instead of the caller: remove one of the two",
            input.kind
        )],
        _ => Vec::new(),
    }
}

/// `name`, `span_type`: MLflow cuts longer names. (`name_length`)
fn name_length(input: &Input) -> Mistakes {
    let Common { name, span_type, .. } = input.common();
    [("name", name), ("span_type", span_type)]
        .into_iter()
        .filter_map(|(key, written)| too_long(key, &written.as_ref()?.value))
        .collect()
}

/// `span = path` beside `name` or `span_type`, which the declaration says. (`span_conflict`)
fn declared_once(input: &Input) -> Mistakes {
    let Common { span: Some(_), name, span_type, .. } = input.common() else { return Vec::new() };
    [("name", name), ("span_type", span_type)]
        .into_iter()
        .filter_map(|(key, written)| {
            let place = written.as_ref()?.key;
            Some(err!(place, "`{key}` stands in the declaration that `span` names: write it there, or remove `span`"))
        })
        .collect()
}

/// `attributes("any text" = …)` beside `span`: a declared span has no such name. (`span_attribute`)
fn attributes_are_setters(input: &Input) -> Mistakes {
    let Common { span: Some(_), attributes, .. } = input.common() else { return Vec::new() };
    pairs(attributes)
        .filter_map(|key| match setter(key) {
            None => {
                Some(err!(key, "no declared attribute has such a name: write it as it is declared, without quotes"))
            }
            Some(setter) if is_taken(&setter) => {
                Some(err!(key, "`{setter}` is no attribute: a handle has it as a method, for the body"))
            }
            Some(_) => None,
        })
        .collect()
}

/// `crate = spanwright`: the expansion may stand in a module where a relative path leads elsewhere. (`crate_path`)
fn facade_path(input: &Input) -> Mistakes {
    input.common().facade.iter().filter_map(|facade| relative(&facade.value.0)).collect()
}

/// `skip`, `redact`, `debug` name parameters that are captured. (`missing_parameter`)
fn parameters_exist(input: &Input) -> Mistakes {
    let Common { skip, redact, debug, .. } = input.common();
    let lists = [("skip", skip), ("redact", redact), ("debug", debug)];
    lists
        .into_iter()
        .flat_map(|(key, list)| names(list).iter().map(move |name| (key, name)))
        .filter_map(|(key, name)| not_captured(&input.item, key, name))
        .collect()
}

fn not_captured(item: &Item, key: &str, name: &Ident) -> Option<darling::Error> {
    if item.named().any(|parameter| parameter == name) {
        let silent = plain(name).starts_with('_') && key != "skip";
        return silent
            .then(|| err!(name, "`{name}` is not captured, as its name begins with `_`: remove it from `{key}`"));
    }
    if name == "self" {
        return Some(err!(name, "`self` is not captured: remove it from `{key}`"));
    }
    let destructured = item.parameters().any(|parameter| matches!(parameter, Parameter::Destructured(_)));
    let meant =
        crate::diag::did_you_mean(&plain(name), item.named().map(plain).collect::<Vec<_>>().iter().map(String::as_str))
            .map(str::to_owned);
    Some(match meant {
        Some(meant) => err!(name, "no parameter `{name}`: did you mean `{meant}`?"),
        None if destructured => {
            err!(name, "no parameter `{name}`: what a pattern binds is not captured, so remove it from `{key}`")
        }
        None => err!(name, "no parameter `{name}`: `{key}` takes names of the function's parameters"),
    })
}

/// A parameter is skipped, redacted or shown by `Debug`: one of them. (`conflict`)
fn one_view_each(input: &Input) -> Mistakes {
    let Common { skip, redact, debug, .. } = input.common();
    let pairs = [("skip", skip, "redact", redact), ("skip", skip, "debug", debug), ("redact", redact, "debug", debug)];
    pairs
        .into_iter()
        .flat_map(|(first, ones, second, others)| {
            names(others).iter().filter(move |name| names(ones).contains(name)).map(move |name| {
                err!(name, "`{name}` stands in `{first}` too: keep it in one of `{first}` and `{second}`")
            })
        })
        .collect()
}

/// `inputs(a = …)` beside a captured parameter `a`. (`conflict`)
fn inputs_are_new(input: &Input) -> Mistakes {
    let Common { inputs, skip, .. } = input.common();
    let captured = |name: &str| {
        input.item.named().any(|ident| plain(ident) == name && !name.starts_with('_') && !names(skip).contains(ident))
    };
    pairs(inputs)
        .filter(|key| captured(&key.value()))
        .map(|key| {
            let name = key.value();
            err!(key, "the parameter `{name}` is captured under this name: add `skip({name})`, or choose another")
        })
        .collect()
}

/// `handle = a` beside a parameter `a`. (`conflict`)
fn handle_is_new(input: &Input) -> Mistakes {
    let Some(Arg { value, .. }) = &input.common().handle else { return Vec::new() };
    if input.item.named().any(|parameter| parameter == value) {
        return vec![err!(value, "`{value}` is a parameter: choose another name for the handle")];
    }
    Vec::new()
}

/// `capture = "none", output = "none"`: the second says nothing. (`conflict`)
fn output_over_capture(input: &Input) -> Mistakes {
    let Common { capture, output, .. } = input.common();
    match (capture, output) {
        (Some(capture), Some(output)) if capture.value == output.value => {
            vec![err!(output.key, "`output` repeats `capture`: remove it")]
        }
        _ => Vec::new(),
    }
}

/// `returns = "…"` on a function that cannot return that. (`returns`)
fn returns_fits(input: &Input) -> Mistakes {
    let Some(Arg { key, value }) = &input.common().returns else { return Vec::new() };
    let sig = &input.item.sig;
    if matches!(sig.output, syn::ReturnType::Default) {
        return vec![err!(*key, "`returns` has nothing to describe: the function returns no value")];
    }
    if sig.asyncness.is_some() && *value == Returns::Future {
        return vec![err!(*key, "an `async fn` returns a future already: remove `returns`")];
    }
    Vec::new()
}

/// `expected(E)` on a function without a result. (`returns`)
fn expected_needs_a_result(input: &Input) -> Mistakes {
    let Some(Arg { key, .. }) = &input.common().expected else { return Vec::new() };
    match input.item.sig.output {
        syn::ReturnType::Default => vec![err!(*key, "`expected` needs a `Result`: the function returns no value")],
        syn::ReturnType::Type(..) => Vec::new(),
    }
}

/// `#[sandbox]` reads its facts from one value; a stream has none. (`sandbox_stream`)
fn sandbox_returns_an_outcome(input: &Input) -> Mistakes {
    fn streams(returned: &Returned) -> bool {
        match returned {
            Returned::Stream { .. } => true,
            Returned::Future { output, .. } => streams(&output.what),
            Returned::Fallible(good) => streams(&good.what),
            _ => false,
        }
    }
    if input.kind == Kind::Sandbox && streams(&input.shape.returned.what) {
        let message = "`#[sandbox]` needs the outcome as one value, and this is a stream: use `#[tool]`";
        return vec![err!(input.item.return_span(), "{message}")];
    }
    Vec::new()
}

pub(crate) fn names(list: &Option<Arg<Names>>) -> &[Ident] {
    list.as_ref().map_or(&[], |list| &list.value.0)
}

fn pairs(list: &Option<Arg<Pairs>>) -> impl Iterator<Item = &syn::LitStr> {
    list.iter().flat_map(|list| &list.value.0).map(|pair| &pair.key)
}

/// Whether parameters are captured at all.
pub(crate) fn captures_inputs(common: &Common) -> bool {
    common.capture.as_ref().is_none_or(|capture| capture.value != Level::None)
}
