//! The module trees of all crates: files found by the compiler's rules, names listed, blocks as modules without a name.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use super::source::{Sources, without_dots};
use super::syntax::{Import, ModulePath, Node, Nodes, Position, Visibility, What};
use crate::workspace::Workspace;

/// How often one file may be a module of one crate.
const INSTANCES: usize = 16;

/// Crates and their modules.
#[derive(Debug, Default)]
pub(super) struct Tree {
    pub crates: Vec<CrateTree>,
    pub modules: Vec<Module>,
    /// Modules whose file is not there, or that never end.
    pub missing: Vec<Missing>,
}

/// A crate.
#[derive(Debug)]
pub(super) struct CrateTree {
    /// Its package, as an index into the workspace's.
    pub package: usize,
    pub name: String,
    pub is_library: bool,
    pub rooted_imports: bool,
    /// Its root module.
    pub root: usize,
    /// Names that `extern crate … as` adds for all modules.
    pub aliases: HashMap<String, String>,
    /// Crates whose macros all modules see.
    pub all_macros: Vec<String>,
}

/// A module, or a block with items.
#[derive(Debug)]
pub(super) struct Module {
    pub crate_index: usize,
    pub parent: Option<usize>,
    /// Whether it is a block: names are looked up outside of it too.
    pub is_block: bool,
    /// What stands before the names of its functions.
    pub path: Vec<String>,
    /// Conditions of compilation, outermost first.
    pub cfg: Vec<String>,
    pub file: usize,
    pub nodes: Nodes,
    /// Names, with what they lead to.
    pub names: HashMap<String, Vec<Entry>>,
    pub globs: Vec<(Import, Visibility)>,
    /// Whether it has names that cannot be known.
    pub is_opaque: bool,
    folder: PathBuf,
    /// Where `mod x;` is looked for, below `folder`.
    relative: Option<String>,
}

/// What a name leads to.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub visibility: Visibility,
    pub what: Named,
}

#[derive(Clone, Debug)]
pub(super) enum Named {
    Module(usize),
    Import(Import),
    ExternCrate(String),
    /// A type without spans in it.
    Type,
    /// A declared span: `spans!` by index, span by index.
    Declared(usize, usize),
}

/// A module that could not be followed.
#[derive(Debug)]
pub(super) struct Missing {
    pub crate_index: usize,
    pub file: usize,
    pub position: Position,
    pub why: String,
}

impl Tree {
    /// The trees of all crates of `workspace`.
    pub fn grow(workspace: &Workspace, sources: &mut Sources) -> Self {
        let mut tree = Self::default();
        for (package, of) in workspace.packages.iter().enumerate() {
            for found in &of.crates {
                let Some(file) = sources.load(&found.root) else { continue };
                let index = tree.crates.len();
                let root = tree.modules.len();
                let folder = found.root.parent().map(PathBuf::from).unwrap_or_default();
                tree.modules.push(Module {
                    crate_index: index,
                    parent: None,
                    is_block: false,
                    path: vec![found.name.clone()],
                    cfg: found.cfg.iter().chain(&sources.files[file].cfg).cloned().collect(),
                    file,
                    nodes: sources.files[file].nodes.clone(),
                    names: HashMap::new(),
                    globs: Vec::new(),
                    is_opaque: sources.files[file].refused.is_some(),
                    folder,
                    relative: None,
                });
                tree.crates.push(CrateTree {
                    package,
                    name: found.name.clone(),
                    is_library: found.is_library,
                    rooted_imports: found.rooted_imports,
                    root,
                    aliases: HashMap::new(),
                    all_macros: Vec::new(),
                });
                tree.fill(root, sources);
            }
        }
        tree
    }

    /// Names what is in a module and in all below it.
    fn fill(&mut self, root: usize, sources: &mut Sources) {
        let mut instances: HashMap<usize, usize> = HashMap::new();
        let mut next = root;
        while next < self.modules.len() {
            let nodes = self.modules[next].nodes.clone();
            self.name_all(next, &nodes, &[], &[], sources, &mut instances);
            next += 1;
        }
    }

