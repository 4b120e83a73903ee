//! Callsites of names that are only known when a program runs: a list that only grows, so that nobody waits for anybody. Each lives as long
//! as the program, so there is a limit to how many are made.

use std::panic::Location;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::callsite::{Callsite, Kind};
use crate::diagnostics;
use crate::fork::Once;

/// Names that get a callsite of their own. Those beyond share two.
const MOST: usize = 1024;

struct Named {
    site: Callsite,
    next: Once<Named>,
}

static FIRST: Once<Named> = Once::empty();
static ARE_TOO_MANY: AtomicBool = AtomicBool::new(false);

/// Stand for those beyond.
static SOME_WORKFLOW: Callsite = Callsite::new("workflow", Kind::Workflow, &[]);
static SOME_AGENT: Callsite = Callsite::new("agent", Kind::Agent, &[]);

/// The callsite of a name; made where it is first asked for.
pub(super) fn site(name: &str, location: &'static Location<'static>) -> &'static Callsite {
    let kind = if name.to_lowercase().contains("workflow") { Kind::Workflow } else { Kind::Agent };
    let mut made = None;
    let mut place = &FIRST;
    for _ in 0..MOST {
        let named = match place.get() {
            Some(named) => named,
            None => {
                let named = *made.get_or_insert_with(|| Named::leak(name, kind, location));
                // Another thread may have been faster, with another name.
                if place.put(named) { named } else { continue }
            }
        };
        if named.site.name == name {
            return &named.site;
        }
        place = &named.next;
    }
    too_many(kind)
}

impl Named {
    fn leak(name: &str, kind: Kind, location: &'static Location<'static>) -> &'static Self {
        let mut site = Callsite::new(String::leak(name.to_owned()), kind, &[]);
        site.location = location;
        Box::leak(Box::new(Self { site, next: Once::empty() }))
    }
}

#[cold]
fn too_many(kind: Kind) -> &'static Callsite {
    if !ARE_TOO_MANY.swap(true, Ordering::Relaxed) {
        diagnostics::of_program().say(format!(
            "there are more than {MOST} names of traces: those beyond are called `workflow` and `agent`; what differs from run to run belongs \
             into an attribute"
        ));
    }
    if kind == Kind::Workflow { &SOME_WORKFLOW } else { &SOME_AGENT }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_one_callsite_whoever_asks_and_beyond_a_limit_they_share() {
        let here = Location::caller();
        let names: Vec<String> = (0..50).map(|number| format!("Workflow {number}")).collect();
        let sites = |names: &[String]| {
            names.iter().map(|name| site(name, here) as *const Callsite as usize).collect::<Vec<_>>()
        };
        let seen: Vec<Vec<usize>> = std::thread::scope(|threads| {
            let asking: Vec<_> = (0..4).map(|_| threads.spawn(|| sites(&names))).collect();
            asking.into_iter().map(|asking| asking.join().expect("no panic")).collect()
        });
        assert!(seen.iter().all(|sites| *sites == seen[0]));
        assert_eq!(site(&names[7], here).name, "Workflow 7");
        let kinds = ["workflow_a", "MyWorkflow", "node_x"].map(|name| site(name, here).span_type);
        assert_eq!(kinds, ["WORKFLOW", "WORKFLOW", "AGENT"]);
        let beyond: Vec<_> = (0..MOST).map(|number| site(&format!("node {number}"), here).name).collect();
        assert_eq!(beyond[MOST - 1], "agent");
        assert_eq!(site("workflow too", here).name, "workflow");
        assert_eq!(site(&names[7], here).name, "Workflow 7");
    }
}
