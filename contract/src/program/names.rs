//! What a name leads to, through `use`, as the compiler would find it.
//!
//! Attributes and macros have names of their own, apart from those of types and modules. A name of this module beats what globs bring in; what is neither here nor
//! in the crates that this one depends on leads nowhere.

use std::collections::HashMap;

use spanwright_macros_core::Kind;

use super::syntax::{NamePath, Visibility};
use super::tree::{Named, Tree};
use crate::workspace::{Depended, Workspace};

/// Where a name can lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Def {
    Module(usize),
    /// The root of spanwright.
    Facade,
    /// One of its attributes.
    Attribute(Kind),
    /// Its `spans!`.
    Spans,
    /// A declared span: `spans!` by index, span by index.
    Declared(usize, usize),
    /// Something that is none of ours.
    Foreign,
    /// Something that cannot be read.
    Unknown,
}

/// Which names are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Space {
    /// Attributes and macros.
    Macros,
    /// Modules, crates and types.
    Types,
}

/// A definition, and who sees the name it was found under.
#[derive(Clone, Copy, Debug)]
struct Binding {
    def: Def,
    visibility: Visibility,
    /// The module that has the name.
    owner: usize,
}

/// Looks names up in a tree of modules.
#[derive(Debug)]
pub(super) struct Names<'a> {
    tree: &'a Tree,
    workspace: &'a Workspace,
}

type Seen = HashMap<(usize, String, Space), Vec<Binding>>;

impl<'a> Names<'a> {
    pub fn new(tree: &'a Tree, workspace: &'a Workspace) -> Self {
        Self { tree, workspace }
    }

    /// All that `path` can mean in `module`: several where conditions of compilation choose, none where it leads nowhere.
    pub fn resolve(&self, module: usize, path: &NamePath, space: Space) -> Vec<Def> {
        self.follow(module, path, space, false, &mut Seen::new())
    }

    fn follow(&self, module: usize, path: &NamePath, space: Space, is_import: bool, seen: &mut Seen) -> Vec<Def> {
        let Some((first, mut rest)) = path.segments.split_first() else {
            return if path.leading_colon { Vec::new() } else { vec![Def::Module(self.tree.named(module))] };
        };
        let of = &self.tree.crates[self.tree.modules[module].crate_index];
        let here = self.tree.named(module);
        let first_space = if rest.is_empty() { space } else { Space::Types };
        let mut found = match first.as_str() {
            _ if path.leading_colon && !of.rooted_imports => self.dependency(module, first).into_iter().collect(),
            "crate" | "$crate" => vec![Def::Module(of.root)],
            "self" => vec![Def::Module(here)],
            "super" => {
                let mut at = self.outside(here);
                while rest.first().is_some_and(|next| next == "super") {
                    at = at.and_then(|at| self.outside(at));
                    rest = &rest[1..];
                }
                at.map(Def::Module).into_iter().collect()
            }
            _ if of.rooted_imports && (is_import || path.leading_colon) => {
                let at_root = self.members(of.root, first, first_space, module, seen);
                self.or_dependency(at_root, module, first)
            }
            _ => self.lexical(module, first, first_space, seen),
        };
        for (at, segment) in rest.iter().enumerate() {
            let space = if at + 1 == rest.len() { space } else { Space::Types };
            found = found.into_iter().flat_map(|def| self.in_def(def, segment, space, module, seen)).collect();
        }
        found
    }

    /// The named module around a named module.
    fn outside(&self, module: usize) -> Option<usize> {
        self.tree.modules[module].parent.map(|parent| self.tree.named(parent))
    }

    /// A name without a path: blocks from the inside out, their module, then the crates.
    fn lexical(&self, module: usize, name: &str, space: Space, seen: &mut Seen) -> Vec<Def> {
        let mut at = module;
        let found = loop {
            let found = self.members(at, name, space, module, seen);
            match self.tree.modules[at].parent {
                Some(parent) if found.is_empty() && self.tree.modules[at].is_block => at = parent,
                _ => break found,
            }
        };
        match space {
            Space::Types => self.or_dependency(found, module, name),
            Space::Macros if !found.is_empty() => found,
            Space::Macros => {
                let of = &self.tree.crates[self.tree.modules[module].crate_index];
                let all_macros = of.all_macros.iter().filter_map(|name| self.dependency(module, name));
                all_macros.flat_map(|def| self.in_def(def, name, space, module, seen)).collect()
            }
        }
    }

    /// What was found, else the crate of this name; also where something that cannot be read may have the name by a glob,
    /// for hardly anything has a module that is called like a crate.
    fn or_dependency(&self, found: Vec<Def>, module: usize, name: &str) -> Vec<Def> {
        if found.iter().any(|def| *def != Def::Unknown) {
            return found;
        }
        self.dependency(module, name).map_or(found, |dependency| vec![dependency])
    }

    fn in_def(&self, def: Def, name: &str, space: Space, from: usize, seen: &mut Seen) -> Vec<Def> {
        match def {
            Def::Module(module) => self.members(module, name, space, from, seen),
            Def::Facade => vec![of_facade(name, space)],
            Def::Unknown => vec![Def::Unknown],
            _ => vec![Def::Foreign],
        }
    }

