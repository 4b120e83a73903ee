//! `duplicate-id`: one id, two spans.

use std::collections::BTreeMap;

use super::{Found, Input, Level, Rule, cfg, last_name};
use crate::catalog::{Place, id};

pub(super) static RULE: Rule = Rule {
    id: "duplicate-id",
    level: Level::Deny,
    explanation: "\
An id is what tells spans apart in the lock and over renames, and two declarations have the same
one. Within one `spans!` the compiler says so; this looks over all modules and crates of the
workspace.

    pub node Plan(id = \"home.plan\");        // in one module
    pub node Replan(id = \"home.plan\");      // found, in another

A declared id is also compared with the ids that functions without a declaration have,
`crate.module.Type.function`.

Fine are two declarations of which the program never has both: their conditions are `x` and
`not(x)`, or two values of `target_os` and the like.

Not seen: declarations in packages outside of the workspace.",
};

struct Holder<'a> {
    place: &'a Place,
    name: String,
    cfg: &'a [String],
    declared: bool,
}

pub(super) fn check(input: &Input<'_>) -> Vec<Found> {
    let holders = holders(input);
    let mut found = Vec::new();
    for (id, holders) in &holders {
        for (at, holder) in holders.iter().enumerate() {
            let clashes = |other: &&Holder<'_>| {
                // Two functions of one path are told apart by the catalog.
                (other.declared || holder.declared)
                    && other.place != holder.place
                    && !cfg::exclude(other.cfg, holder.cfg)
            };
            let Some(other) = holders[..at].iter().find(clashes) else { continue };
            let (message, hint) = if holder.declared {
                let message = format!("the id `{id}` is that of `{}` too ({})", other.name, other.place);
                (message, "give one of them another id; the older one keeps its own".to_owned())
            } else {
                let message =
                    format!("the id of this function, `{id}`, is declared for `{}` ({})", other.name, other.place);
                (message, format!("tie it to the declaration by `span = …::{}`, or give that another id", other.name))
            };
            found.push(Found::named(holder.place, &holder.name, message, hint));
        }
    }
    found
}

/// Who has which id: declarations in the order of the source, then functions.
fn holders<'a>(input: &Input<'a>) -> BTreeMap<String, Vec<Holder<'a>>> {
    let mut holders: BTreeMap<String, Vec<Holder<'a>>> = BTreeMap::new();
    for declared in &input.program.declared {
        let Ok(declaration) = &declared.declaration else { continue };
        for (span, place) in declaration.spans.iter().zip(&declared.places) {
            let holder = Holder { place, name: span.ident.to_string(), cfg: &declared.cfg, declared: true };
            holders.entry(span.id.value()).or_default().push(holder);
        }
    }
    for annotated in input.program.annotated.iter().filter(|annotated| annotated.span.is_none()) {
        let id = id::of_path(&annotated.path);
        if let Some(holders) = holders.get_mut(&id) {
            let name = last_name(&annotated.path).to_owned();
            holders.push(Holder { place: &annotated.place, name, cfg: &annotated.cfg, declared: false });
        }
    }
    holders
}
