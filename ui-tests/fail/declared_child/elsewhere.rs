//! A leaf that is declared elsewhere is seen by the compiler.

mod spans {
    spanwright::spans! {
        pub node Beside(id = "beside", parents(super::other::Fine, super::other::Leaf));
    }
}

mod other {
    spanwright::spans! {
        pub node Fine(id = "fine");
        pub tool Leaf(id = "leaf", leaf);
    }
}

fn main() {}