    /// `prefix` and `cfg` are those of the `impl` or `trait` around the nodes.
    fn name_all(
        &mut self,
        module: usize,
        nodes: &Nodes,
        prefix: &[String],
        cfg: &[String],
        sources: &mut Sources,
        instances: &mut HashMap<usize, usize>,
    ) {
        for node in nodes.iter() {
            let cfg: Vec<String> = cfg.iter().chain(&node.cfg).cloned().collect();
            match &node.what {
                What::Inline { name, path, cfg: inner, items } => {
                    let child = self.inline(module, name, path.as_ref(), items.clone());
                    self.modules[child].cfg.extend(cfg.iter().chain(inner).cloned());
                    self.name(module, node, name, Named::Module(child));
                }
                What::File { name, paths } => self.files(module, node, name, paths, sources, instances),
                What::Import(imports) => {
                    for import in imports {
                        match &import.name {
                            Some(name) => self.name(module, node, name, Named::Import(import.clone())),
                            None => self.modules[module].globs.push((import.clone(), node.visibility)),
                        }
                    }
                }
                What::ExternCrate { name, alias, all_macros } => {
                    let at_root = self.modules[module].parent.is_none();
                    let of = &mut self.crates[self.modules[module].crate_index];
                    if at_root {
                        of.aliases.insert(alias.clone(), name.clone());
                    }
                    if *all_macros {
                        of.all_macros.push(name.clone());
                    }
                    self.name(module, node, alias, Named::ExternCrate(name.clone()));
                }
                What::Type { name } => self.name(module, node, name, Named::Type),
                What::Function { name, inner, .. } => {
                    let prefix: Vec<String> = prefix.iter().chain([name]).cloned().collect();
                    self.blocks(module, inner, &prefix, &cfg);
                }
                What::Members { prefix, type_name, items } => {
                    if let Some(name) = type_name {
                        self.name(module, node, name, Named::Type);
                    }
                    self.name_all(module, items, prefix, &cfg, sources, instances);
                }
                What::Block(items) => self.block(module, items.clone(), prefix, &cfg),
                What::Rules { .. } | What::Call { .. } | What::Unreadable { .. } | What::Other => {}
            }
        }
    }

    fn name(&mut self, module: usize, node: &Node, name: &str, what: Named) {
        let entry = Entry { visibility: node.visibility, what };
        self.modules[module].names.entry(name.to_owned()).or_default().push(entry);
    }

    fn blocks(&mut self, module: usize, nodes: &Nodes, prefix: &[String], cfg: &[String]) {
        for node in nodes.iter() {
            if let What::Block(items) = &node.what {
                self.block(module, items.clone(), prefix, cfg);
            }
        }
    }

    fn block(&mut self, module: usize, nodes: Nodes, prefix: &[String], cfg: &[String]) {
        let mut child = self.below(module, nodes);
        child.is_block = true;
        child.path.extend(prefix.iter().cloned());
        child.cfg.extend(cfg.iter().cloned());
        self.modules.push(child);
    }

    /// A module in `module`, in the same file and folder.
    fn below(&self, module: usize, nodes: Nodes) -> Module {
        let parent = &self.modules[module];
        Module {
            crate_index: parent.crate_index,
            parent: Some(module),
            is_block: false,
            path: parent.path.clone(),
            cfg: parent.cfg.clone(),
            file: parent.file,
            nodes,
            names: HashMap::new(),
            globs: Vec::new(),
            is_opaque: false,
            folder: parent.folder.clone(),
            relative: parent.relative.clone(),
        }
    }

    /// `mod name { … }`
    fn inline(&mut self, module: usize, name: &str, path: Option<&ModulePath>, nodes: Nodes) -> usize {
        let mut child = self.below(module, nodes);
        child.path.push(name.to_owned());
        match path.and_then(|path| path.text.as_ref()) {
            // The folder of the module, for historical reasons, and nothing between.
            Some(path) => {
                child.folder.push(path);
                child.relative = None;
            }
            None => {
                child.folder.extend(child.relative.take());
                child.folder.push(name);
            }
        }
        self.modules.push(child);
        self.modules.len() - 1
    }

