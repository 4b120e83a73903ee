//! What a function returns, read from its signature: a value, a future or a stream, bare or boxed, alone or as the good side of a `…Result`.

use syn::punctuated::Punctuated;
use syn::{
    GenericArgument, PathArguments, PathSegment, ReturnType, Signature, Token, Type, TypeParamBound, TypePath,
    parse_quote,
};

use crate::model::{Hold, Returned, Returns, Shape, Shaped};

/// The shape of a function with this signature.
pub(crate) fn of(sig: &Signature, wanted: Option<Returns>) -> Shape {
    let ty = match &sig.output {
        ReturnType::Default => parse_quote!(()),
        ReturnType::Type(_, ty) => (**ty).clone(),
    };
    Shape { is_async: sig.asyncness.is_some(), returned: Box::new(returned(ty, wanted)) }
}

fn returned(ty: Type, wanted: Option<Returns>) -> Shaped {
    let what = match wanted {
        None => read(&ty),
        Some(Returns::Value) => Returned::Value { checked: false },
        Some(wanted) => declared(&ty, wanted),
    };
    Shaped { ty: without_impl(ty), what }
}

/// What the text of the type shows.
fn read(ty: &Type) -> Returned {
    match ty {
        Type::Paren(inner) => read(&inner.elem),
        Type::Group(inner) => read(&inner.elem),
        Type::Never(_) => Returned::Never,
        Type::ImplTrait(opaque) => {
            traced(&opaque.bounds, Hold::Bare).unwrap_or_else(|| match bound(&opaque.bounds, "Serialize") {
                Some(_) => Returned::Value { checked: true },
                None => Returned::Opaque,
            })
        }
        Type::Path(path) => boxed(path).or_else(|| fallible(path, read)).unwrap_or(Returned::Value { checked: true }),
        _ => Returned::Value { checked: true },
    }
}

/// What `returns = "…"` says of a type that does not show it. A type that is not `impl` is taken for the name of a pinned box.
fn declared(ty: &Type, wanted: Returns) -> Returned {
    match (read(ty), wanted) {
        (seen @ (Returned::Future { .. } | Returned::Fallible(_)), Returns::Future) => return seen,
        (seen @ (Returned::Stream { .. } | Returned::Fallible(_)), Returns::Stream) => return seen,
        _ => {}
    }
    match ty {
        Type::Path(path) => fallible(path, |good| named(good, wanted)),
        _ => None,
    }
    .unwrap_or_else(|| named(ty, wanted))
}

fn named(ty: &Type, wanted: Returns) -> Returned {
    let hold = if matches!(ty, Type::ImplTrait(_)) { Hold::Bare } else { Hold::Pin };
    match wanted {
        Returns::Value => Returned::Value { checked: false },
        Returns::Future => Returned::Future { hold, output: shaped(None) },
        Returns::Stream => Returned::Stream { hold, item: Box::new(parse_quote!(_)) },
    }
}

/// `Pin<Box<dyn Future<…>>>` and the names the futures crates have for it.
fn boxed(path: &TypePath) -> Option<Returned> {
    let last = path.path.segments.last()?;
    let name = last.ident.to_string();
    match name.as_str() {
        "BoxFuture" | "LocalBoxFuture" => {
            Some(Returned::Future { hold: Hold::Pin, output: shaped(types(last).last()) })
        }
        "BoxStream" | "LocalBoxStream" => {
            let item = Box::new(without_impl(types(last).last()?.clone()));
            Some(Returned::Stream { hold: Hold::Pin, item })
        }
        "Box" => in_box(last, Hold::Box),
        "Pin" => match types(last).next()? {
            Type::Path(inner) => {
                let inner = inner.path.segments.last()?;
                if inner.ident == "Box" { in_box(inner, Hold::Pin) } else { None }
            }
            _ => None,
        },
        _ => None,
    }
}

fn in_box(segment: &PathSegment, hold: Hold) -> Option<Returned> {
    match types(segment).next()? {
        Type::TraitObject(object) => traced(&object.bounds, hold),
        Type::ImplTrait(opaque) => traced(&opaque.bounds, hold),
        _ => None,
    }
}

