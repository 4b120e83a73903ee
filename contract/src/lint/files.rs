//! Source files, indexed: what is imported where, and from where to where items and statements reach.

use std::collections::{HashMap, HashSet};

use proc_macro2::{LineColumn, Span};
use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};
use syn::{Block, ImplItem, Item, ItemMod, Stmt, TraitItem, UseTree};

use crate::catalog::Place;
use crate::program::Program;

/// The source files by name.
pub(super) struct Files<'a>(HashMap<&'a str, File<'a>>);

/// A source file.
pub(super) struct File<'a> {
    pub(super) text: &'a str,
    /// Its own scope first, then inline modules and blocks with imports, each after the one around it.
    pub(super) scopes: Vec<Scope>,
    /// Items and statements.
    pub(super) extents: Vec<Extent>,
}

/// A module, or a block with items of its own.
pub(super) struct Scope {
    start: LineColumn,
    end: LineColumn,
    /// The scope around it.
    pub(super) outer: Option<usize>,
    /// Whether names of the scope around it end here.
    pub(super) is_module: bool,
    /// Imported names, and their paths.
    pub(super) imports: HashMap<String, Vec<String>>,
    /// Paths of which everything is imported.
    pub(super) globs: Vec<Vec<String>>,
    /// Names of items.
    pub(super) items: HashSet<String>,
}

/// From where to where an item or statement reaches, in lines.
pub(super) struct Extent {
    /// Of its first attribute or doc comment.
    pub(super) first: usize,
    /// Of what follows its attributes.
    pub(super) head: usize,
    /// Of its end.
    pub(super) last: usize,
}

impl<'a> Files<'a> {
    /// The files of `program`; one that is no Rust has a text only.
    pub(super) fn of(program: &'a Program) -> Self {
        let files = program.files.iter().map(|file| (file.name.as_str(), File::of(&file.text)));
        Self(files.collect())
    }

    pub(super) fn get(&self, name: &str) -> Option<&File<'a>> {
        self.0.get(name)
    }
}

impl<'a> File<'a> {
    fn of(text: &'a str) -> Self {
        let mut index = Index { scopes: vec![Scope::whole_file()], extents: Vec::new(), current: 0 };
        if let Ok(file) = syn::parse_file(text) {
            index.visit_file(&file);
        }
        Self { text, scopes: index.scopes, extents: index.extents }
    }

    /// The innermost scope around `place`.
    pub(super) fn scope_at(&self, place: &Place) -> usize {
        let at = LineColumn { line: place.line, column: place.column.saturating_sub(1) };
        // The innermost one begins last.
        self.scopes.iter().rposition(|scope| scope.start <= at && at <= scope.end).unwrap_or(0)
    }

    /// The scopes from `scope` outwards, up to and with its module's.
    pub(super) fn outwards(&self, scope: usize) -> impl Iterator<Item = &Scope> {
        let outer = |at: &usize| self.scopes[*at].outer.filter(|_| !self.scopes[*at].is_module);
        std::iter::successors(Some(scope), outer).map(|at| &self.scopes[at])
    }
}

impl Scope {
    fn whole_file() -> Self {
        let end = LineColumn { line: usize::MAX, column: 0 };
        Self::new(LineColumn { line: 0, column: 0 }, end, None, true)
    }

    fn new(start: LineColumn, end: LineColumn, outer: Option<usize>, is_module: bool) -> Self {
        let (imports, globs, items) = (HashMap::new(), Vec::new(), HashSet::new());
        Self { start, end, outer, is_module, imports, globs, items }
    }

