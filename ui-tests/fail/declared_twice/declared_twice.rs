//! A name, an id and a key stand once, beside the names that mean something else; the first of each is declared.

#![allow(non_camel_case_types)]

mod spans {
    spanwright::spans! {
        pub node Collect(id = "home.collect") {
            count: u64,
            count: i64,
        }
        pub node Collect(id = "home.other");
        pub tool Look(id = "home.collect", id = "again") {
            count: u64,
        }
        pub node root(id = "home.root", parents(root));
        pub node CONTRACT(id = "home.contract");
    }
}

#[spanwright::node(span = spans::Collect, handle = s)]
fn collect() {
    s.count(1_u64);
}

fn main() {}
