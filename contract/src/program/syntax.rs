//! What a source file is made of, as far as spans can depend on it: names, modules, and functions whose bodies stay tokens.

use std::rc::Rc;

use proc_macro2::TokenStream;

/// A line and column from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Position {
    pub line: usize,
    pub column: usize,
}

/// Some item, or what may be one.
#[derive(Debug)]
pub(super) struct Node {
    /// Where its name stands, else where it begins.
    pub position: Position,
    /// Its own conditions of compilation.
    pub cfg: Vec<String>,
    /// Who sees its name.
    pub visibility: Visibility,
    /// Attributes that may be ours.
    pub attributes: Vec<Attribute>,
    /// The item without its attributes; for functions, and for what has attributes that may be ours.
    pub item: TokenStream,
    /// Its outer attributes, as written.
    pub written: Rc<[TokenStream]>,
    /// The text of its doc comment.
    pub doc: String,
    /// What it is.
    pub what: What,
}

/// A list of items that share names.
pub(super) type Nodes = Rc<[Node]>;

#[derive(Debug)]
pub(super) enum What {
    /// `mod name { … }`
    Inline { name: String, path: Option<ModulePath>, cfg: Vec<String>, items: Nodes },
    /// `mod name;`
    File { name: String, paths: Vec<ModulePath> },
    /// `use …;`
    Import(Vec<Import>),
    /// `extern crate name as alias;`
    ExternCrate { name: String, alias: String, all_macros: bool },
    /// `fn name`
    Function { name: String, has_body: bool, inner: Nodes },
    /// `impl … { … }`, `trait … { … }`, `extern { … }`: functions, with what stands before their names.
    Members { prefix: Vec<String>, type_name: Option<String>, items: Nodes },
    /// Items that only what stands beside them sees: a block of a body, `const _: () = { … };`.
    Block(Nodes),
    /// `struct`, `enum`, `union`, `type`.
    Type { name: String },
    /// `macro_rules! name { … }`
    Rules { name: String, exported: bool, tokens: TokenStream, last_line: usize },
    /// `path!(…)`
    Call { path: NamePath, tokens: TokenStream, last_line: usize },
    /// What the parser refused.
    Unreadable { why: String, last_line: usize },
    /// Nothing that a name leads to.
    Other,
}

/// `#[path = "…"]`
#[derive(Clone, Debug)]
pub(super) struct ModulePath {
    /// Its text; `None` where that is not written out.
    pub text: Option<String>,
    /// The conditions of a `cfg_attr`.
    pub cfg: Vec<String>,
}

/// An attribute that may be ours.
#[derive(Debug)]
pub(super) struct Attribute {
    pub path: NamePath,
    pub position: Position,
    pub args: TokenStream,
    /// The conditions of a `cfg_attr`.
    pub cfg: Vec<String>,
    /// Which of the outer attributes it is.
    pub index: usize,
}

/// A path without generic arguments.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct NamePath {
    pub leading_colon: bool,
    pub segments: Vec<String>,
}

impl NamePath {
    pub fn last(&self) -> &str {
        self.segments.last().map_or("", String::as_str)
    }
}

impl std::fmt::Display for NamePath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let colons = if self.leading_colon { "::" } else { "" };
        write!(f, "{colons}{}", self.segments.join("::"))
    }
}

/// One name that a `use` brings in.
#[derive(Clone, Debug)]
pub(super) struct Import {
    pub path: NamePath,
    /// Its name here; `None`: all that `path` has.
    pub name: Option<String>,
}

/// Who sees a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Visibility {
    /// The module and those in it.
    Private,
    /// `pub(crate)`, and, a little more than they say, `pub(super)` and `pub(in …)`.
    Crate,
    /// Everybody.
    Public,
}