    fn import(&mut self, tree: &UseTree, before: &mut Vec<String>) {
        match tree {
            UseTree::Path(path) => {
                before.push(path.ident.to_string());
                self.import(&path.tree, before);
                before.pop();
            }
            UseTree::Name(name) if name.ident == "self" => {
                if let Some(last) = before.last() {
                    self.imports.insert(last.clone(), before.clone());
                }
            }
            UseTree::Name(name) => self.bind(&name.ident, &name.ident, before),
            UseTree::Rename(rename) if rename.ident == "self" => {
                self.imports.insert(rename.rename.to_string(), before.clone());
            }
            UseTree::Rename(rename) => self.bind(&rename.rename, &rename.ident, before),
            UseTree::Glob(_) => self.globs.push(before.clone()),
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.import(tree, before)),
        }
    }

    fn bind(&mut self, name: &syn::Ident, of: &syn::Ident, before: &[String]) {
        let path = before.iter().cloned().chain([of.to_string()]).collect();
        self.imports.insert(name.to_string(), path);
    }
}

struct Index {
    scopes: Vec<Scope>,
    extents: Vec<Extent>,
    current: usize,
}

impl Index {
    fn within(&mut self, scope: Scope, visit: impl FnOnce(&mut Self)) {
        let around = std::mem::replace(&mut self.current, self.scopes.len());
        self.scopes.push(scope);
        visit(self);
        self.current = around;
    }

    fn reach(&mut self, whole: Span, head: Option<Span>) {
        let first = whole.start().line;
        let head = head.map_or(first, |head| head.start().line);
        self.extents.push(Extent { first, head, last: whole.end().line });
    }
}

impl<'ast> Visit<'ast> for Index {
    fn visit_item(&mut self, item: &'ast Item) {
        self.reach(item.span(), keyword_of(item));
        if let Some(name) = name_of(item) {
            self.scopes[self.current].items.insert(name);
        }
        if let Item::Use(import) = item {
            self.scopes[self.current].import(&import.tree, &mut Vec::new());
        }
        visit::visit_item(self, item);
    }

    fn visit_item_mod(&mut self, module: &'ast ItemMod) {
        let Some((brace, items)) = &module.content else { return };
        let (start, end) = (brace.span.open().start(), brace.span.close().end());
        let scope = Scope::new(start, end, Some(self.current), true);
        self.within(scope, |index| items.iter().for_each(|item| index.visit_item(item)));
    }

    fn visit_impl_item(&mut self, item: &'ast ImplItem) {
        if let ImplItem::Fn(function) = item {
            self.reach(function.span(), Some(function.sig.fn_token.span));
        }
        visit::visit_impl_item(self, item);
    }

    fn visit_trait_item(&mut self, item: &'ast TraitItem) {
        if let TraitItem::Fn(function) = item {
            self.reach(function.span(), Some(function.sig.fn_token.span));
        }
        visit::visit_trait_item(self, item);
    }

    fn visit_block(&mut self, block: &'ast Block) {
        if !block.stmts.iter().any(|stmt| matches!(stmt, Stmt::Item(_))) {
            return visit::visit_block(self, block);
        }
        let (start, end) = (block.brace_token.span.open().start(), block.brace_token.span.close().end());
        let scope = Scope::new(start, end, Some(self.current), false);
        self.within(scope, |index| visit::visit_block(index, block));
    }

    fn visit_stmt(&mut self, stmt: &'ast Stmt) {
        if !matches!(stmt, Stmt::Item(_)) {
            self.reach(stmt.span(), None);
        }
        visit::visit_stmt(self, stmt);
    }
}

/// What follows the attributes of an item that may have long ones.
fn keyword_of(item: &Item) -> Option<Span> {
    Some(match item {
        Item::Fn(item) => item.sig.fn_token.span,
        Item::Impl(item) => item.impl_token.span,
        Item::Trait(item) => item.trait_token.span,
        Item::Mod(item) => item.mod_token.span,
        Item::Macro(item) => item.mac.path.span(),
        Item::Struct(item) => item.struct_token.span,
        Item::Enum(item) => item.enum_token.span,
        _ => return None,
    })
}

fn name_of(item: &Item) -> Option<String> {
    let ident = match item {
        Item::Fn(item) => &item.sig.ident,
        Item::Mod(item) => &item.ident,
        Item::Struct(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::Type(item) => &item.ident,
        Item::Union(item) => &item.ident,
        Item::Const(item) => &item.ident,
        Item::Static(item) => &item.ident,
        _ => return None,
    };
    Some(ident.to_string())
}
