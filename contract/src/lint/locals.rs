//! What a local name is known to hold, from the expression or the type it was given; most names hold nothing that
//! matters here.

use std::collections::HashMap;

use syn::punctuated::Punctuated;
use syn::visit::{self, Visit};
use syn::{Expr, FnArg, Member, Pat, PathArguments, Token, Type};

use super::last_name;
use super::names::{Here, Names};
use crate::program::Body;

/// What a value is to the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holds {
    /// `spanwright::Context`
    Context,
    /// `spanwright::SessionContext`
    Session,
    /// Work that carries its context: `future.in_current_span()`, `context.wrap(…)`.
    Carrying,
    /// `std::thread::Builder`
    ThreadBuilder,
    /// The `s` of `std::thread::scope(|s| …)`.
    ThreadScope,
    /// The `s` of `rayon::scope(|s| …)`, a pool of rayon's.
    Rayon,
    /// `tokio::task::JoinSet`
    JoinSet,
    /// `tokio::task::LocalSet`
    LocalSet,
    /// A runtime of tokio's, or a handle to one.
    Runtime,
}

/// Types by the path of their definition or of a usual re-export.
const TYPES: &[(&str, Holds)] = &[
    ("spanwright::SessionContext", Holds::Session),
    ("std::thread::Builder", Holds::ThreadBuilder),
    ("std::thread::Scope", Holds::ThreadScope),
    ("rayon::Scope", Holds::Rayon),
    ("rayon::ThreadPool", Holds::Rayon),
    ("tokio::task::JoinSet", Holds::JoinSet),
    ("tokio::task::LocalSet", Holds::LocalSet),
    ("tokio::runtime::Runtime", Holds::Runtime),
    ("tokio::runtime::Handle", Holds::Runtime),
];

/// Functions that make such a value without being one of its type.
const MAKERS: &[(&str, Holds)] = &[("spanwright::session_context", Holds::Session)];

/// Methods after which a value is still what it was.
const KEEPING: &[&str] = &["clone", "unwrap", "expect", "name", "stack_size", "as_ref", "handle", "to_owned"];

/// Methods whose result carries the context it was made in, or the one it was given.
const CARRYING: &[&str] = &["in_current_span", "in_context"];

/// The names of a function, read from its start to the place that is looked at.
#[derive(Clone)]
pub(super) struct Locals<'a> {
    names: &'a Names<'a>,
    here: Here<'a>,
    known: HashMap<String, Holds>,
}

impl<'a> Locals<'a> {
    /// The parameters of `body`.
    pub(super) fn of(names: &'a Names<'a>, body: &'a Body) -> Self {
        let mut locals = Self { names, here: Here::of(body), known: HashMap::new() };
        for input in &body.signature.inputs {
            if let FnArg::Typed(typed) = input {
                let holds = locals.of_type(&typed.ty);
                locals.bind(&typed.pat, holds);
            }
        }
        locals
    }

    /// The full paths `path` may stand for.
    pub(super) fn meanings(&self, path: &syn::Path) -> Vec<String> {
        self.names.meanings(path, self.here)
    }

    /// The functions `path` may name.
    pub(super) fn functions(&self, path: &syn::Path) -> &[&'a Body] {
        self.names.functions(path, self.here)
    }

    /// Reads a `let`.
    pub(super) fn note(&mut self, local: &syn::Local) {
        let of_init = local.init.as_ref().and_then(|init| self.of_expr(&init.expr));
        let (pat, of_type) = match &local.pat {
            Pat::Type(typed) => (&*typed.pat, self.of_type(&typed.ty)),
            pat => (pat, None),
        };
        self.bind(pat, of_type.or(of_init));
    }

    /// Gives the name that `pat` is `holds`; a name bound anew is no longer what it was.
    pub(super) fn bind(&mut self, pat: &Pat, holds: Option<Holds>) {
        match (pat, holds) {
            (Pat::Ident(name), Some(holds)) => drop(self.known.insert(name.ident.to_string(), holds)),
            (Pat::Type(typed), holds) => self.bind(&typed.pat, holds),
            (pat, _) => {
                let mut bound = Bound(&mut self.known);
                bound.visit_pat(pat);
            }
        }
    }

