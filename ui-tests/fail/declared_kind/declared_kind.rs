//! The word before the name is the attribute that makes the span. The item exists all the same, for any attribute.

mod spans {
    spanwright::spans! {
        pub nod Misspelled(id = "a") {
            count: u64,

            pub step Synonym(id = "b");
        }
        pub banana Unknown(id = "c");
        pub node Fine(id = "d");
    }
}

#[spanwright::node(span = spans::Misspelled, handle = s)]
fn misspelled() {
    s.count(1);
}

#[spanwright::tool(span = spans::Unknown)]
fn unknown() {}

#[spanwright::node(span = spans::Fine)]
fn fine() {}

fn main() {}
