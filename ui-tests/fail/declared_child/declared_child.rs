//! A leaf has no children, and a schedule no parents.

mod spans {
    spanwright::spans! {
        pub workflow Outer(id = "outer") {
            pub tool Leaf(id = "leaf", leaf) {
                pub node Under(id = "under");
            }
            pub scheduled Nightly(id = "nightly");
        }
        pub node Beside(id = "beside", parents(Outer, Leaf));
        pub scheduled Weekly(id = "weekly", parents(root));
        pub tool Flag(id = "flag", leaf = true);
    }
}

fn main() {}
