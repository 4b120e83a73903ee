//! Whether two things can be compiled into one program.

use syn::punctuated::Punctuated;
use syn::{Meta, Token};

/// Keys of which a target has one value.
const ONE_VALUE: &[&str] =
    &["target_os", "target_arch", "target_env", "target_vendor", "target_endian", "target_pointer_width", "panic"];

/// Whether the conditions `a` and `b` obviously exclude each other: `x` and `not(x)`, or two values of what has one.
pub(super) fn exclude(a: &[String], b: &[String]) -> bool {
    let (a, b) = (facts(a), facts(b));
    a.iter().any(|one| b.iter().any(|other| one.excludes(other)))
}

/// A condition that holds, or does not.
struct Fact {
    holds: bool,
    condition: String,
}

impl Fact {
    fn excludes(&self, other: &Self) -> bool {
        if self.condition == other.condition {
            return self.holds != other.holds;
        }
        let (Some((key, _)), Some((other_key, _))) = (self.condition.split_once('='), other.condition.split_once('='))
        else {
            return false;
        };
        self.holds && other.holds && key == other_key && ONE_VALUE.contains(&key)
    }
}

/// All that `conditions` demand together.
fn facts(conditions: &[String]) -> Vec<Fact> {
    let mut facts = Vec::new();
    for condition in conditions {
        match syn::parse_str::<Meta>(condition) {
            Ok(meta) => collect(&meta, true, &mut facts),
            Err(_) => facts.push(Fact { holds: true, condition: packed(condition) }),
        }
    }
    facts
}

/// `all(a, b)` demands a and b; `not(any(a, b))` demands neither.
fn collect(meta: &Meta, holds: bool, facts: &mut Vec<Fact>) {
    let inner = |meta: &Meta| match meta {
        Meta::List(list) => list.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated).ok(),
        _ => None,
    };
    let apart = if holds { "all" } else { "any" };
    match inner(meta) {
        Some(parts) if meta.path().is_ident(apart) => parts.iter().for_each(|part| collect(part, holds, facts)),
        Some(parts) if meta.path().is_ident("not") => parts.iter().for_each(|part| collect(part, !holds, facts)),
        _ => facts.push(Fact { holds, condition: packed(&quote::quote!(#meta).to_string()) }),
    }
}

fn packed(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace()).collect()
}

#[cfg(test)]
mod tests {
    use super::exclude;

    #[test]
    fn only_what_cannot_be_compiled_together_excludes() {
        let list = |text: &str| vec![text.to_owned()];
        for (a, b, excluded) in [
            ("unix", "not(unix)", true),
            ("feature = \"a\"", "not(feature=\"a\")", true),
            ("all(unix, feature = \"a\")", "not(feature = \"a\")", true),
            ("unix", "not(any(unix, windows))", true),
            ("target_os = \"linux\"", "target_os = \"macos\"", true),
            ("feature = \"a\"", "feature = \"b\"", false),
            ("unix", "unix", false),
            ("any(unix, test)", "not(unix)", false),
            ("unix", "not(all(unix, test))", false),
        ] {
            assert_eq!(exclude(&list(a), &list(b)), excluded, "{a} / {b}");
            assert_eq!(exclude(&list(b), &list(a)), excluded, "{b} / {a}");
        }
        assert!(!exclude(&[], &list("unix")));
    }
}
