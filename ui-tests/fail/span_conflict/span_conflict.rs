//! What the declaration says is not said again. The handle is typed all the same.

mod spans {
    spanwright::spans! {
        pub node Collect(id = "home.collect") {
            count: u64,
        }
    }
}

#[spanwright::node(span = spans::Collect, name = "collect", span_type = "PARSER", handle = s)]
fn collect() {
    s.count(1);
}

fn main() {}
