//! A declaration adds no warning: neither by what it makes nor by the names its attributes have.

#![deny(warnings, missing_docs, missing_debug_implementations, unreachable_pub, clippy::all, clippy::pedantic)]

use spanwright::{node, tool, workflow};

/// Its doc is the user's; what has none gets one.
pub mod spans {
    spanwright::spans! {
        pub workflow Outer(id = "outer") {
            as_text: str,
            to_list: [str],
            into_count: u64,
            from_there: i8,
            is_there: bool,
            add: u64,
            not: bool,
            eq: bool,
            next: u32,
            default: f32,
            new: json,
            len: usize,
            clone_count: u32,
            key.camelCase: u64,

            node Inner(id = "inner");
        }

        pub tool NobodyMakesIt(id = "nobody", leaf) {
            unset: u64,
        }
    }

    #[spanwright::node(span = Inner, handle = s)]
    pub(super) fn inner() {
        s.event("there");
    }
}

#[workflow(span = spans::Outer, handle = s, attributes(as_text = "a", add = count))]
fn outer(count: u64) -> u64 {
    s.is_there(true).key_camel_case(1);
    spans::inner();
    spans::CONTRACT.spans.len() as u64 + count
}

mod private {
    spanwright::spans! {
        tool Private(id = "private") {
            unset: u64,
        }
    }

    #[super::tool(span = Private)]
    pub(crate) fn private() {}
}

#[node]
fn undeclared() {
    private::private();
}

fn main() {
    assert_eq!(outer(1), 4);
    undeclared();
}
