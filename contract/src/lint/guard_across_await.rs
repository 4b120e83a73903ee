//! `guard-across-await`: a guard that is still there while its future waits.

use proc_macro2::{Span, TokenStream, TokenTree};
use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};
use syn::{Block, Expr, ExprMethodCall, Item, Local, Pat, Stmt};

use super::locals::{Holds, Locals};
use super::{Found, Input, Level, Rule};
use crate::program::Body;

pub(super) static RULE: Rule = Rule {
    id: "guard-across-await",
    level: Level::Warn,
    explanation: "\
A guard is bound and the same scope awaits before it is dropped. While the future waits, the thread
runs others: they find themselves in the context of the guard, and their spans in the wrong trace. A
lock that is held meanwhile makes the span last as long as everybody who waits for it.

    async fn answer(context: Context) {
        let _entered = context.enter();
        ask().await;                     // found: others run on this thread in `context`
    }

    async fn answer(context: Context) {
        ask().in_context(context).await; // fine
    }

Looked for: `let guard = context.enter()` in every function; in annotated ones `let guard =
lock.lock()` followed by `unwrap`, `expect`, `unwrap_or_else` or `?`, `let Ok(guard) = lock.lock()
else`, `if let Ok(guard) = lock.lock()`, and `let guard = lock.lock()` where the file imports
`parking_lot`; the same of `read` and `write` in a file that mentions `RwLock`. `drop(guard)`, or
giving the guard to somebody else, ends it.

Not seen: a guard in a field or a tuple, or that a function of yours returns; the temporary in
`match lock.lock().unwrap().next() { … }`. A guard that is dropped on one of several ways counts as
dropped.",
};

pub(super) fn check(input: &Input<'_>) -> Vec<Found> {
    input.program.bodies.iter().flat_map(|body| in_body(input, body)).collect()
}

fn in_body(input: &Input<'_>, body: &Body) -> Vec<Found> {
    let mut search = Search {
        file: &body.place.file,
        locals: Locals::of(&input.names, body),
        annotated: body.annotated.is_some(),
        bare_locks: input.names.imports(&body.place, "parking_lot"),
        rw_locks: input.names.text(&body.place).contains("RwLock"),
        found: Vec::new(),
    };
    search.visit_block(&body.block);
    search.found
}

struct Search<'a> {
    file: &'a str,
    locals: Locals<'a>,
    annotated: bool,
    /// Whether locks may be taken without a `Result`.
    bare_locks: bool,
    /// Whether `read` and `write` may be those of a lock; many other things have them.
    rw_locks: bool,
    found: Vec<Found>,
}

/// What a guard guards.
#[derive(Clone, Copy)]
enum Guard {
    Context,
    Lock,
}

impl Search<'_> {
    fn guard(&self, local: &Local) -> Option<(String, Span, Guard)> {
        self.bound(&local.pat, &local.init.as_ref()?.expr)
    }

    /// The guard that `pat` binds to the result of `init`.
    fn bound(&self, pat: &Pat, init: &Expr) -> Option<(String, Span, Guard)> {
        let (name, is_ok) = plain(pat)?;
        let guard = self.guarded(init, is_ok)?;
        Some((name.to_string(), name.span(), guard))
    }

    /// What `init` guards; `is_ok`: a pattern takes it out of its `Result`.
    fn guarded(&self, init: &Expr, is_ok: bool) -> Option<Guard> {
        let (call, unwrapped) = unwrapped(init)?;
        let unwrapped = unwrapped || is_ok;
        if !call.args.is_empty() {
            return None;
        }
        match call.method.to_string().as_str() {
            "enter" if self.locals.of_expr(&call.receiver) == Some(Holds::Context) => Some(Guard::Context),
            "lock" if self.annotated && (unwrapped || self.bare_locks) => Some(Guard::Lock),
            "read" | "write" if self.annotated && self.rw_locks && (unwrapped || self.bare_locks) => Some(Guard::Lock),
            _ => None,
        }
    }

    fn in_statements(&mut self, statements: &[Stmt]) {
        for (at, statement) in statements.iter().enumerate() {
            if let Stmt::Local(local) = statement
                && let Some((name, span, guard)) = self.guard(local)
                && let Some(line) = awaited_while(&name, &statements[at + 1..])
            {
                self.found.push(found(self.file, &name, span, guard, line));
            }
            self.visit_stmt(statement);
        }
    }
}

impl<'ast> Visit<'ast> for Search<'_> {
    fn visit_block(&mut self, block: &'ast Block) {
        let outside = self.locals.clone();
        self.in_statements(&block.stmts);
        self.locals = outside;
    }

    fn visit_local(&mut self, local: &'ast Local) {
        visit::visit_local(self, local);
        self.locals.note(local);
    }

    fn visit_expr_if(&mut self, expr: &'ast syn::ExprIf) {
        if let Expr::Let(condition) = &*expr.cond
            && let Some((name, span, guard)) = self.bound(&condition.pat, &condition.expr)
            && let Some(line) = awaited_while(&name, &expr.then_branch.stmts)
        {
            self.found.push(found(self.file, &name, span, guard, line));
        }
        visit::visit_expr_if(self, expr);
    }

    fn visit_item(&mut self, _: &'ast Item) {}
}

