//! From modules and names to lists: declarations first, because functions name them.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use proc_macro2::{Span, TokenStream, TokenTree};
use spanwright_macros_core::{Kind, declaration, model, plan};
use syn::parse::{ParseStream, Parser as _};

use super::attributes::position;
use super::names::{Def, Names, Space};
use super::opaque::{Mention, mentions, modules};
use super::source::Sources;
use super::syntax::{Attribute, NamePath, Node, Position, Visibility, What};
use super::tree::{Entry, Named, Tree};
use super::{Annotated, Body, Declared, ParentSpan, Program};
use crate::place::{Place, Unresolved};
use crate::workspace::{Depended, Workspace};

/// What is read, and what is found in it.
pub(super) struct Collection<'a> {
    pub workspace: &'a Workspace,
    pub sources: &'a Sources,
    pub with_bodies: bool,
    pub program: Program,
    /// What is listed already: files may belong to several crates.
    pub listed: HashSet<(usize, Position, Listed)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Listed {
    Attribute,
    Body,
    Declaration,
    Unresolved,
}

/// What is around a node.
#[derive(Clone, Copy)]
struct Around<'a> {
    module: usize,
    prefix: &'a [String],
    cfg: &'a [String],
    is_associated: bool,
}

impl Collection<'_> {
    /// Lists the declarations of all crates and gives them their names. Their modules, by index.
    pub fn declarations(&mut self, tree: &mut Tree) {
        let mut found = Vec::new();
        let names = Names::new(tree, self.workspace);
        for (index, module) in tree.modules.iter().enumerate() {
            for node in module.nodes.iter() {
                if let What::Call { path, tokens, .. } = &node.what
                    && names.resolve(index, path, Space::Macros).contains(&Def::Spans)
                {
                    found.push((index, self.declaration(tree, index, node, tokens)));
                }
            }
        }
        let mut modules = vec![0; self.program.declared.len()];
        for (module, declaration) in found {
            modules[declaration] = module;
            let Ok(declared) = &self.program.declared[declaration].declaration else { continue };
            for (span, of) in declared.spans.iter().enumerate() {
                let visibility = match of.vis {
                    syn::Visibility::Public(_) => Visibility::Public,
                    syn::Visibility::Restricted(_) => Visibility::Crate,
                    _ => Visibility::Private,
                };
                let entry = Entry { visibility, what: Named::Declared(declaration, span) };
                tree.modules[module].names.entry(plain(&of.ident)).or_default().push(entry);
            }
        }
        self.parents(tree, &modules);
    }

    /// The index of a declaration, listed now or before.
    fn declaration(&mut self, tree: &Tree, module: usize, node: &Node, tokens: &TokenStream) -> usize {
        let at = &tree.modules[module];
        let place = self.place(at.file, node.position);
        if !self.listed.insert((at.file, node.position, Listed::Declaration)) {
            let known = self.program.declared.iter().position(|declared| declared.place == place).unwrap_or_default();
            // Its file may belong to several packages.
            self.program.declared[known].is_selected |= self.is_selected(tree, module);
            return known;
        }
        let declaration = declaration(tokens.clone());
        let spans = declaration.as_ref().map_or(&[][..], |declaration| &declaration.spans);
        self.program.declared.push(Declared {
            module: tree.modules[tree.named(module)].path.join("::"),
            is_selected: self.is_selected(tree, module),
            cfg: at.cfg.iter().chain(&node.cfg).cloned().collect(),
            tokens: tokens.clone(),
            places: spans.iter().map(|span| self.place(at.file, position(span.ident.span()))).collect(),
            parents: Vec::new(),
            place,
            declaration,
        });
        self.program.declared.len() - 1
    }

    /// Finds the declarations that others name as parents.
    fn parents(&mut self, tree: &Tree, modules: &[usize]) {
        let names = Names::new(tree, self.workspace);
        for (index, module) in modules.iter().enumerate() {
            let Ok(declared) = &self.program.declared[index].declaration else { continue };
            let mut lost = Vec::new();
            let mut found = |parent: &model::Parent| match parent {
                model::Parent::Root => Some(ParentSpan::Root),
                model::Parent::Here(span) => Some(ParentSpan::Declared(index, *span)),
                model::Parent::Elsewhere(path) => {
                    let found = declared_by(&names, *module, path);
                    if found.is_none() {
                        lost.push((start(path), format!("`{}` in `parents` {LOST}", shown(path))));
                    }
                    found.map(|(declaration, span)| ParentSpan::Declared(declaration, span))
                }
            };
            let of_span = |span: &model::DeclaredSpan| {
                span.parents.as_ref().map(|parents| parents.iter().filter_map(&mut found).collect())
            };
            let parents = declared.spans.iter().map(of_span).collect();
            self.program.declared[index].parents = parents;
            for (position, why) in lost {
                self.unresolved(tree, *module, position, position.line, why);
            }
        }
    }

    /// Lists the functions of all crates, and what cannot be followed.
    pub fn functions(&mut self, tree: &Tree) {
        let names = Names::new(tree, self.workspace);
        let used = self.workspace.used();
        for index in 0..tree.modules.len() {
            if !self.is_selected(tree, index) {
                if used.contains(&tree.package_of(index)) {
                    self.handed_out(&names, tree, index, &tree.modules[index].nodes);
                }
                continue;
            }
            let module = &tree.modules[index];
            if let Some(refused) = &self.sources.files[module.file].refused {
                let last_line = self.sources.files[module.file].text.0.lines().count().max(refused.position.line);
                self.unresolved(tree, index, refused.position, last_line, refused.why.clone());
            }
            let around = Around { module: index, prefix: &[], cfg: &[], is_associated: false };
            self.nodes(&names, tree, &module.nodes, around);
        }
        for missing in &tree.missing {
            let package = tree.crates[missing.crate_index].package;
            if self.workspace.packages[package].selected {
                self.add_unresolved(missing.file, missing.position, missing.position.line, missing.why.clone());
            }
        }
    }

    fn nodes(&mut self, names: &Names<'_>, tree: &Tree, nodes: &[Node], around: Around<'_>) {
        for node in nodes {
            for (index, attribute) in node.attributes.iter().enumerate() {
                self.attribute(names, tree, node, (index, attribute), around);
            }
            match &node.what {
                What::Function { name, has_body, inner } => {
                    if *has_body && self.with_bodies {
                        self.body(tree, node, name, around);
                    }
                    // Its blocks are modules of their own; what is left is a body that does not parse.
                    self.nodes(names, tree, inner, around);
                }
                What::Members { prefix, items, .. } => {
                    let cfg: Vec<String> = around.cfg.iter().chain(&node.cfg).cloned().collect();
                    let inside = Around { prefix, cfg: &cfg, is_associated: !prefix.is_empty(), ..around };
                    self.nodes(names, tree, items, inside);
                }
                What::Rules { .. } => self.rules(names, tree, around.module, node),
                What::Call { path, tokens, last_line } => {
                    if let Some(why) = self.in_call(names, tree, around.module, path, tokens) {
                        self.unresolved(tree, around.module, node.position, *last_line, why);
                    }
                }
                What::Unreadable { why, last_line } => {
                    self.unresolved(tree, around.module, node.position, *last_line, why.clone());
                }
                _ => {}
            }
        }
    }

    /// Lists the macros of a package that is not asked for, which those that are may call.
    fn handed_out(&mut self, names: &Names<'_>, tree: &Tree, module: usize, nodes: &[Node]) {
        for node in nodes {
            match &node.what {
                What::Rules { exported: true, .. } => self.rules(names, tree, module, node),
                What::Members { items, .. } => self.handed_out(names, tree, module, items),
                _ => {}
            }
        }
    }

    fn rules(&mut self, names: &Names<'_>, tree: &Tree, module: usize, node: &Node) {
        let What::Rules { name, exported, tokens, last_line } = &node.what else { return };
        if let Some(mention) = self.in_rules(names, tree, module, *exported, tokens) {
            let why = format!("the body of `macro_rules! {name}` has {mention}");
            self.unresolved(tree, module, node.position, *last_line, why);
        }
    }

    fn attribute(
        &mut self,
        names: &Names<'_>,
        tree: &Tree,
        node: &Node,
        (index, attribute): (usize, &Attribute),
        around: Around<'_>,
    ) {
        let module = &tree.modules[around.module];
        let found = names.resolve(around.module, &attribute.path, Space::Macros);
        let Some(kind) = found.iter().find_map(kind_of) else {
            let mention = Mention::Attribute(attribute.path.clone());
            if found.contains(&Def::Unknown) && mention.says_ours() {
                let why = format!("{mention} may be ours: where it comes from cannot be read");
                self.unresolved(tree, around.module, attribute.position, attribute.position.line, why);
            }
            return;
        };
        if !self.listed.insert((module.file, attribute.position, Listed::Attribute)) {
            return;
        }
        let written = node.written.iter().enumerate().filter(|(at, _)| *at != attribute.index);
        let item: TokenStream = written.map(|(_, tokens)| tokens.clone()).chain([node.item.clone()]).collect();
        let plan = plan(kind, attribute.args.clone(), item.clone());
        let mut span = None;
        if let Ok(model::Plan { span: Some(path), .. }) = &plan {
            span = declared_by(names, around.module, path);
            if span.is_none() {
                let why = format!("`span = {}` {LOST}", shown(path));
                self.unresolved(tree, around.module, start(path), start(path).line, why);
            }
        }
        let cfg = [&module.cfg[..], around.cfg, &node.cfg, &attribute.cfg].concat();
        self.program.annotated.push(Annotated {
            path: path_of(&module.path, around.prefix, node),
            place: self.place(module.file, node.position),
            attribute: self.place(module.file, attribute.position),
            stacked: node.attributes[..index].iter().any(|before| {
                names.resolve(around.module, &before.path, Space::Macros).iter().any(|def| kind_of(def).is_some())
            }),
            cfg,
            kind,
            args: attribute.args.clone(),
            item,
            is_associated: around.is_associated,
            plan,
            span,
            doc: node.doc.clone(),
        });
    }

    fn body(&mut self, tree: &Tree, node: &Node, name: &str, around: Around<'_>) {
        let module = &tree.modules[around.module];
        if !self.listed.insert((module.file, node.position, Listed::Body)) {
            return;
        }
        let place = self.place(module.file, node.position);
        match function.parse2(node.item.clone()) {
            Ok((signature, block)) => self.program.bodies.push(Body {
                path: path_of(&module.path, around.prefix, node),
                module: tree.modules[tree.named(around.module)].path.join("::"),
                annotated: None,
                place,
                signature,
                block,
            }),
            Err(error) => {
                let why = format!("`{name}` does not parse: {error}");
                self.unresolved(tree, around.module, node.position, node.position.line, why);
            }
        }
    }

    /// What of ours the body of a macro has: whoever calls it decides what its names mean, so that a word is enough.
    fn in_rules(
        &self,
        names: &Names<'_>,
        tree: &Tree,
        module: usize,
        exported: bool,
        tokens: &TokenStream,
    ) -> Option<Mention> {
        let package = tree.package_of(module);
        if !exported && !self.reaches_ours(package) {
            return None;
        }
        mentions(tokens.clone()).into_iter().find(|mention| {
            let path = mention.path();
            let found = names.resolve(module, path, Space::Macros);
            let bare = path.segments.len() == 1 || path.segments[0].starts_with('$') || found.is_empty();
            is_ours(&found) || (mention.says_ours() && (bare || found.contains(&Def::Unknown)))
        })
    }

    /// Why a macro call cannot be followed, if it has to be.
    fn in_call(
        &self,
        names: &Names<'_>,
        tree: &Tree,
        module: usize,
        path: &NamePath,
        tokens: &TokenStream,
    ) -> Option<String> {
        let found = names.resolve(module, path, Space::Macros);
        if found.contains(&Def::Spans) {
            return None;
        }
        let called = Mention::Macro(path.clone());
        if found.contains(&Def::Unknown) && called.says_ours() {
            return Some(format!("{called} may be ours: where it comes from cannot be read"));
        }
        let at = &tree.modules[module];
        if path.last() == "include" && (!at.is_block || self.includes_ours(at.file, tokens)) {
            let written: Vec<TokenTree> = tokens.clone().into_iter().collect();
            return Some(format!("`include!({})`", self.sources.files[at.file].text.between(&written)));
        }
        let mention = mentions(tokens.clone()).into_iter().find(|mention| {
            let found = names.resolve(module, mention.path(), Space::Macros);
            is_ours(&found) || (mention.says_ours() && found.contains(&Def::Unknown))
        });
        if let Some(mention) = mention {
            return Some(format!("{mention} stands inside {called}"));
        }
        let mut modules = modules(tokens.clone()).into_iter();
        let name = modules.find(|name| at.files_of(name).iter().any(|file| may_hold_ours(file)))?;
        Some(format!("module `{name}` stands inside {called}"))
    }

    /// Whether the file that a body includes may have a span; an expression in it has none.
    fn includes_ours(&self, file: usize, tokens: &TokenStream) -> bool {
        let Ok(name) = syn::parse2::<syn::LitStr>(tokens.clone()) else { return true };
        let folder = self.workspace.root.join(&self.sources.files[file].name);
        let beside = folder.parent().map(|folder| folder.join(name.value()));
        beside.is_none_or(|file| !file.is_file() || may_hold_ours(&file))
    }

    /// Whether a package can name spanwright, by itself or through other members.
    fn reaches_ours(&self, package: usize) -> bool {
        let mut seen = HashSet::from([package]);
        let mut left = vec![package];
        while let Some(package) = left.pop() {
            for dependency in &self.workspace.packages[package].dependencies {
                match dependency.what {
                    Depended::Facade | Depended::Carrier => return true,
                    Depended::Member(member) if seen.insert(member) => left.push(member),
                    _ => {}
                }
            }
        }
        false
    }

    fn is_selected(&self, tree: &Tree, module: usize) -> bool {
        self.workspace.packages[tree.package_of(module)].selected
    }

    fn place(&self, file: usize, position: Position) -> Place {
        Place { file: self.sources.files[file].name.clone(), line: position.line, column: position.column }
    }

    fn unresolved(&mut self, tree: &Tree, module: usize, position: Position, last_line: usize, why: String) {
        self.add_unresolved(tree.modules[module].file, position, last_line, why);
    }

    fn add_unresolved(&mut self, file: usize, position: Position, last_line: usize, why: String) {
        if self.listed.insert((file, position, Listed::Unresolved)) {
            let place = self.place(file, position);
            self.program.unresolved.push(Unresolved { place, last_line, why });
        }
    }
}