/// A `…Result` whose good side is a future or a stream.
fn fallible(path: &TypePath, read: impl Fn(&Type) -> Returned) -> Option<Returned> {
    let last = path.path.segments.last()?;
    if !last.ident.to_string().ends_with("Result") {
        return None;
    }
    let good = types(last).next()?;
    match read(good) {
        what @ (Returned::Future { .. } | Returned::Stream { .. }) => {
            Some(Returned::Fallible(Box::new(Shaped { ty: without_impl(good.clone()), what })))
        }
        _ => None,
    }
}

/// The future or stream among the bounds, where the wrapper can stand for it: it passes on `Send`, `Sync`, `Unpin` and lifetimes, and no other trait.
fn traced(bounds: &Punctuated<TypeParamBound, Token![+]>, hold: Hold) -> Option<Returned> {
    let others =
        bounds.iter().all(|bound| match bound {
            TypeParamBound::Trait(bound) => bound.path.segments.last().is_some_and(|last| {
                ["Future", "Stream", "Send", "Sync", "Unpin"].iter().any(|name| last.ident == name)
            }),
            TypeParamBound::Lifetime(_) | TypeParamBound::PreciseCapture(_) => true,
            _ => false,
        });
    if !others {
        return None;
    }
    if let Some(future) = bound(bounds, "Future") {
        return Some(Returned::Future { hold, output: shaped(associated(future, "Output")) });
    }
    let stream = bound(bounds, "Stream")?;
    let item = associated(stream, "Item").cloned().map_or_else(|| parse_quote!(_), without_impl);
    Some(Returned::Stream { hold, item: Box::new(item) })
}

fn shaped(ty: Option<&Type>) -> Box<Shaped> {
    Box::new(match ty {
        Some(ty) => returned(ty.clone(), None),
        None => Shaped { ty: parse_quote!(_), what: Returned::Value { checked: true } },
    })
}

/// The last segment of the bound on the trait `name`.
fn bound<'a>(bounds: &'a Punctuated<TypeParamBound, Token![+]>, name: &str) -> Option<&'a PathSegment> {
    bounds.iter().find_map(|bound| match bound {
        TypeParamBound::Trait(bound) => bound.path.segments.last().filter(|last| last.ident == name),
        _ => None,
    })
}

/// The types between the angle brackets.
fn types(segment: &PathSegment) -> impl Iterator<Item = &Type> {
    arguments(segment).filter_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    })
}

/// `Item` of `Stream<Item = u8>`.
fn associated<'a>(segment: &'a PathSegment, name: &str) -> Option<&'a Type> {
    arguments(segment).find_map(|argument| match argument {
        GenericArgument::AssocType(associated) if associated.ident == name => Some(&associated.ty),
        _ => None,
    })
}

fn arguments(segment: &PathSegment) -> impl Iterator<Item = &GenericArgument> {
    match &segment.arguments {
        PathArguments::AngleBracketed(angle) => Some(angle.args.iter()),
        _ => None,
    }
    .into_iter()
    .flatten()
}

/// The type with `_` for each `impl …` in it, since an `impl …` cannot stand in the annotation of a closure.
pub(crate) fn without_impl(mut ty: Type) -> Type {
    erase(&mut ty);
    ty
}

fn erase(ty: &mut Type) {
    match ty {
        Type::ImplTrait(_) => *ty = parse_quote!(_),
        Type::Array(inner) => erase(&mut inner.elem),
        Type::Group(inner) => erase(&mut inner.elem),
        Type::Paren(inner) => erase(&mut inner.elem),
        Type::Ptr(inner) => erase(&mut inner.elem),
        Type::Reference(inner) => erase(&mut inner.elem),
        Type::Slice(inner) => erase(&mut inner.elem),
        Type::Tuple(inner) => inner.elems.iter_mut().for_each(erase),
        Type::Path(path) => path.path.segments.iter_mut().for_each(erase_arguments),
        Type::TraitObject(object) => {
            for bound in &mut object.bounds {
                if let TypeParamBound::Trait(bound) = bound {
                    bound.path.segments.iter_mut().for_each(erase_arguments);
                }
            }
        }
        _ => {}
    }
}

