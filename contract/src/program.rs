//! A source tree as the compiler would see it: crates, modules, names; the annotated functions and the declared spans in it.
//!
//! In: a workspace. Out: syntax with places, in the order of crates, then files, then lines. Nothing is expanded and nothing is built.

use std::path::PathBuf;

use proc_macro2::TokenStream;
use spanwright_macros_core::{Errors, Kind, model};

use crate::catalog::{Place, Unresolved};

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
    /// Every function with a body, annotated or not, nested ones too.
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