fn found(file: &str, name: &str, span: Span, guard: Guard, line: usize) -> Found {
    let (what, hint) = match guard {
        Guard::Context => (
            "the context entered by",
            format!(
                "give the context to the future, `future.in_context(context).await`, or end `{name}` before it waits"
            ),
        ),
        Guard::Lock => {
            ("the lock held by", format!("end `{name}` before: in a block of its own, or by `drop({name})`"))
        }
    };
    Found::at(file, span, format!("{what} `{name}` is still there at the await in line {line}"), hint)
}

/// The name that `pat` binds, and whether within `Ok(…)`.
fn plain(pat: &Pat) -> Option<(&syn::Ident, bool)> {
    match pat {
        Pat::Type(typed) => plain(&typed.pat),
        Pat::Paren(inner) => plain(&inner.pat),
        Pat::TupleStruct(inner) if inner.path.is_ident("Ok") && inner.elems.len() == 1 => {
            plain(&inner.elems[0]).map(|(name, _)| (name, true))
        }
        Pat::Ident(name) => Some((&name.ident, false)),
        _ => None,
    }
}

/// The call whose result `init` is, but for the `Result` around it, and whether there was one.
fn unwrapped(init: &Expr) -> Option<(&ExprMethodCall, bool)> {
    match init {
        Expr::Paren(inner) => unwrapped(&inner.expr),
        Expr::Try(inner) => unwrapped(&inner.expr).map(|(call, _)| (call, true)),
        Expr::MethodCall(call) if call.method == "map_err" => unwrapped(&call.receiver),
        Expr::MethodCall(call) if ["unwrap", "expect", "unwrap_or_else"].iter().any(|name| call.method == name) => {
            unwrapped(&call.receiver).map(|(call, _)| (call, true))
        }
        Expr::MethodCall(call) => Some((call, false)),
        _ => None,
    }
}

/// The line of the first await in `rest` that comes before the end of `name`.
fn awaited_while(name: &str, rest: &[Stmt]) -> Option<usize> {
    let mut watch = Watch { name, ended: false, awaited: None };
    rest.iter().for_each(|statement| watch.visit_stmt(statement));
    watch.awaited
}

struct Watch<'a> {
    name: &'a str,
    ended: bool,
    awaited: Option<usize>,
}

impl Watch<'_> {
    fn waits(&mut self, span: Span) {
        if !self.ended && self.awaited.is_none() {
            self.awaited = Some(span.start().line);
        }
    }

    fn is_guard(&self, expr: &Expr) -> bool {
        matches!(expr, Expr::Path(path) if path.path.is_ident(self.name))
    }
}

impl<'ast> Visit<'ast> for Watch<'_> {
    fn visit_expr_await(&mut self, expr: &'ast syn::ExprAwait) {
        // What is awaited is made before the waiting, and a lock that is awaited is none of the kind that blocks.
        self.ended |= self.is_guard(&expr.base);
        visit::visit_expr_await(self, expr);
        self.waits(expr.await_token.span());
    }

    /// Giving the guard away ends it here; `drop(guard)` is one way.
    fn visit_expr_call(&mut self, call: &'ast syn::ExprCall) {
        visit::visit_expr_call(self, call);
        self.ended |= call.args.iter().any(|argument| self.is_guard(argument));
    }

    fn visit_expr_method_call(&mut self, call: &'ast ExprMethodCall) {
        visit::visit_expr_method_call(self, call);
        self.ended |= call.args.iter().any(|argument| self.is_guard(argument));
    }

    fn visit_local(&mut self, local: &'ast Local) {
        visit::visit_local(self, local);
        self.ended |= local.init.as_ref().is_some_and(|init| self.is_guard(&init.expr));
    }

    fn visit_macro(&mut self, mac: &'ast syn::Macro) {
        let waits = mac.path.segments.last().is_some_and(|name| {
            ["select", "join", "try_join"].iter().any(|known| name.ident == known) || awaits(&mac.tokens)
        });
        if waits {
            self.waits(mac.path.span());
        }
    }

    // Work for later: whoever runs it waits, with or without the guard.
    fn visit_expr_async(&mut self, _: &'ast syn::ExprAsync) {}
    fn visit_expr_closure(&mut self, _: &'ast syn::ExprClosure) {}
    fn visit_item(&mut self, _: &'ast Item) {}
}

fn awaits(tokens: &TokenStream) -> bool {
    let mut tokens = tokens.clone().into_iter().peekable();
    while let Some(token) = tokens.next() {
        let then_await = matches!(tokens.peek(), Some(TokenTree::Ident(word)) if word == "await");
        match token {
            TokenTree::Punct(dot) if dot.as_char() == '.' && then_await => return true,
            TokenTree::Group(group) if awaits(&group.stream()) => return true,
            _ => {}
        }
    }
    false
}
