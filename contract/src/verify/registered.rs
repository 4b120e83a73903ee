//! What a build registers, and the same of a catalog's entries.

use serde::Deserialize;

use crate::Error;
use crate::catalog::{Attribute, Captured, Function, Place, Span};

/// One expansion of an attribute or of a declared span, as a compiler process registered it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Registered {
    /// The folder of the package that was compiled.
    pub package: String,
    /// The crate's name.
    #[serde(rename = "crate")]
    pub crate_name: String,
    /// Where the name stands; the file is absolute.
    pub place: Place,
    /// Where the attribute or macro stands; the file is absolute.
    pub attribute: Place,
    /// Whether its package is one the catalog was asked for; of others it has only the declarations that these use.
    #[serde(skip)]
    pub is_selected: bool,
    /// What it is.
    #[serde(flatten)]
    pub facts: Facts,
}

/// What both sides know of an annotated function or a declared span.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Facts {
    /// An annotated function.
    Annotated {
        /// The word of the attribute.
        kind: String,
        /// The function's name.
        function: String,
        /// What `span = path` says; in a catalog the declared path.
        #[serde(default)]
        span: Option<String>,
        /// Display name; `None` where the declaration says it.
        #[serde(default)]
        name: Option<String>,
        /// Span type; `None` where the declaration says it.
        #[serde(default)]
        span_type: Option<String>,
        /// How much of the inputs is captured.
        inputs: String,
        /// How much of the output is captured.
        output: String,
        /// Captured values.
        captured: Vec<Captured>,
        /// Parameters left out.
        skipped: Vec<String>,
        /// What else is said.
        facts: Vec<String>,
    },
    /// A declared span.
    Declared {
        /// The item's name.
        item: String,
        /// Its id.
        id: String,
        /// The word of the attribute that makes it.
        kind: String,
        /// Display name.
        name: String,
        /// Span type.
        span_type: String,
        /// Ids of the spans it may stand under, `path …` for what only the compiler can resolve; `None`: anywhere.
        #[serde(default)]
        parents: Option<Vec<String>>,
        /// Keys and types of its attributes.
        attributes: Vec<(String, String)>,
    },
}

impl Registered {
    /// The records in `text`, one a line; `file` is its name for messages.
    ///
    /// # Errors
    ///
    /// If a line is none.
    pub fn parse(text: &str, file: &str) -> Result<Vec<Self>, Error> {
        let read = |line| {
            serde_json::from_str(line).map_err(|error| {
                let advice = "build with the version of spanwright that this program has";
                Error::because(format!("what the build registered in {file} is not understood: {advice}"), error)
            })
        };
        text.lines().map(read).collect()
    }
}

impl Facts {
    /// The facts of a catalog's function.
    pub fn of_function(span: &Span, function: &Function) -> Self {
        let declared = span.declared.is_some();
        let own = |text: &String| (!declared).then(|| text.clone());
        Self::Annotated {
            kind: span.kind.clone(),
            function: last(&function.path),
            span: span.declared.clone(),
            name: own(&span.name),
            span_type: own(&span.span_type),
            inputs: function.inputs.clone(),
            output: function.output.clone(),
            captured: function.captured.clone(),
            skipped: function.skipped.clone(),
            facts: function.facts.clone(),
        }
    }

    /// The facts of a catalog's declared span, which stands at `path`.
    pub fn of_declared(span: &Span, path: &str) -> Self {
        let attribute = |Attribute { key, ty, .. }: &Attribute| (key.clone(), ty.clone());
        Self::Declared {
            item: last(path),
            id: span.id.clone(),
            kind: span.kind.clone(),
            name: span.name.clone(),
            span_type: span.span_type.clone(),
            parents: span.parents.clone(),
            attributes: span.attributes.iter().map(attribute).collect(),
        }
    }

    /// The function's or item's own name.
    pub fn name(&self) -> &str {
        match self {
            Self::Annotated { function, .. } => function,
            Self::Declared { item, .. } => item,
        }
    }

    /// Whether a build's facts are those of the catalog. What only name resolution knows, the build says as it is
    /// written, and it is not compared.
    pub fn agrees_with(&self, catalog: &Self) -> bool {
        self.words(catalog).iter().all(|(_, build, catalog)| build == catalog)
    }

