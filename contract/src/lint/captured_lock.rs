//! `captured-lock`: a parameter that has to be locked to be captured.

use syn::spanned::Spanned as _;
use syn::{FnArg, GenericArgument, Pat, PathArguments, Type};

use super::names::{Here, Names};
use super::{Found, Input, Level, Rule};
use crate::program::{Annotated, Body};
use spanwright_macros_core::model::{Plan, View};

pub(super) static RULE: Rule = Rule {
    id: "captured-lock",
    level: Level::Warn,
    explanation: "\
A captured parameter holds a `Mutex` or `RwLock`. To serialise it, tracing takes the lock on the
caller's thread: it waits for whoever holds it, for ever if that is the caller.

    #[node]
    fn plan(shared: &Mutex<State>) {}      // found
    #[node(skip(shared))]
    fn plan(shared: &Mutex<State>) {}      // fine

Looked for in the type as it is written: references, tuples, slices, arrays, and arguments of other
types (`Arc<Mutex<T>>`, `Vec<RwLock<T>>`). Fine under `skip`, `redact` and `debug` (a lock's `Debug`
does not wait), with `capture = \"none\"`, and for locks of tokio, futures, async-lock and
async-std, which cannot be serialised and are recorded as the name of their type.

Not seen: a lock inside of a struct of yours, behind a type alias, or behind a generic parameter; and
whether the type can be serialised at all (an `Arc` only with the feature `rc` of serde).",
};

pub(super) fn check(input: &Input<'_>) -> Vec<Found> {
    let bodies = input.program.bodies.iter();
    let annotated = bodies.filter_map(|body| Some((body, &input.program.annotated[body.annotated?])));
    annotated.flat_map(|(body, annotated)| in_function(input, body, annotated)).collect()
}

fn in_function(input: &Input<'_>, body: &Body, annotated: &Annotated) -> Vec<Found> {
    let Ok(plan) = &annotated.plan else { return Vec::new() };
    let typed = body.signature.inputs.iter().filter_map(|input| match input {
        FnArg::Typed(typed) => Some(typed),
        FnArg::Receiver(_) => None,
    });
    let locked = typed.filter_map(|typed| {
        let Pat::Ident(name) = &*typed.pat else { return None };
        let name = name.ident.to_string();
        let lock = lock_in(&typed.ty, &input.names, Here::of(body)).filter(|_| is_read(plan, &name))?;
        let message = format!("to capture `{name}`, tracing takes the `{lock}` in it on the caller's thread");
        let hint =
            format!("leave it out by `skip({name})`, or lock it yourself and capture what matters by `inputs(…)`");
        Some(Found::at(&body.place.file, typed.span(), message, hint))
    });
    locked.collect()
}

fn is_read(plan: &Plan, name: &str) -> bool {
    plan.callsite.values.iter().any(|value| value.ident == name && value.view == View::Value)
}

/// The lock that serialising a `ty` takes.
fn lock_in(ty: &Type, names: &Names<'_>, here: Here<'_>) -> Option<String> {
    let within = |ty: &Type| lock_in(ty, names, here);
    match ty {
        Type::Reference(inner) => within(&inner.elem),
        Type::Paren(inner) => within(&inner.elem),
        Type::Group(inner) => within(&inner.elem),
        Type::Slice(inner) => within(&inner.elem),
        Type::Array(inner) => within(&inner.elem),
        Type::Tuple(tuple) => tuple.elems.iter().find_map(within),
        Type::Path(path) => {
            let last = path.path.segments.last()?;
            let name = last.ident.to_string();
            if name == "PhantomData" {
                return None;
            }
            if ["Mutex", "RwLock", "ReentrantMutex", "FairMutex"].contains(&name.as_str()) {
                // Where a glob leaves open which lock it is, one that nobody takes may be meant.
                let meanings = names.meanings(&path.path, here);
                return meanings.iter().all(|meaning| blocks(meaning)).then_some(name);
            }
            let PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
            arguments.args.iter().find_map(|argument| match argument {
                GenericArgument::Type(ty) => within(ty),
                _ => None,
            })
        }
        _ => None,
    }
}

fn blocks(lock: &str) -> bool {
    !["tokio::", "futures::", "futures_util::", "async_lock::", "async_std::"].iter().any(|of| lock.starts_with(of))
}