    /// `mod name;`: its file, or one for each condition.
    fn files(
        &mut self,
        module: usize,
        node: &Node,
        name: &str,
        paths: &[ModulePath],
        sources: &mut Sources,
        instances: &mut HashMap<usize, usize>,
    ) {
        let mut found = false;
        let mut computed = false;
        for path in paths {
            let Some(text) = &path.text else {
                computed = true;
                continue;
            };
            let file = without_dots(&self.modules[module].folder.join(text));
            found |=
                self.file(module, node, name, Place { path: file, relative: None, cfg: &path.cfg }, sources, instances);
        }
        // Where all paths are conditional, the usual place holds without them.
        if !computed && paths.iter().all(|path| !path.cfg.is_empty()) {
            let [beside, below] = self.modules[module].files_of(name);
            let beside = Place { path: beside, relative: Some(name), cfg: &[] };
            let below = Place { path: below, relative: None, cfg: &[] };
            found |= self.file(module, node, name, beside, sources, instances)
                || self.file(module, node, name, below, sources, instances);
        }
        if !found || computed {
            let why = match computed {
                true => format!("the path of module `{name}` is computed"),
                false => format!("module `{name}` has no file"),
            };
            self.missing(module, node, why);
            self.unknown(module, node, name);
        }
    }

    fn missing(&mut self, module: usize, node: &Node, why: String) {
        let Module { crate_index, file, .. } = self.modules[module];
        self.missing.push(Missing { crate_index, file, position: node.position, why });
    }

    /// A module of which only the name is known.
    fn unknown(&mut self, module: usize, node: &Node, name: &str) {
        let mut child = self.below(module, Nodes::default());
        child.path.push(name.to_owned());
        child.is_opaque = true;
        self.modules.push(child);
        self.name(module, node, name, Named::Module(self.modules.len() - 1));
    }

    /// The module in one file; whether there is such a file.
    fn file(
        &mut self,
        module: usize,
        node: &Node,
        name: &str,
        place: Place<'_>,
        sources: &mut Sources,
        instances: &mut HashMap<usize, usize>,
    ) -> bool {
        let Some(file) = sources.load(&place.path) else { return false };
        if self.files_around(module).contains(&file) {
            self.missing(module, node, format!("module `{name}` is in a file that it stands in itself"));
            return true;
        }
        let instances = instances.entry(file).or_default();
        *instances += 1;
        if *instances > INSTANCES {
            return true;
        }
        let source = &sources.files[file];
        let mut child = self.below(module, source.nodes.clone());
        child.path.push(name.to_owned());
        child.cfg.extend(node.cfg.iter().chain(place.cfg).chain(&source.cfg).cloned());
        child.file = file;
        child.is_opaque = source.refused.is_some();
        child.folder = place.path.parent().map(PathBuf::from).unwrap_or_default();
        child.relative = place.relative.map(str::to_owned);
        self.modules.push(child);
        self.name(module, node, name, Named::Module(self.modules.len() - 1));
        true
    }

    fn files_around(&self, module: usize) -> HashSet<usize> {
        let mut files = HashSet::new();
        let mut at = Some(module);
        while let Some(module) = at {
            files.insert(self.modules[module].file);
            at = self.modules[module].parent;
        }
        files
    }

    /// The package of a module, as an index into the workspace's.
    pub fn package_of(&self, module: usize) -> usize {
        self.crates[self.modules[module].crate_index].package
    }

    /// The nearest module with a name: what `self::` means.
    pub fn named(&self, mut module: usize) -> usize {
        while let (true, Some(parent)) = (self.modules[module].is_block, self.modules[module].parent) {
            module = parent;
        }
        module
    }
}

impl Module {
    /// Where the file of the module `name` in this one may be: beside, or in a folder of its own.
    pub fn files_of(&self, name: &str) -> [PathBuf; 2] {
        let folder = self.relative.iter().fold(self.folder.clone(), |folder, part| folder.join(part));
        [folder.join(format!("{name}.rs")), folder.join(name).join("mod.rs")]
    }
}

/// Where the file of a module may be.
struct Place<'a> {
    path: PathBuf,
    relative: Option<&'a str>,
    cfg: &'a [String],
}
