//! A declaration means the same wherever it stands: no prelude, no unsafe, the facade under another name, and the user's names for everything it uses.

#![no_implicit_prelude]
#![forbid(unsafe_code)]
#![allow(dead_code, non_camel_case_types)]

extern crate spanwright as sw;

mod core {
    pub mod ops {}
    pub mod primitive {}
}
mod spanwright {
    pub mod __private {}
}

mod spans {
    struct Option;
    struct Some;
    struct Copy;
    struct Clone;
    struct Debug;
    struct Sized;
    struct Contract;
    struct OpenSpan;
    struct DeclaredSpan;
    struct u64;
    struct bool;
    struct str;

    ::sw::spans! {
        crate = ::sw;

        pub workflow Declared(id = "a") {
            value: u64, text: str, flag: bool, list: [str], counts: [u64], extra: json, gen_ai.request.stream,

            pub node Deref(id = "b", parents(super::elsewhere::Kind, root));
        }
    }
}

mod elsewhere {
    ::sw::spans! {
        crate = crate::renamed::sw;

        pub tool Kind(id = "c");
        pub tool r#Type(id = "d", parents(r#Kind));
        pub tool r#Self_(id = "e", parents(Type));
    }
}

mod renamed {
    pub extern crate spanwright as sw;
}

#[::sw::workflow(crate = ::sw, span = spans::Declared, handle = span, attributes(value = f, text = "f"))]
fn outer(f: u64, s: u32) -> u64 {
    span.value(f).flag(true).list(&["a"]).counts(&[1]).extra(&s).gen_ai_request_stream(true);
    inner(span);
    f
}

#[::sw::node(crate = ::sw, span = spans::Deref)]
fn inner(span: spans::Declared) {
    span.text("inner");
}

/// Names that a `macro_rules!` made are not names that its caller wrote.
macro_rules! hygienic {
    ($item:ident, $value:ident) => {
        #[::sw::tool(crate = ::sw, span = elsewhere::$item, handle = span)]
        fn from_macro($value: u32, b: u32) -> u32 {
            span.event("b");
            $value + b
        }
    };
}

hygienic!(Kind, b);

/// Fragments come in groups that nobody sees.
macro_rules! of_fragments {
    ($facade:path, $id:literal, $name:expr, $ty:ty, $parent:path, $span:path, $handle:ident, $value:expr) => {
        mod fragments {
            ::sw::spans! {
                crate = $facade;

                pub tool Taken(id = $id, name = $name, parents($parent)) { value: $ty, list: [$ty] }
            }
        }

        #[::sw::tool(crate = $facade, span = $span, handle = $handle, attributes(value = $value))]
        fn of_fragments() {
            $handle.list(&[$value]);
        }
    };
}

of_fragments!(::sw, "fragments.taken", "taken", u32, crate::elsewhere::Kind, fragments::Taken, span, 1 + 1);

fn main() {
    ::core::assert_eq!(outer(1, 2), 1);
    ::core::assert_eq!(from_macro(1, 2), 3);
    of_fragments();
    ::core::assert_eq!(fragments::CONTRACT.spans[0].name, "taken");
    ::core::assert_eq!(elsewhere::CONTRACT.spans[0].id, "c");
}
