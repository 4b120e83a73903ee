//! Parents are declared here, or named by a path.

mod spans {
    spanwright::spans! {
        pub workflow Outer(id = "outer") {
            pub node Collect(id = "collect", parents(Outer));
        }
        pub node Misspelled(id = "a", parents(Colect));
        pub node Rooted(id = "b", parents(rot, Collect, Collect));
        pub node Unknown(id = "c", parents(Elsewhere));
        pub node Empty(id = "d", parents());
        pub node Bare(id = "e", parents);
        pub node NoSpan(id = "g", parents(super::NoSpan));
        pub node Fine(id = "h", parents(Fine, Outer, root, super::other::Elsewhere));
        pub node r#Type(id = "i", parents(r#Fine));
        pub node Raw(id = "j", parents(r#Type, Type));
    }
}

mod other {
    spanwright::spans! {
        pub node Elsewhere(id = "elsewhere");
    }
}

struct NoSpan;

fn main() {}