    /// What is different, seen from the catalog.
    pub fn difference(&self, build: &Self) -> String {
        let words = build.words(self);
        let different = words.iter().filter(|(_, build, catalog)| build != catalog);
        let said = different.map(|(what, build, catalog)| {
            format!("{what} is {} in the catalog and {} in the build", shown(catalog), shown(build))
        });
        said.collect::<Vec<_>>().join("; ")
    }

    /// Each fact as text: of this side, which is the build's, and of the catalog's.
    fn words(&self, catalog: &Self) -> Vec<(&'static str, String, String)> {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        match (self, catalog) {
            (
                Self::Annotated { kind, function, span, name, span_type, inputs, output, captured, skipped, facts },
                Self::Annotated {
                    kind: kind2,
                    function: function2,
                    span: span2,
                    name: name2,
                    span_type: span_type2,
                    inputs: inputs2,
                    output: output2,
                    captured: captured2,
                    skipped: skipped2,
                    facts: facts2,
                },
            ) => vec![
                ("kind", kind.clone(), kind2.clone()),
                ("the function's name", function.clone(), function2.clone()),
                ("being declared", span.is_some().to_string(), span2.is_some().to_string()),
                ("name", text(name), text(name2)),
                ("span type", text(span_type), text(span_type2)),
                ("capture", inputs.clone(), inputs2.clone()),
                ("output", output.clone(), output2.clone()),
                ("what is captured", values(captured), values(captured2)),
                ("what is skipped", skipped.join(", "), skipped2.join(", ")),
                ("what else is said", facts.join(", "), facts2.join(", ")),
            ],
            (
                Self::Declared { item, id, kind, name, span_type, parents, attributes },
                Self::Declared {
                    item: item2,
                    id: id2,
                    kind: kind2,
                    name: name2,
                    span_type: span_type2,
                    parents: parents2,
                    attributes: attributes2,
                },
            ) => {
                let (parents, parents2) = resolved(parents.as_deref(), parents2.as_deref());
                vec![
                    ("the item", item.clone(), item2.clone()),
                    ("id", id.clone(), id2.clone()),
                    ("kind", kind.clone(), kind2.clone()),
                    ("name", name.clone(), name2.clone()),
                    ("span type", span_type.clone(), span_type2.clone()),
                    ("parents", parents, parents2),
                    // Beside the declared ones the catalog lists what only functions set.
                    ("attributes", pairs(attributes), pairs(&attributes2[..attributes.len().min(attributes2.len())])),
                ]
            }
            (build, catalog) => vec![("being a declaration", build.is_declared(), catalog.is_declared())],
        }
    }

    fn is_declared(&self) -> String {
        matches!(self, Self::Declared { .. }).to_string()
    }
}

/// The last segment of a path.
fn last(path: &str) -> String {
    path.rsplit("::").next().unwrap_or(path).to_owned()
}

fn shown(text: &str) -> String {
    if text.is_empty() { "nothing".to_owned() } else { format!("`{text}`") }
}

fn values(captured: &[Captured]) -> String {
    let one = |Captured { name, view, cfg }: &Captured| {
        let conditions: String = cfg.iter().map(|condition| format!(" cfg({condition})")).collect();
        if view == "value" { format!("{name}{conditions}") } else { format!("{name} ({view}){conditions}") }
    };
    captured.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn pairs(attributes: &[(String, String)]) -> String {
    attributes.iter().map(|(key, ty)| format!("{key}: {ty}")).collect::<Vec<_>>().join(", ")
}

/// Parents of both sides as text; where the build says `path …`, the catalog's id is taken for it.
fn resolved(build: Option<&[String]>, catalog: Option<&[String]>) -> (String, String) {
    let said = |parents: Option<&[String]>| parents.map_or_else(|| "anywhere".to_owned(), |ids| ids.join(", "));
    let (Some(ids), Some(known)) = (build, catalog) else { return (said(build), said(catalog)) };
    let resolved: Vec<String> = ids
        .iter()
        .enumerate()
        .map(|(index, id)| if id.starts_with("path ") { known.get(index).unwrap_or(id).clone() } else { id.clone() })
        .collect();
    (said(Some(&resolved)), said(catalog))
}
