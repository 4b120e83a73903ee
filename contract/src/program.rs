//! A source tree as the compiler would see it: crates, modules, names; the annotated functions and the declared spans in it.
//!
//! In: a workspace. Out: syntax with places, in the order of crates, then files, then lines. Nothing is expanded and nothing is built.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use proc_macro2::TokenStream;
use spanwright_macros_core::{Errors, Kind, model};

use crate::Error;
use crate::place::{Place, Unresolved};
use crate::workspace::Workspace;

mod attributes;
mod collect;
mod items;
mod names;
mod opaque;
mod shorten;
mod source;
mod syntax;
mod tree;

/// Which workspace, and what of it.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// A folder inside the workspace, or a `Cargo.toml`; empty: the working folder.
    pub manifest: PathBuf,
    /// Packages to read; empty: all members of the workspace.
    pub packages: Vec<String>,
}

/// A workspace, read.
#[derive(Debug, Default)]
pub struct Program {
    /// The workspace's root.
    pub root: PathBuf,
    /// Source files, each once, sorted by name.
    pub files: Vec<SourceFile>,
    /// Annotated functions.
    pub annotated: Vec<Annotated>,
    /// `spans!` declarations.
    pub declared: Vec<Declared>,
    /// Every function with a body, annotated or not, nested ones too; none after [`outline`].
    pub bodies: Vec<Body>,
    /// What could not be followed.
    pub unresolved: Vec<Unresolved>,
}

/// The text of a source file: comments are nowhere else.
#[derive(Clone, Debug)]
pub struct SourceFile {
    /// From the workspace's root, with `/`.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// An annotated function.
#[derive(Debug)]
pub struct Annotated {
    /// `crate::module::Type::function`.
    pub path: String,
    /// Where the function's name stands.
    pub place: Place,
    /// Where the attribute stands.
    pub attribute: Place,
    /// Whether another of our attributes stands above this one.
    pub stacked: bool,
    /// Conditions of compilation, outermost first: of the crate's target, the modules, the impl, the function, and `cfg_attr`.
    pub cfg: Vec<String>,
    /// Which attribute.
    pub kind: Kind,
    /// Its arguments.
    pub args: TokenStream,
    /// The function without the attribute, as the macro gets it.
    pub item: TokenStream,
    /// Whether it stands in an `impl` or `trait`, where it may say `self`.
    pub is_associated: bool,
    /// What the macro makes of it.
    pub plan: Result<model::Plan, Errors>,
    /// For `span = path`: the declaration it names, as an index into `Program::declared` and one into its spans.
    pub span: Option<(usize, usize)>,
    /// The text of its doc comment.
    pub doc: String,
}

/// One `spans!` invocation.
#[derive(Debug)]
pub struct Declared {
    /// The module it stands in: `crate::module`.
    pub module: String,
    /// Where the macro's name stands.
    pub place: Place,
    /// Conditions of compilation, outermost first.
    pub cfg: Vec<String>,
    /// What stands between its brackets.
    pub tokens: TokenStream,
    /// What it declares.
    pub declaration: Result<model::Declaration, Errors>,
    /// Places of its spans, by index.
    pub places: Vec<Place>,
    /// For each span, what it may stand under: as `DeclaredSpan::parents`, with paths followed; those that lead nowhere are in `Program::unresolved`.
    pub parents: Vec<Option<Vec<ParentSpan>>>,
    /// Whether its package is asked for.
    pub is_selected: bool,
}

/// A span that another may stand under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParentSpan {
    /// None: it is the root of its trace.
    Root,
    /// An index into `Program::declared` and one into its spans.
    Declared(usize, usize),
}

/// A function with its body.
#[derive(Debug)]
pub struct Body {
    /// `crate::module::Type::function`.
    pub path: String,
    /// Where the function's name stands.
    pub place: Place,
    /// The module it stands in: `crate::module`, in which its names are resolved.
    pub module: String,
    /// Its entry in `Program::annotated`.
    pub annotated: Option<usize>,
    /// Signature.
    pub signature: syn::Signature,
    /// Body.
    pub block: syn::Block,
}

/// Reads a workspace.
///
/// # Errors
///
/// There is no workspace, Cargo cannot be asked about it, or it has no package of that name. What is wrong in its files is listed instead.
pub fn read(options: &Options) -> Result<Program, Error> {
    collect(options, true)
}

/// Reads a workspace without the bodies of its functions, which is all that a catalog needs, in a fraction of the time.
///
/// # Errors
///
/// As [`read`].
pub fn outline(options: &Options) -> Result<Program, Error> {
    collect(options, false)
}

fn collect(options: &Options, with_bodies: bool) -> Result<Program, Error> {
    let workspace = Workspace::read(&options.manifest, &options.packages)?;
    let mut sources = source::Sources::new(&workspace.root, with_bodies);
    let mut tree = tree::Tree::grow(&workspace, &mut sources);
    let program = Program { root: workspace.root.clone(), ..Program::default() };
    let mut found =
        collect::Collection { workspace: &workspace, sources: &sources, with_bodies, program, listed: HashSet::new() };
    found.declarations(&mut tree);
    found.functions(&tree);
    let mut program = found.program;
    program.files =
        sources.files.into_iter().map(|file| SourceFile { name: file.name, text: file.whole.to_string() }).collect();
    program.sort();
    Ok(program)
}

impl Program {
    fn sort(&mut self) {
        self.files.sort_by(|a, b| a.name.cmp(&b.name));
        self.annotated.sort_by(|a, b| a.attribute.cmp(&b.attribute));
        self.bodies.sort_by(|a, b| a.place.cmp(&b.place));
        self.unresolved.sort_by(|a, b| a.place.cmp(&b.place));
        let annotated: HashMap<&Place, usize> =
            self.annotated.iter().enumerate().rev().map(|(index, annotated)| (&annotated.place, index)).collect();
        for body in &mut self.bodies {
            body.annotated = annotated.get(&body.place).copied();
        }
    }
}
