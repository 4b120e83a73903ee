//! `lost-context`: work started elsewhere without the span it belongs to.

use syn::visit::{self, Visit};
use syn::{Expr, ExprCall, ExprMethodCall, Item};

use super::locals::{Holds, Locals, expressions};
use super::{Found, Input, Level, Rule};
use crate::program::{Body, Program};
use spanwright_macros_core::Kind;
use spanwright_macros_core::model::Returned;

pub(super) static RULE: Rule = Rule {
    id: "lost-context",
    level: Level::Warn,
    explanation: "\
An annotated function starts a task or thread that does not know its span. What is annotated in
there becomes a trace of its own instead of a child.

    #[node]
    async fn collect(homes: Vec<Home>) {
        tokio::spawn(read(homes));                      // found
        spanwright::spawn(read(homes));                 // fine
        tokio::spawn(read(homes).in_current_span());    // fine
        std::thread::spawn(move || sum(&homes));        // found
        std::thread::spawn(Context::current().wrap(move || sum(&homes)));  // fine
    }

Looked for, through imports and renames: `spawn`, `spawn_blocking` and `spawn_local` of tokio, of
its `JoinSet`, `LocalSet`, `Runtime` and `Handle`; `std::thread::spawn`, `Builder::spawn` and the
`spawn` of `std::thread::scope`; `spawn`, `spawn_fifo` and the `spawn` of `scope` of rayon; `spawn`
of async-std and smol.

Fine is what carries a context: `.in_current_span()`, `.in_context(…)`, `Context::wrap`,
`SessionContext::scope`, work that mentions a context from outside (a field called `context` counts
as one), a call of a `#[scheduled]` function (always a trace of its own), and a call of an annotated
function that is not `async` and returns a future (it takes its parent at the call).

Not seen: work started by functions that are not annotated; a `JoinSet` in a field; rayon's parallel
iterators and `join`; what a macro writes, unless it is given a list of expressions. An
`.in_current_span()` of another crate counts as ours.",
};

pub(super) fn check(input: &Input<'_>) -> Vec<Found> {
    let annotated = input.program.bodies.iter().filter(|body| body.annotated.is_some());
    annotated.flat_map(|body| in_body(input, body)).collect()
}

fn in_body(input: &Input<'_>, body: &Body) -> Vec<Found> {
    let locals = Locals::of(&input.names, body);
    let mut search = Search { program: input.program, file: &body.place.file, locals, found: Vec::new() };
    search.visit_block(&body.block);
    search.found
}

/// Where work goes, which decides how it takes its context along.
#[derive(Clone, Copy)]
enum Work {
    /// A future given to tokio.
    Task,
    /// A future given to anybody else, or by a method.
    Future,
    /// A closure given to tokio's threads for blocking work.
    Blocking,
    /// A closure.
    Closure,
    /// A closure that takes an argument.
    Scoped,
}

const FUNCTIONS: &[(&str, Work)] = &[
    ("tokio::spawn", Work::Task),
    ("tokio::task::spawn", Work::Task),
    ("tokio::task::spawn_local", Work::Future),
    ("tokio::task::spawn_blocking", Work::Blocking),
    ("std::thread::spawn", Work::Closure),
    ("rayon::spawn", Work::Closure),
    ("rayon::spawn_fifo", Work::Closure),
    ("async_std::task::spawn", Work::Future),
    ("async_std::task::spawn_local", Work::Future),
    ("async_std::task::spawn_blocking", Work::Closure),
    ("smol::spawn", Work::Future),
];

fn of_method(holds: Holds, method: &str) -> Option<(&'static str, Work)> {
    Some(match (holds, method) {
        (Holds::ThreadBuilder, "spawn") => ("`std::thread::Builder::spawn`", Work::Closure),
        (Holds::ThreadScope, "spawn") => ("`spawn` in `std::thread::scope`", Work::Closure),
        (Holds::Rayon, "spawn" | "spawn_fifo") => ("`spawn` of rayon", Work::Scoped),
        (Holds::JoinSet, "spawn") => ("`JoinSet::spawn`", Work::Future),
        (Holds::JoinSet, "spawn_local") => ("`JoinSet::spawn_local`", Work::Future),
        (Holds::JoinSet, "spawn_blocking") => ("`JoinSet::spawn_blocking`", Work::Closure),
        (Holds::LocalSet, "spawn_local") => ("`LocalSet::spawn_local`", Work::Future),
        (Holds::Runtime, "spawn") => ("`spawn` of a runtime", Work::Future),
        (Holds::Runtime, "spawn_blocking") => ("`spawn_blocking` of a runtime", Work::Closure),
        _ => return None,
    })
}

