//! A name, an id and a key stand once; the first of each is declared.

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
    }
}

#[spanwright::node(span = spans::Collect, handle = s)]
fn collect() {
    s.count(1_u64);
}

fn main() {}