const LOST: &str = "leads to no declaration that can be read";

/// Whether a file that is not followed has a word of ours.
fn may_hold_ours(file: &Path) -> bool {
    let text = fs::read_to_string(file).unwrap_or_default();
    let has = |word: &str| text.contains(&format!("#[{word}")) || text.contains(&format!("::{word}"));
    text.contains("spans!") || Kind::ALL.into_iter().any(|kind| has(kind.word()))
}

fn kind_of(def: &Def) -> Option<Kind> {
    match def {
        Def::Attribute(kind) => Some(*kind),
        _ => None,
    }
}

fn is_ours(found: &[Def]) -> bool {
    found.iter().any(|def| matches!(def, Def::Attribute(_) | Def::Spans))
}

fn declared_by(names: &Names<'_>, module: usize, path: &syn::Path) -> Option<(usize, usize)> {
    let path = NamePath {
        leading_colon: path.leading_colon.is_some(),
        segments: path.segments.iter().map(|segment| plain(&segment.ident)).collect(),
    };
    names.resolve(module, &path, Space::Types).into_iter().find_map(|def| match def {
        Def::Declared(declaration, span) => Some((declaration, span)),
        _ => None,
    })
}

fn path_of(module: &[String], prefix: &[String], node: &Node) -> String {
    let name = match &node.what {
        What::Function { name, .. } | What::Type { name } | What::Inline { name, .. } => Some(name),
        _ => None,
    };
    module.iter().chain(prefix).chain(name).map(String::as_str).collect::<Vec<_>>().join("::")
}

fn function(input: ParseStream<'_>) -> syn::Result<(syn::Signature, syn::Block)> {
    input.parse::<syn::Visibility>()?;
    if input.peek(syn::Token![default]) {
        input.parse::<syn::Token![default]>()?;
    }
    Ok((input.parse()?, input.parse()?))
}

fn plain(ident: &syn::Ident) -> String {
    use syn::ext::IdentExt as _;
    ident.unraw().to_string()
}

fn start(path: &syn::Path) -> Position {
    let first = path.segments.first().map_or_else(Span::call_site, |segment| segment.ident.span());
    position(first)
}

fn shown(path: &syn::Path) -> String {
    let colons = if path.leading_colon.is_some() { "::" } else { "" };
    let segments: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
    format!("{colons}{}", segments.join("::"))
}