    /// What `module` has under this name and `from` may see.
    fn members(&self, module: usize, name: &str, space: Space, from: usize, seen: &mut Seen) -> Vec<Def> {
        let bindings = self.bindings(module, name, space, seen);
        bindings.into_iter().filter(|binding| self.sees(from, binding)).map(|binding| binding.def).collect()
    }

    fn sees(&self, from: usize, binding: &Binding) -> bool {
        let modules = &self.tree.modules;
        match binding.visibility {
            Visibility::Public => true,
            Visibility::Crate => modules[from].crate_index == modules[binding.owner].crate_index,
            Visibility::Private => {
                let owner = self.tree.named(binding.owner);
                let mut at = Some(from);
                while let Some(module) = at {
                    if module == owner || module == binding.owner {
                        return true;
                    }
                    at = modules[module].parent;
                }
                false
            }
        }
    }

    fn bindings(&self, module: usize, name: &str, space: Space, seen: &mut Seen) -> Vec<Binding> {
        let key = (module, name.to_owned(), space);
        if let Some(known) = seen.get(&key) {
            return known.clone();
        }
        // Whoever comes back here by a circle finds nothing.
        seen.insert(key.clone(), Vec::new());
        let mut found = self.own(module, name, space, seen);
        if found.is_empty() {
            found = self.through_globs(module, name, space, seen);
        }
        if found.is_empty() && self.tree.modules[module].is_opaque {
            found.push(Binding { def: Def::Unknown, visibility: Visibility::Public, owner: module });
        }
        seen.insert(key, found.clone());
        found
    }

    fn own(&self, module: usize, name: &str, space: Space, seen: &mut Seen) -> Vec<Binding> {
        let mut found = Vec::new();
        for entry in self.tree.modules[module].names.get(name).into_iter().flatten() {
            let defs = match (&entry.what, space) {
                (Named::Import(import), _) => self.follow(module, &import.path, space, true, seen),
                (_, Space::Macros) => Vec::new(),
                (Named::Module(module), _) => vec![Def::Module(*module)],
                (Named::ExternCrate(name), _) => self.dependency(module, name).into_iter().collect(),
                (Named::Type, _) => vec![Def::Foreign],
                (Named::Declared(declaration, span), _) => vec![Def::Declared(*declaration, *span)],
            };
            let binding = |def| Binding { def, visibility: entry.visibility, owner: module };
            found.extend(defs.into_iter().map(binding));
        }
        found
    }

    fn through_globs(&self, module: usize, name: &str, space: Space, seen: &mut Seen) -> Vec<Binding> {
        let mut found = Vec::new();
        for (import, visibility) in &self.tree.modules[module].globs {
            let binding = |def| Binding { def, visibility: *visibility, owner: module };
            for def in self.follow(module, &import.path, Space::Types, true, seen) {
                match def {
                    Def::Module(target) if target != module => {
                        let defs = self.members(target, name, space, module, seen);
                        found.extend(defs.into_iter().map(binding));
                    }
                    Def::Facade => found.extend(is_of_facade(name, space).map(binding)),
                    Def::Unknown => found.push(binding(Def::Unknown)),
                    // What a foreign crate has under this name, if anything, is none of ours.
                    _ => {}
                }
            }
        }
        found
    }

    /// A crate by the name that the crate of `module` knows it by.
    fn dependency(&self, module: usize, name: &str) -> Option<Def> {
        let of = &self.tree.crates[self.tree.modules[module].crate_index];
        let name = of.aliases.get(name).map_or(name, String::as_str);
        if name == "self" {
            return Some(Def::Module(of.root));
        }
        let package = &self.workspace.packages[of.package];
        let library = |package: usize| {
            let mut crates = self.tree.crates.iter();
            crates.find(|found| found.package == package && found.is_library).map(|found| Def::Module(found.root))
        };
        if let Some(found) = package.dependencies.iter().find(|dependency| dependency.name == name) {
            return match found.what {
                Depended::Facade => Some(Def::Facade),
                Depended::Member(package) => library(package).or(Some(Def::Foreign)),
                Depended::Carrier => Some(Def::Unknown),
                Depended::Elsewhere => Some(Def::Foreign),
            };
        }
        if ["std", "core", "alloc", "proc_macro", "test"].contains(&name) {
            return Some(Def::Foreign);
        }
        let own = self.tree.crates.iter().find(|own| own.package == of.package && own.is_library && own.name == name);
        own.filter(|own| own.root != of.root).map(|own| Def::Module(own.root))
    }
}

/// What the name is in the root of spanwright.
fn of_facade(name: &str, space: Space) -> Def {
    is_of_facade(name, space).unwrap_or(Def::Foreign)
}

/// What the root of spanwright has under this name, where that concerns spans.
fn is_of_facade(name: &str, space: Space) -> Option<Def> {
    match space {
        Space::Macros if name == "spans" => Some(Def::Spans),
        Space::Macros => Kind::ALL.into_iter().find(|kind| kind.word() == name).map(Def::Attribute),
        Space::Types => None,
    }
}
