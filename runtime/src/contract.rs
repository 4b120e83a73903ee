//! Declared spans at run time: what `spans!` says of each, as constants.

/// The spans of one `spans!`, as the item `CONTRACT` of the module it stands in.
#[derive(Clone, Copy, Debug)]
pub struct Contract {
    /// Its spans in the order of the source.
    pub spans: &'static [&'static DeclaredSpan],
}

/// One declared span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeclaredSpan {
    /// Immutable identity, in the grammar of OTLP span types.
    pub id: &'static str,
    /// Display name.
    pub name: &'static str,
    /// The word of the attribute that makes it.
    pub kind: &'static str,
    /// MLflow span type.
    pub span_type: &'static str,
    /// Ids of the spans it may stand under, the empty text for none; `None`: anywhere.
    pub parents: Option<&'static [&'static str]>,
    /// Whether no span may stand under it.
    pub leaf: bool,
    /// Its attributes.
    pub attributes: &'static [DeclaredAttribute],
}

/// An attribute of a declared span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeclaredAttribute {
    /// Its name on the wire.
    pub key: &'static str,
    /// `bool`, `int`, `double`, `string`, `bool[]`, `int[]`, `double[]`, `string[]` or `any`.
    pub ty: &'static str,
}
