//! What a path means where it stands, through imports, renames, globs and re-exports, as far as the source says it.

use std::collections::HashMap;

use super::crate_of;
use super::files::{File, Files};
use crate::catalog::Place;
use crate::program::{Body, Program};

/// Imports that lead to imports are followed this far.
const MOST_STEPS: usize = 8;

/// Names of a program.
pub(super) struct Names<'a> {
    files: &'a Files<'a>,
    /// Functions by path; under `cfg` there may be several.
    functions: HashMap<&'a str, Vec<&'a Body>>,
    /// Where the scope of a module stands.
    modules: HashMap<&'a str, (&'a File<'a>, usize)>,
}

/// Where a path stands.
#[derive(Clone, Copy)]
pub(super) struct Here<'a> {
    pub(super) place: &'a Place,
    /// `crate::module`
    pub(super) module: &'a str,
    /// `crate::module::Type` in an `impl`; else what stands around the function.
    pub(super) owner: &'a str,
}

impl<'a> Here<'a> {
    pub(super) fn of(body: &'a Body) -> Self {
        let owner = body.path.rsplit_once("::").map_or("", |(owner, _)| owner);
        Self { place: &body.place, module: &body.module, owner }
    }
}

impl<'a> Names<'a> {
    pub(super) fn new(program: &'a Program, files: &'a Files<'a>) -> Self {
        let mut names = Self { files, functions: HashMap::new(), modules: HashMap::new() };
        for body in &program.bodies {
            names.functions.entry(&body.path).or_default().push(body);
            names.stands(&body.module, &body.place);
        }
        for declared in &program.declared {
            names.stands(&declared.module, &declared.place);
        }
        names
    }

    fn stands(&mut self, module: &'a str, place: &Place) {
        let Some(file) = self.files.get(&place.file) else { return };
        let scope = file.scope_at(place);
        let module_scope = std::iter::successors(Some(scope), |at| file.scopes[*at].outer);
        let module_scope = module_scope.into_iter().find(|at| file.scopes[*at].is_module).unwrap_or(0);
        self.modules.entry(module).or_insert((file, module_scope));
    }

    /// The functions that `path` may name: those of its first meaning that has any.
    pub(super) fn functions(&self, path: &syn::Path, here: Here<'_>) -> &[&'a Body] {
        let meanings = self.meanings(path, here);
        meanings.iter().find_map(|meaning| self.function(meaning)).unwrap_or_default()
    }

    /// The functions of that full path.
    pub(super) fn function(&self, path: &str) -> Option<&[&'a Body]> {
        self.functions.get(path).map(Vec::as_slice)
    }

    /// The full paths that `path` may stand for: one, unless globs make it several.
    pub(super) fn meanings(&self, path: &syn::Path, here: Here<'_>) -> Vec<String> {
        let written: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if path.leading_colon.is_some() {
            return vec![written.join("::")];
        }
        let Some(first) = written.first() else { return Vec::new() };
        if first == "Self" && !here.owner.is_empty() {
            return vec![join(here.owner, &written[1..])];
        }
        // A block has imports of its own.
        let start = path.segments[0].ident.span().start();
        let at = Place { file: here.place.file.clone(), line: start.line, column: start.column + 1 };
        let around = self.files.get(&here.place.file).map(|file| (file, file.scope_at(&at)));
        self.follow(around, here.module, &written, MOST_STEPS)
    }

    /// The text of the file `place` is in.
    pub(super) fn text(&self, place: &Place) -> &'a str {
        self.files.get(&place.file).map_or("", |file| file.text)
    }

    /// Whether something of the crate `name` is imported where `place` is.
    pub(super) fn imports(&self, place: &Place, name: &str) -> bool {
        let Some(file) = self.files.get(&place.file) else { return false };
        let first_is = |path: &Vec<String>| path.first().is_some_and(|first| first == name);
        let mut scopes = file.outwards(file.scope_at(place));
        scopes.any(|scope| scope.imports.values().chain(&scope.globs).any(first_is))
    }

    /// What `written` stands for in `module`, whose innermost scope is `around`.
    fn follow(
        &self,
        around: Option<(&File<'_>, usize)>,
        module: &str,
        written: &[String],
        steps: usize,
    ) -> Vec<String> {
        let as_written = || self.elsewhere(&written.join("::"), steps);
        let Some((first, rest)) = written.split_first().filter(|_| steps > 0) else { return as_written() };
        match first.as_str() {
            "crate" => return self.elsewhere(&join(crate_of(module), rest), steps),
            "self" => return self.elsewhere(&join(module, rest), steps),
            "super" => {
                let outer = module.rsplit_once("::").map_or(module, |(outer, _)| outer);
                return self.follow(self.module(outer), outer, &with("self", rest), steps);
            }
            _ => {}
        }
        let Some((file, scope)) = around else { return as_written() };
        let mut globs = Vec::new();
        for scope in file.outwards(scope) {
            if let Some(path) = scope.imports.get(first) {
                // `use tokio::spawn as tokio` would lead to itself.
                let outside = path.first() == Some(first);
                let path: Vec<String> = path.iter().chain(rest).cloned().collect();
                return if outside {
                    self.elsewhere(&path.join("::"), steps)
                } else {
                    self.follow(around, module, &path, steps - 1)
                };
            }
            if scope.items.contains(first) {
                return self.elsewhere(&join(module, written), steps);
            }
            globs.extend(scope.globs.iter().map(|glob| glob.iter().chain(written).cloned().collect::<Vec<_>>()));
        }
        let mut meanings = as_written();
        for glob in globs.iter().filter(|glob| glob.first() != Some(first)) {
            meanings.extend(self.follow(around, module, glob, steps.min(2) - 1));
        }
        meanings
    }

    /// What the full path `path` stands for, which may be a re-export.
    fn elsewhere(&self, path: &str, steps: usize) -> Vec<String> {
        let Some((module, name)) = path.rsplit_once("::").filter(|_| steps > 1) else { return vec![path.to_owned()] };
        let Some((file, scope)) = self.module(module) else { return vec![path.to_owned()] };
        match file.scopes[scope].imports.get(name) {
            Some(target) if target.as_slice() != [name] => self.follow(Some((file, scope)), module, target, steps - 1),
            _ => vec![path.to_owned()],
        }
    }

    fn module(&self, module: &str) -> Option<(&File<'_>, usize)> {
        self.modules.get(module).copied()
    }
}

fn join(path: &str, rest: &[String]) -> String {
    rest.iter().fold(path.to_owned(), |path, segment| path + "::" + segment)
}

fn with(first: &str, rest: &[String]) -> Vec<String> {
    [first.to_owned()].into_iter().chain(rest.iter().cloned()).collect()
}
