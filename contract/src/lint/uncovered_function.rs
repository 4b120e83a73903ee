//! `uncovered-function`: a gap in the declared graph.

use std::collections::{BTreeMap, HashSet};

use syn::visit::{self, Visit};
use syn::{Expr, ExprCall, ExprMethodCall, Item};

use super::locals::expressions;
use super::names::{Here, Names};
use super::{Found, Input, Level, Rule, crate_of, last_name};
use crate::program::{Body, Program};

pub(super) static RULE: Rule = Rule {
    id: "uncovered-function",
    level: Level::Warn,
    explanation: "\
In a crate that declares its spans, a function without an attribute is called by a function that is
tied to a declared span, and calls one itself: a step between two declared ones that no trace shows.

    #[workflow(span = spans::Evening)]
    fn evening() { prepare() }
    fn prepare() { close_blinds() }       // found: `evening` calls it, and it calls `close_blinds`
    #[tool(span = spans::CloseBlinds)]
    fn close_blinds() {}

If the step matters, declare a span for it and annotate it; if it only passes the work on, allow it
and say so.

Looked for are functions of the same crate, called by their path, by an imported or renamed name, by
`Self::`, and as methods of `self`.

Not seen: methods of other values, functions handed over as values, what a macro calls unless it is
given a list of expressions, and gaps of more than one function.",
};

pub(super) fn check(input: &Input<'_>) -> Vec<Found> {
    let program = input.program;
    let declaring: HashSet<&str> = program.declared.iter().map(|declared| crate_of(&declared.module)).collect();
    let inside = program.bodies.iter().filter(|body| declaring.contains(crate_of(&body.module)));
    let calls: Vec<(&Body, Vec<&Body>)> = inside.map(|body| (body, called_by(body, &input.names))).collect();

    // A function without an attribute, and the first tied function that calls it.
    let mut callers: BTreeMap<&str, &Body> = BTreeMap::new();
    for (caller, callees) in calls.iter().filter(|(caller, _)| is_tied(program, caller)) {
        for callee in callees.iter().filter(|callee| callee.annotated.is_none()) {
            callers.entry(&callee.path).or_insert(caller);
        }
    }
    let mut found = Vec::new();
    for (body, callees) in calls.iter().filter(|(body, _)| body.annotated.is_none()) {
        let Some(caller) = callers.get(body.path.as_str()) else { continue };
        let Some(callee) = callees.iter().find(|callee| is_tied(program, callee)) else { continue };
        let (caller, name, callee) = (last_name(&caller.path), last_name(&body.path), last_name(&callee.path));
        let message = format!(
            "`{name}` stands between two declared spans and has none: `{caller}` calls it, and it calls `{callee}`"
        );
        let hint = "declare a span for it and annotate it, or allow it if it only passes the work on".to_owned();
        found.push(Found::named(&body.place, name, message, hint));
    }
    found
}

fn is_tied(program: &Program, body: &Body) -> bool {
    body.annotated.is_some_and(|at| program.annotated[at].span.is_some())
}

/// The functions of the same crate that `body` calls, in the order of the source.
fn called_by<'a>(body: &'a Body, names: &Names<'a>) -> Vec<&'a Body> {
    let mut calls = Calls { names, here: Here::of(body), called: Vec::new() };
    calls.visit_block(&body.block);
    calls.called.retain(|callee| crate_of(&callee.path) == crate_of(&body.path) && callee.path != body.path);
    calls.called
}

struct Calls<'n, 'a> {
    names: &'n Names<'a>,
    here: Here<'a>,
    called: Vec<&'a Body>,
}

impl<'ast> Visit<'ast> for Calls<'_, '_> {
    fn visit_expr_call(&mut self, call: &'ast ExprCall) {
        if let Expr::Path(function) = &*call.func {
            self.called.extend(self.names.functions(&function.path, self.here));
        }
        visit::visit_expr_call(self, call);
    }

    fn visit_expr_method_call(&mut self, call: &'ast ExprMethodCall) {
        if matches!(&*call.receiver, Expr::Path(path) if path.path.is_ident("self")) {
            let path = format!("{}::{}", self.here.owner, call.method);
            self.called.extend(self.names.function(&path).unwrap_or_default());
        }
        visit::visit_expr_method_call(self, call);
    }

    fn visit_macro(&mut self, mac: &'ast syn::Macro) {
        expressions(mac).iter().for_each(|expr| <Self as Visit<'_>>::visit_expr(self, expr));
    }

    fn visit_item(&mut self, _: &'ast Item) {}
}
