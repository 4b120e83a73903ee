//! A parent that is declared elsewhere is looked up by the compiler.

mod spans {
    spanwright::spans! {
        pub node Collect(id = "collect", parents(super::other::Elsewere, super::other::Fine));
    }
}

mod other {
    spanwright::spans! {
        pub node Elsewhere(id = "elsewhere");
        pub node Fine(id = "fine");
    }
}

fn main() {}
