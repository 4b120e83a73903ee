//! What is half written is left out; the rest of the declaration stands.

mod spans {
    spanwright::spans! {
        crate = spanwright;

        pub node (id = "a");
        pub Collect(id = "b");
        pub node Open(id = "c")
        pub node Collect(id = "d") {
            count u64,
            dots..more: u64,
            typeless: ,
            pub seen: u64,
            semicolon: u64;
            fine: u64,
            /// Nothing follows.
        }
        count: u64,
        = 4;
        struct Plain;
        pub node Fine(id = "e");
    }
}

#[spanwright::node(span = spans::Collect, handle = s)]
fn collect() {
    s.fine(1);
}

#[spanwright::node(span = spans::Fine)]
fn fine() {}

fn main() {}
