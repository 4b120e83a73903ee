//! The rules: what each change is, whom it breaks, and what to do. `spanwright catalog --explain RULE` prints these.

use std::fmt;

use serde::Serialize;

/// How much a change asks of those who read the spans, least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Nothing they could notice.
    Patch,
    /// There is more than before, or less is captured.
    Minor,
    /// What they read is gone, means something else, or shows more of the user than was agreed.
    Breaking,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Patch => "patch",
            Self::Minor => "minor",
            Self::Breaking => "breaking",
        })
    }
}

macro_rules! rules {
    ($(
        $(#[doc = $what:literal])+
        $rule:ident, $id:literal, $severity:ident, why: $why:literal, remedy: $remedy:literal;
    )+) => {
        /// What kind of change it is. In the order in which changes of one severity are printed.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        pub enum Rule {
            $($(#[doc = $what])+ #[serde(rename = $id)] $rule,)+
        }

        impl Rule {
            /// All of them, the breaking ones first.
            pub const ALL: &[Self] = &[$(Self::$rule),+];

            /// Its name, in kebab case.
            pub fn id(self) -> &'static str {
                match self { $(Self::$rule => $id,)+ }
            }

            /// How much a change of this kind asks of those who read the spans.
            pub fn severity(self) -> Severity {
                match self { $(Self::$rule => Severity::$severity,)+ }
            }

            /// What it is, a sentence or two.
            pub fn what(self) -> &'static str {
                match self { $(Self::$rule => concat!($($what),+).trim_ascii(),)+ }
            }

            /// Whom it breaks, or why it breaks nobody.
            pub fn why(self) -> &'static str {
                match self { $(Self::$rule => $why,)+ }
            }

            /// What to do.
            pub fn remedy(self) -> &'static str {
                match self { $(Self::$rule => $remedy,)+ }
            }
        }
    };
}