    pub(super) fn of_type(&self, ty: &Type) -> Option<Holds> {
        match ty {
            Type::Reference(reference) => self.of_type(&reference.elem),
            Type::Paren(inner) => self.of_type(&inner.elem),
            Type::Group(inner) => self.of_type(&inner.elem),
            Type::Path(path) => {
                let last = path.path.segments.last()?;
                if let ("Arc" | "Rc" | "Box" | "Option", PathArguments::AngleBracketed(arguments)) =
                    (last.ident.to_string().as_str(), &last.arguments)
                {
                    return arguments.args.iter().find_map(|argument| match argument {
                        syn::GenericArgument::Type(ty) => self.of_type(ty),
                        _ => None,
                    });
                }
                self.meanings(&path.path).iter().find_map(|meaning| by_path(meaning))
            }
            _ => None,
        }
    }

    pub(super) fn of_expr(&self, expr: &Expr) -> Option<Holds> {
        match expr {
            Expr::Path(path) => self.known.get(&path.path.get_ident()?.to_string()).copied(),
            Expr::Reference(reference) => self.of_expr(&reference.expr),
            Expr::Paren(inner) => self.of_expr(&inner.expr),
            Expr::Group(inner) => self.of_expr(&inner.expr),
            Expr::Try(inner) => self.of_expr(&inner.expr),
            Expr::Call(call) => {
                let Expr::Path(function) = &*call.func else { return None };
                let meanings = self.meanings(&function.path);
                meanings.iter().find_map(|meaning| self.of_call(meaning, call.args.first()))
            }
            Expr::Field(field) => {
                matches!(&field.member, Member::Named(name) if name == "context").then_some(Holds::Context)
            }
            Expr::MethodCall(call) => {
                let method = call.method.to_string();
                if CARRYING.contains(&method.as_str()) {
                    return Some(Holds::Carrying);
                }
                match (self.of_expr(&call.receiver)?, method.as_str()) {
                    (Holds::Context, "wrap") | (Holds::Session, "scope") | (Holds::Carrying, _) => {
                        Some(Holds::Carrying)
                    }
                    (holds, method) if KEEPING.contains(&method) => Some(holds),
                    _ => None,
                }
            }
            Expr::Closure(_) | Expr::Async(_) => self.mentions_a_context(expr).then_some(Holds::Carrying),
            _ => None,
        }
    }

    /// Whether a context from outside of `work` is mentioned in it: there is no other use for one than to enter it.
    pub(super) fn mentions_a_context(&self, work: &Expr) -> bool {
        let mut mentions = Mentions { locals: self, found: false };
        mentions.visit_expr(work);
        mentions.found
    }

    /// What a call of the function `path` gives.
    fn of_call(&self, path: &str, first: Option<&Expr>) -> Option<Holds> {
        if let Some((_, holds)) = MAKERS.iter().find(|(known, _)| *known == path) {
            return Some(*holds);
        }
        let (ty, function) = path.rsplit_once("::")?;
        match (last_name(ty), function) {
            ("Box", "pin" | "new") => self.of_expr(first?),
            _ => by_path(ty),
        }
    }
}

fn by_path(path: &str) -> Option<Holds> {
    // Under whatever name the facade stands; no other `Context` has `enter`, `run` or `wrap`.
    if last_name(path) == "Context" {
        return Some(Holds::Context);
    }
    TYPES.iter().find(|(known, _)| *known == path).map(|(_, holds)| *holds)
}

struct Mentions<'l, 'a> {
    locals: &'l Locals<'a>,
    found: bool,
}

impl<'ast> Visit<'ast> for Mentions<'_, '_> {
    fn visit_expr(&mut self, expr: &'ast Expr) {
        let may_name_one = matches!(expr, Expr::Path(_) | Expr::Field(_));
        self.found |= may_name_one && self.locals.of_expr(expr) == Some(Holds::Context);
        visit::visit_expr(self, expr);
    }

    fn visit_macro(&mut self, mac: &'ast syn::Macro) {
        expressions(mac).iter().for_each(|expr| <Self as Visit<'_>>::visit_expr(self, expr));
    }
}

/// What a macro is given, where that is a list of expressions: `vec![…]`, `join!(…)`, `println!(…)`.
pub(super) fn expressions(mac: &syn::Macro) -> Vec<Expr> {
    let list = mac.parse_body_with(Punctuated::<Expr, Token![,]>::parse_terminated);
    list.map_or_else(|_| Vec::new(), |list| list.into_iter().collect())
}

/// Forgets the names that a pattern binds.
struct Bound<'k>(&'k mut HashMap<String, Holds>);

impl<'ast> Visit<'ast> for Bound<'_> {
    fn visit_pat_ident(&mut self, name: &'ast syn::PatIdent) {
        self.0.remove(&name.ident.to_string());
        visit::visit_pat_ident(self, name);
    }
}