impl Work {
    fn replacement(self) -> &'static str {
        match self {
            Self::Task => "use `spanwright::spawn(…)`, or give it `future.in_current_span()`",
            Self::Future => "give it `future.in_current_span()` (trait `spanwright::InCurrentSpan`)",
            Self::Blocking => "use `spanwright::spawn_blocking(…)`",
            Self::Closure => "give it `spanwright::Context::current().wrap(move || …)`",
            Self::Scoped => {
                "take `let context = spanwright::Context::current();` before it, and `context.run(|| …)` in the closure"
            }
        }
    }
}

struct Search<'a> {
    program: &'a Program,
    file: &'a str,
    locals: Locals<'a>,
    found: Vec<Found>,
}

impl Search<'_> {
    fn report(&mut self, what: &str, work: Work, span: proc_macro2::Span) {
        let starts = match work {
            Work::Task | Work::Future => "a task",
            Work::Blocking | Work::Closure | Work::Scoped => "work on another thread",
        };
        let message = format!("{what} starts {starts} that does not know the span of this function");
        self.found.push(Found::at(self.file, span, message, work.replacement().to_owned()));
    }

    /// Whether `work` knows its context, or needs none.
    fn carries(&self, work: &Expr) -> bool {
        match work {
            Expr::Paren(inner) => self.carries(&inner.expr),
            Expr::Call(call) if self.starts_well(call) => true,
            _ => self.locals.of_expr(work) == Some(Holds::Carrying) || self.locals.mentions_a_context(work),
        }
    }

    /// Whether `call` is one of a function that starts its own trace, or that has taken its parent when it returns.
    fn starts_well(&self, call: &ExprCall) -> bool {
        let Expr::Path(function) = &*call.func else { return false };
        let functions = self.locals.functions(&function.path);
        let well = |body: &&Body| {
            let annotated = body.annotated.map(|at| &self.program.annotated[at]);
            annotated.is_some_and(|annotated| {
                let plan = annotated.plan.as_ref();
                annotated.kind == Kind::Scheduled
                    || plan.is_ok_and(|plan| {
                        !plan.shape.is_async && matches!(plan.shape.returned.what, Returned::Future { .. })
                    })
            })
        };
        !functions.is_empty() && functions.iter().all(well)
    }

    /// The closure of `std::thread::scope(|s| …)`, in which `s` is known.
    fn visit_scope(&mut self, closure: &syn::ExprClosure, holds: Holds) {
        let outside = self.locals.clone();
        closure.inputs.iter().for_each(|pat| self.locals.bind(pat, Some(holds)));
        self.visit_expr(&closure.body);
        self.locals = outside;
    }
}

fn scope_of(path: &str) -> Option<Holds> {
    match path {
        "std::thread::scope" => Some(Holds::ThreadScope),
        "rayon::scope" | "rayon::scope_fifo" | "rayon::in_place_scope" => Some(Holds::Rayon),
        _ => None,
    }
}

impl<'ast> Visit<'ast> for Search<'_> {
    fn visit_local(&mut self, local: &'ast syn::Local) {
        visit::visit_local(self, local);
        self.locals.note(local);
    }

    fn visit_item(&mut self, _: &'ast Item) {}

    fn visit_macro(&mut self, mac: &'ast syn::Macro) {
        expressions(mac).iter().for_each(|expr| <Self as Visit<'_>>::visit_expr(self, expr));
    }

    fn visit_expr_call(&mut self, call: &'ast ExprCall) {
        if let Expr::Path(function) = &*call.func {
            let meanings = self.locals.meanings(&function.path);
            let starts = meanings.iter().find_map(|path| FUNCTIONS.iter().find(|(known, _)| known == path));
            if let (Some((what, work)), Some(given)) = (starts, call.args.first())
                && !self.carries(given)
            {
                let span = syn::spanned::Spanned::span(&function.path);
                // What is started in there is lost already.
                return self.report(&format!("`{what}`"), *work, span);
            }
            let scope = meanings.iter().find_map(|path| scope_of(path));
            if let (Some(holds), Some(Expr::Closure(closure))) = (scope, call.args.last()) {
                return self.visit_scope(closure, holds);
            }
        }
        visit::visit_expr_call(self, call);
    }

    fn visit_expr_method_call(&mut self, call: &'ast ExprMethodCall) {
        self.visit_expr(&call.receiver);
        let holds = self.locals.of_expr(&call.receiver);
        let starts = holds.and_then(|holds| of_method(holds, &call.method.to_string()));
        if let (Some((what, work)), Some(given)) = (starts, call.args.first())
            && !self.carries(given)
        {
            return self.report(what, work, call.method.span());
        }
        call.args.iter().for_each(|argument| self.visit_expr(argument));
    }

    fn visit_expr_closure(&mut self, closure: &'ast syn::ExprClosure) {
        let outside = self.locals.clone();
        closure.inputs.iter().for_each(|pat| self.locals.bind(pat, None));
        visit::visit_expr_closure(self, closure);
        self.locals = outside;
    }

    fn visit_block(&mut self, block: &'ast syn::Block) {
        let outside = self.locals.clone();
        visit::visit_block(self, block);
        self.locals = outside;
    }
}