fn erase_arguments(segment: &mut PathSegment) {
    match &mut segment.arguments {
        PathArguments::AngleBracketed(angle) => {
            for argument in &mut angle.args {
                match argument {
                    GenericArgument::Type(ty) => erase(ty),
                    GenericArgument::AssocType(associated) => erase(&mut associated.ty),
                    _ => {}
                }
            }
        }
        PathArguments::Parenthesized(call) => {
            if let ReturnType::Type(_, ty) = &mut call.output {
                erase(ty);
            }
        }
        PathArguments::None => {}
    }
}

#[cfg(test)]
mod tests {
    use quote::ToTokens;
    use syn::Signature;

    use super::*;

    fn describe(Shaped { ty, what }: &Shaped) -> String {
        let ty = ty.to_token_stream().to_string().replace(' ', "");
        match what {
            Returned::Value { checked: true } => ty,
            Returned::Value { checked: false } => format!("unchecked {ty}"),
            Returned::Opaque => "opaque".to_owned(),
            Returned::Never => "never".to_owned(),
            Returned::Future { hold, output } => format!("{hold:?} future of {}", describe(output)),
            Returned::Stream { hold, item } => format!("{hold:?} stream of {}", item.to_token_stream()),
            Returned::Fallible(good) => format!("result of {}", describe(good)),
        }
    }

    #[track_caller]
    fn check(returned: &str, wanted: Option<Returns>, expected: &str) {
        let sig: Signature = syn::parse_str(&format!("fn f() {returned}")).expect("a signature");
        assert_eq!(describe(&of(&sig, wanted).returned), expected, "{returned}");
    }

    #[test]
    fn the_signature_shows_futures_and_streams() {
        for (returned, expected) in [
            ("", "()"),
            ("-> Vec<u8>", "Vec<u8>"),
            ("-> !", "never"),
            ("-> impl Iterator<Item = u8>", "opaque"),
            ("-> impl Serialize + Debug", "_"),
            ("-> Result<impl Debug, E>", "Result<_,E>"),
            ("-> Box<dyn Fn(u8) -> impl Debug>", "Box<dynFn(u8)->_>"),
            ("-> impl Future<Output = u8>", "Bare future of u8"),
            ("-> impl std::future::Future<Output = impl Debug> + Send + 'a", "Bare future of opaque"),
            ("-> impl Future", "Bare future of _"),
            ("-> impl Future<Output = u8> + Clone", "opaque"),
            ("-> Pin<Box<dyn Future<Output = u8> + Send + 'a>>", "Pin future of u8"),
            ("-> std::pin::Pin<std::boxed::Box<impl Stream<Item = u8>>>", "Pin stream of u8"),
            ("-> Box<dyn Future<Output = u8> + Unpin>", "Box future of u8"),
            ("-> BoxFuture<'a, Result<u8, E>>", "Pin future of Result<u8,E>"),
            ("-> LocalBoxFuture<'static, u8>", "Pin future of u8"),
            ("-> impl Stream<Item = u8>", "Bare stream of u8"),
            ("-> futures::stream::BoxStream<'a, u8>", "Pin stream of u8"),
            ("-> LocalBoxStream<'a, u8>", "Pin stream of u8"),
            ("-> io::Result<BoxStream<'a, u8>>", "result of Pin stream of u8"),
            ("-> Result<impl Future<Output = u8>, E>", "result of Bare future of u8"),
            ("-> BoxFuture<'a, Result<BoxStream<'a, u8>, E>>", "Pin future of result of Pin stream of u8"),
            ("-> Option<BoxFuture<'a, u8>>", "Option<BoxFuture<'a,u8>>"),
        ] {
            check(returned, None, expected);
        }
    }

    #[test]
    fn returns_says_what_the_signature_does_not() {
        for (returned, wanted, expected) in [
            ("-> Later<u8>", Returns::Future, "Pin future of _"),
            ("-> Many<u8>", Returns::Stream, "Pin stream of _"),
            ("-> impl Later", Returns::Future, "Bare future of _"),
            ("-> Result<Many<u8>, E>", Returns::Stream, "result of Pin stream of _"),
            ("-> MyResult", Returns::Future, "Pin future of _"),
            ("-> BoxFuture<'a, u8>", Returns::Future, "Pin future of u8"),
            ("-> BoxFuture<'a, u8>", Returns::Value, "unchecked BoxFuture<'a,u8>"),
        ] {
            check(returned, Some(wanted), expected);
        }
    }
}
