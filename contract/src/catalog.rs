//! Every span of a source tree, as data: what `spanwright catalog --format json` prints.

use serde::{Deserialize, Serialize};

pub(crate) mod id;
mod list;

pub use crate::place::{Place, Unresolved};
pub use list::catalog;

/// All spans found in a workspace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Catalog {
    /// The version of this format: 1.
    pub version: u32,
    /// Sorted by id, then by place.
    pub spans: Vec<Span>,
    /// Places that may hold spans and could not be followed, sorted by place.
    pub unresolved: Vec<Unresolved>,
    /// Attributes and declarations that do not compile, sorted by place.
    pub mistakes: Vec<Mistake>,
}

/// One span: a declared one with the functions tied to it, or an annotated function without a declaration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// The declared id; else `crate.module.Type.function`, in the grammar of OTLP span types.
    pub id: String,
    /// Display name.
    pub name: String,
    /// The word of the attribute: `workflow`, `node`, …
    pub kind: String,
    /// MLflow span type.
    pub span_type: String,
    /// Where it is declared, as a path from its crate; `None` for an annotated function without a declaration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub declared: Option<String>,
    /// Ids of the spans it may stand under, `root` for none; `None`: anywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parents: Option<Vec<String>>,
    /// Attributes, in the order of their declaration, then those that only functions set.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attributes: Vec<Attribute>,
    /// The text of its doc comment.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub doc: String,
    /// Conditions of compilation of the declaration: `feature = "mail"`, `test`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cfg: Vec<String>,
    /// Where the declaration, or the function, stands.
    pub place: Place,
    /// The annotated functions that make it, sorted by place; none where a declaration is not implemented.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub functions: Vec<Function>,
}

/// An attribute of a span.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attribute {
    /// Its name on the wire: `entity_count`, `gen_ai.request.temperature`.
    pub key: String,
    /// `bool`, `int`, `double`, `string`, `bool[]`, `int[]`, `double[]`, `string[]` or `any`.
    #[serde(rename = "type")]
    pub ty: String,
    /// The text of its doc comment.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub doc: String,
}

/// An annotated function.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Function {
    /// `crate::module::Type::function`.
    pub path: String,
    /// Where its name stands.
    pub place: Place,
    /// How much of the inputs is captured: `none`, `keys`, `preview` or `full`.
    pub inputs: String,
    /// How much of the output is captured.
    pub output: String,
    /// Captured parameters in declaration order, then `inputs(…)`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub captured: Vec<Captured>,
    /// Parameters left out by `skip`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skipped: Vec<String>,
    /// What else the attribute says at each call: `session`, `user`, `tag.home`, `model`, …
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub facts: Vec<String>,
    /// Conditions of compilation, outermost first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cfg: Vec<String>,
    /// The text of its doc comment.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub doc: String,
}

/// A value that is captured at each call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Captured {
    /// Its name in the span's inputs.
    pub name: String,
    /// `value`, `debug`, `redacted` (a marker in its place) or `expression` (from `inputs(…)`).
    pub view: String,
    /// Conditions under which the parameter exists.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cfg: Vec<String>,
}

/// An attribute or declaration that does not compile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mistake {
    /// Where.
    pub place: Place,
    /// What the compiler would say.
    pub message: String,
}