rules! {
    /// A declared span has another id, or a function without a declaration has another name. It is recognised by its
    /// functions, its declaration, its name, its attributes, what it captures and its doc.
    SpanRenamed, "span-renamed", Breaking,
    why: "Dashboards, alerts and evaluations that select spans by id, or by display name where there is no id, find \
          none.",
    remedy: "Keep the id: it is free to differ from the name and the path of the code. For a function without a \
             declaration, give the former name with `name = \"…\"`.";

    /// A span that was declared is made by a function without a declaration.
    SpanUndeclared, "span-undeclared", Breaking,
    why: "Its id is no longer sent, its attributes have no promised types and its place in the tree is free.",
    remedy: "Keep the declaration and name it in the function's attribute: `span = path::to::Declared`.";

    /// A span is gone.
    SpanRemoved, "span-removed", Breaking,
    why: "Whatever selects it finds none, and its children hang elsewhere.",
    remedy: "Say so to those who read it; keep the declaration for as long as an older version of the program runs.";

    /// A span's display name differs.
    NameChanged, "name-changed", Breaking,
    why: "MLflow searches, groups and shows spans by this name; saved searches and evaluations that look for the \
          former one find none.",
    remedy: "Give the former name with `name = \"…\"`, or change the searches together with it.";

    /// A span is of another kind.
    KindChanged, "kind-changed", Breaking,
    why: "Inputs, outputs and facts have another shape, and views of that kind lose the span.",
    remedy: "Keep the kind, or declare a span of its own for the new one.";

    /// A span is of another MLflow span type.
    SpanTypeChanged, "span-type-changed", Breaking,
    why: "MLflow chooses its view, its token counts and its judges by span type.",
    remedy: "Give the former type with `span_type = \"…\"`, or adapt evaluations that select by it.";

    /// No function makes a span any more, though it is declared.
    ImplementationRemoved, "implementation-removed", Breaking,
    why: "The span is never seen again, as if it were removed.",
    remedy: "Name it in the attribute of the function that does this work now: `span = path::to::Declared`.";

    /// A span exists only under a condition of compilation that was not there before.
    ConditionAdded, "condition-added", Breaking,
    why: "Programs built without that condition no longer have the span.",
    remedy: "Switch the condition on where the span is read, or declare the span without it.";

    /// An attribute is gone.
    AttributeRemoved, "attribute-removed", Breaking,
    why: "Charts and filters over it are empty.",
    remedy: "Keep it, or change those who read it first.";

    /// An attribute has another key. It is recognised by its type, its doc and the words of the key.
    AttributeRenamed, "attribute-renamed", Breaking,
    why: "Charts and filters over the former key are empty.",
    remedy: "Keep the key, or declare and set both until nobody reads the former one.";

    /// An attribute is of another type.
    AttributeRetyped, "attribute-retyped", Breaking,
    why: "Comparisons and sums over it fail, or mix two types under one key.",
    remedy: "Declare an attribute with another key for the new type.";

    /// A span may no longer stand where it stood.
    ParentChanged, "parent-changed", Breaking,
    why: "Whatever walks the tree, such as costs by parent, judges of a subtree and tree assertions, looks in the \
          wrong place.",
    remedy: "Keep the former parent in `parents(…)` if the span can still stand there.";

    /// More content is captured: a level was raised, a parameter is newly captured, or a redaction or `skip` was
    /// lifted.
    MoreCaptured, "more-captured", Breaking,
    why: "What users said or own may reach the store and the server, where it did not before.",
    remedy: "`skip` or `redact` the parameter or lower the level, unless whoever answers for privacy agrees.";

    /// An input is captured in another form: by `Debug`, as its value, or by an expression.
    CaptureReshaped, "capture-reshaped", Breaking,
    why: "Evaluations and searches that read this input meet text where they expect an object, or the other way round.",
    remedy: "Keep the form, or add the other one under a name of its own with `inputs(key = …)`.";

    /// A tag, the session, the user or another fact of each call is no longer said.
    FactRemoved, "fact-removed", Breaking,
    why: "Filters and groups by it, such as all traces of a session, no longer have these spans.",
    remedy: "Keep it, or change those who filter by it first.";

    /// A span is new.
    SpanAdded, "span-added", Minor,
    why: "Nobody reads it yet. Trees get one more span.",
    remedy: "Nothing.";

    /// A function that had no declaration has one now.
    SpanDeclared, "span-declared", Minor,
    why: "Without a declaration the span was known by its display name alone; that another one was given is said on \
          its own. From now on it has an id, and what its declaration promises.",
    remedy: "Nothing.";

    /// A declared span that no function made is made now.
    ImplementationAdded, "implementation-added", Minor,
    why: "Nobody could read it before.",
    remedy: "Nothing.";

    /// A span no longer depends on a condition of compilation.
    ConditionLifted, "condition-lifted", Minor,
    why: "More programs have the span.",
    remedy: "Nothing.";

    /// An attribute is new.
    AttributeAdded, "attribute-added", Minor,
    why: "Nobody reads it yet.",
    remedy: "Nothing.";

    /// A span may stand in more places than before.
    ParentAdded, "parent-added", Minor,
    why: "It can still stand where it stood.",
    remedy: "Nothing, unless an evaluation counts on its place.";

    /// Less content is captured: a level was lowered, or a parameter is skipped, redacted or gone.
    LessCaptured, "less-captured", Minor,
    why: "Nothing new is shown of anybody. An evaluation that reads the input or output finds less.",
    remedy: "Look for evaluations that read it.";

    /// A tag, the session, the user or another fact is said at each call, and was not before.
    FactAdded, "fact-added", Minor,
    why: "Nobody reads it yet.",
    remedy: "Nothing, unless it says of people what should not be kept.";

    /// A function without a declaration is in another module, type or crate, under the same display name.
    SpanMoved, "span-moved", Patch,
    why: "The path of the code is never sent; the span is known by its display name.",
    remedy: "Nothing.";

    /// Only names of inputs differ, at level `keys` or where only a marker is kept; no content is captured of them.
    KeysChanged, "keys-changed", Patch,
    why: "These names are for people.",
    remedy: "Nothing.";

    /// The doc text of a span or of an attribute differs.
    DocChanged, "doc-changed", Patch,
    why: "It is for people.",
    remedy: "Nothing.";
}

impl Rule {
    /// The rule of that name.
    pub fn named(id: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|rule| rule.id() == id)
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.id())
    }
}
